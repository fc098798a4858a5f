//! A change on its way to the store: planned, started, and what is true once it stands or failed.

use std::collections::BTreeSet;

use super::{
    ack::{move_floor, skipped_chunks},
    engine::{Engine, Job, Request},
    messages::{LossReason, Output, Persist, PersistKind, SettleResult, SettledItem},
    plan::{End, How, Plan, tally},
    retry::SECOND,
    session::Session,
    state::{CHUNK_POSITIONS, SubscriptionDelta, apply},
};
use crate::domain::ids::Micros;

/// Skips are persisted at least this often.
pub(super) const SKIPS: Micros = 10 * SECOND;

/// After a failed commit the engine waits this long before it proposes changes of its own accord.
const PATIENCE: Micros = SECOND;

/// What a change is for, with what it needs when it stands.
#[derive(Debug)]
pub(super) enum Goal {
    Group,
    Attach {
        session: Box<Session>,
        resumed: bool,
    },
    /// The session did not come back.
    Lost,
    Redrive,
    Discard,
    Pause,
    Resume,
    Seek,
    /// `anew`: what is in memory was judged by the settings before.
    Update {
        anew: bool,
    },
    Skips,
}

/// The change under way.
#[derive(Debug)]
pub(super) struct Change {
    id: u64,
    goal: Goal,
    delta: SubscriptionDelta,
    ends: Vec<End>,
    requests: Vec<(Request, Vec<SettleResult>)>,
}

impl Change {
    /// The place moves, or what is selected: what is in memory will be forgotten.
    pub(super) fn begins_anew(&self) -> bool {
        matches!(self.goal, Goal::Seek | Goal::Update { anew: true })
    }

    /// The epoch that it raises.
    pub(super) fn epoch(&self) -> Option<u64> {
        self.delta.epoch
    }

    /// The session that this change attaches.
    pub(super) fn attaching(&self) -> Option<&Session> {
        match &self.goal {
            Goal::Attach { session, .. } => Some(session),
            _ => None,
        }
    }
}

fn answer(request: &Request, results: impl Iterator<Item = SettleResult>) -> Output {
    let items = request.items.iter().zip(results);
    let items = items.map(|(item, result)| SettledItem { position: item.position, result }).collect();
    Output::Settled { request_id: request.id, items }
}

impl Engine {
    /// Starts the next change, if none is under way and there is something to change.
    pub(super) fn advance(&mut self) {
        while self.change.is_none() {
            match self.jobs.front() {
                None | Some(Job::Settle(_)) => {
                    if !self.start_group() {
                        return;
                    }
                }
                // The disclosures under way are fenced by the epoch that it raises: it waits until they are decided.
                Some(Job::Attach(_) | Job::Seek(_)) if !self.batches.is_empty() => return,
                Some(_) => match self.jobs.pop_front() {
                    Some(Job::Attach(attach)) => self.plan_attach(attach),
                    Some(Job::Detach { epoch, drained }) => self.leave(epoch, drained),
                    Some(Job::Redrive(letters)) => self.plan_redrive(letters),
                    Some(Job::Discard(letters)) => self.plan_discard(letters),
                    Some(Job::Pause(paused)) => self.plan_pause(paused),
                    Some(Job::Seek(target)) => self.plan_seek(target),
                    Some(Job::Update(settings)) => self.plan_update(settings),
                    Some(Job::Reset(reason)) => self.forget(reason),
                    Some(Job::Settle(_)) | None => return,
                },
            }
        }
    }

    /// Forgets what is in memory: a drained session left, or the grant changed.
    fn forget(&mut self, reason: Option<LossReason>) {
        if let Some(reason) = reason {
            self.tell_all_lost(reason);
        }
        self.reset();
        self.session = self.session.take().filter(|session| session.grace_until.is_none() || !session.draining);
    }

