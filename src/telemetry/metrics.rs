//! Numbers in the form of Prometheus. One registry an instance, so that tests in one process do not share them.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use super::SubscriptionMetrics;

/// Labels of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    code: &'static str,
}

/// A label with a stable reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// A label with the duty of a docket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DutyLabels {
    step: &'static str,
}

/// Labels of an attestation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttestationLabels {
    feed: &'static str,
    publisher: String,
    region: String,
}

/// A gauge of seconds or days.
type FloatGauge = Gauge<f64, AtomicU64>;

/// Handles of every number. Cheap to update; shared by reference.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    refusals: Family<ReasonLabels, Counter>,
    turned_away: Family<ReasonLabels, Counter>,
    attestation_age: Family<AttestationLabels, FloatGauge>,
    /// Connections open now.
    pub connections: Gauge,
    /// Connections whose handshake succeeded.
    pub connections_accepted: Counter,
    /// Open connections given up, since trust was withdrawn.
    pub connections_withdrawn: Counter,
    /// Reloads of certificates that failed: the old ones stand.
    pub reload_failures: Counter,
    /// Groups committed.
    pub commits: Counter,
    /// Acts committed.
    pub acts: Counter,
    /// Time of a commit, seconds.
    pub commit_seconds: Histogram,
    /// Last position of the ledger.
    pub head_position: Gauge,
    /// Entries of the evidence log.
    pub evidence_size: Gauge,
    open_steps: Family<DutyLabels, Gauge>,
    overdue_steps: Family<DutyLabels, Gauge>,
    oldest_step_days: Family<DutyLabels, Gauge>,
    /// Position up to which the docket takes in the ledger.
    pub docket_position: Gauge,
    /// Numbers of subscriptions.
    pub subscriptions: SubscriptionMetrics,
    /// Days until the gateway's certificate ends.
    pub certificate_days_left: FloatGauge,
    /// Hours until the first revocation list ends; not a number = there is none.
    pub crl_hours_left: FloatGauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry with every number at zero.
    pub fn new() -> Self {
        // From a commit in memory to a disk in trouble.
        let commit_seconds = Histogram::new([0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0]);
        let mut metrics = Self {
            registry: Registry::with_prefix("tongbao"),
            requests: Family::default(),
            refusals: Family::default(),
            turned_away: Family::default(),
            attestation_age: Family::default(),
            connections: Gauge::default(),
            connections_accepted: Counter::default(),
            connections_withdrawn: Counter::default(),
            reload_failures: Counter::default(),
            commits: Counter::default(),
            acts: Counter::default(),
            commit_seconds,
            head_position: Gauge::default(),
            evidence_size: Gauge::default(),
            open_steps: Family::default(),
            overdue_steps: Family::default(),
            oldest_step_days: Family::default(),
            docket_position: Gauge::default(),
            subscriptions: SubscriptionMetrics::default(),
            certificate_days_left: FloatGauge::default(),
            crl_hours_left: FloatGauge::default(),
        };
        metrics.register_door();
        metrics.register_ledger();
        metrics.register_docket();
        metrics.subscriptions.register(&mut metrics.registry);
        metrics
    }

    fn register_door(&mut self) {
        let registry = &mut self.registry;
        registry.register("build", "The program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("requests", "Requests by method and gRPC code", self.requests.clone());
        registry.register("refusals", "Requests refused at the door, by reason", self.refusals.clone());
        registry.register("turned_away", "Connections that never came to a request, by reason", self.turned_away.clone());
        registry.register("connections", "Connections open now", self.connections.clone());
        registry.register("connections_accepted", "Connections whose handshake succeeded", self.connections_accepted.clone());
        registry.register(
            "connections_withdrawn",
            "Open connections whose certificate is trusted no longer",
            self.connections_withdrawn.clone(),
        );
        registry.register("reload_failures", "Reloads of certificates that failed", self.reload_failures.clone());
        registry.register("certificate_days_left", "Days until the certificate ends", self.certificate_days_left.clone());
        registry.register("crl_hours_left", "Hours until the first revocation list ends", self.crl_hours_left.clone());
    }

    fn register_ledger(&mut self) {
        let registry = &mut self.registry;
        registry.register("commits", "Groups committed", self.commits.clone());
        registry.register("acts", "Acts committed", self.acts.clone());
        registry.register_with_unit("commit_duration", "Time of a commit", Unit::Seconds, self.commit_seconds.clone());
        registry.register_with_unit(
            "attestation_age",
            "Age of the time to which a feed is attested complete, by publisher and region; not a number = never attested",
            Unit::Seconds,
            self.attestation_age.clone(),
        );
        registry.register("head_position", "Last position of the ledger", self.head_position.clone());
        registry.register("evidence_size", "Entries of the evidence log", self.evidence_size.clone());
    }

    fn register_docket(&mut self) {
        let registry = &mut self.registry;
        registry.register("open_steps", "What waits for somebody, by step", self.open_steps.clone());
        registry.register("overdue_steps", "What is overdue, by step", self.overdue_steps.clone());
        registry.register(
            "oldest_step_days",
            "Days since the oldest of what waits began, by step",
            self.oldest_step_days.clone(),
        );
        registry.register("docket_position", "Position up to which the docket takes in the ledger", self.docket_position.clone());
    }

    /// Sets the numbers of a step of the docket: how many wait, how many are overdue, days since the oldest began.
    pub fn steps(&self, step: &'static str, open: i64, overdue: i64, oldest_days: i64) {
        let labels = DutyLabels { step };
        self.open_steps.get_or_create(&labels).set(open);
        self.overdue_steps.get_or_create(&labels).set(overdue);
        self.oldest_step_days.get_or_create(&labels).set(oldest_days);
    }

    /// Counts a request that ended with a gRPC code, e.g. `OK`.
    pub fn request(&self, method: &'static str, code: &'static str) {
        self.requests.get_or_create(&RequestLabels { method, code }).inc();
    }

    /// Requests of a method that ended with a code.
    pub fn requests_of(&self, method: &'static str, code: &'static str) -> u64 {
        self.requests.get_or_create(&RequestLabels { method, code }).get()
    }

    /// Shows how old an attestation is; `None` = there never was one. `region`: `-` = nationwide.
    pub fn attested(&self, feed: &'static str, publisher: &str, region: &str, age_seconds: Option<f64>) {
        let labels = AttestationLabels { feed, publisher: publisher.to_owned(), region: region.to_owned() };
        self.attestation_age.get_or_create(&labels).set(age_seconds.unwrap_or(f64::NAN));
    }

    /// Forgets all ages: what is shown next is all there is.
    pub fn forget_attestations(&self) {
        self.attestation_age.clear();
    }

    /// Counts a request refused at the door.
    pub fn refusal(&self, reason: &'static str) {
        self.refusals.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Counts a connection that never came to a request.
    pub fn turned_away(&self, reason: &'static str) {
        self.turned_away.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Everything in the text form of OpenMetrics.
    pub fn render(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing into a string does not fail; were it to, an empty page says that something is wrong.
            Err(_) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_instances_share_nothing_and_the_text_has_the_numbers() {
        let (one, two) = (Metrics::new(), Metrics::new());
        one.request("tongbao.v1.PublishService/Publish", "OK");
        one.commit_seconds.observe(0.003);
        let text = one.render();
        assert!(text.contains(r#"tongbao_requests_total{method="tongbao.v1.PublishService/Publish",code="OK"} 1"#), "{text}");
        assert!(text.contains(r#"tongbao_commit_duration_seconds_bucket{le="0.005"} 1"#), "{text}");
        assert_eq!(two.requests_of("tongbao.v1.PublishService/Publish", "OK"), 0);
    }

    #[test]
    fn the_operators_page_names_every_number() {
        let metrics = Metrics::new();
        metrics.request("m", "OK");
        metrics.refusal("R");
        metrics.turned_away("R");
        metrics.attested("failed-products", "amr-330000", "330000", Some(60.0));
        metrics.steps("rectify", 1, 1, 70);
        metrics.subscriptions.show_example();
        let page = include_str!("../../docs/operations.md");
        let text = metrics.render();
        let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        assert_eq!(names.len(), 35, "{names:?}");
        for name in names {
            assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/operations.md");
        }
    }
}
