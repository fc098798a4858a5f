//! What is sent next: within the windows, in order, suspects alone.

use super::{
    engine::{Engine, Job},
    lease::Stage,
    messages::{Delivery, LossReason, LostLease, Output, PauseReason, Token},
    order::LaneId,
};
use crate::domain::ids::{Micros, Position};

/// Batches whose disclosure may be on its way at once: one is recorded while the next is gathered.
const BATCHES: usize = 2;

/// A batch on its way through the committer.
#[derive(Debug)]
pub(super) struct Batch {
    id: u64,
    deliveries: Vec<Delivery>,
    committed: bool,
}

/// A batch being gathered, and what still fits.
struct Gathering {
    batch: u64,
    deliveries: Vec<Delivery>,
    bytes: u64,
    max_records: usize,
    window_bytes: u64,
}

/// Whether a delivery went into the batch.
enum Fit {
    Taken,
    NotNow,
    Full,
}

impl Engine {
    /// Reserves the next batches, if there is anything to send and room for it. What was disclosed ahead is sent at once.
    pub fn pump(&mut self, now: Micros) {
        self.observe(now);
        self.take_due();
        while let Some(position) = self.flight.take_rested(self.now) {
            self.open.cursor = self.open.cursor.min(position);
        }
        // What would be reserved while the place or the filter moves could not be sent any more.
        while !self.full && !self.is_moving() && self.batches.len() < BATCHES && self.gather() {}
        self.send_committed();
    }

    /// Why nothing at all may be sent, whatever there is.
    pub(super) fn standstill(&self) -> Option<PauseReason> {
        if !self.is_permitted() {
            return Some(PauseReason::NotPermitted);
        }
        // A disclosure is fenced by the epoch: none is begun that an attach on its way would overtake.
        if self.coming().is_some() || !self.is_served() {
            return Some(PauseReason::NoConsumer);
        }
        if self.state.paused_since.is_some() {
            return Some(PauseReason::Paused);
        }
        self.state.circuit_open_since.map(|_| PauseReason::CircuitOpen)
    }

    /// A grant stands, and nothing in memory was read under another one that is to be forgotten yet.
    fn is_permitted(&self) -> bool {
        self.permitted && !self.jobs.iter().any(|job| matches!(job, Job::Reset(Some(_))))
    }

    /// Somebody is there to take deliveries.
    fn is_served(&self) -> bool {
        self.attached().is_some_and(|session| !session.draining)
    }

    /// Deliveries that may still go out, by count.
    pub(super) fn room(&self) -> u32 {
        let window = self.attached().map_or(0, |session| session.window.records);
        window.min(self.state.row.spec.max_in_flight).saturating_sub(self.flight.out)
    }

    /// A suspect is out, or waits for everything else to come back.
    pub(super) fn is_alone(&self) -> bool {
        self.flight.suspects_out > 0 || !self.suspects.is_empty()
    }

    /// Gathers one batch; false when there is nothing to send.
    fn gather(&mut self) -> bool {
        let Some(window) = self.attached().map(|session| session.window).filter(|_| self.standstill().is_none()) else {
            return false;
        };
        let mut gathering = Gathering {
            batch: self.last_batch + 1,
            deliveries: Vec::new(),
            bytes: 0,
            max_records: self.bounds.batch_records.min(self.room() as usize),
            window_bytes: window.bytes,
        };
        if self.is_alone() {
            if self.flight.out == 0 {
                self.gather_suspect(&mut gathering);
            }
        } else if self.gather_urgent(&mut gathering) {
            self.gather_open(&mut gathering);
        }
        if gathering.deliveries.is_empty() {
            return false;
        }
        self.last_batch = gathering.batch;
        let (id, deliveries) = (gathering.batch, gathering.deliveries);
        let committed = self.ahead.cover(self.state.epoch, &deliveries);
        if !committed {
            self.outbox.push(Output::Reserve { batch_id: id, deliveries: deliveries.clone() });
        }
        self.batches.push_back(Batch { id, deliveries, committed });
        true
    }

    fn gather_suspect(&mut self, gathering: &mut Gathering) {
        let may_go = |position: &Position| {
            let slot = self.flight.get(*position).filter(|slot| slot.rests_until <= self.now);
            slot.is_some_and(|slot| self.lanes.may_send(slot.lane, *position))
        };
        if let Some(position) = self.suspects.iter().copied().find(may_go)
            && matches!(self.try_take(position, gathering), Fit::Taken)
        {
            self.suspects.remove(&position);
        }
    }

    /// Retries and what was read again; false when the batch is full.
    fn gather_urgent(&mut self, gathering: &mut Gathering) -> bool {
        if self.urgent.is_empty() {
            return true;
        }
        for position in self.urgent.iter().copied().collect::<Vec<_>>() {
            match self.try_take(position, gathering) {
                Fit::Taken => {
                    self.urgent.remove(&position);
                }
                Fit::NotNow => {}
                Fit::Full => return false,
            }
        }
        true
    }

