//! Dead letters: listing, redriving, discarding.
//!
//! A change of many goes in chunks, one transaction each, through the host that owns the subscription's state. With each chunk is
//! kept how far the run is, so that a crash or a broken stream leaves whole chunks behind, and who asks again under the same
//! request id goes on. What a run selects is fixed when it begins: what dies again meanwhile is not in it.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    Caller, Class, Refused,
    subscribe::{Hosts, stopping},
    subscriptions::key_of,
};
use crate::{
    clock::World,
    domain::{
        delivery::{DeadLetter, LetterAct, LetterRun, Selector, SubscriptionKey},
        digest::Digest,
        evidence::commitment,
        ids::Position,
    },
    store::{LetterCount, LetterQuery, Store},
};

/// Dead letters of one transaction.
pub const CHUNK: usize = 500;
/// Letters that a dry run shows.
const SAMPLE: usize = 10;
/// Reasons that a dry run names.
const REASONS: usize = 20;

/// What is asked of many dead letters.
#[derive(Debug, Clone)]
pub struct LetterChange {
    /// What is to be done.
    pub act: LetterAct,
    /// To which.
    pub selector: Selector,
    /// Names the run: the same id and selector go on with it. Empty = a new run, which is given one.
    pub request_id: String,
    /// Why; empty = not said.
    pub reason: String,
    /// Stop after so many letters, to go on another time; 0 = none.
    pub limit: u64,
}

/// What a change would touch.
#[derive(Debug, Clone)]
pub struct Preview {
    /// How many, by reason.
    pub count: LetterCount,
    /// The first of them.
    pub sample: Vec<DeadLetter>,
    /// Head of the ledger.
    pub head: Position,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The run, as it is kept.
    pub run: LetterRun,
    /// It was begun by an earlier call.
    pub resumed: bool,
    /// As many as this call was to change are worked through: it goes on when it is asked again.
    pub paused: bool,
    /// Nothing is left of it. What was selected and not done was redriven or discarded by somebody else.
    pub finished: bool,
    /// Salt of the commitment to the reason, where one was said.
    pub reason_salt: Option<[u8; 16]>,
}

/// Dead letters of all subscriptions.
#[derive(Clone)]
pub struct LetterDesk {
    store: Arc<dyn Store>,
    hosts: Hosts,
    world: World,
    stop: CancellationToken,
    /// Chunks go one after the other, whichever runs they are of: between reading letters and changing them nobody else takes them
    /// away, and a run crowds out no settles.
    turn: Arc<Mutex<()>>,
}

/// A run that is being worked through.
pub struct Run {
    desk: LetterDesk,
    caller: Arc<Caller>,
    key: SubscriptionKey,
    selector: Selector,
    why: Option<Digest>,
    progress: Progress,
    /// Letters that this call may still work through.
    left: u64,
    /// Its beginning was told.
    told: bool,
}

impl LetterDesk {
    /// Nothing runs yet.
    pub fn new(store: Arc<dyn Store>, hosts: Hosts, world: World, stop: CancellationToken) -> Self {
        Self { store, hosts, world, stop, turn: Arc::default() }
    }

    /// Dead letters after a position, and the position to go on after if there are more.
    ///
    /// # Errors
    /// `NOT_FOUND`, `UNAVAILABLE`.
    pub async fn list(
        &self,
        caller: &Caller,
        name: &str,
        selector: Selector,
        after: Position,
        limit: usize,
    ) -> Result<(Vec<DeadLetter>, Option<Position>), Refused> {
        let key = self.known(caller, name).await?;
        let query = LetterQuery { selector, died_by: None };
        let mut letters = self.store.dead_letters(&key, &query, after, limit + 1).await?;
        let more = letters.len() > limit;
        letters.truncate(limit);
        let next = if more { letters.last().map(|letter| letter.position) } else { None };
        Ok((letters, next))
    }

    /// Counts what a change would touch, and shows the first of it. Nothing is changed and nothing is kept.
    ///
    /// # Errors
    /// `NOT_FOUND`, `UNAVAILABLE`.
    pub async fn preview(&self, caller: &Caller, name: &str, selector: Selector) -> Result<Preview, Refused> {
        let key = self.known(caller, name).await?;
        let head = self.store.head().await?;
        let query = LetterQuery { selector, died_by: Some(head.evidence_size) };
        let count = self.store.count_dead_letters(&key, &query, REASONS).await?;
        let sample = self.store.dead_letters(&key, &query, 0, SAMPLE).await?;
        Ok(Preview { count, sample, head: head.position })
    }

