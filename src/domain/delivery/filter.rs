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

    fn admits_state(&self, attributes: &Attributes) -> bool {
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
