//! Nonconformities.

use super::{party, reading};
use crate::{
    domain::{
        items::InspectionItem,
        life_cycle::State,
        products::ProductKind,
        records::{InspectionResult, Nonconformity},
        violation::{Findings, Text},
    },
    proto,
};

pub(super) fn read(message: proto::Nonconformity, findings: &mut Findings) -> Nonconformity {
    let items = message.items.into_iter().enumerate();
    Nonconformity {
        level: reading::token("level", &message.level, findings),
        field: reading::token("field", &message.field, findings),
        sampled_on: reading::date("sampled_on", message.sampled_on, findings),
        reported_on: reading::date("reported_on", message.reported_on, findings),
        notified_on: reading::date("notified_on", message.notified_on, findings),
        published_on: reading::date("published_on", message.published_on, findings),
        producer: party::read_required("producer", message.producer, findings),
        attribution: reading::token("attribution", &message.attribution, findings).unwrap_or_default(),
        sampled_party: party::read_optional("sampled_party", message.sampled_party, findings),
        product_kind: (!message.product_kind.is_empty()).then(|| ProductKind::parse(&message.product_kind)),
        produced_on: reading::date("produced_on", message.produced_on, findings),
        claimed_standards: reading::standards(&message.claimed_standards),
        items: items.map(|(index, item)| findings.within_index("items", index, |findings| read_item(item, findings))).collect(),
        initial_state: reading::token("initial_state", &message.initial_state, findings).unwrap_or(State::Confirmed),
        campaign: message.campaign,
        sampling_number: message.sampling_number,
        report_number: message.report_number,
        organiser: message.organiser,
        handler: message.handler,
        product_name: message.product_name,
        brand: message.brand,
        model: message.model,
        grade: message.grade,
        specification: message.specification,
        batch: message.batch,
        date_and_batch_raw: message.date_and_batch_raw,
        laboratory: message.laboratory,
        batch_quantity: message.batch_quantity,
        sample_quantity: message.sample_quantity,
        handling_raw: message.handling_raw,
    }
}

fn read_item(item: proto::InspectionResult, findings: &mut Findings) -> InspectionResult {
    let failed = match item.conclusion.as_str() {
        "" | "failed" => true,
        "passed" => false,
        other => {
            let read = reading::excerpt(other);
            findings.refuse(
                "conclusion",
                "UNKNOWN_VALUE",
                Text::new(
                    format!("不认识“{read}”；可用的值：failed, passed"),
                    format!("`{read}` is not known; one of: failed, passed"),
                ),
            );
            true
        }
    };
    InspectionResult {
        item: InspectionItem::parse(&item.item),
        medium: item.medium,
        clause: item.clause,
        measured: item.measured,
        comparator: item.comparator,
        limit: item.limit,
        unit: item.unit,
        failed,
    }
}

pub(super) fn write(matter: &Nonconformity) -> proto::Nonconformity {
    proto::Nonconformity {
        campaign: matter.campaign.clone(),
        level: reading::write_token(matter.level),
        field: reading::write_token(matter.field),
        sampling_number: matter.sampling_number.clone(),
        report_number: matter.report_number.clone(),
        sampled_on: matter.sampled_on.map(reading::write_date),
        reported_on: matter.reported_on.map(reading::write_date),
        notified_on: matter.notified_on.map(reading::write_date),
        published_on: matter.published_on.map(reading::write_date),
        organiser: matter.organiser.clone(),
        handler: matter.handler.clone(),
        producer: Some(party::write(&matter.producer)),
        attribution: reading::write_token(Some(matter.attribution)),
        sampled_party: matter.sampled_party.as_ref().map(party::write),
        product_name: matter.product_name.clone(),
        product_kind: matter.product_kind.as_ref().map(|kind| kind.token().to_owned()).unwrap_or_default(),
        brand: matter.brand.clone(),
        model: matter.model.clone(),
        grade: matter.grade.clone(),
        specification: matter.specification.clone(),
        produced_on: matter.produced_on.map(reading::write_date),
        batch: matter.batch.clone(),
        date_and_batch_raw: matter.date_and_batch_raw.clone(),
        claimed_standards: reading::write_standards(&matter.claimed_standards),
        laboratory: matter.laboratory.clone(),
        batch_quantity: matter.batch_quantity,
        sample_quantity: matter.sample_quantity,
        items: matter.items.iter().map(write_item).collect(),
        initial_state: matter.initial_state.token().to_owned(),
        withdrawal: None,
        handling_raw: matter.handling_raw.clone(),
    }
}

fn write_item(result: &InspectionResult) -> proto::InspectionResult {
    proto::InspectionResult {
        item: result.item.token().to_owned(),
        medium: result.medium.clone(),
        clause: result.clause.clone(),
        measured: result.measured.clone(),
        comparator: result.comparator.clone(),
        limit: result.limit.clone(),
        unit: result.unit.clone(),
        conclusion: if result.failed { "failed" } else { "passed" }.to_owned(),
    }
}