    /// Begins a run, or goes on with the one of that id. Nothing is changed before it is asked for its next chunk.
    ///
    /// # Errors
    /// `NOT_FOUND`; `ABORTED` when the id is that of a run over others or of another kind; `UNAVAILABLE`.
    pub async fn open(&self, caller: Arc<Caller>, name: &str, change: LetterChange) -> Result<Run, Refused> {
        let key = self.known(&caller, name).await?;
        let LetterChange { act, selector, mut request_id, reason, limit } = change;
        if request_id.is_empty() {
            request_id = format!("{:032x}", u128::from_be_bytes(self.world.random()));
        }
        let standing = self.store.letter_run(&key, &request_id).await?;
        let resumed = standing.is_some();
        let run = match standing {
            Some(standing) => same(standing, act, &selector)?,
            None => self.fix(&key, act, &selector, request_id).await?,
        };
        let reason_salt = (!reason.is_empty()).then(|| self.world.random());
        let why = reason_salt.map(|salt| commitment(&salt, &reason));
        let progress = Progress { run, resumed, paused: false, finished: false, reason_salt };
        let left = if limit == 0 { u64::MAX } else { limit };
        Ok(Run { desk: self.clone(), caller, key, selector, why, progress, left, told: false })
    }

    /// A new run over what is there now.
    async fn fix(
        &self,
        key: &SubscriptionKey,
        act: LetterAct,
        selector: &Selector,
        request_id: String,
    ) -> Result<LetterRun, Refused> {
        let head = self.store.head().await?;
        let query = LetterQuery { selector: selector.clone(), died_by: Some(head.evidence_size) };
        let selected = self.store.count_dead_letters(key, &query, 0).await?.total;
        Ok(LetterRun {
            request_id,
            act,
            selector: selector.digest(),
            head: head.position,
            entries: head.evidence_size,
            begun_at: self.world.clock.now(),
            selected,
            done: 0,
            after: 0,
        })
    }

    async fn known(&self, caller: &Caller, name: &str) -> Result<SubscriptionKey, Refused> {
        let key = key_of(caller, name)?;
        self.hosts.require(&key).await?;
        Ok(key)
    }

    /// The next chunk of a run, and how many letters were in it; `None` = nothing is left of it. Begins from what is kept of the run: another call under the same id
    /// may have come further.
    async fn chunk(&self, of: Chunk) -> Result<Option<(LetterRun, u64)>, Refused> {
        let Chunk { caller, key, selector, why, begun, most } = of;
        let _turn = self.turn.lock().await;
        let mut run = match self.store.letter_run(&key, &begun.request_id).await? {
            Some(standing) => same(standing, begun.act, &selector)?,
            None => begun,
        };
        let query = LetterQuery { selector, died_by: Some(run.entries) };
        let letters = self.store.dead_letters(&key, &query, run.after, most).await?;
        let Some(last) = letters.last() else { return Ok(None) };
        let count = letters.len() as u64;
        run.after = last.position;
        run.done += self.hosts.change_letters(&key, &caller, letters, &run, why).await?;
        Ok(Some((run, count)))
    }
}

/// What one chunk needs, so that it goes to its end whoever still waits for it.
struct Chunk {
    caller: Arc<Caller>,
    key: SubscriptionKey,
    selector: Selector,
    why: Option<Digest>,
    begun: LetterRun,
    most: usize,
}

impl Run {
    /// How far it is: first as it begins, then after each chunk, durably; `None` after it was said that nothing is left, or that it
    /// pauses.
    ///
    /// # Errors
    /// `UNAVAILABLE`: the chunks before stand, and the run can be gone on with.
    pub async fn next(&mut self) -> Result<Option<Progress>, Refused> {
        if !std::mem::replace(&mut self.told, true) {
            return Ok(Some(self.progress.clone()));
        }
        if self.progress.finished || self.progress.paused {
            return Ok(None);
        }
        if self.desk.stop.is_cancelled() {
            return Err(stopping());
        }
        let chunk = Chunk {
            caller: self.caller.clone(),
            key: self.key.clone(),
            selector: self.selector.clone(),
            why: self.why,
            begun: self.progress.run.clone(),
            most: usize::try_from(self.left).unwrap_or(CHUNK).min(CHUNK),
        };
        let desk = self.desk.clone();
        // In a task of its own: who no longer waits must not leave a chunk half asked for while the next one reads.
        let done = tokio::spawn(async move { desk.chunk(chunk).await });
        match done.await.map_err(|error| defect(&error))?? {
            Some((run, count)) => {
                self.progress.run = run;
                self.left -= count;
                self.progress.paused = self.left == 0;
            }
            None => self.progress.finished = true,
        }
        Ok(Some(self.progress.clone()))
    }
}

fn defect(error: &tokio::task::JoinError) -> Refused {
    Refused::new(
        Class::Internal,
        "INTERNAL",
        format!("内部错误：死信操作中断：{error}"),
        format!("defect: a chunk of dead letters broke off: {error}"),
    )
}

/// The standing run, if it is the one that is asked for.
fn same(standing: LetterRun, act: LetterAct, selector: &Selector) -> Result<LetterRun, Refused> {
    if standing.act == act && standing.selector == selector.digest() {
        return Ok(standing);
    }
    let (id, what) = (&standing.request_id, standing.act.token());
    Err(Refused::new(
        Class::Aborted,
        "RUN_CONFLICT",
        format!("请求编号 {id} 已用于另一次死信操作（{what}，所选不同）：换一个编号，或用原来的条件继续"),
        format!(
            "request id {id} is that of another run over dead letters ({what}, or another selector): use another id, or say the same to go on"
        ),
    ))
}
