//! Lists that were exported, as files: written for offices in the form they work with, and read back cell by cell, so that a signature
//! over the cells can be verified whatever became of the file around them.

use rust_xlsxwriter::{Format, Workbook, XlsxError};
use serde_json::{Map, Value, json};

use super::{
    book::{Book, Row},
    file_error::FileError,
};
use crate::domain::violation::Text;

/// Sheet of the rows.
const SHEET: &str = "名单 list";
/// Sheet of what is signed.
const ABOUT: &str = "说明 about";
/// Rows above the first one of the list: names for people, tokens for programs.
const HEAD_ROWS: u32 = 2;

/// Form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableForm {
    /// Workbook.
    Xlsx,
    /// Delimited text, UTF-8 with its mark, so that office programs know it.
    Csv,
    /// JSON.
    Json,
}

/// A table of texts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportedTable {
    /// Tokens of the columns.
    pub columns: Vec<String>,
    /// Names of the columns; empty when read back.
    pub names: Vec<String>,
    /// Rows.
    pub rows: Vec<Vec<String>>,
}

/// Why a file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The workbook could not be made.
    #[error("the workbook could not be written: {0}")]
    Workbook(#[from] XlsxError),
    /// The file could not be read.
    #[error("{0}")]
    File(#[from] FileError),
    /// The file is none of ours.
    #[error("{0}")]
    NotAList(&'static str),
}

impl ExportedTable {
    /// Writes the table with what is signed about it.
    ///
    /// # Errors
    /// When the workbook cannot be made: more rows than a sheet holds.
    pub fn write(&self, form: TableForm, statement: &str) -> Result<Vec<u8>, TableError> {
        match form {
            TableForm::Xlsx => self.write_xlsx(statement),
            TableForm::Csv => Ok(self.write_csv()),
            TableForm::Json => Ok(self.write_json(statement)),
        }
    }

    /// Reads a file that [`ExportedTable::write`] made, told apart by its bytes; a workbook may have been saved again since.
    ///
    /// # Errors
    /// When it is none, or damaged.
    pub fn read(bytes: &[u8]) -> Result<Self, TableError> {
        if bytes.starts_with(b"PK") {
            return Self::read_xlsx(bytes);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| TableError::NotAList("neither a workbook nor UTF-8 text"))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim_start().starts_with('{') { Self::read_json(text) } else { Self::read_csv(text) }
    }

    fn write_xlsx(&self, statement: &str) -> Result<Vec<u8>, TableError> {
        let mut workbook = Workbook::new();
        let head = Format::new().set_bold();
        let sheet = workbook.add_worksheet();
        sheet.set_name(SHEET)?;
        for (row, texts) in [&self.names, &self.columns].into_iter().chain(&self.rows).enumerate() {
            let at = u32::try_from(row).map_err(|_| XlsxError::RowColumnLimitError)?;
            for (column, text) in texts.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
                let column = u16::try_from(column).map_err(|_| XlsxError::RowColumnLimitError)?;
                // Written as text, so that nothing is a formula or loses its zeros.
                if at < HEAD_ROWS {
                    sheet.write_string_with_format(at, column, text, &head)?;
                } else {
                    sheet.write_string(at, column, text)?;
                }
            }
        }
        sheet.set_freeze_panes(HEAD_ROWS, 0)?;
        let about = workbook.add_worksheet();
        about.set_name(ABOUT)?;
        for (row, line) in (0_u32..).zip(statement.lines()) {
            about.write_string(row, 0, line)?;
        }
        Ok(workbook.save_to_buffer()?)
    }

    fn read_xlsx(bytes: &[u8]) -> Result<Self, TableError> {
        let mut book = Book::open(bytes)?;
        let mut table = Self::default();
        let not_ours = Text::new("缺少列名行", "the row of column tokens is missing");
        book.rows(SHEET, &mut |row: Row| {
            match row.number {
                0 | 1 => {}
                HEAD_ROWS => table.columns = row.cells.iter().map(|(_, cell)| cell.text.clone()).collect(),
                _ => {
                    let width = u32::try_from(table.columns.len()).unwrap_or(u32::MAX);
                    if row.cells.iter().any(|(column, _)| *column >= width) {
                        return Err(FileError::Damaged { detail: format!("row {}: cells beside the list", row.number) });
                    }
                    table.rows.push((0..width).map(|at| row.get(at).map(|cell| cell.text.clone()).unwrap_or_default()).collect());
                }
            }
            Ok(())
        })?;
        if table.columns.is_empty() {
            return Err(FileError::Damaged { detail: not_ours.en }.into());
        }
        Ok(table)
    }

    fn write_csv(&self) -> Vec<u8> {
        let mut out = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer("\u{feff}".as_bytes().to_vec());
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            // Writing into memory does not fail, and all rows have the columns' width.
            let _ = out.write_record(row.iter().map(|cell| harmless(cell)));
        }
        out.into_inner().unwrap_or_default()
    }

    fn read_csv(text: &str) -> Result<Self, TableError> {
        let damaged = |_| TableError::NotAList("not a delimited text of equally long rows");
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let mut rows = reader.records().map(|row| row.map(|row| row.iter().map(as_it_was).collect::<Vec<_>>()));
        let columns = rows.next().ok_or(TableError::NotAList("it is empty"))?.map_err(damaged)?;
        Ok(Self { columns, names: Vec::new(), rows: rows.collect::<Result<_, _>>().map_err(damaged)? })
    }

    fn write_json(&self, statement: &str) -> Vec<u8> {
        let columns: Vec<Value> =
            self.columns.iter().zip(&self.names).map(|(token, name)| json!({ "token": token, "name": name })).collect();
        let rows = self.rows.iter().map(|row| {
            let cells = self.columns.iter().zip(row).map(|(column, cell)| (column.clone(), Value::String(cell.clone())));
            Value::Object(cells.collect::<Map<_, _>>())
        });
        let value = json!({ "statement": statement, "columns": columns, "rows": rows.collect::<Vec<_>>() });
        // Plain values with text keys always serialise.
        serde_json::to_vec_pretty(&value).unwrap_or_default()
    }

    fn read_json(text: &str) -> Result<Self, TableError> {
        let not_ours = || TableError::NotAList("not the JSON of an exported list");
        let value: Value = serde_json::from_str(text).map_err(|_| not_ours())?;
        let texts = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let columns: Option<Vec<String>> =
            value.get("columns").and_then(Value::as_array).and_then(|all| all.iter().map(|one| texts(one, "token")).collect());
        let columns = columns.ok_or_else(not_ours)?;
        let row = |row: &Value| {
            let whole = row.as_object().is_some_and(|object| object.len() == columns.len());
            columns.iter().map(|column| texts(row, column)).collect::<Option<Vec<_>>>().filter(|_| whole)
        };
        let rows: Option<Vec<Vec<String>>> =
            value.get("rows").and_then(Value::as_array).and_then(|all| all.iter().map(row).collect());
        Ok(Self { rows: rows.ok_or_else(not_ours)?, names: Vec::new(), columns })
    }
}

