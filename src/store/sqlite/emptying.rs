//! Emptying the log into the file, beside the writer.
//!
//! A commit is durable in the log; copying the log's pages into the file, and syncing that, is housekeeping. Left to the commit that
//! finds the log long it would keep everybody waiting for tens of milliseconds. Here another connection copies while commits go on,
//! and only the last pages are copied while no commit runs, so that the log can begin anew. Nobody waits for readers: what a reader
//! still needs of the log is left for the next time.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{Connection, errors::Mapped as _, writer::Writer};
use crate::{domain::ledger::WritePlan, store::StoreError};

/// Pages that the log may grow by, roughly, before it is emptied (16 MiB).
const PAGES: u64 = 4000;
/// Pages that a commit writes at least: the head, the log of commits, ends of tables.
const PAGES_OF_A_COMMIT: u64 = 10;
/// Bytes of content that make a page, with what is filed beside them.
const BYTES_OF_A_PAGE: u64 = 2048;

/// The task that empties.
pub(super) struct Emptying {
    grown: AtomicU64,
    wake: Arc<Notify>,
    stop: CancellationToken,
    #[cfg_attr(not(test), expect(dead_code, reason = "a test waits for it"))]
    done: watch::Receiver<u64>,
    task: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Emptying {
    /// Starts the task. It ends when this is dropped or closed.
    pub(super) fn start(options: SqliteConnectOptions, writer: Arc<Writer>) -> Self {
        let (wake, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let (times, done) = watch::channel(0);
        let task = tokio::spawn(run(options, writer, wake.clone(), stop.clone(), times));
        Self { grown: AtomicU64::new(0), wake, stop, done, task: std::sync::Mutex::new(Some(task)) }
    }

    /// A commit wrote this.
    pub(super) fn wrote(&self, plan: &WritePlan) {
        let bytes: usize = plan.revisions.iter().map(|revision| revision.stored.sections.len()).sum();
        let pages = PAGES_OF_A_COMMIT + plan.revisions.len() as u64 + bytes as u64 / BYTES_OF_A_PAGE;
        if self.grown.fetch_add(pages, Ordering::Relaxed) + pages >= PAGES {
            self.grown.store(0, Ordering::Relaxed);
            self.wake.notify_one();
        }
    }

    /// How often the log was emptied since the start.
    #[cfg(test)]
    pub(super) fn times(&self) -> watch::Receiver<u64> {
        self.done.clone()
    }

    /// Ends the task and waits for it.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        let task = self.task.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "emptying the log ended");
        }
    }
}

impl Drop for Emptying {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn run(
    options: SqliteConnectOptions,
    writer: Arc<Writer>,
    wake: Arc<Notify>,
    stop: CancellationToken,
    times: watch::Sender<u64>,
) {
    let mut beside = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = wake.notified() => {}
        }
        match empty(&options, &mut beside, &writer).await {
            Ok(()) => times.send_modify(|times| *times += 1),
            // The log stands as it is and everything in it is durable; the next commits wake this again.
            Err(error) => {
                tracing::warn!(%error, "the log was not emptied into the file; trying again later");
                beside = None;
            }
        }
    }
    if let Some(beside) = beside {
        drop(beside.close().await);
    }
}

/// Copies what there is while commits go on; then, between two commits, what came meanwhile.
async fn empty(options: &SqliteConnectOptions, beside: &mut Option<SqliteConnection>, writer: &Writer) -> Result<(), StoreError> {
    let connection = match beside {
        Some(connection) => connection,
        None => beside.insert(options.connect().await.mapped()?),
    };
    copy(connection).await?;
    let mut between = writer.take().await?;
    let copied = copy(&mut between.connection).await;
    between.after(copied).await
}

/// Copies as far as no reader is in the way, without waiting for anyone.
async fn copy(connection: &mut Connection) -> Result<(), StoreError> {
    let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection).await.mapped()?;
    let (in_log, copied): (i64, i64) = (row.try_get(1).mapped()?, row.try_get(2).mapped()?);
    tracing::debug!(in_log, copied, "the log was copied into the file");
    Ok(())
}
