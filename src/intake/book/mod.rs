//! A file as sheets of rows, whatever its format, under limits that are checked before anything is expanded.

mod biff;
mod compound_file;
mod delimited;
mod package;
mod xls;
mod xlsx;

use crate::domain::{dates::CivilDate, violation::Text};

use super::file_error::FileError;

/// Bytes a file may have.
pub const MAX_FILE: u64 = 64 << 20;
/// Bytes a workbook may expand to.
pub const MAX_EXPANDED: u64 = 768 << 20;
/// Columns that may hold text.
pub const MAX_COLUMNS: u32 = 512;
/// Merged areas that are looked at; forms have a dozen.
const MAX_MERGES: usize = 50_000;

/// What sort of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Office Open XML.
    Xlsx,
    /// Excel 97–2003.
    Xls,
    /// Delimited text in UTF-8.
    CsvUtf8,
    /// Delimited text in GB18030.
    CsvGb18030,
    /// Delimited text in UTF-16.
    CsvUtf16,
}

impl Format {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xlsx => "xlsx",
            Self::Xls => "xls",
            Self::CsvUtf8 => "csv (UTF-8)",
            Self::CsvGb18030 => "csv (GB18030)",
            Self::CsvUtf16 => "csv (UTF-16)",
        }
    }
}

/// What a cell holds beside its text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// Text alone.
    Text,
    /// A number.
    Number(f64),
    /// A day: a serial number shown as a date.
    Date(CivilDate),
    /// An error value such as `#N/A`.
    Error,
}

/// A cell that is not blank.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// As a person reads it, without surrounding white space.
    pub text: String,
    /// What it holds.
    pub value: Value,
}

impl Cell {
    /// A cell of text; `None` when the text is blank.
    fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self { text: text.to_owned(), value: Value::Text })
    }

    fn from_number(number: f64) -> Self {
        let text = if number.fract() == 0.0 && number.abs() < 1e15 { format!("{number:.0}") } else { format!("{number}") };
        Self { text, value: Value::Number(number) }
    }
}

/// A row with something in it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    /// Row, from 1.
    pub number: u32,
    /// Cells that are not blank, by column from 0, ascending.
    pub cells: Vec<(u32, Cell)>,
}

impl Row {
    /// The cell in a column.
    pub fn get(&self, column: u32) -> Option<&Cell> {
        let at = self.cells.binary_search_by_key(&column, |(at, _)| *at).ok()?;
        self.cells.get(at).map(|(_, cell)| cell)
    }

    /// Puts a cell where none is.
    pub fn fill(&mut self, column: u32, cell: Cell) {
        if let Err(at) = self.cells.binary_search_by_key(&column, |(at, _)| *at) {
            self.cells.insert(at, (column, cell));
        }
    }
}

/// A merged area, rows from 1, columns from 0, all inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merge {
    /// First row.
    pub top: u32,
    /// Last row.
    pub bottom: u32,
    /// First column.
    pub left: u32,
    /// Last column.
    pub right: u32,
}

/// A sheet's name and whether a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetName {
    /// Name.
    pub name: String,
    /// True when it is hidden.
    pub hidden: bool,
}

/// What rows are handed to.
pub type EachRow<'a> = &'a mut dyn FnMut(Row) -> Result<(), FileError>;

/// An opened file.
pub enum Book<'a> {
    /// `.xlsx`
    Xlsx(xlsx::Xlsx<'a>),
    /// `.xls`
    Xls(xls::Xls),
    /// `.csv`
    Delimited(delimited::Delimited),
}

impl<'a> Book<'a> {
    /// Opens a file, told apart by its first bytes.
    pub fn open(bytes: &'a [u8]) -> Result<Self, FileError> {
        if bytes.is_empty() {
            return Err(FileError::Empty);
        }
        if bytes.len() as u64 > MAX_FILE {
            return Err(FileError::TooLarge { bytes: bytes.len() as u64, limit: MAX_FILE });
        }
        if bytes.starts_with(b"PK") {
            package::check(bytes)?;
            return Ok(Self::Xlsx(xlsx::Xlsx::open(bytes)?));
        }
        if bytes.starts_with(&compound_file::SIGNATURE) {
            return Ok(Self::Xls(xls::Xls::open(bytes)?));
        }
        refuse_other_formats(bytes)?;
        Ok(Self::Delimited(delimited::Delimited::open(bytes)?))
    }

