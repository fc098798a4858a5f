//! The committer: the one writer of a process. Acts queue; a transaction takes all that wait, so that durable is fast: while one
//! group is on its way to the disk, the next gathers.
//!
//! Invariants: an act is answered only after its group is on disk and the tail shows it; the queue is bounded in acts and in
//! bytes, and who finds it full is refused at once; every act taken is answered, also when the gateway closes.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use super::tail::Tail;
use super::{
    Class, Refused,
    pages::Pages,
    riders::{Rider, Riders},
};
use crate::{
    clock::World,
    domain::{
        ids::{Micros, Position},
        ledger::{Act, Change, Committed, Head, Outcome},
    },
    store::{Store, StoreError},
};

/// Bounds of the queue and of a group.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Acts that may wait.
    pub queued_acts: usize,
    /// Bytes of content that may wait or be on their way to the disk; no act may carry more.
    pub queued_bytes: usize,
    /// Acts of one group.
    pub group_acts: usize,
    /// Bytes of content after which a group takes no further act.
    pub group_bytes: usize,
    /// How long a group waits for more acts than are there; zero is right unless commits are dear.
    pub linger: Duration,
    /// Memory for the pages that what is committed is read from, bytes.
    pub page_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            queued_acts: 4096,
            queued_bytes: 64 << 20,
            group_acts: 512,
            group_bytes: 4 << 20,
            linger: Duration::ZERO,
            page_bytes: 16 << 20,
        }
    }
}

/// A committed act.
#[derive(Debug, Clone)]
pub struct Done {
    /// What became of it.
    pub outcome: Outcome,
    /// Commit time of its group; of the commit before it, when nothing was written.
    pub committed_at: Micros,
    /// Last position of the ledger after its group.
    pub head: Position,
}

/// Numbers since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommitNumbers {
    /// Groups committed.
    pub groups: u64,
    /// Acts in them.
    pub acts: u64,
    /// Bytes of content in them.
    pub bytes: u64,
    /// Groups that the store did not take.
    pub failed: u64,
    /// Acts refused because the queue was full.
    pub overloaded: u64,
}

#[derive(Default)]
struct Counters {
    groups: AtomicU64,
    acts: AtomicU64,
    bytes: AtomicU64,
    failed: AtomicU64,
    overloaded: AtomicU64,
    /// How long commits took, microseconds, for who measures; beyond [`KEPT_DURATIONS`] the oldest are forgotten.
    took_us: Mutex<VecDeque<u64>>,
    /// Monotonic time at which the commit under way began, microseconds; 0 = none is under way.
    began_us: AtomicU64,
}

impl Counters {
    fn durations(&self) -> MutexGuard<'_, VecDeque<u64>> {
        // Nothing is left half done under this lock.
        self.took_us.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_duration(&self, took: Duration) {
        let mut kept = self.durations();
        if kept.len() == KEPT_DURATIONS {
            kept.pop_front();
        }
        kept.push_back(took.as_micros() as u64);
    }
}

/// Handle of the committer. Clones share one queue.
#[derive(Clone)]
pub struct Committer {
    queue: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
    numbers: Arc<Counters>,
    tail: Tail,
    pages: Arc<Pages>,
    riders: Riders,
    closing: CancellationToken,
    task: TaskTracker,
}

struct Waiting {
    act: Act,
    bytes: usize,
    answer: oneshot::Sender<Result<Done, Refused>>,
    room: OwnedSemaphorePermit,
}

/// Groups that publish more are disclosed in commits of their own: there riders would only keep the publishers waiting.
const RIDING_DRAFTS: usize = 64;
/// Bytes of content of a group that is taken apart beside the next one.
const LARGE_GROUP: usize = 64 << 10;
/// A commit that takes longer is a stall: meanwhile no lease runs out.
const STALLED_AFTER: Duration = Duration::from_millis(500);
/// Durations of commits that are kept until somebody takes them: more than there are between two measurements.
const KEPT_DURATIONS: usize = 32_768;
/// Bytes that one permit of the queue stands for.
const ROOM_UNIT: usize = 1024;

