//! What becomes of a delivery that failed: another attempt, or the dead letters; and the failures that time brings.

use super::{
    engine::Engine,
    lease::{Deciding, Stage},
    messages::Candidate,
    order::{LaneId, NO_LANE},
    plan::{How, Plan},
    retry::backoff,
    state::{Attempt, Consumer, DeadLetter, Ended, RetryRow},
    subscription::OnDeadLetter,
};
use crate::domain::ids::{Micros, Position};

/// Reason of a dead letter that used up its attempts; its history says what happened.
pub(super) const MAX_ATTEMPTS: &str = "max_attempts";

impl Engine {
    /// The attached consumer.
    pub(super) fn consumer(&self) -> Consumer {
        self.session.as_ref().map(|session| session.consumer.clone()).unwrap_or_default()
    }

    /// The retry row of a delivery: as kept, or a first one.
    pub(super) fn row_of(&self, position: Position) -> Option<RetryRow> {
        if let Some(row) = self.state.retrying.get(&position) {
            return Some(row.clone());
        }
        let slot = self.flight.get(position)?;
        Some(RetryRow {
            position,
            order_key: slot.candidate.order_key.clone(),
            failures: 0,
            due: self.now,
            suspect: false,
            redriven: false,
            redrives: 0,
            history: Vec::new(),
            left_out: 0,
        })
    }

    /// Notes how an attempt ended. No more are kept than a delivery has attempts: what is kept of it stays small, however often it
    /// is redriven.
    fn note(&self, row: &mut RetryRow, ended: Ended, reason: &str) {
        row.history.push(Attempt {
            number: row.failures + 1,
            sent_at: self.flight.get(row.position).map_or(0, |slot| slot.sent_at),
            ended_at: self.now,
            ended,
            reason: reason.to_owned(),
            consumer: self.consumer(),
        });
        let most = usize::try_from(self.state.row.spec.retry.max_attempts).unwrap_or(usize::MAX);
        let surplus = row.history.len().saturating_sub(most);
        row.history.drain(..surplus);
        row.left_out = row.left_out.saturating_add(u32::try_from(surplus).unwrap_or(u32::MAX));
    }

    /// Plans a counted failure of a delivery that is out.
    pub(super) fn plan_failure(
        &mut self,
        plan: &mut Plan,
        position: Position,
        (ended, reason): (Ended, &str),
        delay: Option<Micros>,
        suspect: bool,
    ) {
        let Some(mut row) = self.row_of(position) else { return };
        self.note(&mut row, ended, reason);
        row.failures += 1;
        self.count_failure(plan);
        let policy = &self.state.row.spec.retry;
        let dead = if policy.non_retryable.iter().any(|listed| listed == reason) {
            Some(reason)
        } else {
            (row.failures >= policy.max_attempts).then_some(MAX_ATTEMPTS)
        };
        if let Some(dead) = dead {
            self.plan_dead(plan, row, dead);
            return;
        }
        row.due = self.now.saturating_add(delay.unwrap_or_else(|| backoff(policy, self.seed, position, row.failures)));
        row.suspect = suspect;
        plan.delta.put_retries.push(row);
        let Some(slot) = self.flight.get_mut(position) else { return };
        slot.deciding = Some(Deciding::Fail);
        let lane = slot.lane;
        self.stop_planned(plan, lane, position, How::Retried);
        plan.end(position, lane, How::Retried);
    }

    fn count_failure(&self, plan: &mut Plan) {
        let threshold = self.state.row.spec.retry.pause_after_failures;
        if threshold > 0 {
            let failures = plan.failures.unwrap_or(self.state.consecutive_failures).saturating_add(1);
            plan.failures = Some(failures);
            if failures >= threshold {
                plan.circuit_open = plan.circuit_open.or(Some(self.now));
            }
        }
    }

    /// Plans a rejection by the consumer.
    pub(super) fn plan_reject(&mut self, plan: &mut Plan, position: Position, reason: &str) {
        if let Some(mut row) = self.row_of(position) {
            self.note(&mut row, Ended::Reject, reason);
            self.plan_dead(plan, row, reason);
        }
    }

