use proptest::prelude::*;

use super::*;
use crate::domain::{
    credit_code::{CreditCode, LegacyIdentifier},
    dates::CivilDate,
    ids::RecordId,
    items::InspectionItem,
    products::ProductKind,
    regions::Region,
    standards::Standard,
};

const TODAY: (u16, u8, u8) = (2020, 6, 1);

fn context() -> CheckContext {
    CheckContext { today: day(TODAY.0, TODAY.1, TODAY.2), allow_synthetic: true, publisher_region: None }
}

fn day(year: u16, month: u8, day: u8) -> CivilDate {
    CivilDate::day(year, month, day).expect("a day")
}

fn findings_of(matter: Matter) -> Findings {
    let mut findings = Findings::at("records[3]");
    Content { matter, withdrawal: None }.check(&context(), &mut findings);
    findings
}

fn told(found: &[crate::domain::violation::Violation]) -> Vec<(&str, &str)> {
    found
        .iter()
        .map(|violation| (violation.field.strip_prefix("records[3].").expect("under the root"), violation.reason))
        .collect()
}

fn nonconformity(change: impl FnOnce(&mut Nonconformity)) -> Findings {
    let mut matter = examples::nonconformity(7);
    change(&mut matter);
    findings_of(Matter::Nonconformity(Box::new(matter)))
}

fn disposition(change: impl FnOnce(&mut Disposition)) -> Findings {
    let of = RecordId::parse("amr-330000/1").expect("an id");
    let mut matter = examples::disposition(of, State::Confirmed, State::Ordered);
    change(&mut matter);
    findings_of(Matter::Disposition(Box::new(matter)))
}

fn survey(change: impl FnOnce(&mut EnterpriseSurvey)) -> Findings {
    let mut matter = examples::survey(7);
    change(&mut matter);
    findings_of(Matter::EnterpriseSurvey(Box::new(matter)))
}

fn qualification(change: impl FnOnce(&mut ExportQualification)) -> Findings {
    let mut matter = examples::qualification(7);
    change(&mut matter);
    findings_of(Matter::ExportQualification(Box::new(matter)))
}

fn action(change: impl FnOnce(&mut ExportAction)) -> Findings {
    let mut matter = examples::export_action(7, Vec::new());
    change(&mut matter);
    findings_of(Matter::ExportAction(Box::new(matter)))
}

fn notice(change: impl FnOnce(&mut UrgentNotice)) -> Findings {
    let mut matter = examples::notice(7);
    change(&mut matter);
    findings_of(Matter::UrgentNotice(Box::new(matter)))
}

#[test]
fn every_example_passes_without_a_remark() {
    for findings in
        [nonconformity(|_| ()), disposition(|_| ()), survey(|_| ()), qualification(|_| ()), action(|_| ()), notice(|_| ())]
    {
        assert_eq!((told(&findings.violations), told(&findings.remarks)), (vec![], vec![]));
    }
}

#[test]
fn all_that_is_wrong_is_found_at_once() {
    let findings = nonconformity(|matter| {
        matter.producer.name = " ".into();
        matter.product_name = String::new();
        matter.items.clear();
        matter.campaign = "长".repeat(501);
        matter.sampled_on = Some(day(2020, 6, 2));
        matter.batch = "A\u{0}".into();
    });
    assert_eq!(
        told(&findings.violations),
        [
            ("nonconformity.product_name", "REQUIRED"),
            ("nonconformity.campaign", "TOO_LONG"),
            ("nonconformity.batch", "CONTROL_CHARACTER"),
            ("nonconformity.producer.name", "REQUIRED"),
            ("nonconformity.items", "REQUIRED"),
            ("nonconformity.sampled_on", "FUTURE_DATE"),
            ("nonconformity.reported_on", "DATE_ORDER"),
            ("nonconformity.published_on", "DATE_ORDER"),
        ]
    );
}

#[test]
fn synthetic_codes_are_refused_in_production() {
    let mut findings = Findings::at("records[3]");
    let content = Content { matter: Matter::Nonconformity(Box::new(examples::nonconformity(7))), withdrawal: None };
    content.check(&CheckContext { allow_synthetic: false, ..context() }, &mut findings);
    assert_eq!(told(&findings.violations), [("nonconformity.producer.credit_code", "SYNTHETIC_CODE")]);
}