impl Committer {
    /// Starts it over a store, at the store's head.
    ///
    /// # Errors
    /// When the head cannot be read.
    pub async fn start(store: Arc<dyn Store>, world: World, bounds: Bounds) -> Result<Self, StoreError> {
        let tail = Tail::at(store.head().await?.position);
        let (queue, waiting) = mpsc::channel(bounds.queued_acts.max(1));
        let numbers = Arc::new(Counters::default());
        let room = Arc::new(Semaphore::new((bounds.queued_bytes / ROOM_UNIT).clamp(1, Semaphore::MAX_PERMITS)));
        let pages = Arc::new(Pages::new(store.clone(), bounds.page_bytes));
        let riders = Riders::default();
        let loop_ = Loop {
            riders: riders.clone(),
            store,
            world,
            bounds,
            tail: tail.clone(),
            pages: pages.clone(),
            numbers: numbers.clone(),
        };
        let (closing, task) = (CancellationToken::new(), TaskTracker::new());
        task.spawn(loop_.run(waiting, closing.clone()));
        task.close();
        Ok(Self { queue, room, numbers, tail, pages, riders, closing, task })
    }

    /// Takes no more acts, and returns when all that were taken are answered.
    pub async fn close(&self) {
        self.closing.cancel();
        self.task.wait().await;
    }

    /// Commits one act; answers after it is on disk. An answer that is no longer wanted changes nothing: the act is done.
    ///
    /// # Errors
    /// `OVERLOADED` when the queue is full, `SHUTTING_DOWN` while closing, else what the store said. What the domain refuses is an
    /// outcome, not an error.
    pub async fn commit(&self, act: Act) -> Result<Done, Refused> {
        let bytes = content_bytes(&act);
        let units = u32::try_from(bytes.div_ceil(ROOM_UNIT).max(1)).unwrap_or(u32::MAX);
        let room = self.room.clone().try_acquire_many_owned(units).map_err(|_| self.overloaded())?;
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { act, bytes, answer, room }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => self.overloaded(),
            mpsc::error::TrySendError::Closed(_) => shutting_down(),
        })?;
        answered.await.unwrap_or_else(|_| Err(shutting_down()))
    }

    /// "Committed up to n", as it moves.
    pub fn tail(&self) -> Tail {
        self.tail.clone()
    }

    /// What is committed, for all who read it. What was committed last is there already.
    pub fn pages(&self) -> Arc<Pages> {
        self.pages.clone()
    }

    /// Subscriptions that take what is published next in the same commit.
    pub(super) fn riders(&self) -> &Riders {
        &self.riders
    }

    /// Whether a commit is under way that began longer than [`STALLED_AFTER`] before `now` (monotonic): the disk does not answer.
    pub fn is_stalled(&self, now: Duration) -> bool {
        let began = self.numbers.began_us.load(Ordering::Relaxed);
        began > 0 && now.saturating_sub(Duration::from_micros(began)) > STALLED_AFTER
    }

    /// Numbers since the start.
    pub fn numbers(&self) -> CommitNumbers {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        CommitNumbers {
            groups: read(&self.numbers.groups),
            acts: read(&self.numbers.acts),
            bytes: read(&self.numbers.bytes),
            failed: read(&self.numbers.failed),
            overloaded: read(&self.numbers.overloaded),
        }
    }

    /// How long each commit took since this was asked last, microseconds.
    pub fn take_durations(&self) -> Vec<u64> {
        self.numbers.durations().drain(..).collect()
    }

    fn overloaded(&self) -> Refused {
        self.numbers.overloaded.fetch_add(1, Ordering::Relaxed);
        Refused {
            retry_after: Some(Duration::from_millis(200)),
            ..Refused::new(
                Class::ResourceExhausted,
                "OVERLOADED",
                "待办事项过多，请稍后重试",
                "too many acts are waiting to be committed; try again shortly",
            )
        }
    }
}

fn shutting_down() -> Refused {
    Refused {
        retry_after: Some(Duration::from_secs(2)),
        ..Refused::new(
            Class::Unavailable,
            "SHUTTING_DOWN",
            "网关正在关闭，请重新连接后以相同编号重试",
            "the gateway is closing; reconnect and ask again with the same ids",
        )
    }
}

