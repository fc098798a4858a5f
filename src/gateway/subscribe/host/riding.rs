//! Riding along: at the head, with an open window, what is published next is disclosed in its own commit.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{
    super::{commits, rights::Rights},
    Host,
};
use crate::domain::{
    delivery::{RideRoom, SubscriptionRow},
    draft::StoredRecord,
    ids::Position,
    ledger::{Act, Change, Ride, Selects},
};

/// A ride that was asked for.
pub(super) struct Riding {
    room: RideRoom,
    told: oneshot::Receiver<Vec<Position>>,
}

/// What filter and rights admit, as reading sees it.
struct Selection {
    row: Arc<SubscriptionRow>,
    rights: Rights,
}

impl std::fmt::Debug for Selection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Selection").field("subscription", &self.row.key).finish_non_exhaustive()
    }
}

impl Selects for Selection {
    fn selects(&self, record: &StoredRecord) -> bool {
        self.rights.admit(&record.attributes)
            && self.row.spec.filter.select(&record.attributes, record.previous.as_ref()).is_some()
    }
}

impl Host {
    /// Asks for a ride where there is room for one, and takes back what was asked where there is none, or less.
    pub(super) fn offer_ride(&mut self) {
        self.hear_ride();
        let room = self.engine.ride();
        if let Some(riding) = &self.riding {
            let stands = room.is_some_and(|room| {
                (room.epoch, room.after) == (riding.room.epoch, riding.room.after)
                    && room.records >= riding.room.records
                    && room.bytes >= riding.room.bytes
            });
            // What is on its way already is heard of soon.
            if stands || !self.parts.committer.riders().leave(&self.row.key) {
                return;
            }
            self.riding = None;
        }
        let (Some(room), Some(attached)) = (room, &self.attached) else { return };
        let ride = Ride {
            key: self.row.key.clone(),
            epoch: room.epoch,
            after: room.after,
            records: room.records,
            bytes: room.bytes,
            selects: Arc::new(Selection { row: self.row.clone(), rights: self.rights.clone() }),
        };
        let evidence = commits::disclosing(&self.row.key, &attached.caller);
        let told = self.parts.committer.riders().wait(Act { change: Change::Ride(Box::new(ride)), evidence });
        self.riding = Some(Riding { room, told });
    }

    /// Takes up what was disclosed ahead.
    pub(super) fn hear_ride(&mut self) {
        let Some(riding) = &mut self.riding else { return };
        match riding.told.try_recv() {
            Ok(positions) => {
                let epoch = riding.room.epoch;
                self.riding = None;
                self.engine.disclosed_ahead(epoch, positions);
            }
            Err(oneshot::error::TryRecvError::Closed) => self.riding = None,
            Err(oneshot::error::TryRecvError::Empty) => {}
        }
    }

    /// Nobody is there any more for whom to ride.
    pub(super) fn end_ride(&mut self) {
        if self.riding.take().is_some() {
            self.parts.committer.riders().leave(&self.row.key);
        }
    }
}
