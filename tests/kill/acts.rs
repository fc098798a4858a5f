//! The clients: each writes down what it asks before it asks, and what it is answered.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use tongbao::{
    cli::house::House,
    client::Feeds,
    domain::records::{Matter, examples},
    proto::{self, seek_to::To, settlement::Verb, subscribe_request::Message as Say, subscribe_response::Message as Heard},
};

use super::{
    AGAIN, Act, PUBLISHERS, Scene, connection,
    exchange::{
        position, record,
        stream::{Stream, open, settlement},
    },
    history::{Asked, Event, Placed},
    mix, publisher,
};

/// Enterprises that records are about: few, so that order has something to hold.
const ENTERPRISES: u64 = 60;
/// A seek goes back over fewer positions than this.
const BACK: u64 = 40;
const BETWEEN_SEEKS: Duration = Duration::from_millis(50);
/// Most records of a batch.
const BATCH: u64 = 12;

/// The `n`-th record, the same whenever it is made.
fn numbered(n: u64) -> proto::Record {
    let mut nonconformity = examples::nonconformity(n);
    nonconformity.producer = examples::enterprise(mix(n) % ENTERPRISES);
    record(&format!("amr-330000/nc-{n}"), None, Matter::Nonconformity(Box::new(nonconformity)))
}

fn placed(answer: &proto::PublishResponse) -> Vec<Placed> {
    answer.records.iter().map(|record| Placed { record_id: record.record_id.clone(), position: record.position }).collect()
}

/// Publishes batch after batch with the same ids until each is answered.
pub async fn publish(scene: Arc<Scene>, house: Arc<House>, nth: u64) {
    let publisher = publisher(&house);
    let mut next = nth;
    let mut answers = scene.answers.subscribe();
    while !scene.finish.is_cancelled() {
        // Not further ahead of the consumer than this, so that it comes to everything.
        let _ = answers.wait_for(|_| !scene.is_far_ahead()).await;
        let size = 1 + mix(scene.seed ^ next) % BATCH;
        let records: Vec<_> = (0..size).map(|n| numbered(next + n * PUBLISHERS)).collect();
        next += size * PUBLISHERS;
        scene.history.note(Event::PublishAsked(records.iter().map(|record| record.record_id.clone()).collect()));
        scene.begin(Act::Publish, 1);
        let answer = publisher.publish_batch(records).await;
        scene.finished(Act::Publish, 1);
        let (answer, _) = answer.expect("nothing is wrong with it");
        scene.history.note(Event::Published(placed(&answer)));
        scene.begin(Act::Deliver, size);
        scene.answered(Act::Publish, 1);
    }
}

/// Every record that was answered, again: a duplicate each time, and the checker compares the positions.
pub async fn publish_again(scene: &Scene, house: &House) -> usize {
    let publisher = publisher(house);
    let answered: BTreeSet<u64> = scene
        .history
        .events()
        .iter()
        .flat_map(|event| match event {
            Event::Published(records) => records.clone(),
            _ => Vec::new(),
        })
        .filter_map(|record| record.record_id.strip_prefix("amr-330000/nc-")?.parse().ok())
        .collect();
    for numbers in answered.iter().copied().collect::<Vec<_>>().chunks(500) {
        let records = numbers.iter().map(|n| numbered(*n)).collect();
        let (answer, _) = publisher.publish_batch(records).await.expect("the same content is the same answer");
        for record in &answer.records {
            assert!(record.duplicate, "{} was answered and is lost", record.record_id);
        }
        scene.history.note(Event::Published(placed(&answer)));
    }
    answered.len()
}

/// What is said of a delivery: by its position and the seed, so that each run says the same.
fn verdict(scene: &Scene, delivery: &proto::Delivery, first_time: bool) -> Verb {
    if scene.finish.is_cancelled() {
        return Verb::Ack(proto::Ack {});
    }
    match mix(scene.seed ^ position(delivery)) % 24 {
        0 | 1 if delivery.attempt < 3 => Verb::Retry(proto::Retry { delay_ms: 0, reason: "BUSY".to_owned() }),
        // Given back once: it comes again at once, and would for ever.
        2 if first_time => Verb::Release(proto::Release {}),
        3 | 4 if !delivery.redriven => Verb::Reject(proto::Reject { reason: "NOT_OURS".to_owned() }),
        _ => Verb::Ack(proto::Ack {}),
    }
}

/// One stream after the other, every word of it in the order in which it came. Each stream is a session of its own.
pub async fn subscribe(scene: Arc<Scene>, house: Arc<House>) {
    let connection = connection(&house, "gacc");
    let (mut sessions, mut seen) = (0, BTreeSet::new());
    while !scene.end.is_cancelled() {
        sessions += 1;
        let first = proto::Open { take_over: true, ..open("risk", sessions as u8) };
        scene.does(format!("opens stream {sessions}"));
        let Ok(stream) = Stream::open(&connection, first).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        scene.history.note(Event::Opened);
        let mut consumer = Consumer { scene: &scene, stream, asked: BTreeMap::new(), seen: &mut seen };
        consumer.run(&scene.end).await;
        scene.finished(Act::Settle, consumer.asked.len() as u64);
    }
}

