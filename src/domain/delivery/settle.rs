//! What the consumer says of its deliveries.
//!
//! Of several deliveries of one lane that are out, only the first may be acknowledged, retried or rejected: a settle ahead of its
//! predecessor is out of order. Giving back and asking for more time is possible at any place of the lane; giving back one gives
//! back those behind it. The items of one request are judged by position, so that a request may list them in any order.

use super::{
    engine::{Engine, Job, Probe, Request},
    lease::Deciding,
    messages::{SettleResult, Settlement, Token, Verb},
    order::NO_LANE,
    plan::{How, Plan},
    retry::asked,
    state::Ended,
};
use crate::domain::ids::{Micros, Position};

impl Engine {
    /// Settles deliveries. `request_id` names the request in `Output::Settled`, which follows once what it changes is durable; it
    /// is to be unique among those not yet answered.
    pub fn settle(&mut self, now: Micros, request_id: u64, items: Vec<Settlement>) {
        self.observe(now);
        self.jobs.push_back(Job::Settle(Request { id: request_id, items }));
        self.advance();
    }

    /// Judges all items of a request, and plans what they change.
    pub(super) fn decide(&mut self, plan: &mut Plan, request: &Request) -> Vec<SettleResult> {
        let items = &request.items;
        if items.is_sorted_by_key(|item| item.position) {
            return items.iter().map(|item| self.decide_item(plan, item)).collect();
        }
        let mut order: Vec<_> = (0..items.len()).collect();
        order.sort_by_key(|index| items[*index].position);
        let mut results = vec![SettleResult::Unknown; items.len()];
        for index in order {
            results[index] = self.decide_item(plan, &items[index]);
        }
        results
    }

    fn decide_item(&mut self, plan: &mut Plan, item: &Settlement) -> SettleResult {
        let total = self.lease_total();
        let now = self.now;
        let Some(slot) = self.flight.get_mut(item.position).filter(|slot| slot.is_sent() && slot.token == item.token) else {
            return self.judge_standing(item);
        };
        if let Verb::Extend { ms } = item.verb {
            if slot.deciding.is_some() {
                return SettleResult::Stale;
            }
            slot.extend(now.saturating_add(asked(ms)), total);
            return SettleResult::Ok;
        }
        match (slot.deciding, &item.verb) {
            (None, _) => {}
            // Said twice within one change.
            (Some(Deciding::Ack), Verb::Ack) | (Some(Deciding::Reject), Verb::Reject { .. }) => return SettleResult::Ok,
            (Some(_), _) => return SettleResult::Stale,
        }
        let (lane, passed) = (slot.lane, slot.passed);
        if let Some(refused) = self.out_of_turn(lane, item) {
            return refused;
        }
        match &item.verb {
            Verb::Ack => self.plan_ack(plan, item.position, passed),
            Verb::Retry { delay_ms, reason } => {
                let delay = (*delay_ms > 0).then(|| asked(*delay_ms));
                self.plan_failure(plan, item.position, (Ended::Retry, reason), delay, false);
            }
            Verb::Reject { reason } => self.plan_reject(plan, item.position, reason),
            Verb::Release => self.plan_release(plan, item.position),
            Verb::Extend { .. } => {}
        }
        SettleResult::Ok
    }

    /// Whether the lane allows the verb now; counts the position in if it does.
    fn out_of_turn(&mut self, lane_id: usize, item: &Settlement) -> Option<SettleResult> {
        let lane = self.lanes.get_mut(lane_id)?;
        let next = lane.queue.get(lane.settling) == Some(&item.position);
        let index = if next { lane.settling } else { lane.index_of(item.position)? };
        let release = item.verb == Verb::Release;
        if lane.broken.is_some_and(|broken| index >= broken) && !release {
            return Some(SettleResult::Stale);
        }
        if !next && !release {
            return Some(SettleResult::OutOfOrder);
        }
        if !release {
            lane.settling += 1;
        }
        None
    }

