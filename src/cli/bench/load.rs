//! Publishing, delivery, and the way from one to the other.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Bench, Latency, Measure};
use crate::{
    cli::{Exit, Failure, output::progress},
    client::{BatchBounds, Feeds, Publisher, PublisherOptions, SubscribeOptions, Subscriber, Verdict, each},
    clock::Clock,
    domain::{
        ids::RecordId,
        records::{Content, Matter, examples},
    },
    proto::{CreateSubscriptionRequest, Delivery, Record, StartAt, start_at::At},
    wire,
};

/// Bytes of a record's content.
pub(super) const PAYLOAD_BYTES: usize = 1_024;
/// Records made at once; making them is not measured.
const CHUNK: u64 = 20_000;
/// Who publishes.
const PUBLISHER: &str = "amr-440000";
/// Waiting for deliveries ends when nothing arrives for so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// The `n`-th record: 1 KiB, each of another enterprise.
fn record(number: u64) -> Option<Record> {
    let mut nonconformity = examples::nonconformity(number);
    let id = RecordId::parse(&format!("{PUBLISHER}/bench-{number}")).ok()?;
    let mut record = publishable(&id, &nonconformity);
    let missing = PAYLOAD_BYTES.saturating_sub(record.sections.iter().map(|section| section.content.len()).sum());
    // What the list says of the handling is free text: the place for padding, at most 500 characters of three bytes.
    nonconformity.handling_raw = "整".repeat(missing.saturating_sub(4) / 3);
    record = publishable(&id, &nonconformity);
    Some(record)
}

fn publishable(id: &RecordId, nonconformity: &crate::domain::records::Nonconformity) -> Record {
    let content = Content { matter: Matter::Nonconformity(Box::new(nonconformity.clone())), withdrawal: None };
    wire::publishable(id, None, &content, None)
}

/// Publishes in batches, several in flight.
pub(super) async fn publish(bench: &Bench<'_>) -> Result<Measure, Failure> {
    let bounds = BatchBounds { records: bench.arguments.batch as usize, ..BatchBounds::GATEWAY };
    let options = PublisherOptions { bounds, in_flight: bench.arguments.in_flight as usize, ..PublisherOptions::default() };
    let publisher = Publisher::new(&bench.connect(PUBLISHER)?, options);
    let records = bench.arguments.records;
    let bar = progress(bench.context, records, bench.context.say("发布", "publish"));
    let mut took = Duration::ZERO;
    for first in (0..records).step_by(CHUNK as usize) {
        let chunk: Vec<Record> = (first..(first + CHUNK).min(records)).filter_map(record).collect();
        let started = bench.now();
        publisher.publish(chunk, |answer| bar.inc(answer.records.len() as u64)).await.map_err(|stopped| stopped.error)?;
        took += bench.now().saturating_sub(started);
    }
    bar.finish_and_clear();
    let what = format!("publish, batches of {}, {} in flight", bench.arguments.batch, bench.arguments.in_flight);
    Ok(bench.measure(&what, records, took, None))
}

/// Delivers everything to one subscriber that acknowledges all of it, every acknowledgement confirmed.
pub(super) async fn deliver(bench: &Bench<'_>) -> Result<Measure, Failure> {
    let connection = bench.connect("gacc")?;
    create(bench, "bench-deliver", At::Earliest(true)).await?;
    let options = SubscribeOptions {
        window_records: 20_000,
        window_bytes: 64 << 20,
        batch: 1_000,
        ..SubscribeOptions::new("bench-deliver", bench.context.world.random())
    };
    let settled = Arc::new(Notify::new());
    let told = settled.clone();
    let subscriber = Subscriber::telling(&connection, options, move |_| told.notify_one());
    let (stop, watch) = (CancellationToken::new(), subscriber.watch());
    let started = bench.now();
    let task = tokio::spawn(subscriber.run(Arc::new(each(|_: Delivery| async { Verdict::Ack })), stop.clone()));
    let records = bench.arguments.records;
    let bar = progress(bench.context, records, bench.context.say("投递", "deliver"));
    while watch.counts().acked < records {
        let waited = tokio::time::timeout(PATIENCE, settled.notified()).await;
        bar.set_position(watch.counts().acked);
        if waited.is_err() || task.is_finished() {
            return Err(lost(watch.counts().acked, records));
        }
    }
    let took = bench.now().saturating_sub(started);
    bar.finish_and_clear();
    stop.cancel();
    task.await.map_err(std::io::Error::other)??;
    Ok(bench.measure("deliver, 1 subscriber, confirmed acks", records, took, None))
}

