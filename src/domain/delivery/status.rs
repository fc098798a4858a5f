//! Numbers for people and timers.

use super::{
    engine::Engine,
    lag::Oldest,
    messages::{Observed, PauseReason, Status},
};
use crate::domain::ids::{Micros, Position};

impl Status {
    /// The same when the ledger has grown since and nothing else happened: what came may be for this subscription or not.
    #[must_use]
    pub fn at_head(mut self, head: Position) -> Self {
        let grown = head.saturating_sub(self.head);
        self.behind.oldest = self.behind.oldest.or((grown > 0).then_some(Oldest { position: self.head + 1, is_exact: false }));
        self.head = self.head.max(head);
        self.lag += grown;
        self.behind.undelivered.at_most += grown;
        self
    }
}

impl Observed {
    /// How long ago the oldest unsettled revision was committed, seconds; 0 = there is none, or it is not known.
    #[must_use]
    pub fn oldest_age_seconds(&self) -> u64 {
        let known = self.oldest_committed_at > 0 && self.at > 0;
        let age = if known { self.at.saturating_sub(self.oldest_committed_at) } else { 0 };
        u64::try_from(age / 1_000_000).unwrap_or(0)
    }
}

impl Engine {
    /// The numbers at this moment. Counts what is in memory: for people and heartbeats, not for every input.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            head: self.head,
            floor: self.open.floor(&self.flight).max(self.state.floor),
            scanned: self.open.scanned,
            in_flight: u64::from(self.flight.out),
            in_flight_bytes: self.flight.out_bytes,
            retrying: self.state.retrying.len() as u64,
            dead_letters: self.state.dead.len(),
            blocked: self.state.blocked.len() as u64,
            epoch: self.state.epoch,
            pause: self.pause_reason(),
            attached: self.attached().is_some(),
            lag: self.head.saturating_sub(self.open.scanned),
            behind: self.lag(),
            observed: Observed::default(),
        }
    }

    /// Why nothing more is being sent although there may be something to send. Cheap: asked for after every input.
    #[must_use]
    pub fn pause_reason(&self) -> Option<PauseReason> {
        // That it was paused by a person is said first, also while nobody is attached.
        if self.permitted && self.state.paused_since.is_some() {
            return Some(PauseReason::Paused);
        }
        // And so is what waits for a person: a consumer that attaches changes nothing about it.
        if self.permitted && self.state.circuit_open_since.is_some() {
            return Some(PauseReason::CircuitOpen);
        }
        if let Some(standstill) = self.standstill() {
            return Some(standstill);
        }
        let ready = self.open.ready + self.urgent.len() + self.suspects.len();
        let furthest = self.furthest();
        if ready == 0 && self.open.scanned >= self.head.min(furthest) {
            if self.open.scanned < self.head {
                return Some(PauseReason::MaxSpan);
            }
            return (self.held > 0 && self.flight.out == 0).then_some(PauseReason::KeyBlocked);
        }
        let session = self.attached()?;
        if self.flight.out > 0 && (self.is_alone() || self.flight.out >= self.state.row.spec.max_in_flight) {
            return Some(PauseReason::MaxInFlight);
        }
        if self.flight.out >= session.window.records || self.is_window_full_by_bytes(session.window.bytes) {
            return Some(PauseReason::Window);
        }
        if self.open.ready == ready && self.open.cursor > furthest {
            return Some(PauseReason::MaxSpan);
        }
        (self.lanes.is_total() && self.held > 0 && self.flight.out == 0 && self.urgent.is_empty() && self.suspects.is_empty())
            .then_some(PauseReason::KeyBlocked)
    }

    fn is_window_full_by_bytes(&self, bytes: u64) -> bool {
        let next = self.urgent.first().or_else(|| {
            let index = self.open.queue.partition_point(|position| *position < self.open.cursor);
            self.open.queue.get(index)
        });
        let next = next.and_then(|position| self.flight.get(*position)).map_or(0, |slot| slot.candidate.bytes);
        self.flight.out > 0 && self.flight.out_bytes + next > bytes
    }

    /// When `tick` has something to do at the latest; `None` = nothing is timed. It may be early, never late. A host that passes
    /// it is to call `tick`, then `pump`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Micros> {
        let mut deadlines = Vec::with_capacity(4);
        if self.change.is_none() && self.parked.is_empty() {
            let own = |at: Micros| at.max(self.not_before);
            if self.flight.out > 0 && self.flight.bound < Micros::MAX {
                deadlines.push(own(self.flight.bound));
            }
            if let Some(until) = self.session.as_ref().and_then(|session| session.grace_until) {
                deadlines.push(own(until));
            }
            if self.has_skips() {
                deadlines.push(own(self.skips_at()));
            }
            if !self.overdue.is_empty() || !self.withheld.is_empty() {
                deadlines.push(own(self.now));
            }
        }
        if self.standstill().is_none()
            && self.has_room_for_due()
            && let Some(due) = self.schedule.next()
        {
            deadlines.push(due.max(self.schedule.allowed_at()));
        }
        deadlines.extend(self.flight.next_rested());
        deadlines.into_iter().min()
    }
}
