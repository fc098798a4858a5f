//! Opening: settings of the connections, the schema, the ledger's name.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Row as _, SqlSafeStr as _, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{SqliteStore, errors::Mapped as _, natural};
use crate::{
    domain::evidence::Frontier,
    store::{Identity, StoreError},
};

/// Schemas of this program, rising.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "ledger", include_str!("../../../migrations/sqlite/0001_ledger.sql")),
    (2, "dead letter reasons", include_str!("../../../migrations/sqlite/0002_dead_letter_reasons.sql")),
];

/// Bytes of a page of the file.
const PAGE_BYTES: u64 = 4096;
/// The log is copied into the file when it has grown by this many pages (16 MiB): by the commit that finds it so.
const CHECKPOINT_PAGES: &str = "4000";
/// The log's file is cut back to this when it is begun anew, bytes.
const LOG_BYTES: &str = "67108864";
/// Cache of the writer, KiB. Holds the random pages of the indexes that commits touch.
const WRITER_CACHE: &str = "-16000";
/// Cache of a reader, KiB.
const READER_CACHE: &str = "-4000";
/// Connections that read.
const READERS: u32 = 4;
/// No limit, as SQLite says it.
const NO_LIMIT: i64 = 0xffff_fffe;

/// How a store is opened.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The file may grow to this many bytes (its log not counted), then the store is full; `None` = as far as the disk allows.
    pub size_limit: Option<u64>,
}

/// The limit on the size of the file, in pages, as each new writing connection is told.
#[derive(Clone)]
pub(super) struct SizeLimit(Arc<AtomicI64>);

impl SizeLimit {
    pub(super) fn new(bytes: Option<u64>) -> Self {
        Self(Arc::new(AtomicI64::new(pages(bytes))))
    }

    fn statement(&self) -> sqlx::SqlStr {
        let pages = self.0.load(Ordering::Relaxed);
        AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")).into_sql_str()
    }
}

fn pages(bytes: Option<u64>) -> i64 {
    bytes.map_or(NO_LIMIT, |bytes| super::int(bytes / PAGE_BYTES).clamp(1, NO_LIMIT))
}

impl SqliteStore {
    /// Opens the store in the file at `path`, makes it if there is none (its folder must be there), and brings its schema up to
    /// this program's. `new_ledger_id` names the ledger if it is made now: random, never used before.
    ///
    /// # Errors
    /// `Newer` when a newer program made it, `Damaged` when the file is no store of ours, `Unavailable` when it cannot be opened
    /// (another process may hold it).
    pub async fn open(path: &Path, new_ledger_id: u128, options: &Options) -> Result<Self, StoreError> {
        let limit = SizeLimit::new(options.size_limit);
        let writer = writer(path, &limit).await?;
        migrate(&writer).await?;
        let identity = identity(&writer, new_ledger_id).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(connection(path, READER_CACHE).create_if_missing(false).pragma("query_only", "ON"))
            .await
            .mapped()?;
        Ok(Self { identity, writer, readers, limit, statements: AtomicU32::new(0) })
    }

    /// Changes the limit on the size of the file; `None` = none. A store that was full goes on by itself when it is raised.
    ///
    /// # Errors
    /// When the writing connection does not answer.
    pub async fn set_size_limit(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        self.limit.0.store(pages(bytes), Ordering::Relaxed);
        let mut connection = self.writer.acquire().await.mapped()?;
        sqlx::query(self.limit.statement()).execute(&mut *connection).await.mapped()?;
        Ok(())
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

/// One connection, made anew after an error: what a failed statement left of its transaction is not guessed at.
pub(super) async fn writer(path: &Path, limit: &SizeLimit) -> Result<SqlitePool, StoreError> {
    let limit = limit.clone();
    SqlitePoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |connection, _| {
            let statement = limit.statement();
            Box::pin(async move { sqlx::query(statement).execute(connection).await.map(|_| ()) })
        })
        .connect_with(connection(path, WRITER_CACHE).page_size(PAGE_BYTES as u32).create_if_missing(true))
        .await
        .mapped()
}

/// Refuses a schema of a newer program before touching anything, then applies what is missing.
async fn migrate(writer: &SqlitePool) -> Result<(), StoreError> {
    let known = MIGRATIONS.iter().map(|(number, ..)| *number).max().unwrap_or(0);
    let applied = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations'";
    if sqlx::query_scalar::<_, i64>(applied).fetch_one(writer).await.mapped()? > 0 {
        let newest = "SELECT COALESCE(max(version), 0) FROM _sqlx_migrations";
        let found: i64 = sqlx::query_scalar(newest).fetch_one(writer).await.mapped()?;
        if found > known {
            return Err(StoreError::Newer { found, known });
        }
    }
    let migrations = MIGRATIONS
        .iter()
        .map(|(number, name, text)| Migration::new(*number, (*name).into(), MigrationType::Simple, text.into_sql_str(), false))
        .collect();
    Migrator::with_migrations(migrations).run(writer).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(error) => super::errors::store_error(&error),
        other => StoreError::Damaged(format!("its schema is not one of this program's: {other}")),
    })
}

/// The ledger's name; made with the head row if the store is new.
async fn identity(writer: &SqlitePool, new_ledger_id: u128) -> Result<Identity, StoreError> {
    let frontier = Frontier::default();
    sqlx::query(
        "INSERT INTO head (only_row, ledger_id, generation, position, committed_at, evidence_size, evidence_root, frontier)
         VALUES (1, ?, 1, 0, 0, 0, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(format!("{new_ledger_id:032x}"))
    .bind(frontier.root().to_vec())
    .bind(frontier.to_bytes())
    .execute(writer)
    .await
    .mapped()?;
    let row = sqlx::query("SELECT ledger_id, generation FROM head").fetch_one(writer).await.mapped()?;
    Ok(Identity { ledger_id: row.try_get(0).mapped()?, generation: natural(row.try_get(1).mapped()?)? })
}
