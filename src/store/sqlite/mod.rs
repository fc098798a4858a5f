//! The embedded home: one SQLite file in WAL mode, nothing to install.
//!
//! One connection writes; four read committed snapshots beside it and never block it. `synchronous=FULL`: a commit is answered
//! after its frames are synced. The caches are bounded (16 MB for the writer, 4 MB a reader, 64 MB for the filters of keys) and
//! nothing but the keys of the last 16,384 revisions is read at start, so that start-up does not grow with the ledger, nor memory beyond that.

mod attested;
mod bare;
mod check;
mod commit;
mod dead_letters;
mod docket;
mod emptying;
mod errors;
mod evidence;
mod facts;
mod key_filters;
mod keys;
mod lookup;
mod open;
mod packed;
mod read_set;
mod recent_keys;
mod records;
mod refile;
mod rows;
mod script;
mod set_rows;
mod settling;
mod subscriptions;
mod summaries;
mod tenure;
#[cfg(test)]
mod tests;
mod writer;

use std::{ops::RangeInclusive, sync::Arc};

use async_trait::async_trait;
use sqlx::{SqliteConnection, SqlitePool, pool::PoolConnection};

pub use self::{bare::BareWriter, open::Options};
use self::{errors::Mapped as _, key_filters::Places, keys::order_subject, settling::Shelves};
use super::{EvidenceQuery, Identity, LetterCount, LetterQuery, PageBounds, RecordQuery, Store, StoreError, docket::DocketReads};
use crate::domain::{
    attributes::SubjectKey,
    delivery::{BlockSummary, DeadLetter, LetterRun, SubscriptionKey, SubscriptionState},
    draft::{OrderKey, StoredRecord},
    ids::{Micros, ParticipantId, Position, RecordId, Revision},
    ledger::{Act, Attestation, Committed, Head},
};

/// A store in one file.
pub struct SqliteStore {
    identity: Identity,
    shelves: settling::Shelves,
    emptying: emptying::Emptying,
    summaries: summaries::Summaries,
    settling: settling::Settling,
    readers: SqlitePool,
    attested: attested::Attested,
    crossings: std::sync::atomic::AtomicU32,
    /// Let go last, when no connection stands any more.
    _tenure: tenure::Tenure,
}

impl SqliteStore {
    async fn reader(&self) -> Result<PoolConnection<sqlx::Sqlite>, StoreError> {
        self.readers.acquire().await.mapped()
    }

    /// Where what revisions at `positions` filed under keys is to be found; what this could not tell for want of filters it can tell
    /// soon.
    async fn places(&self, keys: &[i64], positions: RangeInclusive<Position>) -> Result<Places, StoreError> {
        let Shelves { writer, recent, filters } = &self.shelves;
        filters.complete_behind(&self.readers);
        // What is recent first: what is settled meanwhile is then found twice, and not passed over.
        let recent = loop {
            if let Some(found) = recent.find(keys) {
                break found;
            }
            let mut writer = writer.take().await?;
            let loaded = recent.load(&mut writer.connection).await;
            writer.after(loaded).await?;
        };
        Ok(Places { recent, ..filters.places(keys, positions) })
    }

    /// How often the last commit crossed to the driver's thread: what a commit costs beside its rows.
    pub fn crossings_of_last_commit(&self) -> u32 {
        self.crossings.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// A number as SQLite keeps it. Positions, indexes and times stay far below 2^63; "no bound" saturates.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number out of SQLite; ours are never negative.
fn natural(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| errors::damaged("a position or count", number))
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, group_id: u128, now: Micros, acts: &[Act]) -> Result<Committed, StoreError> {
        let changing = self.attested.begin(acts);
        let committed = commit::commit(self, group_id, now, acts).await;
        changing.end();
        if let Ok(committed) = &committed {
            self.summaries.passed(committed.head.position);
        }
        committed
    }