/// A text that office programs would take for a formula is marked as text.
fn harmless(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\'']) { format!("'{cell}") } else { cell.to_owned() }
}

fn as_it_was(cell: &str) -> String {
    cell.strip_prefix('\'').unwrap_or(cell).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FORMS: [TableForm; 3] = [TableForm::Xlsx, TableForm::Csv, TableForm::Json];

    fn table(rows: Vec<Vec<String>>) -> ExportedTable {
        ExportedTable {
            columns: ["record_id", "producer", "batch"].map(str::to_owned).to_vec(),
            names: ["记录编号", "生产者", "批号"].map(str::to_owned).to_vec(),
            rows,
        }
    }

    fn read_back(table: &ExportedTable, form: TableForm) -> ExportedTable {
        ExportedTable::read(&table.write(form, "about\n").expect("written")).expect("read back")
    }

    #[test]
    fn hostile_and_awkward_cells_come_back_from_every_form() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let table = table(vec![
            row(["amr-330000/1", "=HYPERLINK(\"http://x\")", "00123"]),
            row(["amr-330000/2", "<table>甲,乙\"丙\"</table>", "'1"]),
            row(["amr-330000/3", "", ""]),
            row(["amr-330000/4", "@SUM(1+1)", "-5"]),
        ]);
        for form in FORMS {
            let back = read_back(&table, form);
            assert_eq!((&back.columns, &back.rows), (&table.columns, &table.rows), "{form:?}");
        }
        let csv = String::from_utf8(table.write(TableForm::Csv, "").expect("written")).expect("UTF-8");
        assert!(
            !csv.lines().any(|line| line.split(',').any(|cell| cell.trim_matches('"').starts_with(['=', '@', '+', '-']))),
            "{csv}"
        );
    }

    #[test]
    fn what_is_none_is_said_to_be_none() {
        for bytes in [&b""[..], b"PK\x03\x04", b"\xff\xfe", b"{}", b"{\"columns\":[],\"rows\":[{\"a\":1}]}", b"a,b\n1\n"] {
            assert!(ExportedTable::read(bytes).is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn every_table_comes_back(rows in proptest::collection::vec(("[a-z]{1,5}/[0-9]{1,3}", "[ -~中文=@']{0,8}", "[A-Z0-9']{0,6}"), 0..8)) {
            let rows = rows.into_iter().map(|(id, name, batch)| vec![id, name.trim().to_owned(), batch]).collect();
            let table = table(rows);
            for form in FORMS {
                prop_assert_eq!(&read_back(&table, form).rows, &table.rows);
            }
        }
    }
}
