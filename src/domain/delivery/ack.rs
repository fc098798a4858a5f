//! Which positions are passed: the floor, and the bits above it.
//!
//! In memory only the open ones are kept (read, matching, not passed); everything else up to `scanned` is passed. What is
//! persisted is the floor and, for positions passed above it, the touched chunks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    lease::Flight,
    state::{AckChunk, CHUNK_POSITIONS, SubscriptionDelta, SubscriptionState},
};
use crate::domain::ids::Position;

/// The open positions.
#[derive(Debug)]
pub(super) struct Open {
    /// Ascending. An entry is over when its delivery is gone from memory or counts as passed; such ones are removed when they
    /// come to the front.
    pub queue: VecDeque<Position>,
    /// Read up to here.
    pub scanned: Position,
    /// No open delivery below this is ready.
    pub cursor: Position,
    /// Open deliveries that are ready.
    pub ready: usize,
    /// Lowest scanned position since skips were last persisted.
    pub skipped_from: Option<Position>,
    /// Read, and withheld for want of a right; not passed before it is said.
    pub unsaid: BTreeSet<Position>,
}

impl Open {
    pub(super) fn new(base: Position) -> Self {
        Self { queue: VecDeque::new(), scanned: base, cursor: base + 1, ready: 0, skipped_from: None, unsaid: BTreeSet::new() }
    }

    fn is_open(flight: &Flight, position: Position) -> bool {
        flight.get(position).is_some_and(|slot| !slot.passed)
    }

    /// Removes what is over from the front.
    pub(super) fn trim(&mut self, flight: &Flight) {
        while self.queue.front().is_some_and(|position| !Self::is_open(flight, *position)) {
            self.queue.pop_front();
        }
    }

    /// Every position at or below is passed now.
    pub(super) fn floor(&self, flight: &Flight) -> Position {
        let first = self.queue.iter().find(|position| Self::is_open(flight, **position));
        first.into_iter().chain(self.unsaid.first()).min().map_or(self.scanned, |position| position - 1)
    }

    /// The floor once the change under way stands; `says`: it says what is withheld.
    pub(super) fn floor_after(&self, flight: &Flight, says: bool) -> Position {
        let stays = |position: Position| {
            flight.get(position).is_some_and(|slot| !slot.passed && !slot.deciding.is_some_and(super::lease::Deciding::passes))
        };
        let first = self.queue.iter().find(|position| stays(**position));
        let unsaid = self.unsaid.first().filter(|_| !says);
        first.into_iter().chain(unsaid).min().map_or(self.scanned, |position| position - 1)
    }

    /// The delivery at `position` is ready (again).
    pub(super) fn made_ready(&mut self, position: Position) {
        self.ready += 1;
        self.cursor = self.cursor.min(position);
    }
}

/// Writes floor and touched chunks: `passing` are the positions that the change passes.
pub(super) fn move_floor(
    delta: &mut SubscriptionDelta,
    state: &SubscriptionState,
    floor: Position,
    passing: impl Iterator<Item = Position>,
) {
    let floor = floor.max(state.floor);
    let mut touched: BTreeMap<u64, AckChunk> = BTreeMap::new();
    for position in passing.filter(|position| *position > floor && !state.is_passed(*position)) {
        let number = AckChunk::number_of(position);
        let chunk = touched.entry(number).or_insert_with(|| state.chunks.get(&number).cloned().unwrap_or_default());
        chunk.set(position);
    }
    delta.put_chunks.extend(touched);
    if floor > state.floor {
        delta.floor = Some(floor);
        let below = AckChunk::number_of(floor + 1);
        if state.chunks.keys().next().is_some_and(|first| *first < below) {
            delta.drop_chunks_below = Some(below);
        }
    }
}

/// Most chunks that one change of skips writes.
const SKIPPED_CHUNKS: u64 = 256;

/// Writes the chunks above the floor that skipping has filled, so that a restart need not read them again. Returns where the next
/// change of skips goes on.
pub(super) fn skipped_chunks(
    delta: &mut SubscriptionDelta,
    state: &SubscriptionState,
    open: &Open,
    flight: &Flight,
    floor: Position,
) -> Option<Position> {
    let from = open.skipped_from.map(|from| from.max(floor + 1)).filter(|from| *from <= open.scanned)?;
    let first = AckChunk::number_of(from);
    let last = AckChunk::number_of(open.scanned).min(first + SKIPPED_CHUNKS);
    for number in first..=last {
        let begin = (number * CHUNK_POSITIONS).max(from);
        let end = ((number + 1) * CHUNK_POSITIONS - 1).min(open.scanned);
        let old = state.chunks.get(&number).cloned().unwrap_or_default();
        let mut chunk = old.clone();
        (begin..=end).for_each(|position| chunk.set(position));
        let lower = open.queue.partition_point(|position| *position < begin);
        for position in open.queue.range(lower..).take_while(|position| **position <= end) {
            if Open::is_open(flight, *position) {
                chunk.clear(*position);
            }
        }
        if chunk != old {
            delta.put_chunks.push((number, chunk));
        }
    }
    Some((last + 1) * CHUNK_POSITIONS).filter(|next| *next <= open.scanned)
}
