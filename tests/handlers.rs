//! The client's handlers against the real gateway: order, concurrency, failures, leases that are lost, and stopping.

mod exchange;

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use exchange::{Exchange, nonconformity, position, record, soon, subscription, until};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tongbao::{
    client::{ClientError, Handler, Settle, SubscribeOptions, Subscriber, Summary, Taken, Watch, each, each_leased, in_batches},
    clock::{Clock, World},
    domain::records::{Matter, Nonconformity, examples},
    proto::{self, Delivery},
};

/// A nonconformity of the `enterprise`-th enterprise.
fn of(enterprise: u64, n: u64) -> proto::Record {
    let content = Nonconformity { producer: examples::enterprise(enterprise), ..examples::nonconformity(n) };
    record(&format!("amr-330000/of-{enterprise}-{n}"), None, Matter::Nonconformity(Box::new(content)))
}

fn options() -> SubscribeOptions {
    SubscribeOptions::new("risk", [8; 16])
}

/// A subscriber at work.
struct Consumer {
    stop: CancellationToken,
    watch: Watch,
    running: JoinHandle<Result<Summary, ClientError>>,
}

impl Consumer {
    fn start(exchange: &Exchange, options: SubscribeOptions, handler: impl Handler) -> Self {
        let subscriber = Subscriber::new(&exchange.connection("gacc"), options);
        let (stop, watch) = (CancellationToken::new(), subscriber.watch());
        let running = tokio::spawn(subscriber.run(Arc::new(handler), stop.clone()));
        Self { stop, watch, running }
    }

    async fn stop(self) -> Summary {
        self.stop.cancel();
        soon("the subscriber's end", self.running).await.expect("no panic").expect("in good order")
    }
}

