//! The host of one subscription: one task, one engine, at most one session.
//!
//! It never waits for the store: readings and commits run beside it and come back as `Finished`. It never waits for a consumer:
//! events go into the session's queue, and a session whose queue is full is sent away.
//!
//! This is its loop. What doors ask comes in by `obey`, what the engine says goes out by `output`, what ran beside it comes back
//! by `finished`; `attached` keeps the session, and what it is told goes out by `sending`.

mod attached;
mod finished;
mod obey;
mod output;
mod riding;
mod sending;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::{Semaphore, mpsc, watch};

use self::{
    attached::{Attached, Attaching},
    finished::Finished,
    riding::Riding,
    sending::Waiting,
};
use super::{
    super::Caller,
    hosts::HostParts,
    numbers::Counts,
    reading::Reader,
    rights::Rights,
    rows::Rows,
    session::{Command, Event, Reply},
};
use crate::{
    domain::{
        dates::CivilDate,
        delivery::{Engine, LetterRun, PauseReason, PersistKind, Status, SubscriptionRow, SubscriptionState, Want},
        ids::{Micros, Position, Revision},
    },
    store::StoreError,
};

/// A heartbeat is sent at least so often.
const HEARTBEAT: Micros = 10_000_000;
/// A host without session goes to sleep after this long.
const IDLE: Micros = 60_000_000;
/// What is in flight may still be settled for so long after the gateway was told to stop.
const STOP_GRACE: Micros = 5_000_000;
/// After a failed commit or reading the store is left alone for so long.
const PAUSE_AFTER_FAILURE: Micros = 500_000;

/// A redrive, a discard, or what else an administrator asked, that is not durable yet. Answered in the order of asking.
struct Changing {
    kind: PersistKind,
    caller: Box<Caller>,
    why: Option<[u8; 32]>,
    /// The run that it is a chunk of.
    run: Option<Box<LetterRun>>,
    reply: Reply<u64>,
}

pub(super) struct Host {
    parts: HostParts,
    row: Arc<SubscriptionRow>,
    engine: Engine,
    commands: mpsc::Receiver<Command>,
    tail: watch::Receiver<Position>,
    rights: Rights,
    attached: Option<Attached>,
    /// The session said that it goes, or the gateway did: what is unsettled when it ends is not counted.
    is_draining: bool,
    attaching: Option<Attaching>,
    changing: VecDeque<Changing>,
    rows: Rows,
    waiting: VecDeque<Waiting>,
    current: HashMap<Position, Revision>,
    work: FuturesUnordered<BoxFuture<'static, Finished>>,
    is_reading: bool,
    riding: Option<Riding>,
    /// Raised when filter, rights or place change: what was read before is not what would be read now.
    judged: u64,
    /// Wall clock at the start; time goes on by the monotonic clock, so that leases do not jump with the wall.
    epoch_of_time: (Micros, Duration),
    hold_until: Micros,
    next_heartbeat: Micros,
    last_needed: Micros,
    last_pause: Option<PauseReason>,
    counts: Arc<Counts>,
    counted_since: Micros,
    stopping: Option<Micros>,
    closed: Option<&'static str>,
}

impl Host {
    pub(super) fn new(
        parts: HostParts,
        state: SubscriptionState,
        commands: mpsc::Receiver<Command>,
        counts: Arc<Counts>,
        counted_since: Micros,
    ) -> Self {
        let row = Arc::new(state.row.clone());
        let seed = u64::from_be_bytes(parts.world.random());
        let mut engine = Engine::load(state, seed);
        let tail = parts.tail.watch();
        let now = parts.world.clock.now();
        engine.appended(*tail.borrow());
        let rights = Rights::evaluate(parts.register.load_full(), &row.key.participant, CivilDate::of_instant(now));
        engine.permit(now, rights.allow_any(&row.spec.filter.feeds));
        Self {
            engine,
            commands,
            tail,
            rights,
            attached: None,
            is_draining: false,
            attaching: None,
            changing: VecDeque::new(),
            rows: Rows::default(),
            waiting: VecDeque::new(),
            current: HashMap::new(),
            work: FuturesUnordered::new(),
            is_reading: false,
            riding: None,
            judged: 0,
            epoch_of_time: (now, parts.world.clock.monotonic()),
            hold_until: 0,
            next_heartbeat: now + HEARTBEAT,
            last_needed: now,
            last_pause: None,
            counts,
            counted_since,
            stopping: None,
            closed: None,
            row,
            parts,
        }
    }

