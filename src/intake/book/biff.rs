//! The records of an `.xls` workbook stream (MS-XLS), walked once before they are read: is it encrypted, and how far apart do
//! its cells lie? A reader sets memory aside for the whole rectangle, so two cells in opposite corners would cost gigabytes.

use super::{FileError, cell_name};

/// Cells that the rectangles of all sheets may span.
const MAX_AREA: u64 = 8_000_000;
/// Sheets a workbook may have.
const MAX_SHEETS: usize = 255;
/// Columns of a sheet in this format.
const MAX_COLUMNS: u32 = 256;

const FILE_PASS: u16 = 0x002F;
const BOUND_SHEET: u16 = 0x0085;
const BEGIN: u16 = 0x0809;
const END: u16 = 0x000A;
const DIMENSIONS: u16 = 0x0200;
const MUL_RK: u16 = 0x00BD;
/// Number, label, rich string, boolean, RK, shared label, formula: row and column are their first two fields.
const CELLS: [u16; 7] = [0x0203, 0x0204, 0x00D6, 0x0205, 0x027E, 0x00FD, 0x0006];

struct Records<'a> {
    stream: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, rest) = self.stream.split_at_checked(4)?;
        let kind = u16::from_le_bytes([header[0], header[1]]);
        let len = usize::from(u16::from_le_bytes([header[2], header[3]]));
        let (data, rest) = rest.split_at_checked(len)?;
        self.stream = rest;
        Some((kind, data))
    }
}

fn u16_at(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(u16::from_le_bytes(data.get(at..at + 2)?.try_into().ok()?)))
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?))
}

fn damage(detail: &str) -> FileError {
    FileError::Damaged { detail: detail.to_owned() }
}

/// Refuses a workbook stream that is encrypted, cut off, or whose cells lie too far apart.
pub fn check(stream: &[u8]) -> Result<(), FileError> {
    let mut sheets = Vec::new();
    for (kind, data) in (Records { stream }) {
        match kind {
            FILE_PASS if u16_at(data, 0).is_some_and(|method| method != 0) || data.len() > 2 => {
                return Err(FileError::Encrypted);
            }
            BOUND_SHEET => sheets.push(u32_at(data, 0).ok_or_else(|| damage("list of sheets"))? as usize),
            END => break,
            _ => {}
        }
    }
    if sheets.len() > MAX_SHEETS {
        return Err(damage("more than 255 sheets"));
    }
    let mut area = 0_u64;
    for start in sheets {
        area = area.saturating_add(sheet_area(stream.get(start..).ok_or(FileError::Truncated)?)?);
        if area > MAX_AREA {
            return Err(FileError::ZipBomb { expanded: area.saturating_mul(24), limit: MAX_AREA * 24 });
        }
    }
    Ok(())
}

/// The rectangle that the cells of one sheet span, in cells.
fn sheet_area(stream: &[u8]) -> Result<u64, FileError> {
    let (mut depth, mut rows, mut columns) = (0_u32, 0_u32, 0_u32);
    for (kind, data) in (Records { stream }) {
        match kind {
            BEGIN => depth += 1,
            END => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    break;
                }
            }
            DIMENSIONS => check_dimensions(data)?,
            _ if CELLS.contains(&kind) || kind == MUL_RK => {
                let (Some(row), Some(first)) = (u16_at(data, 0), u16_at(data, 2)) else { return Err(damage("cell")) };
                let last = if kind == MUL_RK { u16_at(data, data.len().saturating_sub(2)).unwrap_or(first) } else { first };
                let column = first.max(last);
                if column >= MAX_COLUMNS {
                    return Err(FileError::TooManyColumns { cell: cell_name(column, row + 1), limit: MAX_COLUMNS });
                }
                rows = rows.max(row + 1);
                columns = columns.max(column + 1);
            }
            _ => {}
        }
    }
    Ok(u64::from(rows) * u64::from(columns))
}

/// The rectangle that a sheet declares must be one that the format can hold.
fn check_dimensions(data: &[u8]) -> Result<(), FileError> {
    let (first, last, left, right) = match data.len() {
        10 => (u16_at(data, 0), u16_at(data, 2), u16_at(data, 4), u16_at(data, 6)),
        14 | 16 => (u32_at(data, 0), u32_at(data, 4), u16_at(data, 8), u16_at(data, 10)),
        _ => return Err(damage("dimensions")),
    };
    match (first, last, left, right) {
        (Some(first), Some(last), Some(left), Some(right))
            if first <= last.max(first)
                && last <= 65_536
                && first <= 65_536
                && left <= right.max(left)
                && right <= MAX_COLUMNS =>
        {
            if last != 0 && last <= first {
                Err(damage("dimensions"))
            } else {
                Ok(())
            }
        }
        _ => Err(damage("dimensions")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        [&kind.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat()
    }

    #[test]
    fn cells_in_opposite_corners_are_refused() {
        let begin = record(BEGIN, &[0, 6, 0, 0]);
        let corner = record(0x0203, &[0xFF, 0xFF, 0xFF, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let globals_len = begin.len() + 4 + 8 + 4;
        let bound = record(BOUND_SHEET, &[&(globals_len as u32).to_le_bytes()[..], &[0, 0, 0, 0]].concat());
        let stream = [begin.clone(), bound, record(END, &[]), begin, corner, record(END, &[])].concat();
        assert_eq!(check(&stream).map_err(|error| error.reason()), Err("FILE_EXPANDS_TOO_FAR"));
    }

    #[test]
    fn a_password_is_noticed() {
        let stream = [record(BEGIN, &[0, 6, 0, 0]), record(FILE_PASS, &[1, 0, 1, 0])].concat();
        assert_eq!(check(&stream), Err(FileError::Encrypted));
    }
}
