//! What a consumer brings: a handler.

use std::{collections::BTreeSet, fmt, future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::Settle;
use crate::proto::Delivery;

/// The lease of a delivery that is being handled. It is extended for as long as the handler runs and the gateway's total limit
/// allows; it can be lost all the same.
#[derive(Debug, Clone, Default)]
pub struct Lease(CancellationToken);

impl Lease {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn lose(&self) {
        self.0.cancel();
    }

    /// True when the gateway took the delivery away, or the subscriber is told to stop and its grace is over: whatever the
    /// handler says now may not count, and the delivery comes again.
    pub fn is_lost(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the lease is lost.
    pub async fn lost(&self) {
        self.0.cancelled().await;
    }
}

/// A delivery in the hands of a handler.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The delivery.
    pub delivery: Delivery,
    /// Its lease.
    pub lease: Lease,
    /// What it is ordered by.
    pub(super) key: String,
}

impl Taken {
    /// A delivery whose lease is never lost, to call a handler by hand.
    pub fn by_hand(delivery: Delivery) -> Self {
        let key = delivery.order_key.clone();
        Self { delivery, lease: Lease::new(), key }
    }
}

/// Handles deliveries, a batch at a time. For one delivery at a time see [`each`].
#[async_trait::async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Handles deliveries in their order and returns what to say of each, in the same order. A delivery of which nothing is said,
    /// and every one of a batch whose handling panicked, is retried (`HANDLER_FAILED`). Settled means done: what must survive a
    /// crash has to be on disk before `Ack` is returned.
    async fn handle(&self, batch: Vec<Taken>) -> Vec<Settle>;
}

/// A handler made of a function that handles one delivery.
pub struct Each<F>(F);

/// Makes a handler of `async fn(Delivery) -> Settle`. The function may as well return `Result<Settle, E>` or `Result<(), E>`: an
/// error is a retry with its text as reason, `Ok(())` an ack. A panic is a retry too (`HANDLER_FAILED`), of that delivery alone.
pub fn each<F, R>(handle: F) -> impl Handler
where
    F: Fn(Delivery) -> R + Send + Sync + 'static,
    R: Future<Output: Into<Settle>> + Send + 'static,
{
    each_leased(move |taken| handle(taken.delivery))
}

/// As [`each`], for a function that also hears when the delivery is taken away from it: `async fn(Taken) -> Settle`.
pub fn each_leased<F, R>(handle: F) -> Each<F>
where
    F: Fn(Taken) -> R + Send + Sync + 'static,
    R: Future<Output: Into<Settle>> + Send + 'static,
{
    Each(handle)
}

#[async_trait::async_trait]
impl<F, R> Handler for Each<F>
where
    F: Fn(Taken) -> R + Send + Sync + 'static,
    R: Future<Output: Into<Settle>> + Send + 'static,
{
    async fn handle(&self, batch: Vec<Taken>) -> Vec<Settle> {
        let mut settles = Vec::with_capacity(batch.len());
        let mut stuck = BTreeSet::new();
        for taken in batch {
            // An earlier one of its enterprise is to come again: this one comes behind it.
            if stuck.contains(&taken.key) {
                settles.push(Settle::Release);
                continue;
            }
            let key = taken.key.clone();
            let settle = handled(|| (self.0)(taken)).await;
            if matches!(settle, Settle::Retry { .. } | Settle::Release) && !key.is_empty() {
                stuck.insert(key);
            }
            settles.push(settle);
        }
        settles
    }
}

/// Runs a handler's function; it may panic before its future is made, too.
async fn handled<R: Future<Output: Into<Settle>>>(handle: impl FnOnce() -> R) -> Settle {
    let run = async { handle().await.into() };
    AssertUnwindSafe(run).catch_unwind().await.unwrap_or_else(|_| Settle::retry("HANDLER_FAILED"))
}

/// A handler made of a function that handles a batch.
pub struct InBatches<F>(F);

/// Makes a handler of `async fn(Vec<Taken>) -> Vec<Settle>`: see [`Handler::handle`]. For stores that are fast with many rows and
/// slow with one; `SubscribeOptions::batch` bounds the batch.
pub fn in_batches<F, R>(handle: F) -> InBatches<F>
where
    F: Fn(Vec<Taken>) -> R + Send + Sync + 'static,
    R: Future<Output = Vec<Settle>> + Send + 'static,
{
    InBatches(handle)
}

#[async_trait::async_trait]
impl<F, R> Handler for InBatches<F>
where
    F: Fn(Vec<Taken>) -> R + Send + Sync + 'static,
    R: Future<Output = Vec<Settle>> + Send + 'static,
{
    async fn handle(&self, batch: Vec<Taken>) -> Vec<Settle> {
        (self.0)(batch).await
    }
}

impl<E: fmt::Display> From<Result<Self, E>> for Settle {
    fn from(result: Result<Self, E>) -> Self {
        result.unwrap_or_else(|error| Self::retry(error.to_string()))
    }
}

impl<E: fmt::Display> From<Result<(), E>> for Settle {
    fn from(result: Result<(), E>) -> Self {
        result.map(|()| Self::Ack).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Record;

    fn taken(position: u64, key: &str) -> Taken {
        let record = Some(Record { position, ..Record::default() });
        Taken::by_hand(Delivery { record, order_key: key.to_owned(), ..Delivery::default() })
    }

    #[tokio::test]
    async fn an_error_or_a_panic_is_a_retry_and_holds_back_its_enterprise_alone() {
        let handler = each(|delivery: Delivery| async move {
            match delivery.record.unwrap_or_default().position {
                1 => Err("the customs system is down".to_owned()),
                3 => panic!("a handler of the test"),
                _ => Ok(()),
            }
        });
        let settles = handler.handle(vec![taken(1, "a"), taken(2, "a"), taken(3, "b"), taken(4, "b"), taken(5, "c")]).await;
        let expected = [
            Settle::retry("the customs system is down"),
            Settle::Release,
            Settle::retry("HANDLER_FAILED"),
            Settle::Release,
            Settle::Ack,
        ];
        assert_eq!(settles, expected);
    }

    #[tokio::test]
    async fn a_panic_before_the_first_await_is_a_retry_too() {
        #[expect(clippy::unused_async, reason = "a handler is async")]
        async fn never(_: Delivery) -> Settle {
            Settle::Ack
        }
        let handler = each(|delivery: Delivery| {
            assert!(!delivery.recall, "a handler of the test");
            never(delivery)
        });
        let recall = Taken::by_hand(Delivery { recall: true, ..Delivery::default() });
        assert_eq!(handler.handle(vec![recall]).await, [Settle::retry("HANDLER_FAILED")]);
    }
}
