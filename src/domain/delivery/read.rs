//! What is read next, and what becomes of what was read.

use super::{
    change::SKIPS,
    engine::{Engine, Probe},
    lease::{Slot, Stage},
    messages::{Candidate, Token, Want},
    order::LaneId,
    withheld::MOST_UNSAID,
};
use crate::domain::{
    draft::OrderKey,
    ids::{Micros, Position},
};

/// Rows asked for singly at once.
const SINGLES: usize = 256;

/// Rows of one key read again at once: lanes take turns.
const OF_ONE_KEY: usize = 64;

impl Engine {
    /// What to read next; `None` = nothing now. Read it, feed it, then ask again.
    #[must_use]
    pub fn wants(&self) -> Option<Want> {
        let probes = self.probes.iter().filter(|(_, probe)| probe.is_none()).map(|(position, _)| *position);
        let singles: Vec<_> = probes.chain(self.schedule.to_read.iter().copied()).take(SINGLES).collect();
        if !singles.is_empty() {
            return Some(Want::Positions(singles));
        }
        if self.standstill().is_some() {
            return None;
        }
        self.want_key().or_else(|| self.want_scan())
    }

    fn want_key(&self) -> Option<Want> {
        if self.late.is_pending() {
            return None;
        }
        let max = self.bounds.look_ahead.checked_sub(self.urgent.len()).filter(|room| *room > 0)?.min(OF_ONE_KEY);
        let mut turns = self.catching.range(self.last_turn + 1..).chain(self.catching.range(..=self.last_turn));
        turns.find_map(|lane| {
            let lane = self.lanes.get(*lane)?;
            let held = lane.held.as_ref().filter(|held| held.read_to < self.open.scanned && lane.queue.len() < OF_ONE_KEY)?;
            let (order_key, after) = (held.row.order_key.clone(), held.read_to);
            Some(Want::Key { order_key, after, upto: self.open.scanned, max })
        })
    }

    fn want_scan(&self) -> Option<Want> {
        let upto = self.head.min(self.furthest());
        let room = self.bounds.look_ahead.saturating_sub(self.open.ready);
        // Read again when half of what was read ahead is gone: large pages, not a trickle.
        let worthwhile = room * 2 >= self.bounds.look_ahead && self.open.unsaid.len() < MOST_UNSAID;
        (worthwhile && self.open.scanned < upto).then_some(Want::Scan { after: self.open.scanned, upto, max: room })
    }

    /// Revisions at positions > `after` and ≤ `upto` were read; `rows` are those that match, ascending. Ignored when `after` is not
    /// where scanning stands (the engine began anew meanwhile).
    pub fn rows(&mut self, now: Micros, after: Position, upto: Position, rows: Vec<Candidate>) {
        self.observe(now);
        if after != self.open.scanned || upto <= after {
            return;
        }
        let had_skips = self.has_skips();
        let total = self.lanes.is_total();
        for candidate in rows {
            let position = candidate.position;
            // Ascending and new, or it was passed before the last start.
            if position <= self.open.scanned || position > upto || self.is_known(position) {
                continue;
            }
            let lane_id = self.lanes.intern(&candidate.order_key);
            let Some(lane) = self.lanes.get_mut(lane_id) else { continue };
            if let Some(held) = lane.held.as_mut().filter(|held| !total && held.passes_over()) {
                held.followers = true;
                if held.is_catching_up() {
                    self.catching.insert(lane_id);
                }
                self.open.scanned = position;
                continue;
            }
            lane.queue.push_back(position);
            self.open.queue.push_back(position);
            self.open.scanned = position;
            self.open.made_ready(position);
            self.flight.insert(fresh(candidate, lane_id));
        }
        self.open.scanned = upto;
        self.skip_passed();
        self.open.skipped_from = self.open.skipped_from.or(Some(after + 1));
        if !had_skips {
            self.skips_due = self.now.saturating_add(SKIPS);
        }
        self.advance();
    }

    pub(super) fn is_known(&self, position: Position) -> bool {
        self.state.is_passed(position)
            || self.flight.contains(position)
            || self.state.retrying.contains_key(&position)
            || self.state.dead.contains(position)
    }

