//! The rows to publish, and where each was read, so that a refusal names file, sheet and row.

use crate::{
    cli::{Complaint, Failure},
    domain::{
        draft::Provenance,
        records::{Content, Matter},
    },
    intake::{Reading, Severity},
    proto::Record,
    wire::publishable,
};

/// A row to publish, or to withdraw.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) record: Record,
    pub(super) place: Provenance,
    /// Name of the producer, where the record's id is of a list and a row: another producer there is another thing.
    pub(super) producer: Option<String>,
    /// The list no longer has it.
    pub(super) withdrawn: bool,
}

impl Row {
    /// A withdrawal; `place` is where the record was read when it was published.
    pub(super) fn withdrawal(record: Record, place: Provenance) -> Self {
        Self { record, place, producer: None, withdrawn: true }
    }
}

/// The rows of all files, in order.
pub(super) struct Rows(Vec<Row>);

impl Rows {
    /// The rows that can be sent.
    pub(super) fn of(readings: impl IntoIterator<Item = Reading>) -> Self {
        let rows = readings.into_iter().flat_map(Reading::into_valid).map(|(place, record_id, content)| {
            let record = publishable(&record_id, None, &content, Some(&place));
            Row { record, place, producer: producer(content), withdrawn: false }
        });
        Self(rows.collect())
    }

    /// Puts more behind them.
    pub(super) fn extend<'a>(&mut self, rows: impl IntoIterator<Item = &'a Row>) {
        self.0.extend(rows.into_iter().cloned());
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.0.iter().map(|row| row.record.clone()).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.0.iter()
    }

    /// Says of each `records[n]` of a refusal where it was read.
    pub(super) fn place(&self, mut failure: Failure) -> Failure {
        for complaint in &mut failure.violations {
            let placed = complaint.field.strip_prefix("records[").and_then(|rest| {
                let (number, path) = rest.split_once(']')?;
                let row = self.0.get(number.parse::<usize>().ok()?)?;
                Some(format!("{}: {}", place(&row.place), path.strip_prefix('.').unwrap_or(path)))
            });
            if let Some(placed) = placed {
                complaint.field = placed;
            }
        }
        failure
    }
}

/// File, sheet and row in a few words.
pub(super) fn place(place: &Provenance) -> String {
    match place.sheet.as_str() {
        "" => format!("{} #{}", place.file_name, place.row),
        sheet => format!("{} {sheet}!{}", place.file_name, place.row),
    }
}

fn producer(content: Content) -> Option<String> {
    match content.matter {
        Matter::Nonconformity(failure) => Some(failure.producer.name),
        _ => None,
    }
}

/// The errors of a file, by cell.
pub(super) fn errors(reading: &Reading) -> impl Iterator<Item = Complaint> {
    reading.findings().filter(|(_, finding)| finding.severity == Severity::Error).map(|(sheet, finding)| {
        let mut text = finding.text.clone();
        if !finding.read.is_empty() {
            text.zh = format!("“{}”：{}", finding.read, text.zh);
            text.en = format!("`{}`: {}", finding.read, text.en);
        }
        let field = format!("{} {}!{}", reading.file_name, sheet.name, finding.cell);
        Complaint { field, reason: finding.reason.to_owned(), text }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::violation::Text;

    #[test]
    fn a_refusal_names_file_sheet_and_row() {
        let row = |row: u32| Row {
            record: Record::default(),
            place: Provenance { file_name: "a.xlsx".into(), sheet: "表1".into(), row, ..Provenance::default() },
            producer: None,
            withdrawn: false,
        };
        let rows = Rows(vec![row(5), row(6)]);
        let complaint = |field: &str| Complaint { field: field.into(), reason: "X".into(), text: Text::new("", "") };
        let failure =
            Failure::usage("Y", "", "").with(["records[1].nonconformity.batch", "records[9].x", "records"].map(complaint));
        let fields: Vec<_> = rows.place(failure).violations.into_iter().map(|one| one.field).collect();
        assert_eq!(fields, ["a.xlsx 表1!6: nonconformity.batch", "records[9].x", "records"]);
    }
}
