//! Opening: settings of the connections, the schema, the ledger's name.

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Row as _, SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    Connection, SqliteStore,
    attested::Attested,
    emptying::Emptying,
    errors::Mapped as _,
    natural,
    refile::refile,
    settling::{Settling, Shelves},
    summaries::Summaries,
    tenure::Tenure,
    writer::Writer,
};
use crate::{
    domain::evidence::Frontier,
    store::{Identity, Store as _, StoreError},
};

/// Schemas of this program, rising.
const MIGRATIONS: [(i64, &str, &str); 8] = [
    (1, "ledger", include_str!("../../../migrations/sqlite/0001_ledger.sql")),
    (2, "dead letter reasons", include_str!("../../../migrations/sqlite/0002_dead_letter_reasons.sql")),
    (3, "subscription administration", include_str!("../../../migrations/sqlite/0003_subscription_administration.sql")),
    (4, "dead letters", include_str!("../../../migrations/sqlite/0004_dead_letters.sql")),
    (5, "block summaries", include_str!("../../../migrations/sqlite/0005_block_summaries.sql")),
    (6, "key runs", include_str!("../../../migrations/sqlite/0006_key_runs.sql")),
    (7, "docket", include_str!("../../../migrations/sqlite/0007_docket.sql")),
    (8, "registers", include_str!("../../../migrations/sqlite/0008_registers.sql")),
];

/// Bytes of a page of the file.
pub(super) const PAGE_BYTES: u64 = 4096;
/// When the log has grown to this many pages (128 MiB), because emptying it beside the writer does not keep up, a commit does it.
const CHECKPOINT_PAGES: &str = "32768";
/// The log's file is cut back to this when it is begun anew, bytes.
const LOG_BYTES: &str = "67108864";
/// Cache of the writer, KiB. Holds the random pages of the indexes that commits touch.
const WRITER_CACHE: &str = "-16000";
/// Cache of a reader, KiB.
const READER_CACHE: &str = "-4000";
/// Cache of the connection that empties the log, KiB; copying goes past it.
const EMPTIER_CACHE: &str = "-100";
/// Rows that a reader's thread may be ahead of who asked. More would have it wait less often, and hold more memory where records are
/// large: eight records of 512 KiB each at most in a row of a page.
const READER_ROWS: usize = 16;
/// Connections that read.
const READERS: u32 = 4;
/// How a store is opened.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The file may grow to this many bytes (its log not counted), then the store is full; `None` = as far as the disk allows.
    pub size_limit: Option<u64>,
}

impl SqliteStore {
    /// Opens the store in the file at `path`, makes it if there is none (its folder must be there), and brings its schema up to
    /// this program's. `new_ledger_id` names the ledger if it is made now: random, never used before.
    ///
    /// # Errors
    /// `Newer` when a newer program made it, `Damaged` when the file is no store of ours, `Unavailable` when it cannot be opened
    /// (another process may hold it).
    pub async fn open(path: &Path, new_ledger_id: u128, options: &Options) -> Result<Self, StoreError> {
        let tenure = Tenure::begin(path).await?;
        let writer = Arc::new(writer(path, options.size_limit));
        let shelves = Shelves { writer: writer.clone(), recent: Arc::default(), filters: Arc::default() };
        let mut writing = writer.take().await?;
        migrate(&mut writing.connection).await?;
        refile(&mut writing.connection).await?;
        let identity = identity(&mut writing.connection, new_ledger_id).await?;
        shelves.filters.settled_below(shelves.recent.load(&mut writing.connection).await?);
        writing.give_back();
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            // None is closed for its age: one at least stands all the time (see `commit` for what would be if none did).
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(
                connection(path, READER_CACHE).create_if_missing(false).row_buffer_size(READER_ROWS).pragma("query_only", "ON"),
            )
            .await
            .mapped()?;
        let emptying = Emptying::start(connection(path, EMPTIER_CACHE), writer.clone());
        let summaries = Summaries::start(readers.clone(), writer);
        let settling = Settling::start(shelves.clone());
        if shelves.recent.has_full() {
            settling.wake();
        }
        let (attested, crossings) = (Attested::default(), AtomicU32::new(0));
        let store = Self { identity, shelves, emptying, summaries, settling, readers, attested, crossings, _tenure: tenure };
        store.summaries.passed(store.head().await?.position);
        Ok(store)
    }

    /// Changes the limit on the size of the file; `None` = none. A store that was full goes on by itself when it is raised.
    ///
    /// # Errors
    /// When the writing connection does not answer.
    pub async fn set_size_limit(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        self.shelves.writer.set_size_limit(bytes).await
    }
}

fn connection(path: &Path, cache: &'static str) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .pragma("cache_size", cache)
        .pragma("mmap_size", "0")
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", LOG_BYTES)
        .disable_statement_logging()
}

/// The writing connection of the file at `path`, made when it is first needed. `limit`: bytes that the file may grow to.
pub(super) fn writer(path: &Path, limit: Option<u64>) -> Writer {
    Writer::new(connection(path, WRITER_CACHE).page_size(PAGE_BYTES as u32).create_if_missing(true), limit)
}

/// Refuses a schema of a newer program before touching anything, then applies what is missing.
async fn migrate(writer: &mut Connection) -> Result<(), StoreError> {
    let known = MIGRATIONS.iter().map(|(number, ..)| *number).max().unwrap_or(0);
    let applied = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations'";
    if sqlx::query_scalar::<_, i64>(applied).fetch_one(&mut *writer).await.mapped()? > 0 {
        let newest = "SELECT COALESCE(max(version), 0) FROM _sqlx_migrations";
        let found: i64 = sqlx::query_scalar(newest).fetch_one(&mut *writer).await.mapped()?;
        if found > known {
            return Err(StoreError::Newer { found, known });
        }
    }
    let migrations = MIGRATIONS
        .iter()
        .map(|(number, name, text)| Migration::new(*number, (*name).into(), MigrationType::Simple, text.into_sql_str(), false))
        .collect();
    Migrator::with_migrations(migrations).run_direct(None, writer, false).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(error) => super::errors::store_error(&error),
        other => StoreError::Damaged(format!("its schema is not one of this program's: {other}")),
    })
}

/// The ledger's name; made with the head row if the store is new.
async fn identity(writer: &mut Connection, new_ledger_id: u128) -> Result<Identity, StoreError> {
    let frontier = Frontier::default();
    sqlx::query(
        "INSERT INTO head (only_row, ledger_id, generation, position, committed_at, evidence_size, evidence_root, frontier)
         VALUES (1, ?, 1, 0, 0, 0, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(format!("{new_ledger_id:032x}"))
    .bind(frontier.root().to_vec())
    .bind(frontier.to_bytes())
    .execute(&mut *writer)
    .await
    .mapped()?;
    let row = sqlx::query("SELECT ledger_id, generation FROM head").fetch_one(&mut *writer).await.mapped()?;
    Ok(Identity { ledger_id: row.try_get(0).mapped()?, generation: natural(row.try_get(1).mapped()?)? })
}
