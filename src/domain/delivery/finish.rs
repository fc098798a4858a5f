//! What becomes true in memory when a change stands.

use super::{
    engine::Engine,
    messages::{LossReason, LostLease},
    order::{Held, LaneId, NO_LANE},
    plan::{End, How},
};
use crate::domain::ids::Position;

impl Engine {
    /// Does in memory what the change has made durable.
    pub(super) fn finish(&mut self, ends: &[End]) {
        let mut lost = Vec::new();
        for end in ends {
            match end.how {
                How::Released => {
                    self.clear_marks(end);
                    let released = self.flight.get(end.position).map(|slot| slot.token);
                    self.take_back(end.lane, end.position, &mut lost);
                    // It was given back: that is not news to the consumer.
                    lost.retain(|lease: &LostLease| Some(lease.token) != released);
                    self.flight.rest(end.position, self.now);
                }
                How::Redriven | How::Discarded => self.finish_letter(end),
                How::Acked | How::Retried | How::Dead { .. } | How::Suspected | How::Withheld => {
                    self.finish_passed(end, &mut lost);
                }
            }
        }
        for lane in self.unsynced.iter().copied().collect::<Vec<_>>() {
            self.after(lane);
        }
        self.open.trim(&self.flight);
        self.tell_lost(lost);
    }

    fn clear_marks(&mut self, end: &End) {
        if let Some(lane) = self.lanes.get_mut(end.lane) {
            lane.broken = None;
        }
    }

    fn finish_letter(&mut self, end: &End) {
        if end.how == How::Redriven {
            self.plan_attempt(end.position);
        }
        if let Some(held) = self.lanes.get_mut(end.lane).and_then(|lane| lane.held.as_mut()) {
            held.freed(end.position);
            self.after(end.lane);
        }
    }

    fn finish_passed(&mut self, end: &End, lost: &mut Vec<LostLease>) {
        let slot = self.flight.remove(end.position);
        if let Some(slot) = slot.as_ref().filter(|_| end.expired) {
            lost.push(LostLease { position: end.position, token: slot.token, reason: LossReason::Expired });
        }
        if end.lane == NO_LANE {
            if end.how == How::Retried {
                self.plan_attempt(end.position);
            }
            return;
        }
        let Some(lane) = self.lanes.get_mut(end.lane) else { return };
        if slot.is_some() && lane.queue.front() == Some(&end.position) {
            lane.queue.pop_front();
            (lane.out, lane.settling) = (lane.out.saturating_sub(1), lane.settling.saturating_sub(1));
        }
        match end.how {
            How::Retried | How::Dead { blocks: true } => self.stop_lane(end, lost),
            _ => {
                if let Some(held) = &mut lane.held {
                    held.passed(end.position);
                }
                // More of this lane follows in this change: what comes after is done once.
                if lane.settling > 0 {
                    return;
                }
                self.renew_front(end.lane);
            }
        }
        self.after(end.lane);
    }

    /// What waited behind others gets its whole lease when it is in front.
    fn renew_front(&mut self, lane: LaneId) {
        let front = self.lanes.get(lane).and_then(|lane| lane.queue.front().copied());
        let (now, lease) = (self.now, self.lease());
        if let Some(slot) = front.and_then(|position| self.flight.get_mut(position)) {
            slot.restart(now, lease);
        }
    }

    /// A lane stops at a position: what was behind it is passed over, or waits where order is total.
    fn stop_lane(&mut self, end: &End, lost: &mut Vec<LostLease>) {
        let (now, total) = (self.now, self.lanes.is_total());
        let Some(lane) = self.lanes.get_mut(end.lane) else { return };
        (lane.broken, lane.settling) = (None, 0);
        let rest: Vec<_> = if total { Vec::new() } else { lane.queue.drain(..).collect() };
        if lane.held.is_none() {
            let Some(key) = lane.key.clone() else { return };
            lane.held = Some(Box::new(Held::new(&key, end.position, now)));
            self.held += 1;
        }
        if let Some(held) = &mut lane.held {
            match end.how {
                How::Dead { .. } => held.died(end.position, !rest.is_empty()),
                _ => held.failed(end.position, !rest.is_empty()),
            }
        }
        if total {
            if let Some(front) = lane.queue.front().copied() {
                self.take_back(end.lane, front, lost);
            }
            return;
        }
        lane.out = 0;
        for position in rest {
            self.urgent.remove(&position);
            self.suspects.remove(&position);
            let Some(slot) = self.flight.remove(position) else { continue };
            if slot.is_sent() {
                lost.push(LostLease { position, token: slot.token, reason: LossReason::TakenBack });
            } else if !slot.is_out() && !slot.passed {
                self.open.ready -= 1;
            }
        }
    }

    /// Puts a row that has its turn into the schedule.
    pub(super) fn plan_attempt(&mut self, position: Position) {
        let Some(row) = self.state.retrying.get(&position) else { return };
        if self.schedule.to_read.contains(&position) {
            return;
        }
        if row.failures >= self.state.row.spec.retry.max_attempts {
            self.schedule.to_read.insert(position);
        } else {
            self.schedule.plan(row);
        }
    }

    /// Brings a lane in order after something of it changed: over, next attempt, catching up, or forgotten.
    pub(super) fn after(&mut self, lane_id: LaneId) {
        let Some(lane) = self.lanes.get_mut(lane_id) else { return };
        if lane.held.is_none() && self.unsynced.is_empty() && self.state.blocked.is_empty() {
            self.lanes.release(lane_id);
            return;
        }
        let Some(key) = lane.key.clone() else { return };
        // Until scanning has come to where it stood before the last start, there may be more that was passed over.
        let complete = self.open.scanned >= self.state.highest_passed();
        if let Some(held) = lane.held.as_mut().filter(|held| held.is_catching_up()) {
            held.followers = !(complete && held.read_to >= self.open.scanned);
        }
        if lane.held.as_ref().is_some_and(|held| held.is_over()) {
            lane.held = None;
            self.held -= 1;
        }
        if self.held > 0 || self.unsynced.contains(&lane_id) || self.state.blocked.contains_key(&key) {
            if lane.held.as_ref().map(|held| &held.row) == self.state.blocked.get(&key) {
                self.unsynced.remove(&lane_id);
            } else {
                self.unsynced.insert(lane_id);
            }
        }
        let next = lane.held.as_ref().filter(|held| !held.by_dead).and_then(|held| held.retries.first().copied());
        let catching = lane.held.as_ref().is_some_and(|held| held.is_catching_up());
        if let Some(position) = next.filter(|position| !self.flight.contains(*position)) {
            self.plan_attempt(position);
        }
        if catching {
            self.catching.insert(lane_id);
        } else {
            self.catching.remove(&lane_id);
        }
        if !self.unsynced.contains(&lane_id) {
            self.lanes.release(lane_id);
        }
    }
}
