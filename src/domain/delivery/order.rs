//! Order: one lane an order key (one in all where order is total), and what holds a lane up.
//!
//! A lane's queue is ascending; its first `out` entries are reserved or sent, the rest is not. So a delivery may be sent only
//! when all before it in its lane are out, and settled only when all before it are settled.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::state::BlockedKey;
use crate::domain::{
    draft::OrderKey,
    ids::{Micros, Position},
};

/// Index of a lane; `NO_LANE` for redriven deliveries, which are exempt from order.
pub(super) type LaneId = usize;
pub(super) const NO_LANE: LaneId = usize::MAX;

/// Name of the one lane where order is total.
pub(super) const ALL_KEYS: &str = "*";

/// Why a lane does not run freely. Mirrors the blocked row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// As kept.
    pub row: BlockedKey,
    /// Positions of this lane that wait for another attempt, oldest first; all ≤ `row.resume_after`.
    pub retries: BTreeSet<Position>,
    /// `row.blocked_by` is a dead letter that blocks.
    pub by_dead: bool,
    /// Revisions of this lane between `read_to` and where scanning stands may have been passed over: they are to be read again.
    pub followers: bool,
    /// Read again up to here.
    pub read_to: Position,
    /// Deliveries of the queue that were read again and are not settled.
    pub catching: usize,
}

impl Held {
    pub(super) fn new(order_key: &OrderKey, position: Position, since: Micros) -> Self {
        let order_key = order_key.clone();
        Self {
            row: BlockedKey { order_key, blocked_by: position, resume_after: position, since },
            retries: BTreeSet::new(),
            by_dead: false,
            followers: false,
            read_to: position,
            catching: 0,
        }
    }

    /// Something must settle (or be decided by a person) before anything else of the lane goes.
    pub(super) fn is_blocked(&self) -> bool {
        self.by_dead || !self.retries.is_empty()
    }

    /// Nothing is left of the hold-up.
    pub(super) fn is_over(&self) -> bool {
        !self.is_blocked() && !self.followers && self.catching == 0
    }

    /// Its passed-over revisions are to be read now.
    pub(super) fn is_catching_up(&self) -> bool {
        !self.is_blocked() && self.followers
    }

    /// New revisions of the lane are passed over instead of queued.
    pub(super) fn passes_over(&self) -> bool {
        self.is_blocked() || self.followers
    }

    fn name_blocker(&mut self) {
        if let Some(first) = self.retries.first().filter(|_| !self.by_dead) {
            self.row.blocked_by = *first;
        }
    }

    /// `position` is finished.
    pub(super) fn passed(&mut self, position: Position) {
        if !self.retries.remove(&position) && position > self.row.resume_after {
            self.row.resume_after = position;
            self.catching = self.catching.saturating_sub(1);
        }
        self.name_blocker();
    }

    /// `position` waits for another attempt; what was queued behind it is passed over (`rest`: there was something).
    pub(super) fn failed(&mut self, position: Position, rest: bool) {
        self.retries.insert(position);
        self.stop_at(position, rest);
    }

    /// `position` is a dead letter that blocks.
    pub(super) fn died(&mut self, position: Position, rest: bool) {
        self.retries.remove(&position);
        self.by_dead = true;
        self.row.blocked_by = position;
        self.stop_at(position, rest);
    }

    fn stop_at(&mut self, position: Position, rest: bool) {
        if position > self.row.resume_after {
            self.row.resume_after = position;
        }
        self.read_to = self.row.resume_after;
        self.catching = 0;
        self.followers |= rest;
        self.name_blocker();
    }

    /// The dead letter that blocked was redriven or discarded.
    pub(super) fn freed(&mut self, position: Position) {
        if self.by_dead && self.row.blocked_by == position {
            self.by_dead = false;
            self.name_blocker();
        }
    }
}

/// One lane.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub key: Option<OrderKey>,
    /// Ascending.
    pub queue: VecDeque<Position>,
    /// How many at the front are reserved or sent.
    pub out: usize,
    /// How many at the front the change under way finishes.
    pub settling: usize,
    /// From this index on the change under way takes back.
    pub broken: Option<usize>,
    pub held: Option<Box<Held>>,
}

impl Lane {
    /// Index of a position in the queue.
    pub(super) fn index_of(&self, position: Position) -> Option<usize> {
        if self.queue.front() == Some(&position) {
            return Some(0);
        }
        self.queue.binary_search(&position).ok()
    }
}

/// All lanes that have something queued or held.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    by_key: HashMap<OrderKey, LaneId>,
    slab: Vec<Lane>,
    free: Vec<LaneId>,
    /// Order is total: lane 0 is the only one.
    total: bool,
}

impl Lanes {
    pub(super) fn new(total: bool) -> Self {
        let mut lanes = Self { total, ..Self::default() };
        if total {
            lanes.intern(&OrderKey(ALL_KEYS.into()));
        }
        lanes
    }

    pub(super) fn is_total(&self) -> bool {
        self.total
    }

    /// The lane of a key, made if there is none.
    pub(super) fn intern(&mut self, key: &OrderKey) -> LaneId {
        if self.total && !self.slab.is_empty() {
            return 0;
        }
        if let Some(id) = self.by_key.get(key) {
            return *id;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.slab.push(Lane::default());
            self.slab.len() - 1
        });
        self.slab[id].key = Some(key.clone());
        self.by_key.insert(key.clone(), id);
        id
    }

    /// The lane of a key.
    pub(super) fn find(&self, key: &OrderKey) -> Option<LaneId> {
        if self.total { Some(0) } else { self.by_key.get(key).copied() }
    }

    pub(super) fn get(&self, id: LaneId) -> Option<&Lane> {
        self.slab.get(id)
    }

    pub(super) fn get_mut(&mut self, id: LaneId) -> Option<&mut Lane> {
        self.slab.get_mut(id)
    }

    /// Forgets a lane that has nothing queued and is not held.
    pub(super) fn release(&mut self, id: LaneId) {
        if self.total {
            return;
        }
        if let Some(lane) = self.slab.get_mut(id)
            && lane.queue.is_empty()
            && lane.held.is_none()
            && let Some(key) = lane.key.take()
        {
            (lane.out, lane.settling, lane.broken) = (0, 0, None);
            self.by_key.remove(&key);
            self.free.push(id);
        }
    }

    /// All lanes in use, in a stable order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (LaneId, &Lane)> {
        self.slab.iter().enumerate().filter(|(_, lane)| lane.key.is_some())
    }

    /// True when the position is next of its lane to be sent.
    pub(super) fn may_send(&self, id: LaneId, position: Position) -> bool {
        let Some(lane) = self.slab.get(id) else { return id == NO_LANE };
        if lane.broken.is_some() || lane.queue.get(lane.out) != Some(&position) {
            return false;
        }
        // Blocked: only the attempt that the lane waits for.
        lane.held.as_ref().is_none_or(|held| !held.is_blocked() || (!held.by_dead && held.retries.first() == Some(&position)))
    }

    /// True when the position is ahead of all its lane (or exempt from order): only then does its lease run out.
    pub(super) fn is_front(&self, id: LaneId, position: Position) -> bool {
        self.slab.get(id).is_none_or(|lane| lane.queue.front() == Some(&position))
    }
}
