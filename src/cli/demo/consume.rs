//! Step b: customs receives the feed, retries, rejects, redrives, is cut off, resumes, and acknowledges all.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{Stage, Telling, publishing::REGULATOR, wire::Wire};
use crate::{
    cli::{Exit, Failure},
    client::{
        ClientError, Connection, Counts, Feeds, Happening, Place, Publisher, PublisherOptions, Settle, SubscribeOptions,
        Subscriber, Summary, Watch, each,
    },
    domain::{
        ids::RecordId,
        records::{Content, Matter, examples},
    },
    proto::{
        CreateSubscriptionRequest, DeadLetterSelector, Delivery, Filter, ListDeadLettersRequest, RedriveDeadLettersRequest,
        SubscriptionSettings,
    },
    wire,
};

/// Name of the subscription.
const NAME: &str = "customs-demo";
/// Waiting for what must happen ends here.
const PATIENCE: Duration = Duration::from_secs(20);
/// Records published one by one to measure the way from publish to confirmed acknowledgement.
const SAMPLES: u64 = 100;

/// What the consumer was handed: by position, the attempts.
type Seen = Arc<Mutex<BTreeMap<u64, Vec<u32>>>>;

/// A consumer at work.
struct Consumer {
    stop: CancellationToken,
    watch: Watch,
    happenings: mpsc::UnboundedReceiver<Happening>,
    task: JoinHandle<Result<Summary, ClientError>>,
    seen: Seen,
}

/// Step b.
pub(super) async fn consume(stage: &mut Stage<'_>, tell: &mut Telling<'_>) -> Result<(), Failure> {
    let feeds = Feeds::new(&stage.connect("gacc")?);
    let filter = Filter { feeds: vec!["failed-products".to_owned()], ..Filter::default() };
    let settings = SubscriptionSettings { filter: Some(filter), retry_initial_ms: 100, ..SubscriptionSettings::default() };
    let request = CreateSubscriptionRequest { name: NAME.to_owned(), settings: Some(settings), start: None };
    feeds.create(request).await?;
    let expected: Vec<u64> = stage.failed.iter().map(|(_, answer)| answer.position).collect();
    let (Some(retried), Some(rejected)) = (expected.first().copied(), expected.get(1).copied()) else {
        return Err(Failure::new(Exit::Failed, "DEMO", "没有可投递的记录", "there is nothing to deliver"));
    };
    let wire = Wire::to(stage.house.address()).await?;
    let mut consumer = attach(stage, &wire, retried, rejected)?;
    consumer.until(|counts| counts.acked + counts.rejected >= expected.len() as u64).await?;
    tell.require(
        consumer.attempts(retried) == [1, 2] && consumer.attempts(rejected) == [1],
        format!("位置 {retried} 第一次处理失败，退避后第二次成功；位置 {rejected} 拒收，进入死信"),
        format!("position {retried} failed once and succeeded after a backoff; position {rejected} was rejected: a dead letter"),
    );
    redrive(&feeds, tell, &mut consumer, rejected).await?;
    resume(stage, tell, &wire, &mut consumer).await?;
    measure(stage, &mut consumer).await?;
    finish(stage, tell, consumer, &feeds).await
}

fn attach(stage: &Stage<'_>, wire: &Wire, retried: u64, rejected: u64) -> Result<Consumer, Failure> {
    let near = wire.address();
    let profile = stage.house.profile("gacc")?;
    let profile = crate::client::Profile { place: Place { host: near.ip().to_string(), port: near.port() }, ..profile };
    let connection = Connection::open(&profile, stage.context.lang, stage.context.world.clock.clone())?;
    let seen: Seen = Arc::default();
    let noted = seen.clone();
    let handler = each(move |delivery: Delivery| {
        let verdict = judge(&noted, &delivery, retried, rejected);
        async move { verdict }
    });
    let (told, happenings) = mpsc::unbounded_channel();
    let options = SubscribeOptions::new(NAME, stage.context.world.random());
    let subscriber = Subscriber::telling(&connection, options, move |happening| {
        // Nobody listens any more once the step is over.
        let _ = told.send(happening);
    });
    let (stop, watch) = (CancellationToken::new(), subscriber.watch());
    let task = tokio::spawn(subscriber.run(Arc::new(handler), stop.clone()));
    Ok(Consumer { stop, watch, happenings, task, seen })
}

/// The consumer's judgement: one record fails at first, one is refused for good, all else is taken over.
fn judge(seen: &Seen, delivery: &Delivery, retried: u64, rejected: u64) -> Settle {
    let position = delivery.record.as_ref().map_or(0, |record| record.position);
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let attempts = seen.entry(position).or_default();
    attempts.push(delivery.attempt);
    if position == retried && delivery.attempt == 1 {
        return Settle::retry("BACK_END_BUSY");
    }
    if position == rejected && !delivery.redriven {
        return Settle::Reject { reason: "UNREADABLE".to_owned() };
    }
    Settle::Ack
}

