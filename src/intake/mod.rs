//! Workbooks and lists → records, with cell-exact findings.
//!
//! Regulators keep the survey form and the failed-product lists as workbooks, and no two publishers agree on their columns.
//! So a column is understood by the *meaning* of its header, never by its position, and whatever is not understood is said,
//! cell by cell, rather than guessed.
//!
//! The way of a file: [`book`] opens it under limits (nothing is expanded before its size is known) → [`header`] finds the
//! one header of a sheet → [`survey`] or [`failed_list`] turns each row into a record and findings → [`Reading`].
//!
//! Invariants:
//! * No bytes make this module panic, and none make it use memory beyond the limits in [`book`].
//! * A row has content only if no finding of it is an error.
//! * What is read depends on the bytes and the options alone: no clock, no network, no locale.

mod book;
mod columns;
mod compare;
mod dry_run;
mod exported;
mod failed_list;
mod file_error;
mod header;
mod items;
mod json;
mod mapping;
mod notes;
mod product;
mod reading;
mod report;
mod row;
mod rules;
mod sheet;
mod survey;
mod values;

use crate::domain::{dates::CivilDate, digest::sha256, ids::ParticipantId, regions::Region};

pub use book::Format;
pub use columns::Meaning;
pub use compare::{Change, Comparison, Standing, compare};
pub use dry_run::{render_comparison, render_dry_run};
pub use exported::{ExportedTable, TableError, TableForm};
pub use file_error::{FileError, NearestHeader};
pub use header::{ColumnReading, How};
pub use json::{Shown, comparison_to_json};
pub use mapping::{Mapping, MappingError};
pub use reading::{CellFinding, Counts, FormKind, Ignored, Reading, RowReading, Severity, SheetReading};
pub use report::{ReportError, write_report};

/// Rows of data a file may hold; larger lists are split by their publisher.
pub const MAX_ROWS: usize = 100_000;

/// What the reader must know beside the file.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who publishes: record ids are in its namespace (domain.md §9).
    pub publisher: ParticipantId,
    /// The publisher's region: enterprises outside of it are warned about. `None` = nationwide.
    pub publisher_region: Option<Region>,
    /// The list's name (`--list`); required for a failed-product list without numbers of its own (domain.md §9).
    pub list_name: Option<String>,
    /// The civil date today in Asia/Shanghai: later dates are refused.
    pub today: CivilDate,
    /// Day the list was published, where the file itself does not say; `None` = not published.
    pub published_on: Option<CivilDate>,
    /// True where invented codes (`PDY…`) are admitted.
    pub allow_synthetic: bool,
    /// True to take standards that the table does not know (`--accept-unknown-standard`).
    pub accept_unknown_standard: bool,
    /// What the headers of this office mean, before what is known everywhere.
    pub mapping: Mapping,
}

/// Reads a workbook (`.xlsx`, `.xls`) or a delimited text (`.csv`), told apart by its bytes, not by its name.
///
/// # Errors
/// When the file as a whole cannot be read; what is wrong with single cells is in the [`Reading`].
pub fn read(file_name: &str, bytes: &[u8], options: &Options) -> Result<Reading, FileError> {
    if let Some(list) = &options.list_name {
        check_list_name(list)?;
    }
    let mut book = book::Book::open(bytes)?;
    let (sheets, ignored_sheets) = sheet::read_all(&mut book, options)?;
    Ok(Reading { file_name: file_name.to_owned(), file_digest: sha256(&[bytes]), format: book.format(), sheets, ignored_sheets })
}

/// A list's name becomes part of record ids: 1 to 100 characters, no white space, control characters or slashes.
fn check_list_name(list: &str) -> Result<(), FileError> {
    let fits = (1..=100).contains(&list.chars().count());
    if fits && !list.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/') {
        return Ok(());
    }
    Err(FileError::ListName { read: list.chars().take(120).collect() })
}
