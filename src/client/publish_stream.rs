//! Publishing on a stream: many batches on the way at once, each answered for itself, in order.
//!
//! Invariants: no more is unconfirmed than was asked for; a broken stream is opened again and everything unanswered is sent
//! again, in order, with the same record ids, so that what stood already is a duplicate; every batch that was taken gets its
//! answer, or the reason why the stream was given up.

mod unanswered;

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use prost::Message as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinHandle,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Streaming};

use super::{ClientError, Connection, Delays, FieldComplaint, Refusal, RetryPolicy, Signed, connection::LARGEST_MESSAGE};
use crate::proto::{
    PublishRefusal, PublishResponse, PublishResult, PublishStreamRequest, PublishStreamResponse, Record, publish_result,
    publish_service_client::PublishServiceClient,
};
use unanswered::Unanswered;

/// Requests handed to the connection that it has not written yet.
const WRITING: usize = 64;
/// Bytes that one permit stands for.
const BYTES_UNIT: usize = 1_024;

/// How to publish on a stream.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// Records sent and not confirmed, at least 1: [`PublishStream::send`] waits beyond that. A larger batch goes alone.
    pub unconfirmed: usize,
    /// The same in encoded bytes.
    pub unconfirmed_bytes: usize,
    /// How to open the stream again.
    pub retry: RetryPolicy,
    /// Kept in the evidence of everything published on the stream, at most 64 visible ASCII characters; may be empty.
    pub request_id: String,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self { unconfirmed: 1_024, unconfirmed_bytes: 16 << 20, retry: RetryPolicy::CALL, request_id: String::new() }
    }
}

/// A stream to publish on. Dropping it lets what was sent be confirmed.
pub struct PublishStream {
    orders: mpsc::UnboundedSender<Order>,
    records: Bound,
    bytes: Bound,
    shared: Arc<Shared>,
    driver: JoinHandle<()>,
}

/// What has become of a batch, to be awaited whenever it suits.
#[derive(Debug)]
pub struct Confirmation(oneshot::Receiver<Result<PublishResponse, ClientError>>);

impl Future for Confirmation {
    /// The answer; a refusal of this batch alone, or why the stream was given up.
    type Output = Result<PublishResponse, ClientError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or_else(|_| Err(gone())))
    }
}

/// How much may be unconfirmed of something.
struct Bound {
    room: Arc<Semaphore>,
    most: usize,
}

impl Bound {
    fn new(most: usize) -> Self {
        let most = most.clamp(1, u32::MAX as usize >> 1);
        Self { room: Arc::new(Semaphore::new(most)), most }
    }

    async fn take(&self, wanted: usize) -> Result<OwnedSemaphorePermit, ClientError> {
        let wanted = u32::try_from(wanted.clamp(1, self.most)).unwrap_or(u32::MAX);
        self.room.clone().acquire_many_owned(wanted).await.map_err(|_| gone())
    }
}

#[derive(Default)]
struct Shared {
    /// Why the stream was given up.
    end: OnceLock<ClientError>,
    streams: AtomicU64,
    repeats: AtomicU64,
}