    /// All queued settles, and the failures noticed, in one change. False when there is nothing more to do now.
    fn start_group(&mut self) -> bool {
        let mut plan = Plan::new(&self.state);
        let mut requests = Vec::new();
        while let Some(Job::Settle(_)) = self.jobs.front() {
            let Some(Job::Settle(request)) = self.jobs.pop_front() else { break };
            if self.needs_probe(&request) {
                self.parked.push(request);
                continue;
            }
            let results = self.decide(&mut plan, &request);
            requests.push((request, results));
        }
        let waits = self.stalled || self.now < self.not_before;
        if !waits {
            // What was settled in time has been decided above, or waits for rows: then no lease runs out.
            if self.parked.is_empty() {
                self.plan_expired(&mut plan);
            }
            self.plan_unrepeatable(&mut plan);
        }
        if !plan.is_empty() {
            self.start_for(plan, Goal::Group, requests);
            return true;
        }
        for (request, results) in requests {
            self.outbox.push(answer(&request, results.into_iter()));
        }
        if !self.jobs.is_empty() {
            return true;
        }
        if waits {
            return self.try_store(plan);
        }
        if self.is_session_lost() && self.parked.is_empty() {
            self.plan_lost(&mut plan, true);
            if plan.is_empty() {
                self.session = None;
                self.reset();
            } else {
                self.start(plan, Goal::Lost);
            }
            return true;
        }
        if self.skips_at() <= self.now && self.has_skips() {
            self.plan_withheld(&mut plan);
            self.start(plan, Goal::Skips);
            return true;
        }
        false
    }

    /// While the store is stalled and something of the engine's own is due: a change of skips finds out whether the store
    /// takes commits again. Without it an idle consumer's leases would never run out.
    fn try_store(&mut self, mut plan: Plan) -> bool {
        let is_due = (self.flight.out > 0 && self.flight.bound <= self.now)
            || self.is_session_lost()
            || (self.skips_at() <= self.now && self.has_skips())
            || !self.overdue.is_empty()
            || !self.withheld.is_empty();
        let tries = self.stalled && self.now >= self.not_before && self.parked.is_empty() && is_due;
        if tries {
            self.plan_withheld(&mut plan);
            self.start(plan, Goal::Skips);
        }
        tries
    }

    /// Skips, or blocked rows, wait to be persisted.
    pub(super) fn has_skips(&self) -> bool {
        let filled = self.open.skipped_from.is_some_and(|from| self.open.scanned >= from + CHUNK_POSITIONS);
        let moved = self.open.floor(&self.flight) > self.state.floor;
        filled || moved || !self.unsynced.is_empty() || self.has_unsaid()
    }

    pub(super) fn start(&mut self, plan: Plan, goal: Goal) {
        self.start_for(plan, goal, Vec::new());
    }

    /// Completes the delta and hands the change to the host.
    fn start_for(&mut self, mut plan: Plan, goal: Goal, requests: Vec<(Request, Vec<SettleResult>)>) {
        // A seek says itself where the floor is to be, and what is blocked.
        if !matches!(goal, Goal::Seek) {
            let floor = self.open.floor_after(&self.flight, matches!(goal, Goal::Skips));
            let passing = plan.ends.iter().filter(|end| end.how != How::Released).map(|end| end.position);
            move_floor(&mut plan.delta, &self.state, floor, passing);
            if matches!(goal, Goal::Skips) {
                self.open.skipped_from = skipped_chunks(&mut plan.delta, &self.state, &self.open, &self.flight, floor);
            }
            self.write_blocked(&mut plan);
        }
        let failures = plan.failures.unwrap_or(self.state.consecutive_failures);
        if (failures, plan.circuit_open) != (self.state.consecutive_failures, self.state.circuit_open_since) {
            plan.delta.circuit = Some((failures, plan.circuit_open));
        }
        self.last_change += 1;
        let kind = match &goal {
            Goal::Group if requests.is_empty() => PersistKind::Failures,
            Goal::Group => PersistKind::Settle,
            Goal::Attach { session, resumed } => PersistKind::Attach { session: session.id, resumed: *resumed },
            Goal::Lost => PersistKind::Failures,
            Goal::Redrive => PersistKind::Redrive,
            Goal::Discard => PersistKind::Discard,
            Goal::Pause => PersistKind::Pause,
            Goal::Resume => PersistKind::Resume,
            Goal::Seek => PersistKind::Seek,
            Goal::Update { .. } => PersistKind::Update,
            Goal::Skips if plan.is_empty() => PersistKind::Skips,
            Goal::Skips => PersistKind::Withhold,
        };
        let consumer = match &goal {
            Goal::Attach { session, .. } => session.consumer.system.clone(),
            _ => self.consumer().system,
        };
        self.outbox.push(Output::Persist(Box::new(Persist {
            change_id: self.last_change,
            kind,
            consumer,
            delta: plan.delta.clone(),
            tally: tally(&plan.ends),
        })));
        self.change = Some(Change { id: self.last_change, goal, delta: plan.delta, ends: plan.ends, requests });
        self.skips_due = self.now.saturating_add(SKIPS);
    }

