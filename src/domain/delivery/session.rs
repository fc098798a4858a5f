//! Who is attached, and what becomes of its leases when it goes.

use super::{
    change::Goal,
    engine::{Engine, Job},
    lease::{Slot, Stage},
    messages::{AttachRefused, Delivery, LossReason, LostLease, Output, SessionId, Window},
    order::NO_LANE,
    plan::{How, Plan},
    retry::SECOND,
    state::{Consumer, Ended},
};
use crate::domain::ids::{Micros, Position};

/// A broken stream keeps its leases this long for the same session.
pub(super) const GRACE: Micros = 10 * SECOND;

/// The attached session.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub id: SessionId,
    /// The epoch under which it attached; 0 = its attach does not stand yet.
    pub epoch: u64,
    pub consumer: Consumer,
    pub window: Window,
    pub auto_extend: bool,
    pub draining: bool,
    /// Its stream is broken; it may come back until then.
    pub grace_until: Option<Micros>,
}

/// An attach that waits for its epoch.
#[derive(Debug)]
pub(super) struct Attach {
    pub session: Session,
}

impl Engine {
    /// A session asks for the deliveries. It is attached, and gets the first ones, once the raised epoch is durable
    /// (`Output::Attached`). The same session id keeps the leases it had; another one ends them.
    ///
    /// # Errors
    /// When another session is attached and `take_over` is not asked.
    pub fn attach(
        &mut self,
        now: Micros,
        id: SessionId,
        consumer: Consumer,
        window: Window,
        auto_extend: bool,
        take_over: bool,
    ) -> Result<(), AttachRefused> {
        self.observe(now);
        let holder = self.coming().or(self.session.as_ref().filter(|session| session.grace_until.is_none()));
        if let Some(holder) = holder.filter(|holder| holder.id != id && !take_over) {
            return Err(AttachRefused { holder: holder.consumer.system.clone() });
        }
        let session = Session { id, epoch: 0, consumer, window, auto_extend, draining: false, grace_until: None };
        self.jobs.push_back(Job::Attach(Attach { session }));
        self.advance();
        Ok(())
    }

    /// The stream of the session that attached under `epoch` ended. `drained`: in good order, so that what is unsettled goes back
    /// uncounted; otherwise its leases are kept for [`GRACE`] in case it comes back. Of several streams of one session only the
    /// last attached counts: nothing happens for one that was replaced, or is about to be by an attach that comes to stand.
    pub fn detach(&mut self, now: Micros, epoch: u64, drained: bool) {
        self.observe(now);
        if self.coming().is_some() {
            self.jobs.push_back(Job::Detach { epoch, drained });
        } else {
            self.leave(epoch, drained);
        }
        self.advance();
    }

    pub(super) fn leave(&mut self, epoch: u64, drained: bool) {
        let until = self.now.saturating_add(GRACE);
        if let Some(session) = self.session.as_mut().filter(|session| session.epoch == epoch && session.grace_until.is_none()) {
            session.grace_until = Some(until);
            // Who drained and then broke off went in good order too.
            if drained || session.draining {
                session.draining = true;
                // After the settles that were said before.
                self.jobs.push_back(Job::Reset(None));
            }
        }
    }

    /// The session whose attach is queued or under way.
    pub(super) fn coming(&self) -> Option<&Session> {
        let queued = self.jobs.iter().rev().find_map(|job| match job {
            Job::Attach(attach) => Some(&attach.session),
            _ => None,
        });
        queued.or_else(|| self.change.as_ref().and_then(|change| change.attaching()))
    }

    /// The session asks for nothing more: what it has, it settles.
    pub fn drain(&mut self, now: Micros) {
        self.observe(now);
        if let Some(session) = &mut self.session {
            session.draining = true;
        }
    }

    /// A new window replaces the last.
    pub fn window(&mut self, now: Micros, window: Window) {
        self.observe(now);
        if let Some(session) = &mut self.session {
            session.window = window;
        }
    }

    /// The session lives: extends its leases if it asked for that.
    pub fn heartbeat(&mut self, now: Micros) {
        self.observe(now);
        let until = self.now.saturating_add(self.lease());
        let total = self.lease_total();
        if self.session.as_ref().is_some_and(|session| session.auto_extend && session.grace_until.is_none()) {
            self.flight.values_mut().for_each(|slot| slot.extend(until, total));
        }
        self.advance();
    }

    /// The session's stream stands.
    pub(super) fn attached(&self) -> Option<&Session> {
        self.session.as_ref().filter(|session| session.grace_until.is_none())
    }