    /// What sort of file it is.
    pub fn format(&self) -> Format {
        match self {
            Self::Xlsx(_) => Format::Xlsx,
            Self::Xls(_) => Format::Xls,
            Self::Delimited(text) => text.format(),
        }
    }

    /// The sheets, in order; a text is one sheet.
    pub fn sheets(&self) -> Vec<SheetName> {
        match self {
            Self::Xlsx(book) => book.sheets(),
            Self::Xls(book) => book.sheets(),
            Self::Delimited(_) => vec![SheetName { name: "csv".to_owned(), hidden: false }],
        }
    }

    /// The merged areas of a sheet.
    pub fn merges(&mut self, sheet: &str) -> Result<Vec<Merge>, FileError> {
        match self {
            Self::Xlsx(book) => book.merges(sheet),
            Self::Xls(book) => book.merges(sheet),
            Self::Delimited(_) => Ok(Vec::new()),
        }
    }

    /// Hands over the rows of a sheet that have something in them, from the top; stops at the first error.
    pub fn rows(&mut self, sheet: &str, each: EachRow<'_>) -> Result<(), FileError> {
        match self {
            Self::Xlsx(book) => book.rows(sheet, each),
            Self::Xls(book) => book.rows(sheet, each),
            Self::Delimited(text) => text.rows(each),
        }
    }
}

/// Names the formats that people save by mistake.
fn refuse_other_formats(bytes: &[u8]) -> Result<(), FileError> {
    let start = bytes.get(..bytes.len().min(1024)).unwrap_or_default();
    let lower = start.to_ascii_lowercase();
    let contains = |needle: &[u8]| lower.windows(needle.len()).any(|window| window == needle);
    let found = if start.starts_with(b"%PDF") {
        Text::new("PDF 文件", "a PDF file")
    } else if start.starts_with(b"{\\rtf") {
        Text::new("RTF 文件", "an RTF file")
    } else if contains(b"<html") || contains(b"<table") || contains(b"<!doctype") {
        Text::new("网页（HTML），扩展名可能被改成了 .xls", "a web page (HTML), perhaps renamed to .xls")
    } else if contains(b"<?xml") || contains(b"<?mso-application") {
        Text::new("XML 文件", "an XML file")
    } else {
        return Ok(());
    };
    Err(FileError::NotAWorkbook { found })
}

/// Runs a foreign reader over foreign bytes: its panics (an index, an overflow) become an error of the file.
fn guarded<T>(run: impl FnOnce() -> Result<T, FileError>) -> Result<T, FileError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(FileError::Damaged { detail: "unreadable structure".to_owned() }))
}

/// The error of a foreign reader.
fn damaged(error: &impl std::fmt::Display) -> FileError {
    FileError::Damaged { detail: error.to_string().chars().take(200).collect() }
}

/// The merged areas as calamine gives them.
fn merges_of(areas: &[calamine::Dimensions]) -> Vec<Merge> {
    areas
        .iter()
        .take(MAX_MERGES)
        .filter(|area| area.start.0 <= area.end.0 && area.start.1 <= area.end.1)
        .map(|area| Merge {
            top: area.start.0.saturating_add(1),
            bottom: area.end.0.saturating_add(1),
            left: area.start.1,
            right: area.end.1,
        })
        .collect()
}

/// The name of a column, from 0: A, B, … Z, AA, …
pub fn column_letter(column: u32) -> String {
    let mut rest = u64::from(column) + 1;
    let mut letters = Vec::new();
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'A' + (rest % 26) as u8));
        rest /= 26;
    }
    letters.iter().rev().collect()
}

/// The name of a cell, column from 0, row from 1.
pub fn cell_name(column: u32, row: u32) -> String {
    format!("{}{row}", column_letter(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_as_in_a_sheet() {
        for (column, name) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (16_383, "XFD")] {
            assert_eq!(column_letter(column), name);
        }
    }

    #[test]
    fn other_formats_are_named() {
        let refused = |bytes: &[u8]| match Book::open(bytes) {
            Err(FileError::NotAWorkbook { found }) => found.en,
            Err(other) => other.reason().to_owned(),
            Ok(_) => "opened".to_owned(),
        };
        assert_eq!(refused(b"%PDF-1.7"), "a PDF file");
        assert!(refused(b"<HTML><body>").starts_with("a web page"));
        assert_eq!(refused(b""), "FILE_EMPTY");
    }
}
