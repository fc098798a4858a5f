//! What queries and filters need of a revision, beside its bytes.

use super::{credit_code::CreditCode, feeds::Feed, life_cycle::Step, records::Kind, regions::Region};

/// What queries and filters need of a revision. Derived from the content at the door; for a disposition the region, kinds,
/// items and enterprise are those of its nonconformity, filled in when it is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Kind of record; its feed follows.
    pub kind: Kind,
    /// True when this revision withdraws the record.
    pub withdrawn: bool,
    /// Region of the producer, else of the publisher.
    pub region: Option<Region>,
    /// Set of product kinds, one bit each (`ProductKind::bit`).
    pub product_kinds: u32,
    /// Set of failed items, one bit each (`InspectionItem::bit`).
    pub failed_items: u64,
    /// For a nonconformity its initial state, for a disposition its step: state change and track.
    pub step: Option<Step>,
    /// The enterprise: given, or resolved at publish.
    pub credit_code: Option<CreditCode>,
    /// Strict key of the enterprise's name (`names::strict_key`); empty = none.
    pub name_key: String,
    /// True when result is published (`published_on` is set); always true for other kinds.
    pub published: bool,
}

impl Attributes {
    /// The feed.
    #[must_use]
    pub const fn feed(&self) -> Feed {
        self.kind.feed()
    }
}

/// A key under which a record can be found: an index key over a labelled text.
///
/// Labels: `code` (enterprise), `name` (strict key of the producer), `form` (form key of the producer), `batch`
/// (normalised batch), `brand` (normalised brand), `seller` (code or strict key of the sampled party), `survey-name`,
/// `survey-form` (keys of a survey row), `refers` (the nonconformity a disposition is about), `declaration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubjectKey(pub i64);

impl SubjectKey {
    /// The key for a label and text.
    #[must_use]
    pub fn of(label: &str, text: &str) -> Self {
        Self(super::digest::index_key(label, text))
    }
}
