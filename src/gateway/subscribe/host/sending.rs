//! What the session is told. Records are let go once they are sent; who comes back to a broken stream gets them again, and they
//! are read for it: until then everything else that the session is told waits behind them, in order.

use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::sync::Semaphore;

use super::{
    super::{
        super::shared::SharedRecord,
        session::{Batch, Event, Outgoing},
    },
    Host,
    finished::Finished,
    output::read_again,
};
use crate::{
    domain::{
        delivery::{Delivery, SessionId},
        ids::Micros,
    },
    store::StoreError,
};

/// What waits to be told, in order.
pub(super) enum Waiting {
    Deliveries { lease_expires_at: Micros, deliveries: Vec<Delivery> },
    Event(Event),
}

impl Host {
    /// Tells the session something. A queue that is full belongs to a consumer that has stopped reading: it is sent away, so that
    /// memory stays bounded.
    pub(super) fn tell(&mut self, event: Event) {
        if self.waiting.is_empty() {
            self.put(event);
        } else {
            self.waiting.push_back(Waiting::Event(event));
        }
    }

    fn put(&mut self, event: Event) {
        let Some(attached) = &self.attached else { return };
        if attached.events.try_send(event).is_err() {
            let now = self.now();
            self.detach(now);
        }
    }

    /// The places of batches, when all are taken: nothing more is reserved until the session has taken one.
    pub(super) fn taken_places(&self) -> Option<Arc<Semaphore>> {
        self.attached.as_ref().map(|attached| &attached.places).filter(|places| places.available_permits() == 0).cloned()
    }

    /// Hands a disclosed batch to the session.
    pub(super) fn send(&mut self, session: SessionId, lease_expires_at: Micros, deliveries: Vec<Delivery>) {
        if self.attached.as_ref().is_none_or(|attached| attached.session != session) {
            return;
        }
        if self.waiting.is_empty() && deliveries.iter().all(|delivery| self.rows.record(delivery.position).is_some()) {
            self.hand_out(lease_expires_at, &deliveries);
            return;
        }
        let is_first = self.waiting.is_empty();
        self.waiting.push_back(Waiting::Deliveries { lease_expires_at, deliveries });
        if is_first {
            self.read_first_again();
        }
    }

    /// Reads what the deliveries in front lack.
    fn read_first_again(&mut self) {
        let (Some(attached), Some(Waiting::Deliveries { deliveries, .. })) = (&self.attached, self.waiting.front()) else {
            return;
        };
        // What was settled meanwhile is not known any more, and not needed.
        let lacks = |position: &u64| self.rows.known(*position).is_some() && self.rows.record(*position).is_none();
        let missing: Vec<_> = deliveries.iter().map(|delivery| delivery.position).filter(lacks).collect();
        let (attachment, parts) = (attached.attachment, self.parts.clone());
        let read = async move { Finished::ReadAgain { attachment, result: read_again(&parts, &missing).await } };
        self.work.push(read.boxed());
    }

    /// The deliveries in front were read again: they go out, and what waits behind them.
    pub(super) fn send_again(&mut self, now: Micros, attachment: u64, result: Result<Vec<Arc<SharedRecord>>, StoreError>) {
        if !self.is_current(attachment) {
            return;
        }
        let records = match result {
            Ok(records) => records,
            Err(error) => {
                tracing::warn!(subscription = %self.row.key.name, %error, "reading again failed; the session is to come back");
                self.detach(now);
                return;
            }
        };
        for record in records {
            if self.rows.known(record.position).is_some() {
                self.rows.keep(record);
            }
        }
        let Some(Waiting::Deliveries { lease_expires_at, deliveries }) = self.waiting.pop_front() else { return };
        self.hand_out(lease_expires_at, &deliveries);
        while let Some(next) = self.waiting.pop_front() {
            match next {
                Waiting::Event(event) => self.put(event),
                Waiting::Deliveries { .. } => {
                    self.waiting.push_front(next);
                    self.read_first_again();
                    return;
                }
            }
        }
    }

    /// Puts deliveries whose records are in memory into the session's queue. The records go; what is taken back is read again.
    fn hand_out(&mut self, lease_expires_at: Micros, deliveries: &[Delivery]) {
        let mut batch = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            let Some(record) = self.rows.hand_out(delivery.position) else { continue };
            batch.push(Outgoing {
                show_restricted: self.rights.show_restricted(record.attributes.feed()),
                attempt: delivery.attempt,
                token: delivery.token,
                lease_expires_at,
                recall: delivery.recall,
                redriven: delivery.redriven,
                current_revision: self.current.remove(&delivery.position).unwrap_or(0),
                left_filter: delivery.left_filter,
                record,
            });
        }
        let place = self.attached.as_ref().and_then(|attached| attached.places.clone().try_acquire_owned().ok());
        self.put(Event::Deliveries(Batch::new(batch, place)));
    }
}
