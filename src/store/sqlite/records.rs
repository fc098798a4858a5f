//! Reading the ledger: by position, by record, by key, by kind.
//!
//! A record's first revision stands at its first position; later ones are found by the index of later revisions alone.

use futures_util::TryStreamExt as _;
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{
    Connection,
    errors::Mapped as _,
    int,
    keys::order_subject,
    natural,
    rows::{record_columns, stored_record},
    script::Binding,
};
use crate::{
    domain::{
        attributes::SubjectKey,
        draft::{OrderKey, StoredRecord},
        feeds::Feed,
        ids::{Micros, Position, RecordId, Revision},
        records::Kind,
    },
    store::{PageBounds, RecordQuery, StoreError},
};

/// Position of the revision of record `r` in force at `?2`.
macro_rules! in_force {
    () => {
        "CASE WHEN r.position <= ?2 THEN r.position ELSE COALESCE((SELECT l.position FROM revision l \
         WHERE l.first_position = r.first_position AND l.revision > 1 AND l.position <= ?2 ORDER BY l.revision DESC LIMIT 1), \
         r.first_position) END"
    };
}

/// The numbers of the segments of [`super::keys`] from `$first` to that of position `$last`, or to that of the head.
macro_rules! segments {
    ($first:literal, $last:literal) => {
        concat!(
            "segments (number) AS (SELECT ",
            $first,
            " UNION ALL SELECT number + 1 FROM segments WHERE number < (SELECT min(position, ",
            $last,
            ") FROM head) >> 14)"
        )
    };
}

/// Every statement, for the test that none of them reads a whole table.
#[cfg(test)]
pub(super) const STATEMENTS: [(&str, &str); 11] = [
    ("page", PAGE),
    ("order key", OF_ORDER_KEY),
    ("at", AT),
    ("superseded", SUPERSEDED),
    ("position at", POSITION_AT),
    ("in force", IN_FORCE),
    ("first", FIRST),
    ("later", LATER),
    ("subjects", BY_SUBJECTS),
    ("enterprise", OF_ENTERPRISE),
    ("kind", OF_KIND),
];

async fn all(connection: &mut Connection, query: Binding) -> Result<Vec<StoredRecord>, StoreError> {
    query.fetch_all(connection).await.mapped()?.iter().map(stored_record).collect()
}

