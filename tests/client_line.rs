//! The client against the real gateway, over mutual TLS and a line that is cut at will.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};
use tokio_util::sync::CancellationToken;
use tongbao::{
    cli::house::{House, STRANGER},
    client::{
        ClientError, Connection, FailureClass, Feeds, Handler, Happening, Publisher, PublisherOptions, RetryPolicy, Settle,
        SubscribeOptions, Subscriber, Taken,
    },
    clock::World,
    domain::{credit_code::CreditCode, violation::Lang},
    proto::{
        CivilDate, CreateSubscriptionRequest, Filter, InspectionResult, Nonconformity, Party, Record, RecordKind, Section,
        SectionName, SubscriptionSettings,
    },
};

/// A line between client and gateway: connections run through it, are cut, and lose what the gateway says while it is deaf.
struct Line {
    port: u16,
    cuts: watch::Sender<u64>,
    deaf: Arc<AtomicBool>,
}

impl Line {
    async fn to(gateway: std::net::SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let (cuts, cut) = watch::channel(0);
        let deaf = Arc::new(AtomicBool::new(false));
        tokio::spawn({
            let deaf = deaf.clone();
            async move {
                while let Ok((near, _)) = listener.accept().await {
                    let (mut cut, deaf) = (cut.clone(), deaf.clone());
                    cut.mark_unchanged();
                    tokio::spawn(async move {
                        let Ok(far) = TcpStream::connect(gateway).await else { return };
                        let (mut near_reads, near_writes) = near.into_split();
                        let (far_reads, mut far_writes) = far.into_split();
                        tokio::select! {
                            _ = copy(&mut near_reads, &mut far_writes) => {}
                            () = hear(far_reads, near_writes, &deaf) => {}
                            _ = cut.changed() => {}
                        }
                    });
                }
            }
        });
        Self { port, cuts, deaf }
    }

    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn hear(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, deaf: &AtomicBool) {
    let mut buffer = vec![0; 16_384];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if !deaf.load(Ordering::SeqCst) && to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

fn record(number: u32) -> Record {
    let code = CreditCode::synthetic(330_600, number % 7 + 1);
    let content = Nonconformity {
        producer: Some(Party {
            name: format!("示例口罩厂{}", number % 7),
            credit_code: code.as_str().to_owned(),
            ..Party::default()
        }),
        product_name: "日常防护型口罩".to_owned(),
        organiser: "浙江省市场监督管理局".to_owned(),
        reported_on: Some(CivilDate { year: 2020, month: 5, day: 1 }),
        published_on: Some(CivilDate { year: 2020, month: 5, day: 2 }),
        batch: format!("B{number}"),
        items: vec![InspectionResult { item: "filtration_efficiency".to_owned(), ..InspectionResult::default() }],
        ..Nonconformity::default()
    };
    Record {
        record_id: format!("amr-330000/line-{number}"),
        kind: RecordKind::Nonconformity.into(),
        sections: vec![Section { name: SectionName::Open.into(), content: content.encode_to_vec().into(), ..Section::default() }],
        ..Record::default()
    }
}

fn connection(house: &House, participant: &str, line: Option<&Line>) -> Connection {
    let mut profile = house.profile(participant).expect("a profile");
    if let Some(line) = line {
        profile.place.port = line.port;
    }
    Connection::open(&profile, Lang::En, World::real().clock).expect("a connection")
}

const QUICK: RetryPolicy = RetryPolicy {
    initial: Duration::from_millis(5),
    factor: 1.5,
    longest: Duration::from_millis(50),
    spread: 0.2,
    give_up_after: None,
};

/// Acknowledges all, counts how often each position was handled, checks the order per enterprise, and cuts the line now and
/// then; stops when it has seen enough.
struct Consumer {
    seen: Mutex<BTreeMap<u64, u32>>,
    last: Mutex<BTreeMap<String, u64>>,
    enough: usize,
    cut_every: usize,
    line: Arc<Line>,
    stop: CancellationToken,
}

#[async_trait::async_trait]
impl Handler for Consumer {
    async fn handle(&self, batch: Vec<Taken>) -> Vec<Settle> {
        let mut verdicts = Vec::new();
        for Taken { delivery, .. } in batch {
            let position = delivery.record.as_ref().expect("a record").position;
            assert!(!delivery.order_key.is_empty(), "the gateway names the order key");
            let before = self.last.lock().expect("lock").insert(delivery.order_key.clone(), position);
            assert!(before.is_none_or(|before| before < position), "{position} after {before:?}");
            let count = {
                let mut seen = self.seen.lock().expect("lock");
                *seen.entry(position).or_default() += 1;
                seen.len()
            };
            if count.is_multiple_of(self.cut_every) {
                self.line.cut();
            }
            if count == self.enough {
                self.stop.cancel();
            }
            verdicts.push(Settle::Ack);
        }
        verdicts
    }
}

async fn subscription(connection: &Connection, name: &str) {
    let settings = SubscriptionSettings {
        filter: Some(Filter { feeds: vec!["failed-products".to_owned()], ..Filter::default() }),
        ..SubscriptionSettings::default()
    };
    let request = CreateSubscriptionRequest { name: name.to_owned(), settings: Some(settings), start: None };
    Feeds::new(connection).create(request).await.expect("made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_over_a_line_that_is_cut() {
    let folder = tempfile::tempdir().expect("folder");
    let house = House::build(folder.path(), World::real()).expect("a house");
    let gateway = house.start().await.expect("a gateway");
    let line = Arc::new(Line::to(gateway.address()).await);
    let customs = connection(&house, "gacc", Some(&line));
    subscription(&customs, "cut").await;

    let records = 400;
    let publisher = Publisher::new(&connection(&house, "amr-330000", None), PublisherOptions::default());
    for batch in (0..records).collect::<Vec<_>>().chunks(50) {
        publisher.publish(batch.iter().map(|number| record(*number)).collect(), |_| {}).await.expect("published");
    }

    let stop = CancellationToken::new();
    let consumer = Arc::new(Consumer {
        seen: Mutex::default(),
        last: Mutex::default(),
        enough: records as usize,
        cut_every: 60,
        line: line.clone(),
        stop: stop.clone(),
    });
    let streams = Arc::new(Mutex::new(0));
    let options =
        SubscribeOptions { retry: QUICK, batch: 16, concurrency: 3, window_records: 24, ..SubscribeOptions::new("cut", [7; 16]) };
    let opened = streams.clone();
    let subscriber = Subscriber::telling(&customs, options, move |happening| {
        if matches!(happening, Happening::Opened(_)) {
            *opened.lock().expect("lock") += 1;
        }
    });
    let run = subscriber.run(consumer.clone(), stop);
    let summary = tokio::time::timeout(Duration::from_mins(2), run).await.expect("in time").expect("it ran");

    let seen = consumer.seen.lock().expect("lock").clone();
    assert_eq!(seen.len(), records as usize, "nothing is lost");
    assert!(seen.values().all(|count| *count == 1), "nothing is handled twice: {seen:?}");
    assert_eq!((summary.unconfirmed, summary.counts.stale), (0, 0), "{summary:?}");
    assert!(*streams.lock().expect("lock") > 3, "the line was cut");
    let status = Feeds::new(&customs).subscription("cut").await.expect("there").status.expect("status");
    assert_eq!((status.in_flight, status.retrying, status.dead_letters, status.lag), (0, 0, 0, 0), "{status:?}");
    gateway.stop().await.expect("stopped");
}

/// What was on its way when the line broke is out under a lease that lives on with the session: nobody would send it for an hour.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_lost_on_the_way_comes_again_at_once() {
    let folder = tempfile::tempdir().expect("folder");
    let house = House::build(folder.path(), World::real()).expect("a house");
    let gateway = house.start().await.expect("a gateway");
    let line = Arc::new(Line::to(gateway.address()).await);
    let direct = Feeds::new(&connection(&house, "gacc", None));
    subscription(&connection(&house, "gacc", None), "lost").await;
    let publisher = Publisher::new(&connection(&house, "amr-330000", None), PublisherOptions::default());
    publisher.publish((0..10).map(record).collect(), |_| {}).await.expect("published");

    let stop = CancellationToken::new();
    let consumer = Arc::new(Consumer {
        seen: Mutex::default(),
        last: Mutex::default(),
        enough: 20,
        cut_every: usize::MAX,
        line: line.clone(),
        stop: stop.clone(),
    });
    let options = SubscribeOptions { retry: QUICK, ..SubscribeOptions::new("lost", [9; 16]) };
    let subscriber = Subscriber::new(&connection(&house, "gacc", Some(&line)), options);
    let watch = subscriber.watch();
    let running = tokio::spawn(subscriber.run(consumer.clone(), stop));
    while watch.counts().acked < 10 {
        tokio::task::yield_now().await;
    }
    line.deaf.store(true, Ordering::SeqCst);
    publisher.publish((10..20).map(record).collect(), |_| {}).await.expect("published");
    while direct.subscription("lost").await.expect("there").status.expect("status").in_flight < 10 {
        tokio::task::yield_now().await;
    }
    line.cut();
    line.deaf.store(false, Ordering::SeqCst);

    // The lease lasts 30 s and would then count as a failure.
    let summary = tokio::time::timeout(Duration::from_secs(20), running).await.expect("at once").expect("ran").expect("well");
    assert_eq!(summary.counts.acked, 20);
    assert!(consumer.seen.lock().expect("lock").values().all(|count| *count == 1));
    gateway.stop().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_whose_answer_is_lost_is_repeated_without_doubles() {
    let folder = tempfile::tempdir().expect("folder");
    let house = House::build(folder.path(), World::real()).expect("a house");
    let gateway = house.start().await.expect("a gateway");
    let line = Arc::new(Line::to(gateway.address()).await);
    let options = PublisherOptions { retry: QUICK, ..PublisherOptions::default() };
    let publisher = Publisher::new(&connection(&house, "amr-330000", Some(&line)), options);
    let done = CancellationToken::new();
    let cutter = tokio::spawn({
        let (line, done) = (line.clone(), done.clone());
        async move {
            while !done.is_cancelled() {
                tokio::task::yield_now().await;
                tokio::time::sleep(Duration::from_millis(25)).await;
                line.cut();
            }
        }
    });
    let mut positions = Vec::new();
    let mut repeats = 0;
    for batch in (0..300).collect::<Vec<_>>().chunks(10) {
        let sent = batch.iter().map(|number| record(*number)).collect();
        let published = publisher.publish(sent, |_| {}).await.expect("published");
        repeats += published.repeats;
        positions.extend(published.records.iter().map(|record| record.position));
    }
    done.cancel();
    cutter.await.expect("ended");
    let mut distinct = positions.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!((positions.len(), distinct.len()), (300, 300));
    assert_eq!(distinct.last(), Some(&300), "no gaps, no doubles ({repeats} repeated)");
    gateway.stop().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn says_who_refused_whom() {
    let folder = tempfile::tempdir().expect("folder");
    let house = House::build(folder.path(), World::real()).expect("a house");
    let gateway = house.start().await.expect("a gateway");

    let stranger = Feeds::new(&connection(&house, STRANGER, None)).feeds().await.expect_err("not registered");
    assert_eq!(stranger.class(), FailureClass::Refused, "{stranger:?}");

    let reader = Publisher::new(&connection(&house, "gacc", None), PublisherOptions::default());
    let stopped = reader.publish(vec![record(1)], |_| {}).await.expect_err("customs does not publish");
    assert_eq!(stopped.error.class(), FailureClass::Refused, "{stopped:?}");

    let mut other = house.profile("gacc").expect("a profile");
    other.server_name = "elsewhere.example".to_owned();
    let other = Connection::open(&other, Lang::En, World::real().clock).expect("a connection");
    let error = Feeds::new(&other).feeds().await.expect_err("not its name");
    assert!(matches!(error, ClientError::GatewayNotTrusted { .. }), "{error:?}");

    gateway.stop().await.expect("stopped");
    let gone = Feeds::new(&connection(&house, "gacc", None)).feeds().await.expect_err("gone");
    assert_eq!(gone.class(), FailureClass::Unreachable, "{gone:?}");
}
