//! Dead letters go back into delivery, or are dropped: chunk by chunk, each in one change.

use std::collections::BTreeSet;

use super::{
    change::Goal,
    engine::{Engine, Job},
    order::LaneId,
    plan::{How, Plan},
    state::{DeadLetter, RetryRow},
};
use crate::domain::{
    draft::OrderKey,
    ids::{Micros, Position},
};

impl Engine {
    /// Puts dead letters, one chunk of them as read from the store, back into delivery: attempts begin at 1 again, history is kept,
    /// they are exempt from order and marked. Letters that are not (or no longer) in the dead letters are left out, so that a
    /// chunk may be said again. What it blocked goes on.
    pub fn redrive(&mut self, now: Micros, letters: Vec<DeadLetter>) {
        self.observe(now);
        self.jobs.push_back(Job::Redrive(letters));
        self.advance();
    }

    /// Drops dead letters for good, one chunk of them as read from the store. What they blocked goes on.
    pub fn discard(&mut self, now: Micros, letters: Vec<DeadLetter>) {
        self.observe(now);
        self.jobs.push_back(Job::Discard(letters));
        self.advance();
    }

    pub(super) fn plan_redrive(&mut self, letters: Vec<DeadLetter>) {
        let mut plan = Plan::new(&self.state);
        let mut seen = BTreeSet::new();
        for letter in letters {
            let position = letter.position;
            if !self.state.dead.contains(position) || !seen.insert(position) {
                continue;
            }
            let lane = self.free_planned(&mut plan, position, &letter.order_key);
            plan.delta.drop_dead.push(position);
            plan.delta.put_retries.push(RetryRow {
                position,
                order_key: letter.order_key,
                failures: 0,
                due: self.now,
                suspect: false,
                redriven: true,
                redrives: letter.redrives.saturating_add(1),
                history: letter.history,
                left_out: letter.left_out,
            });
            plan.end(position, lane, How::Redriven);
        }
        self.start(plan, Goal::Redrive);
    }

    pub(super) fn plan_discard(&mut self, letters: Vec<DeadLetter>) {
        let mut plan = Plan::new(&self.state);
        let mut seen = BTreeSet::new();
        for DeadLetter { position, order_key, .. } in letters {
            if self.state.dead.contains(position) && seen.insert(position) {
                let lane = self.free_planned(&mut plan, position, &order_key);
                plan.delta.drop_dead.push(position);
                plan.end(position, lane, How::Discarded);
            }
        }
        self.start(plan, Goal::Discard);
    }

    /// A dead letter goes: what it blocked is free.
    fn free_planned(&self, plan: &mut Plan, position: Position, order_key: &OrderKey) -> LaneId {
        let lane = self.lanes.find(order_key).unwrap_or(super::order::NO_LANE);
        if let Some(held) = plan.held(&self.lanes, lane) {
            held.freed(position);
        }
        lane
    }
}
