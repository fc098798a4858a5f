//! The stream of one subscription at the door: requests are read in one task, responses written in another. Reading never waits
//! for writing, so that two full windows cannot lock each other.
//!
//! A stream has an age: past it the consumer is told to go, nothing more is sent, and what it holds it may still settle. It then
//! comes again, by another connection if need be. What it did not settle in time goes back, uncounted.

use std::{pin::Pin, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::{Status, Streaming};

use super::{Limits, answer::refuse, feed_events, feed_requests};
use crate::{
    gateway::{
        Caller, Gateway, Refused,
        subscribe::{Event, Session},
    },
    proto::{self, subscribe_request::Message},
};

/// A consumer whose stream is too old comes again after this long, milliseconds.
const AFTER_MAX_AGE_MS: u64 = 100;

/// The transport says that a connection is too old at its own time; a stream is told so much later.
const AFTER_TRANSPORT: Duration = Duration::from_secs(1);

/// What leaves by the stream.
pub(super) type Responses = Pin<Box<dyn Stream<Item = Result<proto::SubscribeResponse, Status>> + Send>>;

/// What the reading task says to the consumer itself.
type Words = mpsc::Sender<Result<proto::SubscribeResponse, Status>>;

/// How old a stream may become: until it, or the connection that carries it, is too old.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    /// Of the stream, give or take a tenth.
    most: Option<Duration>,
    /// Time to settle then.
    grace: Duration,
    /// Of the connection.
    connection: Option<Duration>,
    /// Time until a connection that is too old is cut.
    connection_grace: Duration,
}

/// When a stream is told to go, and how long it has then; from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Term {
    pub until: Duration,
    grace: Duration,
}

impl Age {
    /// The ages of streams and connections as the limits have them; `None` = neither ends.
    pub(super) fn of(limits: &Limits) -> Self {
        let Limits { max_stream_age, stream_age_grace, max_connection_age, connection_age_grace, .. } = limits.clone();
        Self {
            most: max_stream_age,
            grace: stream_age_grace,
            connection: max_connection_age,
            connection_grace: connection_age_grace,
        }
    }

    /// The term of one stream on a connection of this age: between nine and eleven tenths, so that streams opened together do not
    /// all come again together, but no longer than the connection has. `None` = it has none.
    pub(super) fn of_one(self, draw: u64, connection: Duration) -> Option<Term> {
        let thousandths = 900 + u32::try_from(draw % 201).unwrap_or(0);
        let own = self.most.map(|most| Term { until: (most / 1_000).saturating_mul(thousandths), grace: self.grace });
        // Told after the transport's own word, so that who comes again does so by another connection.
        let carried = self.connection.map(|most| Term {
            until: most.saturating_sub(connection) + AFTER_TRANSPORT.min(self.connection_grace / 4),
            grace: self.grace.min(self.connection_grace / 2),
        });
        own.into_iter().chain(carried).min_by_key(|term| term.until)
    }
}

/// What reads the requests of a stream.
pub(super) struct Reading {
    pub session: Session,
    pub gateway: Arc<Gateway>,
    pub caller: Arc<Caller>,
    /// `None` = it may become as old as it likes.
    pub term: Option<Term>,
}

impl Reading {
    /// Begins to read, and answers what is to be written.
    pub(super) fn begin(self, requests: Streaming<proto::SubscribeRequest>, events: mpsc::Receiver<Event>) -> Responses {
        // At most two words: go, and why it broke.
        let (words, said) = mpsc::channel(2);
        tokio::spawn(self.read(requests, words));
        let messages = |event| futures_util::stream::iter(feed_events::messages(event).map(Ok));
        let responses = futures_util::StreamExt::flat_map(ReceiverStream::new(events), messages);
        Box::pin(responses.merge(ReceiverStream::new(said)))
    }

