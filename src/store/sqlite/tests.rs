//! The conformance suite over this home, and what is peculiar to it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sqlx::{Connection as _, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::{Options, SqliteStore};
use crate::store::{
    Store, StoreError,
    conformance::{Home, every_case},
};

/// A store in a temporary folder.
struct TemporaryFile {
    folder: TempDir,
    open: Mutex<Option<Arc<SqliteStore>>>,
}

impl TemporaryFile {
    async fn connect(&self) -> sqlx::SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("store.db"));
        sqlx::SqliteConnection::connect_with(&options).await.expect("a connection behind the store's back")
    }
}

#[async_trait]
impl Home for TemporaryFile {
    async fn fresh() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), open: Mutex::default() }
    }

    async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        let store = SqliteStore::open(&self.folder.path().join("store.db"), 0x1234, &Options::default()).await?;
        let store = Arc::new(store);
        *self.open.lock().expect("not poisoned") = Some(store.clone());
        Ok(store)
    }

    async fn limit_growth(&self, bytes: Option<u64>) {
        let store = self.open.lock().expect("not poisoned").clone().expect("it is open");
        let size = std::fs::metadata(self.folder.path().join("store.db")).expect("a file").len();
        store.set_size_limit(bytes.map(|bytes| size + bytes)).await.expect("a limit");
    }

    async fn tamper(&self, statement: &'static str) {
        sqlx::query(statement).execute(&mut self.connect().await).await.expect("the statement runs");
    }

    async fn make_newer(&self) {
        let statement = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                         VALUES (999, 'of a newer program', 1, x'00', 0)";
        self.tamper(statement).await;
    }
}

every_case!(TemporaryFile);
