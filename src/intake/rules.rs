//! The rules that every record obeys (`domain::records`), said of the cells that break them.

use crate::domain::{
    records::{CheckContext, Content},
    violation::Findings,
};

use super::{columns::Meaning, row::Fields};

/// Which column a field comes from; the first prefix that fits, so the longer stand first.
const FIELDS: &[(&str, Meaning)] = &[
    ("enterprise_survey.enterprise.credit_code", Meaning::CreditCode),
    ("enterprise_survey.enterprise.legacy_identifier", Meaning::CreditCode),
    ("enterprise_survey.enterprise.address", Meaning::Address),
    ("enterprise_survey.enterprise.name", Meaning::Producer),
    ("enterprise_survey.roles", Meaning::EnterpriseRole),
    ("enterprise_survey.product_kinds", Meaning::ProductKind),
    ("enterprise_survey.standards", Meaning::Standards),
    ("enterprise_survey.meltblown_suppliers", Meaning::MeltblownSuppliers),
    ("enterprise_survey.daily_output", Meaning::DailyOutput),
    ("nonconformity.producer.credit_code", Meaning::CreditCode),
    ("nonconformity.producer.legacy_identifier", Meaning::CreditCode),
    ("nonconformity.producer.address", Meaning::Address),
    ("nonconformity.producer.region", Meaning::Region),
    ("nonconformity.sampled_party.address", Meaning::SampledPlace),
    ("nonconformity.sampled_party", Meaning::SampledParty),
    ("nonconformity.claimed_standards", Meaning::Standards),
    ("nonconformity.items", Meaning::Items),
    ("nonconformity.product_name", Meaning::ProductName),
    ("nonconformity.product_kind", Meaning::ProductKind),
    ("nonconformity.campaign", Meaning::Campaign),
    ("nonconformity.sampling_number", Meaning::SamplingNumber),
    ("nonconformity.report_number", Meaning::ReportNumber),
    ("nonconformity.organiser", Meaning::Organiser),
    ("nonconformity.handler", Meaning::Handler),
    ("nonconformity.handling_raw", Meaning::Handling),
    ("nonconformity.brand", Meaning::Brand),
    ("nonconformity.model", Meaning::Model),
    ("nonconformity.grade", Meaning::Grade),
    ("nonconformity.specification", Meaning::Specification),
    ("nonconformity.batch_quantity", Meaning::BatchQuantity),
    ("nonconformity.batch", Meaning::Batch),
    ("nonconformity.date_and_batch_raw", Meaning::DateAndBatch),
    ("nonconformity.laboratory", Meaning::Laboratory),
    ("nonconformity.sample_quantity", Meaning::SampleQuantity),
    ("nonconformity.sampled_on", Meaning::SampledOn),
    ("nonconformity.reported_on", Meaning::ReportedOn),
    ("nonconformity.notified_on", Meaning::NotifiedOn),
    ("nonconformity.published_on", Meaning::PublishedOn),
];

/// Columns that stand in for one another, the likelier first.
const STAND_INS: &[(Meaning, &[Meaning])] = &[
    (Meaning::Producer, &[Meaning::NominalProducer, Meaning::SampledEnterprise]),
    (Meaning::SampledParty, &[Meaning::SampledEnterprise]),
    (Meaning::Model, &[Meaning::SpecificationAndModel]),
    (Meaning::Grade, &[Meaning::SpecificationAndModel]),
    (Meaning::Specification, &[Meaning::SpecificationAndModel]),
    (Meaning::Batch, &[Meaning::DateAndBatch]),
    (Meaning::DateAndBatch, &[Meaning::ProducedOn, Meaning::Batch]),
    (Meaning::Region, &[Meaning::CreditCode, Meaning::Address]),
    (Meaning::EnterpriseRole, &[Meaning::ProductKind]),
];

/// Checks a row's content; what breaks a rule becomes a finding in the cell that it was read from.
pub fn check(fields: &mut Fields<'_>, content: &Content) {
    let known = CheckContext {
        today: fields.options.today,
        allow_synthetic: fields.options.allow_synthetic,
        publisher_region: fields.options.publisher_region,
    };
    let mut findings = Findings::default();
    content.check(&known, &mut findings);
    for violation in findings.violations {
        let meaning = column(fields, &violation.field);
        fields.refuse(meaning, violation.reason, violation.text);
    }
    for remark in findings.remarks {
        let meaning = column(fields, &remark.field);
        fields.warn(meaning, remark.reason, remark.text);
    }
}

fn column(fields: &Fields<'_>, field: &str) -> Meaning {
    let meaning = FIELDS
        .iter()
        .find(|(prefix, _)| field.starts_with(prefix))
        .map_or_else(|| if field.ends_with(".region") { Meaning::Region } else { Meaning::Producer }, |(_, meaning)| *meaning);
    if fields.has(meaning) {
        return meaning;
    }
    let stand_ins = STAND_INS.iter().find(|(from, _)| *from == meaning).map_or(&[][..], |(_, to)| to);
    stand_ins.iter().copied().find(|to| fields.has(*to)).unwrap_or(Meaning::Producer)
}
