//! Fifty kills of the real process while it publishes, settles and redrives. What was answered stands; what was settled is not sent
//! again; the evidence verifies; and at last every position is acknowledged or dead.
//!
//! The kills are chosen by a seed: each comes when so many answers were counted. What is in flight at that moment is left to
//! chance, and counted.

mod exchange;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use exchange::{check_everything, nonconformity, position, soon, store_path, subscription};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tongbao::{
    cli::house::House,
    client::{
        Connection, Evidence, Feeds, Publisher, PublisherOptions, RetryPolicy, SubscribeOptions, Subscriber, Verdict, each,
    },
    clock::World,
    domain::{
        evidence::{Frontier, VerifierKey, leaf_hash, read_entry, verify_checkpoint},
        violation::Lang,
    },
    proto,
};

const KILLS: usize = 50;
/// Everything in the store is read after so many kills, and at the end.
const CHECK_EVERY: usize = 10;
/// Records of a batch.
const BATCH: u64 = 10;
/// Publishers at once.
const PUBLISHERS: u64 = 2;
const SEED: u64 = 0x5eed_0002_2020_0051;

/// Waits briefly, for ever: the gateway is away for a moment only.
const AGAIN: RetryPolicy = RetryPolicy {
    initial: Duration::from_millis(10),
    factor: 1.5,
    longest: Duration::from_millis(50),
    spread: 0.2,
    give_up_after: None,
};

/// The same numbers in each run (splitmix64).
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// What the clients know.
#[derive(Default)]
struct Known {
    /// Record id → position, as answered.
    published: BTreeMap<String, u64>,
    /// Positions whose ack or reject was confirmed, and not redriven since.
    settled: BTreeSet<u64>,
    /// Positions put back, perhaps: a redrive was asked for.
    redriven: BTreeSet<u64>,
    /// What must not be: one line each.
    wrong: Vec<String>,
    acks: u64,
    retries: u64,
    rejects: u64,
}

struct Scene {
    known: Mutex<Known>,
    /// Answers so far, for the one who kills.
    answers: watch::Sender<u64>,
    /// Calls that wait for an answer now: publishes, settles, redrives.
    in_flight: [AtomicU64; 3],
    stop: CancellationToken,
}

impl Scene {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("nobody panics with it")
    }

    fn answered(&self, count: u64) {
        self.answers.send_modify(|answers| *answers += count);
    }
}

/// The real program.
struct Gateway {
    child: Child,
}

impl Gateway {
    async fn start(house: &House, probe: &Connection) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_tongbao"))
            .args(["serve", "--config"])
            .arg(house.config_file())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        exchange::until("the gateway", || async { probe.greet().await.is_ok() }).await;
        Self { child }
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it is dead");
    }
}

fn connection(house: &House, who: &str) -> Connection {
    Connection::open(&house.profile(who).expect("a profile"), Lang::En, World::real().clock).expect("a connection")
}

/// Publishes batch after batch with the same ids until each is answered.
async fn publish(scene: Arc<Scene>, house: Arc<House>, nth: u64) {
    let publisher =
        Publisher::new(&connection(&house, "amr-330000"), PublisherOptions { retry: AGAIN, ..PublisherOptions::default() });
    for batch in 0.. {
        let first = (batch * PUBLISHERS + nth) * BATCH;
        let records = (first..first + BATCH).map(|n| nonconformity("amr-330000", n)).collect();
        scene.in_flight[0].fetch_add(1, Ordering::SeqCst);
        let answer = publisher.publish_batch(records).await;
        scene.in_flight[0].fetch_sub(1, Ordering::SeqCst);
        let (answer, _) = answer.expect("nothing is wrong with it");
        let mut known = scene.known();
        for record in answer.records {
            known.published.insert(record.record_id, record.position);
        }
        drop(known);
        scene.answered(1);
        if scene.stop.is_cancelled() {
            return;
        }
    }
}

/// What is said of a delivery: by its position alone, so that each run says the same.
fn verdict(delivery: &proto::Delivery) -> Verdict {
    match mix(position(delivery)) % 20 {
        0 | 1 if delivery.attempt == 1 && !delivery.redriven => Verdict::retry("BUSY"),
        2 if !delivery.redriven => Verdict::Reject { reason: "NOT_OURS".to_owned() },
        _ => Verdict::Ack,
    }
}

/// One stream after the other, with every word noted.
async fn subscribe(scene: Arc<Scene>, house: Arc<House>) {
    let connection = connection(&house, "gacc");
    while !scene.stop.is_cancelled() {
        let opened = exchange::stream::Stream::open(&connection, exchange::stream::open("risk", 5)).await;
        let Ok(mut stream) = opened else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        // An error is the cut; the next stream goes on.
        while let Some(batch) = stream.next_batch(&scene.stop).await {
            note_deliveries(&scene, &batch);
            let verdicts: Vec<_> = batch.iter().map(verdict).collect();
            let items =
                batch.iter().zip(&verdicts).map(|(delivery, verdict)| exchange::stream::settlement(delivery, verdict.verb()));
            scene.in_flight[1].fetch_add(1, Ordering::SeqCst);
            let answers = stream.try_settle(items.collect()).await;
            scene.in_flight[1].fetch_sub(1, Ordering::SeqCst);
            let Some(answers) = answers else { break };
            note_answers(&scene, &batch, &verdicts, &answers);
        }
    }
}

