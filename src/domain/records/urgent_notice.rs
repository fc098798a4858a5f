//! A major problem or emergency (重大问题、突发事件).

use super::{
    Party, RecordReference,
    check::{self, CheckContext},
    export_action::check_instant,
    token::tokens,
};
use crate::domain::{ids::Micros, products::ProductKind, regions::Region, violation::Findings};

tokens! {
    /// How grave it is.
    pub enum Severity {
        MajorProblem = "major_problem", "重大问题";
        Emergency = "emergency", "突发事件";
    }
}

/// An urgent notice.
#[derive(Debug, Clone, PartialEq)]
pub struct UrgentNotice {
    /// Title.
    pub title: String,
    /// Text, at most 10,000 characters.
    pub text: String,
    /// How grave.
    pub severity: Severity,
    /// Regions concerned; empty = all.
    pub regions: Vec<Region>,
    /// Product kinds concerned; empty = all.
    pub product_kinds: Vec<ProductKind>,
    /// Records concerned.
    pub records: Vec<RecordReference>,
    /// When issued.
    pub issued_at: Micros,
    /// Enterprise concerned.
    pub enterprise: Option<Party>,
}

impl UrgentNotice {
    /// Checks everything that can be said of it alone.
    pub fn check(&self, context: &CheckContext, findings: &mut Findings) {
        check::required_text(findings, "title", &self.title);
        if self.text.trim().is_empty() {
            check::missing(findings, "text");
        }
        check::bounded_text(findings, "text", &self.text, check::BODY_LIMIT);
        check::list(findings, "regions", self.regions.len());
        for (index, region) in self.regions.iter().enumerate().take(check::LIST_LIMIT) {
            findings.within_index("regions", index, |findings| check::region(findings, "", *region));
        }
        check::product_kinds(findings, "product_kinds", &self.product_kinds);
        RecordReference::check_all(&self.records, findings);
        check_instant(context, "issued_at_us", self.issued_at, findings);
        if let Some(enterprise) = &self.enterprise {
            findings.within("enterprise", |findings| enterprise.check(context, findings));
        }
    }
}
