//! The evidence log: appended in the transaction of its facts, searched by narrow indexes, proved from leaf hashes and the
//! subtrees of every eighth level.

use std::sync::LazyLock;

use serde_json::json;
use sqlx::{Connection as _, QueryBuilder, Row as _, Sqlite, sqlite::SqliteRow};

use super::{
    Connection,
    errors::{Mapped as _, damaged},
    int, natural,
    records::numbers,
    script::Writing,
    set_rows::{NumbersInsert, RowInsert},
};
use crate::{
    domain::{
        digest::{Digest, hex, index_key},
        evidence::{Entry, NodeId, PositionRange, complete_root, read_entry, stored_parts},
        ids::Position,
        ledger::{SealedEntry, WritePlan},
    },
    store::{EvidenceQuery, StoreError},
};

/// Positions of one block of the index by position.
const BLOCK_POSITIONS: u64 = 4096;
/// Candidates read at once by a search that compares more than its indexes know.
const CANDIDATES: usize = 256;

static ENTRIES: LazyLock<RowInsert> =
    LazyLock::new(|| RowInsert::new("INSERT INTO evidence (idx, kind, participant, system, outcome, leaf, entry)", 7, ""));
static SUBJECTS: LazyLock<NumbersInsert<2>> =
    LazyLock::new(|| NumbersInsert::new("INSERT OR IGNORE INTO evidence_subject (key, idx)"));
static BLOCKS: LazyLock<NumbersInsert<2>> =
    LazyLock::new(|| NumbersInsert::new("INSERT OR IGNORE INTO evidence_block (block, idx)"));

pub(super) fn subject_key(subject: &str) -> i64 {
    index_key("evidence-subject", subject)
}

pub(super) fn blocks(ranges: &[PositionRange]) -> impl Iterator<Item = i64> + '_ {
    ranges.iter().flat_map(|range| range.first / BLOCK_POSITIONS..=range.last / BLOCK_POSITIONS).map(int)
}

/// Appends the group's entries and what they are found by.
pub(super) async fn write(writing: &mut Writing<'_>, plan: &WritePlan) -> Result<(), StoreError> {
    ENTRIES
        .write(writing, &plan.evidence, |values, entry| {
            values
                .bind(int(entry.index))
                .bind(entry.kind as i32)
                .bind(entry.participant.clone())
                .bind(entry.system.clone())
                .bind(entry.outcome.clone())
                .bind(entry.leaf.to_vec())
                .bind(entry.bytes.clone())
        })
        .await?;
    let subjects = |entry: &SealedEntry| {
        let index = int(entry.index);
        entry.subjects.iter().map(move |subject| [subject_key(subject), index]).collect::<Vec<_>>()
    };
    let mut subjects: Vec<_> = plan.evidence.iter().flat_map(subjects).collect();
    subjects.sort_unstable();
    SUBJECTS.write(writing, &subjects).await?;
    let mut touched: Vec<_> =
        plan.evidence.iter().flat_map(|entry| blocks(&entry.positions).map(|block| [block, int(entry.index)])).collect();
    touched.sort_unstable();
    touched.dedup();
    BLOCKS.write(writing, &touched).await?;
    let subtrees = plan.subtrees.iter().map(|done| json!([done.node.0, done.node.1, hex(&done.hash)]));
    let text = "INSERT INTO evidence_subtree (level, idx, hash) SELECT value->>0, value->>1, unhex(value->>2) FROM json_each(?)";
    writing.script.add_json(text, subtrees.collect());
    Ok(())
}

type Found = Vec<(u64, Vec<u8>)>;

fn found(row: &SqliteRow) -> Result<(u64, Vec<u8>), StoreError> {
    Ok((natural(row.try_get(0).mapped()?)?, row.try_get(1).mapped()?))
}

pub(super) async fn entries(connection: &mut Connection, first: u64, limit: usize) -> Result<Found, StoreError> {
    let text = "SELECT idx, entry FROM evidence WHERE idx >= ? ORDER BY idx LIMIT +?";
    let query = sqlx::query(text).bind(int(first)).bind(i64::try_from(limit).unwrap_or(i64::MAX));
    query.fetch_all(connection).await.mapped()?.iter().map(found).collect()
}

/// What a search compares, with what the question means in the ledger.
struct Search<'q> {
    query: &'q EvidenceQuery,
    /// Positions of the record that the subject names, if it names one.
    of_record: Vec<Position>,
    from: u64,
    before: u64,
}

impl Search<'_> {
    fn statement(&self, limit: usize) -> QueryBuilder<Sqlite> {
        let mut builder = QueryBuilder::new("SELECT e.idx, e.entry FROM evidence e WHERE e.idx >= ");
        builder.push_bind(int(self.from)).push(" AND e.idx < ").push_bind(int(self.before));
        if let Some(kind) = self.query.kind {
            builder.push(" AND e.kind = ").push_bind(kind as i32);
        }
        for (column, value) in [
            (" AND e.participant = ", &self.query.participant),
            (" AND e.system = ", &self.query.system),
            (" AND e.outcome = ", &self.query.outcome),
        ] {
            if !value.is_empty() {
                builder.push(column).push_bind(value.clone());
            }
        }
        if !self.query.subject.is_empty() {
            let blocks = self.of_record.iter().map(|position| int(position / BLOCK_POSITIONS));
            builder
                .push(" AND e.idx IN (SELECT idx FROM evidence_subject WHERE key = ")
                .push_bind(subject_key(&self.query.subject));
            builder.push(" UNION SELECT idx FROM evidence_block WHERE block IN (SELECT value FROM json_each(");
            builder.push_bind(numbers(blocks)).push(")))");
        }
        if self.query.position > 0 {
            builder.push(" AND e.idx IN (SELECT idx FROM evidence_block WHERE block = ");
            builder.push_bind(int(self.query.position / BLOCK_POSITIONS)).push(")");
        }
        builder.push(" ORDER BY e.idx LIMIT +").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        builder
    }

    /// The indexes by subject and position are coarse; the entry's own words decide.
    fn fits(&self, entry: &Entry) -> bool {
        let covers = |position: Position| entry.positions.iter().any(|range| range.first <= position && position <= range.last);
        let subject = &self.query.subject;
        let names =
            subject.is_empty() || entry.subjects.contains(subject) || self.of_record.iter().any(|position| covers(*position));
        names && (self.query.position == 0 || covers(self.query.position))
    }
}