    async fn is_committed(&self, group_id: u128) -> Result<bool, StoreError> {
        commit::is_committed(&mut *self.reader().await?, group_id).await
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn head(&self) -> Result<Head, StoreError> {
        Ok(commit::read_head(&mut *self.reader().await?).await?.0)
    }

    async fn page(&self, after: Position, upto: Position, bounds: PageBounds) -> Result<Vec<StoredRecord>, StoreError> {
        records::page(&mut *self.reader().await?, after, upto, bounds).await
    }

    async fn page_of_key(
        &self,
        key: &OrderKey,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let places = self.places(&[order_subject(key).0], after.saturating_add(1)..=upto).await?;
        lookup::page_of_key(&mut *self.reader().await?, &places, key, after, upto, limit).await
    }

    async fn at(&self, positions: &[Position]) -> Result<Vec<StoredRecord>, StoreError> {
        records::at(&mut *self.reader().await?, positions).await
    }

    async fn superseded(&self, first: Position, last: Position, upto: Position) -> Result<Vec<Position>, StoreError> {
        records::superseded(&mut *self.reader().await?, first, last, upto).await
    }

    async fn summaries(&self, first: u64, limit: usize, with_codes: bool) -> Result<Vec<(u64, BlockSummary)>, StoreError> {
        summaries::read(&mut *self.reader().await?, first, limit, with_codes).await
    }

    async fn position_at(&self, time: Micros) -> Result<Position, StoreError> {
        records::position_at(&mut *self.reader().await?, time).await
    }

    async fn record(
        &self,
        id: &RecordId,
        revision: Option<Revision>,
        as_of: Position,
    ) -> Result<Option<StoredRecord>, StoreError> {
        records::record(&mut *self.reader().await?, id, revision, as_of).await
    }

    async fn by_subjects(&self, subjects: &[SubjectKey], as_of: Position, limit: usize) -> Result<Vec<StoredRecord>, StoreError> {
        let keys: Vec<i64> = subjects.iter().map(|subject| subject.0).collect();
        let places = self.places(&keys, 0..=as_of).await?;
        lookup::by_subjects(&mut *self.reader().await?, &places, &keys, as_of, limit).await
    }

    async fn list(
        &self,
        query: &RecordQuery,
        as_of: Position,
        after: Position,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let Some(code) = query.credit_code else {
            return records::list(&mut *self.reader().await?, query, as_of, after, limit).await;
        };
        let key = SubjectKey::of("code", code.as_str()).0;
        let places = self.places(&[key], 0..=as_of).await?;
        lookup::of_enterprise(&mut *self.reader().await?, &places, key, query, as_of, after, limit).await
    }

    fn docket(&self) -> &dyn DocketReads {
        self
    }

    async fn attestations(&self) -> Result<Arc<[Attestation]>, StoreError> {
        self.attested.get(async { facts::attestations(&mut *self.reader().await?).await }).await
    }

    async fn subscription(&self, key: &SubscriptionKey) -> Result<Option<SubscriptionState>, StoreError> {
        subscriptions::load(&mut *self.reader().await?, key).await
    }

    async fn subscription_names(
        &self,
        participant: &ParticipantId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        subscriptions::names(&mut *self.reader().await?, participant, after, limit).await
    }

    async fn dead_letters(
        &self,
        key: &SubscriptionKey,
        query: &LetterQuery,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        dead_letters::page(&mut *self.reader().await?, key, query, after, limit).await
    }

    async fn count_dead_letters(
        &self,
        key: &SubscriptionKey,
        query: &LetterQuery,
        reasons: usize,
    ) -> Result<LetterCount, StoreError> {
        dead_letters::count(&mut *self.reader().await?, key, query, reasons).await
    }

    async fn letter_run(&self, key: &SubscriptionKey, request_id: &str) -> Result<Option<LetterRun>, StoreError> {
        dead_letters::run(&mut *self.reader().await?, key, request_id).await
    }

    async fn dead_letter_counts(&self, key: &SubscriptionKey, limit: usize) -> Result<Vec<(String, u64)>, StoreError> {
        dead_letters::count_by_reason(&mut *self.reader().await?, key, limit).await
    }

    async fn evidence(&self, first: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        evidence::entries(&mut *self.reader().await?, first, limit).await
    }

    async fn search_evidence(
        &self,
        query: &EvidenceQuery,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        evidence::search(&mut *self.reader().await?, query, after, limit).await
    }

    async fn evidence_nodes(&self, nodes: &[(u8, u64)]) -> Result<Vec<[u8; 32]>, StoreError> {
        evidence::nodes(&mut *self.reader().await?, nodes).await
    }

    async fn keep_checkpoint(&self, size: u64, note: &str) -> Result<(), StoreError> {
        let mut writer = self.shelves.writer.take().await?;
        let kept = evidence::keep_checkpoint(&mut writer.connection, size, note).await;
        match writer.after(kept).await {
            Err(StoreError::Full(_)) => Ok(()),
            other => other,
        }
    }

    async fn checkpoint_at(&self, size: u64) -> Result<Option<String>, StoreError> {
        evidence::checkpoint_at(&mut *self.reader().await?, size).await
    }

    async fn check_everything(&self) -> Result<Vec<String>, StoreError> {
        check::check_everything(&mut *self.reader().await?).await
    }

    async fn is_writable(&self) -> bool {
        let Ok(mut writer) = self.shelves.writer.take().await else { return false };
        let probed = commit::probe(&mut writer.connection).await;
        writer.after(probed).await.is_ok()
    }

    async fn close(&self) {
        self.summaries.close().await;
        self.readers.close().await;
        self.settling.close().await;
        self.emptying.close().await;
        // Last, so that closing it empties the log into the file.
        self.shelves.writer.close().await;
    }
}

type Connection = SqliteConnection;
