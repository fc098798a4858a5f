//! Goes through the events and names what must not be.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use tongbao::proto::SettleResult;

use super::{
    events::{Asked, Event, Placed, Said, Sent, Sought, Token},
    ledger::{Ledger, Place},
    track::{Fate, Track},
};

/// What was confirmed in a history: one that confirms nothing proves nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records whose position was answered.
    pub published: usize,
    pub deliveries: usize,
    pub acks: usize,
    pub retries: usize,
    pub rejects: usize,
    pub redriven: u64,
    pub seeks: usize,
    /// Items that were settled and never answered.
    pub unknown: usize,
}

/// Everything that is wrong with a history whose ledger stands so at last, one line each.
pub fn check(events: &[Event], ledger: &Ledger, max_attempts: u32) -> (Vec<String>, Counts) {
    let mut checker = Checker::new(ledger, max_attempts);
    checker.seeks_of(events);
    for event in events {
        checker.event(event);
    }
    checker.end()
}

struct Checker<'a> {
    ledger: BTreeMap<u64, &'a Place>,
    max_attempts: u32,
    tracks: BTreeMap<u64, Track>,
    /// Positions of an enterprise that are not over for certain.
    open: HashMap<&'a str, BTreeSet<u64>>,
    /// Ids that somebody began to publish.
    asked: BTreeSet<String>,
    placed: BTreeMap<String, u64>,
    /// Every token and the position it was for.
    tokens: HashMap<Token, u64>,
    requests: HashMap<u64, Vec<Asked>>,
    /// Seeks that no delivery has shown yet, by epoch.
    seeks: VecDeque<Sought>,
    wrong: Vec<String>,
    counts: Counts,
}

impl<'a> Checker<'a> {
    fn new(ledger: &'a Ledger, max_attempts: u32) -> Self {
        let mut open: HashMap<&str, BTreeSet<u64>> = HashMap::new();
        let mut wrong = Vec::new();
        for (place, expected) in ledger.0.iter().zip(1..) {
            open.entry(&place.order_key).or_default().insert(place.position);
            if place.position != expected {
                wrong.push(format!("position {expected} is missing: {} follows", place.position));
            }
        }
        Self {
            ledger: ledger.0.iter().map(|place| (place.position, place)).collect(),
            max_attempts,
            tracks: ledger.0.iter().map(|place| (place.position, Track::default())).collect(),
            open,
            asked: BTreeSet::new(),
            placed: BTreeMap::new(),
            tokens: HashMap::new(),
            requests: HashMap::new(),
            seeks: VecDeque::new(),
            wrong,
            counts: Counts::default(),
        }
    }

    /// All seeks that were made, and that each which was answered is among them.
    fn seeks_of(&mut self, events: &[Event]) {
        let mut made: Vec<Sought> = Vec::new();
        let mut answered: Vec<u64> = Vec::new();
        for event in events {
            match event {
                Event::Sought(sought) => made.push(*sought),
                Event::SeekAnswered { to } => answered.push(*to),
                _ => {}
            }
        }
        made.sort_by_key(|sought| sought.epoch);
        self.counts.seeks = made.len();
        let mut left: Vec<u64> = made.iter().map(|sought| sought.to).collect();
        for to in answered {
            match left.iter().position(|made| *made == to) {
                Some(at) => drop(left.swap_remove(at)),
                None => self.wrong.push(format!("a seek to {to} was answered, and the evidence has none")),
            }
        }
        self.seeks = made.into();
    }

    /// Something was sent under this epoch: the seeks up to it were made before.
    fn reached(&mut self, epoch: u64) {
        while let Some(Sought { to, .. }) = self.seeks.pop_front_if(|sought| sought.epoch <= epoch) {
            for (position, track) in &mut self.tracks {
                track.sought(*position > to, self.max_attempts);
                let place = self.ledger[position];
                let open = self.open.entry(&place.order_key).or_default();
                if track.is_over() {
                    open.remove(position)
                } else {
                    open.insert(*position)
                };
            }
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::PublishAsked(ids) => self.asked.extend(ids.iter().cloned()),
            Event::Published(records) => records.iter().for_each(|record| self.published(record)),
            Event::Opened => self.tracks.values_mut().for_each(Track::void),
            Event::Resumed | Event::SeekAnswered { .. } | Event::Sought(_) => {}
            Event::BrokeOff => self.tracks.values_mut().for_each(Track::broke_off),
            Event::Delivered(sent) => self.delivered(sent),
            Event::LeaseLost { position, token, expired } => {
                if let Some(track) = self.tracks.get_mut(position) {
                    track.lease_lost(*token, *expired);
                }
            }
            Event::SettleAsked { request, items } => {
                for item in items {
                    if let Some(track) = self.tracks.get_mut(&item.position) {
                        track.ask(*request, item.said);
                    }
                }
                self.counts.unknown += items.len();
                self.requests.insert(*request, items.clone());
            }
            Event::Settled { request, results } => self.settled(*request, results),
            Event::RedriveAsked(positions) => {
                for position in positions {
                    if let Some(track) = self.tracks.get_mut(position) {
                        track.ask_back();
                    }
                }
            }
            Event::Redriven { positions, count } => self.redriven(positions, *count),
        }
    }

