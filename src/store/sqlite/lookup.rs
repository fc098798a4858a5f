//! Looking up by key: what was filed under a subject, an order key, an enterprise's code.
//!
//! Keys are cut into segments ([`super::keys`]). What is recent was found in memory ([`super::recent_keys`]); of the others, filters
//! say which need not be looked into ([`super::key_filters`]).
//! Each lookup is one statement, since every statement crosses to the driver's thread and back: first the positions, sorted and
//! counted, then their rows, so that sorting does not carry the bytes along. The rows come in the order of the positions, for that
//! is how the join runs; it is made sure of here, where it costs nothing.

use super::{
    Connection, int,
    key_filters::Places,
    keys::{SEGMENT_BITS, order_subject},
    packed::record_column,
    records::{all, in_force, kinds_of, numbers, rows},
    script::Binding,
};
use crate::{
    domain::{
        draft::{OrderKey, StoredRecord},
        ids::Position,
    },
    store::{RecordQuery, StoreError},
};

/// `probe`: segments and keys to look into. `?1` to `?4`: pairs, segments for all keys, keys, and positions found in memory.
macro_rules! probe {
    () => {
        "WITH probe (segment, key) AS (SELECT value ->> 0, value ->> 1 FROM json_each(?1)
            UNION ALL SELECT s.value, j.value FROM json_each(?2) s CROSS JOIN json_each(?3) j)"
    };
}

/// Revisions at the positions of `wanted`.
macro_rules! of_wanted {
    () => {
        concat!(
            " SELECT ",
            record_column!(),
            " FROM wanted CROSS JOIN revision v ON v.position = wanted.position
              CROSS JOIN record r ON r.first_position = v.first_position"
        )
    };
}

/// Every statement, for the test that none of them reads a whole table.
#[cfg(test)]
pub(super) const STATEMENTS: [(&str, &str); 4] = [
    ("order key", OF_ORDER_KEY),
    ("subjects", BY_SUBJECTS),
    ("enterprise", OF_ENTERPRISE),
    ("keys of a segment", super::key_filters::KEYS_OF_SEGMENT),
];

/// A statement over `probe!`, up to `upto`; `recent` are positions found in memory.
fn asked(text: &'static str, places: &Places, recent: impl Iterator<Item = i64>, keys: &[i64], upto: Position) -> Binding {
    let pairs: serde_json::Value = places.pairs.iter().map(|pair| serde_json::Value::from(pair.as_slice())).collect();
    sqlx::query(text)
        .bind(pairs.to_string())
        .bind(numbers(places.unknown.iter().copied()))
        .bind(numbers(keys.iter().copied()))
        .bind(numbers(recent))
        .bind(int(upto))
}

/// What was found in memory.
fn recent(places: &Places) -> impl Iterator<Item = i64> {
    places.recent.iter().map(|(_, position)| *position)
}

async fn in_order(connection: &mut Connection, query: Binding) -> Result<Vec<StoredRecord>, StoreError> {
    let mut found = all(connection, query).await?;
    found.sort_by_key(|stored| stored.position);
    Ok(found)
}

// A revision files its own position in its own segment; the first position of its record, filed again by later ones, is in others
// too, and must not be counted twice.
const OF_ORDER_KEY: &str = concat!(
    probe!(),
    ", found (position) AS (
        SELECT k.position FROM probe p CROSS JOIN record_key k ON k.segment = p.segment AND k.key = p.key
            WHERE k.position > ?6 AND k.position <= ?5 AND p.segment = k.position >> 14
        UNION SELECT value FROM json_each(?4) WHERE value > ?6 AND value <= ?5),
      wanted (position) AS (
        SELECT f.position FROM found f CROSS JOIN revision v ON v.position = f.position
            CROSS JOIN record r ON r.first_position = v.first_position
        WHERE r.order_key = ?7 ORDER BY f.position LIMIT +?8)",
    of_wanted!()
);

pub(super) async fn page_of_key(
    connection: &mut Connection,
    places: &Places,
    key: &OrderKey,
    after: Position,
    upto: Position,
    limit: usize,
) -> Result<Vec<StoredRecord>, StoreError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let own = places.recent.iter().filter(|(segment, position)| *segment == position.cast_unsigned() >> SEGMENT_BITS);
    let query = asked(OF_ORDER_KEY, places, own.map(|(_, position)| *position), &[order_subject(key).0], upto);
    in_order(connection, query.bind(int(after)).bind(key.0.as_ref().to_owned()).bind(rows(limit))).await
}

const BY_SUBJECTS: &str = concat!(
    probe!(),
    ", found (position) AS (
        SELECT k.position FROM probe p CROSS JOIN record_key k ON k.segment = p.segment AND k.key = p.key WHERE k.position <= ?5
        UNION SELECT value FROM json_each(?4) WHERE value <= ?5
        UNION SELECT k.position FROM json_each(?3) j CROSS JOIN register_key k ON k.key = j.value WHERE k.position <= ?5),
      wanted (position) AS (SELECT ",
    in_force!("?5"),
    " AS standing FROM found CROSS JOIN record r ON r.first_position = found.position ORDER BY standing LIMIT +?6)",
    of_wanted!()
);

pub(super) async fn by_subjects(
    connection: &mut Connection,
    places: &Places,
    keys: &[i64],
    as_of: Position,
    limit: usize,
) -> Result<Vec<StoredRecord>, StoreError> {
    in_order(connection, asked(BY_SUBJECTS, places, recent(places), keys, as_of).bind(rows(limit))).await
}

const OF_ENTERPRISE: &str = concat!(
    probe!(),
    ", found (position) AS (
        SELECT k.position FROM probe p CROSS JOIN record_key k ON k.segment = p.segment AND k.key = p.key WHERE k.position <= ?5
        UNION SELECT value FROM json_each(?4) WHERE value <= ?5),
      wanted (position) AS (
        SELECT DISTINCT v.position FROM found f CROSS JOIN record r ON r.first_position = f.position
            CROSS JOIN revision v ON v.position = ",
    in_force!("?5"),
    "   WHERE v.position > ?6 AND v.position <= ?5 AND v.credit_code = ?7
            AND v.kind IN (SELECT value FROM json_each(?8)) AND (?9 IS NULL OR v.publisher = ?9)
        ORDER BY v.position LIMIT +?10)",
    of_wanted!()
);

/// A list of records of one enterprise, of which `key` is the key.
pub(super) async fn of_enterprise(
    connection: &mut Connection,
    places: &Places,
    key: i64,
    query: &RecordQuery,
    as_of: Position,
    after: Position,
    limit: usize,
) -> Result<Vec<StoredRecord>, StoreError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let kinds = kinds_of(query).into_iter().map(|kind| i64::from(kind.number()));
    let asked = asked(OF_ENTERPRISE, places, recent(places), &[key], as_of)
        .bind(int(after))
        .bind(query.credit_code.map(|code| code.as_str().to_owned()))
        .bind(numbers(kinds))
        .bind(query.publisher.as_ref().map(|publisher| publisher.as_str().to_owned()))
        .bind(rows(limit));
    in_order(connection, asked).await
}