    /// Revisions of one order key at positions > `after` and ≤ `upto` were read again; `rows` are those that match, ascending.
    /// Ignored when that is not what the engine waits for any more.
    pub fn key_rows(&mut self, now: Micros, order_key: &OrderKey, after: Position, upto: Position, rows: Vec<Candidate>) {
        self.observe(now);
        let Some(lane_id) = self.lanes.find(order_key).filter(|lane| self.catching.contains(lane)) else { return };
        if self.late.is_pending() {
            return;
        }
        self.late.taken_up();
        let scanned = self.open.scanned;
        let Some(lane) = self.lanes.get_mut(lane_id) else { return };
        let Some(held) = lane.held.as_mut().filter(|held| held.is_catching_up() && held.read_to == after) else { return };
        let upto = upto.min(scanned);
        let mut read = Vec::new();
        for candidate in rows {
            if candidate.position > held.read_to && candidate.position <= upto && candidate.order_key == *order_key {
                held.read_to = candidate.position;
                held.catching += 1;
                lane.queue.push_back(candidate.position);
                read.push(candidate);
            }
        }
        held.read_to = held.read_to.max(upto);
        for candidate in read {
            self.urgent.insert(candidate.position);
            self.flight.insert(Slot { passed: true, ..fresh(candidate, lane_id) });
        }
        self.last_turn = lane_id;
        self.after(lane_id);
        self.advance();
    }

    /// The single revisions asked for were read; `rows` are those that filter and grant (still) admit.
    pub fn reread(&mut self, now: Micros, asked: &[Position], rows: Vec<Candidate>) {
        self.observe(now);
        let mut found: std::collections::BTreeMap<_, _> = rows.into_iter().map(|row| (row.position, row)).collect();
        for position in asked {
            let row = found.remove(position);
            if let Some(probe) = self.probes.get_mut(position) {
                *probe = Some(row.as_ref().map_or(Probe::Nothing, |row| Probe::Key(row.order_key.clone())));
            }
            if self.schedule.to_read.remove(position) {
                self.take_up(*position, row);
            }
        }
        if self.probes.values().all(Option::is_some) {
            for request in self.parked.drain(..).rev() {
                self.jobs.push_front(super::engine::Job::Settle(request));
            }
        }
        self.advance();
        if self.parked.is_empty() {
            self.probes.clear();
        }
    }

    /// Takes up a retry that was read.
    fn take_up(&mut self, position: Position, row: Option<Candidate>) {
        let Some(kept) = self.state.retrying.get(&position) else { return };
        if self.flight.contains(position) {
            return;
        }
        let Some(candidate) = row else {
            self.withheld.push(position);
            return;
        };
        let (suspect, redriven, failures) = (kept.suspect, kept.redriven, kept.failures);
        if failures >= self.state.row.spec.retry.max_attempts {
            self.overdue.push(candidate);
            return;
        }
        let lane_id = self.lane_of(&candidate.order_key, redriven);
        if let Some(lane) = self.lanes.get_mut(lane_id) {
            // Where order is total, later ones may be queued already; none of them is out.
            lane.queue.push_front(position);
        }
        if suspect {
            self.suspects.insert(position);
        } else {
            self.urgent.insert(position);
        }
        self.flight.insert(Slot { passed: true, suspect, redriven, failures, ..fresh(candidate, lane_id) });
    }

    /// Retries wait in memory up to the look-ahead; those beyond it wait until there is room again, however long they are due.
    pub(super) fn has_room_for_due(&self) -> bool {
        self.schedule.to_read.len() + self.urgent.len() + self.suspects.len() < self.bounds.look_ahead
    }

    /// Moves rows that are due, as far as the rate allows and there is room, to those to be read.
    pub(super) fn take_due(&mut self) {
        if self.standstill().is_some() {
            return;
        }
        while self.has_room_for_due() {
            let Some(row) = self.schedule.first_due(self.now).and_then(|position| self.state.retrying.get(&position)) else {
                return;
            };
            let counts = row.failures > 0;
            if counts && self.schedule.allowed_at() > self.now {
                return;
            }
            self.schedule.take(self.now, counts);
        }
    }
}

fn fresh(candidate: Candidate, lane: LaneId) -> Slot {
    Slot {
        candidate,
        lane,
        passed: false,
        redriven: false,
        suspect: false,
        failures: 0,
        stage: Stage::Ready,
        sent_at: 0,
        token: Token { epoch: 0, send_number: 0 },
        deciding: None,
        releases: 0,
        rests_until: Micros::MIN,
    }
}
