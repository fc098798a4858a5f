//! Are these the goods the record speaks of? (domain.md §6, "Product match"; exact rules, no scores)

use super::declaration::DeclarationItem;
use crate::domain::{
    dates::{CivilDate, Precision},
    names::normalise_text,
    products::ProductKind,
    records::Nonconformity,
    standards::Standard,
};

/// How goods compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProductMatch {
    /// Equal batch; or equal day of production, the batch absent on a side and the model not contradicting.
    SameBatch,
    /// Equal brand and model, or equal kind and standard.
    SameProduct,
    /// Known kinds or known models contradict.
    Different,
    /// All else. Blank never equals blank.
    Undecidable,
}

/// What is compared of goods, normalised once.
#[derive(Debug, Clone)]
pub(super) struct Goods<'a> {
    brand: String,
    model: String,
    batch: String,
    produced_on: Option<CivilDate>,
    kind: Option<&'a ProductKind>,
    standards: &'a [Standard],
}

impl<'a> Goods<'a> {
    pub(super) fn declared(item: &'a DeclarationItem) -> Self {
        Self {
            brand: normalise_text(&item.brand),
            model: normalise_text(&item.model),
            batch: normalise_text(&item.batch),
            produced_on: item.produced_on,
            kind: item.product_kind.as_ref(),
            standards: item.standard.as_slice(),
        }
    }

    pub(super) fn recorded(record: &'a Nonconformity) -> Self {
        Self {
            brand: normalise_text(&record.brand),
            model: normalise_text(&record.model),
            batch: normalise_text(&record.batch),
            produced_on: record.produced_on,
            kind: record.product_kind.as_ref(),
            standards: &record.claimed_standards,
        }
    }

    /// How the two compare. The order is the order of the rules: what is the same batch is not asked for its model, so that
    /// a slip in one field never makes known bad goods "different".
    pub(super) fn compare(&self, other: &Self) -> ProductMatch {
        if self.is_same_batch(other) {
            ProductMatch::SameBatch
        } else if self.is_same_product(other) {
            ProductMatch::SameProduct
        } else if contradict(&self.model, &other.model) || kinds_contradict(self.kind, other.kind) {
            ProductMatch::Different
        } else {
            ProductMatch::Undecidable
        }
    }

    fn is_same_batch(&self, other: &Self) -> bool {
        if equal(&self.batch, &other.batch) {
            return true;
        }
        let a_batch_is_absent = self.batch.is_empty() || other.batch.is_empty();
        a_batch_is_absent && same_day(self.produced_on, other.produced_on) && !contradict(&self.model, &other.model)
    }

    fn is_same_product(&self, other: &Self) -> bool {
        let brand_and_model = equal(&self.brand, &other.brand) && equal(&self.model, &other.model);
        let kind_and_standard =
            kinds_equal(self.kind, other.kind) && self.standards.iter().any(|standard| other.standards.contains(standard));
        brand_and_model || kind_and_standard
    }

    /// For goods under a false name brand and batch alone decide: `Some(true)` both given and equal, `Some(false)` one equal
    /// and the other missing on a side, `None` neither.
    pub(super) fn brand_and_batch(&self, other: &Self) -> Option<bool> {
        let brand = equal(&self.brand, &other.brand);
        let batch = equal(&self.batch, &other.batch);
        let brand_missing = self.brand.is_empty() || other.brand.is_empty();
        let batch_missing = self.batch.is_empty() || other.batch.is_empty();
        match (brand, batch) {
            (true, true) => Some(true),
            (true, false) if batch_missing => Some(false),
            (false, true) if brand_missing => Some(false),
            _ => None,
        }
    }

    /// True when the goods were certainly made after that day.
    pub(super) fn made_after(&self, day: CivilDate) -> bool {
        self.produced_on.is_some_and(|made| made.first_day() > day.last_day())
    }
}

fn equal(one: &str, other: &str) -> bool {
    !one.is_empty() && one == other
}

fn contradict(one: &str, other: &str) -> bool {
    !one.is_empty() && !other.is_empty() && one != other
}

fn same_day(one: Option<CivilDate>, other: Option<CivilDate>) -> bool {
    one.is_some_and(|date| date.precision() == Precision::Day) && one == other
}

fn kinds_equal(one: Option<&ProductKind>, other: Option<&ProductKind>) -> bool {
    match (one, other) {
        (Some(ProductKind::Other(one)), Some(ProductKind::Other(other))) => equal(&normalise_text(one), &normalise_text(other)),
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// Only kinds of the known list can contradict: a free wording may well mean one of them.
fn kinds_contradict(one: Option<&ProductKind>, other: Option<&ProductKind>) -> bool {
    match (one, other) {
        (Some(ProductKind::Other(_)) | None, _) | (_, Some(ProductKind::Other(_)) | None) => false,
        (Some(one), Some(other)) => one != other,
    }
}
