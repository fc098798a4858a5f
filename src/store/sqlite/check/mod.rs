//! Reading everything and comparing it, of one moment. Slow by nature: for tests, restores and doubts.

mod evidence;
mod ledger;
mod subscriptions;
mod summaries;

use sqlx::{Connection as _, Row as _};

use super::{Connection, commit::read_head, errors::Mapped as _};
use crate::{domain::ledger::Head, store::StoreError};

/// Rows read at once.
const STEP: usize = 512;
/// Lines after which a damaged store is damaged enough.
const MOST_LINES: usize = 1000;

/// What is wrong, one line each.
#[derive(Debug, Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn say(&mut self, line: impl Into<String>) {
        if self.0.len() < MOST_LINES {
            self.0.push(line.into());
        }
    }

    /// Says it unless it holds.
    fn unless(&mut self, holds: bool, line: impl FnOnce() -> String) {
        if !holds {
            self.say(line());
        }
    }

    /// The value, or a line about what cannot be read.
    fn readable<T>(&mut self, place: impl FnOnce() -> String, read: Result<T, StoreError>) -> Option<T> {
        read.map_err(|error| self.say(format!("{}: {error}", place()))).ok()
    }
}

/// See [`crate::store::Store::check_everything`].
pub(super) async fn check_everything(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    let mut moment = connection.begin().await.mapped()?;
    let mut wrong = Wrong::default();
    let checked = check(&mut moment, &mut wrong).await;
    moment.rollback().await.mapped()?;
    checked.map(|()| wrong.0)
}

async fn check(connection: &mut Connection, wrong: &mut Wrong) -> Result<(), StoreError> {
    for row in sqlx::query("PRAGMA integrity_check").fetch_all(&mut *connection).await.mapped()? {
        let line: String = row.try_get(0).mapped()?;
        wrong.unless(line == "ok", || format!("file: {line}"));
    }
    let Some((head, frontier)) = wrong.readable(|| "head".to_owned(), read_head(connection).await) else { return Ok(()) };
    check_commits(connection, wrong, &head).await?;
    ledger::check(connection, wrong, &head).await?;
    evidence::check(connection, wrong, &head, &frontier).await?;
    subscriptions::check(connection, wrong, &head).await?;
    summaries::check(connection, wrong, &head).await
}

/// Times, positions and evidence sizes rise together and end at the head.
async fn check_commits(connection: &mut Connection, wrong: &mut Wrong, head: &Head) -> Result<(), StoreError> {
    let text = "SELECT committed_at FROM (SELECT committed_at, position, evidence_size,
                    lag(position, 1, 0) OVER (ORDER BY committed_at) AS position_before,
                    lag(evidence_size, 1, 0) OVER (ORDER BY committed_at) AS evidence_before FROM commit_log)
                WHERE position < position_before OR evidence_size <= evidence_before";
    for time in numbers(connection, text).await? {
        wrong.say(format!("commit at {time}: position or evidence went back, or nothing was recorded"));
    }
    let text = "SELECT count(*) FROM head h LEFT JOIN commit_log c
                ON c.committed_at = h.committed_at AND c.position = h.position AND c.evidence_size = h.evidence_size
                WHERE c.committed_at IS NULL AND h.evidence_size > 0";
    let apart = numbers(connection, text).await?.contains(&1);
    wrong.unless(!apart, || format!("the head at position {} is not the last commit", head.position));
    let text = "SELECT v.position FROM revision v WHERE NOT EXISTS (SELECT 1 FROM commit_log c
                WHERE c.committed_at = v.committed_at AND c.position >= v.position) LIMIT 100";
    for position in numbers(connection, text).await? {
        wrong.say(format!("position {position}: no commit of its time holds it"));
    }
    Ok(())
}

/// The first column of a statement without parameters.
async fn numbers(connection: &mut Connection, text: &'static str) -> Result<Vec<i64>, StoreError> {
    sqlx::query_scalar(text).fetch_all(connection).await.mapped()
}

/// Which of the given rows of numbers `text` does not find; it gets them as JSON.
async fn missing<const N: usize>(
    connection: &mut Connection,
    text: &'static str,
    given: &[[i64; N]],
) -> Result<Vec<[i64; N]>, StoreError> {
    let rows = given.iter().map(|row| row.iter().copied().collect::<serde_json::Value>()).collect::<serde_json::Value>();
    let indexes: Vec<i64> = sqlx::query_scalar(text).bind(rows.to_string()).fetch_all(connection).await.mapped()?;
    Ok(indexes.into_iter().filter_map(|index| given.get(usize::try_from(index).ok()?).copied()).collect())
}
