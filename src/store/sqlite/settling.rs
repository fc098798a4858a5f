//! Settling a full segment of keys: filing them in order, beside the commits.
//!
//! A crash anywhere leaves what was filed and the runs: the next start finds the segment unsettled and files the rest.

use std::sync::{Arc, PoisonError};

use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    Connection, key_filters::KeyFilters, keys::SEGMENT_BITS, recent_keys::RecentKeys, script::Writing, set_rows::NumbersInsert,
    writer::Writer,
};
use crate::{domain::ids::Position, store::StoreError};

/// Keys of one transaction: it takes about two milliseconds, in which commits wait.
const KEYS: usize = 2_048;

static FILE: std::sync::LazyLock<NumbersInsert<3>> =
    std::sync::LazyLock::new(|| NumbersInsert::new("INSERT OR IGNORE INTO record_key (segment, key, position)"));

/// The parts of a store that settling works on.
#[derive(Clone)]
pub(super) struct Shelves {
    pub(super) writer: Arc<Writer>,
    pub(super) recent: Arc<RecentKeys>,
    pub(super) filters: Arc<KeyFilters>,
}

/// The task that settles.
pub(super) struct Settling {
    wake: Arc<Notify>,
    stop: CancellationToken,
    task: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Settling {
    /// Starts the task. It ends when this is dropped or closed.
    pub(super) fn start(shelves: Shelves) -> Self {
        let (wake, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let task = tokio::spawn(run(shelves, wake.clone(), stop.clone()));
        Self { wake, stop, task: std::sync::Mutex::new(Some(task)) }
    }

    /// A segment is full.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Ends the task and waits for it.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "settling keys ended");
        }
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn run(shelves: Shelves, wake: Arc<Notify>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = wake.notified() => {}
        }
        // What is settled in part stands as it is, and everything is found where it was; later commits wake this again.
        if let Err(error) = settle(&shelves, &stop).await {
            tracing::warn!(%error, "the keys of a full segment were not settled; trying again later");
        }
    }
}

/// Settles the segments that are full, oldest first, as far as there is time for before `stop`.
pub(super) async fn settle(shelves: &Shelves, stop: &CancellationToken) -> Result<(), StoreError> {
    while let Some((segment, keys)) = shelves.recent.full() {
        let rows: Vec<[i64; 3]> = keys.iter().map(|[key, position]| [super::int(segment), *key, *position]).collect();
        for chunk in rows.chunks(KEYS) {
            if stop.is_cancelled() {
                return Ok(());
            }
            let mut writer = shelves.writer.take().await?;
            let filed = file(&mut writer.connection, chunk, None).await;
            writer.after(filed).await?;
        }
        let mut writer = shelves.writer.take().await?;
        let done = file(&mut writer.connection, &[], Some(((segment + 1) << SEGMENT_BITS) - 1)).await;
        writer.after(done).await?;
        // In this order: who no longer finds the keys in memory looks into the segment.
        let mut keys: Vec<i64> = keys.into_iter().map(|[key, _]| key).collect();
        keys.dedup();
        shelves.filters.settled(segment, &keys);
        shelves.recent.settled(segment);
    }
    Ok(())
}

/// One transaction: files keys, and drops the runs up to a position whose keys are all filed.
pub(super) async fn file(connection: &mut Connection, rows: &[[i64; 3]], filed: Option<Position>) -> Result<(), StoreError> {
    let mut writing = Writing::new(connection);
    writing.script.say("BEGIN IMMEDIATE");
    writing.run_script().await?;
    FILE.write(&mut writing, rows).await?;
    if let Some(last) = filed {
        writing.script.add("DELETE FROM key_run WHERE last_position <= ?", |values| values.bind(super::int(last)));
    }
    writing.script.say("COMMIT");
    writing.run_script().await
}
