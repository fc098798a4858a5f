//! How far the data is good (domain.md §9). The gateway cannot tell a quiet province from a dead one: publishers attest
//! "complete to time T" per feed and region, also with nothing new, and what is older than the feed's limit is stale.

use std::time::Duration;

use crate::domain::{
    feeds::Feed,
    grants::Register,
    ids::{Micros, ParticipantId, Position},
    ledger::Attestation,
    regions::Region,
};

/// A publisher without whose attestation a feed is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredPublisher {
    /// Feed.
    pub feed: Feed,
    /// Who.
    pub publisher: ParticipantId,
    /// The region it answers for; `None` = nationwide.
    pub region: Option<Region>,
}

/// Limits and required publishers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FreshnessPolicy {
    /// Age in microseconds from which a feed is stale; a feed without a limit never is.
    pub limits: Vec<(Feed, Micros)>,
    /// Who has to have attested. Where none is named for a region, the newest attestation of anyone for it counts.
    pub required: Vec<RequiredPublisher>,
}

impl FreshnessPolicy {
    /// The policy that stands in the register.
    #[must_use]
    pub fn of(register: &Register) -> Self {
        let micros = |limit: Duration| Micros::try_from(limit.as_micros()).unwrap_or(Micros::MAX);
        let limits = Feed::ALL
            .into_iter()
            .filter_map(|feed| register.policy(feed))
            .map(|policy| (policy.feed, micros(policy.freshness_limit)))
            .collect();
        let required = Feed::ALL
            .into_iter()
            .flat_map(|feed| register.verdict_publishers(feed).into_iter().map(move |participant| (feed, participant)))
            .map(|(feed, participant)| RequiredPublisher { feed, publisher: participant.id.clone(), region: participant.region })
            .collect();
        Self { limits, required }
    }

    /// The limit of a feed, microseconds.
    #[must_use]
    pub fn limit(&self, feed: Feed) -> Option<Micros> {
        self.limits.iter().find(|(limited, _)| *limited == feed).map(|(_, limit)| *limit)
    }
}

/// How far one feed is good, for one region or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedState {
    /// Attested complete to this time; `None` = somebody required has never attested.
    pub complete_to: Option<Micros>,
    /// Older than the limit of the feed.
    pub stale: bool,
    /// When it becomes stale unless attested again; `None` = it is already, or has no limit.
    pub fresh_until: Option<Micros>,
}

/// What was attested, seen at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Completeness<'a> {
    /// Limits and required publishers.
    pub policy: &'a FreshnessPolicy,
    /// Attestations that stand.
    pub attestations: &'a [Attestation],
    /// The moment the question speaks of.
    pub at: Micros,
}

impl Completeness<'_> {
    /// How far a feed is good for enterprises of a region; `None` = the region is not known, so every required publisher counts.
    #[must_use]
    pub fn of(&self, feed: Feed, region: Option<Region>) -> FeedState {
        let complete_to = self.complete_to(feed, region).map(|time| time.min(self.at));
        let Some(limit) = self.policy.limit(feed) else {
            return FeedState { complete_to, stale: false, fresh_until: None };
        };
        let fresh_until = complete_to.map(|time| time.saturating_add(limit)).filter(|until| *until >= self.at);
        FeedState { complete_to, stale: fresh_until.is_none(), fresh_until }
    }

    fn complete_to(&self, feed: Feed, region: Option<Region>) -> Option<Micros> {
        let province = region.map(Region::province);
        let mut required = self
            .policy
            .required
            .iter()
            .filter(|required| required.feed == feed && may_concern(required.region, province))
            .peekable();
        if required.peek().is_none() {
            return self.newest(|attestation| attestation.feed == feed && answers_for(attestation.region, province));
        }
        let mut oldest = Micros::MAX;
        for required in required {
            let asked = required.region.or(region).map(Region::province);
            let attested = self.newest(|attestation| {
                attestation.feed == feed && attestation.publisher == required.publisher && answers_for(attestation.region, asked)
            })?;
            oldest = oldest.min(attested);
        }
        Some(oldest)
    }

    fn newest(&self, counts: impl Fn(&Attestation) -> bool) -> Option<Micros> {
        self.attestations.iter().filter(|attestation| counts(attestation)).map(|attestation| attestation.complete_to).max()
    }
}

/// A publisher concerns a province when it answers for it or for all; an unknown province may be any.
fn may_concern(publishers: Option<Region>, province: Option<Region>) -> bool {
    match (publishers, province) {
        (None, _) | (_, None) => true,
        (Some(publishers), Some(province)) => publishers.province() == province,
    }
}

/// An attestation answers for a province when it was made for it or nationwide; for all provinces only a nationwide one does.
/// One for a city says nothing of the rest of its province.
fn answers_for(attested: Option<Region>, province: Option<Region>) -> bool {
    match (attested, province) {
        (None, _) => true,
        (Some(attested), Some(province)) => attested == province,
        (Some(_), None) => false,
    }
}

