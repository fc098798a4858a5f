//! The ledger: positions and revisions contiguous, digests right, records and keys in step, chains possible.

use std::collections::{HashMap, HashSet};

use sqlx::{Row as _, sqlite::SqliteRow};

use super::{STEP, Wrong, missing, numbers};
use crate::{
    domain::{
        attributes::SubjectKey,
        draft::StoredRecord,
        ids::{Position, Revision},
        ledger::Head,
        life_cycle::{self, State, Step},
    },
    store::{
        StoreError,
        sqlite::{
            Connection,
            errors::Mapped as _,
            int,
            keys::{Run, names, order_subject, segment_of},
            natural,
            packed::{record_column, stored_record},
            rows::parse_step,
        },
    },
};

pub(super) async fn check(connection: &mut Connection, wrong: &mut Wrong, head: &Head) -> Result<(), StoreError> {
    let mut walk = Walk { unsettled: unsettled(connection).await?, ..Walk::default() };
    loop {
        let text = concat!(
            "SELECT ",
            record_column!(),
            ", v.position, v.first_position, r.position, r.revision, r.content_digest, r.kind
             FROM revision v LEFT JOIN record r ON r.first_position = v.first_position
             WHERE v.position > ? ORDER BY v.position LIMIT +?"
        );
        let query = sqlx::query(text).bind(int(walk.last)).bind(STEP as i64);
        let rows = query.fetch_all(&mut *connection).await.mapped()?;
        for row in &rows {
            walk.row(wrong, row)?;
        }
        walk.check_keys(connection, wrong).await?;
        if rows.len() < STEP {
            break;
        }
    }
    wrong.unless(walk.last == head.position, || format!("the ledger ends at {}, the head says {}", walk.last, head.position));
    let records = numbers(connection, "SELECT count(*) FROM record").await?;
    wrong.unless(records == [walk.latest], || format!("{records:?} records, but {} latest revisions", walk.latest));
    check_chains(connection, wrong).await
}

/// What is remembered along the ledger.
#[derive(Default)]
struct Walk {
    last: Position,
    last_time: i64,
    /// Last revision of the records that have later ones.
    revised: HashMap<Position, Revision>,
    /// Revisions met that their record calls its latest.
    latest: i64,
    keys: Vec<[i64; 3]>,
    names: Vec<[i64; 2]>,
    /// Segment, key and position of what is not filed in `record_key` yet.
    unsettled: HashSet<[i64; 3]>,
}

/// The keys of all runs.
async fn unsettled(connection: &mut Connection) -> Result<HashSet<[i64; 3]>, StoreError> {
    let mut unsettled = HashSet::new();
    for row in sqlx::query("SELECT last_position, keys FROM key_run").fetch_all(connection).await.mapped()? {
        let run = Run::from_bytes(natural(row.try_get(0).mapped()?)?, row.try_get(1).mapped()?)?;
        unsettled.extend(run.keys.iter().map(|[key, position]| [int(run.segment()), *key, *position]));
    }
    Ok(unsettled)
}

impl Walk {
    fn row(&mut self, wrong: &mut Wrong, row: &SqliteRow) -> Result<(), StoreError> {
        let position = natural(row.try_get(1).mapped()?)?;
        wrong.unless(position == self.last + 1, || format!("position {} is followed by {position}", self.last));
        self.last = position;
        let Some(stored) = wrong.readable(|| format!("position {position}"), stored_record(row)) else { return Ok(()) };
        wrong.unless(stored.committed_at >= self.last_time, || format!("position {position}: committed before its predecessor"));
        self.last_time = stored.committed_at;
        let digest = stored.sections.record_digest(&stored.record_id, stored.revision, stored.attributes.kind);
        wrong.unless(digest == stored.digest, || format!("position {position}: its digest is not that of its content"));
        let first = natural(row.try_get(2).mapped()?)?;
        self.check_revision(wrong, &stored, first);
        self.check_record(wrong, &stored, row)?;
        self.collect_keys(&stored, first);
        Ok(())
    }

    fn check_revision(&mut self, wrong: &mut Wrong, stored: &StoredRecord, first: Position) {
        let (position, revision) = (stored.position, stored.revision);
        let expected = if first == position { 1 } else { self.revised.get(&first).copied().unwrap_or(1) + 1 };
        wrong.unless(revision == expected && first <= position, || {
            format!("position {position}: revision {revision} of {}, expected {expected}", stored.record_id)
        });
        if revision > 1 {
            self.revised.insert(first, revision);
        }
        wrong.unless(revision == 1 || stored.previous.is_some(), || {
            format!("position {position}: the attributes of its predecessor are missing")
        });
    }

