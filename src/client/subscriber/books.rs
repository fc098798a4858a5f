//! What is held, what was said of it, what is confirmed: the bookkeeping of a subscriber as a pure state machine.
//!
//! ```text
//!            delivered                start              decide                 answered OK
//! (unknown) ───────────► Queued ───────────► Running ───────────► Decided ───────────────────► (confirmed, forgotten)
//!                          │                   │                     │ ▲
//!                          │ lost              │ lost, then decided  │ │ stream broke: said again, not decided anew
//!                          ▼                   ▼                     └─┘
//!                      (forgotten)         (forgotten; if done, remembered, so that the next sending is acked unheard)
//! ```
//!
//! Invariants, held by a property test:
//! * after a settle of a sending was confirmed, nothing more is said of that sending;
//! * at most one run of the handler is under way for a position;
//! * what the handler finished is acknowledged and not handled again when the gateway sends it once more, unless a person
//!   redrove it, moved the subscription's place, or the gateway took it back to keep the order of an enterprise;
//! * while an enterprise waits for a retry, its later deliveries are given back, not handled.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::settle::{Settle, StartOf};
use crate::{
    domain::ids::Position,
    proto::{LeaseLost, SettleResult, Settled as SettledMessage},
};

/// How many finished but unconfirmed positions are remembered after their lease was lost.
const REMEMBERED: usize = 100_000;

/// Names one sending, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token {
    /// Raised with every attach.
    pub epoch: u64,
    /// Number of the sending within the epoch.
    pub send_number: u64,
}

/// A delivery, as far as the books go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// Position.
    pub position: Position,
    /// Token.
    pub token: Token,
    /// 1 + counted failures.
    pub attempt: u32,
    /// Put back by a person: to be handled again whatever we remember.
    pub redriven: bool,
    /// Order key; empty = not told.
    pub order_key: String,
}

/// One item to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saying {
    /// Position.
    pub position: Position,
    /// Token of the sending.
    pub token: Token,
    /// What to say.
    pub settle: Settle,
}

/// What the answers to one request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled {
    /// Acks that stand.
    pub acked: u64,
    /// Retries that stand.
    pub retried: u64,
    /// Releases that stand.
    pub released: u64,
    /// Rejects that stand.
    pub rejected: u64,
    /// The sending was not the newest.
    pub stale: u64,
    /// To be said again.
    pub again: u64,
    /// The gateway does not know the delivery.
    pub unknown: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// Not since the stream stands.
    No,
    /// In this request, not answered yet.
    In(u64),
    /// Answered with "again": waits for [`Books::say_again`].
    Later,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Queued,
    Running,
    Decided(Settle, Said),
}

#[derive(Debug, Clone)]
struct Held {
    token: Token,
    attempt: u32,
    run: u64,
    order_key: String,
    at: At,
    /// The lease is gone and no newer sending is known.
    lost: bool,
    /// It was taken back to keep the order, or the place was moved: what the handler did does not count.
    taken_back: bool,
}

struct Asked {
    position: Position,
    token: Token,
    is_final: bool,
}

/// The books.
#[derive(Default)]
pub struct Books {
    held: BTreeMap<Position, Held>,
    to_say: VecDeque<Position>,
    later: usize,
    /// By request id: what the gateway has not answered.
    asked: BTreeMap<u64, Vec<Asked>>,
    /// Of these, to be said again since the stream they were said on broke.
    in_doubt: VecDeque<u64>,
    last_request: u64,
    last_run: u64,
    /// By order key: positions that are to come again, and that everything behind them waits for.
    waiting: HashMap<String, BTreeSet<Position>>,
    done: BTreeMap<Position, u64>,
    done_order: VecDeque<(Position, u64)>,
    draining: bool,
    /// Epoch of the stream, once one stands.
    epoch: Option<u64>,
}

