//! The session of a host: attaching, what it is told, and how it goes.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::{
    super::{
        super::{Caller, Class, Refused},
        session::{AttachRequest, Event, Reply},
    },
    Host,
};
use crate::domain::{
    delivery::{Consumer, SessionId},
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
    /// Places of batches that wait to be taken by the session.
    pub(super) places: Arc<Semaphore>,
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
        let consumer = Consumer { system: attached.caller.system.to_string(), client: request.client.clone() };
        match self.engine.attach(now, request.session, consumer, request.window, request.auto_extend, request.take_over) {
            Ok(()) => self.attaching = Some(Attaching { attached, reply }),
            Err(refused) => drop(reply.send(Err(busy(&refused.holder)))),
        }
    }

    pub(super) fn detach(&mut self, now: Micros) {
        self.waiting.clear();
        if let Some(attached) = self.attached.take() {
            self.engine.detach(now, attached.epoch, self.is_draining);
        }
    }

    /// Tells the session to go and forgets it.
    pub(super) fn leave(&mut self, reason: &'static str) {
        self.waiting.clear();
        self.tell(Event::GoAway { reason, reconnect_after_ms: 1_000 });
        self.attached = None;
        if let Some(attaching) = self.attaching.take() {
            let _ = attaching.reply.send(Err(busy("the gateway is stopping")));
        }
    }

    pub(super) fn opened(&mut self, session: SessionId, epoch: u64) {
        let Some(attaching) = self.attaching.take_if(|attaching| attaching.attached.session == session) else { return };
        self.waiting.clear();
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
