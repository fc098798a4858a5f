//! Many rows by few statements.
//!
//! The bulk of a commit goes by `INSERT … VALUES` of 8, 16, 32, … rows, each a crossing of its own; what is left of it, and all of
//! a small commit, joins the script. Texts stay few, so that they stay prepared: left rows with bytes go in 1, 2, 4 or 8 rows, the
//! missing ones NULL and passed over; left rows of mere numbers go as one JSON text.

use serde_json::Value;
use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::script::{Values, Writing};
use crate::store::StoreError;

/// Most values of a statement. SQLite allows 32,766; beyond some thousand a longer statement saves nothing more.
const VALUES: usize = 8192;
/// Fewest rows that are worth a crossing of their own, as a power of two.
const BULK: u32 = 3;

/// `INSERT INTO …` in fixed sizes.
pub(super) struct RowInsert {
    columns: usize,
    /// By the power of two of its rows.
    left: Vec<String>,
    /// By the power of two of its rows, from [`BULK`] on.
    bulk: Vec<SqlStr>,
}

impl RowInsert {
    /// `head` is everything before `VALUES`, `tail` what follows the last row. The first column is never NULL.
    pub(super) fn new(head: &str, columns: usize, tail: &str) -> Self {
        let left =
            |size: u32| format!("{head} SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL {tail}", places(columns, size));
        Self { columns, left: (0..=BULK).map(left).collect(), bulk: bulk(head, columns, tail) }
    }

    /// Writes all rows; `bind` binds as many values as there are columns.
    pub(super) async fn write<T>(
        &self,
        writing: &mut Writing<'_>,
        rows: &[T],
        bind: impl Fn(Values, &T) -> Values,
    ) -> Result<(), StoreError> {
        let left = write_bulk(&self.bulk, writing, rows, &bind).await?;
        if left.is_empty() {
            return Ok(());
        }
        let size = left.len().next_power_of_two();
        let missing = (size - left.len()) * self.columns;
        writing.script.add(&self.left[size.ilog2() as usize], |values| {
            let values = left.iter().fold(values, &bind);
            (0..missing).fold(values, |values, _| values.bind(None::<i64>))
        });
        Ok(())
    }
}

/// `INSERT INTO …` of rows of `N` numbers.
pub(super) struct NumbersInsert<const N: usize> {
    left: String,
    bulk: Vec<SqlStr>,
}

impl<const N: usize> NumbersInsert<N> {
    /// `head` is everything before `VALUES`.
    pub(super) fn new(head: &str) -> Self {
        let columns = (0..N).map(|column| format!("value->>{column}")).collect::<Vec<_>>().join(", ");
        Self { left: format!("{head} SELECT {columns} FROM json_each(?)"), bulk: bulk(head, N, "") }
    }

    /// Writes all rows.
    pub(super) async fn write(&self, writing: &mut Writing<'_>, rows: &[[i64; N]]) -> Result<(), StoreError> {
        let bind = |values: Values, row: &[i64; N]| row.iter().fold(values, |values, value| values.bind(*value));
        let left = write_bulk(&self.bulk, writing, rows, &bind).await?;
        writing.script.add_json(&self.left, left.iter().map(|row| Value::from(row.as_slice())).collect());
        Ok(())
    }
}

/// The question marks of so many rows, as a power of two.
fn places(columns: usize, size: u32) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    vec![row.as_str(); 1 << size].join(",")
}

fn bulk(head: &str, columns: usize, tail: &str) -> Vec<SqlStr> {
    let largest = (VALUES / columns.max(1)).checked_ilog2().unwrap_or(BULK);
    let text = |size| format!("{head} VALUES {} {tail}", places(columns, size));
    (BULK..=largest).map(|size| AssertSqlSafe(text(size)).into_sql_str()).collect()
}

/// Writes rows by bulk statements and returns what is left: fewer than the smallest takes. While the driver's thread writes some, the
/// next are bound here; the smallest go first, so that neither waits long for the other.
async fn write_bulk<'r, T>(
    bulk: &[SqlStr],
    writing: &mut Writing<'_>,
    rows: &'r [T],
    bind: &impl Fn(Values, &T) -> Values,
) -> Result<&'r [T], StoreError> {
    let (sizes, left) = sizes(rows.len(), bulk.len());
    let (mut chunks, mut rest) = (sizes.into_iter(), rows);
    let mut next = || {
        let size = chunks.next()?;
        let (chunk, after) = rest.split_at_checked(1 << (BULK as usize + size))?;
        rest = after;
        Some((bulk.get(size)?.clone(), chunk.iter().fold(Values::default(), bind)))
    };
    let mut bound = next();
    while let Some((text, values)) = bound {
        let (written, following) = tokio::join!(writing.run(text, values), async { next() });
        written?;
        bound = following;
    }
    Ok(&rows[rows.len() - left..])
}

/// The bulk statements that write so many rows, ascending, and how many rows are left.
fn sizes(rows: usize, statements: usize) -> (Vec<usize>, usize) {
    let Some(largest) = statements.checked_sub(1) else { return (Vec::new(), rows) };
    let (units, left) = (rows >> BULK, rows & ((1 << BULK) - 1));
    let mut sizes: Vec<usize> = (0..largest).filter(|size| units >> size & 1 == 1).collect();
    sizes.extend(std::iter::repeat_n(largest, units >> largest));
    (sizes, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_statement_or_left() {
        assert_eq!(sizes(7, 6), (vec![], 7));
        assert_eq!(sizes(8 + 32 + 5, 6), (vec![0, 2], 5));
        assert_eq!(sizes(2 * 256 + 16 + 1, 6), (vec![1, 5, 5], 1));
        assert_eq!(sizes(9, 0), (vec![], 9));
        for rows in 0..2_000 {
            let (sizes, left) = sizes(rows, 6);
            assert_eq!(sizes.iter().map(|size| 1 << (BULK as usize + size)).sum::<usize>() + left, rows);
        }
    }
}