impl Books {
    /// A delivery arrived. `Some(run)`: hand it to the handler under this number; `None`: it is at hand already, or finished,
    /// or unwanted since we are closing.
    pub fn delivered(&mut self, sending: Sending) -> Option<u64> {
        if self.draining {
            return None;
        }
        // Within a stream nothing but a seek raises the epoch; when nothing was out, nobody said so.
        if self.epoch.is_some_and(|epoch| sending.token.epoch > epoch) {
            self.epoch = Some(sending.token.epoch);
            self.sought();
        }
        let finished = self.done.remove(&sending.position).is_some() && !sending.redriven;
        if let Some(held) = self.held.get_mut(&sending.position) {
            let anew = held.is_to_run_anew(&sending);
            let same = held.token == sending.token;
            held.token = sending.token;
            held.attempt = sending.attempt;
            if !anew {
                if !same {
                    held.lost = false;
                    held.say_anew(sending.position, &mut self.to_say, &mut self.later);
                }
                return None;
            }
        }
        if let Some(before) = self.held.remove(&sending.position) {
            self.leave(&before);
        }
        self.open_key(&sending.order_key, sending.position);
        self.give_back_behind(&sending.order_key, sending.position);
        self.last_run += 1;
        let at = if finished { At::Decided(Settle::Ack, Said::No) } else { At::Queued };
        if finished {
            self.to_say.push_back(sending.position);
        }
        let held = Held {
            token: sending.token,
            attempt: sending.attempt,
            run: self.last_run,
            order_key: sending.order_key,
            at,
            lost: false,
            taken_back: false,
        };
        self.held.insert(sending.position, held);
        (!finished).then_some(self.last_run)
    }

    /// The handler is about to run.
    pub fn start(&mut self, position: Position, run: u64) -> StartOf {
        let Some(held) = self.held.get_mut(&position).filter(|held| held.run == run && held.at == At::Queued) else {
            return StartOf::Skip;
        };
        if waits(&self.waiting, &held.order_key, position) {
            held.at = At::Decided(Settle::Release, Said::No);
            self.to_say.push_back(position);
            return StartOf::GivenBack;
        }
        held.at = At::Running;
        StartOf::Run
    }

    /// The handler has decided.
    pub fn decide(&mut self, position: Position, run: u64, settle: Settle) {
        let Some(held) = self.held.get_mut(&position).filter(|held| held.run == run && held.at == At::Running) else {
            return;
        };
        if held.lost {
            if let Some(held) = self.held.remove(&position) {
                if settle != Settle::Ack {
                    self.give_back_behind(&held.order_key, position);
                }
                self.forget(position, &held, settle == Settle::Ack);
            }
            return;
        }
        // Done, but before its predecessor (they were handled in one batch): it has to be done again after it.
        let too_early = settle == Settle::Ack && waits(&self.waiting, &held.order_key, position);
        let settle = if too_early { Settle::Release } else { settle };
        if !held.order_key.is_empty() && matches!(settle, Settle::Retry { .. } | Settle::Release) {
            self.waiting.entry(held.order_key.clone()).or_default().insert(position);
        }
        held.at = At::Decided(settle, Said::No);
        self.to_say.push_back(position);
    }

    /// What to say next: a request in doubt as it was, or up to `most` items under a new request id.
    pub fn next_request(&mut self, most: usize) -> Option<(u64, Vec<Saying>)> {
        if let Some(in_doubt) = self.next_in_doubt() {
            return Some(in_doubt);
        }
        let mut items = Vec::new();
        let request = self.last_request + 1;
        while items.len() < most {
            let Some(position) = self.to_say.pop_front() else { break };
            let Some(held) = self.held.get_mut(&position) else { continue };
            if let At::Decided(settle, said @ Said::No) = &mut held.at {
                *said = Said::In(request);
                items.push(Saying { position, token: held.token, settle: settle.clone() });
            }
        }
        if items.is_empty() {
            return None;
        }
        self.last_request = request;
        let asked = items.iter().map(|item| Asked {
            position: item.position,
            token: item.token,
            is_final: matches!(item.settle, Settle::Ack | Settle::Reject { .. }),
        });
        self.asked.insert(request, asked.collect());
        Some((request, items))
    }

