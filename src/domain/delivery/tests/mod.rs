//! Tests of the engine: a host in memory that reads, commits and sends at once, or when a test says so.

mod administration;
mod checker;
mod corrupt;
mod driver;
mod history;
mod judge;
mod lag;
mod model;
mod order;
mod pitfalls;
mod seen;
mod sessions;
mod verbs;
mod withheld;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;
use crate::domain::{
    draft::OrderKey,
    ids::{Micros, ParticipantId, Position, RecordId},
    position_set::PositionSet,
};

pub(super) const SECOND: Micros = 1_000_000;
pub(super) const ONE: SessionId = SessionId([1; 16]);
pub(super) const TWO: SessionId = SessionId([2; 16]);
pub(super) const WIDE: Window = Window { records: 100_000, bytes: 1 << 40 };

pub(super) fn spec() -> SubscriptionSpec {
    SubscriptionSpec {
        filter: Filter::default(),
        ordering: Ordering::PerEnterprise,
        on_dead_letter: OnDeadLetter::Continue,
        lease_ms: 30_000,
        lease_total_ms: 3_600_000,
        retry: RetryPolicy {
            max_attempts: 10,
            initial_ms: 1_000,
            max_ms: 600_000,
            non_retryable: vec!["bad_data".into()],
            pause_after_failures: 0,
            rate_per_second: 100,
        },
        max_in_flight: 10_000,
        max_span: 1_000_000,
        purpose: String::new(),
        start: StartAt::Earliest,
    }
}

pub(super) fn fresh_state(spec: SubscriptionSpec) -> SubscriptionState {
    let participant = ParticipantId::parse("gacc").expect("a name");
    SubscriptionState {
        row: SubscriptionRow {
            key: SubscriptionKey { participant, name: "risk".into() },
            spec,
            created_at: 0,
            start_floor: 0,
            snapshot_at: 0,
        },
        epoch: 0,
        floor: 0,
        chunks: BTreeMap::new(),
        retrying: BTreeMap::new(),
        blocked: BTreeMap::new(),
        dead: PositionSet::default(),
        consecutive_failures: 0,
        circuit_open_since: None,
        settings_revision: 1,
        paused_since: None,
        sought_epoch: 0,
    }
}

/// A host: ledger, store, and the consumer's side of one stream.
pub(super) struct Host {
    /// Order key and size at each position from 1; `None` = not for this subscription.
    pub ledger: Vec<Option<(String, u64)>>,
    /// What the reader passes over, since a snapshot has a later revision of it.
    pub superseded: BTreeSet<Position>,
    /// Order keys that the grant does not admit.
    pub denied: BTreeSet<String>,
    pub stored: SubscriptionState,
    pub letters: BTreeMap<Position, DeadLetter>,
    pub engine: Engine,
    pub seed: u64,
    pub now: Micros,
    /// Positions of a page: few, so that scanning takes several steps.
    pub page: u64,
    /// Commits are held back.
    pub hold: bool,
    pub held: VecDeque<Output>,
    /// Sent and not settled or lost, as the consumer sees it.
    pub inbox: BTreeMap<Position, Delivery>,
    /// Everything sent, in order.
    pub sent: Vec<Delivery>,
    /// Positions of each batch whose disclosure was to be recorded.
    pub reserved: Vec<Vec<Position>>,
    pub answers: BTreeMap<u64, Vec<SettledItem>>,
    pub lost: Vec<LostLease>,
    pub persists: Vec<Persist>,
    pub attached: Vec<(SessionId, u64, bool)>,
    pub displaced: Vec<SessionId>,
    /// What the outside saw, in order: everything but reservations; changes when they were committed.
    pub events: Vec<Output>,
    pub requests: u64,
    /// Answers without a commit.
    pub uncommitted: Vec<(PersistKind, Option<u64>)>,
}

impl Host {
    pub fn new(spec: SubscriptionSpec) -> Self {
        let stored = fresh_state(spec);
        Self {
            ledger: Vec::new(),
            superseded: BTreeSet::new(),
            denied: BTreeSet::new(),
            engine: Engine::load(stored.clone(), 7),
            stored,
            letters: BTreeMap::new(),
            seed: 7,
            now: 1_000 * SECOND,
            page: 50,
            hold: false,
            held: VecDeque::new(),
            inbox: BTreeMap::new(),
            sent: Vec::new(),
            reserved: Vec::new(),
            answers: BTreeMap::new(),
            lost: Vec::new(),
            persists: Vec::new(),
            attached: Vec::new(),
            displaced: Vec::new(),
            events: Vec::new(),
            requests: 0,
            uncommitted: Vec::new(),
        }
    }

    /// A host with these order keys published and session ONE attached with a wide window; everything that can be is sent.
    pub fn with(spec: SubscriptionSpec, keys: &[&str]) -> Self {
        let mut host = Self::new(spec);
        host.publish(keys);
        host.attach(ONE, WIDE, false);
        host
    }

    pub fn publish(&mut self, keys: &[&str]) {
        self.ledger.extend(keys.iter().map(|key| (*key != "-").then(|| ((*key).to_owned(), 100))));
        self.run();
    }

