//! What is recorded of an act.

use crate::domain::{
    digest::Digest,
    feeds::Feed,
    ids::{Position, SystemId},
};

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
    /// A subscription made, changed, paused, resumed or deleted.
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
    /// The place of a subscription moved by an administrator.
    Seek = 15,
    /// A subscription passed revisions that its grant does not admit.
    Withhold = 16,
}

impl ActKind {
    /// All kinds.
    pub const ALL: [Self; 16] = [
        Self::Publish,
        Self::Attest,
        Self::Disclose,
        Self::Settle,
        Self::Pull,
        Self::Screen,
        Self::Subscription,
        Self::Attach,
        Self::Redrive,
        Self::Discard,
        Self::Refuse,
        Self::RefusalSummary,
        Self::Administer,
        Self::Audit,
        Self::Seek,
        Self::Withhold,
    ];

    /// The kind of that number in `evidence.proto`.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i32 == number)
    }

    /// Token as on the command line and in exported entries.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Attest => "attest",
            Self::Disclose => "disclose",
            Self::Settle => "settle",
            Self::Pull => "pull",
            Self::Screen => "screen",
            Self::Subscription => "subscription",
            Self::Attach => "attach",
            Self::Redrive => "redrive",
            Self::Discard => "discard",
            Self::Refuse => "refuse",
            Self::RefusalSummary => "refusal_summary",
            Self::Administer => "administer",
            Self::Audit => "audit",
            Self::Seek => "seek",
            Self::Withhold => "withhold",
        }
    }

    /// The kind of that token.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.token() == token)
    }
}

impl serde::Serialize for ActKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.token())
    }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct PositionRange {
    /// First.
    pub first: Position,
    /// Last.
    pub last: Position,
}

impl PositionRange {
    /// Ascending positions as ranges that do not touch.
    #[must_use]
    pub fn join(positions: impl IntoIterator<Item = Position>) -> Vec<Self> {
        let mut ranges: Vec<Self> = Vec::new();
        for position in positions {
            match ranges.last_mut() {
                Some(range) if range.last + 1 == position => range.last = position,
                _ => ranges.push(Self { first: position, last: position }),
            }
        }
        ranges
    }
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
