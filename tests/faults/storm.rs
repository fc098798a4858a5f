//! Two hundred consumers that come, take something, break off and come again, and a gateway that restarts under them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tongbao::{
    client::{Connection, Feeds},
    proto::{self, subscribe_request::Message as Say, subscribe_response::Message as Heard},
};
use tonic::Status;

use super::{
    exchange::{
        Exchange, PATIENCE, nonconformity, soon,
        stream::{Stream, ack, open},
        subscription, until,
    },
    history::{self, Asked, Event, History, Ledger},
};

const CONSUMERS: u64 = 200;
const RECORDS: u64 = 30;
/// Times that each breaks off by itself, before it stays.
const BREAKS: u64 = 4;
/// At the door at once: the storm is to hit the gateway, not the one thread pool that stands for 200 machines.
const AT_ONCE: usize = 50;
/// Streams that a gateway which runs may refuse to one consumer: none, but one that was asked for while it stopped.
const REFUSED: u32 = 3;
const MAX_ATTEMPTS: u32 = 10;
/// Who hears nothing for so long asks whether everything is done.
const SILENCE: Duration = Duration::from_millis(200);

/// Where a consumer breaks off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    /// It has deliveries and has said nothing.
    Deliveries,
    /// It has said what became of them and not heard the answer.
    Word,
    Answer,
}

/// Which run of the gateway is up; `None` while it restarts.
type Run = Option<u8>;

/// One consumer and what it saw.
struct Guest {
    name: String,
    /// Consumers differ in where they break off.
    nth: u64,
    connection: Connection,
    history: History,
    /// The run and the session of its last stream.
    last: (Run, u8),
    requests: u64,
}

impl Guest {
    /// Comes and goes until everything is settled.
    async fn stay(mut self, mut run: watch::Receiver<Run>, door: Arc<Semaphore>, streams: Arc<AtomicU64>) -> Self {
        let (mut breaks, mut refused) = (0, 0);
        loop {
            let up = *run.wait_for(Option::is_some).await.expect("it stands as long as the test");
            // A session that comes back keeps what it had; every other time it is another one.
            let session = up.unwrap_or(0) * 100 + (breaks / 2) as u8;
            let opened = {
                let _turn = door.acquire().await.expect("never closed");
                self.open(session).await
            };
            let mut stream = match opened {
                Ok(stream) => stream,
                Err(status) => {
                    refused += 1;
                    assert!(refused <= REFUSED || *run.borrow() != up, "{}: {status:?}", self.name);
                    continue;
                }
            };
            streams.fetch_add(1, Ordering::Relaxed);
            let now = (*run.borrow(), session);
            self.history.note(if now == self.last { Event::Resumed } else { Event::Opened });
            self.last = now;
            let ways = [After::Deliveries, After::Word, After::Answer];
            let way = (breaks < BREAKS).then(|| ways[((self.nth + breaks) % 3) as usize]);
            if self.take(&mut stream, way).await {
                return self;
            }
            self.history.note(Event::BrokeOff);
            breaks += 1;
        }
    }

    async fn open(&self, session: u8) -> Result<Stream, Status> {
        let window = Some(proto::Window { records: 10, bytes: 16 << 20 });
        Stream::open(&self.connection, proto::Open { window, take_over: true, ..open(&self.name, session) }).await
    }

    /// Acknowledges what comes until it is to break off, or the stream broke; true when everything is settled.
    async fn take(&mut self, stream: &mut Stream, breaks: Option<After>) -> bool {
        loop {
            // What was said on a stream that broke may be settled or come again: only the gateway knows.
            let Ok(heard) = tokio::time::timeout(SILENCE, stream.hear()).await else {
                if self.floor().await == Some(RECORDS) {
                    return true;
                }
                continue;
            };
            let happened = match heard {
                Some(Heard::Deliveries(batch)) => {
                    self.history.deliveries(&batch.deliveries);
                    if breaks == Some(After::Deliveries) {
                        return false;
                    }
                    let settle = self.settle(&batch.deliveries);
                    if stream.try_say(settle).await.is_none() {
                        return false;
                    }
                    After::Word
                }
                Some(Heard::Settled(settled)) => {
                    let results = settled.items.iter().map(proto::SettledItem::result).collect();
                    self.history.note(Event::Settled { request: settled.request_id, results });
                    After::Answer
                }
                Some(_) => continue,
                None => return false,
            };
            if breaks == Some(happened) {
                return false;
            }
        }
    }

    fn settle(&mut self, batch: &[proto::Delivery]) -> Say {
        self.requests += 1;
        let items: Vec<_> = batch.iter().map(ack).collect();
        self.history.note(Event::SettleAsked { request: self.requests, items: items.iter().filter_map(Asked::of).collect() });
        Say::Settle(proto::Settlements { request_id: self.requests, items })
    }

    /// Up to where everything is settled; `None` while the gateway restarts.
    async fn floor(&self) -> Option<u64> {
        let found = Feeds::new(&self.connection).subscription(&self.name).await.ok()?;
        Some(found.status?.floor)
    }
}

/// The subscriptions, and a guest for each.
async fn guests(exchange: &Exchange, records: &[String]) -> Vec<Guest> {
    let feeds = exchange.feeds("gacc");
    let mut guests = Vec::new();
    for nth in 0..CONSUMERS {
        let name = format!("guest-{nth}");
        feeds.create(subscription(&name)).await.expect("made");
        let (connection, history) = (exchange.connection("gacc"), History::default());
        history.note(Event::PublishAsked(records.to_vec()));
        guests.push(Guest { name, nth, connection, history, last: (None, 0), requests: 0 });
    }
    guests
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_consumers_that_come_and_go_get_everything() {
    let mut exchange = Exchange::open().await;
    let records: Vec<_> = (0..RECORDS).map(|n| nonconformity("amr-330000", n)).collect();
    let ids: Vec<_> = records.iter().map(|record| record.record_id.clone()).collect();
    exchange.publish("amr-330000", records).await;
    let (run, up) = watch::channel(Some(0));
    let (door, streams) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(AtomicU64::new(0)));
    let mut staying = JoinSet::new();
    for guest in guests(&exchange, &ids).await {
        staying.spawn(guest.stay(up.clone(), door.clone(), streams.clone()));
    }
    until("half of the streams", || async { streams.load(Ordering::Relaxed) >= CONSUMERS * BREAKS / 2 }).await;
    run.send_replace(None);
    exchange.stop().await;
    exchange.restart().await;
    run.send_replace(Some(1));

    let guests = tokio::time::timeout(2 * PATIENCE, staying.join_all()).await.expect("everybody gets everything");
    soon("the stop", exchange.stop_and_check()).await;
    let (mut deliveries, mut acks) = (0, 0);
    for guest in guests {
        let ledger = Ledger::read(&exchange.store_path(), "gacc", &guest.name).await;
        let (wrong, counts) = history::check(&guest.history.events(), &ledger, MAX_ATTEMPTS);
        assert!(wrong.is_empty(), "{}: {}", guest.name, wrong.join("\n"));
        deliveries += counts.deliveries;
        acks += counts.acks;
    }
    let streams = streams.load(Ordering::Relaxed);
    println!("{CONSUMERS} consumers, {streams} streams: {deliveries} deliveries, {acks} acks of {}", CONSUMERS * RECORDS);
    assert!(streams > CONSUMERS * BREAKS, "they came and went: {streams}");
}
