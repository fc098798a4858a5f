//! Plays a random history on the engine over the host in memory, and writes down what could be seen of it.

use std::collections::BTreeSet;

use super::{
    history::{Op, Shape, verb_of},
    seen::{Rules, Seen, Standing},
    *,
};

/// The window of a random session, and of the last ones, which finish.
const SMALL: Window = Window { records: 4, bytes: 2_000 };
const LARGE: Window = Window { records: 100, bytes: 10_000 };
const LAST: u8 = 10;

pub(super) struct Driver {
    pub host: Host,
    pub shape: Shape,
    pub rules: Rules,
    pub seen: Vec<Seen>,
    /// Outputs as they came.
    pub trace: Vec<Output>,
    keys: BTreeMap<Position, String>,
    /// Out at the consumer, as it knows, and every delivery it ever had.
    out: BTreeMap<Position, Delivery>,
    had: Vec<Delivery>,
    permitted: bool,
}

impl Driver {
    pub fn new(shape: &Shape) -> Self {
        let mut spec = spec();
        spec.ordering = if shape.total { Ordering::Total } else { Ordering::PerEnterprise };
        spec.on_dead_letter = if shape.block { OnDeadLetter::Block } else { OnDeadLetter::Continue };
        spec.retry.max_attempts = shape.max_attempts;
        spec.retry.pause_after_failures = shape.circuit;
        spec.retry.rate_per_second = shape.rate;
        (spec.max_in_flight, spec.max_span) = (shape.max_in_flight, shape.max_span);
        let rules = Rules {
            total: shape.total,
            block: shape.block,
            max_attempts: shape.max_attempts,
            max_in_flight: shape.max_in_flight,
            snapshot_at: shape.before.len() as u64,
        };
        let mut host = Host::new(spec);
        (host.hold, host.page) = (true, 3_000);
        let mut driver = Self {
            host,
            shape: shape.clone(),
            rules,
            seen: Vec::new(),
            trace: Vec::new(),
            keys: BTreeMap::new(),
            out: BTreeMap::new(),
            had: Vec::new(),
            permitted: true,
        };
        driver.load();
        for (key, record) in &shape.before {
            driver.publish(*key, format!("{key}/{record}"));
        }
        // What the reader of a snapshot passes over.
        let records = |at: usize| shape.before.get(at);
        let superseded =
            (0..shape.before.len()).filter(|at| (at + 1..shape.before.len()).any(|later| records(later) == records(*at)));
        driver.host.superseded = superseded.map(|at| at as u64 + 1).collect::<BTreeSet<_>>();
        driver
    }

    fn load(&mut self) {
        let bounds = Bounds { batch_records: self.shape.batch, batch_bytes: 450, look_ahead: self.shape.look_ahead };
        let fresh = Engine::load(self.host.stored.clone(), self.host.seed);
        self.host.engine = fresh.with_bounds(bounds);
        // The host tells an engine that it starts whether there is a grant.
        self.host.engine.permit(self.host.now, self.permitted);
    }

    fn publish(&mut self, key: u8, record: String) {
        let position = self.host.ledger.len() as u64 + 1;
        let name = format!("k{key}");
        self.host.ledger.push((key < 4).then(|| (name.clone(), 60 + 90 * u64::from(key))));
        if key < 4 {
            self.keys.insert(position, if self.shape.total { "*".to_owned() } else { name.clone() });
            self.seen.push(Seen::Published { position, key: name, record });
        }
    }

    fn settle(&mut self, items: Vec<Settlement>) {
        if items.is_empty() {
            return;
        }
        self.host.requests += 1;
        let request = self.host.requests;
        self.seen.extend(items.iter().map(|item| Seen::Asked { request, item: item.clone() }));
        self.host.engine.settle(self.host.now, request, items);
    }

    fn attach(&mut self, who: u8, take_over: bool) {
        let window = if who < LAST { SMALL } else { LARGE };
        // Another may hold it: then nothing happens.
        let _ = self.host.engine.attach(
            self.host.now,
            SessionId([who; 16]),
            Consumer::from(&*format!("gacc/{who}")),
            window,
            who.is_multiple_of(2),
            take_over,
        );
    }