async fn status(exchange: &Exchange) -> proto::SubscriptionStatus {
    exchange.feeds("gacc").subscription("risk").await.expect("found").status.expect("numbers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_run_beside_each_other_and_never_two_for_one_enterprise() {
    let mut exchange = Exchange::open().await;
    let records = (0..8).flat_map(|n| (0..5).map(move |enterprise| of(enterprise, n * 5 + enterprise)));
    exchange.publish("amr-330000", records.collect()).await;
    exchange.feeds("gacc").create(subscription("risk")).await.expect("made");

    // Enterprise 0 is slow: its first delivery waits until all of the others were handled.
    let (gate, opened) = watch::channel(false);
    let busy: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    let most = Arc::new(AtomicU64::new(0));
    let (noted, peak) = (busy.clone(), most.clone());
    let slow = examples::credit_code(0);
    let consumer = Consumer::start(
        &exchange,
        SubscribeOptions { concurrency: 4, ..options() },
        each(move |delivery: Delivery| {
            let (busy, most, mut opened) = (noted.clone(), peak.clone(), opened.clone());
            async move {
                let at = position(&delivery);
                let beside = {
                    let mut busy = busy.lock().expect("lock");
                    assert_eq!(busy.insert(delivery.order_key.clone(), at), None, "two at once of {}", delivery.order_key);
                    busy.len() as u64
                };
                most.fetch_max(beside, Ordering::SeqCst);
                if delivery.order_key == slow.as_str() {
                    opened.wait_for(|opened| *opened).await.map_err(|error| error.to_string())?;
                }
                busy.lock().expect("lock").remove(&delivery.order_key);
                Ok::<_, String>(Settle::Ack)
            }
        }),
    );
    until("all others", || async { consumer.watch.counts().acked == 32 }).await;
    assert_eq!(busy.lock().expect("lock").len(), 1, "the slow one holds up no other");
    gate.send_replace(true);
    until("the slow one", || async { consumer.watch.counts().acked == 40 }).await;
    let counts = consumer.stop().await.counts;
    assert_eq!((counts.acked, counts.retried, counts.stale), (40, 0, 0), "{counts:?}");
    assert!((2..=4).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_or_a_panic_is_retried_in_order_and_nothing_is_lost() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", (0..6).map(|n| of(n % 2, n)).collect()).await;
    exchange.feeds("gacc").create(subscription("risk")).await.expect("made");

    let handled: Arc<Mutex<Vec<(u64, u32)>>> = Arc::default();
    let noted = handled.clone();
    let consumer = Consumer::start(
        &exchange,
        SubscribeOptions { batch: 6, ..options() },
        each(move |delivery: Delivery| {
            let (at, attempt) = (position(&delivery), delivery.attempt);
            noted.lock().expect("lock").push((at, attempt));
            async move {
                match (at, attempt) {
                    (1, 1) => panic!("a handler of the test"),
                    (4, 1) => Err("the customs system is down"),
                    _ => Ok(()),
                }
            }
        }),
    );
    until("all acks", || async { consumer.watch.counts().acked == 6 }).await;
    assert_eq!(consumer.stop().await.counts.retried, 2);
    let handled = handled.lock().expect("lock").clone();
    for enterprise in [[1, 3, 5], [2, 4, 6]] {
        let failed = |at: u64, attempt: u32| matches!((at, attempt), (1 | 4, 1));
        let finished = handled.iter().filter(|(at, attempt)| enterprise.contains(at) && !failed(*at, *attempt));
        assert_eq!(finished.map(|(at, _)| *at).collect::<Vec<_>>(), enterprise, "{handled:?}");
    }
    exchange.stop_and_check().await;
}

/// Real time, and what the test adds to it.
struct Ahead {
    real: World,
    micros: AtomicU64,
}

impl Ahead {
    fn ahead(&self) -> u64 {
        self.micros.load(Ordering::SeqCst)
    }
}

impl Clock for Ahead {
    fn now(&self) -> i64 {
        self.real.clock.now() + i64::try_from(self.ahead()).expect("minutes")
    }

    fn monotonic(&self) -> Duration {
        self.real.clock.monotonic() + Duration::from_micros(self.ahead())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_is_lost_cancels_the_handlers_token() {
    let clock = Arc::new(Ahead { real: World::real(), micros: AtomicU64::new(0) });
    let world = World { clock: clock.clone(), ..World::real() };
    let mut exchange = Exchange::open_in(&world, |_| {}).await;
    exchange.publish("amr-330000", vec![nonconformity("amr-330000", 1)]).await;
    let mut short = subscription("risk");
    if let Some(settings) = &mut short.settings {
        settings.lease_total_seconds = 60;
    }
    exchange.feeds("gacc").create(short).await.expect("made");

    let started = Arc::new(Notify::new());
    let noted = started.clone();
    let consumer = Consumer::start(
        &exchange,
        options(),
        each_leased(move |Taken { delivery, lease, .. }| {
            let started = noted.clone();
            async move {
                if delivery.attempt > 1 {
                    return Settle::Ack;
                }
                started.notify_one();
                lease.lost().await;
                Settle::Release
            }
        }),
    );
    soon("the handler", started.notified()).await;
    // Beyond the total limit, whatever the heartbeats say.
    clock.micros.fetch_add(120_000_000, Ordering::SeqCst);
    until("the next attempt", || async {
        // The question wakes the gateway, which then looks at its leases.
        status(&exchange).await;
        consumer.watch.counts().acked == 1
    })
    .await;
    let counts = consumer.stop().await.counts;
    assert_eq!((counts.received, counts.released), (2, 0), "what is lost is not settled: {counts:?}");
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_finishes_what_runs_and_gives_back_the_rest_uncounted() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", (0..20).map(|n| nonconformity("amr-330000", n)).collect()).await;
    exchange.feeds("gacc").create(subscription("risk")).await.expect("made");

    let running = Arc::new(Notify::new());
    let (gate, opened) = watch::channel(false);
    let noted = running.clone();
    let consumer = Consumer::start(
        &exchange,
        options(),
        each(move |_: Delivery| {
            let (running, mut opened) = (noted.clone(), opened.clone());
            async move {
                running.notify_one();
                opened.wait_for(|opened| *opened).await.map(drop)
            }
        }),
    );
    soon("the first handler", running.notified()).await;
    consumer.stop.cancel();
    gate.send_replace(true);
    let summary = consumer.stop().await;
    assert_eq!((summary.counts.acked, summary.unconfirmed), (1, 0), "{summary:?}");
    let left = status(&exchange).await;
    assert_eq!((left.in_flight, left.retrying), (0, 0), "{left:?}");
    every_one_comes_again_at_its_first_attempt(&exchange, 19).await;
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_outlives_the_grace_is_cut_short_and_its_delivery_given_back() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", (0..3).map(|n| nonconformity("amr-330000", n)).collect()).await;
    exchange.feeds("gacc").create(subscription("risk")).await.expect("made");

    let running = Arc::new(Notify::new());
    let noted = running.clone();
    let consumer = Consumer::start(
        &exchange,
        SubscribeOptions { drain_within: Duration::ZERO, ..options() },
        each(move |_: Delivery| {
            noted.notify_one();
            pending::<Settle>()
        }),
    );
    soon("the first handler", running.notified()).await;
    let summary = consumer.stop().await;
    assert_eq!((summary.counts.released, summary.unconfirmed), (1, 0), "{summary:?}");
    every_one_comes_again_at_its_first_attempt(&exchange, 3).await;
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_takes_too_long_is_retried() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", vec![nonconformity("amr-330000", 1)]).await;
    exchange.feeds("gacc").create(subscription("risk")).await.expect("made");
    let consumer = Consumer::start(
        &exchange,
        SubscribeOptions { handle_within: Some(Duration::ZERO), ..options() },
        each(|delivery: Delivery| async move {
            if delivery.attempt == 1 {
                pending::<()>().await;
            }
            Settle::Ack
        }),
    );
    until("the second attempt", || async { consumer.watch.counts().acked == 1 }).await;
    assert_eq!(consumer.stop().await.counts.retried, 1);
    exchange.stop_and_check().await;
}

/// Takes what is left in batches, and acknowledges it.
async fn every_one_comes_again_at_its_first_attempt(exchange: &Exchange, left: u64) {
    let attempts: Arc<Mutex<Vec<u32>>> = Arc::default();
    let noted = attempts.clone();
    let consumer = Consumer::start(
        exchange,
        SubscribeOptions { batch: 100, ..options() },
        in_batches(move |batch: Vec<Taken>| {
            noted.lock().expect("lock").extend(batch.iter().map(|taken| taken.delivery.attempt));
            async move { vec![Settle::Ack; batch.len()] }
        }),
    );
    until("the rest", || async { consumer.watch.counts().acked == left }).await;
    consumer.stop().await;
    let attempts = attempts.lock().expect("lock").clone();
    assert!(attempts.len() as u64 == left && attempts.iter().all(|attempt| *attempt == 1), "{attempts:?}");
}