async fn positions(connection: &mut Connection, query: Binding) -> Result<Vec<Position>, StoreError> {
    let position = |row: &SqliteRow| natural(row.try_get(0).mapped()?);
    query.fetch_all(connection).await.mapped()?.iter().map(position).collect()
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A JSON array of numbers.
pub(super) fn numbers(values: impl IntoIterator<Item = i64>) -> String {
    values.into_iter().collect::<serde_json::Value>().to_string()
}

const PAGE: &str = concat!(
    "SELECT ",
    record_columns!(),
    " FROM revision v CROSS JOIN record r ON r.first_position = v.first_position
         WHERE v.position > ?1 AND v.position <= ?2 ORDER BY v.position LIMIT ?3"
);

pub(super) async fn page(
    connection: &mut Connection,
    after: Position,
    upto: Position,
    bounds: PageBounds,
) -> Result<Vec<StoredRecord>, StoreError> {
    let query = sqlx::query(PAGE).bind(int(after)).bind(int(upto)).bind(rows(bounds.records.max(1)));
    let mut found = query.fetch(connection);
    let mut page = Vec::new();
    let mut bytes = 0;
    while let Some(row) = found.try_next().await.mapped()? {
        let record = stored_record(&row)?;
        bytes += record.sections.len();
        page.push(record);
        if bytes >= bounds.bytes {
            break;
        }
    }
    Ok(page)
}

const OF_ORDER_KEY: &str = concat!(
    "WITH RECURSIVE ",
    segments!("?2 >> 14", "?3"),
    " SELECT k.position FROM segments s CROSS JOIN record_key k ON k.segment = s.number AND k.key = ?1
      CROSS JOIN revision v ON v.position = k.position CROSS JOIN record r ON r.first_position = v.first_position
      WHERE k.position > ?2 AND k.position <= ?3 AND r.order_key = ?4 ORDER BY k.position LIMIT ?5"
);

pub(super) async fn page_of_key(
    connection: &mut Connection,
    key: &OrderKey,
    after: Position,
    upto: Position,
    limit: usize,
) -> Result<Vec<StoredRecord>, StoreError> {
    let query = sqlx::query(OF_ORDER_KEY)
        .bind(order_subject(key).0)
        .bind(int(after))
        .bind(int(upto))
        .bind(key.0.clone())
        .bind(rows(limit));
    let found = positions(connection, query).await?;
    at(connection, &found).await
}

const AT: &str = concat!(
    "SELECT ",
    record_columns!(),
    " FROM revision v CROSS JOIN record r ON r.first_position = v.first_position
         WHERE v.position IN (SELECT value FROM json_each(?1)) ORDER BY v.position"
);

pub(super) async fn at(connection: &mut Connection, wanted: &[Position]) -> Result<Vec<StoredRecord>, StoreError> {
    all(connection, sqlx::query(AT).bind(numbers(wanted.iter().map(|position| int(*position))))).await
}

const SUPERSEDED: &str = "SELECT v.position FROM revision v WHERE v.position >= ?1 AND v.position <= ?2
        AND EXISTS (SELECT 1 FROM revision l WHERE l.first_position = v.first_position AND l.revision > 1
                    AND l.revision = v.revision + 1 AND l.position <= ?3)
        ORDER BY v.position";

pub(super) async fn superseded(
    connection: &mut Connection,
    first: Position,
    last: Position,
    upto: Position,
) -> Result<Vec<Position>, StoreError> {
    positions(connection, sqlx::query(SUPERSEDED).bind(int(first)).bind(int(last)).bind(int(upto))).await
}

const POSITION_AT: &str = "SELECT position FROM commit_log WHERE committed_at <= ? ORDER BY committed_at DESC LIMIT 1";

pub(super) async fn position_at(connection: &mut Connection, time: Micros) -> Result<Position, StoreError> {
    Ok(positions(connection, sqlx::query(POSITION_AT).bind(time)).await?.pop().unwrap_or(0))
}

const IN_FORCE: &str = concat!(
    "SELECT ",
    record_columns!(),
    " FROM record r CROSS JOIN revision v ON v.position = ",
    in_force!(),
    " WHERE r.record_id = ?1 AND v.position <= ?2"
);

const FIRST: &str = concat!(
    "SELECT ",
    record_columns!(),
    " FROM record r CROSS JOIN revision v ON v.position = r.first_position WHERE r.record_id = ?1 AND v.position <= ?2"
);

const LATER: &str = concat!(
    "SELECT ",
    record_columns!(),
    " FROM record r CROSS JOIN revision v ON v.first_position = r.first_position AND v.revision > 1 AND v.revision = ?3
      WHERE r.record_id = ?1 AND v.position <= ?2"
);

pub(super) async fn record(
    connection: &mut Connection,
    id: &RecordId,
    revision: Option<Revision>,
    as_of: Position,
) -> Result<Option<StoredRecord>, StoreError> {
    let text = match revision {
        None => IN_FORCE,
        Some(1) => FIRST,
        Some(_) => LATER,
    };
    let query = sqlx::query(text).bind(id.as_str().to_owned()).bind(int(as_of));
    let query = match revision {
        Some(revision) if revision > 1 => query.bind(i64::from(revision)),
        _ => query,
    };
    Ok(all(connection, query).await?.pop())
}

// First the positions, then the rows: sorting must not carry the bytes along.
const BY_SUBJECTS: &str = concat!(
    "WITH RECURSIVE ",
    segments!("0", "?2"),
    " SELECT ",
    in_force!(),
    " AS standing FROM (
        SELECT k.position FROM json_each(?1) j CROSS JOIN segments s
            CROSS JOIN record_key k ON k.segment = s.number AND k.key = j.value WHERE k.position <= ?2
        UNION SELECT k.position FROM json_each(?1) j CROSS JOIN register_key k ON k.key = j.value WHERE k.position <= ?2) found
      CROSS JOIN record r ON r.first_position = found.position ORDER BY standing LIMIT ?3"
);

