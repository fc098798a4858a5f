//! What is recorded of an act.

use crate::domain::{digest::Digest, feeds::Feed, ids::{Position, SystemId}};

/// What sort of act an entry records; numbers as in `evidence.proto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ActKind {
    /// Records published.
    Publish = 1,
    /// Completeness attested.
    Attest = 2,
    /// Deliveries released for sending.
    Disclose = 3,
    /// Deliveries settled.
    Settle = 4,
    /// Enterprises or records read.
    Pull = 5,
    /// A declaration screened.
    Screen = 6,
    /// A subscription made or deleted.
    Subscription = 7,
    /// A session attached: a new epoch.
    Attach = 8,
    /// Dead letters redriven.
    Redrive = 9,
    /// Dead letters discarded.
    Discard = 10,
    /// A request refused.
    Refuse = 11,
    /// Repeated refusals of one minute, counted.
    RefusalSummary = 12,
    /// The gateway started, stopped, or loaded a new register.
    Administer = 13,
    /// The evidence log itself was read.
    Audit = 14,
}

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Actor {
    /// The system; `None` = the gateway itself or an unknown certificate.
    pub system: Option<SystemId>,
    /// SHA-256 of the certificate presented.
    pub certificate_sha256: Option<Digest>,
    /// Operator, if a token was presented.
    pub operator: Option<String>,
}

/// Positions from first to last, both in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionRange {
    /// First.
    pub first: Position,
    /// Last.
    pub last: Position,
}

/// What is recorded of an act, before its index and time are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceDraft {
    /// What.
    pub kind: ActKind,
    /// Who.
    pub actor: Actor,
    /// Request id or trace id.
    pub request_id: String,
    /// Full name of the method or act.
    pub method: String,
    /// Subscription acted on; empty = none.
    pub subscription: String,
    /// Feeds touched.
    pub feeds: Vec<Feed>,
    /// Positions, ascending, not touching.
    pub positions: Vec<PositionRange>,
    /// Tree hash over the record digests at those positions.
    pub records_root: Option<Digest>,
    /// `OK` or the reason of the refusal.
    pub outcome: String,
    /// What was asked for; never free text.
    pub subjects: Vec<String>,
    /// Free text (purpose, reasons), committed to by a salted digest when sealed; `None` = there is none.
    pub commitment: Option<Digest>,
    /// Named numbers.
    pub counts: Vec<(&'static str, u64)>,
}

impl EvidenceDraft {
    /// A draft with the outcome `OK` and nothing else.
    #[must_use]
    pub fn new(kind: ActKind, actor: Actor, method: &str) -> Self {
        Self {
            kind,
            actor,
            request_id: String::new(),
            method: method.to_owned(),
            subscription: String::new(),
            feeds: Vec::new(),
            positions: Vec::new(),
            records_root: None,
            outcome: "OK".to_owned(),
            subjects: Vec::new(),
            commitment: None,
            counts: Vec::new(),
        }
    }
}
