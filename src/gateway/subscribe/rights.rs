//! What of the ledger a subscription may see at this moment.

use std::sync::Arc;

use crate::domain::{
    attributes::Attributes,
    dates::CivilDate,
    feeds::{Feed, SectionName},
    grants::{Action, Permit, Register},
    ids::ParticipantId,
};

/// The permits of one participant for subscribing, feed by feed, evaluated once per register and day.
#[derive(Clone)]
pub(super) struct Rights {
    register: Arc<Register>,
    today: CivilDate,
    permits: Arc<Vec<Option<Permit>>>,
}

impl Rights {
    pub(super) fn evaluate(register: Arc<Register>, participant: &ParticipantId, today: CivilDate) -> Self {
        let permits = Feed::ALL.iter().map(|feed| register.permit(participant, Action::Subscribe, *feed, today).ok()).collect();
        Self { register, today, permits: Arc::new(permits) }
    }

    /// True while neither register nor day has changed.
    pub(super) fn is_of(&self, register: &Arc<Register>, today: CivilDate) -> bool {
        Arc::ptr_eq(&self.register, register) && self.today == today
    }

    fn permit(&self, feed: Feed) -> Option<&Permit> {
        let index = Feed::ALL.iter().position(|known| *known == feed)?;
        self.permits.get(index)?.as_ref()
    }

    /// True when at least one of the feeds asked for (none named: of all) is granted.
    pub(super) fn allow_any(&self, feeds: &[Feed]) -> bool {
        let asked = if feeds.is_empty() { &Feed::ALL[..] } else { feeds };
        asked.iter().any(|feed| self.permit(*feed).is_some())
    }

    /// True when the revision may be handed out at all.
    pub(super) fn admit(&self, attributes: &Attributes) -> bool {
        self.permit(attributes.feed()).is_some_and(|permit| permit.admits(attributes))
    }

    /// True when every revision of this kind, step and publication may be handed out. `None` = the feed is not granted at all.
    pub(super) fn admit_all(&self, like: &Attributes) -> Option<bool> {
        self.permit(like.feed()).map(|permit| permit.admits_all(like))
    }

    /// True when the restricted section goes with it.
    pub(super) fn show_restricted(&self, feed: Feed) -> bool {
        self.permit(feed).is_some_and(|permit| permit.shows(SectionName::Restricted))
    }

    /// True when both say the same of every feed.
    pub(super) fn equals(&self, other: &Self) -> bool {
        self.permits == other.permits
    }
}
