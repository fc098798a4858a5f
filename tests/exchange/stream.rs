//! A subscription's stream with nothing automatic: the test says every word.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tongbao::{
    client::Connection,
    proto::{
        self, Delivery, SettleResult, Settlement, SubscribeRequest, Token, feed_service_client::FeedServiceClient,
        settlement::Verb, subscribe_request::Message as Say, subscribe_response::Message as Heard,
    },
};
use tonic::{Status, Streaming};

use super::{position, soon};

/// An open stream.
pub struct Stream {
    say: mpsc::Sender<SubscribeRequest>,
    hear: Streaming<proto::SubscribeResponse>,
    /// Heard while something else was waited for.
    heard: VecDeque<Heard>,
    requests: u64,
    pub opened: proto::Opened,
}

pub fn open(subscription: &str, session: u8) -> proto::Open {
    proto::Open {
        subscription: subscription.to_owned(),
        session_id: vec![session; 16].into(),
        window: Some(proto::Window { records: 1_000, bytes: 16 << 20 }),
        ..Default::default()
    }
}

impl Stream {
    pub async fn open(connection: &Connection, open: proto::Open) -> Result<Self, Status> {
        let (say, words) = mpsc::channel(64);
        let first = SubscribeRequest { message: Some(Say::Open(open)) };
        assert!(say.send(first).await.is_ok(), "the channel is ours");
        let mut service = FeedServiceClient::new(connection.signed());
        let hear = soon("the stream", service.subscribe(ReceiverStream::new(words))).await?.into_inner();
        let mut stream = Self { say, hear, heard: VecDeque::new(), requests: 0, opened: proto::Opened::default() };
        match stream.next().await? {
            Some(Heard::Opened(opened)) => stream.opened = opened,
            // A gateway that stops may still take a stream, only to end it.
            None => return Err(Status::unavailable("the stream ended at once")),
            other => panic!("`opened` comes first: {other:?}"),
        }
        Ok(stream)
    }

    /// As [`Stream::wait`]; `None` when the stream broke.
    async fn try_wait<T>(&mut self, mut wanted: impl FnMut(&Heard) -> Option<T>) -> Option<T> {
        for (nth, heard) in self.heard.iter().enumerate() {
            if let Some(found) = wanted(heard) {
                self.heard.remove(nth);
                return Some(found);
            }
        }
        loop {
            let heard = self.hear.message().await.ok()??.message?;
            if let Some(found) = wanted(&heard) {
                return Some(found);
            }
            self.heard.push_back(heard);
        }
    }

    /// Waits for the end; `None` = it ended well.
    pub async fn end(&mut self) -> Option<Status> {
        loop {
            match self.next().await {
                Ok(Some(heard)) => self.heard.push_back(heard),
                Ok(None) => return None,
                Err(status) => return Some(status),
            }
        }
    }

    /// The next message, whatever it is; `None` when the stream broke.
    pub async fn hear(&mut self) -> Option<Heard> {
        match self.heard.pop_front() {
            Some(heard) => Some(heard),
            None => self.hear.message().await.ok()??.message,
        }
    }

    /// Deliveries that came while something else was waited for.
    pub fn kept_deliveries(&self) -> usize {
        let count = |heard: &Heard| if let Heard::Deliveries(batch) = heard { batch.deliveries.len() } else { 0 };
        self.heard.iter().map(count).sum()
    }

    /// `None` when the stream broke.
    pub async fn try_say(&mut self, word: Say) -> Option<()> {
        self.say.send(SubscribeRequest { message: Some(word) }).await.ok()
    }

    async fn next(&mut self) -> Result<Option<Heard>, Status> {
        let message = soon("a message of the gateway", self.hear.message()).await?;
        Ok(message.and_then(|message| message.message))
    }

    /// Waits for the first message that `wanted` accepts and keeps the others.
    pub async fn wait<T>(&mut self, wanted: impl FnMut(&Heard) -> Option<T>) -> T {
        soon("a message of the gateway", self.try_wait(wanted)).await.expect("the stream stands")
    }

    /// The next batch of deliveries.
    pub async fn batch(&mut self) -> Vec<Delivery> {
        self.wait(|heard| match heard {
            Heard::Deliveries(batch) => Some(batch.deliveries.clone()),
            _ => None,
        })
        .await
    }

    /// So many deliveries, unsettled.
    pub async fn deliveries(&mut self, count: usize) -> Vec<Delivery> {
        let mut got = Vec::new();
        while got.len() < count {
            got.extend(self.batch().await);
        }
        assert_eq!(got.len(), count, "no more than expected: {:?}", super::positions(&got));
        got
    }

    /// So many deliveries, each acknowledged as it comes.
    pub async fn acknowledge(&mut self, count: usize) -> Vec<Delivery> {
        let mut got = Vec::new();
        while got.len() < count {
            let batch = self.batch().await;
            let answers = self.settle(batch.iter().map(ack).collect()).await;
            assert!(answers.iter().all(|answer| *answer == SettleResult::Ok), "{answers:?}");
            got.extend(batch);
        }
        assert_eq!(got.len(), count, "no more than expected: {:?}", super::positions(&got));
        got
    }

    /// Settles and waits for the answers.
    pub async fn settle(&mut self, items: Vec<Settlement>) -> Vec<SettleResult> {
        self.requests += 1;
        let request_id = self.requests;
        self.say(Say::Settle(proto::Settlements { request_id, items })).await;
        let answer = |heard: &Heard| match heard {
            Heard::Settled(settled) if settled.request_id == request_id => Some(settled.items.clone()),
            _ => None,
        };
        self.wait(answer).await.iter().map(proto::SettledItem::result).collect()
    }

    pub async fn say(&mut self, word: Say) {
        assert!(self.say.send(SubscribeRequest { message: Some(word) }).await.is_ok(), "the stream takes words");
    }

    pub async fn go_away(&mut self) -> proto::GoAway {
        self.wait(|heard| match heard {
            Heard::GoAway(go_away) => Some(go_away.clone()),
            _ => None,
        })
        .await
    }
}

pub fn settlement(delivery: &Delivery, verb: Verb) -> Settlement {
    Settlement { position: position(delivery), token: delivery.token, verb: Some(verb) }
}

pub fn ack(delivery: &Delivery) -> Settlement {
    settlement(delivery, Verb::Ack(proto::Ack {}))
}

pub fn retry(delivery: &Delivery, delay_ms: u64) -> Settlement {
    settlement(delivery, Verb::Retry(proto::Retry { delay_ms, reason: "BUSY".to_owned() }))
}

pub fn reject(delivery: &Delivery, reason: &str) -> Settlement {
    settlement(delivery, Verb::Reject(proto::Reject { reason: reason.to_owned() }))
}

pub fn token(delivery: &Delivery) -> Token {
    delivery.token.unwrap_or_default()
}
