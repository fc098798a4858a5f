//! Subscriptions: what is kept of them, written as net changes, read whole.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _, sqlite::SqliteRow};

use super::{
    Connection, dead_letters,
    errors::{Mapped as _, damaged},
    natural,
    rows::parse_participant,
    script::Script,
};
use crate::{
    domain::{
        delivery::{AckChunk, Attempt, BlockedKey, Pausing, RetryRow, SubscriptionKey, SubscriptionRow, SubscriptionState},
        digest::hex,
        draft::OrderKey,
        ids::{ParticipantId, Position},
        ledger::SubscriptionWrite,
        position_set::PositionSet,
    },
    store::{
        StoreError,
        encoding::{decode, encode},
    },
};

/// A subscription's name as tables have it.
pub(super) fn text_key(key: &SubscriptionKey) -> String {
    format!("{}/{}", key.participant, key.name)
}

/// Reads what [`text_key`] wrote.
pub(super) fn parse_key(text: &str) -> Result<SubscriptionKey, StoreError> {
    let (participant, name) = text.split_once('/').ok_or_else(|| damaged("a subscription", text))?;
    Ok(SubscriptionKey { participant: parse_participant(participant)?, name: name.to_owned() })
}

/// Statements that drop everything of the subscriptions named in a JSON array.
const DROP_ALL: [&str; 6] = [
    "DELETE FROM subscription WHERE subscription IN (SELECT value FROM json_each(?))",
    "DELETE FROM subscription_chunk WHERE subscription IN (SELECT value FROM json_each(?))",
    "DELETE FROM subscription_retry WHERE subscription IN (SELECT value FROM json_each(?))",
    "DELETE FROM subscription_dead WHERE subscription IN (SELECT value FROM json_each(?))",
    "DELETE FROM subscription_blocked WHERE subscription IN (SELECT value FROM json_each(?))",
    "DELETE FROM dead_letter_run WHERE subscription IN (SELECT value FROM json_each(?))",
];

const CREATE: &str = "INSERT INTO subscription
    (subscription, spec, created_at, start_floor, snapshot_at, epoch, floor, failures, circuit_since)
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4, 0, value->>3, 0, NULL FROM json_each(?)";

// A NULL leaves the column as it is; the circuit's time may become NULL, so that its presence is said apart, and so may that of a
// pause: 0 says that it is over.
const MOVE: &str = "UPDATE subscription SET
    epoch = COALESCE(n.epoch, subscription.epoch), floor = COALESCE(n.floor, subscription.floor),
    failures = COALESCE(n.failures, subscription.failures),
    circuit_since = CASE WHEN n.failures IS NULL THEN subscription.circuit_since ELSE n.since END,
    paused_since = CASE WHEN n.paused IS NULL THEN subscription.paused_since ELSE NULLIF(n.paused, 0) END,
    settings_revision = COALESCE(n.revision, subscription.settings_revision), spec = COALESCE(n.spec, subscription.spec),
    sought_epoch = COALESCE(n.sought, subscription.sought_epoch), snapshot_at = COALESCE(n.snapshot, subscription.snapshot_at)
    FROM (SELECT value->>0 AS name, value->>1 AS epoch, value->>2 AS floor, value->>3 AS failures, value->>4 AS since,
          value->>5 AS paused, value->>6 AS revision, value->>7 AS spec, value->>8 AS sought, value->>9 AS snapshot
          FROM json_each(?)) AS n
    WHERE subscription.subscription = n.name";

const DROP_CHUNKS: &str = "DELETE FROM subscription_chunk WHERE (subscription, chunk) IN
    (SELECT c.subscription, c.chunk FROM json_each(?) j CROSS JOIN subscription_chunk c
     ON c.subscription = j.value->>0 AND c.chunk < j.value->>1)";
const PUT_CHUNKS: &str = "INSERT OR REPLACE INTO subscription_chunk (subscription, chunk, bits)
    SELECT value->>0, value->>1, unhex(value->>2) FROM json_each(?)";

const DROP_RETRIES: &str =
    "DELETE FROM subscription_retry WHERE (subscription, position) IN (SELECT value->>0, value->>1 FROM json_each(?))";
const PUT_RETRIES: &str = "INSERT OR REPLACE INTO subscription_retry
    (subscription, position, order_key, failures, due, suspect, redriven, redrives, history, left_out)
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, value->>9
    FROM json_each(?)";

const DROP_BLOCKED: &str =
    "DELETE FROM subscription_blocked WHERE (subscription, order_key) IN (SELECT value->>0, value->>1 FROM json_each(?))";
const PUT_BLOCKED: &str = "INSERT OR REPLACE INTO subscription_blocked (subscription, order_key, blocked_by, resume_after, since)
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(?)";

