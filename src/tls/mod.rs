//! Certificates: TLS 1.3 alone, both sides known, trust that can be exchanged while connections are open.
//!
//! Invariants: a gateway that must check revocation and has no list refuses to start; a list past its date admits nobody; no
//! session is resumed, since resumption would skip the check of the client's certificate; a private key that others can read
//! is not used. All verification asks the injected clock.

pub mod authority;
mod client;
mod error;
pub mod inspect;
mod peer;
pub mod pem;
mod probe;
mod server;

use std::{fmt, sync::Arc, time::Duration};

pub use client::{ClientFiles, client_config};
pub use error::TlsError;
pub use peer::{Distrust, Peer};
pub use probe::{ProbeFailure, ProbeReport, probe};
pub use server::{ServerFiles, ServerTls};

use rustls::{
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::UnixTime,
    time_provider::TimeProvider,
};

use crate::{clock::Clock, domain::ids::Micros};

/// The protocol spoken inside TLS, as ALPN names it.
const ALPN_HTTP2: &[u8] = b"h2";

/// The one provider of cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A moment as rustls names it; before 1970 counts as 1970.
fn unix_time(at: Micros) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_micros(u64::try_from(at).unwrap_or(0)))
}

/// Lets rustls ask our clock.
struct ClockTime(Arc<dyn Clock>);

impl fmt::Debug for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClockTime")
    }
}

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(self.0.now()))
    }
}

#[cfg(test)]
mod tests;
