//! A gateway on a disk that can fail, a publisher and a consumer who write down what they are answered.

use std::{
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tongbao::{
    cli::house::House,
    client::{ClientError, Connection, Feeds, Publisher, PublisherOptions},
    clock::World,
    domain::violation::Lang,
    proto::{self, SettleResult, subscribe_request::Message as Say, subscribe_response::Message as Heard},
};

use super::{
    disk::Disk,
    exchange::{
        ONCE, check_everything, nonconformity,
        program::Program,
        soon, store_path,
        stream::{Stream, ack, open},
        subscription,
    },
    history::{self, Asked, Event, History, Ledger, Placed},
};

/// As subscriptions have it by default.
const MAX_ATTEMPTS: u32 = 10;

pub struct Ward {
    pub house: House,
    pub disk: Disk,
    pub history: History,
    gateway: Option<Program>,
    published: AtomicU64,
    _folder: tempfile::TempDir,
}

impl Ward {
    /// A gateway with the subscription `risk`.
    pub async fn open(settings: impl FnOnce(&mut proto::SubscriptionSettings)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let house = House::build(&folder.path().join("world"), World::real()).expect("a world");
        let disk = Disk::under(&house);
        let mut ward =
            Self { house, disk, history: History::default(), gateway: None, published: AtomicU64::new(0), _folder: folder };
        ward.start().await;
        let mut request = subscription("risk");
        settings(request.settings.as_mut().expect("settings"));
        ward.feeds().create(request).await.expect("made");
        ward
    }

    pub async fn start(&mut self) {
        self.gateway = Some(self.disk.start(&self.house, &self.connection("gacc")).await);
    }

    /// After the process alone has died.
    pub async fn start_again(&mut self) {
        self.gateway = Some(self.disk.start_again(&self.house, &self.connection("gacc")).await);
    }

    /// Publishes the last so many records once more.
    pub async fn publish_again(&self, count: u64) -> Result<(), ClientError> {
        self.published.fetch_sub(count, Ordering::Relaxed);
        self.publish(count).await
    }

    pub fn kill(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.kill();
        }
    }

    pub fn connection(&self, who: &str) -> Connection {
        Connection::open(&self.house.profile(who).expect("a profile"), Lang::En, World::real().clock).expect("a connection")
    }

    pub fn feeds(&self) -> Feeds {
        Feeds::new(&self.connection("gacc"))
    }

    pub fn publisher(&self) -> Publisher {
        Publisher::new(&self.connection("amr-330000"), PublisherOptions { retry: ONCE, ..PublisherOptions::default() })
    }

    /// Publishes the next so many records, once.
    pub async fn publish(&self, count: u64) -> Result<(), ClientError> {
        let first = self.published.fetch_add(count, Ordering::Relaxed);
        let records: Vec<_> = (first..first + count).map(|n| nonconformity("amr-330000", n)).collect();
        self.history.note(Event::PublishAsked(records.iter().map(|record| record.record_id.clone()).collect()));
        let (answer, _) = self.publisher().publish_batch(records).await?;
        let placed = answer.records.into_iter();
        let placed = placed.map(|record| Placed { record_id: record.record_id, position: record.position });
        self.history.note(Event::Published(placed.collect()));
        Ok(())
    }

    pub async fn consumer(&self, session: u8, records: u32) -> Consumer<'_> {
        let window = Some(proto::Window { records, bytes: 16 << 20 });
        let open = proto::Open { window, take_over: true, ..open("risk", session) };
        let stream = Stream::open(&self.connection("gacc"), open).await.expect("attached");
        self.history.note(Event::Opened);
        Consumer { history: &self.history, stream, requests: u64::from(session) * 1_000 }
    }

    /// What `/ready` says: status line and body.
    pub async fn ready(&self) -> String {
        let checked = tongbao::config::load(Some(&self.house.config_file()), []).expect("a configuration");
        let address: SocketAddr = checked.config.telemetry.listen;
        let mut io = TcpStream::connect(address).await.expect("it listens");
        io.write_all(b"GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("asked");
        let mut answer = String::new();
        soon("the answer of /ready", io.read_to_string(&mut answer)).await.expect("answered");
        answer
    }

    pub async fn is_ready(&self) -> bool {
        self.ready().await.starts_with("HTTP/1.1 200")
    }

    /// Kills it, and reads everything: the store by itself, and against the history.
    pub async fn kill_and_check(&mut self) -> history::Counts {
        self.kill();
        self.check(&store_path(&self.house)).await
    }

    /// As [`Ward::kill_and_check`], of what has reached the disk alone.
    pub async fn lose_power_and_check(&mut self) -> history::Counts {
        self.kill();
        self.disk.lose_power();
        self.check(&store_path(&self.house)).await
    }

    async fn check(&self, path: &Path) -> history::Counts {
        check_everything(path).await;
        let ledger = Ledger::read(path, "gacc", "risk").await;
        let (wrong, counts) = history::check(&self.history.events(), &ledger, MAX_ATTEMPTS);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        counts
    }
}

/// A consumer that says every word itself.
pub struct Consumer<'a> {
    history: &'a History,
    pub stream: Stream,
    requests: u64,
}

impl Consumer<'_> {
    /// So many deliveries, unsettled.
    pub async fn take(&mut self, count: usize) -> Vec<proto::Delivery> {
        let deliveries = self.stream.deliveries(count).await;
        self.history.deliveries(&deliveries);
        deliveries
    }

    /// Says that they are done and does not wait for the answer; answers with the request.
    pub async fn ask(&mut self, deliveries: &[proto::Delivery]) -> u64 {
        self.requests += 1;
        let items: Vec<_> = deliveries.iter().map(ack).collect();
        self.history.note(Event::SettleAsked { request: self.requests, items: items.iter().filter_map(Asked::of).collect() });
        self.stream.say(Say::Settle(proto::Settlements { request_id: self.requests, items })).await;
        self.requests
    }

    /// The answer to a request. Deliveries that come before it are kept for later.
    pub async fn answer(&mut self, request: u64) -> Vec<SettleResult> {
        let is_answer = |heard: &Heard| match heard {
            Heard::Settled(settled) if settled.request_id == request => Some(settled.items.clone()),
            _ => None,
        };
        let results: Vec<_> = self.stream.wait(is_answer).await.iter().map(proto::SettledItem::result).collect();
        self.history.note(Event::Settled { request, results: results.clone() });
        results
    }

    pub async fn acknowledge(&mut self, deliveries: &[proto::Delivery]) -> Vec<SettleResult> {
        let request = self.ask(deliveries).await;
        self.answer(request).await
    }
}
