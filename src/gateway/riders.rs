//! Subscriptions that wait at the head with an open window, and are told of what is published next in the commit itself.
//!
//! A rider is taken along once and then answered, or dropped; who hears nothing goes the ordinary way. See `ledger::Ride`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::oneshot;

use crate::domain::{
    delivery::SubscriptionKey,
    ids::Position,
    ledger::{Act, Change, Outcome},
};

/// Most riders of one group: each is an entry of the evidence log that publishers wait for.
const RIDERS: usize = 64;

/// Who waits. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Riders(Arc<Mutex<HashMap<SubscriptionKey, (Act, Rider)>>>);

/// Where a rider is told what was disclosed to it.
pub(super) struct Rider(oneshot::Sender<Vec<Position>>);

impl Riders {
    /// Waits for the next group, instead of what waited for the same subscription.
    pub(super) fn wait(&self, act: Act) -> oneshot::Receiver<Vec<Position>> {
        let (rider, told) = oneshot::channel();
        if let Change::Ride(ride) = &act.change {
            let key = ride.key.clone();
            self.waiting().insert(key, (act, Rider(rider)));
        }
        told
    }

    /// No longer. False when it is on its way already, or nobody waited.
    pub(super) fn leave(&self, key: &SubscriptionKey) -> bool {
        self.waiting().remove(key).is_some()
    }

    /// Those of the next group.
    pub(super) fn take(&self) -> Vec<(Rider, Act)> {
        let mut waiting = self.waiting();
        let keys: Vec<_> = waiting.keys().take(RIDERS).cloned().collect();
        keys.iter().filter_map(|key| waiting.remove(key)).map(|(act, rider)| (rider, act)).collect()
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<SubscriptionKey, (Act, Rider)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rider {
    /// Tells it. Who no longer listens has lost nothing: the disclosure is recorded, and what follows is recorded again.
    pub(super) fn answer(self, outcome: Outcome) {
        if let Outcome::Disclosed { positions, .. } = outcome {
            let _ = self.0.send(positions);
        }
    }
}