/// A batch that was taken.
struct Order {
    records: Vec<Record>,
    answer: oneshot::Sender<Result<PublishResponse, ClientError>>,
    _room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl PublishStream {
    pub(super) fn open(connection: &Connection, options: StreamOptions) -> Self {
        let (orders, waiting) = mpsc::unbounded_channel();
        let (records, bytes) = (Bound::new(options.unconfirmed), Bound::new(options.unconfirmed_bytes.div_ceil(BYTES_UNIT)));
        let shared = Arc::new(Shared::default());
        let service = PublishServiceClient::new(connection.signed()).max_decoding_message_size(LARGEST_MESSAGE);
        let driver = Driver {
            connection: connection.clone(),
            service,
            options,
            orders: waiting,
            unanswered: Unanswered::default(),
            shared: shared.clone(),
        };
        Self { orders, records, bytes, shared, driver: tokio::spawn(driver.run()) }
    }

    /// Sends one atomic batch of 1 to 1,000 records; waits while too much is unconfirmed. The answer is awaited apart, so that
    /// the next batch can be sent before it is there.
    ///
    /// # Errors
    /// Why the stream was given up. A refusal of the batch comes with its confirmation.
    pub async fn send(&self, records: Vec<Record>) -> Result<Confirmation, ClientError> {
        let size: usize = records.iter().map(Record::encoded_len).sum();
        let room = (self.records.take(records.len()).await?, self.bytes.take(size.div_ceil(BYTES_UNIT)).await?);
        let (answer, confirmation) = oneshot::channel();
        match self.orders.send(Order { records, answer, _room: room }) {
            Ok(()) => Ok(Confirmation(confirmation)),
            Err(_) => Err(self.shared.end.get().cloned().unwrap_or_else(gone)),
        }
    }

    /// How often the stream was opened.
    pub fn streams(&self) -> u64 {
        self.shared.streams.load(Ordering::Relaxed)
    }

    /// How many batches were sent again because their outcome was not known.
    pub fn repeats(&self) -> u64 {
        self.shared.repeats.load(Ordering::Relaxed)
    }

    /// Sends nothing more and returns when everything is answered.
    ///
    /// # Errors
    /// Why the stream was given up; the batches without an answer have heard of it too.
    pub async fn close(self) -> Result<(), ClientError> {
        let Self { orders, shared, driver, .. } = self;
        drop(orders);
        let _ = driver.await;
        shared.end.get().cloned().map_or(Ok(()), Err)
    }
}

/// The driver has ended although somebody still waits.
fn gone() -> ClientError {
    ClientError::Broken("the stream ended without an answer".to_owned())
}

/// How one stream ended.
enum End {
    /// Everything is answered and nothing more will come.
    Done,
    /// The gateway said that it goes away.
    GoneAway(Duration),
    /// It broke, or was refused.
    Failed(ClientError),
}

/// What one stream works with.
struct Open {
    /// `None` = our side is closed.
    out: Option<mpsc::Sender<PublishStreamRequest>>,
    inbound: Streaming<PublishStreamResponse>,
}

/// Keeps one stream open as long as there is something to publish.
struct Driver {
    connection: Connection,
    service: PublishServiceClient<Signed>,
    options: StreamOptions,
    orders: mpsc::UnboundedReceiver<Order>,
    unanswered: Unanswered<Order>,
    shared: Arc<Shared>,
}

impl Driver {
    async fn run(mut self) {
        let mut delays = self.options.retry.delays();
        loop {
            if self.unanswered.is_empty() {
                match self.orders.recv().await {
                    Some(order) => self.unanswered.push(order),
                    None => return,
                }
                delays.reset();
            }
            let wait = match self.one_stream(&mut delays).await {
                End::Done => return,
                End::GoneAway(after) => Some(after),
                End::Failed(error) if !error.is_worth_repeating() => return self.give_up(&error),
                End::Failed(error) => match delays.after(error.retry_after()) {
                    Some(delay) => Some(delay),
                    None => return self.give_up(&error),
                },
            };
            if let Some(delay) = wait {
                tokio::time::sleep(delay).await;
            }
        }
    }

    /// Everyone who waits hears why.
    fn give_up(mut self, error: &ClientError) {
        let _ = self.shared.end.set(error.clone());
        self.orders.close();
        while let Ok(order) = self.orders.try_recv() {
            self.unanswered.push(order);
        }
        for order in self.unanswered.drain() {
            let _ = order.answer.send(Err(error.clone()));
        }
    }