impl Consumer {
    fn attempts(&self, position: u64) -> Vec<u32> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&position).cloned().unwrap_or_default()
    }

    /// Waits until the numbers say so.
    async fn until(&mut self, holds: impl Fn(&Counts) -> bool) -> Result<(), Failure> {
        let waiting = async {
            while !holds(&self.watch.counts()) {
                if self.happenings.recv().await.is_none() {
                    return;
                }
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        if waited.is_ok() && holds(&self.watch.counts()) {
            return Ok(());
        }
        let counts = self.watch.counts();
        Err(Failure::new(Exit::Failed, "DEMO", format!("等待超时：{counts:?}"), format!("waited in vain: {counts:?}")))
    }
}

async fn redrive(feeds: &Feeds, tell: &mut Telling<'_>, consumer: &mut Consumer, rejected: u64) -> Result<(), Failure> {
    let letters = feeds.dead_letters(ListDeadLettersRequest { subscription: NAME.to_owned(), ..Default::default() }).await?;
    let is_kept = letters.dead_letters.iter().any(|letter| letter.position == rejected && letter.reason == "UNREADABLE");
    tell.require(
        letters.dead_letters.len() == 1 && is_kept,
        "死信 1 条，带原因和经过",
        "one dead letter, kept with its reason and history",
    );
    let before = consumer.watch.counts().acked;
    let selector = Some(DeadLetterSelector { positions: vec![rejected], ..Default::default() });
    let request = RedriveDeadLettersRequest { subscription: NAME.to_owned(), selector, ..Default::default() };
    let redriven = feeds.redrive(request).finish().await?.done;
    consumer.until(|counts| counts.acked > before).await?;
    tell.require(
        redriven == 1 && consumer.attempts(rejected).len() == 2,
        "重投后确认收到",
        "redriven, and acknowledged this time",
    );
    Ok(())
}

/// Cuts the wire while records are on their way; the consumer comes back by itself.
async fn resume(stage: &mut Stage<'_>, tell: &mut Telling<'_>, wire: &Wire, consumer: &mut Consumer) -> Result<(), Failure> {
    let publisher = Publisher::new(&stage.connect(REGULATOR)?, PublisherOptions::default());
    let before = consumer.watch.counts();
    let (first, second) = (1_000..1_150, 1_150..1_300);
    let mut positions = publish_examples(&publisher, first).await?;
    consumer.until(|counts| counts.acked > before.acked).await?;
    wire.cut();
    positions.extend(publish_examples(&publisher, second).await?);
    consumer.until(|counts| counts.acked >= before.acked + 300).await?;
    let seen = consumer.seen.lock().unwrap_or_else(PoisonError::into_inner);
    let missing = positions.iter().filter(|position| !seen.contains_key(position)).count();
    let doubled = positions.iter().filter(|position| seen.get(position).is_some_and(|attempts| attempts.len() > 1)).count();
    drop(seen);
    let streams = consumer.watch.counts().streams;
    tell.require(
        missing == 0 && doubled == 0 && streams >= 2,
        format!("投递途中断线：第 {streams} 次连接后续传 300 条，缺 {missing}，重 {doubled}"),
        format!("cut in the middle: resumed on stream {streams}; of 300 records {missing} lost, {doubled} handled twice"),
    );
    Ok(())
}

async fn publish_examples(publisher: &Publisher, numbers: std::ops::Range<u64>) -> Result<Vec<u64>, Failure> {
    let records = numbers
        .filter_map(|number| {
            let id = RecordId::parse(&format!("{REGULATOR}/demo-{number}")).ok()?;
            Some(wire::publishable(&id, None, &example(number), None))
        })
        .collect();
    let (answer, _) = publisher.publish_batch(records).await?;
    Ok(answer.records.iter().map(|record| record.position).collect())
}

fn example(number: u64) -> Content {
    Content { matter: Matter::Nonconformity(Box::new(examples::nonconformity(number))), withdrawal: None }
}

/// Publishes one record after the other and waits for the confirmed acknowledgement of each.
async fn measure(stage: &mut Stage<'_>, consumer: &mut Consumer) -> Result<(), Failure> {
    let publisher = Publisher::new(&stage.connect(REGULATOR)?, PublisherOptions::default());
    for number in 0..SAMPLES {
        let before = consumer.watch.counts().acked;
        let started = stage.context.world.clock.monotonic();
        publish_examples(&publisher, 2_000 + number..2_001 + number).await?;
        consumer.until(|counts| counts.acked > before).await?;
        let took = stage.context.world.clock.monotonic().saturating_sub(started);
        stage.latencies.push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
    Ok(())
}

async fn finish(stage: &mut Stage<'_>, tell: &mut Telling<'_>, consumer: Consumer, feeds: &Feeds) -> Result<(), Failure> {
    consumer.stop.cancel();
    let summary = match consumer.task.await {
        Ok(summary) => summary?,
        Err(error) => return Err(std::io::Error::other(error).into()),
    };
    let status = feeds.subscription(NAME).await?.status.unwrap_or_default();
    tell.require(
        summary.unconfirmed == 0 && status.floor == status.head && status.dead_letters == 0,
        format!("全部确认：位置 {} 之前没有未了的投递", status.head),
        format!("all acknowledged: nothing is open at or below position {}", status.head),
    );
    let counts = summary.counts;
    stage.counts.delivered = counts.received;
    stage.counts.acknowledged = counts.acked;
    stage.counts.retried = counts.retried;
    stage.counts.dead_lettered = counts.rejected;
    stage.counts.redriven = 1;
    stage.counts.streams = counts.streams;
    Ok(())
}
