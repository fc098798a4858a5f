//! The policy of each feed, and grants beside it: who publishes, who receives what, how old is too old.

use std::time::Duration;

use super::{participants::ParticipantRole, permit::Action};
use crate::domain::{
    attributes::Attributes,
    dates::CivilDate,
    feeds::Feed,
    ids::ParticipantId,
    life_cycle::{State, Step},
    records::{Kind, TrackKind},
    regions::Region,
};

/// How much of a feed is disclosed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disclosure {
    /// The restricted sections too.
    pub restricted: bool,
    /// Nonconformities in the state `detected`: not notified yet, so not published.
    pub detected: bool,
    /// Dispositions that open, extend or close a case or a transfer to the judiciary.
    pub cases: bool,
}

impl Disclosure {
    /// Everything.
    pub const ALL: Self = Self { restricted: true, detected: true, cases: true };
    /// Open sections of what is notified; no cases.
    pub const OPEN: Self = Self { restricted: false, detected: false, cases: false };

    /// True when a revision of these attributes may be disclosed, its restricted section aside. `state` is where the nonconformity
    /// stands now, if the asker knows better than the revision.
    pub(super) fn admits(self, attributes: &Attributes, state: Option<State>) -> bool {
        match attributes.kind {
            Kind::Nonconformity | Kind::ProducerDecision => {
                let begun = match attributes.step {
                    Some(Step::Begin(state)) => Some(state),
                    _ => None,
                };
                let known = state.or(begun).is_some_and(|state| state != State::Detected);
                self.detected || attributes.published || known
            }
            Kind::Disposition => {
                let Some(Step::Change { state: change, track }) = attributes.step else { return false };
                // What was dropped before anyone was told is as confidential as the detection itself.
                let dropped = matches!(change, Some((State::Detected, State::Overturned | State::Disowned)));
                let case = track.is_some_and(|step| matches!(step.track, TrackKind::Case | TrackKind::Transfer));
                (self.detected || !dropped) && (self.cases || !case)
            }
            // A doubt tells of the record that it is about.
            Kind::Doubt | Kind::DoubtAnswer => self.detected || attributes.published,
            _ => true,
        }
    }
}

/// True when every recipient of the feed may know of a revision of these attributes.
#[must_use]
pub fn is_open_to_all(attributes: &Attributes) -> bool {
    Disclosure::OPEN.admits(attributes, None)
}

/// The policy of one feed. Configuration starts from [`FeedPolicy::standard`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPolicy {
    /// Which feed.
    pub feed: Feed,
    /// Roles that publish into it and attest its completeness.
    pub publishers: Vec<ParticipantRole>,
    /// Roles that receive it, and how much of it.
    pub recipients: Vec<(ParticipantRole, Disclosure)>,
    /// Older than this, counted from the last attestation, is stale.
    pub freshness_limit: Duration,
    /// A recipient states its purpose.
    pub purpose_required: bool,
    /// Participants whose attestation a verdict needs; empty = every participant that may publish.
    pub verdict_publishers: Vec<ParticipantId>,
}

const DAY: Duration = Duration::from_hours(24);