/// Publishes single records at a fixed rate, whatever the answers do (open loop), and takes the time from the moment each was due
/// until it is in the consumer's hands.
pub(super) async fn latency(bench: &Bench<'_>) -> Result<Measure, Failure> {
    let (rate, count) = (bench.arguments.rate, bench.arguments.rate * bench.arguments.seconds);
    let base = bench.arguments.records;
    create(bench, "bench-latency", At::Latest(true)).await?;
    let clock = bench.context.world.clock.clone();
    let histogram = Arc::new(Mutex::new(new_histogram()?));
    let due = Arc::new(Due { started: Mutex::new(Duration::MAX), period_ns: 1_000_000_000 / rate, base });
    let arrived = Arc::new(Notify::new());
    let handler = {
        let (histogram, due, clock, arrived) = (histogram.clone(), due.clone(), clock.clone(), arrived.clone());
        each(move |delivery: Delivery| {
            due.arrived(&delivery, &*clock, &histogram);
            arrived.notify_one();
            async { Verdict::Ack }
        })
    };
    let options = SubscribeOptions { batch: 256, ..SubscribeOptions::new("bench-latency", bench.context.world.random()) };
    let opened = Arc::new(Notify::new());
    let told = opened.clone();
    let subscriber = Subscriber::telling(&bench.connect("gacc")?, options, move |happening| {
        if matches!(happening, crate::client::Happening::Opened(_)) {
            told.notify_one();
        }
    });
    let (stop, watch) = (CancellationToken::new(), subscriber.watch());
    let task = tokio::spawn(subscriber.run(Arc::new(handler), stop.clone()));
    opened.notified().await;
    let records: Vec<Record> = (base..base + count).filter_map(record).collect();
    let started = clock.monotonic();
    due.begin(started);
    send_at_rate(bench, records, &due, &*clock).await?;
    while watch.counts().received < count {
        if tokio::time::timeout(PATIENCE, arrived.notified()).await.is_err() {
            return Err(lost(watch.counts().received, count));
        }
    }
    let took = clock.monotonic().saturating_sub(started);
    stop.cancel();
    task.await.map_err(std::io::Error::other)??;
    let latency = latency_of(&histogram.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(bench.measure(&format!("published → delivered, open loop at {rate}/s"), count, took, Some(latency)))
}

async fn send_at_rate(bench: &Bench<'_>, records: Vec<Record>, due: &Due, clock: &dyn Clock) -> Result<(), Failure> {
    let publisher = Publisher::new(&bench.connect(PUBLISHER)?, PublisherOptions::default());
    let mut sending = tokio::task::JoinSet::new();
    for (index, record) in (0..).zip(records) {
        let wait = due.at(index).saturating_sub(clock.monotonic());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let publisher = publisher.clone();
        sending.spawn(async move { publisher.publish_batch(vec![record]).await.map(|_| ()) });
    }
    while let Some(sent) = sending.join_next().await {
        sent.map_err(std::io::Error::other)??;
    }
    Ok(())
}

/// When each record was due.
struct Due {
    started: Mutex<Duration>,
    period_ns: u64,
    base: u64,
}

impl Due {
    fn begin(&self, now: Duration) {
        *self.started.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    fn at(&self, index: u64) -> Duration {
        let started = *self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.saturating_add(Duration::from_nanos(self.period_ns * index))
    }

    fn arrived(&self, delivery: &Delivery, clock: &dyn Clock, histogram: &Mutex<Histogram<u64>>) {
        let id = delivery.record.as_ref().and_then(|record| record.record_id.rsplit_once('-'));
        let Some(number) = id.and_then(|(_, number)| number.parse::<u64>().ok()).and_then(|n| n.checked_sub(self.base)) else {
            return;
        };
        let late = clock.monotonic().saturating_sub(self.at(number));
        let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        histogram.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(micros);
    }
}

/// Microseconds up to a minute, three digits.
pub(super) fn new_histogram() -> Result<Histogram<u64>, Failure> {
    Histogram::new_with_bounds(1, 60_000_000, 3).map_err(|error| std::io::Error::other(error.to_string()).into())
}

/// The percentiles of a histogram.
pub(super) fn latency_of(histogram: &Histogram<u64>) -> Latency {
    Latency { p50: histogram.value_at_quantile(0.5), p99: histogram.value_at_quantile(0.99), max: histogram.max() }
}

async fn create(bench: &Bench<'_>, name: &str, at: At) -> Result<(), Failure> {
    let start = Some(StartAt { at: Some(at) });
    let filter = crate::proto::Filter { feeds: vec!["failed-products".to_owned()], ..Default::default() };
    let settings = Some(crate::proto::SubscriptionSettings { filter: Some(filter), max_in_flight: 50_000, ..Default::default() });
    let request = CreateSubscriptionRequest { name: name.to_owned(), settings, start };
    Feeds::new(&bench.connect("gacc")?).create(request).await?;
    Ok(())
}

fn lost(arrived: u64, expected: u64) -> Failure {
    Failure::new(
        Exit::Failed,
        "BENCH",
        format!("只收到 {arrived}/{expected} 条"),
        format!("only {arrived} of {expected} records arrived"),
    )
}
