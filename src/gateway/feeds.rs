//! The catalogue as a caller may see it, with freshness.

use super::{Caller, Gateway, Refused};
use crate::domain::{
    feeds::Feed,
    grants::Action,
    ids::{Micros, ParticipantId},
    ledger::Attestation,
    regions::Region,
    screening::FreshnessPolicy,
};

/// A feed that a caller may read.
#[derive(Debug, Clone)]
pub struct FeedOverview {
    /// Which.
    pub feed: Feed,
    /// A feed older than this is stale, seconds; 0 = no limit.
    pub freshness_limit_seconds: u64,
    /// What was attested, and by whom an attestation is needed.
    pub completeness: Vec<CompletenessOverview>,
}

/// How far one publisher attested a feed for one region.
#[derive(Debug, Clone)]
pub struct CompletenessOverview {
    /// Who.
    pub publisher: ParticipantId,
    /// For which region; `None` = nationwide.
    pub region: Option<Region>,
    /// Complete to; 0 = never attested.
    pub complete_to: Micros,
    /// Older than the limit.
    pub stale: bool,
}

impl Gateway {
    /// The feeds that the caller may subscribe to or read, in the order of the catalogue.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn feeds(&self, caller: &Caller) -> Result<Vec<FeedOverview>, Refused> {
        let policy = FreshnessPolicy::of(&self.register.load());
        let attestations = self.store.attestations().await?;
        let now = self.world.clock.now();
        let may_read = |feed: &Feed| {
            self.permit(caller, Action::Subscribe, *feed).is_ok() || self.permit(caller, Action::Read, *feed).is_ok()
        };
        let overview = |feed: Feed| FeedOverview {
            feed,
            freshness_limit_seconds: policy.limit(feed).map_or(0, |limit| u64::try_from(limit / 1_000_000).unwrap_or(0)),
            completeness: completeness_of(feed, &policy, &attestations, now),
        };
        Ok(Feed::ALL.into_iter().filter(may_read).map(overview).collect())
    }

    /// Every feed with who attested it up to when, for who watches the gateway.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn attested(&self) -> Result<Vec<(Feed, Vec<CompletenessOverview>)>, Refused> {
        let policy = FreshnessPolicy::of(&self.register.load());
        let attestations = self.store.attestations().await?;
        let now = self.world.clock.now();
        Ok(Feed::ALL.into_iter().map(|feed| (feed, completeness_of(feed, &policy, &attestations, now))).collect())
    }
}

/// Who attested a feed up to when, seen at a moment, and who has to and never did.
pub(super) fn completeness_of(
    feed: Feed,
    policy: &FreshnessPolicy,
    attestations: &[Attestation],
    at: Micros,
) -> Vec<CompletenessOverview> {
    let limit = policy.limit(feed);
    let is_stale = |complete_to: Micros| limit.is_some_and(|limit| complete_to < at.saturating_sub(limit));
    let of_feed = || attestations.iter().filter(|attestation| attestation.feed == feed);
    let attested = of_feed().map(|attestation| {
        let complete_to = attestation.complete_to.min(at);
        CompletenessOverview {
            publisher: attestation.publisher.clone(),
            region: attestation.region,
            complete_to,
            stale: is_stale(complete_to),
        }
    });
    let required = policy.required.iter().filter(|required| required.feed == feed);
    let never = required.filter(|required| !of_feed().any(|stands| stands.publisher == required.publisher)).map(|required| {
        let (publisher, region) = (required.publisher.clone(), required.region);
        CompletenessOverview { publisher, region, complete_to: 0, stale: true }
    });
    attested.chain(never).collect()
}
