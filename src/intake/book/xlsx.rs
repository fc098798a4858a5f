//! `.xlsx`, row by row, so that a list of a hundred thousand rows never stands in memory as cells.

use std::io::Cursor;

use calamine::{DataType, ExcelDateTime, Reader as _};

use super::{
    Cell, EachRow, FileError, MAX_COLUMNS, Merge, Row, SheetName, Value, cell_name, damaged, guarded, merges_of, xls::sheet_names,
};
use crate::domain::dates::CivilDate;

/// An opened `.xlsx`.
pub struct Xlsx<'a> {
    inner: calamine::Xlsx<Cursor<&'a [u8]>>,
}

impl<'a> Xlsx<'a> {
    /// Opens a package that was measured before.
    pub fn open(bytes: &'a [u8]) -> Result<Self, FileError> {
        let inner = guarded(|| calamine::Xlsx::new(Cursor::new(bytes)).map_err(|error| damaged(&error)))?;
        Ok(Self { inner })
    }

    /// The sheets, in order.
    pub fn sheets(&self) -> Vec<SheetName> {
        sheet_names(self.inner.sheets_metadata())
    }

    /// The merged areas of a sheet.
    pub fn merges(&mut self, sheet: &str) -> Result<Vec<Merge>, FileError> {
        guarded(|| self.inner.merge_cells_by_sheet_name(sheet).map(|areas| merges_of(&areas)).map_err(|error| damaged(&error)))
    }

    /// Hands over the rows as they stand in the file, which must be from the top.
    pub fn rows(&mut self, sheet: &str, each: EachRow<'_>) -> Result<(), FileError> {
        let mut reader = guarded(|| self.inner.worksheet_cells_reader(sheet).map_err(|error| damaged(&error)))?;
        let mut row = Row::default();
        while let Some(found) = guarded(|| reader.next_cell().map_err(|error| damaged(&error)))? {
            let (line, column) = found.get_position();
            let Some(cell) = cell_of(found.get_value()) else { continue };
            let number = line.saturating_add(1);
            if column >= MAX_COLUMNS {
                return Err(FileError::TooManyColumns { cell: cell_name(column, number), limit: MAX_COLUMNS });
            }
            if number != row.number {
                if number < row.number {
                    return Err(FileError::Damaged { detail: format!("row {number} after row {}", row.number) });
                }
                let done = std::mem::replace(&mut row, Row { number, cells: Vec::new() });
                if !done.cells.is_empty() {
                    each(done)?;
                }
            }
            row.fill(column, cell);
        }
        if row.cells.is_empty() { Ok(()) } else { each(row) }
    }
}

/// A cell as calamine gives it; `None` when it is blank.
pub fn cell_of(data: &impl DataType) -> Option<Cell> {
    if data.is_empty() {
        return None;
    }
    if let Some(text) = data.get_string() {
        return Cell::from_text(text);
    }
    if let Some(moment) = data.get_datetime() {
        return Some(match civil_date(&moment) {
            Some(day) => Cell { text: day.to_string(), value: Value::Date(day) },
            None => Cell::from_number(moment.as_f64()),
        });
    }
    if let Some(moment) = data.get_datetime_iso() {
        return Cell::from_text(moment.split('T').next().unwrap_or(moment));
    }
    if let Some(number) = data.get_float() {
        return Some(Cell::from_number(number));
    }
    if let Some(number) = data.get_int() {
        return Some(Cell { text: number.to_string(), value: Value::Number(number as f64) });
    }
    if let Some(truth) = data.get_bool() {
        return Cell::from_text(if truth { "TRUE" } else { "FALSE" });
    }
    if let Some(error) = data.get_error() {
        return Some(Cell { text: error.to_string(), value: Value::Error });
    }
    data.get_duration_iso().and_then(Cell::from_text)
}

/// The day of a serial number shown as a date, from 1900 to 9999.
fn civil_date(moment: &ExcelDateTime) -> Option<CivilDate> {
    if !moment.is_datetime() || !(1.0..2_958_466.0).contains(&moment.as_f64()) {
        return None;
    }
    let (year, month, day, ..) = moment.to_ymd_hms_milli();
    CivilDate::day(year, month, day)
}
