//! The commit point.

use std::sync::atomic::Ordering;

use sqlx::{Connection as _, Row as _, sqlite::SqliteRow};

use super::{
    Connection, SqliteStore, docket,
    errors::{Mapped as _, damaged},
    evidence, facts, int,
    keys::Run,
    natural, read_set,
    script::{Script, Writing},
    subscriptions,
};
use crate::{
    domain::{
        evidence::Frontier,
        ids::Micros,
        ledger::{Act, Committed, Decision, Head, Needs, WritePlan, decide},
    },
    store::StoreError,
};

/// The last groups by which an unknown outcome is resolved.
const GROUPS_KNOWN: i64 = 64;

/// Commits a group, or tells why not.
///
/// What an error means: with `Full`, `Damaged` nothing of the group is on disk. With `Unavailable` it may be: then this function
/// has already looked for the group id itself and could not; the caller asks `is_committed` before it tries again.
pub(super) async fn commit(store: &SqliteStore, group_id: u128, now: Micros, acts: &[Act]) -> Result<Committed, StoreError> {
    let mut writer = store.shelves.writer.take().await?;
    let committing = store.shelves.recent.commit();
    let mut writing = Writing::new(&mut writer.connection);
    let mut decided = None;
    let result = write(store, &mut writing, group_id, now, acts, &mut decided).await;
    store.crossings.store(writing.crossings, Ordering::Relaxed);
    let error = match result {
        Ok(runs) => {
            committing.end(&runs);
            writer.give_back();
            if store.shelves.recent.has_full() {
                store.settling.wake();
            }
            return decided.ok_or_else(|| StoreError::Unavailable("the group was not decided".to_owned()));
        }
        Err(error) => error,
    };
    drop(committing);
    // What the failed statement left of the transaction is not guessed at: the connection goes, its transaction with it.
    writer.close().await;
    // A commit that failed may be on disk all the same (the sync failed after the frames were written). The group id tells, as long
    // as a reader stays open while the writer's connection is replaced, as those of the pool do: what is committed then is what the
    // shared index says, which is moved after the sync alone. Were every connection closed between, the next would recover the log
    // by reading it, and a group whose sync failed would look committed while it may be lost with the power.
    match decided {
        Some(committed) if is_committed(&mut *store.reader().await?, group_id).await? => Ok(committed),
        _ => Err(error),
    }
}

/// Fact and evidence, one transaction; answers the keys that it files. `decided` is set when all that is left is to write and commit.
async fn write(
    store: &SqliteStore,
    writing: &mut Writing<'_>,
    group_id: u128,
    now: Micros,
    acts: &[Act],
    decided: &mut Option<Committed>,
) -> Result<Vec<Run>, StoreError> {
    // 1. Lock the head. `IMMEDIATE` takes the one write lock of the file at once: from here on nobody else moves the head, and
    //    what is read below is what the write is based on. A crash before 5 leaves no trace of the group.
    let mut asked = Script::default();
    asked.say("BEGIN IMMEDIATE");
    asked.say(READ_HEAD);

    // 2. Read, in the same crossing, everything that the group needs to know.
    let asking = read_set::Asking::new(&mut asked, &Needs::of(acts));
    let answers = writing.ask(asked).await?;
    let [_begun, head, answers @ ..] = answers.as_slice() else { return Err(damaged("the head", "no row")) };
    let (head, frontier) = parse_head(head.first().ok_or_else(|| damaged("the head", "no row"))?)?;
    let read = asking.read(answers, frontier)?;

    // 3. Decide in memory. Positions, evidence indexes and the commit time are taken here, under the lock, in order.
    let Decision { outcomes, writes, head } = decide(&head, now, read, acts);
    if writes.is_empty() {
        *decided = Some(Committed { outcomes, head, added: Vec::new() });
        writing.script.say("ROLLBACK");
        writing.run_script().await?;
        return Ok(Vec::new());
    }

    // 4. Write the facts, then the evidence of the same acts, and move the head over both: the bulk at once, the rest with the
    //    commit. A crash here still leaves nothing: whoever asked has no answer, asks again with the same ids, and the acts are
    //    done then.
    let runs = facts::write(writing, &writes).await?;
    subscriptions::write(&mut writing.script, &writes.subscriptions, head.evidence_size);
    docket::write(&mut writing.script, &writes.docket, writes.committed_at);
    evidence::write(writing, &writes).await?;
    if writes.moves_head() {
        move_head(&mut writing.script, &head, &writes, group_id);
    }

    // 5. Commit: returns after the log is synced. From here on positions, outcomes and evidence stand whatever happens. A crash
    //    after it and before the answer leaves the caller without one: it asks again, and publishes are duplicates with the
    //    original positions, settles are found settled.
    store.emptying.wrote(&writes);
    let added = writes.revisions.into_iter().map(|revision| revision.stored).collect();
    *decided = Some(Committed { outcomes, head, added });
    writing.script.say("COMMIT");
    writing.run_script().await?;
    Ok(runs)
}