    fn gather_open(&mut self, gathering: &mut Gathering) {
        // Where order is total, one blocked delivery holds all of them: no need to look at each.
        let held = self.lanes.is_total() && self.held > 0;
        if self.open.ready == 0 || held {
            return;
        }
        let furthest = self.furthest();
        let mut index = self.open.queue.partition_point(|position| *position < self.open.cursor);
        let mut stuck = None;
        let mut next = self.open.scanned + 1;
        while let Some(position) = self.open.queue.get(index).copied() {
            index += 1;
            if position > furthest {
                next = position;
                break;
            }
            if self.flight.get(position).is_none_or(|slot| slot.passed || slot.is_out()) {
                continue;
            }
            match self.try_take(position, gathering) {
                Fit::Taken => self.open.ready -= 1,
                Fit::NotNow => stuck = stuck.or(Some(position)),
                Fit::Full => {
                    next = position;
                    break;
                }
            }
        }
        self.open.cursor = stuck.unwrap_or(next);
    }

    /// The last position that `max_span` allows.
    pub(super) fn furthest(&self) -> Position {
        self.open.floor(&self.flight).saturating_add(u64::from(self.state.row.spec.max_span))
    }

    fn try_take(&mut self, position: Position, gathering: &mut Gathering) -> Fit {
        let Some(slot) = self.flight.get(position).filter(|slot| !slot.is_out()) else { return Fit::NotNow };
        let bytes = slot.candidate.bytes;
        let lane = slot.lane;
        if slot.rests_until > self.now || !self.lanes.may_send(lane, position) {
            return Fit::NotNow;
        }
        let first = gathering.deliveries.is_empty();
        let in_batch = first || gathering.bytes + bytes <= self.bounds.batch_bytes;
        let in_window = self.flight.out == 0 || self.flight.out_bytes + bytes <= gathering.window_bytes;
        if gathering.deliveries.len() >= gathering.max_records || !in_batch || !in_window {
            return Fit::Full;
        }
        self.last_send += 1;
        let token = Token { epoch: self.state.epoch, send_number: self.last_send };
        let Some(slot) = self.flight.reserve(position, gathering.batch, token) else { return Fit::NotNow };
        gathering.deliveries.push(slot.delivery());
        gathering.bytes += bytes;
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.out += 1;
        }
        Fit::Taken
    }

    /// The evidence of a batch is durable: it is sent, after those reserved before it.
    pub fn committed(&mut self, batch_id: u64, now: Micros) {
        self.observe(now);
        if let Some(batch) = self.batches.iter_mut().find(|batch| batch.id == batch_id) {
            batch.committed = true;
            self.store_answers();
        }
        self.send_committed();
        self.advance();
    }

    fn send_committed(&mut self) {
        while self.batches.front().is_some_and(|batch| batch.committed) {
            let Some(Batch { id, mut deliveries, .. }) = self.batches.pop_front() else { return };
            // What was reserved before a pause is disclosed already; it goes unless there is nobody to take it.
            let goes = self.is_permitted() && self.is_served();
            let session = self.attached().filter(|_| goes).map(|session| session.id);
            let Some(session) = session else {
                self.unreserve(id, &deliveries);
                continue;
            };
            let (now, lease) = (self.now, self.lease());
            deliveries.retain(|delivery| self.flight.send(delivery.position, id, delivery.token, now, lease));
            if !deliveries.is_empty() {
                let lease_expires_at = now.saturating_add(lease);
                self.outbox.push(Output::Send { batch_id: id, session, lease_expires_at, deliveries });
            }
        }
    }

    /// The evidence of a batch could not be recorded: nothing of it is sent, and it goes back in order.
    pub fn aborted(&mut self, batch_id: u64, now: Micros) {
        self.observe(now);
        if let Some(index) = self.batches.iter().position(|batch| batch.id == batch_id)
            && let Some(batch) = self.batches.remove(index)
        {
            self.unreserve(batch_id, &batch.deliveries);
        }
        self.send_committed();
        self.advance();
    }

    fn is_reserved(&self, delivery: &Delivery, batch: u64) -> bool {
        let slot = self.flight.get(delivery.position);
        slot.is_some_and(|slot| slot.token == delivery.token && slot.stage == Stage::Reserved { batch })
    }

    fn unreserve(&mut self, batch: u64, deliveries: &[Delivery]) {
        let mut lost = Vec::new();
        for delivery in deliveries {
            if self.is_reserved(delivery, batch)
                && let Some(lane) = self.flight.get(delivery.position).map(|slot| slot.lane)
            {
                self.take_back(lane, delivery.position, &mut lost);
            }
        }
        self.tell_lost(lost);
    }

    /// Makes a delivery, and all that are out behind it in its lane, ready again: uncounted, to be sent again in order.
    pub(super) fn take_back(&mut self, lane_id: LaneId, position: Position, lost: &mut Vec<LostLease>) {
        let mut back = vec![position];
        if let Some(lane) = self.lanes.get_mut(lane_id) {
            let Some(index) = lane.index_of(position) else { return };
            back = lane.queue.iter().take(lane.out).skip(index).copied().collect();
            lane.out = lane.out.min(index);
        }
        for position in back {
            let Some((was, slot)) = self.flight.back(position) else { continue };
            if matches!(was, Stage::Sent { .. }) {
                lost.push(LostLease { position, token: slot.token, reason: LossReason::TakenBack });
            }
            if slot.suspect {
                self.suspects.insert(position);
            } else if slot.passed {
                self.urgent.insert(position);
            } else {
                self.open.made_ready(position);
            }
        }
    }
}
