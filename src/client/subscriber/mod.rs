//! A subscriber: runs the stream of one subscription, hands deliveries to a handler, settles what it decides, and opens the
//! stream again when it breaks.

mod books;
mod handler;
mod stream;
mod verdict;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

pub use books::{Books, Saying, Sending, Settled, Token};
pub use handler::{Each, Handler, each};
pub use verdict::{StartOf, Verdict};

use super::{ClientError, Connection, RetryPolicy};
use crate::proto::{self, feed_service_client::FeedServiceClient};
use handler::Lanes;
use stream::End;

/// How to subscribe.
#[derive(Debug, Clone)]
pub struct SubscribeOptions {
    /// Name of the subscription.
    pub subscription: String,
    /// Random, the same over all streams of this subscriber: the gateway keeps the leases of a broken stream for it.
    pub session_id: [u8; 16],
    /// Take over from an attached session.
    pub take_over: bool,
    /// Most deliveries held at once, 1 to 100,000.
    pub window_records: u32,
    /// Most bytes held at once.
    pub window_bytes: u64,
    /// Lanes that run beside each other, each for its own enterprises.
    pub lanes: usize,
    /// Most deliveries handed to the handler at once.
    pub batch: usize,
    /// How to open the stream again.
    pub retry: RetryPolicy,
    /// How often to say that we live: at least every 10 s.
    pub heartbeat: Duration,
    /// A stream on which the gateway says nothing for so long is opened again. It says something at least every 15 s.
    pub silence: Duration,
    /// How long closing may take: running handlers and the confirmation of what they decided.
    pub drain_within: Duration,
}

impl SubscribeOptions {
    /// Sound defaults: one lane, deliveries one by one.
    pub fn new(subscription: impl Into<String>, session_id: [u8; 16]) -> Self {
        Self {
            subscription: subscription.into(),
            session_id,
            take_over: false,
            window_records: 1_000,
            window_bytes: 16 << 20,
            lanes: 1,
            batch: 1,
            retry: RetryPolicy::STANDING,
            heartbeat: Duration::from_secs(10),
            silence: Duration::from_secs(45),
            drain_within: Duration::from_secs(30),
        }
    }
}

/// Numbers of a subscriber since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Deliveries received.
    pub received: u64,
    /// Of these, at hand already or finished before: not handled again.
    pub repeated: u64,
    /// Acks confirmed.
    pub acked: u64,
    /// Retries confirmed.
    pub retried: u64,
    /// Releases confirmed.
    pub released: u64,
    /// Rejects confirmed.
    pub rejected: u64,
    /// Settles of sendings that were not the newest.
    pub stale: u64,
    /// Streams opened.
    pub streams: u64,
}

/// Something a person may want to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// A stream stands.
    Opened(proto::Opened),
    /// The stream broke; it is opened again after the delay.
    Broken {
        /// Why.
        error: ClientError,
        /// After this long.
        again_after: Duration,
    },
    /// The gateway is about to close.
    GoAway(proto::GoAway),
    /// Delivery pauses or goes on.
    State(proto::State),
    /// Leases were taken away.
    LeaseLost(proto::LeaseLost),
    /// Numbers of the subscription.
    Status(proto::SubscriptionStatus),
    /// Settles were answered.
    Settled(Settled),
}

/// How a subscriber ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its numbers.
    pub counts: Counts,
    /// Decided but not confirmed when it ended: these will be delivered again, unless the settle arrived after all.
    pub unconfirmed: usize,
}

/// Shared by the stream's reader, its writer, and the lanes.
pub(super) struct Shared {
    books: Mutex<Books>,
    counts: Mutex<Counts>,
    /// Something was decided: the writer looks.
    decided: Notify,
    /// Something changed: who waits for the end of closing looks.
    changed: Notify,
    tell: Box<dyn Fn(Happening) + Send + Sync>,
}

impl Shared {
    // A panic while the lock is held cannot leave the books half written in a way that matters more than going on.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs one subscription.
pub struct Subscriber {
    connection: Connection,
    options: SubscribeOptions,
    shared: Arc<Shared>,
}

impl Subscriber {
    /// Over a connection.
    pub fn new(connection: &Connection, options: SubscribeOptions) -> Self {
        Self::telling(connection, options, |_| {})
    }

