//! Copies into the metrics, at intervals, the numbers that are kept elsewhere.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    domain::{delivery::SubscriptionKey, docket::Duty, records::Token as _, regions::Region},
    gateway::{Gateway, committer::Committer},
    store::Store,
    telemetry::{Metrics, REASONS},
};

/// How often.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// Subscriptions shown; each has some fifteen numbers.
const MOST_SHOWN: usize = 500;

/// Copies until it is told to finish.
pub(super) async fn measure(
    gateway: Arc<Gateway>,
    store: Arc<dyn Store>,
    committer: Committer,
    metrics: Arc<Metrics>,
    finish: CancellationToken,
) {
    let mut before = committer.numbers();
    let mut shown = BTreeSet::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(MEASURE_EVERY) => {}
            () = finish.cancelled() => return,
        }
        let now = committer.numbers();
        metrics.commits.inc_by(now.groups - before.groups);
        metrics.acts.inc_by(now.acts - before.acts);
        for took_us in committer.take_durations() {
            metrics.commit_seconds.observe(took_us as f64 / 1_000_000.0);
        }
        before = now;
        if let Ok(head) = store.head().await {
            metrics.head_position.set(gauge(head.position));
            metrics.evidence_size.set(gauge(head.evidence_size));
        }
        measure_docket(&gateway, &metrics).await;
        measure_attestations(&gateway, &metrics).await;
        measure_subscriptions(&gateway, &metrics, &mut shown).await;
    }
}

/// Every duty has its number, also when nothing waits: an alarm needs the zero.
async fn measure_docket(gateway: &Gateway, metrics: &Metrics) {
    if let Ok(position) = gateway.docket.followed().await {
        metrics.docket_position.set(gauge(position));
    }
    let Ok(counts) = gateway.docket.counts().await else { return };
    for duty in Duty::ALL {
        let (open, overdue, age) = match counts.iter().find(|count| count.duty == *duty) {
            Some(count) => (gauge(count.open), gauge(count.overdue), gateway.docket.age_days(count)),
            None => (0, 0, 0),
        };
        metrics.steps(duty.token(), open, overdue, age);
    }
}

/// Shows how old each attestation is. When they cannot be read, what was shown stands.
async fn measure_attestations(gateway: &Gateway, metrics: &Metrics) {
    let Ok(feeds) = gateway.attested().await else { return };
    let now = gateway.world.clock.now();
    metrics.forget_attestations();
    for (feed, attested) in &feeds {
        for one in attested {
            let region = one.region.map_or_else(|| "-".to_owned(), Region::code);
            let age = (one.complete_to > 0).then(|| now.saturating_sub(one.complete_to) as f64 / 1_000_000.0);
            metrics.attested(feed.name(), one.publisher.as_str(), &region, age);
        }
    }
}

/// Shows the subscriptions, asleep or awake, and forgets those that are gone. When they cannot be read, what was shown stands.
async fn measure_subscriptions(gateway: &Gateway, metrics: &Metrics, shown: &mut BTreeSet<SubscriptionKey>) {
    let Ok((statuses, besides)) = gateway.every_status(MOST_SHOWN).await else { return };
    metrics.subscriptions.not_shown.set(gauge(besides));
    let mut now = BTreeSet::new();
    for (key, status) in statuses {
        let reasons = match status.dead_letters {
            0 => Vec::new(),
            // One more than is shown tells whether there are others.
            _ => gateway.dead_letter_counts(&key, REASONS + 1).await.unwrap_or_default(),
        };
        metrics.subscriptions.show(&key, &status, &reasons);
        now.insert(key);
    }
    for gone in shown.difference(&now) {
        metrics.subscriptions.forget(gone);
    }
    *shown = now;
}

fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