    pub fn apply(&mut self, op: &Op) {
        let now = self.host.now;
        match op {
            Op::Publish(keys) => {
                for key in keys {
                    let record = self.host.ledger.len().to_string();
                    self.publish(*key, record);
                }
            }
            Op::PublishOthers => self.host.ledger.extend(std::iter::repeat_n(None, 5_000)),
            Op::Attach { who, take_over } => self.attach(*who, *take_over),
            Op::Detach { drained } => {
                if let Some((_, epoch, _)) = self.host.attached.last().copied() {
                    self.seen.push(Seen::Left);
                    self.host.engine.detach(now, epoch, *drained);
                }
            }
            Op::Drain => self.host.engine.drain(now),
            Op::Window(records) => {
                let window = Window { records: *records, bytes: 500 };
                self.seen.push(Seen::Windowed(window));
                self.host.engine.window(now, window);
            }
            Op::Settle(picks) => {
                let out: Vec<_> = self.out.values().copied().collect();
                let items = picks.iter().filter_map(|(index, verb)| {
                    let delivery = out.get(usize::from(*index) % out.len().max(1))?;
                    Some(item_of(delivery, verb_of(*verb)))
                });
                self.settle(items.collect());
            }
            Op::AckAll => {
                let items = self.out.values().map(|delivery| item_of(delivery, Verb::Ack)).collect();
                self.settle(items);
            }
            Op::SettleOld { which, verb } => {
                let old = self.had.get(usize::from(*which) % self.had.len().max(1)).copied();
                self.settle(old.iter().map(|delivery| item_of(delivery, verb_of(*verb))).collect());
            }
            Op::Forge { which, how, verb } => self.forge(*which, *how, verb_of(*verb)),
            Op::Wait(which) => {
                let waits = [10_000, 200_000, 1_100_000, 5_000_000, 31_000_000, 700_000_000];
                self.host.now += waits[usize::from(*which)];
            }
            _ => self.apply_to_host(op),
        }
    }

    /// Settles one delivery that is out, and lets everything go that is under way.
    pub fn say(&mut self, position: Position, verb: Verb) {
        let delivery = self.out[&position];
        self.settle(vec![item_of(&delivery, verb)]);
        self.let_all_go();
    }

    /// Settles with a token that was never given out, or with that of another position.
    fn forge(&mut self, which: u16, how: u8, verb: Verb) {
        let Some(delivery) = self.had.get(usize::from(which) % self.had.len().max(1)).copied() else { return };
        let (mut position, Token { mut epoch, mut send_number }) = (delivery.position, delivery.token);
        match how {
            0 => epoch += 100,
            1 => send_number += 1_000_000,
            2 => position = self.had[0].position,
            _ => (epoch, send_number) = (0, 0),
        }
        self.settle(vec![Settlement { position, token: Token { epoch, send_number }, verb }]);
    }

    fn apply_to_host(&mut self, op: &Op) {
        let now = self.host.now;
        match op {
            Op::LetGo { succeeds } => self.let_go(*succeeds),
            Op::LetAllGo => (0..self.host.held.len()).for_each(|_| self.let_go(true)),
            Op::Crash { committed } => self.crash(*committed),
            Op::Redrive(count) => {
                let letters = self.host.letters.values().take(usize::from(*count)).cloned().collect();
                self.host.engine.redrive(now, letters);
            }
            Op::Discard(count) => {
                let letters = self.host.letters.values().take(usize::from(*count)).cloned().collect();
                self.host.engine.discard(now, letters);
            }
            Op::Permit(permitted) => {
                self.permitted = *permitted;
                self.seen.push(Seen::Permitted(*permitted));
                self.host.engine.permit(now, *permitted);
            }
            Op::Stall(stalled) => self.host.engine.store_stalled(now, *stalled),
            Op::Pause(paused) => self.host.engine.pause(now, *paused),
            Op::Heartbeat => self.host.engine.heartbeat(now),
            _ => {}
        }
    }

    fn let_go(&mut self, succeeds: bool) {
        let Some(output) = self.host.held.pop_front() else { return };
        let now = self.host.now;
        match output {
            Output::Persist(persist) if succeeds => self.host.commit(&persist),
            Output::Persist(persist) => self.host.engine.persist_failed(persist.change_id, now),
            Output::Reserve { batch_id, .. } if succeeds => self.host.engine.committed(batch_id, now),
            Output::Reserve { batch_id, .. } => self.host.engine.aborted(batch_id, now),
            _ => {}
        }
        self.take_outputs();
    }

    fn take_outputs(&mut self) {
        for output in self.host.engine.take_outputs() {
            self.host.on(output);
        }
        self.watch();
    }

    fn crash(&mut self, committed: bool) {
        self.take_outputs();
        let first = self.host.held.iter().find_map(|output| match output {
            Output::Persist(persist) if committed => Some(persist.clone()),
            _ => None,
        });
        if let Some(persist) = first {
            self.host.keep(&persist);
        }
        self.host.held.clear();
        self.watch();
        self.seen.push(Seen::Crashed);
        self.load();
        self.out.clear();
    }

    pub fn run(&mut self) {
        self.host.run();
        self.watch();
        self.rests_for_a_reason();
    }

    /// Whoever waits is told why; without a grant nothing is read.
    fn rests_for_a_reason(&self) {
        let status = self.host.engine.status();
        if !self.permitted {
            assert_eq!((status.pause, self.host.engine.wants()), (Some(PauseReason::NotPermitted), None));
        }
        if status.pause.is_none() && self.host.held.is_empty() && self.out.is_empty() {
            let waits = self.keys.keys().find(|position| self.stands(**position) == Standing::ToCome);
            let waits = waits.filter(|position| !self.host.superseded.contains(position));
            let finishing = status.scanned > self.host.stored.floor;
            assert!(waits.is_none() || finishing, "{waits:?} does not come, and nobody says why: {status:?}");
        }
    }