    fn published(&mut self, record: &Placed) {
        let Placed { record_id, position } = record;
        self.counts.published += 1;
        if self.ledger.get(position).is_none_or(|place| place.record_id != *record_id) {
            let stands = self.ledger.get(position).map_or("nothing", |place| place.record_id.as_str());
            self.wrong.push(format!("{record_id} was answered at {position}, where {stands} stands"));
        }
        if let Some(before) = self.placed.insert(record_id.clone(), *position).filter(|before| before != position) {
            self.wrong.push(format!("{record_id} was answered at {before}, and again at {position}"));
        }
    }

    fn delivered(&mut self, sent: &Sent) {
        self.counts.deliveries += 1;
        self.reached(sent.token.0);
        let position = sent.position;
        let Some(place) = self.ledger.get(&position).copied().filter(|place| place.record_id == sent.record_id) else {
            self.wrong.push(format!("{} was delivered as {position}, where it does not stand", sent.record_id));
            return;
        };
        if !self.asked.contains(&sent.record_id) {
            self.wrong.push(format!("{} was delivered before anybody published it", sent.record_id));
        }
        if self.tokens.insert(sent.token, position).is_some_and(|before| before != position) {
            self.wrong.push(format!("the token {:?} was used twice", sent.token));
        }
        if !sent.redriven {
            self.in_order(place, "was delivered", |track| !matches!(track.fate, Fate::Out(_)));
        }
        let track = self.tracks.entry(position).or_default();
        if let Err(wrong) = track.deliver(sent) {
            self.wrong.push(format!("{position} came {wrong}"));
        }
        self.open.entry(&place.order_key).or_default().insert(position);
    }

    /// Earlier revisions of the same enterprise hold a later one, unless they may be over or came by a redrive.
    fn in_order(&mut self, place: &Place, what: &str, holds: impl Fn(&Track) -> bool) {
        let Some(open) = self.open.get(place.order_key.as_str()) else { return };
        for earlier in open.range(..place.position) {
            let track = &self.tracks[earlier];
            if !track.redriven && !track.redrive_asked && !track.may_be_over(self.max_attempts) && holds(track) {
                self.wrong.push(format!("{} {what} ahead of {earlier} ({:?})", place.position, track.fate));
            }
        }
    }

    fn settled(&mut self, request: u64, results: &[SettleResult]) {
        let items = self.requests.remove(&request).unwrap_or_default();
        if items.len() != results.len() {
            self.wrong.push(format!("request {request} has {} items and {} answers", items.len(), results.len()));
        }
        let mut answered: Vec<(&Asked, SettleResult)> = items.iter().zip(results.iter().copied()).collect();
        // The items of a request are judged by position.
        answered.sort_by_key(|(item, _)| item.position);
        for (item, result) in answered {
            self.counts.unknown -= usize::from(result != SettleResult::Retryable);
            self.item(request, item, result);
        }
    }

    fn item(&mut self, request: u64, item: &Asked, result: SettleResult) {
        let Some(track) = self.tracks.get_mut(&item.position) else {
            self.wrong.push(format!("{} was settled and does not stand", item.position));
            return;
        };
        if result != SettleResult::Ok {
            return track.not_settled(request, result == SettleResult::Retryable);
        }
        if let Err(wrong) = track.settle(request, item.token, item.said, self.max_attempts) {
            self.wrong.push(format!("{}: {wrong}", item.position));
        }
        let (is_over, is_exempt) = (track.is_over(), track.redriven);
        let place = self.ledger[&item.position];
        match item.said {
            Said::Ack => self.counts.acks += 1,
            Said::Retry => self.counts.retries += 1,
            Said::Reject => self.counts.rejects += 1,
            Said::Release => return,
        }
        if !is_exempt {
            self.in_order(place, "was settled", |_| true);
        }
        if is_over && let Some(open) = self.open.get_mut(place.order_key.as_str()) {
            open.remove(&item.position);
        }
    }

    fn redriven(&mut self, positions: &[u64], count: u64) {
        self.counts.redriven += count;
        if count != positions.len() as u64 {
            return;
        }
        for position in positions {
            if let Some(track) = self.tracks.get_mut(position) {
                track.redrive_confirmed();
            }
        }
    }

    fn end(mut self) -> (Vec<String>, Counts) {
        self.reached(u64::MAX);
        for (position, place) in &self.ledger {
            if !self.asked.contains(&place.record_id) {
                self.wrong.push(format!("{} stands at {position}, and nobody published it", place.record_id));
            }
            if let Err(wrong) = self.tracks[position].end(place.stand, self.max_attempts) {
                self.wrong.push(format!("{position} {wrong}"));
            }
        }
        (self.wrong, self.counts)
    }
}
