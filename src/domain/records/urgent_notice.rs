//! A major problem or emergency (重大问题、突发事件).

use super::{Party, RecordReference, token::tokens};
use crate::domain::{ids::Micros, products::ProductKind, regions::Region};

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