#[test]
fn what_is_unlikely_is_only_remarked() {
    let findings = nonconformity(|matter| {
        matter.producer.credit_code = Some(CreditCode::synthetic(100_000, 1));
        matter.producer.region = Region::parse("990000");
        matter.producer.legacy_identifier = LegacyIdentifier::parse("72300929-5");
        matter.produced_on = Some(day(2020, 5, 1));
        matter.notified_on = Some(day(2020, 4, 26));
        matter.claimed_standards = vec![Standard::parse("Q/EX 1-2020")];
        matter.sample_quantity = Some(30_000);
        matter.initial_state = State::Detected;
    });
    assert_eq!(told(&findings.violations), []);
    assert_eq!(
        told(&findings.remarks),
        [
            ("nonconformity.producer.credit_code", "UNKNOWN_REGION"),
            ("nonconformity.producer.region", "UNKNOWN_REGION"),
            ("nonconformity.producer.legacy_identifier", "IDENTIFIERS_DIFFER"),
            ("nonconformity.claimed_standards[0]", "UNKNOWN_STANDARD"),
            ("nonconformity.notified_on", "DATE_ORDER"),
            ("nonconformity.sampled_on", "DATE_ORDER"),
            ("nonconformity.published_on", "PUBLISHED_BEFORE_NOTICE"),
            ("nonconformity.sample_quantity", "QUANTITIES_DIFFER"),
        ]
    );
}

#[test]
fn publishing_outside_the_own_region_is_remarked() {
    let mut findings = Findings::at("records[3]");
    let content = Content { matter: Matter::Nonconformity(Box::new(examples::nonconformity(0))), withdrawal: None };
    content.check(&CheckContext { publisher_region: Region::parse("440000"), ..context() }, &mut findings);
    assert_eq!(told(&findings.remarks), [("nonconformity.producer.region", "OUTSIDE_REGION")]);
    assert!(findings.is_clean());
}

#[test]
fn a_nonconformity_needs_a_failed_item_and_names_each() {
    let findings = nonconformity(|matter| {
        matter.items = vec![InspectionResult { failed: false, ..examples::failed_filtration() }];
        matter.items.push(InspectionResult { item: InspectionItem::parse(""), failed: false, ..examples::failed_filtration() });
    });
    assert_eq!(
        told(&findings.violations),
        [("nonconformity.items[1].item", "REQUIRED"), ("nonconformity.items", "NO_FAILED_ITEM")]
    );
    let findings = nonconformity(|matter| matter.items = vec![examples::failed_filtration(); 101]);
    assert_eq!(told(&findings.violations), [("nonconformity.items", "LIST_TOO_LONG")]);
}

#[test]
fn a_month_that_has_begun_is_not_the_future() {
    assert!(nonconformity(|matter| matter.published_on = CivilDate::month(2020, 6)).is_clean());
    assert!(!nonconformity(|matter| matter.published_on = CivilDate::month(2020, 7)).is_clean());
}

#[test]
fn a_disposition_says_something_and_gives_reasons_to_take_back() {
    let findings = disposition(|matter| {
        matter.change = None;
        matter.measure = String::new();
        matter.authority = String::new();
        matter.due_on = Some(day(2020, 5, 1));
        matter.quantity_sold = Some(20_001);
    });
    assert_eq!(
        told(&findings.violations),
        [("disposition.authority", "REQUIRED"), ("disposition.measure", "REQUIRED"), ("disposition.due_on", "DATE_ORDER")]
    );
    assert_eq!(told(&findings.remarks), [("disposition.quantity_sold", "QUANTITIES_DIFFER")]);
    for to in [State::Overturned, State::Disowned] {
        let findings = disposition(|matter| matter.change = Some((State::Confirmed, to)));
        assert_eq!(told(&findings.violations), [("disposition.reason", "REQUIRED")]);
    }
    let findings = disposition(|matter| {
        matter.consignees = vec![Consignee { party: Party::default(), quantity: None, delivered_on: Some(day(2021, 1, 1)) }];
    });
    assert_eq!(
        told(&findings.violations),
        [("disposition.consignees[0].party.name", "REQUIRED"), ("disposition.consignees[0].delivered_on", "FUTURE_DATE")]
    );
}

