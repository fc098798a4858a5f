//! Moves of subscriptions, summed up over a group: however often one moves, each row is written once.

use std::collections::{BTreeMap, HashMap};

use super::{acts::Refusal, read_set::StandingSubscription};
use crate::domain::{
    delivery::{
        AckChunk, BlockedKey, DeadLetter, LetterRun, Pausing, RetryRow, Settings, Sought, SubscriptionDelta, SubscriptionKey,
        SubscriptionRow,
    },
    draft::OrderKey,
    ids::{Micros, Position},
};

/// Net change of one subscription in a group. In the maps `None` means that the row is dropped.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SubscriptionWrite {
    /// First of all, everything that stood before the group is dropped.
    pub drop_all: bool,
    /// Then this is made; `None` with `drop_all` = it is gone.
    pub create: Option<Box<SubscriptionRow>>,
    /// Epoch.
    pub epoch: Option<u64>,
    /// Floor.
    pub floor: Option<Position>,
    /// Chunks below this number are dropped before `chunks` is written.
    pub drop_chunks_below: Option<u64>,
    /// Chunks.
    pub chunks: BTreeMap<u64, AckChunk>,
    /// Retry rows.
    pub retries: BTreeMap<Position, Option<RetryRow>>,
    /// Dead letters.
    pub dead: BTreeMap<Position, Option<DeadLetter>>,
    /// Runs over dead letters, by request id.
    pub letter_runs: BTreeMap<String, LetterRun>,
    /// Blocked keys.
    pub blocked: BTreeMap<OrderKey, Option<BlockedKey>>,
    /// Circuit: failures in a row, and since when it is open.
    pub circuit: Option<(u32, Option<Micros>)>,
    /// A pause begins or ends.
    pub pausing: Option<Pausing>,
    /// Settings.
    pub settings: Option<Box<Settings>>,
    /// The last seek.
    pub sought: Option<Sought>,
}

impl SubscriptionWrite {
    /// Adds a later delta. As in a delta alone, drops come before puts.
    pub fn add(&mut self, delta: &SubscriptionDelta) {
        self.epoch = delta.epoch.or(self.epoch);
        self.floor = delta.floor.or(self.floor);
        self.circuit = delta.circuit.or(self.circuit);
        self.pausing = delta.pausing.or(self.pausing);
        self.sought = delta.sought.or(self.sought);
        self.settings = delta.settings.clone().or_else(|| self.settings.take());
        if let Some(below) = delta.drop_chunks_below {
            self.chunks = self.chunks.split_off(&below);
            self.drop_chunks_below = self.drop_chunks_below.max(Some(below));
        }
        self.chunks.extend(delta.put_chunks.iter().cloned());
        self.retries.extend(delta.drop_retries.iter().map(|position| (*position, None)));
        self.retries.extend(delta.put_retries.iter().map(|row| (row.position, Some(row.clone()))));
        self.dead.extend(delta.drop_dead.iter().map(|position| (*position, None)));
        self.dead.extend(delta.put_dead.iter().map(|letter| (letter.position, Some(letter.clone()))));
        self.letter_runs.extend(delta.letter_run.iter().map(|run| (run.request_id.clone(), LetterRun::clone(run))));
        self.blocked.extend(delta.drop_blocked.iter().map(|key| (key.clone(), None)));
        self.blocked.extend(delta.put_blocked.iter().map(|row| (row.order_key.clone(), Some(row.clone()))));
    }
}

/// Subscriptions as the group sees them, with what it writes.
pub(super) struct Subscriptions {
    standing: HashMap<SubscriptionKey, StandingSubscription>,
    writes: BTreeMap<SubscriptionKey, SubscriptionWrite>,
}

/// What became of a change: `true` = something is written.
type Changed = Result<bool, Refusal>;

impl Subscriptions {
    pub(super) fn new(standing: HashMap<SubscriptionKey, StandingSubscription>) -> Self {
        Self { standing, writes: BTreeMap::new() }
    }

    pub(super) fn into_writes(self) -> BTreeMap<SubscriptionKey, SubscriptionWrite> {
        self.writes
    }

    /// The same settings again change nothing; others are refused.
    pub(super) fn create(&mut self, row: &SubscriptionRow) -> Changed {
        if let Some(stands) = self.standing.get(&row.key) {
            return if stands.spec == row.spec { Ok(false) } else { Err(Refusal::AlreadyExists) };
        }
        self.standing.insert(row.key.clone(), StandingSubscription { spec: row.spec.clone(), epoch: 0 });
        let write = self.writes.entry(row.key.clone()).or_default();
        write.create = Some(Box::new(row.clone()));
        Ok(true)
    }

    pub(super) fn delete(&mut self, key: &SubscriptionKey) -> Changed {
        self.standing.remove(key).ok_or(Refusal::NotFound)?;
        self.writes.insert(key.clone(), SubscriptionWrite { drop_all: true, ..SubscriptionWrite::default() });
        Ok(true)
    }

    /// Only the holder of the epoch moves it: an owner that was replaced finds out here, before anything is written.
    pub(super) fn apply(&mut self, delta: &SubscriptionDelta) -> Changed {
        let stands = self.standing.get_mut(&delta.key).ok_or(Refusal::NotFound)?;
        if stands.epoch != delta.expected_epoch {
            return Err(Refusal::Fenced { stands: stands.epoch });
        }
        stands.epoch = delta.epoch.unwrap_or(stands.epoch);
        if let Some(settings) = &delta.settings {
            stands.spec = settings.spec.clone();
        }
        self.writes.entry(delta.key.clone()).or_default().add(delta);
        Ok(true)
    }
}
