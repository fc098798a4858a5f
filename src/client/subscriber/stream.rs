//! One stream, from `open` to its end. Reading and writing are tasks of their own, so that neither waits for the other when
//! both windows are full.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::{
    Happening, Sending, Shared, SubscribeOptions, Token,
    queue::Job,
    workers::{Workers, position_of},
};
use crate::{
    client::{ClientError, Delays, Signed},
    proto::{
        ClientHeartbeat, Deliveries, Delivery, Drain, GoAway, Open, Settled, Settlement, Settlements, SubscribeRequest,
        SubscribeResponse, Window, feed_service_client::FeedServiceClient, subscribe_request, subscribe_response,
    },
};

/// How long the gateway may take to answer `open`.
const OPEN_WITHIN: Duration = Duration::from_secs(45);
/// How long the gateway may take to close after we did.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// Most items in one settle request.
const SETTLE_AT_ONCE: usize = 4_096;
/// How soon to say again what the gateway asked to hear again.
const SAY_AGAIN: Duration = Duration::from_secs(1);

/// How a stream ended.
pub(super) enum End {
    /// All that was decided is confirmed, and we closed.
    Drained,
    /// The gateway said that it goes away.
    GoneAway {
        /// Come back after this.
        after: Duration,
    },
    /// The call failed.
    Failed(Status),
    /// It ended without a word, or with a wrong one.
    Broken(ClientError),
}

/// One stream.
pub(super) struct Stream<'a> {
    options: &'a SubscribeOptions,
    shared: &'a Arc<Shared>,
    workers: &'a Workers,
    stop: &'a CancellationToken,
    take_over: bool,
    /// Tells the writer to say `drain`.
    drain: CancellationToken,
    /// Tells the writer to close our side.
    close: CancellationToken,
}

impl<'a> Stream<'a> {
    pub(super) fn new(
        options: &'a SubscribeOptions,
        shared: &'a Arc<Shared>,
        workers: &'a Workers,
        stop: &'a CancellationToken,
        take_over: bool,
    ) -> Self {
        Self { options, shared, workers, stop, take_over, drain: CancellationToken::new(), close: CancellationToken::new() }
    }

    pub(super) async fn run(self, service: &mut FeedServiceClient<Signed>, delays: &mut Delays) -> End {
        let (sender, receiver) = mpsc::channel(4);
        if sender.send(request(subscribe_request::Message::Open(self.open()))).await.is_err() {
            return End::Broken(silent("it did not take the first message"));
        }
        let opening = tokio::time::timeout(OPEN_WITHIN, service.subscribe(ReceiverStream::new(receiver))).await;
        let mut inbound = match opening {
            Err(_) => return End::Broken(silent("no answer to `open`")),
            Ok(Err(status)) => return End::Failed(status),
            Ok(Ok(response)) => response.into_inner(),
        };
        if let Err(end) = self.opened(&mut inbound).await {
            return end;
        }
        let writer =
            tokio::spawn(write(sender, Arc::clone(self.shared), self.options.heartbeat, self.drain.clone(), self.close.clone()));
        // Also when this future is dropped: the writer is a task of its own.
        let closing = self.close.clone().drop_guard();
        let end = self.read(&mut inbound, delays).await;
        drop(closing);
        // It ends at once: every wait of it also waits for `close`.
        let _ = writer.await;
        end
    }

    fn open(&self) -> Open {
        Open {
            subscription: self.options.subscription.clone(),
            session_id: self.options.session_id.to_vec().into(),
            take_over: self.take_over,
            window: Some(Window { records: self.options.window_records, bytes: self.options.window_bytes }),
            auto_extend: true,
            client: self.options.client.clone(),
        }
    }

