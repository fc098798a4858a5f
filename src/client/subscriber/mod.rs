//! A subscriber: runs the stream of one subscription, hands deliveries to a handler, settles what it decides, and opens the
//! stream again when it breaks.

mod books;
mod handler;
mod queue;
mod settle;
mod stream;
mod workers;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use books::{Books, Saying, Sending, Settled, Token};
pub use handler::{Each, Handler, InBatches, Lease, Taken, each, each_leased, in_batches};
pub use settle::{Settle, StartOf};

use super::{ClientError, Connection, RetryPolicy};
use crate::{
    domain::ids::Position,
    proto::{self, feed_service_client::FeedServiceClient},
};
use stream::End;
use workers::Workers;

/// Extends the leases of what is held: a third of the shortest lease that a subscription can have (5 s), so that none runs out
/// between two heartbeats, nor when one is late.
const HEARTBEAT: Duration = Duration::from_millis(1_600);
/// How long the gateway may take to confirm what was decided, after the grace of handlers is over.
const CONFIRM_WITHIN: Duration = Duration::from_secs(5);

/// How to subscribe.
#[derive(Debug, Clone)]
pub struct SubscribeOptions {
    /// Name of the subscription.
    pub subscription: String,
    /// Random, the same over all streams of this subscriber: the gateway keeps the leases of a broken stream for it.
    pub session_id: [u8; 16],
    /// What the gateway is to call us in the history of attempts, at most 64 characters: by default program and process.
    pub client: String,
    /// Take over from an attached session.
    pub take_over: bool,
    /// Most deliveries held at once, 1 to 100,000.
    pub window_records: u32,
    /// Most bytes held at once.
    pub window_bytes: u64,
    /// Handlers that run beside each other, never two for one enterprise.
    pub concurrency: usize,
    /// Most deliveries handed to a handler at once.
    pub batch: usize,
    /// A handler that takes longer is cut short, and what it had is retried (`HANDLER_TIMEOUT`); `None` = for as long as the
    /// gateway extends the lease (`lease_total_seconds` of the subscription, an hour by default).
    pub handle_within: Option<Duration>,
    /// The subscription is ordered TOTAL: handlers run one after the other, whatever the concurrency.
    pub total_order: bool,
    /// How to open the stream again.
    pub retry: RetryPolicy,
    /// How often to say that we live, which also extends the leases of what is held: at least every 10 s, and more than once in the
    /// subscription's lease.
    pub heartbeat: Duration,
    /// A stream on which the gateway says nothing for so long is opened again. It says something at least every 15 s.
    pub silence: Duration,
    /// How long handlers that run may go on when the subscriber is told to stop; then they are cut short, and what they had is given
    /// back uncounted.
    pub drain_within: Duration,
}

impl SubscribeOptions {
    /// Sound defaults: deliveries one by one.
    pub fn new(subscription: impl Into<String>, session_id: [u8; 16]) -> Self {
        Self {
            subscription: subscription.into(),
            session_id,
            client: own_name(),
            take_over: false,
            window_records: 1_000,
            window_bytes: 16 << 20,
            concurrency: 1,
            batch: 1,
            handle_within: None,
            total_order: false,
            retry: RetryPolicy::STANDING,
            heartbeat: HEARTBEAT,
            silence: Duration::from_secs(45),
            drain_within: Duration::from_secs(30),
        }
    }
}

/// Program and process.
fn own_name() -> String {
    let program = std::env::current_exe().ok().and_then(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let program: String = program.unwrap_or_default().chars().filter(|c| !c.is_control()).take(48).collect();
    format!("{program}/{}", std::process::id())
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

/// Shared by the stream's reader, its writer, and the workers.
pub(super) struct Shared {
    books: Mutex<Books>,
    counts: Mutex<Counts>,
    /// Leases of what runs, by the number of the run.
    leases: Mutex<HashMap<u64, Lease>>,
    /// The grace of handlers is over.
    give_up: CancellationToken,
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

    fn leases(&self) -> MutexGuard<'_, HashMap<u64, Lease>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handler is about to run under this lease.
    fn start(&self, position: Position, run: u64, lease: &Lease) -> StartOf {
        // Before the books know that it runs: from then on the lease can be lost.
        self.leases().insert(run, lease.clone());
        let start = self.books().start(position, run);
        if start != StartOf::Run {
            self.leases().remove(&run);
        }
        start
    }

    /// The handler has decided.
    fn decide(&self, position: Position, run: u64, settle: Settle) {
        self.leases().remove(&run);
        self.books().decide(position, run, settle);
    }

    /// Leases were taken away: the handlers that have them hear of it.
    fn lost(&self, lost: &proto::LeaseLost) {
        let runs = self.books().lost(lost);
        let leases = self.leases();
        runs.iter().filter_map(|run| leases.get(run)).for_each(Lease::lose);
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
            leases: Mutex::default(),
            give_up: CancellationToken::new(),
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

    /// Runs until `stop` is cancelled: then no more is handled, what runs is finished (within `drain_within`), every decision is
    /// confirmed before it returns, and the rest is given back uncounted.
    ///
    /// # Errors
    /// When the gateway refuses the subscription, or either side the other's certificate, or the retry policy gives up.
    pub async fn run(self, handler: Arc<dyn Handler>, stop: CancellationToken) -> Result<Summary, ClientError> {
        let workers = Workers::start(&self.options, handler, &self.shared);
        let result = tokio::select! {
            result = self.streams(&workers, &stop) => result,
            () = self.closing(&stop) => Ok(()),
        };
        self.shared.books().drain();
        if result.is_ok() {
            self.shared.give_up.cancel();
            // A handler that blocks its thread cannot be cut short: it is left behind.
            let _ = tokio::time::timeout(CONFIRM_WITHIN, workers.finish()).await;
        }
        let (counts, unconfirmed) = (*self.shared.counts(), self.shared.books().unsettled());
        result.map(|()| Summary { counts, unconfirmed })
    }

    /// Ends when the time to close in good order is over.
    async fn closing(&self, stop: &CancellationToken) {
        stop.cancelled().await;
        tokio::time::sleep(self.options.drain_within).await;
        self.shared.give_up.cancel();
        tokio::time::sleep(CONFIRM_WITHIN).await;
    }

    /// One stream after the other.
    async fn streams(&self, workers: &Workers, stop: &CancellationToken) -> Result<(), ClientError> {
        let mut delays = self.options.retry.delays();
        loop {
            if stop.is_cancelled() && self.shared.books().unsettled() == 0 {
                return Ok(());
            }
            let mut service =
                FeedServiceClient::new(self.connection.signed()).max_decoding_message_size(super::connection::LARGEST_MESSAGE);
            let stream = stream::Stream::new(&self.options, &self.shared, workers, stop, self.take_over());
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