impl FeedPolicy {
    /// The policy of design.md §2 and domain.md §8 "Who sees what by default". Regulators see all that regulators publish; customs
    /// see every state and that a case is open, without its detail; supplier links and capacity go to commerce and
    /// development-reform. Limits of freshness are a decision of this project, not of a rule.
    #[must_use]
    pub fn standard(feed: Feed) -> Self {
        use ParticipantRole::{Commerce, Customs, DevelopmentReform, Industry, NationalRegulator, Regulator};
        let both = |disclosure| [(NationalRegulator, disclosure), (Regulator, disclosure)];
        let everything_open = Disclosure { restricted: false, ..Disclosure::ALL };
        let (publishers, others, freshness_limit): (&[ParticipantRole], &[(ParticipantRole, Disclosure)], _) = match feed {
            Feed::FailedProducts => (
                &ParticipantRole::REGULATORS,
                &[
                    (Customs, everything_open),
                    (Commerce, Disclosure::OPEN),
                    (DevelopmentReform, Disclosure::OPEN),
                    (Industry, Disclosure::OPEN),
                ],
                DAY,
            ),
            Feed::Enterprises => (
                &ParticipantRole::REGULATORS,
                &[(DevelopmentReform, Disclosure::ALL), (Commerce, Disclosure::ALL), (Customs, Disclosure::OPEN)],
                7 * DAY,
            ),
            Feed::ExportQualifications => (&[Commerce], &[(Commerce, Disclosure::ALL), (Customs, Disclosure::OPEN)], DAY),
            Feed::ExportActions => (&[Customs], &[(Customs, Disclosure::ALL), (Commerce, Disclosure::OPEN)], DAY),
            Feed::Notices => (
                &ParticipantRole::REGULATORS,
                &[
                    (Customs, Disclosure::OPEN),
                    (Commerce, Disclosure::OPEN),
                    (DevelopmentReform, Disclosure::OPEN),
                    (Industry, Disclosure::OPEN),
                ],
                DAY,
            ),
            // Industry may be granted it; by default doubts tell of surveys, which it does not receive.
            Feed::Doubts => (
                &[NationalRegulator, Regulator, Customs, Commerce, DevelopmentReform],
                &[(Customs, everything_open), (Commerce, Disclosure::OPEN), (DevelopmentReform, Disclosure::OPEN)],
                DAY,
            ),
        };
        Self {
            feed,
            publishers: publishers.to_vec(),
            recipients: both(Disclosure::ALL).into_iter().chain(others.iter().copied()).collect(),
            freshness_limit,
            // The survey is not public (notice 51/2020 §1): who takes it says what for.
            purpose_required: feed == Feed::Enterprises,
            verdict_publishers: Vec::new(),
        }
    }

    /// What a role may do with the feed by default. Screening belongs to customs, who decide on declarations.
    pub(super) fn default_for(&self, role: ParticipantRole, action: Action) -> Option<Disclosure> {
        let received = || self.recipients.iter().find(|(recipient, _)| *recipient == role).map(|&(_, disclosure)| disclosure);
        match action {
            Action::Publish | Action::Attest => self.publishers.contains(&role).then_some(Disclosure::ALL),
            Action::Subscribe | Action::Read => received(),
            Action::Screen if role == ParticipantRole::Customs => received(),
            Action::Screen => None,
        }
    }
}

/// Which revisions a grant is about; every non-empty list must match. What a revision does not say does not match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// Kinds of record; empty = all of the feed.
    pub kinds: Vec<Kind>,
    /// Prefixes of region codes; empty = all.
    pub region_prefixes: Vec<String>,
    /// Set of product kinds (`ProductKind::bit`); 0 = all.
    pub product_kinds: u32,
}

impl Scope {
    /// True when it leaves nothing out.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// True when a revision of these attributes is in it.
    #[must_use]
    pub fn holds(&self, attributes: &Attributes) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&attributes.kind))
            && (self.product_kinds == 0 || self.product_kinds & attributes.product_kinds != 0)
            && (self.region_prefixes.is_empty() || {
                let code = attributes.region.map(Region::code).unwrap_or_default();
                self.region_prefixes.iter().any(|prefix| !prefix.is_empty() && code.starts_with(prefix.as_str()))
            })
    }
}

/// A right beside the defaults of the role. It widens them, never narrows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub participant: ParticipantId,
    /// To do what.
    pub action: Action,
    /// With which feed.
    pub feed: Feed,
    /// How much of it.
    pub disclosure: Disclosure,
    /// About which revisions.
    pub scope: Scope,
    /// Last day on which it holds, Asia/Shanghai; `None` = until taken back.
    pub expires_on: Option<CivilDate>,
}

impl Grant {
    pub(super) fn holds_on(&self, today: CivilDate) -> bool {
        self.expires_on.is_none_or(|last| today.first_day() <= last.last_day())
    }
}