    async fn one_stream(&mut self, delays: &mut Delays) -> End {
        let again = self.unanswered.begin_again() as u64;
        self.shared.repeats.fetch_add(again, Ordering::Relaxed);
        let (out, requests) = mpsc::channel(WRITING);
        let mut request = Request::new(ReceiverStream::new(requests));
        if let Ok(id) = self.options.request_id.parse()
            && !self.options.request_id.is_empty()
        {
            request.metadata_mut().insert("x-request-id", id);
        }
        let inbound = match self.service.publish_stream(request).await {
            Ok(response) => response.into_inner(),
            Err(status) => return End::Failed(self.connection.understand(&status).await),
        };
        self.shared.streams.fetch_add(1, Ordering::Relaxed);
        self.talk(Open { out: Some(out), inbound }, delays).await
    }

    async fn talk(&mut self, mut open: Open, delays: &mut Delays) -> End {
        let mut more = true;
        loop {
            if !more && !self.unanswered.has_unsent() {
                open.out = None;
            }
            // Answers first: they make room.
            tokio::select! {
                biased;
                message = open.inbound.message() => match message {
                    Ok(Some(message)) => {
                        delays.reset();
                        if let Some(end) = self.hear(message) {
                            return end;
                        }
                    }
                    Ok(None) if open.out.is_none() && self.unanswered.is_empty() => return End::Done,
                    Ok(None) => return End::Failed(self.ended()),
                    Err(status) => return End::Failed(self.connection.understand(&status).await),
                },
                () = write(open.out.as_ref(), &mut self.unanswered), if self.unanswered.has_unsent() => {}
                order = self.orders.recv(), if more => match order {
                    Some(order) => {
                        if self.unanswered.is_empty() {
                            // Patience begins with the waiting, not with the last answer.
                            delays.reset();
                        }
                        self.unanswered.push(order);
                    }
                    None => more = false,
                },
            }
        }
    }

    /// `Some` = the stream is over.
    fn hear(&mut self, message: PublishStreamResponse) -> Option<End> {
        for result in message.results {
            let Some(order) = self.unanswered.answered(result.request_id) else {
                return Some(End::Failed(ClientError::Broken(format!("an answer to request {} out of turn", result.request_id))));
            };
            let answer = understand(result, order.records.len());
            // Who sent it may not want to know.
            let _ = order.answer.send(answer);
        }
        message.go_away.map(|away| End::GoneAway(Duration::from_millis(away.reconnect_after_ms)))
    }

    fn ended(&self) -> ClientError {
        ClientError::Unreachable { place: self.connection.place(), why: "the stream ended".to_owned() }
    }
}

/// Writes what was not written yet, as far as the connection takes it now, and at least one.
async fn write(out: Option<&mpsc::Sender<PublishStreamRequest>>, unanswered: &mut Unanswered<Order>) {
    let Some(out) = out else { return std::future::pending().await };
    // A connection that is gone is heard of where answers are read.
    let Ok(mut place) = out.reserve().await else { return std::future::pending().await };
    while let Some((request_id, order)) = unanswered.next_unsent() {
        place.send(PublishStreamRequest { request_id, records: order.records.clone() });
        match out.try_reserve() {
            Ok(next) => place = next,
            Err(_) => return,
        }
    }
}

fn understand(result: PublishResult, expected: usize) -> Result<PublishResponse, ClientError> {
    match result.result {
        Some(publish_result::Result::Published(response)) if response.records.len() == expected => Ok(response),
        Some(publish_result::Result::Published(response)) => {
            Err(ClientError::Broken(format!("{} answers to {expected} records", response.records.len())))
        }
        Some(publish_result::Result::Refused(refused)) => Err(ClientError::Refused(Box::new(refused.into()))),
        None => Err(ClientError::Broken("a result that says nothing".to_owned())),
    }
}

impl From<PublishRefusal> for Refusal {
    fn from(refused: PublishRefusal) -> Self {
        let complaint = |violation: crate::proto::Remark| FieldComplaint {
            field: violation.field,
            reason: violation.reason,
            message: violation.message,
        };
        Self {
            code: Code::from(refused.code),
            reason: refused.reason,
            text: crate::domain::violation::Text::new(&*refused.message, &*refused.message),
            message: refused.message,
            fields: refused.violations.into_iter().map(complaint).collect(),
            retry_after: None,
        }
    }
}