    /// The session's time to come back is over.
    pub(super) fn is_session_lost(&self) -> bool {
        self.session.as_ref().and_then(|session| session.grace_until).is_some_and(|until| until <= self.now)
    }

    /// Plans an attach: raises the epoch, and ends the leases of another session.
    pub(super) fn plan_attach(&mut self, attach: Attach) {
        let mut plan = Plan::new(&self.state);
        plan.delta.epoch = Some(self.state.epoch + 1);
        let resumed = self.session.as_ref().is_some_and(|session| session.id == attach.session.id && !session.draining);
        if !resumed {
            // A live session that is taken over has not crashed; but whoever takes over in a crash loop must not keep the one
            // that crashes it from being found: so each is suspect, and none is counted.
            let live = self.attached().is_some();
            self.plan_lost(&mut plan, !live);
        }
        self.start(plan, Goal::Attach { session: Box::new(attach.session), resumed });
    }

    /// Plans what a lost session leaves: one out alone is counted if `counts`; several are not, and each is suspect. One that drained
    /// is not lost: what it leaves goes back uncounted.
    pub(super) fn plan_lost(&mut self, plan: &mut Plan, counts: bool) {
        if self.session.as_ref().is_some_and(|session| session.draining) {
            return;
        }
        let sent = self.flight.positions(Slot::is_sent);
        if let ([only], true) = (sent.as_slice(), counts) {
            self.plan_failure(plan, *only, (Ended::SessionLost, Ended::SessionLost.token()), None, true);
            return;
        }
        for position in sent {
            self.plan_suspect(plan, position);
        }
    }

    fn plan_suspect(&mut self, plan: &mut Plan, position: Position) {
        let Some(mut row) = self.row_of(position) else { return };
        row.suspect = true;
        row.due = self.now;
        plan.delta.put_retries.push(row);
        let Some(slot) = self.flight.get_mut(position) else { return };
        slot.deciding = Some(super::lease::Deciding::Fail);
        let lane = slot.lane;
        if lane != NO_LANE
            && let Some(held) = plan.held_or_new(&self.lanes, lane, position, self.now)
        {
            held.failed(position, true);
        }
        plan.end(position, lane, How::Suspected);
    }

    /// The attach is durable.
    pub(super) fn attach_stands(&mut self, session: Session, resumed: bool) {
        if !resumed {
            if let Some(old) = self.attached().map(|session| session.id) {
                self.tell_all_lost(LossReason::TakenOver);
                self.outbox.push(Output::Displaced { session: old });
            }
            self.reset();
        }
        let epoch = self.state.epoch;
        self.outbox.push(Output::Attached { session: session.id, epoch, resumed });
        if resumed {
            self.send_again(session.id);
        }
        self.session = Some(Session { epoch, ..session });
    }

    /// A stream that broke may have lost what was on its way, and nobody knows what: all that is out and not being settled is sent
    /// once more, in order, under the tokens it has. It is disclosed already, counts as no other attempt, and who has it knows it
    /// by its token.
    fn send_again(&mut self, session: SessionId) {
        let mut batch: Vec<Delivery> = Vec::new();
        let (mut bytes, mut lease_expires_at) = (0, Micros::MAX);
        for position in self.flight.positions(|slot| slot.is_sent() && slot.deciding.is_none()) {
            let Some(slot) = self.flight.get_mut(position) else { continue };
            if !batch.is_empty() && bytes + slot.candidate.bytes > self.bounds.batch_bytes {
                let deliveries = std::mem::take(&mut batch);
                self.outbox.push(Output::Send { batch_id: 0, session, lease_expires_at, deliveries });
                (bytes, lease_expires_at) = (0, Micros::MAX);
            }
            bytes += slot.candidate.bytes;
            if let Stage::Sent { expires, .. } = slot.stage {
                lease_expires_at = lease_expires_at.min(expires);
            }
            batch.push(slot.delivery());
        }
        if !batch.is_empty() {
            self.outbox.push(Output::Send { batch_id: 0, session, lease_expires_at, deliveries: batch });
        }
    }

    /// Everything that is out is lost.
    pub(super) fn tell_all_lost(&mut self, reason: LossReason) {
        let sent = self.flight.positions(Slot::is_sent);
        let token = |position| self.flight.get(position).map(|slot| slot.token);
        let leases = sent.into_iter().filter_map(|position| Some(LostLease { position, token: token(position)?, reason }));
        let leases = leases.collect();
        self.tell_lost(leases);
    }
}