    fn plan_ack(&mut self, plan: &mut Plan, position: Position, passed: bool) {
        let Some(slot) = self.flight.get_mut(position) else { return };
        slot.deciding = Some(Deciding::Ack);
        let lane = slot.lane;
        if passed {
            if self.state.retrying.contains_key(&position) {
                plan.delta.drop_retries.push(position);
            }
            if let Some(held) = plan.held(&self.lanes, lane) {
                held.passed(position);
            }
        }
        if plan.failures.unwrap_or(self.state.consecutive_failures) > 0 {
            plan.failures = Some(0);
        }
        plan.end(position, lane, How::Acked);
    }

    fn plan_release(&mut self, plan: &mut Plan, position: Position) {
        let Some(slot) = self.flight.get_mut(position) else { return };
        slot.deciding = Some(Deciding::Release);
        let lane_id = slot.lane;
        if lane_id != NO_LANE
            && let Some(lane) = self.lanes.get_mut(lane_id)
        {
            let index = lane.index_of(position).unwrap_or(0);
            lane.broken = Some(lane.broken.map_or(index, |broken| broken.min(index)));
        }
        plan.end(position, lane_id, How::Released);
    }

    /// True when the token was given out, as far as that is known.
    fn was_issued(&self, token: Token) -> bool {
        let since_load = token.epoch <= self.state.epoch && token.send_number <= self.last_send;
        token.epoch > 0 && token.send_number > 0 && (token.epoch <= self.loaded_epoch || since_load)
    }

    /// Judges a settle of what is not out under that token: it can only stand already, or be void.
    fn judge_standing(&self, item: &Settlement) -> SettleResult {
        let position = item.position;
        if !self.was_issued(item.token) || position == 0 {
            return SettleResult::Unknown;
        }
        if self.flight.contains(position) || self.state.retrying.contains_key(&position) {
            return SettleResult::Stale;
        }
        if self.state.dead.contains(position) {
            let rejected = matches!(item.verb, Verb::Reject { .. });
            return if rejected { SettleResult::Ok } else { SettleResult::Stale };
        }
        let is_void = item.token.epoch < self.state.sought_epoch;
        if is_void || item.verb != Verb::Ack || !self.state.is_passed(position) {
            return SettleResult::Stale;
        }
        let waits = match self.probes.get(&position) {
            Some(Some(Probe::Key(key))) => {
                let held = self.lanes.find(key).and_then(|lane| self.lanes.get(lane)).and_then(|lane| lane.held.as_ref());
                held.is_some_and(|held| position > held.row.resume_after) && !self.lanes.is_total()
            }
            // Not admitted any more: whether it was finished or waits, and comes again under a wider grant, cannot be told.
            Some(Some(Probe::Nothing)) => true,
            _ => false,
        };
        if waits { SettleResult::Stale } else { SettleResult::Ok }
    }

    /// A passed position may be finished, or wait behind a blocked key; which, only its order key tells. Asks for the keys that
    /// the request cannot be judged without.
    pub(super) fn needs_probe(&mut self, request: &Request) -> bool {
        if self.held == 0 || self.lanes.is_total() {
            return false;
        }
        let mut waits_behind = None;
        let mut needs = false;
        for item in &request.items {
            let may_wait = item.verb == Verb::Ack
                && !self.flight.contains(item.position)
                && self.state.is_passed(item.position)
                && !self.state.retrying.contains_key(&item.position)
                && !self.state.dead.contains(item.position)
                && self.was_issued(item.token)
                && item.token.epoch >= self.state.sought_epoch;
            if !may_wait {
                continue;
            }
            let first = *waits_behind.get_or_insert_with(|| {
                let held = self.lanes.iter().filter_map(|(_, lane)| lane.held.as_ref());
                held.map(|held| held.row.resume_after).min().unwrap_or(Position::MAX)
            });
            let unsure = item.position > first;
            if unsure && self.probes.entry(item.position).or_insert(None).is_none() {
                needs = true;
            }
        }
        needs
    }
}
