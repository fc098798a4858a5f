//! What a subscription is: its name, filter, order and policies.

use crate::domain::{
    credit_code::CreditCode,
    feeds::Feed,
    ids::{Micros, ParticipantId, Position},
    life_cycle::State,
    records::Kind,
};

/// Name of a subscription: unique in its participant; `[a-z0-9-]`, 1 to 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionKey {
    /// Owner.
    pub participant: ParticipantId,
    /// Name.
    pub name: String,
}

/// Selects revisions: every non-empty list must match, within a list any value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Feeds; empty = every feed granted.
    pub feeds: Vec<Feed>,
    /// Kinds.
    pub kinds: Vec<Kind>,
    /// Prefixes of region codes.
    pub region_prefixes: Vec<String>,
    /// Set of product kinds (`ProductKind::bit`); 0 = all.
    pub product_kinds: u32,
    /// Set of failed items (`InspectionItem::bit`); 0 = all.
    pub failed_items: u64,
    /// States of nonconformities.
    pub states: Vec<State>,
    /// Enterprises.
    pub credit_codes: Vec<CreditCode>,
}

/// In what order revisions are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ordering {
    /// A revision waits for the earlier ones of its order key.
    #[default]
    PerEnterprise,
    /// A revision waits for every earlier one.
    Total,
}

/// What a dead letter does to its enterprise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDeadLetter {
    /// Later revisions go on.
    #[default]
    Continue,
    /// Later revisions of that enterprise wait.
    Block,
}

/// How failures are retried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Failures before the dead letters, 1 to 100.
    pub max_attempts: u32,
    /// First delay, milliseconds.
    pub initial_ms: u64,
    /// Longest delay, milliseconds.
    pub max_ms: u64,
    /// Reasons that go straight to the dead letters.
    pub non_retryable: Vec<String>,
    /// Failures in a row that open the circuit, whichever sessions had them; only going on or a seek closes it. 0 = never.
    pub pause_after_failures: u32,
    /// Retries a second at most.
    pub rate_per_second: u32,
}

/// Where a subscription starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// The first position.
    Earliest,
    /// After the head at creation.
    Latest,
    /// This position and later ones.
    Position(Position),
    /// Commits at or after this time.
    Time(Micros),
    /// Current revisions, then the tail.
    Snapshot,
}

/// Settings of a subscription with all defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionSpec {
    /// What is delivered.
    pub filter: Filter,
    /// Order.
    pub ordering: Ordering,
    /// On dead letters.
    pub on_dead_letter: OnDeadLetter,
    /// Lease of a delivery, milliseconds: 5 s to 12 h.
    pub lease_ms: u64,
    /// Longest a lease may be extended to in all, milliseconds.
    pub lease_total_ms: u64,
    /// Retries.
    pub retry: RetryPolicy,
    /// Most deliveries out at once.
    pub max_in_flight: u32,
    /// Most positions between floor and last delivery.
    pub max_span: u32,
    /// Purpose stated.
    pub purpose: String,
    /// Where it started, as asked.
    pub start: StartAt,
}

/// A subscription as it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// Name.
    pub key: SubscriptionKey,
    /// Settings.
    pub spec: SubscriptionSpec,
    /// When it was made.
    pub created_at: Micros,
    /// Everything at or below is passed from the start (StartAt resolved: earliest 0, latest the head, …).
    pub start_floor: Position,
    /// For a snapshot: at positions ≤ this, revisions with a successor ≤ this are skipped; else 0.
    pub snapshot_at: Position,
}