fn note_deliveries(scene: &Scene, batch: &[proto::Delivery]) {
    let mut known = scene.known();
    for delivery in batch {
        let at = position(delivery);
        if !known.settled.contains(&at) {
            continue;
        }
        if delivery.redriven && known.redriven.contains(&at) {
            known.settled.remove(&at);
        } else {
            known.wrong.push(format!("{at} came again after its settle was confirmed (attempt {})", delivery.attempt));
        }
    }
}

fn note_answers(scene: &Scene, batch: &[proto::Delivery], verdicts: &[Verdict], answers: &[proto::SettleResult]) {
    let mut known = scene.known();
    for ((delivery, verdict), answer) in batch.iter().zip(verdicts).zip(answers) {
        match (answer, verdict) {
            (proto::SettleResult::Ok, Verdict::Ack) => {
                known.settled.insert(position(delivery));
                // Put back once, it may come once.
                known.redriven.remove(&position(delivery));
                known.acks += 1;
            }
            (proto::SettleResult::Ok, Verdict::Reject { .. }) => {
                known.settled.insert(position(delivery));
                known.rejects += 1;
            }
            (proto::SettleResult::Ok, _) => known.retries += 1,
            // Another sending is out, or the same is to be said again when it comes.
            _ => {}
        }
    }
    drop(known);
    scene.answered(1);
}

/// Puts dead letters back, again and again.
async fn redrive(scene: Arc<Scene>, house: Arc<House>) -> u64 {
    let feeds = Feeds::new(&connection(&house, "gacc"));
    let mut redriven = 0;
    while !scene.stop.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let request = proto::ListDeadLettersRequest { subscription: "risk".to_owned(), page_size: 5, ..Default::default() };
        let Ok(page) = feeds.dead_letters(request).await else { continue };
        let positions: Vec<_> = page.dead_letters.iter().map(|letter| letter.position).collect();
        if positions.is_empty() {
            continue;
        }
        // Before it is asked for: the delivery may be faster than the answer.
        scene.known().redriven.extend(&positions);
        let selector = Some(proto::DeadLetterSelector { positions, ..Default::default() });
        let request = proto::RedriveDeadLettersRequest { subscription: "risk".to_owned(), selector, dry_run: false };
        scene.in_flight[2].fetch_add(1, Ordering::SeqCst);
        let answer = feeds.redrive(request).await;
        scene.in_flight[2].fetch_sub(1, Ordering::SeqCst);
        if let Ok(answer) = answer {
            redriven += answer.redriven;
            scene.answered(1);
        }
    }
    redriven
}

/// What was in flight when it was killed.
#[derive(Debug, Default)]
struct Kills {
    all: usize,
    with_an_act: usize,
    publishing: usize,
    settling: usize,
    redriving: usize,
}

impl Kills {
    fn note(&mut self, scene: &Scene) {
        let [publishing, settling, redriving] = [0, 1, 2].map(|nth: usize| scene.in_flight[nth].load(Ordering::SeqCst) > 0);
        self.all += 1;
        self.with_an_act += usize::from(publishing || settling || redriving);
        self.publishing += usize::from(publishing);
        self.settling += usize::from(settling);
        self.redriving += usize::from(redriving);
    }
}

/// Kills and starts again; answers with the gateway that runs at last.
async fn kill_often(scene: &Scene, house: &House, probe: &Connection, mut gateway: Gateway) -> (Gateway, Kills) {
    let mut answers = scene.answers.subscribe();
    let mut kills = Kills::default();
    for nth in 0..KILLS {
        let wanted = *answers.borrow_and_update() + 3 + mix(SEED + nth as u64) % 20;
        soon("answers", answers.wait_for(|answers| *answers >= wanted)).await.expect("the scene stands");
        kills.note(scene);
        gateway.kill();
        if (nth + 1) % CHECK_EVERY == 0 {
            check_everything(&store_path(house)).await;
        }
        gateway = Gateway::start(house, probe).await;
    }
    (gateway, kills)
}

/// Every batch again: the same answers as the first time.
async fn publish_again(scene: &Scene, house: &House) -> usize {
    let publisher =
        Publisher::new(&connection(house, "amr-330000"), PublisherOptions { retry: AGAIN, ..PublisherOptions::default() });
    let published = scene.known().published.clone();
    let numbers: Vec<u64> = published.keys().filter_map(|id| id.strip_prefix("amr-330000/nc-")?.parse().ok()).collect();
    for numbers in numbers.chunks(500) {
        let records = numbers.iter().map(|n| nonconformity("amr-330000", *n)).collect();
        let (answer, _) = publisher.publish_batch(records).await.expect("the same content is the same answer");
        for record in answer.records {
            assert!(record.duplicate, "{} was answered and is lost", record.record_id);
            assert_eq!(Some(&record.position), published.get(&record.record_id), "{}", record.record_id);
        }
    }
    published.len()
}

