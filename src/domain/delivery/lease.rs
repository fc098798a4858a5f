//! What the engine holds of single deliveries: read and not sent, reserved, or out under a lease.
//!
//! One time base: the host passes a wall time that never goes back (a wall anchor plus monotonic time), so that leases and
//! persisted due times are the same numbers.

use std::{
    collections::{BTreeSet, HashMap, hash_map},
    hash::{BuildHasherDefault, Hasher},
};

use super::{
    messages::{Candidate, Delivery, Token},
    order::LaneId,
    retry::rest,
};
use crate::domain::ids::{Micros, Position};

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Read, not sent.
    Ready,
    /// Its disclosure is being recorded.
    Reserved {
        /// Batch.
        batch: u64,
    },
    /// Handed to the session.
    Sent {
        /// Lease runs out then.
        expires: Micros,
        /// The total limit of the lease counts from here.
        base: Micros,
    },
}

/// What the change under way makes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deciding {
    Ack,
    Reject,
    /// Failed or dead by attempts.
    Fail,
    Release,
}

impl Deciding {
    /// The position counts as passed after it.
    pub(super) const fn passes(self) -> bool {
        !matches!(self, Self::Release)
    }
}

/// One delivery in memory.
#[derive(Debug)]
pub(super) struct Slot {
    pub candidate: Candidate,
    pub lane: LaneId,
    /// Its position counts as passed already (a retry, or read again for a key that was blocked).
    pub passed: bool,
    pub redriven: bool,
    /// To be sent alone.
    pub suspect: bool,
    /// Counted failures.
    pub failures: u32,
    pub stage: Stage,
    pub token: Token,
    /// When it was first sent under that token.
    pub sent_at: Micros,
    pub deciding: Option<Deciding>,
    /// How often the consumer gave it back, and until when it rests for that.
    pub releases: u32,
    pub rests_until: Micros,
}

impl Slot {
    /// As it is handed out.
    pub(super) fn delivery(&self) -> Delivery {
        Delivery {
            position: self.candidate.position,
            attempt: self.failures + 1,
            token: self.token,
            bytes: self.candidate.bytes,
            recall: self.candidate.recall,
            redriven: self.redriven,
            left_filter: self.candidate.left_filter,
        }
    }

    pub(super) fn is_sent(&self) -> bool {
        matches!(self.stage, Stage::Sent { .. })
    }

    pub(super) fn is_out(&self) -> bool {
        self.stage != Stage::Ready
    }

    /// Makes the lease last until `until` at least, but not beyond the total limit. Never shortens it.
    pub(super) fn extend(&mut self, until: Micros, total: Micros) {
        if let Stage::Sent { expires, base } = &mut self.stage {
            *expires = until.min(base.saturating_add(total)).max(*expires);
        }
    }

    /// Starts the lease anew: what was before (waiting behind others, a stalled store) was not the consumer's time.
    pub(super) fn restart(&mut self, now: Micros, lease: Micros) {
        if let Stage::Sent { expires, base } = &mut self.stage {
            *base = now;
            *expires = (*expires).max(now.saturating_add(lease));
        }
    }
}

/// Positions are dense small numbers: one multiplication spreads them well enough, and nobody outside chooses them.
#[derive(Debug, Default)]
pub struct PositionHasher(u64);

/// Builds the hasher of maps whose keys are positions.
pub type ByPosition = BuildHasherDefault<PositionHasher>;

impl Hasher for PositionHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let spread = (self.0 ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = spread ^ (spread >> 32);
    }
}

/// All deliveries in memory, and the sums over those that are out.
#[derive(Debug)]
pub(super) struct Flight {
    slots: HashMap<Position, Slot, ByPosition>,
    /// Reserved or sent.
    pub out: u32,
    pub out_bytes: u64,
    /// Of those out, the suspects: one or none.
    pub suspects_out: u32,
    /// No lease runs out before this (a lower bound, made exact when it is reached).
    pub bound: Micros,
    /// Those given back that rest; some of them may be gone by now.
    resting: BTreeSet<(Micros, Position)>,
}