    pub fn attach(&mut self, session: SessionId, window: Window, take_over: bool) {
        let consumer = Consumer::from(&*format!("gacc/{}", session.0[0]));
        self.engine.attach(self.now, session, consumer, window, false, take_over).expect("attached");
        self.run();
    }

    /// Discards these of the letters that there are.
    pub fn discard(&mut self, positions: &[Position]) {
        let letters = positions.iter().filter_map(|position| self.letters.get(position).cloned()).collect();
        self.engine.discard(self.now, letters);
    }

    /// The stream of a session that is attached ends.
    pub fn detach(&mut self, session: SessionId, drained: bool) {
        let epoch = self.attached.iter().rev().find_map(|(id, epoch, _)| (*id == session).then_some(*epoch));
        self.engine.detach(self.now, epoch.expect("it attached"), drained);
    }

    pub fn candidate(&self, position: Position) -> Option<Candidate> {
        if self.superseded.contains(&position) {
            return None;
        }
        let (key, bytes) = self.ledger.get(usize::try_from(position).ok()?.checked_sub(1)?)?.as_ref()?;
        if self.denied.contains(key) {
            return None;
        }
        Some(Candidate {
            position,
            order_key: OrderKey(key.as_str().into()),
            record_id: RecordId::parse(&format!("samr/{position}")).expect("an id"),
            revision: 1,
            bytes: *bytes,
            recall: false,
            left_filter: false,
        })
    }

    /// Asked for, and not admitted.
    pub fn withheld(&self, after: Position, upto: Position) -> Vec<Position> {
        let key_at = |position: &Position| self.ledger.get(usize::try_from(position - 1).ok()?)?.as_ref();
        let denied = |position: &Position| key_at(position).is_some_and(|(key, _)| self.denied.contains(key));
        (after + 1..=upto).filter(|position| !self.superseded.contains(position)).filter(denied).collect()
    }

    /// The grant is another now: these keys are not admitted.
    pub fn deny(&mut self, keys: &[&str]) {
        self.denied = keys.iter().map(|key| (*key).to_owned()).collect();
        self.engine.permit(self.now, false);
        self.engine.permit(self.now, true);
        self.run();
    }

    /// Positions that were said to be withheld, change by change.
    pub fn said(&self) -> Vec<Vec<Position>> {
        let said = self.persists.iter().filter(|persist| persist.kind == PersistKind::Withhold);
        said.map(|persist| persist.tally.withheld.clone()).collect()
    }

    /// Does everything there is to do now.
    pub fn run(&mut self) {
        self.engine.appended(self.ledger.len() as u64);
        for _ in 0..10_000 {
            self.engine.tick(self.now);
            let mut busy = self.read();
            self.engine.pump(self.now);
            for output in self.engine.take_outputs() {
                busy = true;
                self.on(output);
            }
            if !busy {
                return;
            }
        }
        panic!("the engine never rests: wants {:?}", self.engine.wants());
    }

    /// Reads what the engine wants, once.
    pub fn read(&mut self) -> bool {
        let Some(want) = self.engine.wants() else { return false };
        match want {
            Want::Scan { after, upto, max } => {
                let end = upto.min(after + self.page);
                let rows: Vec<_> = (after + 1..=end).filter_map(|position| self.candidate(position)).collect();
                let end = rows.get(max).map_or(end, |row| row.position - 1);
                let rows = rows.into_iter().take(max).collect();
                self.engine.withheld(self.now, after, &self.withheld(after, end));
                self.engine.rows(self.now, after, end, rows);
            }
            Want::Key { order_key, after, upto, max } => {
                let rows = (after + 1..=upto).filter_map(|position| self.candidate(position));
                let rows: Vec<_> = rows.filter(|row| row.order_key == order_key).collect();
                let end = rows.get(max).map_or(upto, |row| row.position - 1);
                let rows = rows.into_iter().take(max).collect();
                let mut withheld = self.withheld(after, end);
                withheld.retain(|position| {
                    self.ledger[*position as usize - 1].as_ref().is_some_and(|(key, _)| **key == *order_key.0)
                });
                self.engine.withheld_of_key(self.now, &order_key, &withheld);
                self.engine.key_rows(self.now, &order_key, after, end, rows);
            }
            Want::Positions(positions) => {
                let rows = positions.iter().filter_map(|position| self.candidate(*position)).collect();
                self.engine.reread(self.now, &positions, rows);
            }
        }
        true
    }

