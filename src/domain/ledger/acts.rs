//! What can be asked of the ledger, and what is answered.

use super::{follow::Follow, ride::Ride};
use crate::domain::{
    delivery::{SubscriptionDelta, SubscriptionKey, SubscriptionRow},
    digest::Digest,
    docket::EntryKey,
    draft::{Draft, Resolution, StoredRecord},
    evidence::EvidenceDraft,
    feeds::Feed,
    ids::{Micros, ParticipantId, Position, RecordId, Revision},
    life_cycle::Authority,
    regions::Region,
    violation::{Text, Violation},
};

/// The head of the ledger: everything that the next commit builds on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Last position taken; 0 = empty.
    pub position: Position,
    /// Commit time of the last commit.
    pub committed_at: Micros,
    /// Entries in the evidence log.
    pub evidence_size: u64,
    /// Root of the evidence tree at that size.
    pub evidence_root: Digest,
}

/// One act: a change and the evidence of it, committed together or not at all.
#[derive(Debug, Clone)]
pub struct Act {
    /// What changes.
    pub change: Change,
    /// What is recorded of it. Positions, root and counts of a publish are filled in when it is decided.
    pub evidence: EvidenceDraft,
}

/// A batch of records by one publisher.
#[derive(Debug, Clone)]
pub struct Publish {
    /// Who.
    pub publisher: ParticipantId,
    /// For which steps it is competent.
    pub authority: Authority,
    /// 1 to 1,000 drafts.
    pub drafts: Vec<Draft>,
    /// Decide, but write nothing, no evidence either.
    pub validate_only: bool,
}

/// Batches of one publisher that came one after the other on a stream. Each is accepted or refused by itself, in order; those
/// that are accepted share one evidence entry.
#[derive(Debug, Clone)]
pub struct PublishMany {
    /// Who.
    pub publisher: ParticipantId,
    /// For which steps it is competent.
    pub authority: Authority,
    /// At least one batch, each of 1 to 1,000 drafts.
    pub batches: Vec<Vec<Draft>>,
}

/// A statement of completeness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// Who.
    pub publisher: ParticipantId,
    /// Feed.
    pub feed: Feed,
    /// Region; `None` = nationwide.
    pub region: Option<Region>,
    /// Complete to this time; never moves back (an earlier one leaves the later standing).
    pub complete_to: Micros,
}

/// What changes.
#[derive(Debug, Clone)]
pub enum Change {
    /// Records are written.
    Publish(Box<Publish>),
    /// Batches of a stream are written, each for itself.
    PublishMany(Box<PublishMany>),
    /// Completeness is attested.
    Attest(Attestation),
    /// A subscription is made. The same key with equal spec stands as it is; with another it is refused.
    CreateSubscription(Box<SubscriptionRow>),
    /// A subscription and everything of it is deleted.
    DeleteSubscription(SubscriptionKey),
    /// The state of a subscription moves; refused as `FENCED` unless the stored epoch equals `delta.expected_epoch`.
    MoveSubscription(Box<SubscriptionDelta>),
    /// The place of a subscription moves over revisions that are not for it: no act, no evidence. Fenced as `MoveSubscription`;
    /// the outcome is `Unchanged`.
    PassSubscription(Box<SubscriptionDelta>),
    /// What the acts before it in the group publish is disclosed to a subscription; positions, root and counts of the evidence
    /// are filled in when it is decided. The outcome is `Disclosed`, or `Unchanged` when there is nothing for it.
    Ride(Box<Ride>),
    /// The docket takes in more of the ledger: follows from it, so no act and no evidence. The outcome is `Unchanged`, or `Fenced`
    /// when another took it in meanwhile.
    Follow(Box<Follow>),
    /// Duties are raised as overdue, once.
    RaiseOverdue(Vec<EntryKey>),
    /// Nothing but the evidence: a disclosure, a refusal, an administrative act.
    Record,
}

/// What became of one record of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedItem {
    /// Its id.
    pub record_id: RecordId,
    /// The revision it stands under.
    pub revision: Revision,
    /// Its position; the original's for a duplicate; 0 when validated only.
    pub position: Position,
    /// The same content stood already.
    pub duplicate: bool,
    /// Things to know.
    pub remarks: Vec<Violation>,
    /// How the name was resolved.
    pub resolution: Option<Resolution>,
}

/// Why the ledger refused an act. Nothing of it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Items of a batch are in conflict with what stands; all of them are listed.
    Batch(Vec<RefusedItem>),
    /// A subscription of that name stands with other settings.
    AlreadyExists,
    /// No such subscription.
    NotFound,
    /// The epoch has moved on: another owner or session holds the subscription.
    Fenced {
        /// The epoch that stands.
        stands: u64,
    },
}

/// One refused item of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedItem {
    /// Index in the batch, from 0.
    pub index: usize,
    /// Its id.
    pub record_id: RecordId,
    /// Stable token: `CONTENT_CONFLICT`, `REVISION_GAP`, `KIND_CHANGED`, `ILLEGAL_STEP`, `UNKNOWN_NONCONFORMITY`,
    /// `NONCONFORMITY_CHANGED`, `NOT_COMPETENT`, `UNKNOWN_REFERENCE`, `CODE_STATED`, `NAME_CHANGED`.
    pub reason: &'static str,
    /// In words, naming what stands and what was asked.
    pub text: Text,
}

/// What became of one batch of a stream: one item for each draft, in order, or all that was refused.
pub type BatchOutcome = Result<Vec<PublishedItem>, Vec<RefusedItem>>;

/// What became of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Published (or all duplicates, or validated only: then there is no evidence index).
    Published {
        /// One for each draft, in order.
        items: Vec<PublishedItem>,
        /// Evidence entry, if something was written.
        evidence_index: Option<u64>,
    },
    /// The batches of a stream were decided.
    PublishedMany {
        /// One for each batch, in order.
        batches: Vec<BatchOutcome>,
        /// Evidence entry of all that was written; `None` = nothing was.
        evidence_index: Option<u64>,
    },
    /// Attested; the time that stands now.
    Attested {
        /// Complete to.
        complete_to: Micros,
        /// Evidence entry.
        evidence_index: u64,
    },
    /// Done.
    Done {
        /// Evidence entry.
        evidence_index: u64,
    },
    /// Disclosed, each for the first time to this session.
    Disclosed {
        /// What, ascending.
        positions: Vec<Position>,
        /// Evidence entry.
        evidence_index: u64,
    },
    /// Already so; nothing was written.
    Unchanged,
    /// Refused; nothing was written.
    Refused(Refusal),
}

/// A committed group.
#[derive(Debug, Clone)]
pub struct Committed {
    /// One outcome an act, in order.
    pub outcomes: Vec<Outcome>,
    /// The head after it.
    pub head: Head,
    /// What was added to the ledger, by position, as readers will see it.
    pub added: Vec<StoredRecord>,
}
