//! A subscriber under measurement.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{broken, site::Site};
use crate::{
    cli::Failure,
    client::{ClientError, Connection, Feeds, Handler, Happening, Settle, SubscribeOptions, Subscriber, Summary, Watch, each},
    proto::{CreateSubscriptionRequest, Delivery, Filter, StartAt, SubscriptionSettings, start_at::At},
};

/// A stream that does not stand by then failed.
const OPEN_WITHIN: Duration = Duration::from_mins(1);
/// When nothing arrives for so long, something is lost.
const PATIENCE: Duration = Duration::from_mins(1);

/// How much a consumer takes at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Appetite {
    /// Deliveries out.
    pub(super) window: u32,
    /// Deliveries handled, and so acknowledged, at once.
    pub(super) batch: usize,
}

impl Appetite {
    /// A reader far behind.
    pub(super) const HUNGRY: Self = Self { window: 20_000, batch: 1_000 };
    /// A reader at the head.
    pub(super) const PROMPT: Self = Self { window: 5_000, batch: 256 };
}

/// A subscriber that runs.
pub(super) struct Consumer {
    /// Its subscription.
    pub(super) name: String,
    watch: Watch,
    stirred: Arc<Notify>,
    stop: CancellationToken,
    task: JoinHandle<Result<Summary, ClientError>>,
}

impl Consumer {
    /// Attaches and waits until the stream stands.
    pub(super) async fn attach(
        site: &Site<'_>,
        connection: &Connection,
        name: String,
        appetite: Appetite,
        handler: Arc<dyn Handler>,
    ) -> Result<Self, Failure> {
        let options = SubscribeOptions {
            window_records: appetite.window,
            window_bytes: 64 << 20,
            batch: appetite.batch,
            ..SubscribeOptions::new(name.clone(), site.context.world.random())
        };
        let (stirred, opened) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (stir, open) = (stirred.clone(), opened.clone());
        let subscriber = Subscriber::telling(connection, options, move |happening| {
            if matches!(happening, Happening::Opened(_)) {
                open.notify_one();
            }
            stir.notify_one();
        });
        let (watch, stop) = (subscriber.watch(), CancellationToken::new());
        let mut task = tokio::spawn(subscriber.run(handler, stop.clone()));
        tokio::select! {
            () = opened.notified() => {}
            ended = &mut task => {
                ended.map_err(std::io::Error::other)??;
            }
            () = tokio::time::sleep(OPEN_WITHIN) => {
                task.abort();
                return Err(broken("订阅流没有建立", "the stream was not opened"));
            }
        }
        Ok(Self { name, watch, stirred, stop, task })
    }

    /// Acks confirmed.
    pub(super) fn acked(&self) -> u64 {
        self.watch.counts().acked
    }

    /// Waits until that many acks are confirmed, or `end`; answers how many are.
    pub(super) async fn until_acked(&self, site: &Site<'_>, wanted: u64, end: Duration) -> Result<u64, Failure> {
        let mut last = (self.acked(), site.now());
        loop {
            let (acked, now) = (self.acked(), site.now());
            if acked >= wanted || now >= end {
                return Ok(acked);
            }
            if acked > last.0 {
                last = (acked, now);
            }
            if self.task.is_finished() || now > last.1 + PATIENCE {
                return Err(broken(format!("只收到 {acked}/{wanted} 条"), format!("only {acked} of {wanted} records arrived")));
            }
            // The wait is bounded, so that the end is seen although nothing stirs.
            let wait = Duration::from_secs(1).min(end.saturating_sub(now));
            let _ = tokio::time::timeout(wait, self.stirred.notified()).await;
        }
    }

    /// Closes in good order.
    pub(super) async fn close(self) -> Result<Summary, Failure> {
        self.stop.cancel();
        Ok(self.task.await.map_err(std::io::Error::other)??)
    }

    /// Closes and deletes the subscription.
    pub(super) async fn finish(self, connection: &Connection) -> Result<(), Failure> {
        let name = self.name.clone();
        self.close().await?;
        Ok(Feeds::new(connection).delete(&name).await?)
    }
}

/// A handler that acknowledges everything.
pub(super) fn taking() -> Arc<dyn Handler> {
    Arc::new(each(|_: Delivery| async { Settle::Ack }))
}

/// The failed products.
pub(super) fn failed_products() -> Filter {
    Filter { feeds: vec!["failed-products".to_owned()], ..Filter::default() }
}

/// Makes a subscription of customs.
pub(super) async fn create(connection: &Connection, name: &str, filter: Filter, at: At) -> Result<(), Failure> {
    let settings = SubscriptionSettings { filter: Some(filter), max_in_flight: 50_000, ..SubscriptionSettings::default() };
    let start = Some(StartAt { at: Some(at) });
    let request = CreateSubscriptionRequest { name: name.to_owned(), settings: Some(settings), start };
    Feeds::new(connection).create(request).await?;
    Ok(())
}
