//! How far the data is good, said with every answer (domain.md §9): attestations that stand against the register's policy.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Refused, moment::Moment};
use crate::{
    domain::{
        feeds::Feed,
        grants::Register,
        ledger::Attestation,
        regions::Region,
        screening::{Completeness, FeedState, FreshnessPolicy, together},
    },
    store::Store,
};

/// Knows how far each feed is good.
#[derive(Clone)]
pub struct Freshness {
    /// Where attestations stand.
    pub store: Arc<dyn Store>,
    /// Whose attestations are needed, and how old is too old.
    pub register: Arc<ArcSwap<Register>>,
}

impl Freshness {
    /// What was attested, to be seen at one moment.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn at(&self, moment: Moment) -> Result<Attested, Refused> {
        let attestations = self.store.attestations().await?;
        Ok(Attested { policy: FreshnessPolicy::of(&self.register.load()), attestations, moment })
    }
}

/// What was attested, with the policy it is judged by.
#[derive(Debug, Clone)]
pub struct Attested {
    policy: FreshnessPolicy,
    attestations: Arc<[Attestation]>,
    moment: Moment,
}

impl Attested {
    /// To ask feed by feed.
    pub fn completeness(&self) -> Completeness<'_> {
        Completeness { policy: &self.policy, attestations: &self.attestations, at: self.moment.at }
    }

    /// Several feeds, each for several regions, taken together.
    pub fn together(&self, feeds: &[Feed], regions: &[Option<Region>]) -> FeedState {
        let completeness = self.completeness();
        together(feeds.iter().flat_map(|feed| regions.iter().map(move |region| completeness.of(*feed, *region))))
    }
}
