//! What a block of positions holds, in few bytes, so that a filter that selects little passes over whole blocks unread.
//!
//! Invariant: a summary may say *perhaps* of a block that holds nothing for a filter, never *no* of one that holds something. A
//! block that is full never changes, and so neither does its summary.

use std::collections::{BTreeMap, BTreeSet};

use super::subscription::Filter;
use crate::domain::{
    attributes::Attributes, credit_code::CreditCode, digest::index_key, ids::Position, life_cycle::Step, records::Kind,
};

/// Positions of a block: block `n` holds positions `n · 4096 .. (n + 1) · 4096`.
pub const BLOCK_POSITIONS: u64 = 4096;

/// Bits that a credit code takes: about one false *perhaps* in a hundred.
const BITS_PER_CODE: usize = 10;
/// Bits set for each.
const BITS_SET: u64 = 5;
/// Bytes of a class as kept.
const CLASS_BYTES: usize = 34;
/// First byte of the classes as kept: how they are written.
const FORM: u8 = 1;

/// The block of a position.
#[must_use]
pub const fn block_of(position: Position) -> u64 {
    position / BLOCK_POSITIONS
}

/// The last position of a block.
#[must_use]
pub const fn last_of_block(block: u64) -> Position {
    (block + 1).saturating_mul(BLOCK_POSITIONS) - 1
}

/// Revisions that rights and lists of states cannot tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Class {
    kind: u8,
    published: bool,
    /// Packed; 0 = none.
    step: u32,
    /// Of revisions themselves; false = of their predecessors.
    current: bool,
}

/// What a class has, all its revisions together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Union {
    product_kinds: u32,
    failed_items: u64,
    /// First two digits of the regions, one bit each.
    provinces: u128,
}

/// The summary of one block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlockSummary {
    classes: BTreeMap<Class, Union>,
    /// A set that forgets which credit codes it holds, never that it holds one. `None` = was not read: it may hold any.
    codes: Option<Vec<u8>>,
}

/// Stored bytes that are no summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the summary of a block")]
pub struct DamagedSummary;