/// Acknowledges the rest, and sees that every position is acknowledged or dead.
async fn settle_the_rest(scene: &Scene, house: &House) -> (u64, u64) {
    let gacc = connection(house, "gacc");
    let stop = CancellationToken::new();
    let options = SubscribeOptions { batch: 100, retry: AGAIN, take_over: true, ..SubscribeOptions::new("risk", [6; 16]) };
    let settled = Arc::new(scene.known().settled.clone());
    let redriven = Arc::new(scene.known().redriven.clone());
    let twice = Arc::new(Mutex::new(Vec::new()));
    let noted = twice.clone();
    let handler = each(move |delivery: proto::Delivery| {
        let at = position(&delivery);
        if settled.contains(&at) && !redriven.contains(&at) {
            noted.lock().expect("nobody panics with it").push(at);
        }
        async { Verdict::Ack }
    });
    let subscriber = tokio::spawn(Subscriber::new(&gacc, options).run(Arc::new(handler), stop.clone()));
    let feeds = Feeds::new(&gacc);
    let status = || async { feeds.subscription("risk").await.expect("found").status.expect("numbers") };
    exchange::until("the end of the ledger", || async {
        let now = status().await;
        now.floor == now.head && now.in_flight == 0 && now.retrying == 0
    })
    .await;
    stop.cancel();
    soon("the subscriber's end", subscriber).await.expect("no panic").expect("in good order");
    let twice = twice.lock().expect("nobody panics with it").clone();
    assert!(twice.is_empty(), "delivered again after a confirmed settle: {twice:?}");
    let now = status().await;
    (now.head, now.dead_letters)
}

/// Reads the whole log and computes its root anew.
async fn verify_evidence(house: &House) -> u64 {
    let evidence = Evidence::new(&connection(house, "samr"));
    let head = evidence.checkpoint().await.expect("signed");
    let key = VerifierKey::parse(&head.verifier_key).expect("a key");
    let head = verify_checkpoint(&head.checkpoint, &key).expect("it verifies");
    let mut tree = Frontier::default();
    let mut page_token = String::new();
    while tree.size() < head.size {
        let request = proto::SearchEntriesRequest { page_size: 1_000, page_token, ..Default::default() };
        let page = evidence.search(request).await.expect("entries");
        for logged in page.entries {
            if tree.size() < head.size {
                assert_eq!(read_entry(&logged.entry).expect("an entry that reads").index, tree.size());
                tree.append(leaf_hash(&logged.entry));
            }
        }
        page_token = page.next_page_token;
    }
    assert_eq!(tree.root(), head.root, "the log is the one that was signed");
    head.size
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_answered_is_lost_and_nothing_settled_comes_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = Arc::new(House::build(&folder.path().join("world"), World::real()).expect("a world"));
    let probe = connection(&house, "gacc");
    let gateway = Gateway::start(&house, &probe).await;
    Feeds::new(&probe).create(subscription("risk")).await.expect("made");
    let scene = Arc::new(Scene {
        known: Mutex::default(),
        answers: watch::Sender::new(0),
        in_flight: Default::default(),
        stop: CancellationToken::new(),
    });
    let publishers: Vec<_> = (0..PUBLISHERS).map(|nth| tokio::spawn(publish(scene.clone(), house.clone(), nth))).collect();
    let subscriber = tokio::spawn(subscribe(scene.clone(), house.clone()));
    let redriver = tokio::spawn(redrive(scene.clone(), house.clone()));

    let (gateway, kills) = kill_often(&scene, &house, &probe, gateway).await;
    scene.stop.cancel();
    for publisher in publishers {
        soon("the last batch", publisher).await.expect("no panic");
    }
    soon("the last settle", subscriber).await.expect("no panic");
    let redriven = soon("the last redrive", redriver).await.expect("no panic");

    let wrong = scene.known().wrong.clone();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let published = publish_again(&scene, &house).await;
    let (head, dead) = settle_the_rest(&scene, &house).await;
    assert_eq!(head, published as u64, "nothing stands but what was answered in the end");
    let entries = verify_evidence(&house).await;
    gateway.kill();
    check_everything(&store_path(&house)).await;

    let known = scene.known();
    println!(
        "{kills:?}; answered: {published} records, {} acks, {} retries, {} rejects, {redriven} redrives; at the end: {dead} dead \
         letters, {entries} entries of evidence",
        known.acks, known.retries, known.rejects
    );
    assert!(kills.all >= 50 && kills.with_an_act * 10 >= kills.all * 8, "{kills:?}");
    assert!(kills.publishing > 0 && kills.settling > 0, "{kills:?}");
    assert!(known.acks > 0 && known.retries > 0 && known.rejects > 0 && redriven > 0);
}
