//! Subscriptions that are awake: each has one host, woken by the first who asks, asleep again when nobody needs it.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    super::{Class, Refused, committer::Committer, pages::Pages, subscriptions::not_found, tail::Tail},
    host::Host,
    numbers::Remembered,
    session::Command,
};
use crate::{
    clock::World,
    domain::{
        delivery::{Status, SubscriptionKey},
        grants::Register,
    },
    store::Store,
};

/// Commands that wait for a host; a door that sends more waits.
const COMMAND_QUEUE: usize = 256;

/// What every host works with.
#[derive(Clone)]
pub struct HostParts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// The one writer.
    pub committer: Committer,
    /// "Committed up to n".
    pub tail: Tail,
    /// Shared pages.
    pub pages: Arc<Pages>,
    /// Who may do what.
    pub register: Arc<ArcSwap<Register>>,
    /// Time and randomness.
    pub world: World,
    /// Cancelled when the gateway is to stop.
    pub stop: CancellationToken,
}

/// Subscriptions that are awake.
#[derive(Clone)]
pub struct Hosts {
    pub(super) parts: HostParts,
    pub(super) remembered: Arc<Remembered>,
    awake: Arc<Mutex<HashMap<SubscriptionKey, mpsc::Sender<Command>>>>,
    tasks: TaskTracker,
}

impl Hosts {
    /// Nobody is awake yet.
    pub fn new(parts: HostParts) -> Self {
        let remembered = Arc::new(Remembered::new(parts.world.clock.now()));
        Self { parts, remembered, awake: Arc::default(), tasks: TaskTracker::new() }
    }

    /// Asks the host of a subscription, waking it if need be.
    ///
    /// # Errors
    /// `NOT_FOUND`; `UNAVAILABLE` when the state cannot be read or the gateway stops.
    pub(super) async fn ask<T>(
        &self,
        key: &SubscriptionKey,
        mut command: impl FnMut(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Refused> {
        // A host that falls asleep between being found and being asked drops the command unseen: ask its successor.
        for _ in 0..3 {
            let host = self.wake(key).await?;
            let (reply, answer) = oneshot::channel();
            if host.send(command(reply)).await.is_ok()
                && let Ok(answer) = answer.await
            {
                return Ok(answer);
            }
        }
        Err(stopping())
    }

    /// The command queue of a host, woken if need be.
    pub(super) async fn wake(&self, key: &SubscriptionKey) -> Result<mpsc::Sender<Command>, Refused> {
        let mut awake = self.awake.lock().await;
        if let Some(host) = awake.get(key).filter(|host| !host.is_closed()) {
            return Ok(host.clone());
        }
        if self.tasks.is_closed() {
            return Err(stopping());
        }
        let state = self.parts.store.subscription(key).await?.ok_or_else(|| not_found(&key.name))?;
        let (commands, queue) = mpsc::channel(COMMAND_QUEUE);
        let host = Host::new(self.parts.clone(), state, queue, self.remembered.counts(key), self.remembered.since);
        self.tasks.spawn(host.run());
        awake.retain(|_, host| !host.is_closed());
        awake.insert(key.clone(), commands.clone());
        Ok(commands)
    }

    /// Closes one host, if it is awake, and forgets what was counted of a subscription that is deleted.
    pub async fn delete(&self, key: &SubscriptionKey) {
        self.close(key, "deleted").await;
        self.remembered.forget(key);
    }

    /// Closes one host, if it is awake; its session is told why.
    pub async fn close(&self, key: &SubscriptionKey, reason: &'static str) {
        let Some(host) = self.awake.lock().await.remove(key) else { return };
        let (reply, closed) = oneshot::channel();
        if host.send(Command::Close { reason, reply }).await.is_ok() {
            // An error means that it has closed already.
            let _ = closed.await;
        }
    }

    /// True while a host serves it.
    pub(super) async fn is_awake(&self, key: &SubscriptionKey) -> bool {
        self.awake.lock().await.get(key).is_some_and(|host| !host.is_closed())
    }

    /// The numbers of a subscription that is awake; `None` = it sleeps.
    pub(super) async fn status_awake(&self, key: &SubscriptionKey) -> Option<Status> {
        let host = self.awake.lock().await.get(key).cloned()?;
        let (reply, answer) = oneshot::channel();
        host.send(Command::Status { reply }).await.ok()?;
        answer.await.ok()
    }

    /// Waits until every host has settled what was in flight and closed; they are told by the stop token.
    pub async fn closed(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// The gateway stops: it has begun nothing of what was asked.
pub(in super::super) fn stopping() -> Refused {
    Refused {
        retry_after: Some(std::time::Duration::from_secs(1)),
        ..Refused::new(
            Class::Unavailable,
            "SHUTTING_DOWN",
            "网关正在停止，请稍后重连",
            "the gateway is stopping: come back in a moment",
        )
    }
}