    /// The gateway answered a request.
    pub fn answered(&mut self, answer: &SettledMessage) -> Settled {
        let mut came_to = Settled::default();
        let Some(asked) = self.asked.remove(&answer.request_id) else { return came_to };
        for (nth, asked) in asked.iter().enumerate() {
            let result = answer.items.get(nth).filter(|item| item.position == asked.position);
            let result = result.map_or(SettleResult::Retryable, result_of);
            self.answered_item(answer.request_id, asked, result, &mut came_to);
        }
        came_to
    }

    fn answered_item(&mut self, request: u64, asked: &Asked, result: SettleResult, came_to: &mut Settled) {
        let Some(held) = self.held.get_mut(&asked.position) else { return };
        let newest = held.token == asked.token;
        let At::Decided(settle, said) = &mut held.at else { return };
        match result {
            // An ack or reject that stands does so whatever sending it was said of.
            SettleResult::Ok if newest || (asked.is_final && matches!(settle, Settle::Ack | Settle::Reject { .. })) => {
                match settle {
                    Settle::Ack => came_to.acked += 1,
                    Settle::Retry { .. } => came_to.retried += 1,
                    Settle::Release => came_to.released += 1,
                    Settle::Reject { .. } => came_to.rejected += 1,
                }
            }
            _ if !newest => return,
            SettleResult::Stale => came_to.stale += 1,
            SettleResult::Unknown => came_to.unknown += 1,
            _ => {
                if *said == Said::In(request) {
                    *said = Said::Later;
                    self.later += 1;
                    came_to.again += 1;
                }
                return;
            }
        }
        let Some(held) = self.held.remove(&asked.position) else { return };
        self.leave(&held);
        let finished = result == SettleResult::Stale && matches!(held.at, At::Decided(Settle::Ack, _));
        let passed = result == SettleResult::Ok && matches!(held.at, At::Decided(Settle::Ack | Settle::Reject { .. }, _));
        if !passed && !finished {
            self.give_back_behind(&held.order_key, asked.position);
        }
        self.forget(asked.position, &held, finished);
    }

    /// `position` comes again, or will. The gateway took back what it knows to be out behind it; what still waits here is of
    /// a lease that is gone, and must not be handled before.
    fn give_back_behind(&mut self, order_key: &str, position: Position) {
        for (behind, held) in self.held.range_mut(position..) {
            if held.at == At::Queued && held.order_key == order_key && !order_key.is_empty() {
                held.at = At::Decided(Settle::Release, Said::No);
                self.to_say.push_back(*behind);
            }
        }
    }

    /// The gateway took leases away. Returns the numbers of the runs that are under way with one of them.
    pub fn lost(&mut self, message: &LeaseLost) -> Vec<u64> {
        if message.leases.iter().any(|lease| lease.reason == "sought") {
            self.sought();
        }
        let mut running = Vec::new();
        for lease in &message.leases {
            let token = lease.token.as_ref().map(|token| Token { epoch: token.epoch, send_number: token.send_number });
            let Some(held) = self.held.get_mut(&lease.position).filter(|held| Some(held.token) == token) else { continue };
            held.lost = true;
            held.taken_back |= lease.reason == "taken_back";
            if held.at == At::Running {
                running.push(held.run);
            }
            if held.at == At::Queued
                && let Some(held) = self.held.remove(&lease.position)
            {
                self.give_back_behind(&held.order_key, lease.position);
            }
        }
        running
    }

    /// The place was moved: what comes again is to be handled again, whatever was done before.
    fn sought(&mut self) {
        self.done.clear();
        self.done_order.clear();
        self.held.values_mut().for_each(|held| held.taken_back = true);
    }

    /// A new stream stands, under this epoch: requests whose answer was lost are said again, under the ids they had; then whatever else was decided
    /// and not confirmed.
    pub fn reconnected(&mut self, epoch: u64) {
        self.epoch = Some(epoch);
        self.in_doubt = self.asked.keys().copied().collect();
        self.say_again();
    }

