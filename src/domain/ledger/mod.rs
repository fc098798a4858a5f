//! The ledger's acts and how a group of them is decided: pure, so that both stores decide alike.
//!
//! Invariant: `decide` sees one read set taken under the head lock, plus the effects of the acts before it in the group. What
//! it returns is written by set statements that cannot fail for domain reasons.

mod acts;
mod decide;
mod follow;
mod plan;
mod publish;
mod read_set;
mod refusals;
mod register;
mod ride;
mod subscriptions;

pub use acts::{
    Act, Attestation, BatchOutcome, Change, Committed, Head, Outcome, Publish, PublishMany, PublishedItem, Refusal, RefusedItem,
};
pub use decide::decide;
pub use follow::{DocketWrite, Follow};
pub use plan::{ChainWrite, Decision, NewRevision, SealedEntry, WritePlan};
pub use read_set::{AttestationKey, Chain, Needs, ReadSet, StandingRecord, StandingRevision, StandingSubscription};
pub use register::{Register, RegisterEntry, register_keys};
pub use ride::{Ride, Selects};
pub use subscriptions::SubscriptionWrite;
