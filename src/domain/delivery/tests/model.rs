//! Random histories against a simple reference: what each position's fate is, by what was committed and what was sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Publish(Vec<u8>),
    Attach { who: u8, take_over: bool },
    Detach { drained: bool },
    Drain,
    Window(u32),
    Settle(Vec<(u16, u8)>),
    AckAll,
    SettleOld { which: u16, verb: u8 },
    Wait(u8),
    LetGo { succeeds: bool },
    LetAllGo,
    Crash { committed: bool },
    Redrive(u8),
    Discard(u8),
    Permit(bool),
    Stall(bool),
    Pause(bool),
    Heartbeat,
    Rest,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => prop::collection::vec(0_u8..5, 1..8).prop_map(Op::Publish),
        4 => (0_u8..3, any::<bool>()).prop_map(|(who, take_over)| Op::Attach { who, take_over }),
        2 => any::<bool>().prop_map(|drained| Op::Detach { drained }),
        1 => Just(Op::Drain),
        1 => (1_u32..6).prop_map(Op::Window),
        12 => prop::collection::vec((any::<u16>(), 0_u8..12), 1..6).prop_map(Op::Settle),
        4 => Just(Op::AckAll),
        3 => (any::<u16>(), 0_u8..12).prop_map(|(which, verb)| Op::SettleOld { which, verb }),
        6 => (0_u8..6).prop_map(Op::Wait),
        10 => prop::bool::weighted(0.75).prop_map(|succeeds| Op::LetGo { succeeds }),
        6 => Just(Op::LetAllGo),
        2 => any::<bool>().prop_map(|committed| Op::Crash { committed }),
        2 => (0_u8..4).prop_map(Op::Redrive),
        1 => (0_u8..4).prop_map(Op::Discard),
        2 => prop::bool::weighted(0.7).prop_map(Op::Permit),
        2 => prop::bool::weighted(0.3).prop_map(Op::Stall),
        1 => prop::bool::weighted(0.3).prop_map(Op::Pause),
        1 => Just(Op::Heartbeat),
        3 => Just(Op::Rest),
    ]
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    total: bool,
    block: bool,
    max_attempts: u32,
    circuit: u32,
    max_in_flight: u32,
    max_span: u32,
    rate: u32,
    look_ahead: usize,
    batch: usize,
}

