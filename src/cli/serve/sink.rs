//! Carries what the door turns away to the evidence log.

use crate::{
    domain::{digest::Digest, evidence::Actor, ids::SystemId},
    gateway::refusals::RefusalLog,
    rpc::{DoorRefusal, RefusalSink},
};

/// The refusal log as the door knows it.
pub(super) struct Sink(pub(super) RefusalLog);

impl RefusalSink for Sink {
    fn refused(&self, refusal: DoorRefusal) {
        self.0.refused(refusal.actor, refusal.method, &refusal.request_id, refusal.reason);
    }

    fn turned_away(&self, reason: &'static str) {
        self.0.turned_away(reason);
    }

    fn withdrawn(&self, system: Option<&SystemId>, certificate_sha256: Digest, reason: &'static str) {
        let actor = Actor { system: system.cloned(), certificate_sha256: Some(certificate_sha256), operator: None };
        self.0.refused(actor, "connection", "", reason);
    }
}
