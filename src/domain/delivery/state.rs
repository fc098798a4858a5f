//! What is kept of a subscription: a floor, chunks of acknowledged positions above it, narrow rows for the exceptions.
//!
//! Invariant: every position ≤ `scanned` is exactly one of: ≤ floor, set in a chunk, in a row (retrying, dead), behind a blocked
//! key's resume position, or out (in flight; memory only, read again after a restart). No row per delivery.

use std::collections::BTreeMap;

use super::subscription::{SubscriptionKey, SubscriptionRow};
use crate::domain::{
    draft::OrderKey,
    ids::{Micros, Position, RecordId, Revision},
};

/// Positions of one chunk of the acknowledgement bitmap.
pub const CHUNK_POSITIONS: u64 = 4096;

/// Bits of one chunk: chunk `n` covers positions `n * 4096 .. (n + 1) * 4096`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckChunk(pub Box<[u64; 64]>);

/// One failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at: Micros,
    /// Attempt that failed, from 1.
    pub attempt: u32,
    /// Why: the consumer's reason, `lease_expired`, or `session_lost`.
    pub reason: String,
    /// System that had it.
    pub consumer: String,
}

/// A position that waits for another attempt. Counted as passed: it pins nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryRow {
    /// Position.
    pub position: Position,
    /// Order key.
    pub order_key: OrderKey,
    /// Counted failures; the next attempt is this + 1.
    pub failures: u32,
    /// Not before this time.
    pub due: Micros,
    /// Was out when a session was lost with others: sent alone until it settles.
    pub suspect: bool,
    /// Put back by a redrive.
    pub redriven: bool,
    /// How often it was redriven.
    pub redrives: u32,
    /// What happened before.
    pub history: Vec<Failure>,
}

/// A delivery given up, kept with its history until redriven or discarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Position.
    pub position: Position,
    /// Record.
    pub record_id: RecordId,
    /// Revision.
    pub revision: Revision,
    /// Order key.
    pub order_key: OrderKey,
    /// Why it was given up.
    pub reason: String,
    /// When.
    pub died_at: Micros,
    /// What happened before.
    pub history: Vec<Failure>,
    /// How often it was redriven.
    pub redrives: u32,
}

/// An enterprise whose later revisions wait. One row an enterprise, however many wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedKey {
    /// The enterprise.
    pub order_key: OrderKey,
    /// Position that blocks it (retrying or dead).
    pub blocked_by: Position,
    /// Its positions above this one, up to where scanning stood, are delivered when it is free again.
    pub resume_after: Position,
    /// Since when.
    pub since: Micros,
}

/// Everything kept of a subscription, as loaded when a gateway takes it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionState {
    /// Name and settings.
    pub row: SubscriptionRow,
    /// Raised durably before the first send after a start or attach.
    pub epoch: u64,
    /// Every position at or below is passed.
    pub floor: Position,
    /// Chunks with acknowledged (or skipped) positions above the floor.
    pub chunks: BTreeMap<u64, AckChunk>,
    /// Waiting for a retry.
    pub retrying: BTreeMap<Position, RetryRow>,
    /// Blocked enterprises.
    pub blocked: BTreeMap<OrderKey, BlockedKey>,
    /// Positions in the dead letters with their key and redrive count (the letters themselves stay in the store).
    pub dead: BTreeMap<Position, OrderKey>,
    /// Failures in a row so far (for the circuit).
    pub consecutive_failures: u32,
    /// The circuit is open since.
    pub circuit_open_since: Option<Micros>,
}

/// What changes of a subscription in one act. Sets only: applying it twice gives the same state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionDelta {
    /// Which.
    pub key: SubscriptionKey,
    /// Refused as fenced unless the stored epoch is this.
    pub expected_epoch: u64,
    /// New epoch.
    pub epoch: Option<u64>,
    /// New floor; never lower but by a seek.
    pub floor: Option<Position>,
    /// Chunks written whole.
    pub put_chunks: Vec<(u64, AckChunk)>,
    /// Chunks wholly at or below the floor, dropped.
    pub drop_chunks_below: Option<u64>,
    /// Retry rows written whole.
    pub put_retries: Vec<RetryRow>,
    /// Retry rows dropped.
    pub drop_retries: Vec<Position>,
    /// Dead letters written.
    pub put_dead: Vec<DeadLetter>,
    /// Dead letters dropped.
    pub drop_dead: Vec<Position>,
    /// Blocked keys written.
    pub put_blocked: Vec<BlockedKey>,
    /// Blocked keys dropped.
    pub drop_blocked: Vec<OrderKey>,
    /// Circuit: failures in a row and since when it is open.
    pub circuit: Option<(u32, Option<Micros>)>,
}

impl SubscriptionDelta {
    /// A delta that changes nothing.
    #[must_use]
    pub fn empty(key: SubscriptionKey, expected_epoch: u64) -> Self {
        Self {
            key,
            expected_epoch,
            epoch: None,
            floor: None,
            put_chunks: Vec::new(),
            drop_chunks_below: None,
            put_retries: Vec::new(),
            drop_retries: Vec::new(),
            put_dead: Vec::new(),
            drop_dead: Vec::new(),
            put_blocked: Vec::new(),
            drop_blocked: Vec::new(),
            circuit: None,
        }
    }
}