const READ_HEAD: &str = "SELECT position, committed_at, evidence_size, evidence_root, frontier FROM head";

/// The head and the right edge of the evidence tree.
pub(super) async fn read_head(connection: &mut Connection) -> Result<(Head, Frontier), StoreError> {
    parse_head(&sqlx::query(READ_HEAD).fetch_one(connection).await.mapped()?)
}

fn parse_head(row: &SqliteRow) -> Result<(Head, Frontier), StoreError> {
    let root: Vec<u8> = row.try_get(3).mapped()?;
    let frontier: &[u8] = row.try_get(4).mapped()?;
    let head = Head {
        position: natural(row.try_get(0).mapped()?)?,
        committed_at: row.try_get(1).mapped()?,
        evidence_size: natural(row.try_get(2).mapped()?)?,
        evidence_root: root.try_into().map_err(|_| damaged("head.evidence_root", "not 32 bytes"))?,
    };
    let frontier = Frontier::from_bytes(frontier).map_err(|error| damaged("head.frontier", error))?;
    if frontier.size() != head.evidence_size {
        return Err(damaged("head.frontier", format!("{} leaves, the log has {}", frontier.size(), head.evidence_size)));
    }
    Ok((head, frontier))
}

fn move_head(script: &mut Script, head: &Head, plan: &WritePlan, group_id: u128) {
    let text = "UPDATE head SET position = ?, committed_at = ?, evidence_size = ?, evidence_root = ?, frontier = ?";
    script.add(text, |values| {
        values
            .bind(int(head.position))
            .bind(head.committed_at)
            .bind(int(head.evidence_size))
            .bind(head.evidence_root.to_vec())
            .bind(plan.frontier.to_bytes())
    });
    let text = "INSERT INTO commit_log (committed_at, position, evidence_size, group_id) VALUES (?, ?, ?, ?)";
    script.add(text, |values| {
        values
            .bind(head.committed_at)
            .bind(int(head.position))
            .bind(int(head.evidence_size))
            .bind(group_id.to_be_bytes().to_vec())
    });
}

/// True when the group is among the last ones committed.
pub(super) async fn is_committed(connection: &mut Connection, group_id: u128) -> Result<bool, StoreError> {
    let text = "SELECT count(*) FROM (SELECT group_id FROM commit_log ORDER BY committed_at DESC LIMIT +?) WHERE group_id = ?";
    let query = sqlx::query_scalar::<_, i64>(text).bind(GROUPS_KNOWN).bind(group_id.to_be_bytes().to_vec());
    Ok(query.fetch_one(connection).await.mapped()? > 0)
}

/// Writes something that needs room of its own, and takes it back.
pub(super) async fn probe(connection: &mut Connection) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.mapped()?;
    sqlx::query("INSERT INTO probe (filling) VALUES (zeroblob(8192))").execute(&mut *transaction).await.mapped()?;
    sqlx::query("DELETE FROM probe").execute(&mut *transaction).await.mapped()?;
    transaction.commit().await.mapped()
}