    pub fn on(&mut self, output: Output) {
        if !matches!(output, Output::Persist(_) | Output::Reserve { .. }) {
            self.events.push(output.clone());
        }
        match output {
            Output::Persist(_) | Output::Reserve { .. } if self.hold => self.held.push_back(output),
            Output::Persist(persist) => self.commit(&persist),
            Output::Reserve { batch_id, deliveries } => {
                self.reserved.push(deliveries.iter().map(|delivery| delivery.position).collect());
                self.engine.committed(batch_id, self.now);
            }
            Output::Send { deliveries, .. } => {
                for delivery in deliveries {
                    self.inbox.insert(delivery.position, delivery);
                    self.sent.push(delivery);
                }
            }
            Output::Attached { session, epoch, resumed } => {
                if !resumed {
                    self.inbox.clear();
                }
                self.attached.push((session, epoch, resumed));
            }
            Output::Displaced { session } => self.displaced.push(session),
            Output::Uncommitted { kind, conflict } => self.uncommitted.push((kind, conflict)),
            Output::Settled { request_id, items } => {
                self.answers.insert(request_id, items);
            }
            Output::LeaseLost { leases, .. } => {
                for lease in &leases {
                    self.inbox.remove(&lease.position);
                }
                self.lost.extend(leases);
            }
        }
    }

    /// Makes a change durable.
    pub fn commit(&mut self, persist: &Persist) {
        self.keep(persist);
        self.engine.persisted(persist.change_id, self.now);
        assert_eq!(self.engine.state(), &self.stored, "the engine knows what the store holds");
    }

    /// The store's part of it: durable, but the engine has not heard yet.
    pub fn keep(&mut self, persist: &Persist) {
        assert_eq!(persist.delta.expected_epoch, self.stored.epoch, "fenced");
        let before = self.stored.floor;
        apply(&mut self.stored, &persist.delta);
        assert!(self.stored.floor >= before || persist.kind == PersistKind::Seek, "the floor went back");
        let again = self.stored.clone();
        apply(&mut self.stored, &persist.delta);
        assert_eq!(again, self.stored, "a delta applied twice is another state");
        for letter in &persist.delta.put_dead {
            self.letters.insert(letter.position, letter.clone());
        }
        for position in &persist.delta.drop_dead {
            self.letters.remove(position);
        }
        self.events.push(Output::Persist(Box::new(persist.clone())));
        self.persists.push(persist.clone());
    }

    /// Lets the oldest held commit succeed or fail.
    pub fn let_go(&mut self, succeeds: bool) -> bool {
        let Some(output) = self.held.pop_front() else { return false };
        match output {
            Output::Persist(persist) if succeeds => self.commit(&persist),
            Output::Persist(persist) => self.engine.persist_failed(persist.change_id, self.now),
            Output::Reserve { batch_id, .. } if succeeds => self.engine.committed(batch_id, self.now),
            Output::Reserve { batch_id, .. } => self.engine.aborted(batch_id, self.now),
            _ => {}
        }
        self.run();
        true
    }

    pub fn wait(&mut self, seconds: i64) {
        self.now += seconds * SECOND;
        self.run();
    }

    /// kill -9 and start: what is in memory is gone.
    pub fn crash(&mut self) {
        self.engine = Engine::load(self.stored.clone(), self.seed);
        self.held.clear();
        self.inbox.clear();
        self.run();
    }

    /// Settles what the inbox holds at these positions; the request's number.
    pub fn settle(&mut self, items: &[(Position, Verb)]) -> u64 {
        let items = items.iter().map(|(position, verb)| {
            let token = self.inbox.get(position).map_or(Token { epoch: 9, send_number: 9 }, |delivery| delivery.token);
            Settlement { position: *position, token, verb: verb.clone() }
        });
        let items = items.collect();
        self.settle_with(items)
    }

    pub fn settle_with(&mut self, items: Vec<Settlement>) -> u64 {
        self.requests += 1;
        self.engine.settle(self.now, self.requests, items);
        self.run();
        self.requests
    }

    /// Settles, and the results.
    pub fn say(&mut self, items: &[(Position, Verb)]) -> Vec<SettleResult> {
        let before = self.inbox.clone();
        let request = self.settle(items);
        let results: Vec<_> = self.answers[&request].iter().map(|item| item.result).collect();
        for ((position, verb), result) in items.iter().zip(&results) {
            // What was sent again at once is another delivery.
            let same = self.inbox.get(position) == before.get(position);
            if same && *result == SettleResult::Ok && !matches!(verb, Verb::Extend { .. }) {
                self.inbox.remove(position);
            }
        }
        results
    }

    pub fn ack(&mut self, positions: &[Position]) -> Vec<SettleResult> {
        self.say(&positions.iter().map(|position| (*position, Verb::Ack)).collect::<Vec<_>>())
    }

    /// Positions out at the consumer.
    pub fn out(&self) -> Vec<Position> {
        self.inbox.keys().copied().collect()
    }

    /// Positions sent since the last call, in order.
    pub fn sent_now(&mut self) -> Vec<Position> {
        std::mem::take(&mut self.sent).into_iter().map(|delivery| delivery.position).collect()
    }

    /// Every position is finished.
    pub fn is_finished(&self) -> bool {
        let all = self.ledger.len() as u64;
        let status = self.engine.status();
        status.floor == all && self.stored.retrying.is_empty() && self.stored.blocked.is_empty() && self.inbox.is_empty()
    }
}

pub(super) fn retry(reason: &str) -> Verb {
    Verb::Retry { delay_ms: 0, reason: reason.into() }
}

pub(super) fn reject(reason: &str) -> Verb {
    Verb::Reject { reason: reason.into() }
}
