//! Where the door reports whom it turned away.

use crate::domain::{evidence::Actor, ids::SystemId};

/// A request refused at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorRefusal {
    /// Who asked, as far as known.
    pub actor: Actor,
    /// Full name of the method; empty when there is none of that name.
    pub method: &'static str,
    /// Request id.
    pub request_id: String,
    /// Stable reason.
    pub reason: &'static str,
}

/// Keeps account of those turned away. Called on the way of a request: it must not wait.
pub trait RefusalSink: Send + Sync + 'static {
    /// A request was refused.
    fn refused(&self, refusal: DoorRefusal);

    /// A connection never came to a request: `HANDSHAKE_FAILED`, `HANDSHAKE_TIMEOUT`, `CONNECTION_LIMIT`.
    fn turned_away(&self, reason: &'static str);

    /// An open connection was given up, since its certificate is trusted no longer.
    fn withdrawn(&self, system: Option<&SystemId>, certificate_sha256: crate::domain::digest::Digest, reason: &'static str);
}