/// Rows of all subscriptions of a group for one statement.
pub(super) fn rows<'w>(
    writes: &'w BTreeMap<SubscriptionKey, SubscriptionWrite>,
    of_one: impl Fn(&str, &'w SubscriptionWrite) -> Vec<Value>,
) -> Vec<Value> {
    writes.iter().flat_map(|(key, write)| of_one(&text_key(key), write)).collect()
}

/// Writes the net changes of a group: each statement at most once. `entries`: entries in the evidence log after it.
pub(super) fn write(script: &mut Script, writes: &BTreeMap<SubscriptionKey, SubscriptionWrite>, entries: u64) {
    if writes.is_empty() {
        return;
    }
    let dropped = rows(writes, |name, write| if write.drop_all { vec![json!(name)] } else { Vec::new() });
    if !dropped.is_empty() {
        for text in DROP_ALL {
            script.add_json(text, dropped.clone());
        }
    }
    script.add_json(CREATE, rows(writes, |name, write| write.create.iter().map(|row| create_row(name, row)).collect()));
    script.add_json(MOVE, rows(writes, |name, write| moved(name, write).into_iter().collect()));
    let below =
        |name: &str, write: &SubscriptionWrite| write.drop_chunks_below.map(|below| json!([name, below])).into_iter().collect();
    script.add_json(DROP_CHUNKS, rows(writes, below));
    let chunks = |name: &str, write: &SubscriptionWrite| {
        write.chunks.iter().map(|(number, chunk)| json!([name, number, hex(&chunk_bytes(chunk))])).collect()
    };
    script.add_json(PUT_CHUNKS, rows(writes, chunks));
    script.add_json(DROP_RETRIES, rows(writes, |name, write| dropped_rows(name, &write.retries)));
    script.add_json(PUT_RETRIES, rows(writes, |name, write| put_rows(&write.retries, |row| retry_row(name, row))));
    dead_letters::write(script, writes, entries);
    let unblocked = |name: &str, write: &SubscriptionWrite| {
        write.blocked.iter().filter(|(_, row)| row.is_none()).map(|(key, _)| json!([name, &*key.0])).collect()
    };
    script.add_json(DROP_BLOCKED, rows(writes, unblocked));
    let blocked = |row: &BlockedKey, name: &str| json!([name, &*row.order_key.0, row.blocked_by, row.resume_after, row.since]);
    script.add_json(PUT_BLOCKED, rows(writes, |name, write| put_rows(&write.blocked, |row| blocked(row, name))));
}

pub(super) fn dropped_rows<T>(name: &str, rows: &BTreeMap<Position, Option<T>>) -> Vec<Value> {
    rows.iter().filter(|(_, row)| row.is_none()).map(|(position, _)| json!([name, position])).collect()
}

pub(super) fn put_rows<K, T>(rows: &BTreeMap<K, Option<T>>, form: impl Fn(&T) -> Value) -> Vec<Value> {
    rows.values().flatten().map(form).collect()
}

fn create_row(name: &str, row: &SubscriptionRow) -> Value {
    json!([name, encode(&row.spec), row.created_at, row.start_floor, row.snapshot_at])
}

fn moved(name: &str, write: &SubscriptionWrite) -> Option<Value> {
    let place = write.epoch.is_some() || write.floor.is_some() || write.sought.is_some();
    let changed = place || write.circuit.is_some() || write.pausing.is_some() || write.settings.is_some();
    let failures = write.circuit.map(|(failures, _)| failures);
    let since = write.circuit.and_then(|(_, since)| since);
    let paused = write.pausing.map(|pausing| match pausing {
        Pausing::Since(since) => since,
        Pausing::Over => 0,
    });
    let (revision, spec) = write.settings.as_ref().map(|settings| (settings.revision, encode(&settings.spec))).unzip();
    let (epoch, snapshot) = write.sought.map(|sought| (sought.epoch, sought.snapshot_at)).unzip();
    changed.then(|| json!([name, write.epoch, write.floor, failures, since, paused, revision, spec, epoch, snapshot]))
}

fn retry_row(name: &str, row: &RetryRow) -> Value {
    json!([
        name,
        row.position,
        &*row.order_key.0,
        row.failures,
        row.due,
        u8::from(row.suspect),
        u8::from(row.redriven),
        row.redrives,
        encode(&row.history),
        row.left_out
    ])
}

fn chunk_bytes(chunk: &AckChunk) -> Vec<u8> {
    chunk.0.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn parse_chunk(bytes: &[u8]) -> Result<AckChunk, StoreError> {
    let (words, rest) = bytes.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|word| u64::from_be_bytes(*word)).collect();
    let words: Box<[u64; 64]> =
        words.into_boxed_slice().try_into().map_err(|_| damaged("subscription_chunk.bits", "not 64 words"))?;
    if rest.is_empty() { Ok(AckChunk(words)) } else { Err(damaged("subscription_chunk.bits", "not 64 words")) }
}

