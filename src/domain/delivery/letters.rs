//! Which dead letters: a selector, checked once, and the run that works through what it selects.
//!
//! Every criterion that is given must hold; within one any value. A selector that says nothing selects nothing: that all are meant
//! is said aloud. Equal selectors have equal digests, in whatever order their values were given.

use std::collections::BTreeSet;

use super::state::DeadLetter;
use crate::domain::{
    digest::{Digest, sha256},
    draft::OrderKey,
    evidence::PositionRange,
    ids::{Micros, Position, RecordId},
    violation::Text,
};

/// Most values of one criterion: what names more is better said by a reason or a time.
pub const MAX_CRITERIA: usize = 10_000;

/// What is asked for, as it was said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Criteria {
    /// All of them; then nothing else is said.
    pub all: bool,
    /// At these positions.
    pub positions: Vec<PositionRange>,
    /// Given up for one of these reasons.
    pub reasons: Vec<String>,
    /// Of one of these records.
    pub record_ids: Vec<RecordId>,
    /// Of one of these enterprises: credit codes or order keys.
    pub enterprises: Vec<OrderKey>,
    /// Given up at or after this time.
    pub died_from: Option<Micros>,
    /// Given up before this time.
    pub died_before: Option<Micros>,
}

/// A selection that cannot be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// Nothing is said.
    #[error("nothing is selected")]
    Nothing,
    /// All, and something besides.
    #[error("all are selected, and only some")]
    AllAndSome,
    /// Too many values of this criterion.
    #[error("more than {MAX_CRITERIA} {0}")]
    TooMany(&'static str),
    /// A range that begins at 0 or ends before it begins.
    #[error("a range of positions begins at 0 or ends before it begins")]
    EmptyRange,
    /// A time that ends before it begins.
    #[error("the time ends before it begins")]
    EmptyTime,
}

impl SelectorError {
    /// Stable token.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Nothing => "SELECTOR_REQUIRED",
            Self::AllAndSome => "SELECTOR_CONTRADICTS",
            Self::TooMany(_) => "TOO_MANY",
            Self::EmptyRange | Self::EmptyTime => "EMPTY_RANGE",
        }
    }

    /// In words.
    #[must_use]
    pub fn text(self) -> Text {
        match self {
            Self::Nothing => Text::new(
                "须指明哪些死信：给出位置、原因、记录、企业、时间之一，或 all",
                "say which dead letters: positions, reasons, records, enterprises, a time, or `all`",
            ),
            Self::AllAndSome => {
                Text::new("all 不能与其他条件同用：去掉其一", "`all` stands alone: leave it out, or the other criteria")
            }
            Self::TooMany(_) => Text::new(
                format!("每项条件最多 {MAX_CRITERIA} 个值：改用原因或时间"),
                format!("at most {MAX_CRITERIA} values of each criterion: use a reason or a time"),
            ),
            Self::EmptyRange => Text::new(
                "位置区间从 1 起，且末位不小于首位",
                "a range of positions begins at 1 or later and ends no earlier than it begins",
            ),
            Self::EmptyTime => Text::new("起始时刻须早于截止时刻", "the time must begin before it ends"),
        }
    }
}

/// Which dead letters. Made by [`Selector::of`] alone: what it holds is in order and said once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    positions: Vec<PositionRange>,
    reasons: BTreeSet<String>,
    record_ids: BTreeSet<RecordId>,
    enterprises: BTreeSet<OrderKey>,
    died_from: Option<Micros>,
    died_before: Option<Micros>,
}

