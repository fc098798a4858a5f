//! What a decided group writes: rows for set statements that cannot fail for domain reasons.

use std::collections::{BTreeMap, HashMap};

use super::{
    acts::{Head, Outcome},
    follow::DocketWrite,
    read_set::{AttestationKey, StandingRecord},
    subscriptions::SubscriptionWrite,
};
use crate::domain::{
    attributes::SubjectKey,
    delivery::SubscriptionKey,
    digest::Digest,
    draft::StoredRecord,
    evidence::{ActKind, Completed, Frontier, PositionRange},
    ids::{Micros, Position, RecordId},
    life_cycle::Step,
};

/// A decided group.
#[derive(Debug)]
pub struct Decision {
    /// One outcome an act, in order.
    pub outcomes: Vec<Outcome>,
    /// What is written; empty when nothing changes.
    pub writes: WritePlan,
    /// The head after it; the head before it when nothing is written.
    pub head: Head,
}

/// A new revision.
#[derive(Debug, Clone)]
pub struct NewRevision {
    /// The revision as readers will see it.
    pub stored: StoredRecord,
    /// Position of the record's first revision.
    pub first_position: Position,
    /// Keys it is filed under, besides its order key.
    pub subjects: Vec<SubjectKey>,
}

/// The step of a disposition: what its latest revision does to the life cycle of its nonconformity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainWrite {
    /// First position of the nonconformity.
    pub nonconformity: Position,
    /// First position of the disposition.
    pub disposition: Position,
    /// The step; `None` = withdrawn, or a measure without a step.
    pub step: Option<Step>,
}

/// An evidence entry as it is kept, with what it is searched by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedEntry {
    /// Place in the log.
    pub index: u64,
    /// Canonical bytes.
    pub bytes: Vec<u8>,
    /// Leaf hash of the bytes.
    pub leaf: Digest,
    /// What sort of act.
    pub kind: ActKind,
    /// Participant; empty = the gateway itself.
    pub participant: String,
    /// Name of its system.
    pub system: String,
    /// `OK` or the reason.
    pub outcome: String,
    /// What was asked for.
    pub subjects: Vec<String>,
    /// Positions it speaks of.
    pub positions: Vec<PositionRange>,
}

/// Everything a group writes.
#[derive(Debug, Default)]
pub struct WritePlan {
    /// Commit time of the whole group.
    pub committed_at: Micros,
    /// Revisions, by position.
    pub revisions: Vec<NewRevision>,
    /// Records as they stand after the group.
    pub records: HashMap<RecordId, StandingRecord>,
    /// Steps of dispositions, in the order decided: a later one of the same disposition replaces the earlier.
    pub chain: Vec<ChainWrite>,
    /// Attestations that moved.
    pub attestations: BTreeMap<AttestationKey, Micros>,
    /// Subscriptions, each with its net change.
    pub subscriptions: BTreeMap<SubscriptionKey, SubscriptionWrite>,
    /// The docket.
    pub docket: DocketWrite,
    /// Evidence, by index.
    pub evidence: Vec<SealedEntry>,
    /// Subtrees of the evidence tree that became complete at the levels that stores keep.
    pub subtrees: Vec<Completed>,
    /// Right edge of the evidence tree after the group.
    pub frontier: Frontier,
}

impl WritePlan {
    /// True when nothing is written. Every fact has its entry; passing over revisions is no act and has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.moves_head() && self.subscriptions.is_empty() && self.docket.is_empty()
    }

    /// True when there is evidence, and so a commit of the ledger; false when subscriptions pass over revisions and nothing else.
    #[must_use]
    pub fn moves_head(&self) -> bool {
        !self.evidence.is_empty()
    }
}