/// How far an answer is good; goes with every answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerBasis {
    /// The answer takes in every revision up to this position.
    pub position: Position,
    /// The feeds it draws on were attested complete to this time; `None` = at least one was never attested.
    pub complete_to: Option<Micros>,
    /// A feed it draws on is older than its limit.
    pub stale: bool,
    /// Evidence entry of this disclosure.
    pub evidence_index: u64,
    /// Salt of the commitment to the stated purpose in that entry, for who may have to show later what was stated.
    pub purpose_salt: Option<[u8; 16]>,
}

/// Several feeds taken together: the oldest, and stale when one is.
#[must_use]
pub fn together(states: impl IntoIterator<Item = FeedState>) -> FeedState {
    let mut states = states.into_iter();
    let Some(first) = states.next() else {
        return FeedState { complete_to: None, stale: false, fresh_until: None };
    };
    states.fold(first, |one, other| FeedState {
        complete_to: one.complete_to.zip(other.complete_to).map(|(one, other)| one.min(other)),
        stale: one.stale || other.stale,
        fresh_until: match (one.fresh_until, other.fresh_until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Micros = 3_600_000_000;

    fn participant(name: &str) -> ParticipantId {
        ParticipantId::parse(name).expect("a participant")
    }

    fn region(code: &str) -> Option<Region> {
        Region::parse(code)
    }

    fn attested(publisher: &str, at: Option<Region>, complete_to: Micros) -> Attestation {
        Attestation { publisher: participant(publisher), feed: Feed::FailedProducts, region: at, complete_to }
    }

    fn policy(required: &[(&str, &str)]) -> FreshnessPolicy {
        FreshnessPolicy {
            limits: vec![(Feed::FailedProducts, 24 * HOUR)],
            required: required
                .iter()
                .map(|(name, code)| RequiredPublisher {
                    feed: Feed::FailedProducts,
                    publisher: participant(name),
                    region: region(code),
                })
                .collect(),
        }
    }

    #[test]
    fn fresh_up_to_the_limit_and_stale_after() {
        let policy = policy(&[("amr-330000", "330000")]);
        let attestations = [attested("amr-330000", region("330000"), 100 * HOUR)];
        let at =
            |at| Completeness { policy: &policy, attestations: &attestations, at }.of(Feed::FailedProducts, region("330106"));
        assert!(!at(124 * HOUR).stale);
        assert_eq!(at(124 * HOUR).fresh_until, Some(124 * HOUR));
        assert!(at(124 * HOUR + 1).stale);
        assert_eq!(at(124 * HOUR + 1).complete_to, Some(100 * HOUR));
    }

    #[test]
    fn a_silent_province_is_stale_for_its_own_and_for_the_unknown_alone() {
        let policy = policy(&[("amr-330000", "330000"), ("amr-440000", "440000")]);
        let attestations = [attested("amr-330000", region("330000"), 100 * HOUR)];
        let seen = Completeness { policy: &policy, attestations: &attestations, at: 101 * HOUR };
        assert!(!seen.of(Feed::FailedProducts, region("330000")).stale);
        assert!(seen.of(Feed::FailedProducts, region("440000")).stale);
        let unknown = seen.of(Feed::FailedProducts, None);
        assert!(unknown.stale);
        assert_eq!(unknown.complete_to, None);
    }

    #[test]
    fn a_city_does_not_answer_for_its_province() {
        let policy = policy(&[("amr-330000", "330000")]);
        let attestations = [attested("amr-330000", region("330100"), 100 * HOUR)];
        let seen = Completeness { policy: &policy, attestations: &attestations, at: 100 * HOUR };
        assert!(seen.of(Feed::FailedProducts, region("330000")).stale);
    }

    #[test]
    fn a_national_publisher_is_needed_everywhere() {
        let policy = policy(&[("amr-330000", "330000"), ("samr", "")]);
        let mut attestations = vec![attested("amr-330000", region("330000"), 100 * HOUR)];
        let stale = |attestations: &[Attestation]| {
            Completeness { policy: &policy, attestations, at: 100 * HOUR }.of(Feed::FailedProducts, region("330000")).stale
        };
        assert!(stale(&attestations));
        attestations.push(attested("samr", None, 99 * HOUR));
        assert!(!stale(&attestations));
    }

    #[test]
    fn a_feed_without_a_limit_is_never_stale_and_nothing_attested_is_not_complete() {
        let policy = FreshnessPolicy::default();
        let state = Completeness { policy: &policy, attestations: &[], at: HOUR }.of(Feed::Enterprises, None);
        assert_eq!(state, FeedState { complete_to: None, stale: false, fresh_until: None });
    }

    #[test]
    fn an_attestation_of_the_future_counts_to_the_moment_asked_for() {
        let policy = policy(&[]);
        let attestations = [attested("amr-330000", None, 100 * HOUR)];
        let seen = Completeness { policy: &policy, attestations: &attestations, at: 50 * HOUR };
        assert_eq!(seen.of(Feed::FailedProducts, None).complete_to, Some(50 * HOUR));
    }
}