impl Selector {
    /// All of them.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            positions: Vec::new(),
            reasons: BTreeSet::new(),
            record_ids: BTreeSet::new(),
            enterprises: BTreeSet::new(),
            died_from: None,
            died_before: None,
        }
    }

    /// What the criteria select.
    ///
    /// # Errors
    /// See [`SelectorError`].
    pub fn of(criteria: Criteria) -> Result<Self, SelectorError> {
        let Criteria { all, positions, reasons, record_ids, enterprises, died_from, died_before } = criteria;
        let counts = [
            ("positions", positions.len()),
            ("reasons", reasons.len()),
            ("records", record_ids.len()),
            ("enterprises", enterprises.len()),
        ];
        if let Some((which, _)) = counts.iter().find(|(_, count)| *count > MAX_CRITERIA) {
            return Err(SelectorError::TooMany(which));
        }
        let says_something = counts.iter().any(|(_, count)| *count > 0) || died_from.is_some() || died_before.is_some();
        match (all, says_something) {
            (true, true) => return Err(SelectorError::AllAndSome),
            (false, false) => return Err(SelectorError::Nothing),
            _ => {}
        }
        if positions.iter().any(|range| range.first == 0 || range.last < range.first) {
            return Err(SelectorError::EmptyRange);
        }
        if died_from.is_some_and(|from| died_before.is_some_and(|before| before <= from)) {
            return Err(SelectorError::EmptyTime);
        }
        Ok(Self {
            positions: in_order(positions),
            reasons: reasons.into_iter().collect(),
            record_ids: record_ids.into_iter().collect(),
            enterprises: enterprises.into_iter().collect(),
            died_from,
            died_before,
        })
    }

    /// Whether it selects a letter.
    #[must_use]
    pub fn selects(&self, letter: &DeadLetter) -> bool {
        let at = self.positions.partition_point(|range| range.last < letter.position);
        let is_there = self.positions.get(at).is_some_and(|range| range.first <= letter.position);
        (self.positions.is_empty() || is_there)
            && (self.reasons.is_empty() || self.reasons.contains(&letter.reason))
            && (self.record_ids.is_empty() || self.record_ids.contains(&letter.record_id))
            && (self.enterprises.is_empty() || self.enterprises.contains(&letter.order_key))
            && self.died_from.is_none_or(|from| letter.died_at >= from)
            && self.died_before.is_none_or(|before| letter.died_at < before)
    }

    /// Positions above `after` among which the selected ones are: ascending ranges that do not touch.
    pub fn positions_after(&self, after: Position) -> impl Iterator<Item = PositionRange> {
        let first = after.saturating_add(1);
        let any = self.positions.is_empty().then_some(PositionRange { first, last: Position::MAX });
        let from = self.positions.partition_point(|range| range.last < first);
        let named = self.positions.get(from..).unwrap_or_default().iter();
        any.into_iter().chain(named.map(move |range| PositionRange { first: range.first.max(first), last: range.last }))
    }

    /// Reasons; empty = any.
    #[must_use]
    pub fn reasons(&self) -> &BTreeSet<String> {
        &self.reasons
    }

    /// Records; empty = any.
    #[must_use]
    pub fn record_ids(&self) -> &BTreeSet<RecordId> {
        &self.record_ids
    }

    /// Enterprises; empty = any.
    #[must_use]
    pub fn enterprises(&self) -> &BTreeSet<OrderKey> {
        &self.enterprises
    }

    /// Given up at or after.
    #[must_use]
    pub const fn died_from(&self) -> Option<Micros> {
        self.died_from
    }

    /// Given up before.
    #[must_use]
    pub const fn died_before(&self) -> Option<Micros> {
        self.died_before
    }

    /// What the evidence names it by: equal selectors, equal digests.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut said = vec!["dead letters".to_owned()];
        said.extend(self.positions.iter().map(|range| format!("position {} {}", range.first, range.last)));
        said.extend(self.reasons.iter().map(|reason| format!("reason {} {reason}", reason.len())));
        said.extend(self.record_ids.iter().map(|id| format!("record {id}")));
        said.extend(self.enterprises.iter().map(|key| format!("enterprise {} {}", key.0.len(), key.0)));
        said.extend(self.died_from.map(|from| format!("from {from}")));
        said.extend(self.died_before.map(|before| format!("before {before}")));
        sha256(&[said.join("\n").as_bytes()])
    }
}

/// Ranges that may overlap as ascending ranges that do not touch.
fn in_order(mut ranges: Vec<PositionRange>) -> Vec<PositionRange> {
    ranges.sort_unstable_by_key(|range| range.first);
    let mut ordered: Vec<PositionRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match ordered.last_mut() {
            Some(last) if range.first <= last.last.saturating_add(1) => last.last = last.last.max(range.last),
            _ => ordered.push(range),
        }
    }
    ordered
}

/// What is done to dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LetterAct {
    /// Back into delivery.
    Redrive,
    /// Dropped for good.
    Discard,
}

impl LetterAct {
    /// Token as it is kept and shown.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Redrive => "redrive",
            Self::Discard => "discard",
        }
    }
}

