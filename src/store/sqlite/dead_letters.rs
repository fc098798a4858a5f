//! Dead letters and runs over them. Rows are read by page; only positions are ever read all at once.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{
    Connection,
    errors::{Mapped as _, damaged},
    int, natural,
    rows::parse_record_id,
    script::{Binding, Script},
    subscriptions::{dropped_rows, history, order_key, put_rows, rows, text_key},
};
use crate::{
    domain::{
        delivery::{DeadLetter, LetterAct, LetterRun, SubscriptionKey},
        digest::hex,
        evidence::PositionRange,
        ids::{Position, RecordId},
        ledger::SubscriptionWrite,
        position_set::PositionSet,
    },
    store::{LetterCount, LetterQuery, StoreError, encoding::encode},
};

const DROP: &str =
    "DELETE FROM subscription_dead WHERE (subscription, position) IN (SELECT value->>0, value->>1 FROM json_each(?))";
const PUT: &str = "INSERT OR REPLACE INTO subscription_dead
    (subscription, position, record_id, revision, order_key, reason, died_at, redrives, history, left_out, died_entry)
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, value->>9, value->>10
    FROM json_each(?)";
const PUT_RUN: &str = "INSERT OR REPLACE INTO dead_letter_run
    (subscription, request_id, act, selector, head, entries, begun_at, selected, done, after)
    SELECT value->>0, value->>1, value->>2, unhex(value->>3), value->>4, value->>5, value->>6, value->>7, value->>8, value->>9
    FROM json_each(?)";
// Of each subscription 1,000 runs are known: what is older is over, or nobody asks for it again.
const FORGET_RUNS: &str = "DELETE FROM dead_letter_run WHERE (subscription, request_id) IN
    (SELECT subscription, request_id FROM (SELECT r.subscription, r.request_id,
         row_number() OVER (PARTITION BY r.subscription ORDER BY r.begun_at DESC, r.request_id) AS place
         FROM json_each(?) j CROSS JOIN dead_letter_run r ON r.subscription = j.value)
     WHERE place > 1000)";

/// Writes what a group changes of dead letters. `entries`: entries in the evidence log after it.
pub(super) fn write(script: &mut Script, writes: &BTreeMap<SubscriptionKey, SubscriptionWrite>, entries: u64) {
    script.add_json(DROP, rows(writes, |name, write| dropped_rows(name, &write.dead)));
    script.add_json(PUT, rows(writes, |name, write| put_rows(&write.dead, |letter| letter_row(name, letter, entries))));
    let runs = rows(writes, |name, write| write.letter_runs.values().map(|run| run_row(name, run)).collect());
    script.add_json(PUT_RUN, runs);
    let run = |name: &str, write: &SubscriptionWrite| if write.letter_runs.is_empty() { Vec::new() } else { vec![json!(name)] };
    script.add_json(FORGET_RUNS, rows(writes, run));
}

fn letter_row(name: &str, letter: &DeadLetter, entries: u64) -> Value {
    json!([
        name,
        letter.position,
        letter.record_id.as_str(),
        letter.revision,
        &*letter.order_key.0,
        letter.reason,
        letter.died_at,
        letter.redrives,
        encode(&letter.history),
        letter.left_out,
        entries
    ])
}

fn run_row(name: &str, run: &LetterRun) -> Value {
    json!([
        name,
        run.request_id,
        run.act.token(),
        hex(&run.selector),
        run.head,
        run.entries,
        run.begun_at,
        run.selected,
        run.done,
        run.after
    ])
}

/// What is asked of each letter, but for its position: `?2` to `?7`.
macro_rules! selected {
    () => {
        "(?2 IS NULL OR reason IN (SELECT value FROM json_each(?2)))
         AND (?3 IS NULL OR record_id IN (SELECT value FROM json_each(?3)))
         AND (?4 IS NULL OR order_key IN (SELECT value FROM json_each(?4)))
         AND (?5 IS NULL OR died_at >= ?5) AND (?6 IS NULL OR died_at < ?6) AND (?7 IS NULL OR died_entry <= ?7)"
    };
}

/// Binds the subscription and what [`selected`] asks.
fn asked(text: &'static str, key: &SubscriptionKey, query: &LetterQuery) -> Binding {
    let selector = &query.selector;
    sqlx::query(text)
        .bind(text_key(key))
        .bind(any_of(selector.reasons().iter().map(String::as_str)))
        .bind(any_of(selector.record_ids().iter().map(RecordId::as_str)))
        .bind(any_of(selector.enterprises().iter().map(|key| &*key.0)))
        .bind(selector.died_from())
        .bind(selector.died_before())
        .bind(query.died_by.map(int))
}

/// Values as a JSON text; `None` for none, which means any.
fn any_of<'v>(values: impl Iterator<Item = &'v str>) -> Option<String> {
    let values: Vec<_> = values.collect();
    (!values.is_empty()).then(|| json!(values).to_string())
}