pub(super) async fn by_subjects(
    connection: &mut Connection,
    subjects: &[SubjectKey],
    as_of: Position,
    limit: usize,
) -> Result<Vec<StoredRecord>, StoreError> {
    let query =
        sqlx::query(BY_SUBJECTS).bind(numbers(subjects.iter().map(|subject| subject.0))).bind(int(as_of)).bind(rows(limit));
    let found = positions(connection, query).await?;
    at(connection, &found).await
}

pub(super) async fn list(
    connection: &mut Connection,
    query: &RecordQuery,
    as_of: Position,
    after: Position,
    limit: usize,
) -> Result<Vec<StoredRecord>, StoreError> {
    let kinds: Vec<Kind> = query
        .feeds
        .iter()
        .flat_map(|feed: &Feed| feed.kinds())
        .copied()
        .filter(|kind| query.kind.is_none_or(|wanted| wanted == *kind))
        .collect();
    let mut found = match query.credit_code {
        Some(_) => of_enterprise(connection, query, &kinds, as_of, after, limit).await?,
        None => of_kinds(connection, query, &kinds, as_of, after, limit).await?,
    };
    found.sort_unstable();
    found.dedup();
    found.truncate(limit);
    at(connection, &found).await
}

const OF_ENTERPRISE: &str = concat!(
    "WITH RECURSIVE ",
    segments!("0", "?2"),
    " SELECT DISTINCT v.position FROM segments s CROSS JOIN record_key k ON k.segment = s.number AND k.key = ?1
      CROSS JOIN record r ON r.first_position = k.position
      CROSS JOIN revision v ON v.position = ",
    in_force!(),
    " WHERE k.position <= ?2 AND v.position > ?3 AND v.position <= ?2 AND v.credit_code = ?4
      AND v.kind IN (SELECT value FROM json_each(?5)) AND (?6 IS NULL OR v.publisher = ?6)
      ORDER BY v.position LIMIT ?7"
);

/// Through the enterprise's key: few.
async fn of_enterprise(
    connection: &mut Connection,
    query: &RecordQuery,
    kinds: &[Kind],
    as_of: Position,
    after: Position,
    limit: usize,
) -> Result<Vec<Position>, StoreError> {
    let code = query.credit_code.map(|code| code.as_str().to_owned()).unwrap_or_default();
    let query = sqlx::query(OF_ENTERPRISE)
        .bind(SubjectKey::of("code", &code).0)
        .bind(int(as_of))
        .bind(int(after))
        .bind(code)
        .bind(numbers(kinds.iter().map(|kind| i64::from(kind.number()))))
        .bind(query.publisher.as_ref().map(|publisher| publisher.as_str().to_owned()))
        .bind(rows(limit));
    positions(connection, query).await
}

const OF_KIND: &str = "SELECT v.position FROM revision v WHERE v.kind = ?1 AND v.position > ?2 AND v.position <= ?3
        AND (?4 IS NULL OR v.publisher = ?4)
        AND NOT EXISTS (SELECT 1 FROM revision l WHERE l.first_position = v.first_position AND l.revision > 1
                        AND l.revision > v.revision AND l.position <= ?3)
        ORDER BY v.position LIMIT ?5";

/// Along the index of each kind.
async fn of_kinds(
    connection: &mut Connection,
    query: &RecordQuery,
    kinds: &[Kind],
    as_of: Position,
    after: Position,
    limit: usize,
) -> Result<Vec<Position>, StoreError> {
    let mut found = Vec::new();
    for kind in kinds {
        let query = sqlx::query(OF_KIND)
            .bind(i64::from(kind.number()))
            .bind(int(after))
            .bind(int(as_of))
            .bind(query.publisher.as_ref().map(|publisher| publisher.as_str().to_owned()))
            .bind(rows(limit));
        found.extend(positions(&mut *connection, query).await?);
    }
    Ok(found)
}