    fn check_record(&mut self, wrong: &mut Wrong, stored: &StoredRecord, row: &SqliteRow) -> Result<(), StoreError> {
        let position = stored.position;
        let latest = natural(row.try_get(3).mapped()?)?;
        let kind: i64 = row.try_get(6).mapped()?;
        wrong.unless(kind == i64::from(stored.attributes.kind.number()), || {
            format!("position {position}: not of its record's kind")
        });
        wrong.unless(position <= latest, || format!("position {position} is later than the latest revision its record knows"));
        if position != latest {
            return Ok(());
        }
        self.latest += 1;
        let digest: &[u8] = row.try_get(5).mapped()?;
        let revision: Revision = row.try_get(4).mapped()?;
        wrong.unless(revision == stored.revision, || format!("{}: its latest revision is not {revision}", stored.record_id));
        wrong.unless(digest == stored.sections.content_digest(stored.attributes.kind), || {
            format!("{}: the digest it is compared by is not that of its latest content", stored.record_id)
        });
        Ok(())
    }

    /// Keys that are known without decoding the content.
    fn collect_keys(&mut self, stored: &StoredRecord, first: Position) {
        let segment = int(segment_of(stored.position));
        self.keys.push([segment, order_subject(&stored.order_key).0, int(stored.position)]);
        if let Some(code) = stored.attributes.credit_code {
            self.keys.push([segment, SubjectKey::of("code", code.as_str()).0, int(first)]);
        }
        self.names.extend(names(stored).iter().map(|key| [key.0, int(first)]));
    }

    async fn check_keys(&mut self, connection: &mut Connection, wrong: &mut Wrong) -> Result<(), StoreError> {
        let text = "SELECT j.key FROM json_each(?1) j WHERE NOT EXISTS (SELECT 1 FROM record_key k
                    WHERE k.segment = j.value->>0 AND k.key = j.value->>1 AND k.position = j.value->>2)";
        let mut keys = std::mem::take(&mut self.keys);
        keys.retain(|key| !self.unsettled.contains(key));
        for [_, _, position] in missing(connection, text, &keys).await? {
            wrong.say(format!("position {position} is not filed under one of its keys"));
        }
        let text = "SELECT j.key FROM json_each(?1) j WHERE NOT EXISTS
                    (SELECT 1 FROM register_key k WHERE k.key = j.value->>0 AND k.position = j.value->>1)";
        for [_, position] in missing(connection, text, &std::mem::take(&mut self.names)).await? {
            wrong.say(format!("the survey row first at {position} is not filed under its name"));
        }
        Ok(())
    }
}

/// Chains hold the steps of the dispositions in force, no others, and are possible.
async fn check_chains(connection: &mut Connection, wrong: &mut Wrong) -> Result<(), StoreError> {
    let text = "SELECT r.first_position FROM record r JOIN revision v ON v.position = r.position
                LEFT JOIN chain c ON c.nonconformity = r.nonconformity AND c.disposition = r.first_position
                WHERE r.kind = 2 AND c.step IS NOT CASE WHEN v.withdrawn = 1 THEN NULL ELSE v.step END
                UNION SELECT disposition FROM chain WHERE disposition NOT IN (SELECT first_position FROM record WHERE kind = 2)";
    for disposition in numbers(connection, text).await? {
        wrong.say(format!("the disposition first at {disposition} does not stand in its chain as its latest revision says"));
    }
    let text = "SELECT c.nonconformity, v.step, c.step FROM chain c
                JOIN record r ON r.first_position = c.nonconformity JOIN revision v ON v.position = r.position
                ORDER BY c.nonconformity, c.disposition";
    let mut chains: HashMap<i64, (State, Vec<Step>)> = HashMap::new();
    for row in sqlx::query(text).fetch_all(connection).await.mapped()? {
        let begin = row.try_get::<Option<u32>, _>(1).mapped()?.map(parse_step).transpose()?;
        let begin = if let Some(Step::Begin(state)) = begin { state } else { State::Confirmed };
        let chain = chains.entry(row.try_get(0).mapped()?).or_insert_with(|| (begin, Vec::new()));
        chain.1.push(parse_step(row.try_get(2).mapped()?)?);
    }
    for (nonconformity, (begin, steps)) in chains {
        if let Err(illegal) = life_cycle::fold(begin, &steps) {
            wrong.say(format!("the nonconformity first at {nonconformity}: its steps are not possible: {illegal}"));
        }
    }
    Ok(())
}
