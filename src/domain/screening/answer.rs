//! What a screening answers: every reason, highest first, so that the officer sees what was weighed and not only what won.

use std::cmp::Reverse;

use super::{
    completeness::FeedState,
    rules::{RULE_VERSION, RuleId},
    verdict::Verdict,
};
use crate::domain::{credit_code::CreditCode, records::RecordReference, violation::Text};

/// Why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// By which rule.
    pub rule: RuleId,
    /// In words.
    pub text: Text,
    /// The record it rests on, if one.
    pub record: Option<RecordReference>,
}

impl Reason {
    /// What this reason alone says.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.rule.rule().verdict
    }
}

/// Answer for one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemAnswer {
    /// Item, from 1.
    pub number: u32,
    /// Highest of its reasons.
    pub verdict: Verdict,
    /// Every reason, highest first.
    pub reasons: Vec<Reason>,
}

impl ItemAnswer {
    /// Puts the reasons in order; `floor` is what is said when no reason is higher.
    pub(super) fn new(number: u32, mut reasons: Vec<Reason>, floor: Verdict) -> Self {
        reasons.sort_by_key(|reason| (Reverse(reason.verdict()), reason.rule));
        let verdict = reasons.first().map_or(floor, |reason| reason.verdict().max(floor));
        Self { number, verdict, reasons }
    }
}

/// The answer for a declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Highest of its items.
    pub verdict: Verdict,
    /// One for each item, in their order.
    pub items: Vec<ItemAnswer>,
    /// The maker, if established.
    pub maker: Option<CreditCode>,
    /// Version of the rules.
    pub rule_version: &'static str,
    /// Version of the regimes.
    pub regime_version: String,
    /// How far the feeds it draws on are good, taken together.
    pub feeds: FeedState,
}

impl Answer {
    pub(super) fn new(items: Vec<ItemAnswer>, maker: Option<CreditCode>, regime_version: &str, feeds: FeedState) -> Self {
        let verdict = items.iter().map(|item| item.verdict).max().unwrap_or(Verdict::Unknown);
        Self { verdict, items, maker, rule_version: RULE_VERSION, regime_version: regime_version.to_owned(), feeds }
    }

    /// The records that reasons rest on, by position, each once.
    #[must_use]
    pub fn records(&self) -> Vec<&RecordReference> {
        let mut records: Vec<_> =
            self.items.iter().flat_map(|item| &item.reasons).filter_map(|reason| reason.record.as_ref()).collect();
        records.sort_by_key(|record| record.position);
        records.dedup_by_key(|record| record.position);
        records
    }
}
