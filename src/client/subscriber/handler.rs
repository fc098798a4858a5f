//! What a consumer brings: a handler. And the lanes it runs in.
//!
//! Deliveries of one order key (an enterprise) always run in the same lane, one after the other; lanes run beside each other.

use std::{
    future::Future,
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures_util::FutureExt as _;
use tokio::{sync::mpsc, task::JoinSet};

use super::{Shared, StartOf, Verdict};
use crate::{domain::ids::Position, proto::Delivery};

/// Handles deliveries.
#[async_trait::async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Handles deliveries in their order and returns one verdict for each, in the same order. A delivery without a verdict
    /// is retried. Settled means done: what must survive a crash has to be on disk before `Ack` is returned.
    async fn handle(&self, deliveries: Vec<Delivery>) -> Vec<Verdict>;
}

/// A handler made of a function that handles one delivery.
pub struct Each<F>(F);

/// Makes a handler of a function that handles one delivery.
pub fn each<F, R>(handle: F) -> Each<F>
where
    F: Fn(Delivery) -> R + Send + Sync + 'static,
    R: Future<Output = Verdict> + Send,
{
    Each(handle)
}

#[async_trait::async_trait]
impl<F, R> Handler for Each<F>
where
    F: Fn(Delivery) -> R + Send + Sync + 'static,
    R: Future<Output = Verdict> + Send,
{
    async fn handle(&self, deliveries: Vec<Delivery>) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            verdicts.push((self.0)(delivery).await);
        }
        verdicts
    }
}

/// A delivery on its way to the handler.
pub(super) struct Job {
    pub(super) run: u64,
    pub(super) delivery: Delivery,
}

/// The lanes; they outlive any one stream.
pub(super) struct Lanes {
    senders: Vec<mpsc::UnboundedSender<Job>>,
    workers: JoinSet<()>,
}

impl Lanes {
    /// Starts `count` lanes that hand the handler up to `batch` deliveries at once.
    pub(super) fn start(count: usize, batch: usize, handler: &Arc<dyn Handler>, shared: &Arc<Shared>) -> Self {
        let mut workers = JoinSet::new();
        let senders = (0..count.max(1))
            .map(|_| {
                // Bounded by the window that the gateway keeps to.
                let (sender, receiver) = mpsc::unbounded_channel();
                workers.spawn(work(receiver, batch.max(1), Arc::clone(handler), Arc::clone(shared)));
                sender
            })
            .collect();
        Self { senders, workers }
    }

    /// Hands a delivery to its lane.
    pub(super) fn send(&self, job: Job) {
        let lane = if self.senders.len() == 1 { 0 } else { lane_of(&job.delivery, self.senders.len()) };
        if let Some(sender) = self.senders.get(lane) {
            // A lane ends only when the lanes are dropped.
            let _ = sender.send(job);
        }
    }

    /// Waits until what runs has ended; what waits was dropped from the books before.
    pub(super) async fn finish(mut self) {
        self.senders.clear();
        while self.workers.join_next().await.is_some() {}
    }
}

fn lane_of(delivery: &Delivery, lanes: usize) -> usize {
    let hash = BuildHasherDefault::<DefaultHasher>::default();
    let record_id = || delivery.record.as_ref().map_or("", |record| record.record_id.as_str());
    let key = if delivery.order_key.is_empty() { record_id() } else { &delivery.order_key };
    usize::try_from(hash.hash_one(key) % lanes as u64).unwrap_or(0)
}

pub(super) fn position_of(delivery: &Delivery) -> Position {
    delivery.record.as_ref().map_or(0, |record| record.position)
}

async fn work(mut receiver: mpsc::UnboundedReceiver<Job>, batch: usize, handler: Arc<dyn Handler>, shared: Arc<Shared>) {
    let mut jobs = Vec::with_capacity(batch.min(1_024));
    while receiver.recv_many(&mut jobs, batch).await > 0 {
        let mut runs = Vec::with_capacity(jobs.len());
        let mut deliveries = Vec::with_capacity(jobs.len());
        {
            let mut books = shared.books();
            for job in jobs.drain(..) {
                let position = position_of(&job.delivery);
                if books.start(position, job.run) == StartOf::Run {
                    runs.push((position, job.run));
                    deliveries.push(job.delivery);
                }
            }
        }
        if !runs.is_empty() {
            let verdicts = AssertUnwindSafe(handler.handle(deliveries)).catch_unwind().await.unwrap_or_default();
            let mut verdicts = verdicts.into_iter();
            let mut books = shared.books();
            for (position, run) in runs {
                let verdict = verdicts.next().unwrap_or_else(|| Verdict::retry("HANDLER_FAILED"));
                books.decide(position, run, verdict);
            }
        }
        shared.decided.notify_one();
        shared.changed.notify_one();
    }
}
