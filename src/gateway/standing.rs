//! The standing subscription to urgent notices: every participant that may receive them has one, whether or not anybody made it. It is
//! its own, with its own window and leases, so that a notice waits behind nothing else.

use super::{Caller, Class, Gateway, Refused, subscriptions::key_of};
use crate::domain::{
    delivery::{Filter, OnDeadLetter, Ordering, RetryPolicy, StartAt, SubscriptionSpec},
    feeds::Feed,
    records::Kind,
};

/// Its name.
pub const URGENT_NOTICES: &str = "urgent-notices";

/// From the first notice on, so that none is missed however late its consumer comes.
fn spec() -> SubscriptionSpec {
    SubscriptionSpec {
        filter: Filter { feeds: vec![Feed::Notices], kinds: vec![Kind::UrgentNotice], ..Filter::default() },
        ordering: Ordering::PerEnterprise,
        on_dead_letter: OnDeadLetter::Continue,
        lease_ms: 30_000,
        lease_total_ms: 3_600_000,
        retry: RetryPolicy {
            max_attempts: 100,
            initial_ms: 1_000,
            max_ms: 60_000,
            non_retryable: Vec::new(),
            pause_after_failures: 0,
            rate_per_second: 100,
        },
        max_in_flight: 10_000,
        max_span: 1_000_000,
        purpose: String::new(),
        start: StartAt::Earliest,
    }
}

impl Gateway {
    /// Makes the standing subscription of the caller when it is asked for by name and nobody asked before.
    pub(super) async fn ensure_standing(&self, caller: &Caller, name: &str) -> Result<(), Refused> {
        if name != URGENT_NOTICES {
            return Ok(());
        }
        let key = key_of(caller, name)?;
        if self.store.subscription(&key).await?.is_none() {
            self.make_subscription(caller, key, spec()).await?;
        }
        Ok(())
    }
}

/// Nobody makes or deletes what always stands.
pub(super) fn refuse_reserved(name: &str) -> Result<(), Refused> {
    if name != URGENT_NOTICES {
        return Ok(());
    }
    Err(Refused::new(
        Class::FailedPrecondition,
        "RESERVED_NAME",
        "urgent-notices 是每个参与方固有的紧急通报订阅，不能建立或删除；直接接收即可",
        "urgent-notices is the standing subscription of every participant: it cannot be made or deleted, just receive it",
    ))
}
