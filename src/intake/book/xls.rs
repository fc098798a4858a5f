//! `.xls` (Excel 97–2003), read whole: the format holds at most 65,536 rows of 256 columns.

use std::io::Cursor;

use calamine::{Data, Range, Reader as _, SheetType, SheetVisible};

use super::{
    EachRow, FileError, Merge, Row, SheetName, biff, compound_file::CompoundFile, damaged, guarded, merges_of, xlsx::cell_of,
};
use crate::domain::violation::Text;

/// An opened `.xls`.
pub struct Xls {
    inner: calamine::Xls<Cursor<Vec<u8>>>,
}

impl Xls {
    /// Opens it after its structure was walked.
    pub fn open(bytes: &[u8]) -> Result<Self, FileError> {
        let file = CompoundFile::open(bytes)?;
        if file.has("EncryptedPackage") {
            return Err(FileError::Encrypted);
        }
        let stream = match file.stream("Workbook")? {
            Some(stream) => Some(stream),
            None => file.stream("Book")?,
        };
        let Some(stream) = stream else {
            let found = if file.has("WordDocument") {
                Text::new("Word 文档", "a Word document")
            } else {
                Text::new("其他 OLE 文件", "another OLE file")
            };
            return Err(FileError::NotAWorkbook { found });
        };
        biff::check(&stream)?;
        drop(stream);
        let inner = guarded(|| calamine::Xls::new(Cursor::new(bytes.to_vec())).map_err(|error| damaged(&error)))?;
        Ok(Self { inner })
    }

    /// The sheets, in order.
    pub fn sheets(&self) -> Vec<SheetName> {
        sheet_names(self.inner.sheets_metadata())
    }

    /// The merged areas of a sheet.
    pub fn merges(&self, sheet: &str) -> Result<Vec<Merge>, FileError> {
        self.inner.merge_cells_by_sheet_name(sheet).map(|areas| merges_of(&areas)).map_err(|error| damaged(&error))
    }

    /// Hands over the rows.
    pub fn rows(&mut self, sheet: &str, each: EachRow<'_>) -> Result<(), FileError> {
        let range: Range<Data> = guarded(|| self.inner.worksheet_range(sheet).map_err(|error| damaged(&error)))?;
        let (top, left) = range.start().unwrap_or_default();
        for (offset, cells) in range.rows().enumerate() {
            let row = Row {
                number: top.saturating_add(offset as u32).saturating_add(1),
                cells: (left..).zip(cells).filter_map(|(column, data)| Some((column, cell_of(data)?))).collect(),
            };
            if !row.cells.is_empty() {
                each(row)?;
            }
        }
        Ok(())
    }
}

/// Sheets of cells, without charts and macros.
pub fn sheet_names(sheets: &[calamine::Sheet]) -> Vec<SheetName> {
    sheets
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet)
        .map(|sheet| SheetName { name: sheet.name.clone(), hidden: sheet.visible != SheetVisible::Visible })
        .collect()
}