    /// Reads what the consumer says until its side ends; then the session is dropped, which detaches it.
    async fn read(self, mut requests: Streaming<proto::SubscribeRequest>, words: Words) {
        let mut next = self.term.map(|term| Instant::now() + term.until);
        let mut is_leaving = false;
        loop {
            let message = tokio::select! {
                message = requests.next() => message,
                () = words.closed() => return,
                () = until(next) => {
                    let Some(term) = self.term.filter(|_| !is_leaving) else { return };
                    is_leaving = true;
                    next = Some(Instant::now() + term.grace);
                    // The queue has room for it. Deliveries that wait ahead of it are the consumer's to settle.
                    let _ = words.try_send(Ok(feed_events::go_away("max_age", AFTER_MAX_AGE_MS)));
                    self.session.drain().await;
                    continue;
                }
            };
            let Some(Ok(request)) = message else { return };
            if let Err(refused) = self.pass_on(request).await {
                let _ = words.try_send(Err(refuse(&self.gateway, &self.caller, &refused)));
                return;
            }
        }
    }

    /// Passes one message to the host. A malformed item of a settle is answered `UNKNOWN` by the engine, never by closing the
    /// stream; only a message outside the protocol is an error.
    async fn pass_on(&self, request: proto::SubscribeRequest) -> Result<(), Refused> {
        match request.message {
            Some(Message::Settle(settlements)) => {
                let items = feed_requests::settlements(&settlements)?;
                self.session.settle(settlements.request_id, items).await;
            }
            Some(Message::Window(window)) => self.session.window(feed_requests::window(Some(&window))?).await,
            Some(Message::Heartbeat(_)) => self.session.heartbeat().await,
            Some(Message::Drain(_)) => self.session.drain().await,
            Some(Message::Open(_)) | None => {
                return Err(Refused::field(
                    "message",
                    "UNEXPECTED_MESSAGE",
                    "流已打开：只接受 settle、window、drain、heartbeat",
                    "the stream is open: only settle, window, drain and heartbeat may follow",
                ));
            }
        }
        Ok(())
    }
}

/// Waits until then; `None` = for ever.
pub(super) async fn until(then: Option<Instant>) {
    match then {
        Some(then) => sleep_until(then).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const MINUTE: Duration = Duration::from_mins(1);

    fn age() -> Age {
        Age { most: Some(HOUR), grace: MINUTE, connection: None, connection_grace: MINUTE }
    }

    #[test]
    fn ages_spread_over_a_fifth() {
        let of = |draw| age().of_one(draw, Duration::ZERO).expect("a term");
        assert_eq!(of(0), Term { until: Duration::from_mins(54), grace: MINUTE });
        assert_eq!((of(100).until, of(200).until), (HOUR, Duration::from_mins(66)));
        assert_eq!(of(201), of(0));
        let long = Age { most: Some(Duration::MAX), ..age() };
        assert!(long.of_one(200, HOUR).expect("a term").until > HOUR);
        assert_eq!(Age { most: None, ..age() }.of_one(7, HOUR), None);
    }

    #[test]
    fn a_stream_goes_with_its_connection_soon_after_the_transport_said_so_and_before_the_cut() {
        let of = |age: Age, old| age.of_one(100, old).expect("a term");
        let carried = Age { connection: Some(2 * HOUR), ..age() };
        assert_eq!(of(carried, Duration::ZERO).until, HOUR, "its own age comes first");
        let late = of(carried, Duration::from_mins(119));
        assert_eq!(late, Term { until: MINUTE + AFTER_TRANSPORT, grace: MINUTE / 2 });
        assert!(late.until + late.grace < MINUTE + MINUTE, "before the cut");
        assert_eq!(of(carried, 3 * HOUR).until, AFTER_TRANSPORT);
        let alone = Age { most: None, connection: Some(HOUR), ..age() };
        assert_eq!(of(alone, Duration::ZERO).until, HOUR + AFTER_TRANSPORT);
    }
}