impl Flight {
    pub(super) fn new() -> Self {
        Self { slots: HashMap::default(), out: 0, out_bytes: 0, suspects_out: 0, bound: Micros::MAX, resting: BTreeSet::new() }
    }

    /// The consumer gave it back: it rests a while, longer each time.
    pub(super) fn rest(&mut self, position: Position, now: Micros) {
        if let Some(slot) = self.slots.get_mut(&position) {
            slot.releases = slot.releases.saturating_add(1);
            slot.rests_until = now.saturating_add(rest(slot.releases));
            self.resting.insert((slot.rests_until, position));
        }
    }

    /// When the next rest is over.
    pub(super) fn next_rested(&self) -> Option<Micros> {
        self.resting.first().map(|(until, _)| *until)
    }

    /// The next one whose rest is over.
    pub(super) fn take_rested(&mut self, now: Micros) -> Option<Position> {
        self.next_rested().filter(|until| *until <= now)?;
        self.resting.pop_first().map(|(_, position)| position)
    }

    pub(super) fn get(&self, position: Position) -> Option<&Slot> {
        self.slots.get(&position)
    }

    pub(super) fn get_mut(&mut self, position: Position) -> Option<&mut Slot> {
        self.slots.get_mut(&position)
    }

    pub(super) fn contains(&self, position: Position) -> bool {
        self.slots.contains_key(&position)
    }

    pub(super) fn insert(&mut self, slot: Slot) {
        self.slots.insert(slot.candidate.position, slot);
    }

    /// Reserves a ready delivery under a token.
    pub(super) fn reserve(&mut self, position: Position, batch: u64, token: Token) -> Option<&Slot> {
        let slot = self.slots.get_mut(&position)?;
        slot.stage = Stage::Reserved { batch };
        slot.token = token;
        self.out += 1;
        self.out_bytes += slot.candidate.bytes;
        self.suspects_out += u32::from(slot.suspect);
        Some(slot)
    }

    /// Starts the lease of a delivery, if it is still reserved in that batch under that token.
    pub(super) fn send(&mut self, position: Position, batch: u64, token: Token, now: Micros, lease: Micros) -> bool {
        let reserved = |slot: &&mut Slot| slot.token == token && slot.stage == Stage::Reserved { batch };
        let Some(slot) = self.slots.get_mut(&position).filter(reserved) else { return false };
        let expires = now.saturating_add(lease);
        slot.stage = Stage::Sent { expires, base: now };
        slot.sent_at = now;
        self.bound = self.bound.min(expires);
        true
    }

    /// Makes a delivery ready again. Returns what it was.
    pub(super) fn back(&mut self, position: Position) -> Option<(Stage, &Slot)> {
        let slot = self.slots.get_mut(&position)?;
        let was = slot.stage;
        if was != Stage::Ready {
            self.out -= 1;
            self.out_bytes -= slot.candidate.bytes;
            self.suspects_out -= u32::from(slot.suspect);
        }
        slot.stage = Stage::Ready;
        slot.deciding = None;
        Some((was, slot))
    }

    pub(super) fn remove(&mut self, position: Position) -> Option<Slot> {
        let slot = self.slots.remove(&position)?;
        if slot.is_out() {
            self.out -= 1;
            self.out_bytes -= slot.candidate.bytes;
            self.suspects_out -= u32::from(slot.suspect);
        }
        Some(slot)
    }

    /// Positions of the deliveries that satisfy a condition, ascending.
    pub(super) fn positions(&self, mut which: impl FnMut(&Slot) -> bool) -> Vec<Position> {
        let mut found: Vec<_> = self.slots.iter().filter(|(_, slot)| which(slot)).map(|(position, _)| *position).collect();
        found.sort_unstable();
        found
    }

    /// Every delivery with its position, in no particular order.
    pub(super) fn slots(&self) -> impl Iterator<Item = (Position, &Slot)> {
        self.slots.iter().map(|(position, slot)| (*position, slot))
    }

    /// Every delivery, in no particular order: for changes that do not depend on it.
    pub(super) fn values_mut(&mut self) -> hash_map::ValuesMut<'_, Position, Slot> {
        self.slots.values_mut()
    }
}
