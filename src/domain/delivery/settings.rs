//! Settings that change while the subscription goes on, and those that cannot.

use super::subscription::{Ordering, SubscriptionSpec};
use crate::domain::violation::{Findings, Text};

/// Settings with their revision: 1 when the subscription is made, one more with each update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Revision.
    pub revision: u64,
    /// The settings.
    pub spec: SubscriptionSpec,
}

/// Settings as an update asks for them, all but what cannot change: that may be left out, and is compared if it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsUpdate {
    /// The settings; order, purpose and start in it mean nothing.
    pub spec: SubscriptionSpec,
    /// Order, if it was said.
    pub ordering: Option<Ordering>,
    /// Purpose, if it was said.
    pub purpose: Option<String>,
}

impl SettingsUpdate {
    /// The settings as they will be. What was delivered was delivered in one order and for one purpose: another one needs a
    /// subscription of its own, and asking for it is a finding.
    #[must_use]
    pub fn onto(self, standing: &SubscriptionSpec, findings: &mut Findings) -> SubscriptionSpec {
        if self.ordering.is_some_and(|ordering| ordering != standing.ordering) {
            let text = Text::new(
                "投递顺序在建立订阅时确定，不能更改：请另建一个订阅",
                "the order is fixed when a subscription is made: make another one",
            );
            findings.refuse("settings.ordering", "SETTING_FIXED", text);
        }
        if self.purpose.is_some_and(|purpose| purpose != standing.purpose) {
            let text = Text::new(
                "用途在建立订阅时声明，不能更改：为其他用途请另建一个订阅",
                "the purpose is stated when a subscription is made: make another one for another purpose",
            );
            findings.refuse("settings.purpose", "SETTING_FIXED", text);
        }
        SubscriptionSpec { ordering: standing.ordering, purpose: standing.purpose.clone(), start: standing.start, ..self.spec }
    }
}

/// Which parts differ, as they are named in the evidence.
#[must_use]
pub fn changed_parts(before: &SubscriptionSpec, after: &SubscriptionSpec) -> Vec<&'static str> {
    let parts = [
        ("filter", before.filter != after.filter),
        ("on_dead_letter", before.on_dead_letter != after.on_dead_letter),
        ("lease", (before.lease_ms, before.lease_total_ms) != (after.lease_ms, after.lease_total_ms)),
        ("retry", before.retry != after.retry),
        ("flow", (before.max_in_flight, before.max_span) != (after.max_in_flight, after.max_span)),
    ];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part).collect()
}