fn shape() -> impl Strategy<Value = Shape> {
    let limits = (prop::sample::select(vec![2_u32, 3, 100]), prop::sample::select(vec![0_u32, 0, 4]));
    let sizes = (prop::sample::select(vec![3_u32, 1_000]), prop::sample::select(vec![5_u32, 1_000_000]));
    let reads = (prop::sample::select(vec![3_u32, 1_000]), prop::sample::select(vec![2_usize, 5, 1_000]), 1_usize..8);
    (prop::bool::weighted(0.25), any::<bool>(), limits, sizes, reads).prop_map(
        |(total, block, (max_attempts, circuit), (max_in_flight, max_span), (rate, look_ahead, batch))| Shape {
            total,
            block,
            max_attempts,
            circuit,
            max_in_flight,
            max_span,
            rate,
            look_ahead,
            batch,
        },
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pending,
    Acked,
    Dead,
    Discarded,
}

#[derive(Debug)]
struct Asked {
    verb: Verb,
    token: Token,
    stood: Fate,
    behind: bool,
}

/// The reference and its judgement.
struct Model {
    host: Host,
    shape: Shape,
    fates: BTreeMap<Position, Fate>,
    failures: HashMap<Position, u32>,
    redriven: BTreeSet<Position>,
    /// Out at the consumer: delivery and when its lease was said to run out.
    out: BTreeMap<Position, (Delivery, Micros)>,
    tokens: HashMap<Token, Position>,
    asked: BTreeMap<u64, Vec<(Position, Asked)>>,
    epochs: u64,
    window: u32,
    trace: Vec<String>,
}

impl Model {
    fn new(shape: Shape) -> Self {
        let mut spec = spec();
        spec.ordering = if shape.total { Ordering::Total } else { Ordering::PerEnterprise };
        spec.on_dead_letter = if shape.block { OnDeadLetter::Block } else { OnDeadLetter::Continue };
        spec.retry.max_attempts = shape.max_attempts;
        spec.retry.pause_after_failures = shape.circuit;
        spec.retry.rate_per_second = shape.rate;
        (spec.max_in_flight, spec.max_span) = (shape.max_in_flight, shape.max_span);
        let mut host = Host::new(spec);
        host.hold = true;
        let mut model = Self {
            host,
            shape,
            fates: BTreeMap::new(),
            failures: HashMap::new(),
            redriven: BTreeSet::new(),
            out: BTreeMap::new(),
            tokens: HashMap::new(),
            asked: BTreeMap::new(),
            epochs: 0,
            window: 0,
            trace: Vec::new(),
        };
        model.bound();
        model
    }

    fn bound(&mut self) {
        let bounds = Bounds { batch_records: self.shape.batch, batch_bytes: 450, look_ahead: self.shape.look_ahead };
        let fresh = Engine::load(self.host.stored.clone(), self.host.seed);
        self.host.engine = fresh.with_bounds(bounds);
    }

    fn key(&self, position: Position) -> &str {
        let entry = self.host.ledger[usize::try_from(position).expect("small") - 1].as_ref();
        if self.shape.total { "*" } else { &entry.expect("matching").0 }
    }

    /// Earlier ones of its key that are neither finished nor exempt.
    fn before(&self, position: Position) -> Vec<Position> {
        let unfinished = |fate: Fate| fate == Fate::Pending || (fate == Fate::Dead && self.shape.block);
        let key = self.key(position);
        let earlier = self.fates.range(..position).filter(|(p, fate)| unfinished(**fate) && !self.redriven.contains(p));
        earlier.map(|(p, _)| *p).filter(|p| self.key(*p) == key).collect()
    }

    fn verb(number: u8) -> Verb {
        match number {
            0..=5 => Verb::Ack,
            6 => retry("busy"),
            7 => Verb::Retry { delay_ms: 50, reason: "soon".into() },
            8 => retry("bad_data"),
            9 => Verb::Release,
            10 => reject("no"),
            _ => Verb::Extend { ms: 20_000 },
        }
    }

    fn settle(&mut self, items: Vec<Settlement>) {
        if items.is_empty() {
            return;
        }
        let asked = items.iter().map(|item| {
            let stood = self.fates.get(&item.position).copied().unwrap_or(Fate::Pending);
            let behind = !self.before(item.position).is_empty();
            (item.position, Asked { verb: item.verb.clone(), token: item.token, stood, behind })
        });
        let asked = asked.collect();
        self.host.requests += 1;
        self.asked.insert(self.host.requests, asked);
        self.host.engine.settle(self.host.now, self.host.requests, items);
    }

    fn apply(&mut self, op: &Op) {
        let now = self.host.now;
        match op {
            Op::Publish(keys) => {
                for key in keys {
                    let position = self.host.ledger.len() as u64 + 1;
                    if *key < 4 {
                        self.fates.insert(position, Fate::Pending);
                    }
                    self.host.ledger.push((*key < 4).then(|| (format!("k{key}"), 60 + 90 * u64::from(*key))));
                }
            }
            Op::Attach { who, take_over } => {
                let id = SessionId([*who; 16]);
                let window = Window { records: 4, bytes: 2_000 };
                if self.host.engine.attach(now, id, format!("gacc/{who}"), window, who % 2 == 0, *take_over).is_ok() {
                    self.window = 100;
                }
            }
            Op::Detach { drained } => {
                if let Some((session, ..)) = self.host.attached.last().copied() {
                    self.host.engine.detach(now, session, *drained);
                }
            }
            Op::Drain => self.host.engine.drain(now),
            Op::Window(records) => self.host.engine.window(now, Window { records: *records, bytes: 500 }),
            Op::Settle(picks) => {
                let out: Vec<_> = self.out.values().map(|(delivery, _)| *delivery).collect();
                let items = picks.iter().filter_map(|(index, verb)| {
                    let delivery = out.get(usize::from(*index) % out.len().max(1))?;
                    Some(Settlement { position: delivery.position, token: delivery.token, verb: Self::verb(*verb) })
                });
                let items = items.collect();
                self.settle(items);
            }
            Op::AckAll => {
                let all = self.out.values().map(|(d, _)| Settlement { position: d.position, token: d.token, verb: Verb::Ack });
                let all = all.collect();
                self.settle(all);
            }
            Op::SettleOld { which, verb } => {
                let mut tokens: Vec<_> = self.tokens.iter().map(|(token, position)| (*token, *position)).collect();
                tokens.sort_unstable();
                if let Some((token, position)) = tokens.get(usize::from(*which) % tokens.len().max(1)).copied() {
                    self.settle(vec![Settlement { position, token, verb: Self::verb(*verb) }]);
                }
            }
            Op::Wait(which) => {
                self.host.now += [10_000, 200_000, 1_100_000, 5_000_000, 31_000_000, 700_000_000][usize::from(*which)]
            }
            Op::LetGo { succeeds } => self.let_go(*succeeds),
            Op::LetAllGo => (0..self.host.held.len()).for_each(|_| self.let_go(true)),
            Op::Crash { committed } => self.crash(*committed),
            Op::Redrive(count) => {
                let letters = self.host.letters.values().take(usize::from(*count)).cloned().collect();
                self.host.engine.redrive(now, letters);
            }
            Op::Discard(count) => {
                let positions = self.host.letters.keys().take(usize::from(*count)).copied().collect();
                self.host.engine.discard(now, positions);
            }
            Op::Permit(permitted) => self.host.engine.permit(now, *permitted),
            Op::Stall(stalled) => self.host.engine.store_stalled(now, *stalled),
            Op::Pause(paused) => self.host.engine.pause(now, *paused),
            Op::Heartbeat => self.host.engine.heartbeat(now),
            Op::Rest => {}
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
        self.drain_outbox();
    }

    fn drain_outbox(&mut self) {
        for output in self.host.engine.take_outputs() {
            self.host.on(output);
        }
        self.watch();
    }

    fn crash(&mut self, committed: bool) {
        self.drain_outbox();
        let first = self.host.held.iter().find_map(|output| match output {
            Output::Persist(persist) if committed => Some(persist.clone()),
            _ => None,
        });
        if let Some(persist) = first {
            self.host.keep(&persist);
        }
        self.host.held.clear();
        self.watch();
        self.bound();
        self.asked.clear();
        self.out.clear();
    }

    fn run(&mut self) {
        self.host.run();
        self.watch();
    }

    fn watch(&mut self) {
        for event in std::mem::take(&mut self.host.events) {
            self.trace.push(format!("{event:?}"));
            match event {
                Output::Send { deliveries, lease_expires_at, .. } => {
                    for delivery in deliveries {
                        self.sent(delivery, lease_expires_at);
                    }
                }
                Output::LeaseLost { leases, .. } => {
                    for lost in leases {
                        if self.out.get(&lost.position).is_some_and(|(delivery, _)| delivery.token == lost.token) {
                            self.out.remove(&lost.position);
                        }
                    }
                }
                Output::Attached { epoch, resumed, .. } => {
                    assert!(epoch > self.epochs, "the epoch rises");
                    self.epochs = epoch;
                    if !resumed {
                        self.out.clear();
                    }
                }
                Output::Settled { request_id, items } => self.answered(request_id, &items),
                Output::Persist(persist) => self.committed(&persist),
                Output::Displaced { .. } | Output::Reserve { .. } => {}
            }
        }
    }

    fn sent(&mut self, delivery: Delivery, expires: Micros) {
        let position = delivery.position;
        if let Some((before, _)) = self.out.get(&position).filter(|(before, _)| before.token == delivery.token) {
            assert_eq!(*before, delivery, "what is sent once more to a session that came back is the same");
            return;
        }
        assert_eq!(self.fates.get(&position), Some(&Fate::Pending), "{position} is sent again after it was settled");
        let failures = self.failures.get(&position).copied().unwrap_or(0);
        assert_eq!(delivery.attempt, failures + 1, "attempts of {position} are exact");
        assert_eq!(delivery.redriven, self.redriven.contains(&position));
        assert!(self.tokens.insert(delivery.token, position).is_none(), "a token is used twice");
        if !delivery.redriven {
            for before in self.before(position) {
                assert!(self.out.contains_key(&before), "{position} is sent before {before}");
            }
        }
        let suspect = |p: &Position| self.host.stored.retrying.get(p).is_some_and(|row| row.suspect);
        let alone = suspect(&position) || self.out.keys().any(suspect);
        assert!(!alone || self.out.is_empty(), "a suspect is sent alone: {position} with {:?}", self.out.keys());
        assert!(self.out.insert(position, (delivery, expires)).is_none(), "{position} is out twice");
        assert!(self.out.len() <= self.shape.max_in_flight as usize);
    }

    fn answered(&mut self, request: u64, items: &[SettledItem]) {
        let asked = self.asked.remove(&request).expect("each request is answered once");
        assert_eq!(asked.len(), items.len());
        for ((position, asked), item) in asked.iter().zip(items) {
            assert_eq!(*position, item.position);
            let fate = self.fates[position];
            match (item.result, &asked.verb) {
                (SettleResult::Ok, Verb::Ack) => {
                    assert!(matches!(fate, Fate::Acked | Fate::Discarded), "an ack of {position} was confirmed: {fate:?}");
                }
                (SettleResult::Ok, Verb::Reject { .. }) => assert_eq!(fate, Fate::Dead, "a reject of {position} was confirmed"),
                (SettleResult::Ok | SettleResult::Retryable, _) => {}
                (SettleResult::Stale, Verb::Ack) => assert_ne!(asked.stood, Fate::Acked, "the ack of {position} stood"),
                (SettleResult::Stale, Verb::Reject { .. }) => {
                    assert!(asked.stood != Fate::Dead || fate != Fate::Dead, "the reject of {position} stood");
                }
                (SettleResult::Stale, _) => {}
                (SettleResult::OutOfOrder, _) => assert!(asked.behind, "{position} is the first"),
                (SettleResult::Unknown, _) => panic!("{:?} was given out for {position}", asked.token),
            }
            let final_verb = !matches!(asked.verb, Verb::Extend { .. });
            if item.result == SettleResult::Ok
                && final_verb
                && self.out.get(position).is_some_and(|(d, _)| d.token == asked.token)
            {
                self.out.remove(position);
            }
        }
    }

    fn committed(&mut self, persist: &Persist) {
        for position in &persist.tally.dead {
            assert_eq!(self.fates.insert(*position, Fate::Dead), Some(Fate::Pending));
        }
        for position in &persist.tally.acked {
            assert_eq!(self.fates[position], Fate::Pending, "{position} is finished twice");
            if !self.redriven.contains(position) {
                // Those before it may be finished by the same change.
                let before = self.before(*position);
                assert!(before.is_empty(), "{position} is acknowledged before {before:?}");
            }
            self.fates.insert(*position, Fate::Acked);
            self.gone(*position);
        }
        for position in &persist.tally.retried {
            *self.failures.entry(*position).or_default() += 1;
            let row = persist.delta.put_retries.iter().find(|row| row.position == *position).expect("a row");
            let failure = row.history.last().expect("a failure");
            let out = self.out.get(position);
            match failure.reason.as_str() {
                "lease_expired" => assert!(out.is_none_or(|(_, told)| *told <= persist_time(row)), "{position} had time"),
                "session_lost" => assert!(self.out.len() <= 1, "one of several was counted"),
                _ => {}
            }
        }
        for position in &persist.tally.redriven {
            assert_eq!(self.fates.insert(*position, Fate::Pending), Some(Fate::Dead));
            self.redriven.insert(*position);
            self.failures.insert(*position, 0);
        }
        for position in &persist.tally.discarded {
            assert_eq!(self.fates.insert(*position, Fate::Discarded), Some(Fate::Dead));
        }
        self.check_partition();
    }

    fn gone(&mut self, position: Position) {
        self.out.remove(&position);
    }

    /// What is kept says of each position exactly what is true of it: so nothing is lost and nothing is doubled by a restart.
    fn check_partition(&self) {
        let stored = &self.host.stored;
        for (position, fate) in &self.fates {
            let key = OrderKey(self.key(*position).to_owned());
            let behind = !self.shape.total && stored.blocked.get(&key).is_some_and(|row| *position > row.resume_after);
            let (retrying, dead) = (stored.retrying.contains_key(position), stored.dead.contains_key(position));
            let finished = stored.is_passed(*position) && !retrying && !dead && !behind;
            match fate {
                Fate::Acked | Fate::Discarded => assert!(finished, "{position} is {fate:?} and would come again"),
                Fate::Dead => assert!(dead && !retrying, "{position} is dead"),
                Fate::Pending => assert!(!finished && !dead, "{position} is lost"),
            }
        }
    }

    /// From here on all goes well: everything is to be finished in the end.
    fn finish(&mut self) {
        let now = self.host.now;
        self.host.engine.permit(now, true);
        self.host.engine.store_stalled(now, false);
        self.host.engine.pause(now, false);
        let mut who = 10;
        let window = Window { records: 100, bytes: 10_000 };
        self.host.engine.attach(now, SessionId([who; 16]), "gacc/last".into(), window, false, true).expect("taken over");
        for _ in 0..2_000 {
            self.run();
            while !self.host.held.is_empty() {
                self.let_go(true);
                self.run();
            }
            if self.fates.values().all(|fate| matches!(fate, Fate::Acked | Fate::Discarded)) {
                return self.rest();
            }
            let status = self.host.engine.status();
            if matches!(status.pause, Some(PauseReason::NoConsumer | PauseReason::CircuitOpen)) {
                who += 1;
                let consumer = "gacc/last".to_owned();
                self.host.engine.attach(self.host.now, SessionId([who; 16]), consumer, window, false, true).expect("taken over");
            } else if !self.out.is_empty() {
                self.apply(&Op::AckAll);
            } else if let Some(deadline) = self.host.engine.next_deadline() {
                assert!(deadline > self.host.now || status.retrying > 0, "a deadline in the past: {deadline}");
                self.host.now = self.host.now.max(deadline);
            } else if !self.host.letters.is_empty() {
                let positions = self.host.letters.keys().copied().collect();
                self.host.engine.discard(self.host.now, positions);
            } else {
                panic!("stuck: {status:?} wants {:?}, {:?}", self.host.engine.wants(), self.host.stored);
            }
        }
        panic!("not finished: {:?}", self.host.engine.status());
    }

    fn rest(&mut self) {
        self.host.now += 11 * SECOND;
        self.run();
        while !self.host.held.is_empty() {
            self.let_go(true);
            self.run();
        }
        assert!(self.asked.is_empty(), "unanswered: {:?}", self.asked);
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

/// When the failure of a row happened.
fn persist_time(row: &RetryRow) -> Micros {
    row.history.last().map_or(0, |failure| failure.at)
}

fn play(shape: Shape, ops: &[(Op, bool)]) -> Vec<String> {
    let mut model = Model::new(shape);
    for (op, run) in ops {
        model.apply(op);
        if *run {
            model.run();
        } else {
            model.watch();
        }
    }
    model.finish();
    model.trace
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_keep_every_promise(shape in shape(), ops in prop::collection::vec((op(), prop::bool::weighted(0.8)), 1..90)) {
        play(shape, &ops);
    }

    #[test]
    fn same_seed_same_trace(shape in shape(), ops in prop::collection::vec((op(), any::<bool>()), 1..40)) {
        prop_assert_eq!(play(shape, &ops), play(shape, &ops));
    }
}
