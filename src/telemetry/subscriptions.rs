//! Numbers of subscriptions, asleep or awake, by participant and name. How many are shown is bounded by who shows them, so that
//! nobody fills a monitoring system by making subscriptions; reasons are bounded here.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError, atomic::AtomicU64},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::domain::delivery::{PauseReason, Status, SubscriptionKey};

/// Reasons of dead letters shown of one subscription; the others are one number under `other`.
pub const REASONS: usize = 5;
/// The reason under which the rest is shown.
const OTHER: &str = "other";

/// Labels of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SubscriptionLabels {
    participant: String,
    subscription: String,
}

/// Labels of a subscription and a reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reasoned {
    participant: String,
    subscription: String,
    reason: String,
}

/// Reasons that are shown of a subscription now, so that they can be taken back.
#[derive(Default)]
struct Shown {
    paused: Option<&'static str>,
    dead: Vec<String>,
}

type Of = Family<SubscriptionLabels, Gauge>;

/// The numbers of each subscription shown.
#[derive(Default)]
pub struct SubscriptionMetrics {
    in_flight: Of,
    lag: Of,
    at_least: Of,
    at_most: Of,
    oldest: Family<SubscriptionLabels, Gauge<u64, AtomicU64>>,
    span: Of,
    retrying: Of,
    blocked: Of,
    attached: Of,
    dead_letters: Of,
    by_reason: Family<Reasoned, Gauge>,
    paused: Family<Reasoned, Gauge>,
    retries: Family<SubscriptionLabels, Counter>,
    expired: Family<SubscriptionLabels, Counter>,
    shown: Mutex<HashMap<SubscriptionLabels, Shown>>,
    /// Subscriptions that are not shown, since there are too many.
    pub not_shown: Gauge,
}

fn labels(key: &SubscriptionKey) -> SubscriptionLabels {
    SubscriptionLabels { participant: key.participant.to_string(), subscription: key.name.clone() }
}

fn reasoned(labels: &SubscriptionLabels, reason: &str) -> Reasoned {
    let SubscriptionLabels { participant, subscription } = labels.clone();
    Reasoned { participant, subscription, reason: reason.to_owned() }
}

fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl SubscriptionMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let mut of = |name: &str, help: &str, family: &Of| registry.register(name, help, family.clone());
        of("subscription_in_flight", "Deliveries out and not settled", &self.in_flight);
        of("subscription_lag", "Positions that a subscription has not read yet", &self.lag);
        of("subscription_undelivered_at_least", "Revisions still to be delivered, for certain", &self.at_least);
        of("subscription_undelivered_at_most", "Revisions still to be delivered, at most", &self.at_most);
        of("subscription_span", "Positions between the floor and the last one sent", &self.span);
        of("subscription_retrying", "Deliveries waiting for another attempt", &self.retrying);
        of("subscription_blocked_enterprises", "Enterprises whose later revisions wait", &self.blocked);
        of("subscription_attached", "1 while a consumer is attached", &self.attached);
        of("subscription_dead_letters", "Dead letters", &self.dead_letters);
        registry.register_with_unit(
            "subscription_oldest_unsettled",
            "Age of the oldest revision that is not settled",
            Unit::Seconds,
            self.oldest.clone(),
        );
        registry.register("subscription_dead_letters_by_reason", "Dead letters by reason", self.by_reason.clone());
        registry.register("subscription_paused", "1 while delivery pauses, by reason", self.paused.clone());
        registry.register("subscription_retries", "Failed attempts that were given another one", self.retries.clone());
        registry.register("subscription_expired_leases", "Leases that ran out", self.expired.clone());
        registry.register("subscriptions_not_shown", "Subscriptions without numbers here", self.not_shown.clone());
    }

    /// Shows the numbers of a subscription; `reasons` of its dead letters, most first.
    pub fn show(&self, key: &SubscriptionKey, status: &Status, reasons: &[(String, u64)]) {
        let labels = labels(key);
        let set = |family: &Of, number: u64| {
            family.get_or_create(&labels).set(gauge(number));
        };
        set(&self.in_flight, status.in_flight);
        set(&self.lag, status.lag);
        set(&self.at_least, status.behind.undelivered.at_least);
        set(&self.at_most, status.behind.undelivered.at_most);
        set(&self.span, status.behind.span);
        set(&self.retrying, status.retrying);
        set(&self.blocked, status.blocked);
        set(&self.attached, u64::from(status.attached));
        set(&self.dead_letters, status.dead_letters);
        self.oldest.get_or_create(&labels).set(status.observed.oldest_age_seconds());
        let count = |family: &Family<SubscriptionLabels, Counter>, number: u64| {
            let counter = family.get_or_create(&labels);
            counter.inc_by(number.saturating_sub(counter.get()));
        };
        count(&self.retries, status.observed.retries);
        count(&self.expired, status.observed.expired_leases);
        self.show_reasons(&labels, status, reasons);
    }

    /// Shows why it pauses and why deliveries died, and takes back what was shown before and is so no longer.
    fn show_reasons(&self, labels: &SubscriptionLabels, status: &Status, reasons: &[(String, u64)]) {
        let (named, rest) = reasons.split_at(reasons.len().min(REASONS));
        let mut named = named.to_vec();
        if !rest.is_empty() {
            let others = status.dead_letters.saturating_sub(named.iter().map(|(_, count)| count).sum());
            named.push((OTHER.to_owned(), others));
        }
        let now = Shown {
            paused: status.pause.map(PauseReason::token),
            dead: named.iter().map(|(reason, _)| reason.clone()).collect(),
        };
        for (reason, count) in named {
            self.by_reason.get_or_create(&reasoned(labels, &reason)).set(gauge(count));
        }
        if let Some(reason) = now.paused {
            self.paused.get_or_create(&reasoned(labels, reason)).set(1);
        }
        self.replace(labels, Some(now));
    }

    fn replace(&self, labels: &SubscriptionLabels, now: Option<Shown>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = shown.remove(labels).unwrap_or_default();
        let stays = now.as_ref();
        for reason in before.dead.iter().filter(|reason| stays.is_none_or(|now| !now.dead.contains(reason))) {
            self.by_reason.remove(&reasoned(labels, reason));
        }
        if let Some(reason) = before.paused.filter(|reason| stays.is_none_or(|now| now.paused != Some(reason))) {
            self.paused.remove(&reasoned(labels, reason));
        }
        if let Some(now) = now {
            shown.insert(labels.clone(), now);
        }
    }

    /// Forgets the numbers of a subscription that is gone.
    pub fn forget(&self, key: &SubscriptionKey) {
        let labels = labels(key);
        let gauges = [
            &self.in_flight,
            &self.lag,
            &self.at_least,
            &self.at_most,
            &self.span,
            &self.retrying,
            &self.blocked,
            &self.attached,
            &self.dead_letters,
        ];
        for family in gauges {
            family.remove(&labels);
        }
        self.oldest.remove(&labels);
        self.retries.remove(&labels);
        self.expired.remove(&labels);
        self.replace(&labels, None);
    }
}

