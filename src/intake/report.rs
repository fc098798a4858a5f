//! The workbook back with a column that says what is wrong in each row, and the cells marked.

use std::collections::HashMap;

use rust_xlsxwriter::{Color, Format, FormatAlign, FormatBorder, Note, Workbook, Worksheet, XlsxError};

use crate::domain::violation::{Lang, Text};

use super::{
    book::{Book, Merge, Row, Value},
    file_error::FileError,
    reading::{CellFinding, Reading, Severity, SheetReading},
};

/// Comments written into a workbook; more of them make it slow to open, and the column says everything anyway.
const MAX_COMMENTS: usize = 5_000;
/// Characters that a cell or a comment holds.
const MAX_CELL: usize = 32_000;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file could not be read again.
    #[error("{0}")]
    File(#[from] FileError),
    /// The workbook could not be made.
    #[error("the report could not be written: {0}")]
    Workbook(#[from] XlsxError),
}

/// The formats of the marks.
struct Marks {
    head: Format,
    text: Format,
    error: Format,
    warning: Format,
    note: Format,
}

impl Marks {
    fn new() -> Self {
        let plain = || Format::new().set_text_wrap().set_align(FormatAlign::Top);
        let coloured = |colour: u32| plain().set_background_color(Color::RGB(colour)).set_border(FormatBorder::Thin);
        Self {
            head: plain().set_bold().set_align(FormatAlign::Center),
            text: plain(),
            error: coloured(0x00FF_C7CE),
            warning: coloured(0x00FF_EB9C),
            note: coloured(0x00DD_EBF7),
        }
    }

    fn of(&self, severity: Severity) -> &Format {
        match severity {
            Severity::Error => &self.error,
            Severity::Warning => &self.warning,
            Severity::Note => &self.note,
        }
    }
}

/// Writes the original workbook (or list) back as `.xlsx`: the texts of its cells, marked where something was found, and a
/// column `校验结果/CheckResult`, which a later import knows and skips.
///
/// # Errors
/// When `original` is not the file of the reading, or the workbook cannot be made.
pub fn write_report(original: &[u8], reading: &Reading, lang: Lang) -> Result<Vec<u8>, ReportError> {
    let mut book = Book::open(original)?;
    let marks = Marks::new();
    let mut workbook = Workbook::new();
    let mut comments = 0;
    for sheet in &reading.sheets {
        let merges = book.merges(&sheet.name)?;
        let worksheet = workbook.add_worksheet();
        // A name that this library refuses is no reason to fail: then the sheet keeps its default name.
        let _ = worksheet.set_name(sheet.name.clone());
        let mut page = Page { worksheet, sheet, marks: &marks, lang, findings: by_row(sheet), comments: &mut comments };
        page.begin(&merges)?;
        let mut failed = None;
        book.rows(&sheet.name, &mut |row| {
            if failed.is_none() {
                failed = page.row(&row).err();
            }
            Ok(())
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
    }
    Ok(workbook.save_to_buffer()?)
}

fn by_row(sheet: &SheetReading) -> HashMap<u32, Vec<&CellFinding>> {
    let mut findings: HashMap<u32, Vec<&CellFinding>> = HashMap::new();
    for finding in sheet.findings.iter().chain(sheet.rows.iter().flat_map(|row| &row.findings)) {
        let digits = finding.cell.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        if let Ok(row) = digits.parse() {
            findings.entry(row).or_default().push(finding);
        }
    }
    findings
}

struct Page<'a> {
    worksheet: &'a mut Worksheet,
    sheet: &'a SheetReading,
    marks: &'a Marks,
    lang: Lang,
    findings: HashMap<u32, Vec<&'a CellFinding>>,
    comments: &'a mut usize,
}

impl Page<'_> {
    /// The column of the findings: to the right of the header, or where an earlier report put it.
    fn column(&self) -> u16 {
        let earlier = self.sheet.columns.iter().find(|column| column.meaning == Some(super::Meaning::CheckResult));
        let last = self.sheet.columns.iter().map(|column| column.column + 1).max().unwrap_or(0);
        earlier.map_or(last, |column| column.column) as u16
    }

    fn begin(&mut self, merges: &[Merge]) -> Result<(), XlsxError> {
        let (first, last) = self.sheet.header_rows;
        for area in merges.iter().filter(|area| area.top >= first && area.bottom <= last && area.right < u32::from(u16::MAX)) {
            // Overlapping areas, as damaged files have them, are left unmerged.
            let _ = self.worksheet.merge_range(
                area.top - 1,
                area.left as u16,
                area.bottom - 1,
                area.right as u16,
                "",
                &self.marks.head,
            );
        }
        let column = self.column();
        self.worksheet.write_string_with_format(first - 1, column, "校验结果/CheckResult", &self.marks.head)?;
        self.worksheet.set_column_width(column, 60)?;
        for known in self.sheet.columns.iter().filter(|known| known.column != u32::from(column)) {
            self.worksheet.set_column_width(known.column as u16, 16)?;
        }
        self.worksheet.set_freeze_panes(last, 0)?;
        Ok(())
    }

    fn row(&mut self, row: &Row) -> Result<(), XlsxError> {
        let line = row.number - 1;
        let (first, last) = self.sheet.header_rows;
        let in_header = (first..=last).contains(&row.number);
        let own = self.column();
        let found = self.findings.remove(&row.number).unwrap_or_default();
        for (column, cell) in row.cells.iter().filter(|(column, _)| *column != u32::from(own)) {
            let column = *column as u16;
            let format = if in_header { &self.marks.head } else { &self.marks.text };
            match cell.value {
                Value::Number(number) if !in_header => self.worksheet.write_number_with_format(line, column, number, format)?,
                _ => self.worksheet.write_string_with_format(line, column, clipped(&cell.text), format)?,
            };
        }
        for finding in &found {
            self.mark(line, row, finding)?;
        }
        if let Some(worst) = found.iter().map(|finding| finding.severity).max() {
            let says: Vec<String> = found.iter().map(|finding| self.sentence(finding)).collect();
            self.worksheet.write_string_with_format(line, own, clipped(&says.join("\n")), self.marks.of(worst))?;
        }
        Ok(())
    }

    fn sentence(&self, finding: &CellFinding) -> String {
        format!("{} {}: {}", finding.cell, finding.severity.name(self.lang), finding.text.get(self.lang))
    }

    /// Colours a cell and comments on it.
    fn mark(&mut self, line: u32, row: &Row, finding: &CellFinding) -> Result<(), XlsxError> {
        let letters: String = finding.cell.chars().take_while(char::is_ascii_alphabetic).collect();
        let Some(column) = column_number(&letters) else { return Ok(()) };
        let format = self.marks.of(finding.severity);
        match row.get(u32::from(column)) {
            Some(cell) => match cell.value {
                Value::Number(number) => self.worksheet.write_number_with_format(line, column, number, format)?,
                _ => self.worksheet.write_string_with_format(line, column, clipped(&cell.text), format)?,
            },
            None => self.worksheet.write_blank(line, column, format)?,
        };
        if *self.comments < MAX_COMMENTS {
            *self.comments += 1;
            let Text { zh, en } = &finding.text;
            let comment = Note::new(clipped(&format!("{zh}\n{en}"))).add_author_prefix(false).set_width(320);
            self.worksheet.insert_note(line, column, &comment)?;
        }
        Ok(())
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(MAX_CELL).collect()
}

fn column_number(letters: &str) -> Option<u16> {
    let number = letters
        .bytes()
        .try_fold(0_u16, |number, letter| number.checked_mul(26)?.checked_add(u16::from(letter.checked_sub(b'A')?) + 1))?;
    number.checked_sub(1)
}
