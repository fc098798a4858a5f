//! What the gateway tells about itself: log lines, metrics, liveness and readiness, on a listener of their own.
//!
//! Nothing here carries secrets or records: no tokens, no keys, no content. The listener is loopback by default, since whoever
//! reaches it reads the numbers without a certificate.

mod listener;
mod log;
mod metrics;
mod readiness;
mod subscriptions;

pub use listener::{Listener, ListenerError};
pub use log::{LogFormat, LogSettings, start_log};
pub use metrics::Metrics;
pub use readiness::{Check, Readiness};
pub use subscriptions::{REASONS, SubscriptionMetrics};
