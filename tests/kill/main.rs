//! Two hundred kills of the real process while it publishes, delivers, settles, redrives and seeks. Every client writes down what it
//! asked and what it was answered; at last the history checker holds that against what the store has, everything in the store is
//! read, and the evidence is verified.
//!
//! The kills are chosen by a seed: each comes when so many answers of one kind were counted. What is in flight at that moment is
//! left to chance, and counted. `TONGBAO_KILL_SEED` (printed by each run) chooses others, `TONGBAO_KILLS` more of them.

mod acts;
#[path = "../exchange/mod.rs"]
mod exchange;
#[path = "../history/mod.rs"]
mod history;

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use exchange::{PATIENCE, check_everything, program::Program, soon, store_path, subscription};
use history::{Event, History, Ledger, Sought};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tongbao::{
    cli::house::House,
    client::{Connection, Evidence, Feeds, Publisher, PublisherOptions, RetryPolicy},
    clock::World,
    domain::{
        evidence::{ActKind, Frontier, VerifierKey, leaf_hash, read_entry, verify_checkpoint},
        violation::Lang,
    },
    proto,
};

const KILLS: u64 = 200;
/// Everything in the store is read after so many kills, and at the end.
const CHECK_EVERY: u64 = 40;
/// Records that publishers may be ahead of the consumer.
const AHEAD: u64 = 300;
/// Publishers at once.
const PUBLISHERS: u64 = 2;
const SEED: u64 = 0x5eed_0002_2020_0051;
/// As subscriptions have it by default.
const MAX_ATTEMPTS: u32 = 10;

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

/// What can be in flight when it is killed, and what is counted on the way there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Publish,
    Deliver,
    Settle,
    Redrive,
    Seek,
}

const ACTS: [Act; 5] = [Act::Publish, Act::Deliver, Act::Settle, Act::Redrive, Act::Seek];

/// What all clients share.
struct Scene {
    seed: u64,
    history: History,
    /// Answers so far by act, for the one who kills.
    answers: watch::Sender<[u64; 5]>,
    /// Acts asked for and not answered; of deliveries: records whose publisher was answered and that did not come yet.
    in_flight: [AtomicU64; 5],
    /// What the subscriber waits for, for who has to understand a failure.
    doing: Mutex<String>,
    /// Numbers the settle requests.
    requests: AtomicU64,
    /// Publishers stop, and consumers acknowledge whatever comes.
    finish: CancellationToken,
    /// Everything is settled.
    end: CancellationToken,
}

impl Scene {
    fn does(&self, what: impl Into<String>) {
        *self.doing.lock().expect("no panic") = what.into();
    }

    fn answered(&self, act: Act, count: u64) {
        self.answers.send_modify(|answers| answers[act as usize] += count);
    }

    fn begin(&self, act: Act, count: u64) {
        self.in_flight[act as usize].fetch_add(count, Ordering::SeqCst);
    }

    /// So many of them are answered, or will never be.
    fn finished(&self, act: Act, count: u64) {
        let fewer = |before: u64| Some(before.saturating_sub(count));
        let _ = self.in_flight[act as usize].fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer);
    }

    fn is_far_ahead(&self) -> bool {
        self.in_flight[Act::Deliver as usize].load(Ordering::SeqCst) > AHEAD && !self.finish.is_cancelled()
    }

    fn is_in_flight(&self, act: Act) -> bool {
        self.in_flight[act as usize].load(Ordering::SeqCst) > 0
    }
}

fn connection(house: &House, who: &str) -> Connection {
    Connection::open(&house.profile(who).expect("a profile"), Lang::En, World::real().clock).expect("a connection")
}

fn publisher(house: &House) -> Publisher {
    Publisher::new(&connection(house, "amr-330000"), PublisherOptions { retry: AGAIN, ..PublisherOptions::default() })
}

/// What was in flight at the kills.
#[derive(Default)]
struct Kills {
    all: u64,
    with_an_act: u64,
    by_act: [u64; 5],
}

impl Kills {
    fn note(&mut self, scene: &Scene) {
        let in_flight = ACTS.map(|act| scene.is_in_flight(act));
        self.all += 1;
        self.with_an_act += u64::from(in_flight.contains(&true));
        for (count, is_in_flight) in self.by_act.iter_mut().zip(in_flight) {
            *count += u64::from(is_in_flight);
        }
    }
}

impl fmt::Display for Kills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [publish, deliver, settle, redrive, seek] = self.by_act;
        write!(
            f,
            "{} kills, {} with an act in flight (publish {publish}, deliver {deliver}, settle {settle}, redrive {redrive}, seek {seek})",
            self.all, self.with_an_act
        )
    }
}

/// After which answers the kill comes: of which act, and how many.
fn choose(seed: u64) -> (Act, u64) {
    match mix(seed) % 9 {
        0 => (Act::Redrive, 1),
        8 => (Act::Seek, 1),
        1..=2 => (Act::Publish, 1 + mix(seed + 1) % 8),
        3..=4 => (Act::Deliver, 1 + mix(seed + 1) % 60),
        _ => (Act::Settle, 1 + mix(seed + 1) % 8),
    }
}

