//! The books against a model of the gateway, over a line that breaks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::proto::{self, LostLease, SettledItem};

fn sending(position: Position, epoch: u64, send_number: u64, attempt: u32) -> Sending {
    Sending { position, token: Token { epoch, send_number }, attempt, redriven: false, order_key: "a".into() }
}

fn answer(request_id: u64, items: &[(Position, SettleResult)]) -> SettledMessage {
    let items = items.iter().map(|(position, result)| SettledItem { position: *position, result: *result as i32 });
    SettledMessage { request_id, items: items.collect() }
}

/// A delivery that the handler has finished with this settle.
fn decided(books: &mut Books, sending: Sending, settle: Settle) -> u64 {
    let position = sending.position;
    let run = books.delivered(sending).expect("to be handled");
    assert_eq!(books.start(position, run), StartOf::Run);
    books.decide(position, run, settle);
    let (request, items) = books.next_request(10).expect("something to say");
    assert_eq!(items.len(), 1);
    request
}

#[test]
fn a_confirmed_settle_is_forgotten() {
    let mut books = Books::default();
    let request = decided(&mut books, sending(1, 1, 1, 1), Settle::Ack);
    assert_eq!(books.next_request(10), None, "said once");
    assert_eq!(books.answered(&answer(request, &[(1, SettleResult::Ok)])).acked, 1);
    assert!(books.is_empty());
    assert_eq!(books.answered(&answer(request, &[(1, SettleResult::Ok)])), Settled::default(), "an answer counts once");
    books.reconnected(2);
    assert_eq!(books.next_request(10), None, "nothing is said of it again");
}

#[test]
fn a_settle_in_doubt_is_said_again_not_decided_anew() {
    let mut books = Books::default();
    decided(&mut books, sending(1, 1, 1, 1), Settle::Ack);
    books.reconnected(2);
    let (request, items) = books.next_request(10).expect("said again");
    assert_eq!(items, [Saying { position: 1, token: Token { epoch: 1, send_number: 1 }, settle: Settle::Ack }]);
    assert_eq!(books.answered(&answer(request, &[(1, SettleResult::Ok)])).acked, 1);
    assert!(books.is_empty());
}

#[test]
fn a_request_in_doubt_keeps_its_id_and_loses_what_came_anew() {
    let mut books = Books::default();
    for position in 1..=3 {
        let run = books.delivered(sending(position, 1, position, 1)).expect("to be handled");
        assert_eq!(books.start(position, run), StartOf::Run);
        books.decide(position, run, Settle::Ack);
    }
    let (first, _) = books.next_request(2).expect("1 and 2");
    let (second, _) = books.next_request(2).expect("3");
    assert_eq!(books.answered(&answer(second, &[(3, SettleResult::Ok)])).acked, 1);
    books.reconnected(2);
    // Its lease was lost with the stream: the ack is said of the new sending, and of no other.
    assert_eq!(books.delivered(sending(2, 2, 1, 1)), None);
    let (again, items) = books.next_request(10).expect("in doubt");
    assert_eq!((again, items.iter().map(|item| item.position).collect::<Vec<_>>()), (first, vec![1]));
    let (third, items) = books.next_request(10).expect("said of the new sending");
    assert_eq!((third, items[0].position, items[0].token.epoch), (second + 1, 2, 2));
    assert_eq!(books.answered(&answer(first, &[(1, SettleResult::Ok)])).acked, 1);
    assert_eq!(books.answered(&answer(third, &[(2, SettleResult::Ok)])).acked, 1);
    assert!(books.is_empty());
}

#[test]
fn a_run_hears_that_its_lease_is_lost() {
    let mut books = Books::default();
    let run = books.delivered(sending(1, 1, 1, 1)).expect("to be handled");
    let lost = |send_number| {
        let token = Some(proto::Token { epoch: 1, send_number });
        LeaseLost { leases: vec![LostLease { position: 1, token, reason: "expired".into() }] }
    };
    assert_eq!(books.start(1, run), StartOf::Run);
    assert_eq!(books.lost(&lost(9)), [0_u64; 0], "another sending's");
    assert_eq!(books.lost(&lost(1)), [run]);
}

