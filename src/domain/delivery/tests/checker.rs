//! The reference: what has to be true of a history, whoever made it. It knows nothing of lanes, floors or chunks: it keeps for each
//! position what became of it so far, and names the first promise that is broken.

use std::collections::{HashMap, HashSet};

use super::{
    seen::{Rules, Seen, Standing},
    *,
};

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Breach {
    // What is handed out.
    SentUnknown,
    SentSuperseded,
    SentAfterSettled,
    SentTwice,
    SentOutOfOrder,
    SentBeforeDue,
    SentBeforeRested,
    SentWithoutPermit,
    SentUnderOtherEpoch,
    SuspectNotAlone,
    AboveMaxInFlight,
    AboveWindow,
    TokenReused,
    EpochNotRaised,
    WrongAttempt,
    WrongMark,
    // What is answered.
    AnsweredUnasked,
    AnsweredBeforeKept,
    RetryLost,
    ReleaseLost,
    AckDenied,
    NewestTokenRefused,
    FalselyOutOfOrder,
    FalselyUnknown,
    Unanswered,
    // What is kept.
    SettledWithoutLease,
    SettledOutOfOrder,
    CountedWithoutCause,
    DueTooEarly,
    DeadTooEarly,
    FinishedWouldComeAgain,
    UnfinishedIsForgotten,
    Skipped,
    SnapshotGap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Pending,
    Acked,
    Dead,
    Discarded,
}

/// What became of a position so far.
#[derive(Debug)]
pub(super) struct Known {
    pub key: String,
    pub fate: Fate,
    pub failures: u32,
    /// Not before this time.
    pub due: Micros,
    pub suspect: bool,
    pub redriven: bool,
    /// Given back, and to rest until then; where a session ends or its enterprise stops, that is forgotten.
    pub rests_until: Micros,
    /// At the consumer: token, told end of the lease, bytes.
    pub out: Option<(Token, Micros, u64)>,
}

/// An item that was asked, and how things stood then.
#[derive(Debug)]
pub(super) struct Asked {
    pub item: Settlement,
    pub stood: Fate,
    pub behind: bool,
}

#[derive(Debug)]
pub(super) struct Checker {
    pub rules: Rules,
    pub known: BTreeMap<Position, Known>,
    /// Record of each position ≤ the snapshot.
    records: BTreeMap<Position, String>,
    tokens: HashMap<Token, Position>,
    /// Tokens whose retry, release or reject was kept.
    pub taken: HashSet<Token>,
    pub asked: BTreeMap<u64, VecDeque<Asked>>,
    epoch: u64,
    resumed: bool,
    /// The session is going: what it has may be void before the next one comes.
    pub leaving: bool,
    permitted: bool,
    /// Largest window since the attach: what was reserved under a larger one may still come.
    widest: Window,
}

pub(super) type Judged = Result<(), (Breach, Position)>;

pub(super) fn holds(condition: bool, breach: Breach, position: Position) -> Judged {
    if condition { Ok(()) } else { Err((breach, position)) }
}