    /// As [`Subscriber::new`], and tells what happens.
    pub fn telling(connection: &Connection, options: SubscribeOptions, tell: impl Fn(Happening) + Send + Sync + 'static) -> Self {
        let shared = Shared {
            books: Mutex::default(),
            counts: Mutex::default(),
            decided: Notify::new(),
            changed: Notify::new(),
            tell: Box::new(tell),
        };
        Self { connection: connection.clone(), options, shared: Arc::new(shared) }
    }

    /// A view of the numbers, also while it runs.
    pub fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.shared))
    }

    /// Runs until `stop` is cancelled: then no more is handled, what runs is finished, and every decision is confirmed
    /// before it returns (within `drain_within`).
    ///
    /// # Errors
    /// When the gateway refuses the subscription, or either side the other's certificate, or the retry policy gives up.
    pub async fn run(self, handler: Arc<dyn Handler>, stop: CancellationToken) -> Result<Summary, ClientError> {
        let lanes = Lanes::start(self.options.lanes, self.options.batch, &handler, &self.shared);
        let result = self.streams(&lanes, &stop).await;
        self.shared.books().drain();
        if result.is_ok() {
            lanes.finish().await;
        }
        let (counts, unconfirmed) = (*self.shared.counts(), self.shared.books().unsettled());
        result.map(|()| Summary { counts, unconfirmed })
    }

    /// One stream after the other.
    async fn streams(&self, lanes: &Lanes, stop: &CancellationToken) -> Result<(), ClientError> {
        let mut delays = self.options.retry.delays();
        let mut deadline = None;
        loop {
            if stop.is_cancelled() && self.shared.books().unsettled() == 0 {
                return Ok(());
            }
            let mut service =
                FeedServiceClient::new(self.connection.signed()).max_decoding_message_size(super::connection::LARGEST_MESSAGE);
            let stream = stream::Stream::new(&self.options, &self.shared, lanes, stop, self.take_over());
            let (error, asked) = match stream.run(&mut service, &mut delays).await {
                End::Drained => return Ok(()),
                End::GoneAway { after } => (None, Some(after)),
                End::Failed(status) => (Some(self.connection.understand(&status).await), None),
                End::Broken(error) => (Some(error), None),
            };
            if let Some(error) = &error
                && !may_pass(error)
            {
                return Err(error.clone());
            }
            let asked = asked.or_else(|| error.as_ref().and_then(ClientError::retry_after));
            let gone = || ClientError::Unreachable { place: self.connection.place(), why: "the gateway went away".into() };
            let error = error.unwrap_or_else(gone);
            let Some(delay) = delays.after(asked) else { return Err(error) };
            (self.shared.tell)(Happening::Broken { error, again_after: delay });
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = stop.cancelled(), if !stop.is_cancelled() => {}
            }
            if stop.is_cancelled() {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.options.drain_within);
                if Instant::now() >= deadline {
                    return Ok(());
                }
            }
        }
    }

    /// Taking over is asked once: after that the session is ours, and if another took it from us, it is theirs.
    fn take_over(&self) -> bool {
        self.options.take_over && self.shared.counts().streams == 0
    }
}

/// A broken stream is opened again; a refusal stands. What the gateway could not do for a passing reason, may pass.
fn may_pass(error: &ClientError) -> bool {
    match error {
        ClientError::Refused(refusal) => {
            error.is_worth_repeating() || matches!(refusal.code, tonic::Code::Internal | tonic::Code::Unknown)
        }
        ClientError::Unreachable { .. } | ClientError::Broken(_) => true,
        _ => false,
    }
}

/// A view of a subscriber's numbers.
#[derive(Clone)]
pub struct Watch(Arc<Shared>);

impl Watch {
    /// The numbers now.
    pub fn counts(&self) -> Counts {
        *self.0.counts()
    }

    /// True when nothing is held: all that arrived was handled and confirmed.
    pub fn is_idle(&self) -> bool {
        self.0.books().is_empty()
    }
}