/// A run over the dead letters of a subscription, chunk by chunk: kept with each chunk, so that it can go on after a crash.
///
/// What it selects is fixed when it begins: letters that died while the evidence log had no more than `entries` entries. One that
/// dies again meanwhile died later than that, and is not selected twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterRun {
    /// Named by who asked.
    pub request_id: String,
    /// What is done.
    pub act: LetterAct,
    /// Digest of the selector.
    pub selector: Digest,
    /// Head of the ledger when it began.
    pub head: Position,
    /// Entries in the evidence log when it began.
    pub entries: u64,
    /// When it began.
    pub begun_at: Micros,
    /// How many were selected.
    pub selected: u64,
    /// How many of them it has changed.
    pub done: u64,
    /// Everything at or below is worked through.
    pub after: Position,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn letter(position: Position, reason: u8, record: u8, key: u8, died_at: Micros) -> DeadLetter {
        DeadLetter {
            position,
            record_id: RecordId::parse(&format!("samr/{record}")).expect("a record id"),
            revision: 1,
            order_key: OrderKey(format!("k{key}").into()),
            reason: format!("r{reason}"),
            died_at,
            history: Vec::new(),
            left_out: 0,
            redrives: 0,
        }
    }

    fn any_letter() -> impl Strategy<Value = DeadLetter> {
        (1..40_u64, 0..4_u8, 0..4_u8, 0..4_u8, 0..20_i64).prop_map(|(p, r, i, k, at)| letter(p, r, i, k, at))
    }

    fn any_criteria() -> impl Strategy<Value = Criteria> {
        let range = (1..40_u64, 0..8_u64).prop_map(|(first, more)| PositionRange { first, last: first + more });
        let few = |n| proptest::collection::vec(0..4_u8, 0..n);
        let time = proptest::option::weighted(0.3, 0..20_i64);
        (proptest::collection::vec(range, 0..4), few(3), few(3), few(3), time.clone(), time).prop_map(
            |(positions, reasons, records, keys, died_from, died_before)| Criteria {
                all: false,
                positions,
                reasons: reasons.into_iter().map(|n| format!("r{n}")).collect(),
                record_ids: records.into_iter().map(|n| RecordId::parse(&format!("samr/{n}")).expect("a record id")).collect(),
                enterprises: keys.into_iter().map(|n| OrderKey(format!("k{n}").into())).collect(),
                died_from,
                died_before,
            },
        )
    }

    /// Said again from the criteria alone: every one given holds.
    fn is_meant(criteria: &Criteria, letter: &DeadLetter) -> bool {
        let any = |is_empty: bool, holds: bool| is_empty || holds;
        let at = |range: &PositionRange| (range.first..=range.last).contains(&letter.position);
        any(criteria.positions.is_empty(), criteria.positions.iter().any(at))
            && any(criteria.reasons.is_empty(), criteria.reasons.contains(&letter.reason))
            && any(criteria.record_ids.is_empty(), criteria.record_ids.contains(&letter.record_id))
            && any(criteria.enterprises.is_empty(), criteria.enterprises.contains(&letter.order_key))
            && criteria.died_from.is_none_or(|from| from <= letter.died_at)
            && criteria.died_before.is_none_or(|before| letter.died_at < before)
    }

    proptest! {
        #[test]
        fn what_is_selected_is_what_was_meant(criteria in any_criteria(), letters in proptest::collection::vec(any_letter(), 0..40)) {
            let Ok(selector) = Selector::of(criteria.clone()) else {
                let empty = criteria == Criteria::default();
                let reversed = criteria.died_from.zip(criteria.died_before).is_some_and(|(from, before)| before <= from);
                prop_assert!(empty || reversed, "refused: {:?}", criteria);
                return Ok(());
            };
            for letter in &letters {
                prop_assert_eq!(selector.selects(letter), is_meant(&criteria, letter), "{:?}", letter);
            }
        }

        /// The ranges that a store reads hold every selected position above the place, and are in order.
        #[test]
        fn ranges_lead_to_all_that_is_selected(criteria in any_criteria(), letter in any_letter(), after in 0..50_u64) {
            let Ok(selector) = Selector::of(criteria) else { return Ok(()) };
            let ranges: Vec<_> = selector.positions_after(after).collect();
            prop_assert!(ranges.is_sorted_by(|a, b| a.last < b.first) && ranges.iter().all(|range| range.first > after));
            prop_assert!(ranges.iter().all(|range| range.first <= range.last));
            if selector.selects(&letter) && letter.position > after {
                prop_assert!(ranges.iter().any(|range| (range.first..=range.last).contains(&letter.position)));
            }
        }

        #[test]
        fn the_order_of_values_does_not_matter_and_the_values_do(criteria in any_criteria(), other in any_criteria()) {
            let mut turned = criteria.clone();
            turned.positions.reverse();
            turned.reasons.reverse();
            turned.reasons.extend(criteria.reasons.first().cloned());
            let (Ok(selector), Ok(turned)) = (Selector::of(criteria), Selector::of(turned)) else { return Ok(()) };
            prop_assert_eq!(selector.digest(), turned.digest());
            if let Ok(other) = Selector::of(other) {
                prop_assert_eq!(selector == other, selector.digest() == other.digest());
            }
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let of = |criteria| Selector::of(criteria).expect_err("refused").reason();
        assert_eq!(of(Criteria::default()), "SELECTOR_REQUIRED");
        let reasons = vec!["NOT_OURS".to_owned()];
        assert_eq!(of(Criteria { all: true, reasons, ..Criteria::default() }), "SELECTOR_CONTRADICTS");
        assert_eq!(of(Criteria { reasons: vec![String::new(); MAX_CRITERIA + 1], ..Criteria::default() }), "TOO_MANY");
        for (first, last) in [(0, 3), (4, 3)] {
            assert_eq!(of(Criteria { positions: vec![PositionRange { first, last }], ..Criteria::default() }), "EMPTY_RANGE");
        }
        assert_eq!(of(Criteria { died_from: Some(4), died_before: Some(4), ..Criteria::default() }), "EMPTY_RANGE");
        assert_eq!(Selector::of(Criteria { all: true, ..Criteria::default() }), Ok(Selector::all()));
    }

    #[test]
    fn a_reason_cannot_be_said_so_that_it_looks_like_another_selector() {
        let of = |reasons: &[&str]| {
            let reasons = reasons.iter().map(|&reason| reason.to_owned()).collect();
            Selector::of(Criteria { reasons, ..Criteria::default() }).expect("a selector").digest()
        };
        assert_ne!(of(&["a", "b"]), of(&["a\nreason 1 b"]));
    }
}