impl Checker {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            known: BTreeMap::new(),
            records: BTreeMap::new(),
            tokens: HashMap::new(),
            taken: HashSet::new(),
            asked: BTreeMap::new(),
            epoch: 0,
            resumed: false,
            leaving: false,
            permitted: true,
            widest: Window { records: 0, bytes: 0 },
        }
    }

    /// Goes through a history; the first breach, its position, and the number of the event.
    pub(super) fn check(rules: Rules, history: &[Seen]) -> Result<(), (Breach, Position, usize)> {
        let mut checker = Self::new(rules);
        for (index, seen) in history.iter().enumerate() {
            checker.see(seen).map_err(|(breach, position)| (breach, position, index))?;
        }
        Ok(())
    }

    pub(super) fn see(&mut self, seen: &Seen) -> Judged {
        match seen {
            Seen::Published { position, key, record } => self.published(*position, key, record),
            Seen::Permitted(permitted) => {
                self.permitted = *permitted;
                self.rest_no_more(|_, _| true);
            }
            Seen::Windowed(window) => self.widen(*window),
            Seen::Attached { epoch, resumed, window } => return self.attached(*epoch, *resumed, *window),
            Seen::Left => {
                self.leaving = true;
                self.rest_no_more(|_, _| true);
            }
            Seen::Crashed => {
                self.asked.clear();
                self.void_all();
            }
            Seen::Sent { at, expires, delivery } => return self.sent(*at, *expires, delivery),
            Seen::Lost { position, token } => {
                if let Some(known) = self.known.get_mut(position) {
                    known.out = known.out.filter(|(out, ..)| out != token);
                }
            }
            Seen::Asked { request, item } => {
                let stood = self.known.get(&item.position).map_or(Fate::Pending, |known| known.fate);
                let behind = !self.before(item.position).is_empty();
                self.asked.entry(*request).or_default().push_back(Asked { item: item.clone(), stood, behind });
            }
            Seen::Answered { request, item } => return self.answered(*request, *item),
            Seen::Kept { at, tally, rows, standing } => {
                self.kept(*at, tally, rows)?;
                return self.standing(standing);
            }
            Seen::Ended => return self.ended(),
        }
        Ok(())
    }

    fn published(&mut self, position: Position, key: &str, record: &str) {
        let key = if self.rules.total { "*" } else { key }.to_owned();
        let known = Known {
            key,
            fate: Fate::Pending,
            failures: 0,
            due: Micros::MIN,
            suspect: false,
            redriven: false,
            rests_until: Micros::MIN,
            out: None,
        };
        self.known.insert(position, known);
        if position <= self.rules.snapshot_at {
            self.records.insert(position, record.to_owned());
        }
    }

    /// At or below the snapshot only the last revision of a record is to come.
    pub(super) fn is_superseded(&self, position: Position) -> bool {
        let record = self.records.get(&position);
        record.is_some_and(|record| self.records.range(position + 1..).any(|(_, later)| later == record))
    }

    fn is_unfinished(&self, position: Position, known: &Known) -> bool {
        !self.is_superseded(position) && (known.fate == Fate::Pending || (known.fate == Fate::Dead && self.rules.block))
    }

    /// Earlier ones of its key that are neither finished nor exempt from order.
    pub(super) fn before(&self, position: Position) -> Vec<Position> {
        let Some(this) = self.known.get(&position).filter(|known| !known.redriven) else { return Vec::new() };
        let earlier = self.known.range(..position).filter(|(_, known)| known.key == this.key && !known.redriven);
        earlier.filter(|(p, known)| self.is_unfinished(**p, known)).map(|(p, _)| *p).collect()
    }

    fn widen(&mut self, window: Window) {
        self.widest.records = self.widest.records.max(window.records);
        self.widest.bytes = self.widest.bytes.max(window.bytes);
    }

    fn void_all(&mut self) {
        self.known.values_mut().for_each(|known| known.out = None);
        self.rest_no_more(|_, _| true);
        self.leaving = false;
    }

    pub(super) fn rest_no_more(&mut self, which: impl Fn(Position, &str) -> bool) {
        for (position, known) in &mut self.known {
            if which(*position, &known.key) {
                known.rests_until = Micros::MIN;
            }
        }
    }

    fn attached(&mut self, epoch: u64, resumed: bool, window: Window) -> Judged {
        holds(epoch > self.epoch, Breach::EpochNotRaised, 0)?;
        (self.epoch, self.resumed) = (epoch, resumed);
        if !resumed {
            self.void_all();
            self.widest = window;
        }
        self.leaving = false;
        self.widen(window);
        Ok(())
    }

    fn sent(&mut self, at: Micros, expires: Micros, delivery: &Delivery) -> Judged {
        let position = delivery.position;
        let Some(known) = self.known.get(&position) else { return Err((Breach::SentUnknown, position)) };
        holds(!self.is_superseded(position), Breach::SentSuperseded, position)?;
        holds(known.fate == Fate::Pending, Breach::SentAfterSettled, position)?;
        holds(delivery.attempt == known.failures + 1, Breach::WrongAttempt, position)?;
        if let Some((token, ..)) = known.out {
            // Once more to a session that came back: the same delivery.
            return holds(self.resumed && token == delivery.token, Breach::SentTwice, position);
        }
        holds(self.permitted, Breach::SentWithoutPermit, position)?;
        holds(delivery.token.epoch == self.epoch, Breach::SentUnderOtherEpoch, position)?;
        holds(delivery.redriven == known.redriven, Breach::WrongMark, position)?;
        holds(at >= known.due, Breach::SentBeforeDue, position)?;
        holds(at >= known.rests_until, Breach::SentBeforeRested, position)?;
        let out = |p: &Position| self.known.get(p).is_some_and(|known| known.out.is_some());
        holds(self.before(position).iter().all(out), Breach::SentOutOfOrder, position)?;
        let others: Vec<_> = self.known.values().filter(|other| other.out.is_some()).collect();
        let alone = known.suspect || others.iter().any(|other| other.suspect);
        holds(!alone || others.is_empty(), Breach::SuspectNotAlone, position)?;
        let count = others.len() + 1;
        holds(count <= self.rules.max_in_flight as usize, Breach::AboveMaxInFlight, position)?;
        let bytes = others.iter().filter_map(|other| other.out).map(|(.., bytes)| bytes).sum::<u64>() + delivery.bytes;
        let fits = count <= self.widest.records as usize && (count == 1 || bytes <= self.widest.bytes);
        holds(fits, Breach::AboveWindow, position)?;
        holds(self.tokens.insert(delivery.token, position).is_none(), Breach::TokenReused, position)?;
        if let Some(known) = self.known.get_mut(&position) {
            known.out = Some((delivery.token, expires, delivery.bytes));
        }
        Ok(())
    }

    pub(super) fn was_sent(&self, token: Token) -> bool {
        self.tokens.contains_key(&token)
    }

    /// What the store would do after a restart: nothing finished comes again, nothing unfinished is forgotten.
    fn standing(&self, standing: &BTreeMap<Position, Standing>) -> Judged {
        for (position, known) in &self.known {
            let stands = standing.get(position).copied().unwrap_or(Standing::ToCome);
            let finished = stands == Standing::Finished;
            match known.fate {
                Fate::Acked | Fate::Discarded => holds(finished, Breach::FinishedWouldComeAgain, *position)?,
                Fate::Dead => holds(stands == Standing::Dead, Breach::UnfinishedIsForgotten, *position)?,
                Fate::Pending if self.is_superseded(*position) => {}
                Fate::Pending => {
                    holds(!finished && stands != Standing::Dead, Breach::UnfinishedIsForgotten, *position)?;
                }
            }
        }
        Ok(())
    }

    fn ended(&self) -> Judged {
        holds(self.asked.is_empty(), Breach::Unanswered, 0)?;
        for (position, known) in &self.known {
            if known.fate == Fate::Pending && !self.is_superseded(*position) {
                let breach = if *position <= self.rules.snapshot_at { Breach::SnapshotGap } else { Breach::Skipped };
                return Err((breach, *position));
            }
        }
        Ok(())
    }
}