struct Consumer<'a> {
    scene: &'a Scene,
    stream: Stream,
    /// Requests without answer and their items.
    asked: BTreeMap<u64, usize>,
    /// Positions that came before, on this stream or an earlier one.
    seen: &'a mut BTreeSet<u64>,
}

impl Consumer<'_> {
    /// Ends when the stream breaks: the gateway was killed.
    async fn run(&mut self, end: &CancellationToken) {
        loop {
            self.scene.does("listens");
            let heard = tokio::select! {
                heard = self.stream.hear() => heard,
                () = end.cancelled() => return,
            };
            match heard {
                Some(Heard::Deliveries(batch)) => {
                    if self.take(&batch.deliveries).await.is_none() {
                        return;
                    }
                }
                Some(Heard::Settled(settled)) => self.settled(&settled),
                Some(Heard::LeaseLost(lost)) => self.scene.history.note_all(lost.leases.iter().map(|lease| Event::LeaseLost {
                    position: lease.position,
                    token: lease.token.map_or((0, 0), |token| (token.epoch, token.send_number)),
                    expired: lease.reason == "expired",
                })),
                Some(_) => {}
                None => return,
            }
        }
    }

    async fn take(&mut self, batch: &[proto::Delivery]) -> Option<()> {
        let scene = self.scene;
        scene.history.deliveries(batch);
        let fresh = batch.iter().filter(|delivery| !self.seen.contains(&position(delivery))).count() as u64;
        scene.finished(Act::Deliver, fresh);
        scene.answered(Act::Deliver, batch.len() as u64);
        let request = scene.requests.fetch_add(1, Ordering::SeqCst) + 1;
        let item = |delivery| settlement(delivery, verdict(scene, delivery, self.seen.insert(position(delivery))));
        let items: Vec<_> = batch.iter().map(item).collect();
        scene.history.note(Event::SettleAsked { request, items: items.iter().filter_map(Asked::of).collect() });
        self.asked.insert(request, items.len());
        scene.does(format!("says settle {request}"));
        scene.begin(Act::Settle, 1);
        self.stream.try_say(Say::Settle(proto::Settlements { request_id: request, items })).await
    }

    fn settled(&mut self, settled: &proto::Settled) {
        let results = settled.items.iter().map(proto::SettledItem::result).collect();
        self.scene.history.note(Event::Settled { request: settled.request_id, results });
        if self.asked.remove(&settled.request_id).is_some() {
            self.scene.finished(Act::Settle, 1);
            self.scene.answered(Act::Settle, 1);
        }
    }
}

/// Puts dead letters back, again and again.
pub async fn redrive(scene: Arc<Scene>, house: Arc<House>) {
    let feeds = Feeds::new(&connection(&house, "gacc"));
    let mut runs = 0;
    while !scene.finish.is_cancelled() {
        tokio::time::sleep(AGAIN.initial).await;
        let request = proto::ListDeadLettersRequest { subscription: "risk".to_owned(), page_size: 5, ..Default::default() };
        let Ok(page) = feeds.dead_letters(request).await else { continue };
        let positions: Vec<_> = page.dead_letters.iter().map(|letter| letter.position).collect();
        if positions.is_empty() {
            continue;
        }
        // Before it is asked for: the delivery may be faster than the answer.
        scene.history.note(Event::RedriveAsked(positions.clone()));
        let selector = Some(proto::DeadLetterSelector { positions: positions.clone(), ..Default::default() });
        runs += 1;
        let (subscription, request_id) = ("risk".to_owned(), format!("run-{runs}"));
        let request = proto::RedriveDeadLettersRequest { subscription, selector, request_id, ..Default::default() };
        scene.begin(Act::Redrive, 1);
        // It goes on over kills, until it is answered.
        let answer = feeds.redrive(request).with_retry(&AGAIN).finish().await;
        scene.finished(Act::Redrive, 1);
        let answer = answer.expect("nothing is wrong with it");
        scene.history.note(Event::Redriven { positions, count: answer.done });
        scene.answered(Act::Redrive, 1);
    }
}

/// Moves the place back a little, again and again: what was settled since comes once more.
pub async fn seek(scene: Arc<Scene>, house: Arc<House>) {
    let feeds = Feeds::new(&connection(&house, "gacc"));
    for nth in 0.. {
        tokio::time::sleep(BETWEEN_SEEKS).await;
        if scene.finish.is_cancelled() {
            return;
        }
        let Ok(standing) = feeds.subscription("risk").await else { continue };
        let place = standing.place.unwrap_or_default();
        let to = place.position.saturating_sub(mix(scene.seed ^ nth) % BACK);
        scene.begin(Act::Seek, 1);
        let answer = feeds.seek("risk", To::Cursor(proto::Cursor { position: to, ..place }), "").await;
        scene.finished(Act::Seek, 1);
        if answer.is_ok() {
            scene.history.note(Event::SeekAnswered { to });
            scene.answered(Act::Seek, 1);
        }
    }
}
