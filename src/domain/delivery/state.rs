//! What is kept of a subscription: a floor, chunks of acknowledged positions above it, narrow rows for the exceptions.
//!
//! A position is *passed* when it is ≤ floor or set in a chunk; after a restart, passed positions are not read again. Passed and
//! not finished are: those in a row (retrying, dead), and those of a blocked key above its resume position. Everything else that
//! is passed is finished (settled, skipped, discarded); what is not passed is still to come. No row per delivery.
//!
//! A blocked key whose `blocked_by` is neither retrying nor (where dead letters block) dead is free again and catching up: the
//! row stays until what waited behind `resume_after` is settled.

use std::collections::BTreeMap;

use super::{
    letters::LetterRun,
    settings::Settings,
    subscription::{SubscriptionKey, SubscriptionRow},
};
use crate::domain::{
    draft::OrderKey,
    ids::{Micros, Position, RecordId, Revision},
    position_set::PositionSet,
};

/// Positions of one chunk of the acknowledgement bitmap.
pub const CHUNK_POSITIONS: u64 = 4096;

/// Bits of one chunk: chunk `n` covers positions `n * 4096 .. (n + 1) * 4096`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckChunk(pub Box<[u64; 64]>);

impl Default for AckChunk {
    fn default() -> Self {
        Self(Box::new([0; 64]))
    }
}

impl AckChunk {
    /// Number of the chunk that covers a position.
    #[must_use]
    pub const fn number_of(position: Position) -> u64 {
        position / CHUNK_POSITIONS
    }

    /// Word and bit of a position in its chunk.
    const fn place(position: Position) -> (usize, u64) {
        let offset = position % CHUNK_POSITIONS;
        ((offset / 64) as usize, 1 << (offset % 64))
    }

    /// True when the position, one that this chunk covers, is set.
    #[must_use]
    pub fn get(&self, position: Position) -> bool {
        let (word, bit) = Self::place(position);
        self.0[word] & bit != 0
    }

    /// Sets a position that this chunk covers.
    pub fn set(&mut self, position: Position) {
        let (word, bit) = Self::place(position);
        self.0[word] |= bit;
    }

    /// Clears a position that this chunk covers.
    pub fn clear(&mut self, position: Position) {
        let (word, bit) = Self::place(position);
        self.0[word] &= !bit;
    }

    /// How many positions of this chunk are set from `position` on, one that it covers; from its first where it is 0.
    #[must_use]
    pub fn count_from(&self, position: Position) -> u64 {
        let (word, bit) = Self::place(position);
        let above = self.0.iter().skip(word + 1).map(|word| u64::from(word.count_ones())).sum::<u64>();
        above + u64::from((self.0[word] & !(bit - 1)).count_ones())
    }

    /// Offset of the highest position set; `None` = none is.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        let word = self.0.iter().rposition(|word| *word != 0)?;
        Some(word as u64 * 64 + 63 - u64::from(self.0[word].leading_zeros()))
    }
}

/// One attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which, from 1; a redrive begins at 1 again.
    pub number: u32,
    /// When it was sent; 0 = not known (kept before this was noted).
    pub sent_at: Micros,
    /// When it ended.
    pub ended_at: Micros,
    /// How.
    pub ended: Ended,
    /// Why: the consumer's reason, or the token of how it ended.
    pub reason: String,
    /// Who had it.
    pub consumer: Consumer,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// The consumer asked for another one.
    Retry,
    /// The consumer rejected it.
    Reject,
    /// Nothing was heard of it in time.
    LeaseExpired,
    /// The session that had it, and nothing else, did not come back.
    SessionLost,
}

impl Ended {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Retry, Self::Reject, Self::LeaseExpired, Self::SessionLost];

    /// Token as it is kept and shown.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Reject => "reject",
            Self::LeaseExpired => "lease_expired",
            Self::SessionLost => "session_lost",
        }
    }
}

/// Who has deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Consumer {
    /// System, `<participant>/<name>`; empty = nobody.
    pub system: String,
    /// What its session calls itself; empty = nothing.
    pub client: String,
}

impl From<&str> for Consumer {
    fn from(system: &str) -> Self {
        Self { system: system.to_owned(), client: String::new() }
    }
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
    /// What happened before: the last failed attempts, no more than `max_attempts`.
    pub history: Vec<Attempt>,
    /// How many earlier ones are left out of the history.
    pub left_out: u32,
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
    /// Why it was given up: the consumer's reason, or `max_attempts`.
    pub reason: String,
    /// When.
    pub died_at: Micros,
    /// What happened before: the last failed attempts, no more than `max_attempts`.
    pub history: Vec<Attempt>,
    /// How many earlier ones are left out of the history.
    pub left_out: u32,
    /// How often it was redriven.
    pub redrives: u32,
}