impl BlockSummary {
    /// Of these revisions: their attributes and those of their predecessors.
    pub fn of<'a>(revisions: impl IntoIterator<Item = (&'a Attributes, Option<&'a Attributes>)>) -> Self {
        let (mut summary, mut codes) = (Self::default(), BTreeSet::new());
        for (attributes, previous) in revisions {
            for (attributes, current) in [(Some(attributes), true), (previous, false)] {
                let Some(attributes) = attributes else { continue };
                summary.add(attributes, current);
                codes.extend(attributes.credit_code.map(|code| key_of(&code)));
            }
        }
        let mut set = vec![0; (codes.len() * BITS_PER_CODE).div_ceil(8)];
        for key in codes {
            bits(key, set.len()).for_each(|bit| set[bit / 8] |= 1 << (bit % 8));
        }
        Self { codes: Some(set), ..summary }
    }

    fn add(&mut self, attributes: &Attributes, current: bool) {
        let step = attributes.step.map_or(0, |step| step.pack());
        let class = Class { kind: attributes.kind.number(), published: attributes.published, step, current };
        let union = self.classes.entry(class).or_default();
        union.product_kinds |= attributes.product_kinds;
        union.failed_items |= attributes.failed_items;
        union.provinces |= attributes.region.map_or(0, |region| 1 << province(region.number()));
    }

    /// True when nothing in the block is selected by the filter, and nothing that it asks for may be withheld from the reader.
    /// `admits_all` says of a revision's kind, step and publication that all such revisions may be disclosed, wherever and whatever.
    #[must_use]
    pub fn holds_nothing_for(&self, filter: &Filter, admits_all: impl Fn(&Attributes) -> bool) -> bool {
        if !self.parts().any(|(_, attributes, union)| asks_for(filter, &attributes, union)) {
            return true;
        }
        let is_all_admitted = self.parts().all(|(class, attributes, _)| !class.current || admits_all(&attributes));
        is_all_admitted && !self.may_select(filter)
    }

    fn may_select(&self, filter: &Filter) -> bool {
        let selects = |attributes: &Attributes, union: &Union| {
            asks_for(filter, attributes, union)
                && (filter.failed_items == 0 || filter.failed_items & union.failed_items != 0)
                && filter.admits_state(attributes)
        };
        self.may_hold_code(filter) && self.parts().any(|(_, attributes, union)| selects(&attributes, union))
    }

    fn may_hold_code(&self, filter: &Filter) -> bool {
        let Some(set) = self.codes.as_ref().filter(|_| !filter.credit_codes.is_empty()) else { return true };
        let holds = |code| !set.is_empty() && bits(key_of(code), set.len()).all(|bit| set[bit / 8] >> (bit % 8) & 1 == 1);
        filter.credit_codes.iter().any(holds)
    }

    /// Each class with what all its revisions have in common, as attributes.
    fn parts(&self) -> impl Iterator<Item = (&Class, Attributes, &Union)> {
        self.classes.iter().filter_map(|(class, union)| {
            let attributes = Attributes {
                kind: Kind::from_number(class.kind)?,
                withdrawn: false,
                region: None,
                product_kinds: union.product_kinds,
                failed_items: union.failed_items,
                step: Step::unpack(class.step),
                credit_code: None,
                name_key: String::new(),
                published: class.published,
            };
            Some((class, attributes, union))
        })
    }

    /// As it is kept: the classes, and the set of codes.
    #[must_use]
    pub fn to_bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let mut classes = vec![FORM];
        for (class, union) in &self.classes {
            classes.extend([class.kind, u8::from(class.published) | u8::from(class.current) << 1]);
            classes.extend(class.step.to_be_bytes());
            classes.extend(union.product_kinds.to_be_bytes());
            classes.extend(union.failed_items.to_be_bytes());
            classes.extend(union.provinces.to_be_bytes());
        }
        (classes, self.codes.clone().unwrap_or_default())
    }

    /// As it was kept; `codes` = `None` when they are not needed.
    ///
    /// # Errors
    /// When the bytes are no summary.
    pub fn from_bytes(classes: &[u8], codes: Option<Vec<u8>>) -> Result<Self, DamagedSummary> {
        let Some((&FORM, bytes)) = classes.split_first() else { return Err(DamagedSummary) };
        let (parts, rest) = bytes.as_chunks::<CLASS_BYTES>();
        if !rest.is_empty() {
            return Err(DamagedSummary);
        }
        let read = |part: &[u8; CLASS_BYTES]| {
            let class =
                Class { kind: part[0], published: part[1] & 1 == 1, step: number(&part[2..6])?, current: part[1] & 2 == 2 };
            let is_known = Kind::from_number(class.kind).is_some() && (class.step == 0 || Step::unpack(class.step).is_some());
            let union = Union {
                product_kinds: number(&part[6..10])?,
                failed_items: u64::from_be_bytes(part[10..18].try_into().ok()?),
                provinces: u128::from_be_bytes(part[18..].try_into().ok()?),
            };
            is_known.then_some((class, union))
        };
        let classes = parts.iter().map(read).collect::<Option<_>>().ok_or(DamagedSummary)?;
        Ok(Self { classes, codes })
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// As `Filter::asks_for`, of all revisions of a class.
fn asks_for(filter: &Filter, attributes: &Attributes, union: &Union) -> bool {
    (filter.feeds.is_empty() || filter.feeds.contains(&attributes.feed()))
        && (filter.kinds.is_empty() || filter.kinds.contains(&attributes.kind))
        && (filter.product_kinds == 0 || filter.product_kinds & union.product_kinds != 0)
        && (filter.region_prefixes.is_empty() || filter.region_prefixes.iter().any(|prefix| lies_in(union.provinces, prefix)))
}

/// The first two digits of a region: six digits, or `66`.
fn province(region: u32) -> u32 {
    if region >= 100_000 { region / 10_000 } else { region }
}

/// True when a region of one of the provinces may begin with that prefix.
fn lies_in(provinces: u128, prefix: &str) -> bool {
    let head = prefix.get(..2).unwrap_or(prefix);
    (10..100_u32).any(|number| provinces >> number & 1 == 1 && number.to_string().starts_with(head))
}

fn key_of(code: &CreditCode) -> u64 {
    index_key("code", code.as_str()).cast_unsigned()
}

/// The bits of a key in a set of so many bytes.
fn bits(key: u64, bytes: usize) -> impl Iterator<Item = usize> {
    let (first, step) = (key & 0xffff_ffff, key >> 32 | 1);
    (0..BITS_SET).map(move |turn| (first.wrapping_add(turn.wrapping_mul(step)) % (bytes as u64 * 8)) as usize)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*, sample::select};

    use super::*;
    use crate::domain::{
        feeds::Feed,
        life_cycle::State,
        records::{TrackChange, TrackKind, TrackScope, TrackStep},
        regions::Region,
    };

    fn step() -> impl Strategy<Value = Step> {
        let state = || select(State::ALL.to_vec());
        let track = TrackChange { track: TrackKind::Seizure, step: TrackStep::Open, scope: TrackScope::Batch };
        prop_oneof![
            state().prop_map(Step::Begin),
            (option::of((state(), state())), any::<bool>())
                .prop_map(move |(state, has)| Step::Change { state, track: has.then_some(track) }),
        ]
    }

    fn attributes() -> impl Strategy<Value = Attributes> {
        let region = select(vec![None, Some(66), Some(330_600), Some(330_100), Some(440_300), Some(110_000)]);
        let bits = (select(vec![0, 1, 2, 4, 6]), select(vec![0, 1, 8, 1 << 40]));
        (select(vec![1_u8, 2, 3, 4, 5, 6]), region, bits, option::of(step()), option::of(0..40_u32), any::<[bool; 2]>()).prop_map(
            |(kind, region, (product_kinds, failed_items), step, code, [published, withdrawn])| Attributes {
                kind: Kind::from_number(kind).expect("a kind"),
                withdrawn,
                region: region.and_then(Region::from_number),
                product_kinds,
                failed_items,
                step,
                credit_code: code.map(|n| CreditCode::synthetic(330_600, n + 1)),
                name_key: String::new(),
                published,
            },
        )
    }

    fn filter() -> impl Strategy<Value = Filter> {
        let prefix = select(vec!["", "3", "33", "3301", "330600", "66", "44", "4403", "x", "浙"]);
        let lists = (
            vec(select(Feed::ALL.to_vec()), 0..3),
            vec(1..=6_u8, 0..3),
            vec(prefix, 0..3),
            vec(select(State::ALL.to_vec()), 0..3),
        );
        (lists, select(vec![0, 0, 1, 2, 5]), select(vec![0, 0, 1, 8]), vec(0..60_u32, 0..3)).prop_map(
            |((feeds, kinds, prefixes, states), product_kinds, failed_items, codes)| Filter {
                feeds,
                kinds: kinds.into_iter().filter_map(Kind::from_number).collect(),
                region_prefixes: prefixes.into_iter().map(str::to_owned).collect(),
                product_kinds,
                failed_items,
                states,
                credit_codes: codes.into_iter().map(|n| CreditCode::synthetic(330_600, n + 1)).collect(),
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// What is passed over holds nothing that is selected, and nothing asked for that rights withhold.
        #[test]
        fn nothing_is_passed_over_that_is_for_the_reader(
            revisions in vec((attributes(), option::of(attributes())), 0..12),
            filter in filter(),
            is_confidential_seen in any::<bool>(),
        ) {
            // Rights look at kind, step and publication.
            let admits = |attributes: &Attributes| is_confidential_seen || (attributes.published && attributes.step != Some(Step::Begin(State::Detected)));
            let summary = BlockSummary::of(revisions.iter().map(|(current, previous)| (current, previous.as_ref())));
            let (classes, codes) = summary.to_bytes();
            prop_assert_eq!(&BlockSummary::from_bytes(&classes, Some(codes)).expect("its own bytes"), &summary);
            let coarse = BlockSummary::from_bytes(&classes, None).expect("its own bytes");
            let is_for = |(current, previous): &(Attributes, Option<Attributes>)| {
                let previous = previous.as_ref();
                if admits(current) { filter.select(current, previous).is_some() } else { filter.asks_for(current, previous) }
            };
            for summary in [summary, coarse] {
                if summary.holds_nothing_for(&filter, admits) {
                    prop_assert!(!revisions.iter().any(is_for));
                }
            }
        }
    }

    fn failed(n: u32) -> Attributes {
        Attributes {
            kind: Kind::Nonconformity,
            withdrawn: false,
            region: Region::from_number(330_600),
            product_kinds: 0b100,
            failed_items: 0b10,
            step: Some(Step::Begin(State::Notified)),
            credit_code: Some(CreditCode::synthetic(330_600, n)),
            name_key: String::new(),
            published: true,
        }
    }

    #[test]
    fn a_filter_that_selects_little_passes_over() {
        let revisions: Vec<_> = (1..=4_000).map(failed).collect();
        let summary = BlockSummary::of(revisions.iter().map(|revision| (revision, None)));
        let passes = |filter: &Filter| summary.holds_nothing_for(filter, |_| true);
        let codes = |numbers: std::ops::Range<u32>| numbers.map(|n| CreditCode::synthetic(330_600, n)).collect::<Vec<_>>();
        assert!(!passes(&Filter::default()));
        assert!(!passes(&Filter { credit_codes: codes(7..8), ..Filter::default() }));
        for filter in [
            Filter { product_kinds: 0b11, ..Filter::default() },
            Filter { failed_items: 0b1, ..Filter::default() },
            Filter { region_prefixes: vec!["44".into()], ..Filter::default() },
            Filter { states: vec![State::Confirmed], ..Filter::default() },
            Filter { feeds: vec![Feed::Notices], ..Filter::default() },
        ] {
            assert!(passes(&filter), "{filter:?}");
        }
        let passed =
            codes(10_000..11_000).into_iter().filter(|code| passes(&Filter { credit_codes: vec![*code], ..Filter::default() }));
        assert!(passed.count() > 950, "few are mistaken for others");
        let (classes, codes) = summary.to_bytes();
        assert!(classes.len() < 100 && codes.len() <= 5_000, "{} and {} bytes", classes.len(), codes.len());
    }

    #[test]
    fn who_may_not_see_all_passes_over_what_is_not_asked_for_alone() {
        let revision = failed(1);
        let summary = BlockSummary::of([(&revision, None)]);
        let passes = |filter: &Filter| summary.holds_nothing_for(filter, |_| false);
        assert!(!passes(&Filter { credit_codes: vec![CreditCode::synthetic(330_600, 2)], ..Filter::default() }));
        assert!(passes(&Filter { product_kinds: 0b1, ..Filter::default() }));
    }

    #[test]
    fn other_bytes_are_no_summary() {
        let revision = failed(1);
        let (classes, _) = BlockSummary::of([(&revision, None)]).to_bytes();
        let other = |change: fn(&mut Vec<u8>)| {
            let mut bytes = classes.clone();
            change(&mut bytes);
            BlockSummary::from_bytes(&bytes, None)
        };
        assert!(BlockSummary::from_bytes(&classes, None).is_ok());
        assert_eq!(other(Vec::clear), Err(DamagedSummary));
        assert_eq!(other(|bytes| bytes[0] = 2), Err(DamagedSummary));
        assert_eq!(other(|bytes| bytes[1] = 99), Err(DamagedSummary));
        assert_eq!(other(|bytes| bytes.truncate(20)), Err(DamagedSummary));
    }
}