#[cfg(test)]
impl SubscriptionMetrics {
    /// Gives every number a value.
    pub(super) fn show_example(&self) {
        self.show(&tests::key("risk"), &tests::status(), &[("poison".to_owned(), 1)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        delivery::{Backlog, Lag, Observed},
        ids::ParticipantId,
    };

    pub(super) fn key(name: &str) -> SubscriptionKey {
        SubscriptionKey { participant: ParticipantId::parse("gacc").expect("a participant"), name: name.to_owned() }
    }

    pub(super) fn status() -> Status {
        Status {
            head: 100,
            floor: 90,
            scanned: 95,
            in_flight: 2,
            in_flight_bytes: 10,
            retrying: 1,
            dead_letters: 40,
            blocked: 3,
            epoch: 7,
            pause: Some(PauseReason::KeyBlocked),
            attached: true,
            lag: 5,
            behind: Lag { undelivered: Backlog { at_least: 1, at_most: 6 }, oldest: None, span: 4 },
            observed: Observed { at: 9_000_000, retries: 8, oldest_committed_at: 2_000_000, ..Observed::default() },
        }
    }

    fn text(metrics: &SubscriptionMetrics) -> String {
        let mut registry = Registry::with_prefix("tongbao");
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encoded");
        text
    }

    #[test]
    fn shows_what_stands_and_takes_back_what_does_not() {
        let metrics = SubscriptionMetrics::default();
        let reasons: Vec<_> = (0..8).map(|n| (format!("r{n}"), 8 - n)).collect();
        metrics.show(&key("risk"), &status(), &reasons);
        let shown = text(&metrics);
        let of = r#"{participant="gacc",subscription="risk"}"#;
        for line in ["undelivered_at_most", "oldest_unsettled_seconds"].map(|name| format!("tongbao_subscription_{name}{of}")) {
            assert!(shown.contains(&line), "{line}\n{shown}");
        }
        assert!(shown.contains(&format!("oldest_unsettled_seconds{of} 7")), "{shown}");
        assert!(shown.contains(&format!("subscription_retries_total{of} 8")), "{shown}");
        assert!(shown.contains(r#"subscription="risk",reason="KEY_BLOCKED"} 1"#), "{shown}");
        assert!(shown.contains(r#"reason="r4"} 4"#) && shown.contains(r#"reason="other"} 10"#), "{shown}");
        assert!(!shown.contains(r#"reason="r5""#), "{shown}");

        let after = Status { pause: Some(PauseReason::Window), dead_letters: 8, ..status() };
        metrics.show(&key("risk"), &after, &reasons[..1]);
        let shown = text(&metrics);
        assert!(shown.contains(r#"reason="WINDOW"} 1"#) && !shown.contains("KEY_BLOCKED"), "{shown}");
        assert!(shown.contains(r#"reason="r0"} 8"#) && !shown.contains(r#"reason="r1""#), "{shown}");
        assert!(shown.contains(&format!("subscription_retries_total{of} 8")), "counted once\n{shown}");

        metrics.forget(&key("risk"));
        assert!(!text(&metrics).contains("risk"), "nothing is left");
    }
}
