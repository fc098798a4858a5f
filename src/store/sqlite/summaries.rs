//! Summaries of full blocks: see ADR 0007.
//!
//! They are made behind the commits, from the oldest block on, so that what was stored before there were any gets them too. The
//! rows are the watermark: the blocks below the first that has none are done. A crash in between leaves blocks without a row, which
//! are read, and made at the next start.

use std::sync::{
    Arc, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use sqlx::{Row as _, SqlitePool};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    Connection,
    errors::{Mapped as _, damaged},
    int, natural,
    packed::{attributes_text, stored_attributes},
    records::rows,
    writer::Writer,
};
use crate::{
    domain::{
        delivery::{BLOCK_POSITIONS, BlockSummary, block_of},
        ids::Position,
    },
    store::StoreError,
};

/// Blocks that are written in one transaction: a commit of its own that publishing waits for.
const AT_ONCE: u64 = 4;

/// Every statement, for the test that none of them reads a whole table.
#[cfg(test)]
pub(super) const STATEMENTS: [(&str, &str); 3] =
    [("attributes of a block", OF_BLOCK), ("summaries", CLASSES), ("summaries with codes", CLASSES_AND_CODES)];

/// The task that makes them.
pub(super) struct Summaries {
    /// Blocks below this number are full.
    full: Arc<AtomicU64>,
    wake: Arc<Notify>,
    stop: CancellationToken,
    #[cfg_attr(not(test), expect(dead_code, reason = "a test waits for it"))]
    done: watch::Receiver<u64>,
    task: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Summaries {
    /// Starts the task. It ends when this is dropped or closed.
    pub(super) fn start(readers: SqlitePool, writer: Arc<Writer>) -> Self {
        let (full, wake, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()), CancellationToken::new());
        let (times, done) = watch::channel(0);
        let making = Making { readers, writer, full: full.clone() };
        let task = tokio::spawn(making.run(wake.clone(), stop.clone(), times));
        Self { full, wake, stop, done, task: std::sync::Mutex::new(Some(task)) }
    }

    /// The ledger was seen committed up to `head`.
    pub(super) fn passed(&self, head: Position) {
        let full = block_of(head + 1);
        if self.full.fetch_max(full, Ordering::AcqRel) < full {
            self.wake.notify_one();
        }
    }

    /// How often all that were missing had been made.
    #[cfg(test)]
    pub(super) fn times(&self) -> watch::Receiver<u64> {
        self.done.clone()
    }

    /// Ends the task and waits for it.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "making summaries of blocks ended");
        }
    }
}

impl Drop for Summaries {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What the task works with.
struct Making {
    readers: SqlitePool,
    writer: Arc<Writer>,
    full: Arc<AtomicU64>,
}

impl Making {
    async fn run(self, wake: Arc<Notify>, stop: CancellationToken, times: watch::Sender<u64>) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = wake.notified() => {}
            }
            match self.complete(&stop).await {
                Ok(()) => times.send_modify(|times| *times += 1),
                Err(_) if stop.is_cancelled() => return,
                Err(error) => tracing::warn!(%error, "filters go on without the summary of a block; trying again later"),
            }
        }
    }

    /// Makes those that are missing, or as many as there is time for before the store closes.
    async fn complete(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        loop {
            let first = first_missing(&mut *self.readers.acquire().await.mapped()?).await?;
            let blocks = first..self.full.load(Ordering::Acquire).min(first + AT_ONCE);
            if blocks.is_empty() {
                return Ok(());
            }
            let mut made = Vec::new();
            for block in blocks {
                if stop.is_cancelled() {
                    return Ok(());
                }
                made.push((block, of_block(&mut *self.readers.acquire().await.mapped()?, block).await?));
            }
            let mut writing = self.writer.take().await?;
            let kept = keep(&mut writing.connection, &made).await;
            writing.after(kept).await?;
        }
    }
}

/// Made of what the block holds.
pub(super) async fn of_block(connection: &mut Connection, block: u64) -> Result<BlockSummary, StoreError> {
    let row = sqlx::query(OF_BLOCK).bind(int(block)).fetch_one(connection).await.mapped()?;
    let attributes = stored_attributes(&row)?;
    let expected = BLOCK_POSITIONS - u64::from(block == 0);
    if attributes.len() as u64 != expected {
        return Err(damaged("revision.position", format!("{} revisions in the full block {block}", attributes.len())));
    }
    Ok(BlockSummary::of(attributes.iter().map(|(attributes, previous)| (attributes, previous.as_ref()))))
}

const OF_BLOCK: &str = concat!(
    "SELECT CAST(group_concat(packed, '') AS BLOB) FROM (SELECT ",
    attributes_text!(),
    " AS packed FROM revision v WHERE v.position >= ?1 * 4096 AND v.position < (?1 + 1) * 4096) one"
);

async fn first_missing(connection: &mut Connection) -> Result<u64, StoreError> {
    let text = "SELECT COALESCE(max(block) + 1, 0) FROM block_summary";
    natural(sqlx::query_scalar(text).fetch_one(connection).await.mapped()?)
}

async fn keep(connection: &mut Connection, made: &[(u64, BlockSummary)]) -> Result<(), StoreError> {
    let mut insert = sqlx::QueryBuilder::new("INSERT INTO block_summary (block, classes, codes) ");
    insert.push_values(made, |mut row, (block, summary)| {
        let (classes, codes) = summary.to_bytes();
        row.push_bind(int(*block)).push_bind(classes).push_bind(codes);
    });
    insert.push(" ON CONFLICT DO NOTHING").build().execute(connection).await.mapped()?;
    Ok(())
}

const CLASSES: &str = "SELECT block, classes, NULL FROM block_summary WHERE block >= ?1 ORDER BY block LIMIT +?2";
const CLASSES_AND_CODES: &str = "SELECT block, classes, codes FROM block_summary WHERE block >= ?1 ORDER BY block LIMIT +?2";

/// See [`crate::store::Store::summaries`].
pub(super) async fn read(
    connection: &mut Connection,
    first: u64,
    limit: usize,
    with_codes: bool,
) -> Result<Vec<(u64, BlockSummary)>, StoreError> {
    let text = if with_codes { CLASSES_AND_CODES } else { CLASSES };
    let found = sqlx::query(text).bind(int(first)).bind(rows(limit)).fetch_all(connection).await.mapped()?;
    let mut summaries = Vec::with_capacity(found.len());
    for row in &found {
        let block = natural(row.try_get(0).mapped()?)?;
        let classes: &[u8] = row.try_get(1).mapped()?;
        match BlockSummary::from_bytes(classes, row.try_get(2).mapped()?) {
            Ok(summary) => summaries.push((block, summary)),
            // It is there to save time: without it the block is read.
            Err(error) => tracing::warn!(block, %error, "a block goes without its summary"),
        }
    }
    Ok(summaries)
}
