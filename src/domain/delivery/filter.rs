//! Which revisions a filter selects, and which of them take something back.

use super::subscription::Filter;
use crate::domain::{
    attributes::Attributes,
    life_cycle::{State, Step},
};

/// Marks of a selected revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// The predecessor matched, this revision no longer does.
    pub left_filter: bool,
}

/// The state that a revision puts its nonconformity in; `None` = it does not touch the state.
fn state_of(attributes: &Attributes) -> Option<State> {
    match attributes.step? {
        Step::Begin(state) => Some(state),
        Step::Change { state, .. } => state.map(|(_, to)| to),
    }
}

/// True when a revision takes back what was given: withdrawn, overturned or disowned (domain.md §5: recall to every past
/// recipient).
#[must_use]
pub fn is_recall(attributes: &Attributes) -> bool {
    attributes.withdrawn || matches!(state_of(attributes), Some(State::Overturned | State::Disowned))
}

fn admits<T: PartialEq>(list: &[T], value: &T) -> bool {
    list.is_empty() || list.contains(value)
}

impl Filter {
    /// True when every non-empty list matches. A list of states matches nonconformities and dispositions by the state they put the
    /// nonconformity in; a disposition that leaves the state as it is (a seizure, a recall) matches any list of states, because
    /// who follows holding states must hear of it.
    #[must_use]
    pub fn matches(&self, attributes: &Attributes) -> bool {
        admits(&self.feeds, &attributes.feed())
            && admits(&self.kinds, &attributes.kind)
            && (self.product_kinds == 0 || self.product_kinds & attributes.product_kinds != 0)
            && (self.failed_items == 0 || self.failed_items & attributes.failed_items != 0)
            && self.admits_state(attributes)
            && (self.credit_codes.is_empty() || attributes.credit_code.is_some_and(|code| self.credit_codes.contains(&code)))
            && self.admits_region(attributes)
    }

    /// True when feed, kind, product kinds and province are those asked for, of the revision or its predecessor: no list that could
    /// single out an enterprise or a state is looked at.
    #[must_use]
    pub fn asks_for(&self, current: &Attributes, previous: Option<&Attributes>) -> bool {
        let asks_for = |attributes: &Attributes| {
            admits(&self.feeds, &attributes.feed())
                && admits(&self.kinds, &attributes.kind)
                && (self.product_kinds == 0 || self.product_kinds & attributes.product_kinds != 0)
                && (self.region_prefixes.is_empty()
                    || attributes.region.is_some_and(|region| {
                        let province = |prefix: &String| prefix.get(..2).unwrap_or(prefix).to_owned();
                        self.region_prefixes.iter().any(|prefix| region.code().starts_with(&province(prefix)))
                    }))
        };
        asks_for(current) || previous.is_some_and(asks_for)
    }

    pub(super) fn admits_state(&self, attributes: &Attributes) -> bool {
        self.states.is_empty()
            || match attributes.step {
                None => false,
                Some(Step::Change { state: None, .. }) => true,
                Some(_) => state_of(attributes).is_some_and(|state| self.states.contains(&state)),
            }
    }

    fn admits_region(&self, attributes: &Attributes) -> bool {
        self.region_prefixes.is_empty()
            || attributes.region.is_some_and(|region| {
                let code = region.code();
                self.region_prefixes.iter().any(|prefix| code.starts_with(prefix.as_str()))
            })
    }

    /// A revision is delivered when it or its predecessor matches: who filters on holding states hears of the release.
    #[must_use]
    pub fn select(&self, current: &Attributes, previous: Option<&Attributes>) -> Option<Marks> {
        if self.matches(current) {
            return Some(Marks { left_filter: false });
        }
        previous.is_some_and(|previous| self.matches(previous)).then_some(Marks { left_filter: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        credit_code::CreditCode,
        feeds::Feed,
        records::{Kind, TrackChange, TrackKind, TrackScope, TrackStep},
        regions::Region,
    };

    fn failed() -> Attributes {
        Attributes {
            kind: Kind::Nonconformity,
            withdrawn: false,
            region: Region::parse("330100"),
            product_kinds: 0b100,
            failed_items: 0b10,
            step: Some(Step::Begin(State::Notified)),
            credit_code: CreditCode::parse("91440300723009295R").ok(),
            name_key: String::new(),
            published: true,
        }
    }

    fn step(state: Option<(State, State)>, track: Option<TrackChange>) -> Attributes {
        Attributes { kind: Kind::Disposition, step: Some(Step::Change { state, track }), ..failed() }
    }

    #[test]
    fn every_list_must_match_and_within_a_list_any() {
        let code = CreditCode::parse("91440300723009295R").expect("a code");
        let matching = Filter {
            feeds: vec![Feed::Notices, Feed::FailedProducts],
            kinds: vec![Kind::Nonconformity],
            region_prefixes: vec!["44".into(), "33".into()],
            product_kinds: 0b110,
            failed_items: 0b11,
            states: vec![State::Confirmed, State::Notified],
            credit_codes: vec![code],
        };
        assert!(matching.matches(&failed()) && Filter::default().matches(&failed()));
        let others = [
            Filter { feeds: vec![Feed::Notices], ..matching.clone() },
            Filter { kinds: vec![Kind::Disposition], ..matching.clone() },
            Filter { region_prefixes: vec!["3302".into()], ..matching.clone() },
            Filter { product_kinds: 0b1, ..matching.clone() },
            Filter { failed_items: 0b1, ..matching.clone() },
            Filter { states: vec![State::Confirmed], ..matching.clone() },
        ];
        for other in others {
            assert!(!other.matches(&failed()), "{other:?}");
        }
        let nothing_known = Attributes { region: None, credit_code: None, step: None, ..failed() };
        for filter in [
            Filter { region_prefixes: vec!["33".into()], ..Filter::default() },
            Filter { credit_codes: vec![code], ..Filter::default() },
            Filter { states: vec![State::Notified], ..Filter::default() },
        ] {
            assert!(!filter.matches(&nothing_known), "{filter:?}");
        }
    }

    #[test]
    fn who_follows_a_state_hears_when_it_is_left() {
        let holding = Filter { states: vec![State::Confirmed], ..Filter::default() };
        let confirmed = step(Some((State::Notified, State::Confirmed)), None);
        let cleared = step(Some((State::Rechecking, State::Cleared)), None);
        assert_eq!(holding.select(&confirmed, Some(&failed())), Some(Marks { left_filter: false }));
        assert_eq!(holding.select(&cleared, Some(&confirmed)), Some(Marks { left_filter: true }));
        assert_eq!(holding.select(&cleared, Some(&failed())), None);
        assert_eq!(holding.select(&cleared, None), None);
    }

    #[test]
    fn a_track_is_heard_whatever_the_states() {
        let holding = Filter { states: vec![State::Suspended], ..Filter::default() };
        let track = TrackChange { track: TrackKind::Seizure, step: TrackStep::Open, scope: TrackScope::Batch };
        assert!(holding.matches(&step(None, Some(track))));
        assert!(!holding.matches(&step(Some((State::Detected, State::Notified)), Some(track))));
    }

    #[test]
    fn recalls() {
        assert!(!is_recall(&failed()));
        assert!(is_recall(&Attributes { withdrawn: true, ..failed() }));
        for to in [State::Overturned, State::Disowned] {
            assert!(is_recall(&step(Some((State::Confirmed, to)), None)));
        }
        assert!(!is_recall(&step(Some((State::Rechecking, State::Cleared)), None)));
    }
}
