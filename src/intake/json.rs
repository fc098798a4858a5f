//! A reading as JSON, for machines and for `--json`.

use serde::{Serialize, Serializer, ser::SerializeMap as _};
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
    reading::{CellFinding, Ignored, Reading, RowReading, SheetReading},
};

/// Everything of a reading: columns as understood, rows as parsed, findings, what was left out. A row is made when it is written,
/// so that a list of 100,000 rows is never in memory a second time.
pub struct Shown<'a>(pub &'a Reading);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reading = self.0;
        let counts = reading.counts();
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry(
            "counts",
            &json!({
                "rows": counts.rows, "valid": counts.valid, "errors": counts.errors, "warnings": counts.warnings, "notes": counts.notes,
            }),
        )?;
        map.serialize_entry("file", &reading.file_name)?;
        map.serialize_entry("format", reading.format.name())?;
        let ignored = || reading.ignored_sheets.iter().map(|(name, why)| json!({"name": name, "why": text(why)}));
        map.serialize_entry("ignored_sheets", &Listed(ignored))?;
        map.serialize_entry("sha256", &reading.file_digest_hex())?;
        map.serialize_entry("sheets", &Listed(|| reading.sheets.iter().map(ShownSheet)))?;
        map.end()
    }
}

/// What an iterator gives, one after the other.
struct Listed<F>(F);

impl<F, I> Serialize for Listed<F>
where
    F: Fn() -> I,
    I: Iterator<Item: Serialize>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

struct ShownSheet<'a>(&'a SheetReading);

impl Serialize for ShownSheet<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sheet = self.0;
        let mut map = serializer.serialize_map(Some(7))?;
        map.serialize_entry("columns", &Listed(|| sheet.columns.iter().map(column)))?;
        map.serialize_entry("findings", &Listed(|| sheet.findings.iter().map(finding)))?;
        map.serialize_entry("header_rows", &[sheet.header_rows.0, sheet.header_rows.1])?;
        let ignored = |row: &Ignored| json!({"row": row.row, "read": row.read, "why": text(&row.why)});
        map.serialize_entry("ignored", &Listed(|| sheet.ignored.iter().map(ignored)))?;
        map.serialize_entry("kind", sheet.kind.record_kind().token())?;
        map.serialize_entry("name", &sheet.name)?;
        map.serialize_entry("rows", &Listed(|| sheet.rows.iter().map(row)))?;
        map.end()
    }
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
