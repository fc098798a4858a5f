//! The docket and the tallies as a store keeps them, in words.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{
    dates::CivilDate,
    docket::{Duty, Entry, EntryKey},
    ids::{ParticipantId, Position},
    statistics::Tally,
};

/// A question to the docket; every given field must match.
#[derive(Debug, Clone, Default)]
pub struct DocketQuery {
    /// This duty.
    pub duty: Option<Duty>,
    /// Of this participant.
    pub answerable: Option<ParticipantId>,
    /// Raised as overdue.
    pub overdue: bool,
}

/// What became overdue.
#[derive(Debug, Clone, Copy)]
pub enum Lapsed {
    /// Duties of this kind that are counted from this day or an earlier one.
    Counted(Duty, CivilDate),
    /// Duties with a stated day before this one.
    Stated(CivilDate),
}

/// How many duties of a kind stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DutyCount {
    /// The kind.
    pub duty: Duty,
    /// How many.
    pub open: u64,
    /// How many of them were raised as overdue.
    pub overdue: u64,
    /// The day the oldest is counted from.
    pub oldest: CivilDate,
}

/// Reads of the docket.
#[async_trait]
pub trait DocketReads: Send + Sync {
    /// The ledger was read up to here for it.
    async fn followed(&self) -> Result<Position, StoreError>;

    /// All entries of these matters.
    async fn of_matters(&self, matters: &[String]) -> Result<Vec<Entry>, StoreError>;

    /// Entries that match, by key, after a key, at most `limit`.
    async fn entries(&self, query: &DocketQuery, after: Option<&EntryKey>, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// Entries that lapsed and were not raised, at most `limit`.
    async fn lapsed(&self, lapsed: Lapsed, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// All numbers of the statistics.
    async fn tallies(&self) -> Result<Vec<Tally>, StoreError>;

    /// How many there are of each duty.
    async fn counts(&self) -> Result<Vec<DutyCount>, StoreError>;
}
