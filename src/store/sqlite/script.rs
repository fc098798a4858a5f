//! Statements that cross to the driver's thread together.
//!
//! The driver runs SQLite on a thread of its own, and every execution crosses to it and back: on a busy machine the crossing costs
//! several times what a small statement does. A commit of few rows therefore crosses twice: once to take the lock and read, once to
//! write and commit. SQLite prepares the statements of a script one by one and keeps them by the script's whole text, so that texts
//! must be few: see [`super::set_rows`].

use futures_util::TryStreamExt as _;
use sqlx::{
    Arguments as _, AssertSqlSafe, Either, Encode, Executor as _, SqlSafeStr as _, SqlStr, Sqlite, Type,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{Connection, errors::Mapped as _};
use crate::store::StoreError;

/// A query of a reader under construction.
pub(super) type Binding = Query<'static, Sqlite, SqliteArguments>;

/// What the question marks of a script stand for, in order.
#[derive(Default)]
pub(super) struct Values {
    values: SqliteArguments,
    /// A value that could not be said: then nothing of the script may run, or all later values would stand in wrong places.
    failed: Option<String>,
}

impl Values {
    /// The next value.
    pub(super) fn bind<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(mut self, value: T) -> Self {
        if let Err(error) = self.values.add(value) {
            self.failed = Some(error.to_string());
        }
        self
    }
}

/// Statements in order, to be run by one crossing. Each question mark stands for the next value; numbered ones must not be used.
#[derive(Default)]
pub(super) struct Script {
    text: String,
    values: Values,
}

impl Script {
    /// Adds a statement and its values.
    pub(super) fn add(&mut self, text: &str, values: impl FnOnce(Values) -> Values) {
        self.text.push_str(text);
        self.text.push(';');
        self.values = values(std::mem::take(&mut self.values));
    }

    /// Adds a statement without values.
    pub(super) fn say(&mut self, text: &str) {
        self.add(text, |values| values);
    }

    /// Adds a statement over rows given as a JSON array; none for no rows.
    pub(super) fn add_json(&mut self, text: &str, rows: Vec<serde_json::Value>) {
        if !rows.is_empty() {
            self.add(text, |values| values.bind(serde_json::Value::Array(rows).to_string()));
        }
    }
}

/// A connection inside a commit, counting its crossings.
pub(super) struct Writing<'c> {
    connection: &'c mut Connection,
    /// Crossings so far.
    pub(super) crossings: u32,
    /// What is written last, together.
    pub(super) script: Script,
}

impl<'c> Writing<'c> {
    /// Nothing is written yet.
    pub(super) fn new(connection: &'c mut Connection) -> Self {
        Self { connection, crossings: 0, script: Script::default() }
    }

    /// Runs a script and returns the rows of each of its statements.
    pub(super) async fn ask(&mut self, script: Script) -> Result<Vec<Vec<SqliteRow>>, StoreError> {
        let (mut found, mut rows) = (Vec::new(), Vec::new());
        let mut answers = self.connection.fetch_many(query(AssertSqlSafe(script.text).into_sql_str(), script.values)?);
        while let Some(answer) = answers.try_next().await.mapped()? {
            match answer {
                Either::Left(_end_of_statement) => found.push(std::mem::take(&mut rows)),
                Either::Right(row) => rows.push(row),
            }
        }
        self.crossings += 1;
        Ok(found)
    }

    /// Runs one statement at once, ahead of the script.
    pub(super) async fn run(&mut self, text: SqlStr, values: Values) -> Result<(), StoreError> {
        self.crossings += 1;
        query(text, values)?.execute(&mut *self.connection).await.mapped()?;
        Ok(())
    }

    /// Runs what was added to the script.
    pub(super) async fn run_script(&mut self) -> Result<(), StoreError> {
        let Script { text, values } = std::mem::take(&mut self.script);
        self.run(AssertSqlSafe(text).into_sql_str(), values).await
    }
}

fn query(text: SqlStr, values: Values) -> Result<Binding, StoreError> {
    match values.failed {
        None => Ok(sqlx::query_with(text, values.values)),
        Some(error) => Err(StoreError::Damaged(format!("a value cannot be kept: {error}"))),
    }
}
