//! A permit: proof that the access check was passed.

use super::catalogue::{Disclosure, Scope};
use crate::domain::{
    attributes::Attributes,
    feeds::{Feed, SectionName},
    ids::ParticipantId,
    life_cycle::State,
    violation::Text,
};

/// What a participant wants to do with a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Publish records into it.
    Publish,
    /// Attest its completeness.
    Attest,
    /// Subscribe to it.
    Subscribe,
    /// Read and look up records of it.
    Read,
    /// Screen declarations against it.
    Screen,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 5] = [Self::Publish, Self::Attest, Self::Subscribe, Self::Read, Self::Screen];

    /// Token as in configuration.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Attest => "attest",
            Self::Subscribe => "subscribe",
            Self::Read => "read",
            Self::Screen => "screen",
        }
    }

    /// The action of that token.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.token() == token)
    }

    const fn name_zh(self) -> &'static str {
        match self {
            Self::Publish => "发布",
            Self::Attest => "声明完整",
            Self::Subscribe => "订阅",
            Self::Read => "查询",
            Self::Screen => "比对",
        }
    }
}

/// One ground of a permit: the default of the role, or a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) disclosure: Disclosure,
    pub(super) scope: Scope,
}

/// The right of one participant to one action on one feed, as it stood when it was asked for. Only the register makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    pub(super) participant: ParticipantId,
    pub(super) action: Action,
    pub(super) feed: Feed,
    pub(super) purpose_required: bool,
    /// Never empty: any of them suffices.
    pub(super) clauses: Vec<Clause>,
}

impl Permit {
    /// Whose it is.
    #[must_use]
    pub fn participant(&self) -> &ParticipantId {
        &self.participant
    }

    /// For what.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// On which feed.
    #[must_use]
    pub fn feed(&self) -> Feed {
        self.feed
    }

    /// True when the purpose must be stated.
    #[must_use]
    pub fn purpose_required(&self) -> bool {
        self.purpose_required
    }

    /// True when this section may be shown of *every* revision that is admitted. The open section always is; the restricted one only
    /// when the right to it is not bound to a part of the feed (see [`Permit::shows_of`]).
    #[must_use]
    pub fn shows(&self, section: SectionName) -> bool {
        match section {
            SectionName::Open => true,
            SectionName::Restricted => {
                let covers = |wide: &Clause, narrow: &Clause| {
                    wide.scope.is_everything()
                        && (wide.disclosure.detected || !narrow.disclosure.detected)
                        && (wide.disclosure.cases || !narrow.disclosure.cases)
                };
                self.clauses
                    .iter()
                    .any(|clause| clause.disclosure.restricted && self.clauses.iter().all(|other| covers(clause, other)))
            }
        }
    }

    /// True when this section of a revision of these attributes may be shown: exact, record by record.
    #[must_use]
    pub fn shows_of(&self, section: SectionName, attributes: &Attributes) -> bool {
        self.any(attributes, None, |clause| section == SectionName::Open || clause.disclosure.restricted)
    }

    /// True when a revision of these attributes may be disclosed (its open section at least).
    #[must_use]
    pub fn admits(&self, attributes: &Attributes) -> bool {
        self.any(attributes, None, |_| true)
    }

    /// True when every revision of this kind, step and publication may be disclosed, whatever else it says.
    #[must_use]
    pub fn admits_all(&self, like: &Attributes) -> bool {
        self.any(like, None, |clause| clause.scope.is_everything())
    }

    /// As [`Permit::admits`], for a reader who knows where the nonconformity stands now: one that began as `detected` may be read by
    /// all recipients once it is notified.
    #[must_use]
    pub fn admits_in(&self, attributes: &Attributes, state: State) -> bool {
        self.any(attributes, Some(state), |_| true)
    }

    fn any(&self, attributes: &Attributes, state: Option<State>, also: impl Fn(&Clause) -> bool) -> bool {
        attributes.feed() == self.feed
            && self
                .clauses
                .iter()
                .any(|clause| clause.disclosure.admits(attributes, state) && clause.scope.holds(attributes) && also(clause))
    }
}

/// Why there is no permit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {}", text.en)]
pub struct Denied {
    /// Stable token: `UNKNOWN_PARTICIPANT`, `NOT_GRANTED` or `GRANT_EXPIRED`.
    pub reason: &'static str,
    /// What, why, and what to do.
    pub text: Text,
}

impl Denied {
    pub(super) fn unknown(participant: &ParticipantId) -> Self {
        Self {
            reason: "UNKNOWN_PARTICIPANT",
            text: Text::new(
                format!("{participant} 不在参与方名册中；请网关管理员先登记"),
                format!(
                    "{participant} is not in the register of participants: ask the administrators of the gateway to admit it"
                ),
            ),
        }
    }

    pub(super) fn not_granted(participant: &ParticipantId, action: Action, feed: Feed) -> Self {
        let (feed, zh, en) = (feed.name(), action.name_zh(), action.token());
        Self {
            reason: "NOT_GRANTED",
            text: Text::new(
                format!("{participant} 无权对 {feed} 进行“{zh}”；如职责需要，请网关管理员授权"),
                format!(
                    "{participant} has no right to {en} on {feed}: if its duty asks for it, the administrators of the gateway can grant it"
                ),
            ),
        }
    }

    pub(super) fn expired(participant: &ParticipantId, action: Action, feed: Feed, last: &str) -> Self {
        let (feed, zh, en) = (feed.name(), action.name_zh(), action.token());
        Self {
            reason: "GRANT_EXPIRED",
            text: Text::new(
                format!("{participant} 对 {feed} 的“{zh}”授权已于 {last} 到期；请网关管理员续期"),
                format!(
                    "the right of {participant} to {en} on {feed} ended on {last}: the administrators of the gateway can renew it"
                ),
            ),
        }
    }
}
