//! What administrators ask: pause, go on, move the place, change the settings. Each is one change, and waits for its turn behind
//! the settles that were said before it.
//!
//! A pause stops what is not reserved yet; what is out stays out and may be settled. A seek ends everything that was under way:
//! floor, chunks, retries and blocked keys are written anew in one change, with a new epoch, so that no token of before means
//! anything; dead letters stay where they are. Settings apply from their commit on: what is passed stays passed, what is not is
//! judged by them.

use super::{
    change::{Change, Goal},
    engine::{Engine, Job},
    lease::Flight,
    messages::{LossReason, Output, PersistKind},
    plan::Plan,
    retry::Schedule,
    settings::Settings,
    state::{Pausing, Sought},
    subscription::SubscriptionSpec,
};
use crate::domain::ids::{Micros, Position};

/// Where a seek goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Everything at or below counts as passed, what is above is delivered (again).
    pub floor: Position,
    /// For a snapshot: at positions ≤ this, revisions with a successor ≤ this are skipped; else 0.
    pub snapshot_at: Position,
}

impl Engine {
    /// Pauses delivery, durably, or lets it go on; going on also closes an open circuit. Asked for what is so already, nothing is
    /// committed (`Output::Uncommitted`).
    pub fn pause(&mut self, now: Micros, paused: bool) {
        self.observe(now);
        self.jobs.push_back(Job::Pause(paused));
        self.advance();
    }

    /// Moves the place. What is out is lost to its consumer, uncounted; the host forgets what it has read before.
    pub fn seek(&mut self, now: Micros, target: Target) {
        self.observe(now);
        self.jobs.push_back(Job::Seek(target));
        self.advance();
    }

    /// Replaces the settings of that revision. Refused (`Output::Uncommitted` with the revision that stands) when they were
    /// changed meanwhile; the same settings again change nothing.
    pub fn update(&mut self, now: Micros, revision: u64, spec: SubscriptionSpec) {
        self.observe(now);
        self.jobs.push_back(Job::Update(Box::new(Settings { revision, spec })));
        self.advance();
    }

    /// The epoch once the change under way stands.
    #[must_use]
    pub fn epoch_to_be(&self) -> u64 {
        self.change.as_ref().and_then(Change::epoch).unwrap_or(self.state.epoch)
    }

    /// The place or the filter is about to change: nothing more is reserved, since a seek waits for what is, and what would be
    /// reserved while the change is under way could not be sent any more.
    pub(super) fn is_moving(&self) -> bool {
        self.change.as_ref().is_some_and(Change::begins_anew) || self.jobs.iter().any(|job| matches!(job, Job::Seek(_)))
    }

    /// True when the delivery of a position is in memory: its content may be asked for.
    #[must_use]
    pub fn holds(&self, position: Position) -> bool {
        self.flight.contains(position)
    }

    pub(super) fn plan_pause(&mut self, paused: bool) {
        let kind = if paused { PersistKind::Pause } else { PersistKind::Resume };
        let is_paused = self.state.paused_since.is_some();
        let stands = if paused { is_paused } else { !is_paused && self.state.circuit_open_since.is_none() };
        if stands {
            self.outbox.push(Output::Uncommitted { kind, conflict: None });
            return;
        }
        let mut plan = Plan::new(&self.state);
        if paused {
            plan.delta.pausing = Some(Pausing::Since(self.now));
            self.start(plan, Goal::Pause);
        } else {
            plan.delta.pausing = Some(Pausing::Over);
            (plan.failures, plan.circuit_open) = (Some(0), None);
            self.start(plan, Goal::Resume);
        }
    }

    pub(super) fn plan_seek(&mut self, target: Target) {
        let mut plan = Plan::new(&self.state);
        let epoch = self.state.epoch + 1;
        plan.delta.epoch = Some(epoch);
        plan.delta.floor = Some(target.floor);
        (plan.failures, plan.circuit_open) = (Some(0), None);
        plan.delta.sought = Some(Sought { snapshot_at: target.snapshot_at, epoch });
        plan.delta.drop_chunks_below = self.state.chunks.keys().next_back().map(|last| last + 1);
        plan.delta.drop_retries = self.state.retrying.keys().copied().collect();
        plan.delta.drop_blocked = self.state.blocked.keys().cloned().collect();
        self.start(plan, Goal::Seek);
    }

    pub(super) fn plan_update(&mut self, settings: Box<Settings>) {
        let (kind, stands) = (PersistKind::Update, &self.state.row.spec);
        if settings.spec == *stands {
            self.outbox.push(Output::Uncommitted { kind, conflict: None });
            return;
        }
        if settings.revision != self.state.settings_revision {
            self.outbox.push(Output::Uncommitted { kind, conflict: Some(self.state.settings_revision) });
            return;
        }
        // What was read under another filter is to be read again; where dead letters lead, and rows whose attempts are used up
        // now, are taken up as after a start.
        let limit = settings.spec.retry.max_attempts;
        let used_up = limit < stands.retry.max_attempts && self.state.retrying.values().any(|row| row.failures >= limit);
        let anew = used_up || settings.spec.filter != stands.filter || settings.spec.on_dead_letter != stands.on_dead_letter;
        let mut plan = Plan::new(&self.state);
        let revision = settings.revision + 1;
        plan.delta.settings = Some(Box::new(Settings { revision, ..*settings }));
        self.start(plan, Goal::Update { anew });
    }

    /// Forgets everything in memory and begins again from what is kept, as a start would: what is out is lost to its consumer.
    pub(super) fn begin_anew(&mut self, reason: LossReason) {
        self.tell_all_lost(reason);
        self.flight = Flight::new();
        self.open = super::ack::Open::new(self.state.floor);
        self.unsynced.clear();
        self.reset();
    }

    /// New settings are durable.
    pub(super) fn settings_stand(&mut self, anew: bool) {
        self.finish(&[]);
        if anew {
            self.begin_anew(LossReason::Updated);
            return;
        }
        let waiting = self.schedule.waiting();
        let to_read = std::mem::take(&mut self.schedule.to_read);
        self.schedule = Schedule::new(&self.state.row.spec.retry, self.schedule.next_even());
        self.schedule.to_read = to_read;
        for position in waiting {
            self.plan_attempt(position);
        }
    }
}
