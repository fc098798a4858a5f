//! Where the door reports whom it turned away.

use crate::{domain::evidence::Actor, gateway::refusals::RefusalLog};

/// Method under which the end of a connection is recorded whose certificate is trusted no longer.
pub(super) const CONNECTION_METHOD: &str = "tongbao/connection";

/// A request refused at the door, or a connection given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorRefusal {
    /// Who, as far as known.
    pub actor: Actor,
    /// Full name of the method, or `tongbao/connection`.
    pub method: &'static str,
    /// Request id; empty for a connection.
    pub request_id: String,
    /// Stable reason.
    pub reason: &'static str,
}

/// Keeps account of those turned away. Called on the way of a request: it must not wait.
pub trait RefusalSink: Send + Sync + 'static {
    /// A request was refused, or an open connection given up.
    fn refused(&self, refusal: DoorRefusal);

    /// A connection never came to a request: `HANDSHAKE_FAILED`, `HANDSHAKE_TIMEOUT`, `CONNECTION_LIMIT`.
    fn turned_away(&self, reason: &'static str);
}

impl RefusalSink for RefusalLog {
    fn refused(&self, refusal: DoorRefusal) {
        Self::refused(self, refusal.actor, refusal.method, &refusal.request_id, refusal.reason);
    }

    fn turned_away(&self, reason: &'static str) {
        Self::turned_away(self, reason);
    }
}