/// Everything kept of a subscription, of one moment.
pub(super) async fn load(connection: &mut Connection, key: &SubscriptionKey) -> Result<Option<SubscriptionState>, StoreError> {
    let mut moment = connection.begin().await.mapped()?;
    let state = load_inside(&mut moment, key).await;
    moment.rollback().await.mapped()?;
    state
}

pub(super) async fn load_inside(
    connection: &mut Connection,
    key: &SubscriptionKey,
) -> Result<Option<SubscriptionState>, StoreError> {
    let name = text_key(key);
    let text = "SELECT spec, created_at, start_floor, snapshot_at, epoch, floor, failures, circuit_since,
                settings_revision, paused_since, sought_epoch FROM subscription WHERE subscription = ?";
    let Some(row) = sqlx::query(text).bind(name.clone()).fetch_optional(&mut *connection).await.mapped()? else {
        return Ok(None);
    };
    let mut state = SubscriptionState {
        row: SubscriptionRow {
            key: key.clone(),
            spec: decode(row.try_get(0).mapped()?)?,
            created_at: row.try_get(1).mapped()?,
            start_floor: natural(row.try_get(2).mapped()?)?,
            snapshot_at: natural(row.try_get(3).mapped()?)?,
        },
        epoch: natural(row.try_get(4).mapped()?)?,
        floor: natural(row.try_get(5).mapped()?)?,
        chunks: BTreeMap::new(),
        retrying: BTreeMap::new(),
        blocked: BTreeMap::new(),
        dead: PositionSet::default(),
        consecutive_failures: row.try_get(6).mapped()?,
        circuit_open_since: row.try_get(7).mapped()?,
        settings_revision: natural(row.try_get(8).mapped()?)?,
        paused_since: row.try_get(9).mapped()?,
        sought_epoch: natural(row.try_get(10).mapped()?)?,
    };
    for row in fetch(connection, "SELECT chunk, bits FROM subscription_chunk WHERE subscription = ?", &name).await? {
        state.chunks.insert(natural(row.try_get(0).mapped()?)?, parse_chunk(row.try_get(1).mapped()?)?);
    }
    let text = "SELECT position, order_key, failures, due, suspect, redriven, redrives, history, left_out
                FROM subscription_retry WHERE subscription = ?";
    for row in fetch(connection, text, &name).await? {
        let row = parse_retry(&row)?;
        state.retrying.insert(row.position, row);
    }
    let text = "SELECT order_key, blocked_by, resume_after, since FROM subscription_blocked WHERE subscription = ?";
    for row in fetch(connection, text, &name).await? {
        let row = parse_blocked(&row)?;
        state.blocked.insert(row.order_key.clone(), row);
    }
    state.dead = dead_letters::positions(connection, &name).await?;
    Ok(Some(state))
}

async fn fetch(connection: &mut Connection, text: &'static str, name: &str) -> Result<Vec<SqliteRow>, StoreError> {
    sqlx::query(text).bind(name.to_owned()).fetch_all(connection).await.mapped()
}

pub(super) fn order_key(row: &SqliteRow, index: usize) -> Result<OrderKey, StoreError> {
    Ok(OrderKey(row.try_get::<&str, _>(index).mapped()?.into()))
}

pub(super) fn history(row: &SqliteRow, index: usize) -> Result<Vec<Attempt>, StoreError> {
    decode(row.try_get(index).mapped()?)
}

fn parse_retry(row: &SqliteRow) -> Result<RetryRow, StoreError> {
    Ok(RetryRow {
        position: natural(row.try_get(0).mapped()?)?,
        order_key: order_key(row, 1)?,
        failures: row.try_get(2).mapped()?,
        due: row.try_get(3).mapped()?,
        suspect: row.try_get(4).mapped()?,
        redriven: row.try_get(5).mapped()?,
        redrives: row.try_get(6).mapped()?,
        history: history(row, 7)?,
        left_out: row.try_get(8).mapped()?,
    })
}

fn parse_blocked(row: &SqliteRow) -> Result<BlockedKey, StoreError> {
    Ok(BlockedKey {
        order_key: order_key(row, 0)?,
        blocked_by: natural(row.try_get(1).mapped()?)?,
        resume_after: natural(row.try_get(2).mapped()?)?,
        since: row.try_get(3).mapped()?,
    })
}

pub(super) async fn names(
    connection: &mut Connection,
    participant: &ParticipantId,
    after: &str,
    limit: usize,
) -> Result<Vec<String>, StoreError> {
    // All names of a participant lie between `p/` and `p0`, since `0` follows `/`.
    let text =
        "SELECT subscription FROM subscription WHERE subscription > ?1 AND subscription < ?2 ORDER BY subscription LIMIT +?3";
    let query = sqlx::query(text)
        .bind(format!("{participant}/{after}"))
        .bind(format!("{participant}0"))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = query.fetch_all(connection).await.mapped()?;
    rows.iter().map(|row| Ok(parse_key(row.try_get(0).mapped()?)?.name)).collect()
}
