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

use super::{answer::refuse, feed_events, feed_requests};
use crate::{
    gateway::{
        Caller, Gateway, Refused,
        subscribe::{Event, Session},
    },
    proto::{self, subscribe_request::Message},
};

/// A consumer whose stream is too old comes again after this long, milliseconds.
const AFTER_MAX_AGE_MS: u64 = 100;

/// What leaves by the stream.
pub(super) type Responses = Pin<Box<dyn Stream<Item = Result<proto::SubscribeResponse, Status>> + Send>>;

/// What the reading task says to the consumer itself.
type Words = mpsc::Sender<Result<proto::SubscribeResponse, Status>>;

/// How old a stream may become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    /// Give or take a tenth.
    pub most: Duration,
    /// Time to settle then.
    pub grace: Duration,
}

impl Age {
    /// The age of one stream: between nine and eleven tenths, so that streams opened together do not all come again together.
    fn of_one(self, draw: u64) -> Duration {
        let thousandths = 900 + u32::try_from(draw % 201).unwrap_or(0);
        (self.most / 1_000).saturating_mul(thousandths)
    }
}

/// What reads the requests of a stream.
pub(super) struct Reading {
    pub session: Session,
    pub gateway: Arc<Gateway>,
    pub caller: Arc<Caller>,
    /// `None` = it may become as old as it likes.
    pub age: Option<Age>,
}

impl Reading {
    /// Begins to read, and answers what is to be written.
    pub(super) fn begin(self, requests: Streaming<proto::SubscribeRequest>, events: mpsc::Receiver<Event>) -> Responses {
        // At most two words: go, and why it broke.
        let (words, said) = mpsc::channel(2);
        tokio::spawn(self.read(requests, words));
        let responses = ReceiverStream::new(events).map(|event| Ok(feed_events::message(event)));
        Box::pin(responses.merge(ReceiverStream::new(said)))
    }

    /// Reads what the consumer says until its side ends; then the session is dropped, which detaches it.
    async fn read(self, mut requests: Streaming<proto::SubscribeRequest>, words: Words) {
        let draw = u64::from_be_bytes(self.gateway.world.random());
        let mut next = self.age.map(|age| Instant::now() + age.of_one(draw));
        let mut is_leaving = false;
        loop {
            let message = tokio::select! {
                message = requests.next() => message,
                () = words.closed() => return,
                () = until(next) => {
                    let Some(age) = self.age.filter(|_| !is_leaving) else { return };
                    is_leaving = true;
                    next = Some(Instant::now() + age.grace);
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
async fn until(then: Option<Instant>) {
    match then {
        Some(then) => sleep_until(then).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_spread_over_a_fifth() {
        let age = Age { most: Duration::from_hours(1), grace: Duration::ZERO };
        assert_eq!(age.of_one(0), Duration::from_mins(54));
        assert_eq!(age.of_one(100), Duration::from_hours(1));
        assert_eq!(age.of_one(200), Duration::from_mins(66));
        assert_eq!(age.of_one(201), age.of_one(0));
        let long = Age { most: Duration::MAX, grace: Duration::ZERO };
        assert!(long.of_one(200) > Duration::from_hours(1));
    }
}