/// An enterprise whose later revisions wait. One row an enterprise, however many wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedKey {
    /// The enterprise; `*` for all of them where order is total.
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
    /// Positions in the dead letters (the letters themselves stay in the store).
    pub dead: PositionSet,
    /// Failures in a row so far (for the circuit).
    pub consecutive_failures: u32,
    /// The circuit is open since.
    pub circuit_open_since: Option<Micros>,
    /// Revision of the settings in `row`, from 1.
    pub settings_revision: u64,
    /// Paused by an administrator since.
    pub paused_since: Option<Micros>,
    /// Epoch of the last seek; 0 = there was none. What was sent under an earlier one is void, whatever became of it.
    pub sought_epoch: u64,
}

impl SubscriptionState {
    /// True when the position is ≤ floor or set in a chunk.
    #[must_use]
    pub fn is_passed(&self, position: Position) -> bool {
        position <= self.floor || self.chunks.get(&AckChunk::number_of(position)).is_some_and(|chunk| chunk.get(position))
    }

    /// The last of the passed positions that follow `position` without a gap; `position` itself if the next is not passed.
    #[must_use]
    pub fn passed_through(&self, position: Position) -> Position {
        let mut at = position.max(self.floor);
        while let Some(chunk) = self.chunks.get(&AckChunk::number_of(at + 1)) {
            let end = (AckChunk::number_of(at + 1) + 1) * CHUNK_POSITIONS;
            let gap = (at + 1..end).find(|next| !chunk.get(*next));
            match gap {
                Some(gap) => return gap - 1,
                None => at = end - 1,
            }
        }
        at
    }

    /// The highest passed position.
    #[must_use]
    pub fn highest_passed(&self) -> Position {
        let in_chunks = self.chunks.iter().next_back().and_then(|(n, chunk)| Some(n * CHUNK_POSITIONS + chunk.highest()?));
        in_chunks.map_or(self.floor, |highest| highest.max(self.floor))
    }
}

/// Moves a state by a delta; what each store does in its own words. Drops come before puts. Applying it twice gives the same.
pub fn apply(state: &mut SubscriptionState, delta: &SubscriptionDelta) {
    state.epoch = delta.epoch.unwrap_or(state.epoch);
    state.floor = delta.floor.unwrap_or(state.floor);
    if let Some(sought) = delta.sought {
        state.row.snapshot_at = sought.snapshot_at;
        state.sought_epoch = sought.epoch;
    }
    if let Some(settings) = &delta.settings {
        state.row.spec = settings.spec.clone();
        state.settings_revision = settings.revision;
    }
    state.paused_since = match delta.pausing {
        None => state.paused_since,
        Some(Pausing::Since(since)) => Some(since),
        Some(Pausing::Over) => None,
    };
    if let Some(below) = delta.drop_chunks_below {
        state.chunks = state.chunks.split_off(&below);
    }
    for (number, chunk) in &delta.put_chunks {
        state.chunks.insert(*number, chunk.clone());
    }
    for position in &delta.drop_retries {
        state.retrying.remove(position);
    }
    for row in &delta.put_retries {
        state.retrying.insert(row.position, row.clone());
    }
    for position in &delta.drop_dead {
        state.dead.remove(*position);
    }
    for letter in &delta.put_dead {
        state.dead.insert(letter.position);
    }
    for key in &delta.drop_blocked {
        state.blocked.remove(key);
    }
    for row in &delta.put_blocked {
        state.blocked.insert(row.order_key.clone(), row.clone());
    }
    if let Some((failures, since)) = delta.circuit {
        state.consecutive_failures = failures;
        state.circuit_open_since = since;
    }
}

/// Whether an administrator has paused delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pausing {
    /// Since then.
    Since(Micros),
    /// Not any more.
    Over,
}

/// A seek: with it come the epoch, the floor (which may be lower than before), and the end of all chunks, retries and blocked keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sought {
    /// At positions ≤ this, revisions with a successor ≤ this are skipped; 0 = none are.
    pub snapshot_at: Position,
    /// The epoch it raises.
    pub epoch: u64,
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
    /// How far a run over dead letters is with this; of it the engine knows nothing.
    pub letter_run: Option<Box<LetterRun>>,
    /// Blocked keys written.
    pub put_blocked: Vec<BlockedKey>,
    /// Blocked keys dropped.
    pub drop_blocked: Vec<OrderKey>,
    /// Circuit: failures in a row and since when it is open.
    pub circuit: Option<(u32, Option<Micros>)>,
    /// A pause begins or ends.
    pub pausing: Option<Pausing>,
    /// New settings.
    pub settings: Option<Box<Settings>>,
    /// The place was moved by a seek.
    pub sought: Option<Sought>,
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
            letter_run: None,
            put_blocked: Vec::new(),
            drop_blocked: Vec::new(),
            circuit: None,
            pausing: None,
            settings: None,
            sought: None,
        }
    }
}
