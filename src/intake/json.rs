//! A reading as JSON, for machines and for `--json`.

use serde_json::{Map, Value, json};

use crate::domain::{
    ids::RecordId,
    records::{Content, EnterpriseSurvey, Matter, Nonconformity, Party, Token},
    regions::Region,
    violation::Text,
};

use super::{
    compare::{Change, Comparison},
    header::ColumnReading,
    reading::{CellFinding, Reading, RowReading, SheetReading},
};

/// Everything of a reading: columns as understood, rows as parsed, findings, what was left out.
#[must_use]
pub fn to_json(reading: &Reading) -> Value {
    let counts = reading.counts();
    json!({
        "file": reading.file_name,
        "format": reading.format.name(),
        "sha256": reading.file_digest_hex(),
        "counts": {
            "rows": counts.rows, "valid": counts.valid, "errors": counts.errors, "warnings": counts.warnings, "notes": counts.notes,
        },
        "sheets": reading.sheets.iter().map(sheet).collect::<Vec<_>>(),
        "ignored_sheets": reading.ignored_sheets.iter().map(|(name, why)| json!({"name": name, "why": text(why)})).collect::<Vec<_>>(),
    })
}

/// What a reading would change.
#[must_use]
pub fn comparison_to_json(comparison: &Comparison) -> Value {
    let rows: Vec<Value> = comparison
        .rows
        .iter()
        .map(|(sheet, row, id, change)| {
            let (change, revision) = change_words(*change);
            json!({"sheet": sheet, "row": row, "record_id": id.as_str(), "change": change, "standing_revision": revision})
        })
        .collect();
    json!({"rows": rows, "missing": comparison.missing.iter().map(RecordId::as_str).collect::<Vec<_>>()})
}

/// The change's token and the revision that stands.
pub fn change_words(change: Change) -> (&'static str, Option<u32>) {
    match change {
        Change::New => ("new", None),
        Change::Changed(revision) => ("changed", Some(revision)),
        Change::Same(revision) => ("same", Some(revision)),
        Change::OtherProducer(revision) => ("other_producer", Some(revision)),
        Change::Unknown => ("unknown", None),
    }
}

fn text(text: &Text) -> Value {
    json!({"zh": text.zh, "en": text.en})
}

fn sheet(sheet: &SheetReading) -> Value {
    json!({
        "name": sheet.name,
        "kind": sheet.kind.record_kind().token(),
        "header_rows": [sheet.header_rows.0, sheet.header_rows.1],
        "columns": sheet.columns.iter().map(column).collect::<Vec<_>>(),
        "findings": sheet.findings.iter().map(finding).collect::<Vec<_>>(),
        "rows": sheet.rows.iter().map(row).collect::<Vec<_>>(),
        "ignored": sheet.ignored.iter().map(|row| json!({"row": row.row, "read": row.read, "why": text(&row.why)})).collect::<Vec<_>>(),
    })
}

fn column(column: &ColumnReading) -> Value {
    json!({
        "column": column.letter,
        "header": column.header,
        "meaning": column.meaning.map(|meaning| text(&meaning.name())),
        "answer": column.answer,
        "factor": column.factor,
        "how": text(&column.how.text()),
    })
}

fn finding(finding: &CellFinding) -> Value {
    json!({
        "cell": finding.cell,
        "severity": finding.severity.token(),
        "reason": finding.reason,
        "read": finding.read,
        "text": text(&finding.text),
    })
}

fn row(row: &RowReading) -> Value {
    json!({
        "row": row.row,
        "record_id": row.record_id.as_ref().map(RecordId::as_str),
        "content": row.content.as_ref().map(content),
        "findings": row.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn content(content: &Content) -> Value {
    match &content.matter {
        Matter::EnterpriseSurvey(matter) => survey(matter),
        Matter::Nonconformity(matter) => failure(matter),
        // Intake reads no other kind.
        _ => Value::Null,
    }
}

fn party(party: &Party) -> Value {
    stated(json!({
        "name": party.name,
        "credit_code": party.credit_code.map(|code| code.to_string()),
        "legacy_identifier": party.legacy_identifier.as_ref().map(|legacy| legacy.as_str().to_owned()),
        "address": party.address,
        "region": party.region.map(Region::code),
    }))
}

/// Leaves out what is not stated.
fn stated(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let says = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => true,
    };
    Value::Object(fields.into_iter().filter(|(_, value)| says(value)).collect::<Map<_, _>>())
}

fn survey(survey: &EnterpriseSurvey) -> Value {
    stated(json!({
        "filing_unit": survey.filing_unit,
        "filed_on": survey.filed_on.map(|date| date.to_string()),
        "enterprise": party(&survey.enterprise),
        "roles": survey.roles.iter().map(|role| role.token()).collect::<Vec<_>>(),
        "product_kinds": survey.product_kinds.iter().map(|kind| kind.token().to_owned()).collect::<Vec<_>>(),
        "standards": survey.standards.iter().map(|standard| standard.as_str().to_owned()).collect::<Vec<_>>(),
        "converted": survey.converted,
        "exports": survey.exports,
        "makes_medical": survey.makes_medical,
        "meltblown_suppliers": survey.meltblown_suppliers.iter().map(party).collect::<Vec<_>>(),
        "daily_output": survey.daily_output,
    }))
}

fn failure(failure: &Nonconformity) -> Value {
    let date = |date: Option<crate::domain::dates::CivilDate>| date.map(|date| date.to_string());
    let items: Vec<Value> = failure
        .items
        .iter()
        .map(|item| {
            stated(json!({
                "item": item.item.token(), "medium": item.medium, "clause": item.clause, "measured": item.measured,
                "comparator": item.comparator, "limit": item.limit, "unit": item.unit, "failed": item.failed,
            }))
        })
        .collect();
    stated(json!({
        "campaign": failure.campaign,
        "level": failure.level.map(Token::token),
        "field": failure.field.map(Token::token),
        "sampling_number": failure.sampling_number,
        "report_number": failure.report_number,
        "sampled_on": date(failure.sampled_on),
        "reported_on": date(failure.reported_on),
        "notified_on": date(failure.notified_on),
        "published_on": date(failure.published_on),
        "organiser": failure.organiser,
        "handler": failure.handler,
        "producer": party(&failure.producer),
        "attribution": failure.attribution.token(),
        "sampled_party": failure.sampled_party.as_ref().map(party),
        "product_name": failure.product_name,
        "product_kind": failure.product_kind.as_ref().map(|kind| kind.token().to_owned()),
        "brand": failure.brand,
        "model": failure.model,
        "grade": failure.grade,
        "specification": failure.specification,
        "produced_on": date(failure.produced_on),
        "batch": failure.batch,
        "date_and_batch_raw": failure.date_and_batch_raw,
        "claimed_standards": failure.claimed_standards.iter().map(|standard| standard.as_str().to_owned()).collect::<Vec<_>>(),
        "laboratory": failure.laboratory,
        "batch_quantity": failure.batch_quantity,
        "sample_quantity": failure.sample_quantity,
        "items": items,
        "initial_state": failure.initial_state.token(),
        "handling_raw": failure.handling_raw,
    }))
}