/// Selected letters after a position. One statement a range of positions: each seeks its range and reads no further than it must.
pub(super) async fn page(
    connection: &mut Connection,
    key: &SubscriptionKey,
    query: &LetterQuery,
    after: Position,
    limit: usize,
) -> Result<Vec<DeadLetter>, StoreError> {
    let text = concat!(
        "SELECT position, record_id, revision, order_key, reason, died_at, redrives, history, left_out FROM subscription_dead
         WHERE subscription = ?1 AND position BETWEEN ?8 AND ?9 AND ",
        selected!(),
        " ORDER BY position LIMIT +?10"
    );
    let mut letters = Vec::new();
    for PositionRange { first, last } in query.selector.positions_after(after) {
        let left = limit - letters.len();
        if left == 0 {
            break;
        }
        let asked = asked(text, key, query).bind(int(first)).bind(int(last)).bind(i64::try_from(left).unwrap_or(i64::MAX));
        for row in asked.fetch_all(&mut *connection).await.mapped()? {
            letters.push(letter(&row)?);
        }
    }
    Ok(letters)
}

fn letter(row: &SqliteRow) -> Result<DeadLetter, StoreError> {
    Ok(DeadLetter {
        position: natural(row.try_get(0).mapped()?)?,
        record_id: parse_record_id(row.try_get(1).mapped()?)?,
        revision: row.try_get(2).mapped()?,
        order_key: order_key(row, 3)?,
        reason: row.try_get(4).mapped()?,
        died_at: row.try_get(5).mapped()?,
        redrives: row.try_get(6).mapped()?,
        history: history(row, 7)?,
        left_out: row.try_get(8).mapped()?,
    })
}

/// How many are selected, by reason.
pub(super) async fn count(
    connection: &mut Connection,
    key: &SubscriptionKey,
    query: &LetterQuery,
    reasons: usize,
) -> Result<LetterCount, StoreError> {
    let text = concat!(
        "SELECT reason, count(*) FROM subscription_dead
         WHERE subscription = ?1 AND position BETWEEN ?8 AND ?9 AND ",
        selected!(),
        " GROUP BY reason"
    );
    let mut by_reason = BTreeMap::new();
    for PositionRange { first, last } in query.selector.positions_after(0) {
        for row in asked(text, key, query).bind(int(first)).bind(int(last)).fetch_all(&mut *connection).await.mapped()? {
            *by_reason.entry(row.try_get::<String, _>(0).mapped()?).or_default() += natural(row.try_get(1).mapped()?)?;
        }
    }
    let total = by_reason.values().sum();
    let mut by_reason: Vec<_> = by_reason.into_iter().collect();
    by_reason.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    by_reason.truncate(reasons);
    Ok(LetterCount { total, by_reason })
}

/// How many there are of each reason, most first.
pub(super) async fn count_by_reason(
    connection: &mut Connection,
    key: &SubscriptionKey,
    limit: usize,
) -> Result<Vec<(String, u64)>, StoreError> {
    // By the index on reasons alone: histories are long.
    let text = "SELECT reason, count(*) FROM subscription_dead INDEXED BY subscription_dead_reason WHERE subscription = ?1
                GROUP BY reason ORDER BY 2 DESC, 1 LIMIT +?2";
    let query = sqlx::query(text).bind(text_key(key)).bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = query.fetch_all(connection).await.mapped()?;
    rows.iter().map(|row| Ok((row.try_get(0).mapped()?, natural(row.try_get(1).mapped()?)?))).collect()
}

/// Positions of all of them, by an index that has no histories in it, one row at a time.
pub(super) async fn positions(connection: &mut Connection, name: &str) -> Result<PositionSet, StoreError> {
    let text = "SELECT position FROM subscription_dead INDEXED BY subscription_dead_reason WHERE subscription = ?";
    let mut positions = PositionSet::default();
    let mut rows = sqlx::query(text).bind(name.to_owned()).fetch(connection);
    while let Some(row) = rows.try_next().await.mapped()? {
        positions.insert(natural(row.try_get(0).mapped()?)?);
    }
    Ok(positions)
}

/// How far a run is.
pub(super) async fn run(
    connection: &mut Connection,
    key: &SubscriptionKey,
    request_id: &str,
) -> Result<Option<LetterRun>, StoreError> {
    let text = "SELECT act, selector, head, entries, begun_at, selected, done, after FROM dead_letter_run
                WHERE subscription = ? AND request_id = ?";
    let found = sqlx::query(text).bind(text_key(key)).bind(request_id.to_owned()).fetch_optional(connection).await.mapped()?;
    let Some(row) = found else { return Ok(None) };
    let act: &str = row.try_get(0).mapped()?;
    let selector: Vec<u8> = row.try_get(1).mapped()?;
    Ok(Some(LetterRun {
        request_id: request_id.to_owned(),
        act: [LetterAct::Redrive, LetterAct::Discard]
            .into_iter()
            .find(|known| known.token() == act)
            .ok_or_else(|| damaged("dead_letter_run.act", act))?,
        selector: selector.try_into().map_err(|_| damaged("dead_letter_run.selector", "not 32 bytes"))?,
        head: natural(row.try_get(2).mapped()?)?,
        entries: natural(row.try_get(3).mapped()?)?,
        begun_at: row.try_get(4).mapped()?,
        selected: natural(row.try_get(5).mapped()?)?,
        done: natural(row.try_get(6).mapped()?)?,
        after: natural(row.try_get(7).mapped()?)?,
    }))
}