    fn now(&self) -> Micros {
        let (wall, start) = self.epoch_of_time;
        let since = self.parts.world.clock.monotonic().saturating_sub(start);
        wall.saturating_add(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    pub(super) async fn run(mut self) {
        let stop = self.parts.stop.clone();
        loop {
            self.advance();
            if self.is_over() {
                break;
            }
            let (wait, places) = (self.until_next(), self.taken_places());
            tokio::select! {
                Some(finished) = self.work.next(), if !self.work.is_empty() => self.finished(finished),
                command = self.commands.recv() => match command {
                    Some(command) => self.obey_all(command),
                    None => break,
                },
                changed = self.tail.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let head = *self.tail.borrow_and_update();
                    self.hear_ride();
                    self.engine.appended(head);
                }
                () = tokio::time::sleep(wait) => self.tick(),
                // A place is free again: the loop goes on by what it looks for first.
                () = freed(places.as_deref()), if places.is_some() => {}
                () = stop.cancelled(), if self.stopping.is_none() => self.begin_stop(),
            }
        }
        self.leave("shutdown");
        self.end_ride();
    }

    /// Ends when told to, when the stop grace is over, or when nobody has needed it for a while.
    fn is_over(&mut self) -> bool {
        let now = self.now();
        let is_busy = self.attached.is_some() || self.attaching.is_some() || !self.work.is_empty() || !self.changing.is_empty();
        if self.closed.is_some() {
            return self.work.is_empty();
        }
        if let Some(since) = self.stopping {
            return !is_busy || now >= since + STOP_GRACE;
        }
        if is_busy || self.engine.next_deadline().is_some() {
            self.last_needed = now;
        }
        now >= self.last_needed + IDLE && self.commands.is_empty()
    }

    fn until_next(&self) -> Duration {
        let now = self.now();
        let mut next = if self.attached.is_some() { self.next_heartbeat } else { now + IDLE };
        if let Some(deadline) = self.engine.next_deadline() {
            next = next.min(deadline);
        }
        if let Some(since) = self.stopping {
            next = next.min(since + STOP_GRACE);
        }
        // While the store is left alone nothing that needs it is due.
        next = if self.hold_until > now { next.max(now).min(self.hold_until) } else { next };
        Duration::from_micros(u64::try_from(next - now).unwrap_or(0).max(1_000))
    }

    fn tick(&mut self) {
        let now = self.now();
        self.refresh_rights(now);
        self.look_at_store(now);
        self.engine.tick(now);
        if now >= self.next_heartbeat {
            self.next_heartbeat = now + HEARTBEAT;
            self.beat();
        }
    }

    /// Sends a heartbeat as soon as what has to be read for it is read.
    fn beat(&mut self) {
        if self.attached.is_none() {
            return;
        }
        let (parts, row, status) = (self.parts.clone(), self.row.clone(), self.numbers());
        self.work.push(async move { Finished::Observed { status: parts.observe(&row, status).await } }.boxed());
    }

    /// The numbers now, with what was counted and what is in memory.
    fn numbers(&self) -> Status {
        let mut status = self.engine.status();
        self.counts.count(&mut status, self.counted_since);
        status.observed.at = self.now();
        let oldest = status.behind.oldest.and_then(|oldest| self.rows.known(oldest.position));
        status.observed.oldest_committed_at = oldest.map_or(0, |known| known.committed_at);
        status
    }

    /// While a commit hangs, whosever it is, no lease may run out: what a consumer says now could not be recorded either.
    fn look_at_store(&mut self, now: Micros) {
        if self.parts.committer.is_stalled(self.parts.world.clock.monotonic()) {
            self.engine.store_stalled(now, true);
        }
    }

    fn begin_stop(&mut self) {
        self.stopping = Some(self.now());
        self.tell(Event::GoAway { reason: "shutdown", reconnect_after_ms: 1_000 });
        self.is_draining = true;
        let now = self.now();
        self.engine.drain(now);
    }

    fn refresh_rights(&mut self, now: Micros) {
        let (register, today) = (self.parts.register.load_full(), CivilDate::of_instant(now));
        if self.rights.is_of(&register, today) {
            return;
        }
        let fresh = Rights::evaluate(register, &self.row.key.participant, today);
        let has_changed = !fresh.equals(&self.rights);
        self.rights = fresh;
        if has_changed {
            self.judged += 1;
            self.end_ride();
            self.engine.permit(now, false);
            self.engine.permit(now, self.rights.allow_any(&self.row.spec.filter.feeds));
        }
    }

    /// Lets the engine decide what to send, does what it says, and reads what it wants.
    fn advance(&mut self) {
        let now = self.now();
        if now < self.hold_until {
            return;
        }
        self.refresh_rights(now);
        loop {
            self.engine.session_is_full(self.taken_places().is_some());
            self.engine.pump(now);
            let outputs = self.engine.take_outputs();
            if outputs.is_empty() {
                break;
            }
            for output in outputs {
                self.output(output);
            }
        }
        if !self.is_reading
            && let Some(want) = self.engine.wants()
        {
            self.read(want);
        }
        self.offer_ride();
        let pause = self.engine.pause_reason();
        if pause != self.last_pause {
            self.last_pause = pause;
            self.tell(Event::State(self.numbers()));
        }
    }

    fn read(&mut self, want: Want) {
        self.is_reading = true;
        let reader = Reader { parts: self.parts.clone(), row: self.row.clone(), rights: self.rights.clone() };
        let judged = self.judged;
        // In a task of its own: taking records apart and judging them goes on beside what the host does.
        let reading = tokio::spawn(reader.read(want));
        let read = async move { reading.await.unwrap_or_else(|ended| Err(StoreError::Unavailable(ended.to_string()))) };
        self.work.push(async move { Finished::Read { judged, result: read.await } }.boxed());
    }
}

/// Waits until one of the places is free.
async fn freed(places: Option<&Semaphore>) {
    match places {
        // Never closed.
        Some(places) => drop(places.acquire().await),
        None => std::future::pending().await,
    }
}