/// Kills and starts again; answers with the gateway that runs at last.
async fn kill_often(scene: &Scene, house: &House, probe: &Connection, mut gateway: Program) -> (Program, Kills) {
    let mut answers = scene.answers.subscribe();
    let mut kills = Kills::default();
    let count = number_of("TONGBAO_KILLS").unwrap_or(KILLS);
    for nth in 1..=count {
        let (act, more) = choose(scene.seed.wrapping_add(nth * 2));
        let wanted = answers.borrow_and_update()[act as usize] + more;
        let reached = answers.wait_for(|answers| answers[act as usize] >= wanted);
        if tokio::time::timeout(PATIENCE, reached).await.is_err() {
            let status = Feeds::new(probe).subscription("risk").await.map(|found| found.status);
            let events = scene.history.events();
            let last = &events[events.len().saturating_sub(40)..];
            let log = exchange::program::last_lines(house, 80);
            let doing = scene.doing.lock().expect("no panic").clone();
            panic!(
                "kill {nth} waits in vain for {more} answers of {act:?}: {status:?}, last events {last:#?}\n{log}\nthe subscriber: {doing}"
            );
        }
        kills.note(scene);
        gateway.kill();
        if nth % CHECK_EVERY == 0 {
            check_everything(&store_path(house)).await;
        }
        gateway = Program::start(house, probe).await;
    }
    (gateway, kills)
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// Waits until the subscription has everything settled or dead; answers how many are dead.
async fn settled(house: &House) -> u64 {
    let feeds = Feeds::new(&connection(house, "gacc"));
    let status = || async { feeds.subscription("risk").await.expect("found").status.expect("numbers") };
    exchange::until("the end of the ledger", || async {
        let now = status().await;
        now.floor == now.head && now.in_flight == 0 && now.retrying == 0
    })
    .await;
    status().await.dead_letters
}

/// Reads the whole log, computes its root anew, and writes down the seeks that it has.
async fn verify_evidence(house: &House, history: &History) -> u64 {
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
                let entry = read_entry(&logged.entry).expect("an entry that reads");
                assert_eq!(entry.index, tree.size());
                if entry.kind == ActKind::Seek {
                    let count = |name: &str| entry.counts.iter().find(|(named, _)| named == name).expect("a count").1;
                    history.note(Event::Sought(Sought { to: count("to"), epoch: count("epoch") }));
                }
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
    let seed = number_of("TONGBAO_KILL_SEED").unwrap_or(SEED);
    println!("TONGBAO_KILL_SEED={seed}");
    let folder = tempfile::tempdir().expect("a folder");
    let house = Arc::new(House::build(&folder.path().join("world"), World::real()).expect("a world"));
    let probe = connection(&house, "gacc");
    let gateway = Program::start(&house, &probe).await;
    Feeds::new(&probe).create(subscription("risk")).await.expect("made");
    let scene = Arc::new(Scene {
        seed,
        history: History::default(),
        answers: watch::Sender::new([0; 5]),
        in_flight: Default::default(),
        doing: Mutex::default(),
        requests: AtomicU64::new(0),
        finish: CancellationToken::new(),
        end: CancellationToken::new(),
    });
    let publishers: Vec<_> = (0..PUBLISHERS).map(|nth| tokio::spawn(acts::publish(scene.clone(), house.clone(), nth))).collect();
    let subscriber = tokio::spawn(acts::subscribe(scene.clone(), house.clone()));
    let redriver = tokio::spawn(acts::redrive(scene.clone(), house.clone()));
    let seeker = tokio::spawn(acts::seek(scene.clone(), house.clone()));

    let (gateway, kills) = kill_often(&scene, &house, &probe, gateway).await;
    scene.finish.cancel();
    // Whoever waits looks again.
    scene.answered(Act::Publish, 0);
    for publisher in publishers {
        soon("the last batch", publisher).await.expect("no panic");
    }
    soon("the last redrive", redriver).await.expect("no panic");
    soon("the last seek", seeker).await.expect("no panic");
    let again = acts::publish_again(&scene, &house).await;
    let dead = settled(&house).await;
    let entries = verify_evidence(&house, &scene.history).await;
    scene.end.cancel();
    soon("the subscriber's end", subscriber).await.expect("no panic");
    gateway.kill();
    check_everything(&store_path(&house)).await;

    let ledger = Ledger::read(&store_path(&house), "gacc", "risk").await;
    let (wrong, counts) = history::check(&scene.history.events(), &ledger, MAX_ATTEMPTS);
    println!(
        "{kills}; {counts:?}; {again} records published again; at the end {dead} dead letters, {entries} entries of evidence"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(kills.with_an_act * 10 >= kills.all * 8, "{kills}");
    assert!(kills.by_act.iter().all(|count| *count > 0), "{kills}");
    assert!(counts.acks > 0 && counts.retries > 0 && counts.rejects > 0 && counts.redriven > 0 && counts.unknown > 0);
    assert!(counts.seeks > 0);
}
