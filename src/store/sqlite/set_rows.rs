//! Many rows by few statements: the driver crosses to its own thread for each, so that statements cost, not rows.
//!
//! Few or rare rows go as one JSON text through `json_each`. Those that make up the bulk of a commit go by `INSERT … VALUES` of
//! …, 4, 2, 1 rows: a few texts that stay prepared, where a text for every number of rows would be parsed anew each time.

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr, Sqlite, query::Query, sqlite::SqliteArguments};

use super::{Connection, errors::Mapped as _};
use crate::store::StoreError;

/// A query under construction.
pub(super) type Binding = Query<'static, Sqlite, SqliteArguments>;

/// Most values of a statement. SQLite allows 32,766; beyond some thousand a longer statement saves nothing more.
const VALUES: usize = 8192;

/// `INSERT INTO … VALUES` in fixed sizes.
pub(super) struct RowInsert {
    by_size: Vec<SqlStr>,
}

impl RowInsert {
    /// `head` is everything before the first row's bracket, `tail` what follows the last.
    pub(super) fn new(head: &str, columns: usize, tail: &str) -> Self {
        let row = format!("({})", vec!["?"; columns].join(","));
        let text = |size: u32| format!("{head} {} {tail}", vec![row.as_str(); 1 << size].join(","));
        let largest = (VALUES / columns.max(1)).checked_ilog2().unwrap_or(0);
        Self { by_size: (0..=largest).map(|size| AssertSqlSafe(text(size)).into_sql_str()).collect() }
    }

    /// Inserts all rows.
    pub(super) async fn run<T>(
        &self,
        writing: &mut Writing<'_>,
        mut rows: &[T],
        bind: impl Fn(Binding, &T) -> Binding,
    ) -> Result<(), StoreError> {
        for (size, text) in self.by_size.iter().enumerate().rev() {
            while let Some((chunk, rest)) = rows.split_at_checked(1 << size) {
                rows = rest;
                writing.run(chunk.iter().fold(sqlx::query(text.clone()), &bind)).await?;
            }
        }
        Ok(())
    }
}

/// The transaction of a commit, counting its statements.
pub(super) struct Writing<'c> {
    /// Inside the transaction.
    pub(super) connection: &'c mut Connection,
    /// Statements so far.
    pub(super) statements: u32,
}

impl Writing<'_> {
    /// Runs one statement.
    pub(super) async fn run(&mut self, query: Binding) -> Result<u64, StoreError> {
        self.statements += 1;
        Ok(query.execute(&mut *self.connection).await.mapped()?.rows_affected())
    }

    /// Runs one statement over rows given as a JSON array; none for no rows.
    pub(super) async fn run_json(&mut self, text: &'static str, rows: Vec<serde_json::Value>) -> Result<(), StoreError> {
        if !rows.is_empty() {
            self.run(sqlx::query(text).bind(serde_json::Value::Array(rows).to_string())).await?;
        }
        Ok(())
    }
}
