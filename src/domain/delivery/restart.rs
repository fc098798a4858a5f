//! Beginning again from what is kept: at the start, and whenever what is in memory is to be forgotten.

use std::collections::BTreeSet;

use super::{
    ack::Open,
    engine::Engine,
    lease::Flight,
    order::{Held, Lanes},
    retry::Schedule,
    ride::Ahead,
    state::BlockedKey,
    subscription::{OnDeadLetter, Ordering},
    withheld::Late,
};
use crate::domain::{draft::OrderKey, ids::Position};

impl Engine {
    /// Forgets everything in memory and begins again from what is kept. Nothing is counted: for a delivery this is as if it had
    /// never been sent, but for its token, which is void.
    pub(super) fn reset(&mut self) {
        // What was skipped need not be read again, unless a blocked row that covers a part of it is not kept yet.
        let base = if self.unsynced.is_empty() { self.open.floor(&self.flight) } else { self.state.floor };
        let spec = &self.state.row.spec;
        self.flight = Flight::new();
        self.lanes = Lanes::new(spec.ordering == Ordering::Total);
        self.schedule = Schedule::new(&spec.retry, self.schedule.next_even());
        self.open = Open::new(base.max(self.state.floor));
        self.unsynced.clear();
        self.catching.clear();
        self.urgent.clear();
        self.suspects.clear();
        self.overdue.clear();
        self.withheld.clear();
        self.late = Late::default();
        self.batches.clear();
        self.ahead = Ahead::default();
        self.held = 0;
        let rows: Vec<_> = self.state.blocked.values().cloned().collect();
        for row in rows {
            self.hold(row);
        }
        let rows: Vec<_> = self.state.retrying.values().map(|row| (row.position, row.order_key.clone(), row.redriven)).collect();
        for (position, order_key, redriven) in rows {
            if redriven {
                self.plan_attempt(position);
            } else {
                self.hold_for_retry(position, &order_key);
            }
        }
        for lane in self.lanes.iter().map(|(lane, _)| lane).collect::<Vec<_>>() {
            self.after(lane);
        }
        self.skip_passed();
    }

    /// Takes up a blocked row.
    fn hold(&mut self, row: BlockedKey) {
        let lane = self.lanes.intern(&row.order_key);
        let blocks = self.state.row.spec.on_dead_letter == OnDeadLetter::Block;
        let by_dead = blocks && self.state.dead.contains(row.blocked_by);
        let followers = !self.lanes.is_total();
        let read_to = row.resume_after;
        let held = Held { row, retries: BTreeSet::new(), by_dead, followers, read_to, catching: 0 };
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.held = Some(Box::new(held));
            self.held += 1;
        }
    }

    /// Takes up a retry that its lane waits for.
    fn hold_for_retry(&mut self, position: Position, order_key: &OrderKey) {
        let lane_id = self.lanes.intern(order_key);
        let (now, followers) = (self.now, !self.lanes.is_total());
        let Some(lane) = self.lanes.get_mut(lane_id) else { return };
        let key = lane.key.as_ref().unwrap_or(order_key);
        if lane.held.is_none() {
            self.held += 1;
        }
        // A blocked row stands for each retrying lane; making one up here only means that it is written with the next delta.
        let held = lane.held.get_or_insert_with(|| Box::new(Held { followers, ..Held::new(key, position, now) }));
        held.retries.insert(position);
        held.row.resume_after = held.row.resume_after.max(position);
        held.read_to = held.row.resume_after;
    }

    /// Jumps over positions that were passed before the last start.
    pub(super) fn skip_passed(&mut self) {
        self.open.scanned = self.state.passed_through(self.open.scanned);
    }
}
