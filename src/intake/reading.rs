//! What was read of a file: sheets, columns, rows, findings.

use crate::domain::{
    digest::{Digest, hex},
    draft::Provenance,
    ids::RecordId,
    records::{Content, Kind},
    violation::{Lang, Text},
};

use super::{book::Format, header::ColumnReading};

/// Which form a sheet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FormKind {
    /// The survey of producers (annex of notice 市监质监〔2020〕51号).
    Survey,
    /// A list of failed products (不合格名单).
    FailedList,
}

impl FormKind {
    /// The kind of record its rows become.
    #[must_use]
    pub const fn record_kind(self) -> Kind {
        match self {
            Self::Survey => Kind::EnterpriseSurvey,
            Self::FailedList => Kind::Nonconformity,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self, lang: Lang) -> &'static str {
        match (self, lang) {
            (Self::Survey, Lang::Zh) => "生产企业调查汇总表",
            (Self::Survey, Lang::En) => "survey of producers",
            (Self::FailedList, Lang::Zh) => "不合格产品名单",
            (Self::FailedList, Lang::En) => "failed-product list",
        }
    }
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know: the cell was understood, though it was not written in the usual form.
    Note,
    /// The row is taken, but something in it was not understood and should be looked at.
    Warning,
    /// The row is not taken.
    Error,
}

impl Severity {
    /// Its token.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self, lang: Lang) -> &'static str {
        match (self, lang) {
            (_, Lang::En) => self.token(),
            (Self::Note, Lang::Zh) => "提示",
            (Self::Warning, Lang::Zh) => "警告",
            (Self::Error, Lang::Zh) => "错误",
        }
    }
}

/// One thing found in one cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellFinding {
    /// The cell, e.g. `C7`.
    pub cell: String,
    /// How grave it is.
    pub severity: Severity,
    /// A stable token.
    pub reason: &'static str,
    /// What was read there, exactly.
    pub read: String,
    /// What is wrong and what to do.
    pub text: Text,
}

/// What became of one row.
#[derive(Debug, Clone)]
pub struct RowReading {
    /// Row, from 1.
    pub row: u32,
    /// The record's id; `None` where it could not be made.
    pub record_id: Option<RecordId>,
    /// What the row says; `None` when a finding is an error.
    pub content: Option<Content>,
    /// What was found, by cell.
    pub findings: Vec<CellFinding>,
}

/// A row that holds no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Row, from 1.
    pub row: u32,
    /// What stands there.
    pub read: String,
    /// Why it holds no record.
    pub why: Text,
}

/// A sheet with a known header.
#[derive(Debug, Clone)]
pub struct SheetReading {
    /// Its name.
    pub name: String,
    /// Which form it is.
    pub kind: FormKind,
    /// First and last row of the header, from 1.
    pub header_rows: (u32, u32),
    /// How each column was understood.
    pub columns: Vec<ColumnReading>,
    /// What was found above and below the table.
    pub findings: Vec<CellFinding>,
    /// The rows of data.
    pub rows: Vec<RowReading>,
    /// Rows without a record: notes, totals, section titles.
    pub ignored: Vec<Ignored>,
}

/// Everything read of a file.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Name of the file.
    pub file_name: String,
    /// SHA-256 of the file.
    pub file_digest: Digest,
    /// What sort of file it is.
    pub format: Format,
    /// Sheets with a known header, in the order of the workbook.
    pub sheets: Vec<SheetReading>,
    /// Sheets that were left out, with the reason.
    pub ignored_sheets: Vec<(String, Text)>,
}

/// How many of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rows of data.
    pub rows: usize,
    /// Rows that can be sent.
    pub valid: usize,
    /// Findings that are errors.
    pub errors: usize,
    /// Findings that are warnings.
    pub warnings: usize,
    /// Findings that are notes.
    pub notes: usize,
}

impl Reading {
    /// The rows that can be sent, each with where it stands. A row is let go when it is taken.
    pub fn into_valid(self) -> impl Iterator<Item = (Provenance, RecordId, Content)> {
        let (file_name, file_digest) = (self.file_name, self.file_digest.to_vec());
        self.sheets.into_iter().flat_map(move |SheetReading { name, rows, .. }| {
            let sheet = Provenance { file_name: file_name.clone(), file_digest: file_digest.clone(), sheet: name, row: 0 };
            rows.into_iter()
                .filter_map(move |row| Some((Provenance { row: row.row, ..sheet.clone() }, row.record_id?, row.content?)))
        })
    }

    /// The rows that can be sent, with the sheet they stand in.
    pub fn valid(&self) -> impl Iterator<Item = (&SheetReading, u32, &RecordId, &Content)> {
        self.sheets.iter().flat_map(|sheet| {
            sheet.rows.iter().filter_map(move |row| Some((sheet, row.row, row.record_id.as_ref()?, row.content.as_ref()?)))
        })
    }

    /// All findings, with the sheet.
    pub fn findings(&self) -> impl Iterator<Item = (&SheetReading, &CellFinding)> {
        self.sheets.iter().flat_map(|sheet| {
            sheet.findings.iter().chain(sheet.rows.iter().flat_map(|row| &row.findings)).map(move |finding| (sheet, finding))
        })
    }

    /// How many of what.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { rows: self.sheets.iter().map(|sheet| sheet.rows.len()).sum(), ..Counts::default() };
        counts.valid = self.valid().count();
        for (_, finding) in self.findings() {
            match finding.severity {
                Severity::Error => counts.errors += 1,
                Severity::Warning => counts.warnings += 1,
                Severity::Note => counts.notes += 1,
            }
        }
        counts
    }

    /// True when every row can be sent.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings().all(|(_, finding)| finding.severity != Severity::Error)
    }

    /// Where a row was read, for the record's envelope.
    #[must_use]
    pub fn provenance(&self, sheet: &SheetReading, row: u32) -> Provenance {
        Provenance { file_name: self.file_name.clone(), file_digest: self.file_digest.to_vec(), sheet: sheet.name.clone(), row }
    }

    /// The file's SHA-256 in hexadecimal.
    #[must_use]
    pub fn file_digest_hex(&self) -> String {
        hex(&self.file_digest)
    }
}