    fn stands(&self, position: Position) -> Standing {
        Standing::of(&self.host.stored, position, &OrderKey(self.keys[&position].as_str().into()))
    }

    /// Writes down what happened.
    pub fn watch(&mut self) {
        let at = self.host.now;
        for event in std::mem::take(&mut self.host.events) {
            self.trace.push(event.clone());
            match event {
                Output::Send { deliveries, lease_expires_at: expires, .. } => {
                    for delivery in deliveries {
                        self.out.insert(delivery.position, delivery);
                        self.had.push(delivery);
                        self.seen.push(Seen::Sent { at, expires, delivery });
                    }
                }
                Output::LeaseLost { leases, .. } => {
                    for LostLease { position, token, .. } in leases {
                        self.forget(position, token);
                        self.seen.push(Seen::Lost { position, token });
                    }
                }
                Output::Attached { session, epoch, resumed } => {
                    if !resumed {
                        self.out.clear();
                    }
                    let window = if session.0[0] < LAST { SMALL } else { LARGE };
                    self.seen.push(Seen::Attached { epoch, resumed, window });
                }
                Output::Settled { request_id: request, items } => {
                    self.seen.extend(items.into_iter().map(|item| Seen::Answered { request, item }));
                }
                Output::Persist(persist) => self.kept(*persist),
                Output::Displaced { .. } | Output::Reserve { .. } | Output::Uncommitted { .. } => {}
            }
        }
    }

    fn forget(&mut self, position: Position, token: Token) {
        if self.out.get(&position).is_some_and(|delivery| delivery.token == token) {
            self.out.remove(&position);
        }
    }

    fn kept(&mut self, persist: Persist) {
        let tally = &persist.tally;
        let gone = [&tally.acked, &tally.retried, &tally.dead, &tally.released, &tally.suspected];
        for position in gone.into_iter().flatten() {
            self.out.remove(position);
        }
        let standing = self.keys.keys().map(|position| (*position, self.stands(*position))).collect();
        self.seen.push(Seen::Kept {
            at: self.host.now,
            tally: Box::new(persist.tally),
            rows: persist.delta.put_retries,
            standing,
        });
    }

    fn is_finished(&self) -> bool {
        let expected = |position: &&Position| !self.host.superseded.contains(position);
        self.keys.keys().filter(expected).all(|position| self.stands(*position) == Standing::Finished)
    }

    pub fn let_all_go(&mut self) {
        self.run();
        while !self.host.held.is_empty() {
            self.let_go(true);
            self.run();
        }
    }

    /// From here on all goes well: everything is to be finished in the end.
    pub fn finish(&mut self) {
        for op in [Op::Permit(true), Op::Stall(false), Op::Pause(false)] {
            self.apply(&op);
        }
        let mut who = LAST;
        self.attach(who, true);
        for _ in 0..2_000 {
            self.let_all_go();
            if self.is_finished() && self.out.is_empty() {
                return self.rest();
            }
            let status = self.host.engine.status();
            if status.pause == Some(PauseReason::CircuitOpen) {
                self.apply(&Op::Pause(false));
            } else if status.pause == Some(PauseReason::NoConsumer) {
                who += 1;
                self.attach(who, true);
            } else if !self.out.is_empty() {
                self.apply(&Op::AckAll);
            } else if let Some(deadline) = self.host.engine.next_deadline() {
                assert!(deadline > self.host.now || status.retrying > 0, "a deadline in the past: {deadline}");
                self.host.now = self.host.now.max(deadline);
            } else if !self.host.letters.is_empty() {
                self.apply(&Op::Discard(u8::MAX));
            } else {
                panic!("stuck: {status:?} wants {:?}, {:?}", self.host.engine.wants(), self.host.stored);
            }
        }
        panic!("not finished: {:?}", self.host.engine.status());
    }

    fn rest(&mut self) {
        self.host.now += 11 * SECOND;
        self.let_all_go();
        self.seen.push(Seen::Ended);
        let stored = &self.host.stored;
        assert!(stored.retrying.is_empty() && stored.blocked.is_empty() && stored.dead.is_empty(), "left over: {stored:?}");
        assert_eq!(stored.floor, self.host.ledger.len() as u64);
        assert!(stored.chunks.keys().all(|number| *number >= AckChunk::number_of(stored.floor + 1)));
        self.host.hold = false;
        let sent = self.host.sent.len();
        self.host.crash();
        self.host.attach(SessionId([99; 16]), WIDE, false);
        assert_eq!(self.host.sent.len(), sent, "something comes again after a restart");
    }
}

fn item_of(delivery: &Delivery, verb: Verb) -> Settlement {
    Settlement { position: delivery.position, token: delivery.token, verb }
}

/// Plays a history to its end.
pub(super) fn play(shape: &Shape, ops: &[(Op, bool)]) -> Driver {
    let mut driver = Driver::new(shape);
    for (op, run) in ops {
        driver.apply(op);
        if *run {
            driver.run();
        } else {
            driver.watch();
        }
    }
    driver.finish();
    driver
}
