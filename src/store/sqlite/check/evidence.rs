//! The evidence log: indexes contiguous, leaves and tree right, entries canonical, every position in one publish entry.

use sqlx::{Row as _, sqlite::SqliteRow};

use super::{STEP, Wrong, missing, numbers};
use crate::{
    domain::{
        digest::Digest,
        evidence::{ActKind, Entry, Frontier, leaf_hash, read_entry, records_root},
        ids::Position,
        ledger::Head,
    },
    store::{
        StoreError,
        sqlite::{
            Connection,
            errors::{Mapped as _, damaged},
            evidence::{blocks, subject_key},
            int, natural,
        },
    },
};

pub(super) async fn check(
    connection: &mut Connection,
    wrong: &mut Wrong,
    head: &Head,
    frontier: &Frontier,
) -> Result<(), StoreError> {
    let mut walk = Walk::default();
    loop {
        let text =
            "SELECT idx, kind, participant, system, outcome, leaf, entry FROM evidence WHERE idx >= ? ORDER BY idx LIMIT +?";
        let query = sqlx::query(text).bind(int(walk.next)).bind(STEP as i64);
        let rows = query.fetch_all(&mut *connection).await.mapped()?;
        for row in &rows {
            walk.row(connection, wrong, row).await?;
        }
        walk.check_keys(connection, wrong).await?;
        if rows.len() < STEP {
            break;
        }
    }
    wrong.unless(walk.next == head.evidence_size, || {
        format!("the evidence log ends at {}, the head says {}", walk.next, head.evidence_size)
    });
    wrong.unless(walk.published == head.position, || {
        format!("evidence of publishing ends at position {}, the ledger at {}", walk.published, head.position)
    });
    wrong.unless(walk.tree == *frontier && walk.tree.root() == head.evidence_root, || {
        "the evidence tree does not have the root that the head says".to_owned()
    });
    let stored = numbers(connection, "SELECT count(*) FROM evidence_subtree").await?;
    wrong.unless(stored == [walk.subtrees], || format!("{stored:?} subtrees are kept, {} are complete", walk.subtrees));
    Ok(())
}

/// What is remembered along the log.
#[derive(Default)]
struct Walk {
    next: u64,
    last_time: i64,
    tree: Frontier,
    subtrees: i64,
    /// Every position up to here stood in a publish entry.
    published: Position,
    subjects: Vec<[i64; 2]>,
    blocks: Vec<[i64; 2]>,
}

impl Walk {
    async fn row(&mut self, connection: &mut Connection, wrong: &mut Wrong, row: &SqliteRow) -> Result<(), StoreError> {
        let index = natural(row.try_get(0).mapped()?)?;
        wrong.unless(index == self.next, || format!("evidence entry {index} where {} is due", self.next));
        self.next = index + 1;
        let (leaf, bytes): (&[u8], &[u8]) = (row.try_get(5).mapped()?, row.try_get(6).mapped()?);
        let computed = leaf_hash(bytes);
        wrong.unless(leaf == computed, || format!("evidence entry {index}: its leaf hash is not that of its bytes"));
        for done in self.tree.append(computed) {
            self.subtrees += 1;
            let text = "SELECT hash FROM evidence_subtree WHERE level = ? AND idx = ?";
            let query = sqlx::query_scalar(text).bind(i64::from(done.node.0)).bind(int(done.node.1));
            let kept: Option<Vec<u8>> = query.fetch_optional(&mut *connection).await.mapped()?;
            wrong.unless(kept.is_some_and(|kept| kept == done.hash), || format!("the evidence subtree {:?} is wrong", done.node));
        }
        let read = read_entry(bytes).map_err(|error| damaged("its entry", error));
        let Some(entry) = wrong.readable(|| format!("evidence entry {index}"), read) else { return Ok(()) };
        self.check_columns(wrong, &entry, row, index)?;
        self.check_published(connection, wrong, &entry).await
    }

    fn check_columns(&mut self, wrong: &mut Wrong, entry: &Entry, row: &SqliteRow, index: u64) -> Result<(), StoreError> {
        let kind: i32 = row.try_get(1).mapped()?;
        let text = |column: usize| row.try_get::<&str, _>(column).mapped();
        let same = entry.index == index
            && entry.kind as i32 == kind
            && entry.participant == text(2)?
            && entry.system == text(3)?
            && entry.outcome == text(4)?;
        wrong.unless(same, || format!("evidence entry {index}: what it is searched by is not what it says"));
        wrong.unless(entry.time_us >= self.last_time, || format!("evidence entry {index}: earlier than its predecessor"));
        self.last_time = entry.time_us;
        self.subjects.extend(entry.subjects.iter().map(|subject| [subject_key(subject), int(index)]));
        self.blocks.extend(blocks(&entry.positions).map(|block| [block, int(index)]));
        Ok(())
    }

    /// Publish entries follow each other without gaps over the ledger, and name the tree hash of the digests there.
    async fn check_published(&mut self, connection: &mut Connection, wrong: &mut Wrong, entry: &Entry) -> Result<(), StoreError> {
        if entry.kind != ActKind::Publish {
            return Ok(());
        }
        let mut digests: Vec<Digest> = Vec::new();
        for range in &entry.positions {
            wrong.unless(range.first == self.published + 1, || {
                format!("evidence entry {}: speaks of position {} where {} is due", entry.index, range.first, self.published + 1)
            });
            self.published = range.last;
            let text = "SELECT digest FROM revision WHERE position >= ? AND position <= ? ORDER BY position";
            let query = sqlx::query_scalar::<_, Vec<u8>>(text).bind(int(range.first)).bind(int(range.last));
            let found = query.fetch_all(&mut *connection).await.mapped()?;
            digests.extend(found.into_iter().filter_map(|digest| Digest::try_from(digest).ok()));
        }
        wrong.unless(entry.records_root == Some(records_root(&digests)), || {
            format!("evidence entry {}: its records root is not that of the ledger", entry.index)
        });
        Ok(())
    }

    async fn check_keys(&mut self, connection: &mut Connection, wrong: &mut Wrong) -> Result<(), StoreError> {
        let text = "SELECT j.key FROM json_each(?1) j WHERE NOT EXISTS
                    (SELECT 1 FROM evidence_subject s WHERE s.key = j.value->>0 AND s.idx = j.value->>1)";
        for [_, index] in missing(connection, text, &std::mem::take(&mut self.subjects)).await? {
            wrong.say(format!("evidence entry {index} is not filed under one of its subjects"));
        }
        let text = "SELECT j.key FROM json_each(?1) j WHERE NOT EXISTS
                    (SELECT 1 FROM evidence_block b WHERE b.block = j.value->>0 AND b.idx = j.value->>1)";
        for [_, index] in missing(connection, text, &std::mem::take(&mut self.blocks)).await? {
            wrong.say(format!("evidence entry {index} is not filed under one of its blocks of positions"));
        }
        Ok(())
    }
}