    /// The next request in doubt: what of it still is to be said, under its id.
    fn next_in_doubt(&mut self) -> Option<(u64, Vec<Saying>)> {
        while let Some(request) = self.in_doubt.pop_front() {
            let mut asked = self.asked.remove(&request).unwrap_or_default();
            let mut items = Vec::with_capacity(asked.len());
            asked.retain(|asked| {
                let held = self.held.get(&asked.position).filter(|held| held.token == asked.token);
                let Some(At::Decided(settle, said)) = held.map(|held| &held.at) else { return false };
                let in_doubt = *said == Said::In(request);
                if in_doubt {
                    items.push(Saying { position: asked.position, token: asked.token, settle: settle.clone() });
                }
                in_doubt
            });
            if !items.is_empty() {
                self.asked.insert(request, asked);
                return Some((request, items));
            }
        }
        None
    }

    /// Says again what the gateway asked to hear again.
    pub fn say_again(&mut self) {
        if self.later == 0 {
            return;
        }
        self.later = 0;
        for (position, held) in &mut self.held {
            if let At::Decided(_, said @ Said::Later) = &mut held.at {
                *said = Said::No;
                self.to_say.push_back(*position);
            }
        }
    }

    /// We are closing: nothing more is handled; what waits is left to the gateway, uncounted.
    pub fn drain(&mut self) {
        self.draining = true;
        self.held.retain(|_, held| held.at != At::Queued);
    }

    /// True while something may be said.
    pub fn has_to_say(&self) -> bool {
        !self.to_say.is_empty() || !self.in_doubt.is_empty()
    }

    /// Deliveries with the handler or decided and not confirmed.
    pub fn unsettled(&self) -> usize {
        self.held.values().filter(|held| held.at != At::Queued).count()
    }

    /// True when nothing is held at all.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    fn open_key(&mut self, order_key: &str, position: Position) {
        if let Some(waiting) = self.waiting.get_mut(order_key) {
            waiting.remove(&position);
            if waiting.is_empty() {
                self.waiting.remove(order_key);
            }
        }
    }

    fn leave(&mut self, held: &Held) {
        if matches!(held.at, At::Decided(_, Said::Later)) {
            self.later = self.later.saturating_sub(1);
        }
    }

    /// Lets go of a position; `finished`: the handler is done with it, though the gateway does not know.
    fn forget(&mut self, position: Position, held: &Held, finished: bool) {
        let key = held.order_key.clone();
        self.open_key(&key, position);
        if finished && !held.taken_back {
            self.done.insert(position, held.run);
            self.done_order.push_back((position, held.run));
            while self.done_order.len() > REMEMBERED {
                if let Some((oldest, run)) = self.done_order.pop_front()
                    && self.done.get(&oldest) == Some(&run)
                {
                    self.done.remove(&oldest);
                }
            }
        }
    }
}

impl Held {
    /// A sending of a position that is held: is the handler to run again?
    fn is_to_run_anew(&self, sending: &Sending) -> bool {
        if self.token == sending.token {
            return false;
        }
        match &self.at {
            At::Running => self.taken_back,
            At::Decided(..) if sending.redriven || self.taken_back => true,
            At::Queued | At::Decided(Settle::Ack | Settle::Reject { .. }, _) => false,
            // Our retry did not arrive when the attempt is the same: say it again. Else it did, and this is the next try.
            At::Decided(Settle::Retry { .. }, _) => sending.attempt > self.attempt,
            At::Decided(Settle::Release, _) => true,
        }
    }

    fn say_anew(&mut self, position: Position, to_say: &mut VecDeque<Position>, later: &mut usize) {
        if let At::Decided(_, said) = &mut self.at {
            match said {
                Said::No => return,
                Said::Later => *later = later.saturating_sub(1),
                Said::In(_) => {}
            }
            *said = Said::No;
            to_say.push_back(position);
        }
    }
}

/// True when an earlier position of the order key is to come again first.
fn waits(waiting: &HashMap<String, BTreeSet<Position>>, order_key: &str, position: Position) -> bool {
    waiting.get(order_key).and_then(BTreeSet::first).is_some_and(|first| *first < position)
}

fn result_of(item: &crate::proto::SettledItem) -> SettleResult {
    SettleResult::try_from(item.result).unwrap_or(SettleResult::Retryable)
}

#[cfg(test)]
mod tests;
