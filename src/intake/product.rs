//! What a failed-product list says of the product itself: name, kind, model, date and batch.

use unicode_normalization::UnicodeNormalization as _;

use crate::domain::{
    dates::read_date_and_batch, products::ProductKind, records::Nonconformity, standards::Standard, violation::Text,
};

use super::{columns::Meaning, row::Fields};

/// The product's name, which is required.
pub fn product_name(fields: &mut Fields<'_>) -> String {
    let name = fields.own_text(Meaning::ProductName).unwrap_or_default().to_owned();
    if name.is_empty() {
        fields.refuse(
            Meaning::ProductName,
            "PRODUCT_MISSING",
            Text::new("缺少产品名称；请填写", "the product's name is missing; fill it in"),
        );
    }
    name
}

/// The kind: from its own column, else from the product's name, else from the claimed standards where they agree.
pub fn product_kind(fields: &Fields<'_>, failure: &Nonconformity) -> Option<ProductKind> {
    if let Some(kind) = fields.text(Meaning::ProductKind) {
        return Some(ProductKind::parse(kind));
    }
    let by_name = ProductKind::parse(&failure.product_name);
    if by_name.is_known() {
        return Some(by_name);
    }
    let mut by_standard = failure.claimed_standards.iter().filter_map(Standard::category);
    let first = by_standard.next()?;
    by_standard.all(|kind| kind == first).then_some(first)
}

/// Model, grade and specification. A cell for both specification and model is kept whole as the specification, and its
/// model is taken out only where it is one for certain: a wrong model could clear goods that should be held.
pub fn identity(fields: &Fields<'_>) -> (String, String, String) {
    let mut model = fields.text_or_empty(Meaning::Model);
    let mut grade = fields.text_or_empty(Meaning::Grade);
    let mut specification = fields.text_or_empty(Meaning::Specification);
    if let Some(both) = fields.text(Meaning::SpecificationAndModel) {
        if specification.is_empty() {
            both.clone_into(&mut specification);
        }
        let folded: String = both.nfkc().collect();
        let bare = folded.split('(').next().unwrap_or_default().trim();
        if is_grade(bare) {
            if grade.is_empty() {
                bare.clone_into(&mut grade);
            }
        } else if is_model(bare) && model.is_empty() {
            bare.clone_into(&mut model);
        }
    }
    (model, grade, specification)
}

/// Filter classes of GB 2626 and kin, which people write where a model is asked for.
fn is_grade(text: &str) -> bool {
    let key = text.to_uppercase().replace([' ', '-'], "");
    matches!(key.as_str(), "KN90" | "KN95" | "KN100" | "KP90" | "KP95" | "KP100" | "N95" | "FFP1" | "FFP2" | "FFP3")
}

/// Letters, digits, hyphens and dots with a digit among them, and not a measure such as `175mm*90mm`.
fn is_model(text: &str) -> bool {
    let upper = text.to_uppercase();
    let written_so = upper.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    let measure = upper.contains("MM") || upper.contains("CM") || {
        let mut around = upper.split('X');
        let left = around.next().unwrap_or_default();
        around
            .next()
            .is_some_and(|right| left.ends_with(|c: char| c.is_ascii_digit()) && right.starts_with(|c: char| c.is_ascii_digit()))
    };
    let only_number = !upper.is_empty() && upper.chars().all(|c| c.is_ascii_digit() || c == '.') && upper.contains('.');
    written_so && upper.chars().any(|c| c.is_ascii_digit()) && !measure && !only_number
}

/// Production date and batch, from one column or two; the cells' text is kept as it stands.
pub fn date_and_batch(fields: &mut Fields<'_>, failure: &mut Nonconformity) {
    let mut raw = Vec::new();
    for meaning in [Meaning::DateAndBatch, Meaning::ProducedOn] {
        let text = fields.raw(meaning);
        if text.is_empty() {
            continue;
        }
        raw.push(text);
        if let Some(date) = fields.true_date(meaning) {
            failure.produced_on = Some(date);
            continue;
        }
        let read = read_date_and_batch(text);
        if let Some(warning) = read.warning {
            fields.warn(meaning, warning.reason(), warning.text(text));
        }
        failure.produced_on = failure.produced_on.or(read.date);
        if failure.batch.is_empty() {
            failure.batch = read.batch;
        }
    }
    if let Some(batch) = fields.text(Meaning::Batch) {
        raw.push(batch);
        batch.clone_into(&mut failure.batch);
    }
    if let Some(date) = failure.produced_on {
        let column = if fields.has(Meaning::DateAndBatch) { Meaning::DateAndBatch } else { Meaning::ProducedOn };
        fields.warn_future(column, date);
    }
    failure.date_and_batch_raw = raw.join("/");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_one_for_certain_is_a_model() {
        for model in ["9501", "KN95-001", "S-01", "XH-1", "9501V"] {
            assert!(is_model(model) && !is_grade(model), "{model}");
        }
        for other in ["175mm*90mm", "17.5x9.5", "14.5", "大号", "平面式 大号", "", "KN"] {
            assert!(!is_model(other), "{other}");
        }
        for grade in ["KN95", "kn 90", "FFP2", "N95"] {
            assert!(is_grade(grade), "{grade}");
        }
    }
}