#[test]
fn what_was_done_is_acknowledged_when_it_comes_again() {
    let mut books = Books::default();
    let request = decided(&mut books, sending(1, 1, 1, 1), Settle::Ack);
    assert_eq!(books.answered(&answer(request, &[(1, SettleResult::Stale)])).stale, 1);
    assert_eq!(books.delivered(sending(1, 2, 1, 2)), None, "not handled again");
    let (_, items) = books.next_request(10).expect("acknowledged");
    assert_eq!((items[0].token.epoch, &items[0].settle), (2, &Settle::Ack));
}

fn sought(position: Position, epoch: u64, send_number: u64) -> LeaseLost {
    let token = Some(proto::Token { epoch, send_number });
    LeaseLost { leases: vec![LostLease { position, token, reason: "sought".into() }] }
}

#[test]
fn what_was_done_before_a_seek_is_handled_again() {
    let mut books = Books::default();
    let request = decided(&mut books, sending(1, 1, 1, 1), Settle::Ack);
    books.answered(&answer(request, &[(1, SettleResult::Stale)]));
    books.delivered(sending(2, 1, 2, 1)).expect("to be handled");
    books.lost(&sought(2, 1, 2));
    assert!(books.delivered(sending(1, 2, 1, 1)).is_some(), "finished, and its ack was void");
    assert!(books.delivered(sending(2, 2, 2, 1)).is_some());
}

#[test]
fn what_was_said_just_before_a_seek_is_handled_again() {
    for answered_first in [true, false] {
        let mut books = Books::default();
        let request = decided(&mut books, sending(1, 1, 1, 1), Settle::Ack);
        books.lost(&sought(1, 1, 1));
        let stale = answer(request, &[(1, SettleResult::Stale)]);
        if answered_first {
            books.answered(&stale);
        }
        let run = books.delivered(sending(1, 2, 1, 1)).expect("handled again");
        books.answered(&stale);
        assert_eq!(books.start(1, run), StartOf::Run);
    }
}

#[test]
fn a_run_under_way_during_a_seek_does_not_count() {
    let mut books = Books::default();
    let run = books.delivered(sending(1, 1, 1, 1)).expect("to be handled");
    assert_eq!(books.start(1, run), StartOf::Run);
    assert_eq!(books.lost(&sought(1, 1, 1)), [run]);
    books.decide(1, run, Settle::Ack);
    assert!(books.delivered(sending(1, 2, 1, 1)).is_some());
}

#[test]
fn a_seek_while_nothing_was_out_is_told_by_the_epoch() {
    let mut books = Books::default();
    books.reconnected(1);
    let request = decided(&mut books, sending(1, 1, 1, 1), Settle::Ack);
    books.answered(&answer(request, &[(1, SettleResult::Stale)]));
    assert!(books.delivered(sending(1, 2, 1, 1)).is_some(), "no attach of ours raised it");
}

#[test]
fn a_redrive_is_handled_again() {
    let mut books = Books::default();
    let request = decided(&mut books, sending(1, 1, 1, 1), Settle::Ack);
    books.answered(&answer(request, &[(1, SettleResult::Stale)]));
    assert!(books.delivered(Sending { redriven: true, ..sending(1, 2, 1, 1) }).is_some());
}

#[test]
fn a_second_sending_does_not_run_beside_the_first() {
    let mut books = Books::default();
    let run = books.delivered(sending(1, 1, 1, 1)).expect("first");
    assert_eq!(books.start(1, run), StartOf::Run);
    assert_eq!(books.delivered(sending(1, 2, 1, 1)), None);
    books.decide(1, run, Settle::Ack);
    let (_, items) = books.next_request(10).expect("said of the newest sending");
    assert_eq!(items[0].token.epoch, 2);
}

#[test]
fn a_retry_counts_as_the_gateway_counted_it() {
    let mut books = Books::default();
    decided(&mut books, sending(1, 1, 1, 1), Settle::retry("busy"));
    assert_eq!(books.delivered(sending(1, 2, 1, 1)), None, "the retry was lost: it is said again");
    let (_, items) = books.next_request(10).expect("said again");
    assert_eq!((items[0].token.epoch, &items[0].settle), (2, &Settle::retry("busy")));
    assert!(books.delivered(sending(1, 2, 2, 2)).is_some(), "the retry arrived: this is the next attempt");
}

