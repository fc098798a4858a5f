//! The session of a host: attaching, what it is told, and how it goes.

use tokio::sync::mpsc;

use super::{
    super::{
        super::{Caller, Class, Refused},
        session::{AttachRequest, Event, Outgoing, Reply},
    },
    Host,
};
use crate::domain::{
    delivery::{Delivery, SessionId},
    ids::Micros,
};

/// The session that is attached.
pub(super) struct Attached {
    pub(super) attachment: u64,
    /// The epoch under which it attached; 0 = its attach is not durable yet.
    pub(super) epoch: u64,
    pub(super) session: SessionId,
    pub(super) caller: Caller,
    pub(super) events: mpsc::Sender<Event>,
}

/// A session whose attach is not durable yet.
pub(super) struct Attaching {
    pub(super) attached: Attached,
    pub(super) reply: Reply<()>,
}

impl Host {
    pub(super) fn is_current(&self, attachment: u64) -> bool {
        self.attached.as_ref().is_some_and(|attached| attached.attachment == attachment)
    }

    pub(super) fn attach(&mut self, now: Micros, attached: Attached, request: &AttachRequest, reply: Reply<()>) {
        if self.stopping.is_some() || self.closed.is_some() || self.attaching.is_some() {
            let _ = reply.send(Err(busy("another attach is under way")));
            return;
        }
        let consumer = attached.caller.system.to_string();
        match self.engine.attach(now, request.session, consumer, request.window, request.auto_extend, request.take_over) {
            Ok(()) => self.attaching = Some(Attaching { attached, reply }),
            Err(refused) => drop(reply.send(Err(busy(&refused.holder)))),
        }
    }

    pub(super) fn detach(&mut self, now: Micros) {
        if let Some(attached) = self.attached.take() {
            self.engine.detach(now, attached.epoch, self.is_draining);
        }
    }

    /// Tells the session to go and forgets it.
    pub(super) fn leave(&mut self, reason: &'static str) {
        self.tell(Event::GoAway { reason, reconnect_after_ms: 1_000 });
        self.attached = None;
        if let Some(attaching) = self.attaching.take() {
            let _ = attaching.reply.send(Err(busy("the gateway is stopping")));
        }
    }

    /// Puts an event into the session's queue. A queue that is full belongs to a consumer that has stopped reading: it is sent
    /// away, so that memory stays bounded.
    pub(super) fn tell(&mut self, event: Event) {
        let Some(attached) = &self.attached else { return };
        if attached.events.try_send(event).is_err() {
            let now = self.now();
            self.detach(now);
        }
    }

    pub(super) fn opened(&mut self, session: SessionId, epoch: u64) {
        let Some(attaching) = self.attaching.take_if(|attaching| attaching.attached.session == session) else { return };
        if self.attached.is_some() {
            self.tell(Event::GoAway { reason: "taken_over", reconnect_after_ms: 30_000 });
        }
        self.attached = Some(Attached { epoch, ..attaching.attached });
        self.is_draining = false;
        let (identity, status) = (self.parts.store.identity().clone(), self.numbers());
        self.tell(Event::Opened { epoch, ledger_id: identity.ledger_id, generation: identity.generation, status });
        // The asker may be gone; its session is then dropped, which detaches.
        let _ = attaching.reply.send(Ok(()));
    }

    /// Hands a disclosed batch to the session. Rows stay until they are settled: what is taken back is sent again from memory.
    pub(super) fn send(&mut self, session: SessionId, lease_expires_at: Micros, deliveries: &[Delivery]) {
        if self.attached.as_ref().is_none_or(|attached| attached.session != session) {
            return;
        }
        let batch = deliveries
            .iter()
            .filter_map(|delivery| {
                let record = self.rows.get(&delivery.position)?.clone();
                Some(Outgoing {
                    show_restricted: self.rights.show_restricted(record.attributes.feed()),
                    attempt: delivery.attempt,
                    token: delivery.token,
                    lease_expires_at,
                    recall: delivery.recall,
                    redriven: delivery.redriven,
                    current_revision: self.current.remove(&delivery.position).unwrap_or(0),
                    left_filter: delivery.left_filter,
                    record,
                })
            })
            .collect();
        self.tell(Event::Deliveries(batch));
    }
}

/// The subscription is held by another.
pub(super) fn busy(holder: &str) -> Refused {
    Refused::new(
        Class::FailedPrecondition,
        "SUBSCRIPTION_BUSY",
        format!("该订阅已被占用（{holder}）：等其离开，或以 take_over 接管"),
        format!("the subscription is held ({holder}): wait until it leaves, or attach with take_over"),
    )
}