    async fn opened(&self, inbound: &mut Streaming<SubscribeResponse>) -> Result<(), End> {
        let first = tokio::time::timeout(OPEN_WITHIN, inbound.message()).await;
        match first {
            Ok(Ok(Some(SubscribeResponse { message: Some(subscribe_response::Message::Opened(opened)) }))) => {
                self.shared.counts().streams += 1;
                self.shared.books().reconnected(opened.epoch);
                self.shared.decided.notify_one();
                (self.shared.tell)(Happening::Opened(opened));
                Ok(())
            }
            Ok(Err(status)) => Err(End::Failed(status)),
            Ok(Ok(Some(SubscribeResponse { message: Some(subscribe_response::Message::GoAway(away)) }))) => {
                Err(End::GoneAway { after: self.gone(away) })
            }
            Ok(Ok(Some(_))) => Err(End::Broken(ClientError::Broken("the first message was not `opened`".into()))),
            Ok(Ok(None)) => Err(End::Broken(silent("the stream ended before it stood"))),
            Err(_) => Err(End::Broken(silent("no answer to `open`"))),
        }
    }

    async fn read(&self, inbound: &mut Streaming<SubscribeResponse>, delays: &mut Delays) -> End {
        let mut away = None;
        let mut silence = Instant::now() + self.options.silence;
        loop {
            let draining = self.drain.is_cancelled();
            let may_close = (draining || away.is_some()) && self.shared.books().unsettled() == 0;
            if may_close && !self.close.is_cancelled() && (draining || self.shared.books().is_empty()) {
                self.close.cancel();
                silence = Instant::now() + CLOSE_WITHIN;
            }
            let message = tokio::select! {
                message = inbound.message() => message,
                () = self.stop.cancelled(), if !draining => {
                    self.shared.books().drain();
                    self.drain.cancel();
                    continue;
                }
                () = self.shared.changed.notified() => continue,
                () = tokio::time::sleep_until(silence) => {
                    return self.ended(away, || End::Broken(silent("silence")));
                }
            };
            match message {
                Ok(Some(message)) => {
                    delays.reset();
                    if !self.close.is_cancelled() {
                        silence = Instant::now() + self.options.silence;
                    }
                    if let Some(gone) = self.message(message) {
                        away = Some(gone);
                    }
                }
                Ok(None) => return self.ended(away, || End::Broken(silent("the stream ended"))),
                Err(status) => return self.ended(away, || End::Failed(status)),
            }
        }
    }

    /// The stream is at its end: was that to be expected?
    fn ended(&self, away: Option<Duration>, unexpected: impl FnOnce() -> End) -> End {
        if self.drain.is_cancelled() && self.close.is_cancelled() {
            return End::Drained;
        }
        match away {
            Some(after) => End::GoneAway { after },
            None => unexpected(),
        }
    }

    fn message(&self, message: SubscribeResponse) -> Option<Duration> {
        use subscribe_response::Message;
        match message.message {
            Some(Message::Deliveries(deliveries)) => self.deliveries(deliveries),
            Some(Message::Settled(settled)) => self.settled(&settled),
            Some(Message::LeaseLost(lost)) => {
                self.shared.lost(&lost);
                (self.shared.tell)(Happening::LeaseLost(lost));
            }
            Some(Message::Heartbeat(heartbeat)) => {
                if let Some(status) = heartbeat.status {
                    (self.shared.tell)(Happening::Status(status));
                }
            }
            Some(Message::State(state)) => (self.shared.tell)(Happening::State(state)),
            Some(Message::GoAway(away)) => return Some(self.gone(away)),
            // `opened` again, or a message of a newer gateway: nothing to do.
            Some(Message::Opened(_)) | None => {}
        }
        None
    }

