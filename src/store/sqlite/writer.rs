//! The one connection that writes.

use std::sync::atomic::{AtomicI64, Ordering};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, SqlSafeStr as _, SqliteConnection, sqlite::SqliteConnectOptions,
};
use tokio::sync::{Mutex, MutexGuard};

use super::{errors::Mapped as _, int, open::PAGE_BYTES};
use crate::store::StoreError;

/// No limit, as SQLite says it.
const NO_LIMIT: i64 = 0xffff_fffe;

/// Holds the connection while nobody writes. One that is not given back, because of an error or because who wrote was dropped in
/// the middle, is closed, its transaction with it: what was left of the transaction is not guessed at. The next one is made anew.
pub(super) struct Writer {
    options: SqliteConnectOptions,
    /// The file may have so many pages.
    limit: AtomicI64,
    idle: Mutex<Option<SqliteConnection>>,
}

/// The connection in use; others wait.
pub(super) struct Taken<'w> {
    idle: MutexGuard<'w, Option<SqliteConnection>>,
    /// No transaction is open on it.
    pub(super) connection: SqliteConnection,
}

impl Writer {
    /// Nothing is opened yet. `limit`: bytes that the file may grow to.
    pub(super) fn new(options: SqliteConnectOptions, limit: Option<u64>) -> Self {
        Self { options, limit: AtomicI64::new(pages(limit)), idle: Mutex::new(None) }
    }

    /// Waits for the connection.
    pub(super) async fn take(&self) -> Result<Taken<'_>, StoreError> {
        let mut idle = self.idle.lock().await;
        let connection = match idle.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(Taken { idle, connection })
    }

    async fn connect(&self) -> Result<SqliteConnection, StoreError> {
        let mut connection = self.options.connect().await.mapped()?;
        self.tell_limit(&mut connection).await?;
        Ok(connection)
    }

    /// Changes the limit; `None` = none.
    pub(super) async fn set_size_limit(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        self.limit.store(pages(bytes), Ordering::Relaxed);
        let mut taken = self.take().await?;
        let told = self.tell_limit(&mut taken.connection).await;
        taken.after(told).await
    }

    async fn tell_limit(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let statement = AssertSqlSafe(format!("PRAGMA max_page_count = {}", self.limit.load(Ordering::Relaxed)));
        sqlx::query(statement.into_sql_str()).execute(connection).await.mapped()?;
        Ok(())
    }

    /// Closes the connection, which empties the log into the file if it is the last one.
    pub(super) async fn close(&self) {
        if let Some(connection) = self.idle.lock().await.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the store was not closed in good order");
        }
    }
}

impl Taken<'_> {
    /// All went well.
    pub(super) fn give_back(mut self) {
        *self.idle = Some(self.connection);
    }

    /// Gives it back after a success, closes it after an error.
    pub(super) async fn after<T>(self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match result {
            Ok(_) => self.give_back(),
            Err(_) => self.close().await,
        }
        result
    }

    /// Closes it; an open transaction is rolled back.
    pub(super) async fn close(self) {
        drop(self.connection.close_hard().await);
    }
}

fn pages(bytes: Option<u64>) -> i64 {
    bytes.map_or(NO_LIMIT, |bytes| int(bytes / PAGE_BYTES).clamp(1, NO_LIMIT))
}