/// Revisions an act asks for.
fn drafts(act: &Act) -> usize {
    match &act.change {
        Change::Publish(publish) if !publish.validate_only => publish.drafts.len(),
        Change::PublishMany(publish) => publish.batches.iter().map(Vec::len).sum(),
        _ => 0,
    }
}

/// Bytes of content an act carries; what else it has is small.
fn content_bytes(act: &Act) -> usize {
    match &act.change {
        Change::Publish(publish) => publish.drafts.iter().map(|draft| draft.sections.len()).sum(),
        Change::PublishMany(publish) => publish.batches.iter().flatten().map(|draft| draft.sections.len()).sum(),
        _ => 0,
    }
}

struct Loop {
    store: Arc<dyn Store>,
    world: World,
    bounds: Bounds,
    tail: Tail,
    pages: Arc<Pages>,
    riders: Riders,
    numbers: Arc<Counters>,
}

/// Acts of one transaction beside those who wait for them.
struct Group {
    acts: Vec<Act>,
    bytes: usize,
    drafts: usize,
    answers: Vec<Answer>,
    /// Those who ride along; their acts stand after all others.
    riders: Vec<Rider>,
}

struct Answer {
    to: oneshot::Sender<Result<Done, Refused>>,
    /// Given back with the answer.
    room: OwnedSemaphorePermit,
}

impl Group {
    fn of(first: Waiting) -> Self {
        let mut group = Self { acts: Vec::new(), bytes: 0, drafts: 0, answers: Vec::new(), riders: Vec::new() };
        group.add(first);
        group
    }

    fn add(&mut self, waiting: Waiting) {
        self.bytes += waiting.bytes;
        self.drafts += drafts(&waiting.act);
        self.acts.push(waiting.act);
        self.answers.push(Answer { to: waiting.answer, room: waiting.room });
    }

    /// Lets riders on, if so little is published that it is on its way soon.
    fn board(&mut self, riders: &Riders) {
        if (1..=RIDING_DRAFTS).contains(&self.drafts) {
            let (riders, acts): (Vec<_>, Vec<_>) = riders.take().into_iter().unzip();
            self.riders = riders;
            self.acts.extend(acts);
        }
    }

    fn has_room(&self, bounds: &Bounds) -> bool {
        self.acts.len() < bounds.group_acts && self.bytes < bounds.group_bytes
    }
}

impl Answer {
    /// Nobody waiting any more is no error: the act is done all the same.
    fn give(self, answer: Result<Done, Refused>) {
        drop(self.room);
        let _ = self.to.send(answer);
    }
}

impl Loop {
    /// Ends when it is closed, or every handle is gone, and the queue is empty.
    async fn run(self, mut waiting: mpsc::Receiver<Waiting>, closing: CancellationToken) {
        loop {
            let first = tokio::select! {
                biased;
                () = closing.cancelled(), if !waiting.is_closed() => {
                    waiting.close();
                    continue;
                }
                first = waiting.recv() => first,
            };
            let Some(first) = first else { return };
            let mut group = Group::of(first);
            if !self.bounds.linger.is_zero() {
                tokio::time::sleep(self.bounds.linger).await;
            }
            while group.has_room(&self.bounds) {
                let Ok(next) = waiting.try_recv() else { break };
                group.add(next);
            }
            group.board(&self.riders);
            self.commit(group).await;
        }
    }

    async fn commit(&self, group: Group) {
        let Group { acts, bytes, answers, riders, .. } = group;
        match self.attempt(&acts, bytes).await {
            Ok(mut committed) => {
                let rode = committed.outcomes.split_off(answers.len().min(committed.outcomes.len()));
                // Before the tail moves, so that who wakes by it knows what was disclosed already.
                riders.into_iter().zip(rode).for_each(|(rider, outcome)| rider.answer(outcome));
                self.tail.advance(committed.head.position);
                answer_all(answers, committed);
                // Taking thousands of values apart is nobody's to wait for.
                if bytes > LARGE_GROUP {
                    tokio::spawn(async move { drop(acts) });
                }
            }
            Err(error) => self.rerun(&acts, answers, error).await,
        }
    }