/// Searches, of one moment. A subject that is a record id also finds the entries that speak of its positions: who published,
/// received and settled it.
pub(super) async fn search(
    connection: &mut Connection,
    query: &EvidenceQuery,
    after: Option<u64>,
    limit: usize,
) -> Result<Found, StoreError> {
    let mut moment = connection.begin().await.mapped()?;
    let result = search_inside(&mut moment, query, after, limit).await;
    moment.rollback().await.mapped()?;
    result
}

async fn search_inside(
    connection: &mut Connection,
    query: &EvidenceQuery,
    after: Option<u64>,
    limit: usize,
) -> Result<Found, StoreError> {
    let of_record = positions_of(connection, &query.subject).await?;
    let from = size_before(connection, query.from, 0).await?.max(after.map_or(0, |after| after.saturating_add(1)));
    let before = size_before(connection, query.to, u64::MAX).await?;
    let mut search = Search { query, of_record, from, before };
    let coarse = !query.subject.is_empty() || query.position > 0;
    let step = if coarse { CANDIDATES } else { limit };
    let mut fitting = Vec::new();
    while fitting.len() < limit {
        let rows = search.statement(step).build().fetch_all(&mut *connection).await.mapped()?;
        for row in &rows {
            let (index, bytes) = found(row)?;
            search.from = index + 1;
            let fits = !coarse || search.fits(&read_entry(&bytes).map_err(|error| damaged("evidence.entry", error))?);
            if fits && fitting.len() < limit {
                fitting.push((index, bytes));
            }
        }
        if rows.len() < step || step == 0 {
            break;
        }
    }
    Ok(fitting)
}

/// Positions of all revisions of a record; none if there is no such record.
async fn positions_of(connection: &mut Connection, record_id: &str) -> Result<Vec<Position>, StoreError> {
    if record_id.is_empty() {
        return Ok(Vec::new());
    }
    let text = "SELECT r.first_position FROM record r WHERE r.record_id = ?1 UNION
                SELECT v.position FROM record r CROSS JOIN revision v ON v.first_position = r.first_position AND v.revision > 1
                WHERE r.record_id = ?1";
    let rows = sqlx::query(text).bind(record_id.to_owned()).fetch_all(connection).await.mapped()?;
    rows.iter().map(|row| natural(row.try_get(0).mapped()?)).collect()
}

/// Entries committed before a time: the index of the first one at or after it.
async fn size_before(connection: &mut Connection, time: Option<i64>, absent: u64) -> Result<u64, StoreError> {
    let Some(time) = time else { return Ok(absent) };
    let text = "SELECT evidence_size FROM commit_log WHERE committed_at < ? ORDER BY committed_at DESC LIMIT 1";
    let row = sqlx::query(text).bind(time).fetch_optional(connection).await.mapped()?;
    row.map_or(Ok(0), |row| natural(row.try_get(0).mapped()?))
}

/// Hashes of complete subtrees, each from the stored hashes below it.
pub(super) async fn nodes(connection: &mut Connection, nodes: &[NodeId]) -> Result<Vec<Digest>, StoreError> {
    let mut hashes = Vec::with_capacity(nodes.len());
    for node in nodes {
        let parts = stored_parts(*node);
        let end = int(parts.first.saturating_add(parts.count));
        let query = if parts.level == 0 {
            sqlx::query("SELECT leaf FROM evidence WHERE idx >= ? AND idx < ? ORDER BY idx").bind(int(parts.first)).bind(end)
        } else {
            sqlx::query("SELECT hash FROM evidence_subtree WHERE level = ?3 AND idx >= ?1 AND idx < ?2 ORDER BY idx")
                .bind(int(parts.first))
                .bind(end)
                .bind(i64::from(parts.level))
        };
        let rows = query.fetch_all(&mut *connection).await.mapped()?;
        let missing = || damaged("the evidence tree", format!("no hash for the subtree {node:?}"));
        let hash = |row: &SqliteRow| row.try_get::<Vec<u8>, _>(0).mapped()?.try_into().map_err(|_| missing());
        let parts_read = rows.iter().map(hash).collect::<Result<Vec<Digest>, StoreError>>()?;
        let complete = parts_read.len() as u64 == parts.count;
        hashes.push(complete_root(&parts_read).filter(|_| complete).ok_or_else(missing)?);
    }
    Ok(hashes)
}

pub(super) async fn keep_checkpoint(connection: &mut Connection, size: u64, note: &str) -> Result<(), StoreError> {
    let text = "INSERT INTO checkpoint (size, note) VALUES (?, ?) ON CONFLICT (size) DO UPDATE SET note = excluded.note";
    sqlx::query(text).bind(int(size)).bind(note.to_owned()).execute(connection).await.mapped()?;
    Ok(())
}

pub(super) async fn checkpoint_at(connection: &mut Connection, size: u64) -> Result<Option<String>, StoreError> {
    let text = "SELECT note FROM checkpoint WHERE size >= ? ORDER BY size LIMIT 1";
    sqlx::query_scalar(text).bind(int(size)).fetch_optional(connection).await.mapped()
}