    /// Blocked rows that will differ from what is kept.
    fn write_blocked(&self, plan: &mut Plan) {
        let lanes: BTreeSet<_> = plan.held.keys().chain(&self.unsynced).copied().collect();
        for id in lanes {
            let Some((lane, key)) = self.lanes.get(id).and_then(|lane| Some((lane, lane.key.as_ref()?))) else { continue };
            let held = plan.held.get(&id).or(lane.held.as_deref()).filter(|held| !held.is_over());
            match (held.map(|held| &held.row), self.state.blocked.get(key)) {
                (Some(row), kept) if Some(row) != kept => plan.delta.put_blocked.push(row.clone()),
                (None, Some(_)) => plan.delta.drop_blocked.push(key.clone()),
                _ => {}
            }
        }
    }

    /// The change stands.
    pub fn persisted(&mut self, change_id: u64, now: Micros) {
        self.observe(now);
        let Some(change) = self.change.take_if(|change| change.id == change_id) else { return };
        self.store_answers();
        apply(&mut self.state, &change.delta);
        if matches!(change.goal, Goal::Skips) {
            self.withheld_said(&change.ends);
        }
        match change.goal {
            Goal::Attach { session, resumed } => self.attach_stands(*session, resumed),
            Goal::Lost => {
                self.session = None;
                self.reset();
            }
            Goal::Seek => self.begin_anew(LossReason::Sought),
            Goal::Update { anew } => self.settings_stand(anew),
            Goal::Group | Goal::Redrive | Goal::Discard | Goal::Pause | Goal::Resume | Goal::Skips => self.finish(&change.ends),
        }
        for (request, results) in &change.requests {
            self.outbox.push(answer(request, results.iter().copied()));
        }
        self.advance();
    }

    /// The change failed: everything is as it was, and the requests in it are to be said again.
    pub fn persist_failed(&mut self, change_id: u64, now: Micros) {
        self.observe(now);
        let Some(change) = self.change.take_if(|change| change.id == change_id) else { return };
        let lease = self.lease();
        for end in &change.ends {
            if let Some(slot) = self.flight.get_mut(end.position) {
                // The consumer is to have the time to say it again.
                slot.restart(self.now, lease);
                slot.deciding = None;
            } else if self.state.retrying.contains_key(&end.position) {
                self.schedule.to_read.insert(end.position);
            }
            if let Some(lane) = self.lanes.get_mut(end.lane) {
                (lane.settling, lane.broken) = (0, None);
            }
        }
        for (request, _) in &change.requests {
            self.outbox.push(answer(request, std::iter::repeat(SettleResult::Retryable)));
        }
        self.open.skipped_from = Some(self.state.floor + 1);
        self.not_before = self.now.saturating_add(PATIENCE);
        self.advance();
    }
}