    /// One transaction, measured. The tail is not moved yet.
    async fn attempt(&self, acts: &[Act], bytes: usize) -> Result<Committed, Failed> {
        let group_id = self.world.random_u128();
        let started = self.world.clock.monotonic();
        self.numbers.began_us.store((started.as_micros() as u64).max(1), Ordering::Relaxed);
        let result = self.store.commit(group_id, self.world.clock.now(), acts).await;
        self.numbers.began_us.store(0, Ordering::Relaxed);
        let took = self.world.clock.monotonic().saturating_sub(started);
        self.numbers.keep_duration(took);
        match result {
            Ok(mut committed) => {
                self.numbers.groups.fetch_add(1, Ordering::Relaxed);
                self.numbers.acts.fetch_add(acts.len() as u64, Ordering::Relaxed);
                self.numbers.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                self.pages.append(std::mem::take(&mut committed.added));
                Ok(committed)
            }
            Err(error) => {
                self.numbers.failed.fetch_add(1, Ordering::Relaxed);
                Err(self.resolve(group_id, error).await)
            }
        }
    }

    /// Whether the failed group is on disk after all: its id tells, where the store can be asked.
    async fn resolve(&self, group_id: u128, error: StoreError) -> Failed {
        if !matches!(error, StoreError::Unavailable(_)) {
            return Failed::NotWritten(error);
        }
        match self.store.is_committed(group_id).await {
            Ok(false) => Failed::NotWritten(error),
            Ok(true) => {
                if let Ok(head) = self.store.head().await {
                    self.tail.advance(head.position);
                }
                Failed::Unknown(error)
            }
            Err(_) => Failed::Unknown(error),
        }
    }

    /// What the store would not take together is tried singly, once: one act that the store cannot take must not fail the others.
    /// When there is no room for one, there is none for the rest of the group either; the next group tries anew, and so the
    /// gateway recovers by itself.
    async fn rerun(&self, acts: &[Act], answers: Vec<Answer>, failed: Failed) {
        tracing::warn!(acts = acts.len(), error = %failed.error(), "a group was not committed");
        let mut hopeless = match &failed {
            Failed::Unknown(_) | Failed::NotWritten(StoreError::Newer { .. }) => Some(failed.refused()),
            Failed::NotWritten(StoreError::Full(_) | StoreError::Damaged(_)) if acts.len() == 1 => Some(failed.refused()),
            Failed::NotWritten(_) => None,
        };
        for (act, answer) in acts.iter().zip(answers) {
            if let Some(refused) = &hopeless {
                answer.give(Err(refused.clone()));
                continue;
            }
            match self.attempt(std::slice::from_ref(act), content_bytes(act)).await {
                Ok(committed) => {
                    self.tail.advance(committed.head.position);
                    answer_all(vec![answer], committed);
                }
                Err(failed) => {
                    hopeless = matches!(failed, Failed::NotWritten(StoreError::Full(_))).then(|| failed.refused());
                    answer.give(Err(failed.refused()));
                }
            }
        }
    }
}

fn answer_all(answers: Vec<Answer>, committed: Committed) {
    let Head { position, committed_at, .. } = committed.head;
    for (answer, outcome) in answers.into_iter().zip(committed.outcomes) {
        answer.give(Ok(Done { outcome, committed_at, head: position }));
    }
}

/// Why a group has no outcomes.
enum Failed {
    /// Nothing of it is on disk.
    NotWritten(StoreError),
    /// It is on disk, or may be, and its outcomes are lost. It must not be run again here: whoever asked asks again with the same
    /// ids, and finds it done or has it done.
    Unknown(StoreError),
}

impl Failed {
    fn error(&self) -> &StoreError {
        match self {
            Self::NotWritten(error) | Self::Unknown(error) => error,
        }
    }

    fn refused(&self) -> Refused {
        match self {
            Self::NotWritten(error) => error.clone().into(),
            Self::Unknown(error) => Refused {
                retry_after: Some(Duration::from_secs(1)),
                ..Refused::new(
                    Class::Unavailable,
                    "STORE_UNAVAILABLE",
                    format!("结果未知，可能已经办理：请以相同编号重试（{error}）"),
                    format!("the outcome is not known, it may be done: ask again with the same ids ({error})"),
                )
            },
        }
    }
}