    /// Plans a dead letter of a delivery that is in memory.
    fn plan_dead(&mut self, plan: &mut Plan, row: RetryRow, reason: &str) {
        let Some(slot) = self.flight.get_mut(row.position) else { return };
        slot.deciding = Some(Deciding::Reject);
        let (candidate, lane) = (slot.candidate.clone(), slot.lane);
        self.bury(plan, row, &candidate, lane, reason);
    }

    fn bury(&mut self, plan: &mut Plan, row: RetryRow, candidate: &Candidate, lane: LaneId, reason: &str) {
        let position = row.position;
        if self.state.retrying.contains_key(&position) {
            plan.delta.drop_retries.push(position);
        }
        plan.delta.put_dead.push(DeadLetter {
            position,
            record_id: candidate.record_id.clone(),
            revision: candidate.revision,
            order_key: row.order_key,
            reason: reason.to_owned(),
            died_at: self.now,
            history: row.history,
            left_out: row.left_out,
            redrives: row.redrives,
        });
        let blocks = lane != NO_LANE && self.state.row.spec.on_dead_letter == OnDeadLetter::Block;
        let how = How::Dead { blocks };
        if blocks {
            self.stop_planned(plan, lane, position, how);
        } else if let Some(held) = plan.held(&self.lanes, lane) {
            held.passed(position);
        }
        plan.end(position, lane, how);
    }

    /// Marks that a lane stops at a position.
    fn stop_planned(&mut self, plan: &mut Plan, lane_id: LaneId, position: Position, how: How) {
        let total = self.lanes.is_total();
        let Some(held) = plan.held_or_new(&self.lanes, lane_id, position, self.now) else { return };
        let Some(lane) = self.lanes.get_mut(lane_id) else { return };
        let index = lane.index_of(position).unwrap_or(0);
        let rest = !total && lane.queue.len() > index + 1;
        if matches!(how, How::Dead { .. }) {
            held.died(position, rest);
        } else {
            held.failed(position, rest);
        }
        lane.broken = Some(lane.broken.map_or(index, |broken| broken.min(index)));
    }

    /// Plans the failures of leases that ran out. A lease runs out only in front of its lane; settles that were said before are decided
    /// first.
    pub(super) fn plan_expired(&mut self, plan: &mut Plan) {
        if self.flight.bound > self.now {
            return;
        }
        let now = self.now;
        let mut bound = Micros::MAX;
        let lanes = &self.lanes;
        let expired = self.flight.positions(|slot| match slot.stage {
            Stage::Sent { expires, .. } if slot.deciding.is_none() => {
                let over = expires <= now && lanes.is_front(slot.lane, slot.candidate.position);
                if !over {
                    // What is past its time but waits behind another is looked at again soon.
                    bound = bound.min(expires.max(now + super::retry::SECOND));
                }
                over
            }
            _ => false,
        });
        self.flight.bound = bound;
        for position in expired {
            // What the group under planning already stops is taken back by that.
            let lane = self.flight.get(position).map_or(NO_LANE, |slot| slot.lane);
            if self.lanes.get(lane).is_some_and(|lane| lane.broken.is_some()) {
                self.flight.bound = self.flight.bound.min(now + super::retry::SECOND);
                continue;
            }
            let before = plan.ends.len();
            let suspect = self.flight.get(position).is_some_and(|slot| slot.suspect);
            self.plan_failure(plan, position, (Ended::LeaseExpired, Ended::LeaseExpired.token()), None, suspect);
            if let Some(end) = plan.ends.get_mut(before) {
                end.expired = true;
            }
        }
    }

    /// Plans what can be tried no more: rows whose attempts are used up since the limit was lowered, and rows that filter and
    /// grant no longer admit.
    pub(super) fn plan_unrepeatable(&mut self, plan: &mut Plan) {
        for candidate in std::mem::take(&mut self.overdue) {
            let Some(row) = self.state.retrying.get(&candidate.position).cloned() else { continue };
            let lane = self.lane_of(&row.order_key, row.redriven);
            self.bury(plan, row, &candidate, lane, MAX_ATTEMPTS);
        }
        for position in std::mem::take(&mut self.withheld) {
            let Some(row) = self.state.retrying.get(&position).cloned() else { continue };
            let lane = self.lane_of(&row.order_key, row.redriven);
            plan.delta.drop_retries.push(position);
            if let Some(held) = plan.held(&self.lanes, lane) {
                held.passed(position);
            }
            plan.end(position, lane, How::Withheld);
        }
    }
}
