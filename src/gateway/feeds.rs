//! The catalogue as a caller may see it, with freshness.

use super::{Caller, Gateway, Refused};
use crate::domain::{
    feeds::Feed,
    grants::Action,
    ids::{Micros, ParticipantId},
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
        let overview = |feed: Feed| {
            let limit = policy.limit(feed);
            let is_stale = |complete_to: Micros| limit.is_some_and(|limit| complete_to < now.saturating_sub(limit));
            let attested =
                attestations.iter().filter(|attestation| attestation.feed == feed).map(|attestation| CompletenessOverview {
                    publisher: attestation.publisher.clone(),
                    region: attestation.region,
                    complete_to: attestation.complete_to,
                    stale: is_stale(attestation.complete_to),
                });
            let never = policy
                .required
                .iter()
                .filter(|required| required.feed == feed)
                .filter(|required| {
                    !attestations.iter().any(|stands| stands.feed == feed && stands.publisher == required.publisher)
                })
                .map(|required| CompletenessOverview {
                    publisher: required.publisher.clone(),
                    region: required.region,
                    complete_to: 0,
                    stale: true,
                });
            let limit_seconds = limit.map_or(0, |limit| u64::try_from(limit / 1_000_000).unwrap_or(0));
            FeedOverview { feed, freshness_limit_seconds: limit_seconds, completeness: attested.chain(never).collect() }
        };
        Ok(Feed::ALL.into_iter().filter(may_read).map(overview).collect())
    }
}