#[test]
fn an_enterprise_waits_for_its_retry() {
    let mut books = Books::default();
    let first = books.delivered(sending(1, 1, 1, 1)).expect("first");
    let second = books.delivered(sending(2, 1, 2, 1)).expect("second");
    assert_eq!(books.start(1, first), StartOf::Run);
    books.decide(1, first, Settle::retry("busy"));
    assert_eq!(books.start(2, second), StartOf::GivenBack);
    let (_, items) = books.next_request(10).expect("both");
    assert_eq!(items.iter().map(|item| item.settle.clone()).collect::<Vec<_>>(), [Settle::retry("busy"), Settle::Release]);
}

#[test]
fn again_is_said_again_when_asked() {
    let mut books = Books::default();
    let request = decided(&mut books, sending(1, 1, 1, 1), Settle::Ack);
    assert_eq!(books.answered(&answer(request, &[(1, SettleResult::Retryable)])).again, 1);
    assert_eq!(books.next_request(10), None);
    books.say_again();
    assert!(books.next_request(10).is_some());
}

#[test]
fn closing_drops_what_waits_and_takes_nothing_new() {
    let mut books = Books::default();
    let running = books.delivered(sending(1, 1, 1, 1)).expect("first");
    assert_eq!(books.start(1, running), StartOf::Run);
    let waiting = books.delivered(sending(2, 1, 2, 1)).expect("second");
    books.drain();
    assert_eq!((books.start(2, waiting), books.unsettled()), (StartOf::Skip, 1));
    assert_eq!(books.delivered(sending(3, 1, 3, 1)), None);
}

/// How the gateway of the model sees a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Waiting,
    Out(Token),
    Acked,
}

enum ToClient {
    Delivery(Sending),
    Lost(LeaseLost),
    Settled(SettledMessage),
}

const KEYS: u64 = 3;
const POSITIONS: u64 = 9;

fn key_of(position: Position) -> String {
    (position % KEYS).to_string()
}

/// Gateway, line and consumer.
struct World {
    books: Books,
    jobs: VecDeque<(Position, u64)>,
    running: Vec<(Position, u64)>,
    at: BTreeMap<Position, At>,
    attempts: BTreeMap<Position, u32>,
    epoch: u64,
    sends: u64,
    connected: bool,
    down: VecDeque<ToClient>,
    up: VecDeque<(u64, Vec<Saying>)>,
    /// Asked of the gateway, as the client knows it.
    asked: BTreeMap<u64, Vec<(Position, Token)>>,
    confirmed: BTreeSet<(Position, Token)>,
    confirmed_acks: BTreeSet<Position>,
    /// The handler said that it is done, and neither the gateway nor the books took that back.
    finished: BTreeSet<Position>,
    /// The handler said retry or release and has not run since.
    undone: BTreeSet<Position>,
}

impl World {
    fn new() -> Self {
        Self {
            books: Books::default(),
            jobs: VecDeque::new(),
            running: Vec::new(),
            at: (1..=POSITIONS).map(|position| (position, At::Waiting)).collect(),
            attempts: (1..=POSITIONS).map(|position| (position, 1)).collect(),
            epoch: 1,
            sends: 0,
            connected: true,
            down: VecDeque::new(),
            up: VecDeque::new(),
            asked: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            confirmed_acks: BTreeSet::new(),
            finished: BTreeSet::new(),
            undone: BTreeSet::new(),
        }
    }

