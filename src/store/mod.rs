//! The store: one trait in words, and its homes. `commit(acts) → outcomes` and reads; no transaction leaves the store.
//!
//! Invariants: fact and evidence are one transaction; positions and evidence indexes are taken under the head lock, without
//! gaps; an answer is given only after the transaction is on disk.

#[cfg(test)]
mod conformance;
pub mod docket;
mod encoding;
pub mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::{
    attributes::SubjectKey,
    credit_code::CreditCode,
    delivery::{BlockSummary, DeadLetter, LetterRun, Selector, SubscriptionKey, SubscriptionState},
    draft::{OrderKey, StoredRecord},
    evidence::ActKind,
    feeds::Feed,
    ids::{Micros, ParticipantId, Position, RecordId, Revision},
    ledger::{Act, Attestation, Committed, Head},
    records::Kind,
};

/// Why the store could not do what was asked. Never a domain refusal: those are outcomes.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk. Nothing was written; it recovers by itself when there is room.
    #[error("the store is full: {0}")]
    Full(String),
    /// The store does not answer now (locked, cut off, shutting down). Nothing is known to be written.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// What was read cannot be: the file is damaged or was changed by another hand.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Made by a newer program.
    #[error("the store has schema {found}, newer than this program's {known}: use the newer program")]
    Newer {
        /// Schema found.
        found: i64,
        /// Schema known.
        known: i64,
    },
}

/// Name of a ledger. Cursors name it, so that they are never used on another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Random, made with the store, lower-case hexadecimal, 32 characters.
    pub ledger_id: String,
    /// Raised by a restore.
    pub generation: u64,
}

/// Bounds of a page; at least one record is returned if there is one.
#[derive(Debug, Clone, Copy)]
pub struct PageBounds {
    /// At most this many positions.
    pub records: usize,
    /// Stop after this many bytes of content.
    pub bytes: usize,
}

/// A question to the ledger; every given field must match.
#[derive(Debug, Clone, Default)]
pub struct RecordQuery {
    /// Feeds; empty = none at all.
    pub feeds: Vec<Feed>,
    /// Kind.
    pub kind: Option<Kind>,
    /// Enterprise.
    pub credit_code: Option<CreditCode>,
    /// Publisher of the revision in force.
    pub publisher: Option<ParticipantId>,
    /// Only nonconformities that have not been withdrawn and whose producer has no code, neither stated nor resolved at publish.
    pub without_code: bool,
}

/// A question to the evidence log; every given field must match.
#[derive(Debug, Clone, Default)]
pub struct EvidenceQuery {
    /// Kind.
    pub kind: Option<ActKind>,
    /// Participant.
    pub participant: String,
    /// System of that participant.
    pub system: String,
    /// Subject or record id.
    pub subject: String,
    /// Entries whose positions include this one; 0 = all.
    pub position: Position,
    /// From this time.
    pub from: Option<Micros>,
    /// Before this time.
    pub to: Option<Micros>,
    /// Outcome.
    pub outcome: String,
}

/// A question to the dead letters of a subscription.
#[derive(Debug, Clone)]
pub struct LetterQuery {
    /// Which.
    pub selector: Selector,
    /// Of these, those that died while the evidence log had at most so many entries: what a run selects is fixed by it. `None` = as
    /// they stand.
    pub died_by: Option<u64>,
}

/// How many dead letters a question selects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LetterCount {
    /// All of them.
    pub total: u64,
    /// Of each reason, most first; no more reasons than were asked for.
    pub by_reason: Vec<(String, u64)>,
}

