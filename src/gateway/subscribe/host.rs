//! The host of one subscription: one task, one engine, at most one session.
//!
//! It never waits for the store: readings and commits run beside it and come back as `Finished`. It never waits for a consumer:
//! events go into the session's queue, and a session whose queue is full is sent away.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::{mpsc, watch};

use super::{
    super::{Caller, Class, Refused, committer::Done},
    commits::{self, Rows},
    hosts::HostParts,
    reading::{Reader, Reading},
    rights::Rights,
    session::{AttachRequest, Command, Event, Outgoing, Reply},
};
use crate::{
    domain::{
        dates::CivilDate,
        delivery::{
            Delivery, Engine, Output, PauseReason, Persist, PersistKind, SessionId, SubscriptionRow, SubscriptionState, Want,
        },
        draft::StoredRecord,
        ids::{Micros, Position, Revision},
        ledger::{Outcome, Refusal},
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
/// Commands taken at once, so that settles become one change.
const COMMANDS_AT_ONCE: usize = 64;

/// What ran beside the host and is done.
enum Finished {
    Disclosed { batch_id: u64, read: Read, result: Result<Done, Refused> },
    Changed { change_id: u64, kind: PersistKind, settled: Vec<Position>, count: u64, result: Result<Done, Refused> },
    Read { result: Result<Reading, StoreError> },
}

/// What a disclosure had to read first.
#[derive(Default)]
struct Read {
    /// Rows that were no longer in memory.
    rows: Vec<Arc<StoredRecord>>,
    /// Current revisions of what is redriven.
    current: HashMap<Position, Revision>,
}

/// The session that is attached.
struct Attached {
    attachment: u64,
    session: SessionId,
    caller: Caller,
    events: mpsc::Sender<Event>,
}

/// A session whose attach is not durable yet.
struct Attaching {
    attached: Attached,
    reply: Reply<()>,
}

/// A redrive or discard that is not durable yet.
struct Changing {
    kind: PersistKind,
    caller: Box<Caller>,
    why: Option<[u8; 32]>,
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
    current: HashMap<Position, Revision>,
    work: FuturesUnordered<BoxFuture<'static, Finished>>,
    is_reading: bool,
    /// Wall clock at the start; time goes on by the monotonic clock, so that leases do not jump with the wall.
    epoch_of_time: (Micros, Duration),
    hold_until: Micros,
    next_heartbeat: Micros,
    last_needed: Micros,
    last_pause: Option<PauseReason>,
    stopping: Option<Micros>,
    closed: Option<&'static str>,
}

impl Host {
    pub(super) fn new(parts: HostParts, state: SubscriptionState, commands: mpsc::Receiver<Command>) -> Self {
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
            rows: Rows::new(),
            current: HashMap::new(),
            work: FuturesUnordered::new(),
            is_reading: false,
            epoch_of_time: (now, parts.world.clock.monotonic()),
            hold_until: 0,
            next_heartbeat: now + HEARTBEAT,
            last_needed: now,
            last_pause: None,
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
            let wait = self.until_next();
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
                    self.engine.appended(head);
                }
                () = tokio::time::sleep(wait) => self.tick(),
                () = stop.cancelled(), if self.stopping.is_none() => self.begin_stop(),
            }
        }
        self.leave("shutdown");
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
        self.engine.tick(now);
        if now >= self.next_heartbeat {
            self.next_heartbeat = now + HEARTBEAT;
            let status = self.engine.status();
            self.tell(Event::Heartbeat(status));
        }
    }

    /// Takes a command and those that wait behind it.
    fn obey_all(&mut self, first: Command) {
        self.obey(first);
        for _ in 1..COMMANDS_AT_ONCE {
            match self.commands.try_recv() {
                Ok(command) => self.obey(command),
                Err(_) => return,
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Attach { attachment, caller, request, events, reply } => {
                self.attach(now, Attached { attachment, session: request.session, caller: *caller, events }, &request, reply);
            }
            Command::Settle { attachment, request_id, items } => {
                if self.is_current(attachment) {
                    self.engine.settle(now, request_id, items);
                }
            }
            Command::Window { attachment, window } => {
                if self.is_current(attachment) {
                    self.engine.window(now, window);
                }
            }
            Command::Heartbeat { attachment } => {
                if self.is_current(attachment) {
                    self.engine.heartbeat(now);
                }
            }
            Command::Drain { attachment } => {
                if self.is_current(attachment) {
                    self.is_draining = true;
                    self.engine.drain(now);
                }
            }
            Command::Detach { attachment } => {
                if self.is_current(attachment) {
                    self.detach(now);
                }
            }
            // Nobody waits for the answer if the asker is gone.
            Command::Status { reply } => drop(reply.send(self.engine.status())),
            Command::Redrive { caller, letters, reply } => {
                self.changing.push_back(Changing { kind: PersistKind::Redrive, caller, why: None, reply });
                self.engine.redrive(now, letters);
            }
            Command::Discard { caller, letters, why, reply } => {
                self.changing.push_back(Changing { kind: PersistKind::Discard, caller, why: Some(why), reply });
                self.engine.discard(now, letters.into_iter().map(|letter| letter.position).collect());
            }
            Command::Close { reason, reply } => {
                self.closed = Some(reason);
                self.leave(reason);
                let _ = reply.send(());
            }
        }
    }

    fn is_current(&self, attachment: u64) -> bool {
        self.attached.as_ref().is_some_and(|attached| attached.attachment == attachment)
    }

    fn attach(&mut self, now: Micros, attached: Attached, request: &AttachRequest, reply: Reply<()>) {
        if self.stopping.is_some() || self.closed.is_some() || self.attaching.is_some() {
            let _ = reply.send(Err(busy("another attach is under way")));
            return;
        }
        let consumer = attached.caller.system.to_string();
        match self.engine.attach(now, request.session, consumer, request.window, request.auto_extend, request.take_over) {
            Ok(()) => self.attaching = Some(Attaching { attached, reply }),
            Err(refused) => drop(reply.send(Err(busy(&refused.holder)))),
        }
    }

    fn detach(&mut self, now: Micros) {
        if let Some(attached) = self.attached.take() {
            self.engine.detach(now, attached.session, self.is_draining);
        }
    }

    fn begin_stop(&mut self) {
        self.stopping = Some(self.now());
        self.tell(Event::GoAway { reason: "shutdown", reconnect_after_ms: 1_000 });
        self.is_draining = true;
        let now = self.now();
        self.engine.drain(now);
    }

    /// Tells the session to go and forgets it.
    fn leave(&mut self, reason: &'static str) {
        self.tell(Event::GoAway { reason, reconnect_after_ms: 1_000 });
        self.attached = None;
        if let Some(attaching) = self.attaching.take() {
            let _ = attaching.reply.send(Err(busy("the gateway is stopping")));
        }
    }

    /// Puts an event into the session's queue. A queue that is full belongs to a consumer that has stopped reading: it is sent
    /// away, so that memory stays bounded.
    fn tell(&mut self, event: Event) {
        let Some(attached) = &self.attached else { return };
        if attached.events.try_send(event).is_err() {
            let now = self.now();
            self.detach(now);
        }
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
        let status = self.engine.status();
        if status.pause != self.last_pause {
            self.last_pause = status.pause;
            self.tell(Event::State(status));
        }
    }

    fn read(&mut self, want: Want) {
        self.is_reading = true;
        let reader = Reader { parts: self.parts.clone(), row: self.row.clone(), rights: self.rights.clone() };
        self.work.push(async move { Finished::Read { result: reader.read(want).await } }.boxed());
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Persist(persist) => self.persist(*persist),
            Output::Reserve { batch_id, deliveries } => self.disclose(batch_id, deliveries),
            Output::Send { session, lease_expires_at, deliveries, .. } => self.send(session, lease_expires_at, &deliveries),
            Output::Attached { session, epoch, .. } => self.opened(session, epoch),
            Output::Displaced { session } => {
                if self.attached.as_ref().is_some_and(|attached| attached.session == session) {
                    self.tell(Event::GoAway { reason: "taken_over", reconnect_after_ms: 30_000 });
                    self.attached = None;
                }
            }
            Output::Settled { request_id, items } => self.tell(Event::Settled { request_id, items }),
            Output::LeaseLost { session, leases } => {
                if self.attached.as_ref().is_some_and(|attached| attached.session == session) {
                    self.tell(Event::LeaseLost(leases));
                }
            }
        }
    }

    fn opened(&mut self, session: SessionId, epoch: u64) {
        let Some(attaching) = self.attaching.take_if(|attaching| attaching.attached.session == session) else { return };
        if self.attached.is_some() {
            self.tell(Event::GoAway { reason: "taken_over", reconnect_after_ms: 30_000 });
        }
        self.attached = Some(attaching.attached);
        self.is_draining = false;
        let (identity, status) = (self.parts.store.identity().clone(), self.engine.status());
        self.tell(Event::Opened { epoch, ledger_id: identity.ledger_id, generation: identity.generation, status });
        // The asker may be gone; its session is then dropped, which detaches.
        let _ = attaching.reply.send(Ok(()));
    }

    /// Hands a disclosed batch to the session. Rows stay until they are settled: what is taken back is sent again from memory.
    fn send(&mut self, session: SessionId, lease_expires_at: Micros, deliveries: &[Delivery]) {
        if self.attached.as_ref().is_none_or(|attached| attached.session != session) {
            return;
        }
        let batch = deliveries
            .iter()
            .filter_map(|delivery| {
                let record = self.rows.get(&delivery.position)?.clone();
                Some(Outgoing {
                    show_restricted: self.rights.show_restricted(record.attributes.feed()),
                    attempt: delivery.attempt,
                    token: delivery.token,
                    lease_expires_at,
                    recall: delivery.recall,
                    redriven: delivery.redriven,
                    current_revision: self.current.remove(&delivery.position).unwrap_or(0),
                    left_filter: delivery.left_filter,
                    record,
                })
            })
            .collect();
        self.tell(Event::Deliveries(batch));
    }

    /// Records a disclosure, then tells the engine. Rows that are no longer in memory are read again first.
    fn disclose(&mut self, batch_id: u64, deliveries: Vec<Delivery>) {
        let known: Rows = deliveries
            .iter()
            .filter_map(|delivery| Some((delivery.position, self.rows.get(&delivery.position)?.clone())))
            .collect();
        let caller = self.attached.as_ref().map(|attached| attached.caller.clone());
        let (key, epoch, parts) = (self.row.key.clone(), self.engine.status().epoch, self.parts.clone());
        let work = async move {
            let read = match read_missing(&parts, &deliveries, &known).await {
                Ok(read) => read,
                Err(error) => return Finished::Disclosed { batch_id, read: Read::default(), result: Err(error.into()) },
            };
            let mut rows = known;
            rows.extend(read.rows.iter().map(|record| (record.position, record.clone())));
            let act = commits::disclosure(&key, epoch, caller.as_ref(), &deliveries, &rows);
            Finished::Disclosed { batch_id, read, result: parts.committer.commit(act).await }
        };
        self.work.push(work.boxed());
    }

    fn persist(&mut self, persist: Persist) {
        let asker = match persist.kind {
            PersistKind::Redrive | PersistKind::Discard => self.changing.front(),
            _ => None,
        };
        let caller = match (&persist.kind, asker) {
            (_, Some(changing)) => Some(&*changing.caller),
            (PersistKind::Attach { .. }, None) => self.attaching.as_ref().map(|attaching| &attaching.attached.caller),
            (PersistKind::Settle, None) => self.attached.as_ref().map(|attached| &attached.caller),
            _ => None,
        };
        let mut act = commits::change(&self.row.key, &persist, caller, &self.rows);
        if let Some(why) = asker.and_then(|changing| changing.why) {
            act.evidence.commitment = Some(why);
        }
        let tally = persist.tally;
        let count = (tally.redriven.len() + tally.discarded.len()) as u64;
        let settled = [tally.acked, tally.dead, tally.retried, tally.withheld, tally.suspected].concat();
        let (change_id, kind, committer) = (persist.change_id, persist.kind, self.parts.committer.clone());
        let work = async move { Finished::Changed { change_id, kind, settled, count, result: committer.commit(act).await } };
        self.work.push(work.boxed());
    }

    fn finished(&mut self, finished: Finished) {
        let now = self.now();
        match finished {
            Finished::Disclosed { batch_id, read, result } => {
                self.rows.extend(read.rows.into_iter().map(|record| (record.position, record)));
                self.current.extend(read.current);
                match self.stands(now, result) {
                    Ok(()) => self.engine.committed(batch_id, now),
                    Err(_) => self.engine.aborted(batch_id, now),
                }
            }
            Finished::Changed { change_id, kind, settled, count, result } => {
                let result = self.stands(now, result);
                if result.is_ok() {
                    for position in &settled {
                        self.rows.remove(position);
                    }
                    self.engine.persisted(change_id, now);
                } else {
                    self.engine.persist_failed(change_id, now);
                }
                self.answer(&kind, count, result);
            }
            Finished::Read { result } => {
                self.is_reading = false;
                match result {
                    Ok(reading) => self.feed(now, reading),
                    Err(error) => {
                        tracing::warn!(subscription = %self.row.key.name, %error, "reading failed; trying again");
                        self.hold_until = now + PAUSE_AFTER_FAILURE;
                    }
                }
            }
        }
    }

    /// Answers those who wait for a change of this kind.
    fn answer(&mut self, kind: &PersistKind, count: u64, result: Result<(), Refused>) {
        match kind {
            PersistKind::Attach { .. } => {
                if let Err(refused) = result
                    && let Some(attaching) = self.attaching.take()
                {
                    let _ = attaching.reply.send(Err(refused));
                }
            }
            PersistKind::Redrive | PersistKind::Discard => {
                let is_first = self.changing.front().is_some_and(|changing| changing.kind == *kind);
                if is_first && let Some(changing) = self.changing.pop_front() {
                    let _ = changing.reply.send(result.map(|()| count));
                }
            }
            _ => {}
        }
    }

    /// Whether a commit stands. A store that does not accept commits stops the leases and is left alone for a moment; a fenced
    /// subscription belongs to another: this host closes.
    fn stands(&mut self, now: Micros, result: Result<Done, Refused>) -> Result<(), Refused> {
        let refused = match result {
            Ok(done) => match done.outcome {
                Outcome::Done { .. } | Outcome::Unchanged => {
                    self.engine.store_stalled(now, false);
                    return Ok(());
                }
                Outcome::Refused(Refusal::Fenced { .. } | Refusal::NotFound) => {
                    self.closed = Some("fenced");
                    self.leave("fenced");
                    busy("another gateway")
                }
                other => super::super::gateway::unexpected("subscription", &other),
            },
            Err(refused) => refused,
        };
        tracing::warn!(subscription = %self.row.key.name, reason = refused.reason, "a change was not committed; trying again");
        self.engine.store_stalled(now, true);
        self.hold_until = now + PAUSE_AFTER_FAILURE;
        Err(refused)
    }

    fn feed(&mut self, now: Micros, reading: Reading) {
        let mut take = |rows: Vec<super::reading::Row>| {
            rows.into_iter()
                .map(|row| {
                    self.rows.insert(row.record.position, row.record);
                    row.candidate
                })
                .collect::<Vec<_>>()
        };
        match reading {
            Reading::Scanned { after, upto, rows } => {
                let rows = take(rows);
                self.engine.rows(now, after, upto, rows);
            }
            Reading::OfKey { order_key, after, upto, rows } => {
                let rows = take(rows);
                self.engine.key_rows(now, &order_key, after, upto, rows);
            }
            Reading::Again { asked, rows } => {
                let rows = take(rows);
                self.engine.reread(now, &asked, rows);
            }
        }
    }
}

