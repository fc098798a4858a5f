//! The engine alone, to measure the store against: rows of the same content and the same durability, one evidence row each, and
//! nothing of what makes them a ledger.

use std::path::Path;

use sqlx::Connection as _;

use super::{errors::Mapped as _, int, open, writer::Writer};
use crate::store::StoreError;

/// What is written: a ledger's row with its one random index, and an entry of evidence.
const SCHEMA: &str = "CREATE TABLE row (position INTEGER PRIMARY KEY, record_id TEXT NOT NULL UNIQUE, open BLOB NOT NULL);
     CREATE TABLE entry (idx INTEGER PRIMARY KEY, leaf BLOB NOT NULL, entry BLOB NOT NULL)";
/// Rows `?1` + 1 to `?1` + `?2`; ids in an order unlike that of the positions.
const ROWS: &str = "WITH RECURSIVE n (i) AS (SELECT ?1 + 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 + ?2)
     INSERT INTO row (position, record_id, open) SELECT i, printf('amr-440000/%08x-%d', i * 2654435761 % 4294967296, i), ?3 FROM n";
const ENTRIES: &str = "WITH RECURSIVE n (i) AS (SELECT ?1 + 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 + ?2)
     INSERT INTO entry (idx, leaf, entry) SELECT i, zeroblob(32), zeroblob(200) FROM n";

/// A writer of bare rows, with the settings of the store's own.
pub struct BareWriter {
    writer: Writer,
    written: u64,
}

impl BareWriter {
    /// Makes a new file at `path`.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be made, `Damaged` when there is something already.
    pub async fn create(path: &Path) -> Result<Self, StoreError> {
        let writer = open::writer(path, None);
        let mut writing = writer.take().await?;
        sqlx::raw_sql(SCHEMA).execute(&mut writing.connection).await.mapped()?;
        writing.give_back();
        Ok(Self { writer, written: 0 })
    }

    /// Writes `rows` rows of `bytes` bytes in one transaction; it is on disk when this returns.
    ///
    /// # Errors
    /// `Full`, `Unavailable`.
    pub async fn write(&mut self, rows: u64, bytes: usize) -> Result<(), StoreError> {
        let mut writing = self.writer.take().await?;
        let mut transaction = writing.connection.begin_with("BEGIN IMMEDIATE").await.mapped()?;
        let (after, count, content) = (int(self.written), int(rows), vec![0x5a_u8; bytes]);
        sqlx::query(ROWS).bind(after).bind(count).bind(content).execute(&mut *transaction).await.mapped()?;
        sqlx::query(ENTRIES).bind(after).bind(count).execute(&mut *transaction).await.mapped()?;
        transaction.commit().await.mapped()?;
        writing.give_back();
        self.written += rows;
        Ok(())
    }

    /// Closes the file.
    pub async fn close(self) {
        self.writer.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rows_and_entries_stand_after_each_write() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut bare = BareWriter::create(&folder.path().join("bare.sqlite")).await.expect("made");
        for rows in [1, 500, 10] {
            bare.write(rows, 1_024).await.expect("written");
        }
        for (text, expected) in [
            ("SELECT count(*) FROM row WHERE length(open) = 1024", 511),
            ("SELECT count(*) FROM entry", 511),
            ("SELECT max(position) FROM row", 511),
        ] {
            let mut reading = bare.writer.take().await.expect("a connection");
            let found: i64 = sqlx::query_scalar(text).fetch_one(&mut reading.connection).await.expect("counted");
            reading.give_back();
            assert_eq!(found, expected, "{text}");
        }
        bare.close().await;
    }
}