/// What a gateway keeps. One writer; any number of readers, which see committed state only.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Commits a group of acts in one transaction, in order, and answers after it is on disk.
    ///
    /// Positions and evidence indexes are taken in the order of the acts. An act that the domain refuses has the outcome
    /// `Refused` and leaves nothing behind; the others of the group stand. Commit time is max(`now`, head time + 1 µs).
    /// After an error nothing of the group is written, or (`Unavailable` alone) it is unknown; `group_id` of a later
    /// `resolve` tells.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn commit(&self, group_id: u128, now: Micros, acts: &[Act]) -> Result<Committed, StoreError>;

    /// True when the group of that id is on disk: the answer to an unknown outcome. Only the last few groups are known.
    async fn is_committed(&self, group_id: u128) -> Result<bool, StoreError>;

    /// Name of the ledger.
    fn identity(&self) -> &Identity;

    /// The committed head.
    async fn head(&self) -> Result<Head, StoreError>;

    /// Revisions at positions > `after` and ≤ `upto`, ascending, without gaps.
    async fn page(&self, after: Position, upto: Position, bounds: PageBounds) -> Result<Vec<StoredRecord>, StoreError>;

    /// Revisions of one order key at positions > `after` and ≤ `upto`, ascending, at most `limit`.
    async fn page_of_key(
        &self,
        key: &OrderKey,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StoreError>;

    /// Single revisions by position, ascending; missing ones are left out.
    async fn at(&self, positions: &[Position]) -> Result<Vec<StoredRecord>, StoreError>;

    /// Positions in `first..=last` whose record has a later revision at or below `upto`.
    async fn superseded(&self, first: Position, last: Position, upto: Position) -> Result<Vec<Position>, StoreError>;

    /// Summaries of full blocks from block `first` on, ascending, at most `limit`. A block may be missing: then it has to be read.
    /// `with_codes`: with the sets of credit codes, which are the largest part of them.
    async fn summaries(&self, first: u64, limit: usize, with_codes: bool) -> Result<Vec<(u64, BlockSummary)>, StoreError>;

    /// Last position committed at or before `time`; 0 = none.
    async fn position_at(&self, time: Micros) -> Result<Position, StoreError>;

    /// One record as it stood at `as_of`: the given revision, or the one in force.
    async fn record(
        &self,
        id: &RecordId,
        revision: Option<Revision>,
        as_of: Position,
    ) -> Result<Option<StoredRecord>, StoreError>;

    /// Revisions in force at `as_of` of all records that were ever filed under one of the subjects, by position. Callers
    /// check the content: a record may have moved away from a subject since.
    async fn by_subjects(&self, subjects: &[SubjectKey], as_of: Position, limit: usize) -> Result<Vec<StoredRecord>, StoreError>;

    /// Revisions in force at `as_of` that match, at positions > `after`, ascending, at most `limit`.
    async fn list(
        &self,
        query: &RecordQuery,
        as_of: Position,
        after: Position,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StoreError>;

    /// The docket.
    fn docket(&self) -> &dyn docket::DocketReads;

    /// All attestations that stand: every answer asks, so that they are best kept in memory.
    async fn attestations(&self) -> Result<Arc<[Attestation]>, StoreError>;

    /// Everything kept of a subscription.
    async fn subscription(&self, key: &SubscriptionKey) -> Result<Option<SubscriptionState>, StoreError>;

    /// Names of a participant's subscriptions after `after`, ascending, at most `limit`.
    async fn subscription_names(&self, participant: &ParticipantId, after: &str, limit: usize)
    -> Result<Vec<String>, StoreError>;

    /// Selected dead letters at positions > `after`, ascending, at most `limit`.
    async fn dead_letters(
        &self,
        key: &SubscriptionKey,
        query: &LetterQuery,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError>;

    /// How many dead letters are selected, by at most `reasons` reasons. Reads no histories; time grows with the dead letters.
    async fn count_dead_letters(
        &self,
        key: &SubscriptionKey,
        query: &LetterQuery,
        reasons: usize,
    ) -> Result<LetterCount, StoreError>;

    /// How far a run over dead letters is; `None` = it has changed nothing yet, or was forgotten: of each subscription the last
    /// 1,000 runs are known.
    async fn letter_run(&self, key: &SubscriptionKey, request_id: &str) -> Result<Option<LetterRun>, StoreError>;

    /// How many dead letters there are of each reason, most first, at most `limit` reasons. Reads no histories.
    async fn dead_letter_counts(&self, key: &SubscriptionKey, limit: usize) -> Result<Vec<(String, u64)>, StoreError>;

    /// Canonical bytes of evidence entries `first..first + limit`, ascending.
    async fn evidence(&self, first: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;

    /// Entries that match at indexes > `after` (`None` = from the first), ascending, at most `limit`.
    async fn search_evidence(
        &self,
        query: &EvidenceQuery,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;

    /// Hashes of the complete subtrees (level, index), leaf hashes at level 0, in the order asked: what proofs are made of.
    async fn evidence_nodes(&self, nodes: &[(u8, u64)]) -> Result<Vec<[u8; 32]>, StoreError>;

    /// Keeps a signed checkpoint (no act: it adds nothing to the ledger) so that a fork can be proved. Answers although the disk is
    /// full, by not keeping it.
    async fn keep_checkpoint(&self, size: u64, note: &str) -> Result<(), StoreError>;

    /// The newest kept checkpoint of at least `size`, smallest first.
    async fn checkpoint_at(&self, size: u64) -> Result<Option<String>, StoreError>;

    /// Reads everything and compares: positions contiguous, revisions contiguous, digests, evidence tree, subscription states,
    /// subjects. Returns what is wrong, one line each.
    async fn check_everything(&self) -> Result<Vec<String>, StoreError>;

    /// True when a small write succeeds now (readiness).
    async fn is_writable(&self) -> bool;

    /// Closes after what is under way.
    async fn close(&self);
}
