//! Who asks: established by the door from certificate and token, trusted by every step after it.

use crate::domain::{
    digest::Digest,
    evidence::Actor,
    ids::{ParticipantId, SystemId},
    violation::Lang,
};

/// Role of an operator. No one holds `Manage` and `Audit` together (GB/T 39477-2020: three separate roles).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OperatorRole {
    /// Manages participants and rights.
    Manage,
    /// Reads and proves the evidence log.
    Audit,
    /// Operates the gateway: dead letters, pauses.
    Operate,
    /// Reads states and numbers.
    Observe,
}

/// A person, known by a short-lived token bound to the presented certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Name in the token.
    pub name: String,
    /// Roles in the token.
    pub roles: Vec<OperatorRole>,
}

/// Who asks, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The registered system.
    pub system: SystemId,
    /// SHA-256 of the certificate it presented.
    pub certificate_sha256: Digest,
    /// The operator, if a valid token came with the request.
    pub operator: Option<Operator>,
    /// Request id given by the client, else the trace id; at most 64 characters.
    pub request_id: String,
    /// Full name of the method, e.g. `tongbao.v1.PublishService/Publish`.
    pub method: &'static str,
    /// Language of messages.
    pub lang: Lang,
}

impl Caller {
    /// Its participant.
    pub fn participant(&self) -> &ParticipantId {
        &self.system.participant
    }

    /// As evidence names it.
    pub fn actor(&self) -> Actor {
        Actor {
            system: Some(self.system.clone()),
            certificate_sha256: Some(self.certificate_sha256),
            operator: self.operator.as_ref().map(|operator| operator.name.clone()),
        }
    }
}