#[test]
fn a_survey_row_needs_code_role_and_kinds() {
    let findings = survey(|matter| {
        matter.enterprise.credit_code = None;
        matter.product_kinds.clear();
        matter.filed_on = Some(day(2020, 6, 2));
        matter.meltblown_suppliers = vec![Party::default()];
    });
    assert_eq!(
        told(&findings.violations),
        [
            ("enterprise_survey.filed_on", "FUTURE_DATE"),
            ("enterprise_survey.enterprise.credit_code", "REQUIRED"),
            ("enterprise_survey.product_kinds", "REQUIRED"),
            ("enterprise_survey.meltblown_suppliers[0].name", "REQUIRED"),
        ]
    );
    assert!(
        survey(|matter| {
            matter.product_kinds.clear();
            matter.roles = vec![Role::RawMaterialMaker];
        })
        .is_clean()
    );
    let findings = survey(|matter| {
        matter.roles.clear();
        matter.product_kinds = vec![ProductKind::Medical, ProductKind::parse("")];
    });
    assert_eq!(
        told(&findings.violations),
        [
            ("enterprise_survey.roles", "REQUIRED"),
            ("enterprise_survey.product_kinds[1]", "REQUIRED"),
            ("enterprise_survey.product_kinds[0]", "MEDICAL_KIND"),
        ]
    );
}

#[test]
fn a_qualification_is_dated_to_the_day_and_in_order() {
    let findings = qualification(|matter| {
        matter.certificate_number = String::new();
        matter.countries = vec!["de".into(), "DE".into(), "DEU".into()];
        matter.valid_to = Some(day(2020, 4, 25));
    });
    assert_eq!(
        told(&findings.violations),
        [
            ("export_qualification.certificate_number", "REQUIRED"),
            ("export_qualification.countries[0]", "WRONG_COUNTRY"),
            ("export_qualification.countries[2]", "WRONG_COUNTRY"),
            ("export_qualification.valid_to", "DATE_ORDER"),
        ]
    );
    let findings = qualification(|matter| matter.valid_from = CivilDate::month(2020, 4).expect("a month"));
    assert_eq!(told(&findings.violations), [("export_qualification.valid_from", "DAY_REQUIRED")]);
}

#[test]
fn an_action_names_declaration_office_and_time() {
    let findings = action(|matter| {
        matter.declaration_number = "220120201123456789".into();
        matter.office = "22".into();
        matter.acted_at = 0;
        let record_id = RecordId::parse("amr-330000/1").expect("an id");
        matter.records = vec![RecordReference { record_id, revision: 0, position: 0 }];
    });
    assert_eq!(
        told(&findings.violations),
        [
            ("export_action.declaration_number", "WRONG_DECLARATION_NUMBER"),
            ("export_action.office", "WRONG_OFFICE"),
            ("export_action.records[0].revision", "REQUIRED"),
            ("export_action.records[0].position", "REQUIRED"),
            ("export_action.acted_at_us", "REQUIRED"),
        ]
    );
    assert_eq!(told(&action(|matter| matter.office = "9999".into()).remarks), [("export_action.office", "UNKNOWN_OFFICE")]);
    let findings = action(|matter| matter.acted_at = i64::MAX);
    assert_eq!(told(&findings.violations), [("export_action.acted_at_us", "FUTURE_DATE")]);
}

#[test]
fn a_notice_needs_title_and_text_and_its_text_is_bounded() {
    let findings = notice(|matter| {
        matter.title = String::new();
        matter.text = "长".repeat(10_001);
    });
    assert_eq!(told(&findings.violations), [("urgent_notice.title", "REQUIRED"), ("urgent_notice.text", "TOO_LONG")]);
    assert!(notice(|matter| matter.text = "长".repeat(10_000)).is_clean());
}

#[test]
fn a_withdrawal_gives_its_reason() {
    let mut findings = Findings::at("records[3]");
    let content = Content { matter: Matter::EnterpriseSurvey(Box::new(examples::survey(1))), withdrawal: Some(String::new()) };
    content.check(&context(), &mut findings);
    assert_eq!(told(&findings.violations), [("enterprise_survey.withdrawal.reason", "REQUIRED")]);
}

proptest! {
    #[test]
    fn every_numbered_example_is_clean(n in 0_u64..2_000_000) {
        prop_assert!(nonconformity(|matter| *matter = examples::nonconformity(n)).is_clean());
        prop_assert!(survey(|matter| *matter = examples::survey(n)).is_clean());
        prop_assert!(qualification(|matter| *matter = examples::qualification(n)).is_clean());
        prop_assert!(action(|matter| *matter = examples::export_action(n, Vec::new())).is_clean());
        prop_assert!(notice(|matter| *matter = examples::notice(n)).is_clean());
    }
}