    fn deliveries(&self, deliveries: Deliveries) {
        let mut jobs = Vec::with_capacity(deliveries.deliveries.len());
        let received = deliveries.deliveries.len() as u64;
        {
            let mut books = self.shared.books();
            for delivery in deliveries.deliveries {
                let Some(token) = delivery.token.as_ref() else { continue };
                let key = self.key_of(&delivery);
                let sending = Sending {
                    position: position_of(&delivery),
                    token: Token { epoch: token.epoch, send_number: token.send_number },
                    attempt: delivery.attempt,
                    redriven: delivery.redriven,
                    order_key: key.clone(),
                };
                if let Some(run) = books.delivered(sending) {
                    jobs.push(Job { run, key, delivery });
                }
            }
            if books.has_to_say() {
                self.shared.decided.notify_one();
            }
        }
        let mut counts = self.shared.counts();
        counts.received += received;
        counts.repeated += received - jobs.len() as u64;
        drop(counts);
        for job in jobs {
            self.workers.send(job);
        }
    }

    /// What the delivery is ordered by.
    fn key_of(&self, delivery: &Delivery) -> String {
        if self.options.total_order {
            return "*".to_owned();
        }
        let record_id = || delivery.record.as_ref().map_or("", |record| record.record_id.as_str());
        let key = if delivery.order_key.is_empty() { record_id() } else { &delivery.order_key };
        key.to_owned()
    }

    fn settled(&self, settled: &Settled) {
        let came_to = self.shared.books().answered(settled);
        {
            let mut counts = self.shared.counts();
            counts.acked += came_to.acked;
            counts.retried += came_to.retried;
            counts.released += came_to.released;
            counts.rejected += came_to.rejected;
            counts.stale += came_to.stale;
        }
        (self.shared.tell)(Happening::Settled(came_to));
    }

    fn gone(&self, away: GoAway) -> Duration {
        let after = Duration::from_millis(away.reconnect_after_ms);
        (self.shared.tell)(Happening::GoAway(away));
        after
    }
}

fn silent(why: &str) -> ClientError {
    ClientError::Unreachable { place: "the stream".into(), why: why.into() }
}

fn request(message: subscribe_request::Message) -> SubscribeRequest {
    SubscribeRequest { message: Some(message) }
}

/// Says what was decided, and that we live. Ends when `close` is cancelled or the gateway takes nothing more.
async fn write(
    sender: mpsc::Sender<SubscribeRequest>,
    shared: Arc<Shared>,
    heartbeat: Duration,
    drain: CancellationToken,
    close: CancellationToken,
) {
    let mut heartbeats = tokio::time::interval(heartbeat);
    let mut again = tokio::time::interval(SAY_AGAIN);
    let mut said_drain = false;
    loop {
        let message = tokio::select! {
            biased;
            () = close.cancelled() => return,
            () = drain.cancelled(), if !said_drain => {
                said_drain = true;
                Some(request(subscribe_request::Message::Drain(Drain {})))
            }
            _ = heartbeats.tick() => Some(request(subscribe_request::Message::Heartbeat(ClientHeartbeat {}))),
            () = shared.decided.notified() => None,
            _ = again.tick() => {
                shared.books().say_again();
                None
            }
        };
        if let Some(message) = message
            && !said(&sender, message, &close).await
        {
            return;
        }
        while let Some(settlements) = next_settlements(&shared) {
            if !said(&sender, request(subscribe_request::Message::Settle(settlements)), &close).await {
                return;
            }
        }
    }
}

fn next_settlements(shared: &Shared) -> Option<Settlements> {
    let (request_id, items) = shared.books().next_request(SETTLE_AT_ONCE)?;
    let items = items
        .into_iter()
        .map(|item| Settlement {
            position: item.position,
            token: Some(crate::proto::Token { epoch: item.token.epoch, send_number: item.token.send_number }),
            verb: Some(item.settle.verb()),
        })
        .collect();
    Some(Settlements { request_id, items })
}

async fn said(sender: &mpsc::Sender<SubscribeRequest>, message: SubscribeRequest, close: &CancellationToken) -> bool {
    tokio::select! {
        sent = sender.send(message) => sent.is_ok(),
        () = close.cancelled() => false,
    }
}