    fn earlier_of_key(&self, position: Position) -> impl Iterator<Item = At> + '_ {
        (1..position).filter(move |earlier| earlier % KEYS == position % KEYS).map(|earlier| self.at[&earlier])
    }

    /// The gateway sends what may be sent: pipelined behind what is out, never behind what waits.
    fn send(&mut self) {
        let next = (1..=POSITIONS)
            .find(|position| self.at[position] == At::Waiting && self.earlier_of_key(*position).all(|at| at != At::Waiting));
        let Some(position) = next.filter(|_| self.connected) else { return };
        self.sends += 1;
        let token = Token { epoch: self.epoch, send_number: self.sends };
        self.at.insert(position, At::Out(token));
        self.down.push_back(ToClient::Delivery(self.sending(position, token)));
    }

    fn sending(&self, position: Position, token: Token) -> Sending {
        Sending { position, token, attempt: self.attempts[&position], redriven: false, order_key: key_of(position) }
    }

    /// A position goes back, and with it what was pipelined behind it.
    fn take_back(&mut self, position: Position, reason: &str) {
        let mut leases = Vec::new();
        for behind in (position..=POSITIONS).filter(|behind| behind % KEYS == position % KEYS) {
            if let At::Out(token) = self.at[&behind] {
                self.at.insert(behind, At::Waiting);
                let reason = if behind == position { reason } else { "taken_back" };
                if !reason.is_empty() {
                    let token = Some(proto::Token { epoch: token.epoch, send_number: token.send_number });
                    leases.push(LostLease { position: behind, token, reason: reason.into() });
                }
            }
        }
        if self.connected && !leases.is_empty() {
            self.down.push_back(ToClient::Lost(LeaseLost { leases }));
        }
    }

    fn expire(&mut self, position: Position) {
        if matches!(self.at[&position], At::Out(_)) {
            *self.attempts.get_mut(&position).expect("known") += 1;
            self.take_back(position, "expired");
        }
    }

    /// The gateway answers the next request.
    fn serve(&mut self) {
        let Some((request_id, items)) = self.up.pop_front() else { return };
        let mut results = Vec::new();
        for item in items {
            let result = self.settle(&item);
            results.push((item.position, result));
        }
        self.down.push_back(ToClient::Settled(answer(request_id, &results)));
    }

    fn settle(&mut self, item: &Saying) -> SettleResult {
        let out = self.at[&item.position] == At::Out(item.token);
        match item.settle {
            Settle::Ack if self.at[&item.position] == At::Acked => SettleResult::Ok,
            _ if !out => SettleResult::Stale,
            Settle::Ack | Settle::Retry { .. } if self.earlier_of_key(item.position).any(|at| at != At::Acked) => {
                SettleResult::OutOfOrder
            }
            Settle::Ack => {
                self.at.insert(item.position, At::Acked);
                SettleResult::Ok
            }
            Settle::Retry { .. } => {
                *self.attempts.get_mut(&item.position).expect("known") += 1;
                self.take_back(item.position, "");
                SettleResult::Ok
            }
            Settle::Release | Settle::Reject { .. } => {
                self.take_back(item.position, "");
                SettleResult::Ok
            }
        }
    }

    fn hear(&mut self) {
        match self.down.pop_front() {
            Some(ToClient::Delivery(sending)) => {
                let position = sending.position;
                if let Some(run) = self.books.delivered(sending) {
                    self.jobs.push_back((position, run));
                }
            }
            Some(ToClient::Lost(lost)) => {
                for lease in lost.leases.iter().filter(|lease| lease.reason == "taken_back") {
                    self.finished.remove(&lease.position);
                }
                self.books.lost(&lost);
            }
            Some(ToClient::Settled(settled)) => {
                let asked = self.asked.remove(&settled.request_id).unwrap_or_default();
                for ((position, token), item) in asked.iter().zip(&settled.items) {
                    if item.result == SettleResult::Ok as i32 {
                        self.confirmed.insert((*position, *token));
                        if self.at[position] == At::Acked {
                            self.confirmed_acks.insert(*position);
                        }
                    }
                }
                self.books.answered(&settled);
            }
            None => {}
        }
    }

    fn start(&mut self) {
        let Some((position, run)) = self.jobs.pop_front() else { return };
        if self.books.start(position, run) != StartOf::Run {
            return;
        }
        assert!(self.running.iter().all(|(other, other_run)| *other != position || *other_run != run));
        assert!(!self.confirmed_acks.contains(&position), "{position} is handled after its ack was confirmed");
        assert!(!self.finished.contains(&position), "{position} is handled again though it was finished");
        let ahead = self.undone.iter().find(|ahead| **ahead < position && **ahead % KEYS == position % KEYS);
        assert_eq!(ahead, None, "{position} is handled before its predecessor");
        self.undone.remove(&position);
        self.running.push((position, run));
    }

    fn decide(&mut self, settle: &Settle) {
        if self.running.is_empty() {
            return;
        }
        let (position, run) = self.running.remove(0);
        let held = self.books.held.get(&position).filter(|held| held.run == run).cloned();
        let settle_stands = held.is_some_and(|held| !held.taken_back);
        self.books.decide(position, run, settle.clone());
        let released =
            self.books.held.get(&position).is_some_and(|held| matches!(held.at, super::At::Decided(Settle::Release, _)));
        match settle {
            Settle::Ack if settle_stands && !released => {
                self.finished.insert(position);
            }
            Settle::Ack => {}
            _ if settle_stands => {
                self.undone.insert(position);
            }
            _ => {}
        }
    }

    fn flush(&mut self) {
        if !self.connected {
            return;
        }
        let Some((request, items)) = self.books.next_request(3) else { return };
        for item in &items {
            assert!(!self.confirmed.contains(&(item.position, item.token)), "{item:?} is said after it was confirmed");
            assert!(!self.confirmed_acks.contains(&item.position), "{item:?} is said after its ack was confirmed");
        }
        self.asked.insert(request, items.iter().map(|item| (item.position, item.token)).collect());
        self.up.push_back((request, items));
    }

    fn cut(&mut self, keep_leases: bool) {
        self.connected = false;
        self.down.clear();
        self.up.clear();
        self.asked.clear();
        if !keep_leases {
            for at in self.at.values_mut() {
                if matches!(at, At::Out(_)) {
                    *at = At::Waiting;
                }
            }
        }
    }

    fn connect(&mut self) {
        if !self.connected {
            self.connected = true;
            self.epoch += 1;
            self.books.reconnected(self.epoch);
            // What is still out may have been lost on the way: it is sent once more, under its token.
            let out = self.at.iter().filter_map(|(position, at)| match at {
                At::Out(token) => Some((*position, *token)),
                _ => None,
            });
            let again: Vec<_> = out.map(|(position, token)| ToClient::Delivery(self.sending(position, token))).collect();
            self.down.extend(again);
        }
    }

    fn step(&mut self, op: u8, with: u8) {
        match op {
            0 | 1 => self.send(),
            2..=4 => self.hear(),
            5 | 6 => self.start(),
            7 => self.decide(&Settle::Ack),
            8 if with.is_multiple_of(2) => self.decide(&Settle::retry("busy")),
            8 => self.decide(&Settle::Release),
            9 => self.flush(),
            10 => self.serve(),
            11 => self.books.say_again(),
            12 => self.expire(u64::from(with) % POSITIONS + 1),
            13 => self.cut(with.is_multiple_of(2)),
            _ => self.connect(),
        }
    }

    /// From here on nothing goes wrong: everything must come to an end.
    fn settle_down(&mut self) {
        self.connect();
        for _ in 0..200 {
            for _ in 0..POSITIONS * 3 {
                self.send();
                self.hear();
                self.start();
                self.decide(&Settle::Ack);
                self.flush();
                self.serve();
                self.hear();
            }
            self.books.say_again();
            if self.at.values().all(|at| *at == At::Acked) && self.books.is_empty() && self.down.is_empty() {
                return;
            }
            // What was lost on the line comes back when its lease expires.
            let out: Vec<_> = (1..=POSITIONS).filter(|p| !self.books.held.contains_key(p)).collect();
            for position in out {
                self.expire(position);
            }
        }
        panic!("never came to an end: {:?} {:?}", self.at, self.books.held);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn nothing_is_lost_doubled_or_out_of_order(ops in prop::collection::vec((0_u8..15, any::<u8>()), 0..300)) {
        let mut world = World::new();
        for (op, with) in ops {
            world.step(op, with);
        }
        world.settle_down();
    }
}
