//! Delimited text: UTF-8 with or without mark, GB18030, UTF-16 with mark; comma, semicolon or tab.

use std::io;

use encoding_rs::{Encoding, GB18030, UTF_8};

use super::{Cell, EachRow, FileError, Format, MAX_COLUMNS, Row, cell_name, damaged};
use crate::{domain::violation::Text, intake::columns};

/// Rows looked at to tell the delimiter.
const LOOKED_AT: usize = 60;
/// Characters a cell may hold, as in a workbook; more is a quotation mark that was never closed.
const MAX_CELL: usize = 32_767;

/// A decoded text.
pub struct Delimited {
    text: String,
    format: Format,
    delimiter: u8,
}

impl Delimited {
    /// Decodes a text and finds its delimiter.
    pub fn open(bytes: &[u8]) -> Result<Self, FileError> {
        let (text, format) = decode(bytes)?;
        if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}' | '\u{85}')) {
            return Err(FileError::NotAWorkbook { found: Text::new("二进制文件", "a binary file") });
        }
        let delimiter = [b',', b';', b'\t'].into_iter().max_by_key(|delimiter| {
            // The last of equals wins, and a text of one column has no delimiter: then it is the comma's.
            (fitness(&text, *delimiter), *delimiter == b',')
        });
        Ok(Self { text, format, delimiter: delimiter.unwrap_or(b',') })
    }

    /// In which encoding it was.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Hands over the rows.
    pub fn rows(&self, each: EachRow<'_>) -> Result<(), FileError> {
        rows(&self.text, self.delimiter, each)
    }
}

fn decode(bytes: &[u8]) -> Result<(String, Format), FileError> {
    let (encoding, mark) =
        Encoding::for_bom(bytes).unwrap_or_else(|| (if str::from_utf8(bytes).is_ok() { UTF_8 } else { GB18030 }, 0));
    let (text, malformed) = encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default());
    if malformed {
        return Err(FileError::Encoding);
    }
    let format = if encoding == UTF_8 {
        Format::CsvUtf8
    } else if encoding == GB18030 {
        Format::CsvGb18030
    } else {
        Format::CsvUtf16
    };
    Ok((text.into_owned(), format))
}

/// How well a delimiter fits: header words found in one row, then columns.
fn fitness(text: &str, delimiter: u8) -> (usize, usize) {
    let mut best = (0, 0);
    let mut looked_at = 0;
    let stop = || FileError::Empty;
    // Stopping early is the only error that matters here; the true reading reports the others.
    let _ = rows(text, delimiter, &mut |row| {
        let known = row.cells.iter().filter(|(_, cell)| columns::understand(&cell.text).is_some()).count();
        best = best.max((known, row.cells.len()));
        looked_at += 1;
        if looked_at < LOOKED_AT { Ok(()) } else { Err(stop()) }
    });
    best
}

/// The rows as a spreadsheet numbers them: blank lines count, lines inside quotation marks do not.
fn rows(text: &str, delimiter: u8, each: EachRow<'_>) -> Result<(), FileError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(io::Cursor::new(text.as_bytes()));
    let mut record = csv::StringRecord::new();
    let mut number = 0_u32;
    loop {
        let before = reader.position().line();
        if !reader.read_record(&mut record).map_err(|error| damaged(&error))? {
            return Ok(());
        }
        let inside = record.iter().map(|field| field.matches('\n').count() as u64).sum::<u64>();
        let lines = (reader.position().line() - before).max(1);
        number = number.saturating_add(lines.saturating_sub(inside).max(1) as u32);
        let mut row = Row { number, cells: Vec::new() };
        for (column, field) in (0..).zip(&record) {
            let Some(cell) = Cell::from_text(field) else { continue };
            if column >= MAX_COLUMNS {
                return Err(FileError::TooManyColumns { cell: cell_name(column, number), limit: MAX_COLUMNS });
            }
            if cell.text.len() > MAX_CELL && cell.text.chars().count() > MAX_CELL {
                let detail =
                    format!("{}: more than {MAX_CELL} characters, perhaps an open quotation mark", cell_name(column, number));
                return Err(FileError::Damaged { detail });
            }
            row.cells.push((column, cell));
        }
        if !row.cells.is_empty() {
            each(row)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Format, Vec<(u32, Vec<String>)>) {
        let book = Delimited::open(bytes).expect("a text");
        let mut out = Vec::new();
        let each = &mut |row: Row| {
            out.push((row.number, row.cells.into_iter().map(|(_, cell)| cell.text).collect()));
            Ok(())
        };
        book.rows(each).expect("rows");
        (book.format(), out)
    }

    #[test]
    fn rows_are_numbered_as_in_a_spreadsheet() {
        let (_, rows) = read("产品名称,批号\r\n\r\n\"a\nb\",1\r\n,\r\nc,2".as_bytes());
        let numbers: Vec<u32> = rows.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 3, 5]);
    }

    #[test]
    fn encodings_and_delimiters_are_told_apart() {
        for delimiter in [",", ";", "\t"] {
            let text = ["序号", "产品名称", "不合格项目"].join(delimiter)
                + "\n"
                + &["1", "口罩", "过滤效率,吸气阻力;头带"].join(delimiter);
            let quoted = if delimiter == "\t" {
                text.clone()
            } else {
                text.replace("过滤效率,吸气阻力;头带", "\"过滤效率,吸气阻力;头带\"")
            };
            let (gb, _, _) = GB18030.encode(&quoted);
            for (bytes, format) in [
                (quoted.clone().into_bytes(), Format::CsvUtf8),
                ([&[0xEF, 0xBB, 0xBF], quoted.as_bytes()].concat(), Format::CsvUtf8),
                (gb.into_owned(), Format::CsvGb18030),
            ] {
                let (read_format, rows) = read(&bytes);
                assert_eq!(read_format, format);
                assert_eq!(rows[1].1, ["1", "口罩", "过滤效率,吸气阻力;头带"]);
            }
        }
    }

    #[test]
    fn neither_encoding_is_refused() {
        assert_eq!(Delimited::open(b"a,b\n\xFF\xFF\xFF").err(), Some(FileError::Encoding));
    }
}
