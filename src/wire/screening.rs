//! Declarations on their way in, answers on their way out.

use super::{party, reading};
use crate::{
    domain::{
        products::ProductKind,
        screening::{Answer, Declaration, DeclarationItem, DeclaredCode, DeclaredParty, ItemAnswer, MAX_ITEMS, Reason, Verdict},
        standards::Standard,
        violation::Findings,
    },
    proto,
};

/// Reads a declaration and checks its form; everything wrong is found at once. What its declarant wrote and nobody can use is kept,
/// to be judged and not refused.
pub fn declaration(message: Option<proto::Declaration>, findings: &mut Findings) -> Declaration {
    findings.within("declaration", |findings| {
        let declaration = read(message.unwrap_or_default(), findings);
        declaration.check(findings);
        declaration
    })
}

fn read(message: proto::Declaration, findings: &mut Findings) -> Declaration {
    Declaration {
        number: message.number,
        exporter: declared_party("exporter", message.exporter, findings),
        producing_or_selling_unit: declared_party("producing_or_selling_unit", message.producing_or_selling_unit, findings),
        maker: declared_party("maker", message.maker, findings),
        joint_declaration: reading::token("joint_declaration", &message.joint_declaration, findings).unwrap_or_default(),
        declared_on: reading::date("declared_on", message.declared_on, findings),
        departs_on: reading::date("departs_on", message.departs_on, findings),
        office: message.office,
        // One more than allowed is read, so that the check can say that there are too many.
        items: message
            .items
            .into_iter()
            .take(MAX_ITEMS + 1)
            .enumerate()
            .map(|(index, item)| read_item(index, item, findings))
            .collect(),
    }
}

fn declared_party(field: &str, message: Option<proto::Party>, findings: &mut Findings) -> DeclaredParty {
    let Some(message) = message else { return DeclaredParty::default() };
    let region = findings.within(field, |findings| reading::region("region", &message.region, findings));
    DeclaredParty { name: message.name, code: DeclaredCode::read(&message.credit_code), region }
}

fn read_item(index: usize, message: proto::DeclarationItem, findings: &mut Findings) -> DeclarationItem {
    findings.within_index("items", index, |findings| DeclarationItem {
        produced_on: reading::date("produced_on", message.produced_on, findings),
        claimed_standard: reading::token("claimed_standard", &message.claimed_standard, findings).unwrap_or_default(),
        standard: given(&message.standard).map(Standard::parse),
        product_kind: given(&message.product_kind).map(ProductKind::parse),
        goods_name: message.goods_name,
        hs_code: message.hs_code,
        brand: message.brand,
        model: message.model,
        specification: message.specification,
        batch: message.batch,
        quantity: message.quantity,
    })
}

fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// The answers for the items.
pub fn item_verdicts(answer: &Answer) -> Vec<proto::ItemVerdict> {
    answer.items.iter().map(item_verdict).collect()
}

fn item_verdict(item: &ItemAnswer) -> proto::ItemVerdict {
    proto::ItemVerdict {
        item_number: item.number,
        verdict: verdict(item.verdict).into(),
        reasons: item.reasons.iter().map(reason).collect(),
    }
}

fn reason(reason: &Reason) -> proto::Reason {
    proto::Reason {
        rule_id: reason.rule.rule().token.to_owned(),
        verdict: verdict(reason.verdict()).into(),
        text_zh: reason.text.zh.clone(),
        text_en: reason.text.en.clone(),
        record: reason.record.as_ref().and_then(|record| party::write_references(std::slice::from_ref(record)).pop()),
    }
}

/// A verdict for the wire.
pub const fn verdict(verdict: Verdict) -> proto::Verdict {
    match verdict {
        Verdict::NotApplicable => proto::Verdict::NotApplicable,
        Verdict::Clear => proto::Verdict::Clear,
        Verdict::Review => proto::Verdict::Review,
        Verdict::Unknown => proto::Verdict::Unknown,
        Verdict::Hold => proto::Verdict::Hold,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn read_back(message: proto::Declaration) -> (Declaration, Vec<(String, &'static str)>) {
        let mut findings = Findings::default();
        let declaration = declaration(Some(message), &mut findings);
        (declaration, findings.violations.into_iter().map(|violation| (violation.field, violation.reason)).collect())
    }

    #[test]
    fn everything_wrong_is_found_at_once_with_its_place() {
        let item = proto::DeclarationItem {
            claimed_standard: "both".into(),
            produced_on: Some(proto::CivilDate { year: 2020, month: 2, day: 30 }),
            hs_code: "12".into(),
            ..Default::default()
        };
        let message = proto::Declaration {
            joint_declaration: "maybe".into(),
            maker: Some(proto::Party { region: "12".into(), ..Default::default() }),
            office: "2".into(),
            items: vec![item],
            ..Default::default()
        };
        let (_, violations) = read_back(message);
        let places: Vec<&str> = violations.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(
            places,
            [
                "declaration.maker.region",
                "declaration.joint_declaration",
                "declaration.items[0].produced_on",
                "declaration.items[0].claimed_standard",
                "declaration.office",
                "declaration.items[0].hs_code",
            ]
        );
    }

    #[test]
    fn a_code_that_cannot_be_used_is_kept_to_be_judged() {
        let message = proto::Declaration {
            maker: Some(proto::Party { credit_code: "91330106PDY00001XM".into(), ..Default::default() }),
            items: vec![proto::DeclarationItem::default()],
            ..Default::default()
        };
        let (declaration, violations) = read_back(message);
        assert_eq!(violations, []);
        assert!(matches!(declaration.maker.code, DeclaredCode::Unusable { .. }));
    }

    #[test]
    fn no_declaration_and_too_many_items_are_refused() {
        let mut findings = Findings::default();
        declaration(None, &mut findings);
        assert_eq!(
            findings.violations.iter().map(|violation| violation.field.as_str()).collect::<Vec<_>>(),
            ["declaration.items"]
        );
        let items = vec![proto::DeclarationItem::default(); MAX_ITEMS + 9];
        let (_, violations) = read_back(proto::Declaration { items, ..Default::default() });
        assert_eq!(violations, [("declaration.items".to_owned(), "WRONG_COUNT")]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(message) = proto::Declaration::decode(bytes.as_slice()) {
                read_back(message);
            }
        }
    }
}