/// Reads the rows of a batch that are no longer in memory, and the current revisions of those that are redriven.
async fn read_missing(parts: &HostParts, deliveries: &[Delivery], known: &Rows) -> Result<Read, StoreError> {
    let missing: Vec<Position> =
        deliveries.iter().map(|delivery| delivery.position).filter(|position| !known.contains_key(position)).collect();
    let rows: Vec<Arc<StoredRecord>> = match missing.as_slice() {
        [] => Vec::new(),
        missing => parts.store.at(missing).await?.into_iter().map(Arc::new).collect(),
    };
    let mut current = HashMap::new();
    for delivery in deliveries.iter().filter(|delivery| delivery.redriven) {
        let found = rows.iter().find(|record| record.position == delivery.position);
        let Some(record) = known.get(&delivery.position).or(found) else { continue };
        if let Some(stands) = parts.store.record(&record.record_id, None, parts.tail.position()).await? {
            current.insert(delivery.position, stands.revision);
        }
    }
    Ok(Read { rows, current })
}

/// The subscription is held by another.
fn busy(holder: &str) -> Refused {
    Refused::new(
        Class::FailedPrecondition,
        "SUBSCRIPTION_BUSY",
        format!("该订阅已被占用（{holder}）：等其离开，或以 take_over 接管"),
        format!("the subscription is held ({holder}): wait until it leaves, or attach with take_over"),
    )
}
