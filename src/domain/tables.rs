//! Reading the reference tables in `data/`, embedded at build time.
//!
//! Facts that may change (regions, standards, items, districts) stand there, not in code; a row that lacks its first columns is
//! skipped, and the tests of each vocabulary count the rows, so that a damaged table is found when it is edited.

/// Rows of a table with a header row, each with exactly `N` columns.
pub(super) fn rows<const N: usize>(table: &'static str) -> impl Iterator<Item = [String; N]> {
    csv::Reader::from_reader(table.as_bytes())
        .into_records()
        .filter_map(Result::ok)
        .filter(|row| row.len() == N)
        .map(|row| std::array::from_fn(|column| row.get(column).unwrap_or_default().to_owned()))
}

/// The parts of a cell that holds several values.
pub(super) fn parts(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('|').map(str::trim).filter(|part| !part.is_empty())
}
