//! The workers that run the handler. They outlive any one stream.
//!
//! As many run beside each other as the options allow; what one has of an order key (an enterprise), no other has.

use std::{
    collections::BTreeSet,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    Handler, Lease, Settle, Shared, StartOf, SubscribeOptions, Taken,
    queue::{Job, Queue},
};
use crate::{domain::ids::Position, proto::Delivery};

/// What the workers share.
struct Pool {
    queue: Mutex<Queue>,
    /// Something may run: a worker that hears it wakes the next one.
    ready: Notify,
    closed: CancellationToken,
    handler: Arc<dyn Handler>,
    batch: usize,
    handle_within: Option<Duration>,
    shared: Arc<Shared>,
}

/// The workers.
pub(super) struct Workers {
    pool: Arc<Pool>,
    running: JoinSet<()>,
}

impl Workers {
    /// Starts as many workers as may run beside each other.
    pub(super) fn start(options: &SubscribeOptions, handler: Arc<dyn Handler>, shared: &Arc<Shared>) -> Self {
        let pool = Arc::new(Pool {
            queue: Mutex::default(),
            ready: Notify::new(),
            closed: CancellationToken::new(),
            handler,
            batch: options.batch,
            handle_within: options.handle_within,
            shared: Arc::clone(shared),
        });
        let mut running = JoinSet::new();
        for _ in 0..options.concurrency.max(1) {
            running.spawn(work(Arc::clone(&pool)));
        }
        Self { pool, running }
    }

    /// Hands a delivery on. The queue is bounded by the window that the gateway keeps to.
    pub(super) fn send(&self, job: Job) {
        self.pool.queue().push(job);
        self.pool.ready.notify_one();
    }

    /// Waits until what runs has ended; what waits was dropped from the books before.
    pub(super) async fn finish(mut self) {
        self.pool.closed.cancel();
        while self.running.join_next().await.is_some() {}
    }
}

pub(super) fn position_of(delivery: &Delivery) -> Position {
    delivery.record.as_ref().map_or(0, |record| record.position)
}

async fn work(pool: Arc<Pool>) {
    while let Some(jobs) = pool.next().await {
        let keys: BTreeSet<String> = jobs.iter().map(|job| job.key.clone()).collect();
        pool.run(jobs).await;
        pool.queue().done(&keys.into_iter().collect::<Vec<_>>());
        pool.ready.notify_one();
        pool.shared.decided.notify_one();
        pool.shared.changed.notify_one();
    }
}

impl Pool {
    // A panic while the lock is held cannot leave the queue half changed in a way that matters more than going on.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to do next; `None` when there is nothing more to do.
    async fn next(&self) -> Option<Vec<Job>> {
        loop {
            let heard = self.ready.notified();
            let (jobs, more) = {
                let mut queue = self.queue();
                (queue.take(self.batch), queue.is_ready())
            };
            if more {
                self.ready.notify_one();
            }
            if !jobs.is_empty() {
                return Some(jobs);
            }
            tokio::select! {
                () = heard => {}
                () = self.closed.cancelled() => return None,
            }
        }
    }

    /// Runs the handler over jobs, as far as their deliveries are still ours, and notes what it says.
    async fn run(&self, jobs: Vec<Job>) {
        let mut runs = Vec::with_capacity(jobs.len());
        let mut batch = Vec::with_capacity(jobs.len());
        for Job { run, key, delivery } in jobs {
            let position = position_of(&delivery);
            let lease = Lease::new();
            if self.shared.start(position, run, &lease) == StartOf::Run {
                runs.push((position, run, lease.clone()));
                batch.push(Taken { delivery, lease, key });
            }
        }
        if batch.is_empty() {
            return;
        }
        let mut settles = self.handled(batch, &runs).await.into_iter();
        for (position, run, _) in runs {
            let settle = settles.next().unwrap_or_else(|| Settle::retry("HANDLER_FAILED"));
            self.shared.decide(position, run, settle);
        }
    }

    async fn handled(&self, batch: Vec<Taken>, runs: &[(Position, u64, Lease)]) -> Vec<Settle> {
        let handling = AssertUnwindSafe(async { self.handler.handle(batch).await }).catch_unwind();
        let instead = tokio::select! {
            biased;
            handled = handling => return handled.unwrap_or_default(),
            () = self.shared.give_up.cancelled() => Settle::Release,
            () = over(self.handle_within) => Settle::retry("HANDLER_TIMEOUT"),
        };
        for (_, _, lease) in runs {
            lease.lose();
        }
        vec![instead; runs.len()]
    }
}

/// When the time of a handler is over.
async fn over(within: Option<Duration>) {
    match within {
        Some(within) => tokio::time::sleep(within).await,
        None => std::future::pending().await,
    }
}
