//! Subscribing: each awake subscription has a host, a task that feeds the pure delivery engine and does what it says.
//!
//! Invariants: DISCLOSED-AFTER-RECORDED (a batch is sent after its evidence is committed), PASSED-IS-PASSED (a settle is answered
//! after its commit), and the engine's state moves only by what was committed.

mod attach;
mod commits;
mod host;
mod hosts;
mod numbers;
mod passing;
mod reading;
mod rights;
mod rows;
mod session;
mod unary;

pub(super) use hosts::stopping;
pub use hosts::{HostParts, Hosts};
pub use numbers::MOST_LISTED;
pub(super) use session::Administration;
pub use session::{AttachRequest, Batch, Blocked, Event, Outgoing, Overview, Session};
pub use unary::{FetchRequest, UnarySessions};
