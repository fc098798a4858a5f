//! A change being planned: what it does to each position, and how held lanes will stand.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{
    messages::Tally,
    order::{Held, LaneId, Lanes},
    state::{SubscriptionDelta, SubscriptionState},
};
use crate::domain::ids::{Micros, Position};

/// What a change makes of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Acked,
    /// Failed, waits for another attempt.
    Retried,
    /// To the dead letters; `blocks`: its lane waits.
    Dead {
        blocks: bool,
    },
    Released,
    Suspected,
    Withheld,
    Redriven,
    Discarded,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub position: Position,
    pub lane: LaneId,
    pub how: How,
    /// Lease that ran out.
    pub expired: bool,
}

/// A change being planned.
#[derive(Debug)]
pub(super) struct Plan {
    pub delta: SubscriptionDelta,
    pub ends: Vec<End>,
    /// Held lanes as they will be.
    pub held: BTreeMap<LaneId, Held>,
    /// Failures in a row as they will be; `None` = as they are.
    pub failures: Option<u32>,
    pub circuit_open: Option<Micros>,
}

impl Plan {
    pub(super) fn new(state: &SubscriptionState) -> Self {
        Self {
            delta: SubscriptionDelta::empty(state.row.key.clone(), state.epoch),
            ends: Vec::new(),
            held: BTreeMap::new(),
            failures: None,
            circuit_open: state.circuit_open_since,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(super) fn end(&mut self, position: Position, lane: LaneId, how: How) {
        self.ends.push(End { position, lane, how, expired: false });
    }

    /// The lane as it will be, if it is held.
    pub(super) fn held(&mut self, lanes: &Lanes, lane: LaneId) -> Option<&mut Held> {
        match self.held.entry(lane) {
            Entry::Occupied(entry) => Some(entry.into_mut()),
            Entry::Vacant(entry) => Some(entry.insert(lanes.get(lane)?.held.as_deref()?.clone())),
        }
    }

    /// The lane as it will be, held by `position` if it is not held yet.
    pub(super) fn held_or_new(&mut self, lanes: &Lanes, lane: LaneId, position: Position, since: Micros) -> Option<&mut Held> {
        if self.held(lanes, lane).is_none() {
            let key = lanes.get(lane)?.key.as_ref()?;
            self.held.insert(lane, Held::new(key, position, since));
        }
        self.held.get_mut(&lane)
    }
}

pub(super) fn tally(ends: &[End]) -> Tally {
    let mut tally = Tally::default();
    for end in ends {
        let list = match end.how {
            How::Acked => &mut tally.acked,
            How::Retried => &mut tally.retried,
            How::Dead { .. } => &mut tally.dead,
            How::Released => &mut tally.released,
            How::Suspected => &mut tally.suspected,
            How::Withheld => &mut tally.withheld,
            How::Redriven => &mut tally.redriven,
            How::Discarded => &mut tally.discarded,
        };
        list.push(end.position);
        if end.expired {
            tally.expired.push(end.position);
        }
    }
    tally
}
