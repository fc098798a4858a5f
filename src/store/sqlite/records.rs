//! Reading the ledger: by position, by record, by kind. By key: see [`super::lookup`].
//!
//! A record's first revision stands at its first position; later ones are found by the index of later revisions alone.
//!
//! A bound limit is written `LIMIT +?`: of a bare `LIMIT ?` SQLite takes the value into the plan, and compiles the statement anew
//! whenever values are bound, which costs several times what the statement does.

use futures_util::TryStreamExt as _;
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{
    Connection,
    errors::Mapped as _,
    int, natural,
    packed::{packed_text, record_column, stored_record, stored_records},
    script::Binding,
};
use crate::{
    domain::{
        draft::StoredRecord,
        feeds::Feed,
        ids::{Micros, Position, RecordId, Revision},
        records::Kind,
    },
    store::{PageBounds, RecordQuery, StoreError},
};

/// Position of the revision of record `r` in force at the position that parameter `$as_of` holds.
macro_rules! in_force {
    ($as_of:literal) => {
        concat!(
            "CASE WHEN r.position <= ",
            $as_of,
            " THEN r.position ELSE COALESCE((SELECT l.position FROM revision l WHERE l.first_position = r.first_position AND l.revision > 1 \
             AND l.position <= ",
            $as_of,
            " ORDER BY l.revision DESC LIMIT 1), r.first_position) END"
        )
    };
}
pub(super) use in_force;

/// Every statement, for the test that none of them reads a whole table.
#[cfg(test)]
pub(super) const STATEMENTS: [(&str, &str); 9] = [
    ("page", PAGE),
    ("at", AT),
    ("superseded", SUPERSEDED),
    ("position at", POSITION_AT),
    ("in force", IN_FORCE),
    ("first", FIRST),
    ("later", LATER),
    ("kind", OF_KIND),
    ("without code", WITHOUT_CODE),
];

pub(super) async fn all(connection: &mut Connection, query: Binding) -> Result<Vec<StoredRecord>, StoreError> {
    query.fetch_all(connection).await.mapped()?.iter().map(stored_record).collect()
}

async fn positions(connection: &mut Connection, query: Binding) -> Result<Vec<Position>, StoreError> {
    let position = |row: &SqliteRow| natural(row.try_get(0).mapped()?);
    query.fetch_all(connection).await.mapped()?.iter().map(position).collect()
}

/// A limit as SQLite takes it.
pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A JSON array of numbers.
pub(super) fn numbers(values: impl IntoIterator<Item = i64>) -> String {
    values.into_iter().collect::<serde_json::Value>().to_string()
}

// Eight records come as one value: large enough that the driver's work on it does not count, small enough that a few of the largest
// records wait in memory at a time.
const PAGE: &str = concat!(
    "WITH RECURSIVE run (after) AS (SELECT ?1 UNION ALL SELECT after + 8 FROM run
                                    WHERE after + 8 < min(?2, (SELECT position FROM head)))
     SELECT CAST((SELECT group_concat(packed, '') FROM (SELECT ",
    packed_text!(),
    " AS packed FROM revision v CROSS JOIN record r ON r.first_position = v.first_position
         WHERE v.position > run.after AND v.position <= min(run.after + 8, ?2) ORDER BY v.position) one) AS BLOB) FROM run"
);

pub(super) async fn page(
    connection: &mut Connection,
    after: Position,
    upto: Position,
    bounds: PageBounds,
) -> Result<Vec<StoredRecord>, StoreError> {
    let upto = upto.min(after.saturating_add(bounds.records.max(1) as u64));
    let mut page: Vec<StoredRecord> = Vec::new();
    if upto <= after {
        return Ok(page);
    }
    let query = sqlx::query(PAGE).bind(int(after)).bind(int(upto));
    let mut found = query.fetch(connection);
    let (mut bytes, mut counted) = (0, 0);
    while let Some(row) = found.try_next().await.mapped()? {
        stored_records(&row, &mut page)?;
        while let Some(record) = page.get(counted) {
            (bytes, counted) = (bytes + record.sections.len(), counted + 1);
            if bytes >= bounds.bytes {
                page.truncate(counted);
                return Ok(page);
            }
        }
    }
    Ok(page)
}

const AT: &str = concat!(
    "SELECT ",
    record_column!(),
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
    record_column!(),
    " FROM record r CROSS JOIN revision v ON v.position = ",
    in_force!("?2"),
    " WHERE r.record_id = ?1 AND v.position <= ?2"
);

const FIRST: &str = concat!(
    "SELECT ",
    record_column!(),
    " FROM record r CROSS JOIN revision v ON v.position = r.first_position WHERE r.record_id = ?1 AND v.position <= ?2"
);

const LATER: &str = concat!(
    "SELECT ",
    record_column!(),
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

/// The kinds that a question admits.
pub(super) fn kinds_of(query: &RecordQuery) -> Vec<Kind> {
    let kinds = query.feeds.iter().flat_map(|feed: &Feed| feed.kinds()).copied();
    kinds.filter(|kind| query.kind.is_none_or(|wanted| wanted == *kind)).collect()
}

/// For questions that name no enterprise.
pub(super) async fn list(
    connection: &mut Connection,
    query: &RecordQuery,
    as_of: Position,
    after: Position,
    limit: usize,
) -> Result<Vec<StoredRecord>, StoreError> {
    let kinds = kinds_of(query);
    let mut found = if query.without_code {
        let asked = sqlx::query(WITHOUT_CODE).bind(int(after)).bind(int(as_of)).bind(rows(limit));
        positions(&mut *connection, asked).await?
    } else {
        of_kinds(connection, query, &kinds, as_of, after, limit).await?
    };
    found.sort_unstable();
    found.dedup();
    found.truncate(limit);
    at(connection, &found).await
}

const OF_KIND: &str = "SELECT v.position FROM revision v WHERE v.kind = ?1 AND v.position > ?2 AND v.position <= ?3
        AND (?4 IS NULL OR v.publisher = ?4)
        AND NOT EXISTS (SELECT 1 FROM revision l WHERE l.first_position = v.first_position AND l.revision > 1
                        AND l.revision > v.revision AND l.position <= ?3)
        ORDER BY v.position LIMIT +?5";

// Along its own index, which holds these alone.
const WITHOUT_CODE: &str = "SELECT v.position FROM revision v WHERE v.kind = 1 AND v.credit_code IS NULL AND v.withdrawn = 0
        AND v.position > ?1 AND v.position <= ?2
        AND NOT EXISTS (SELECT 1 FROM revision l WHERE l.first_position = v.first_position AND l.revision > 1
                        AND l.revision > v.revision AND l.position <= ?2)
        ORDER BY v.position LIMIT +?3";

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
