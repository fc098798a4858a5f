//! A store that fails as it is told to.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use tokio::sync::Notify;
use tongbao::{
    domain::{
        attributes::SubjectKey,
        delivery::{BlockSummary, DeadLetter, LetterRun, SubscriptionKey, SubscriptionState},
        draft::{OrderKey, StoredRecord},
        ids::{Micros, ParticipantId, Position, RecordId, Revision},
        ledger::{Act, Attestation, Committed, Head},
    },
    store::{EvidenceQuery, Identity, LetterCount, LetterQuery, PageBounds, RecordQuery, Store, StoreError, docket::DocketReads},
};

/// What becomes of the next commit.
pub enum Fault {
    /// An error, and nothing is written.
    Before(StoreError),
    /// It is written, and the answer is lost.
    After(StoreError),
    /// It says that it has begun, and goes on when it is told to.
    Hang {
        /// Told when it has begun.
        begun: Arc<Notify>,
        /// Awaited before it goes on.
        go_on: Arc<Notify>,
    },
}

/// A store with faults planned for its next commits.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    faults: Mutex<VecDeque<Fault>>,
    groups: Mutex<Vec<usize>>,
    pages: AtomicUsize,
}

impl FaultyStore {
    pub fn over(inner: Arc<dyn Store>) -> Self {
        Self { inner, faults: Mutex::default(), groups: Mutex::default(), pages: AtomicUsize::new(0) }
    }

    /// Plans a fault after those planned before.
    pub fn plan(&self, fault: Fault) {
        self.faults.lock().expect("not poisoned").push_back(fault);
    }

    /// Sizes of the groups asked for so far.
    pub fn groups(&self) -> Vec<usize> {
        self.groups.lock().expect("not poisoned").clone()
    }

    /// Pages read so far.
    pub fn pages_read(&self) -> usize {
        self.pages.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn commit(&self, group_id: u128, now: Micros, acts: &[Act]) -> Result<Committed, StoreError> {
        self.groups.lock().expect("not poisoned").push(acts.len());
        let fault = self.faults.lock().expect("not poisoned").pop_front();
        match fault {
            Some(Fault::Before(error)) => return Err(error),
            Some(Fault::After(error)) => {
                self.inner.commit(group_id, now, acts).await?;
                return Err(error);
            }
            Some(Fault::Hang { begun, go_on }) => {
                begun.notify_one();
                go_on.notified().await;
            }
            None => {}
        }
        self.inner.commit(group_id, now, acts).await
    }

    async fn is_committed(&self, group_id: u128) -> Result<bool, StoreError> {
        self.inner.is_committed(group_id).await
    }

    fn identity(&self) -> &Identity {
        self.inner.identity()
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.inner.head().await
    }

    async fn page(&self, after: Position, upto: Position, bounds: PageBounds) -> Result<Vec<StoredRecord>, StoreError> {
        self.pages.fetch_add(1, Ordering::Relaxed);
        self.inner.page(after, upto, bounds).await
    }

    async fn page_of_key(
        &self,
        key: &OrderKey,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        self.inner.page_of_key(key, after, upto, limit).await
    }

    async fn at(&self, positions: &[Position]) -> Result<Vec<StoredRecord>, StoreError> {
        self.inner.at(positions).await
    }

    async fn superseded(&self, first: Position, last: Position, upto: Position) -> Result<Vec<Position>, StoreError> {
        self.inner.superseded(first, last, upto).await
    }

    async fn summaries(&self, first: u64, limit: usize, with_codes: bool) -> Result<Vec<(u64, BlockSummary)>, StoreError> {
        self.inner.summaries(first, limit, with_codes).await
    }

    async fn position_at(&self, time: Micros) -> Result<Position, StoreError> {
        self.inner.position_at(time).await
    }

    async fn record(
        &self,
        id: &RecordId,
        revision: Option<Revision>,
        as_of: Position,
    ) -> Result<Option<StoredRecord>, StoreError> {
        self.inner.record(id, revision, as_of).await
    }

    async fn by_subjects(&self, subjects: &[SubjectKey], as_of: Position, limit: usize) -> Result<Vec<StoredRecord>, StoreError> {
        self.inner.by_subjects(subjects, as_of, limit).await
    }

    async fn list(
        &self,
        query: &RecordQuery,
        as_of: Position,
        after: Position,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        self.inner.list(query, as_of, after, limit).await
    }

    fn docket(&self) -> &dyn DocketReads {
        self.inner.docket()
    }

    async fn attestations(&self) -> Result<Arc<[Attestation]>, StoreError> {
        self.inner.attestations().await
    }

    async fn subscription(&self, key: &SubscriptionKey) -> Result<Option<SubscriptionState>, StoreError> {
        self.inner.subscription(key).await
    }

    async fn subscription_names(
        &self,
        participant: &ParticipantId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.inner.subscription_names(participant, after, limit).await
    }

    async fn dead_letters(
        &self,
        key: &SubscriptionKey,
        query: &LetterQuery,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.inner.dead_letters(key, query, after, limit).await
    }

    async fn count_dead_letters(
        &self,
        key: &SubscriptionKey,
        query: &LetterQuery,
        reasons: usize,
    ) -> Result<LetterCount, StoreError> {
        self.inner.count_dead_letters(key, query, reasons).await
    }

    async fn letter_run(&self, key: &SubscriptionKey, request_id: &str) -> Result<Option<LetterRun>, StoreError> {
        self.inner.letter_run(key, request_id).await
    }

    async fn dead_letter_counts(&self, key: &SubscriptionKey, limit: usize) -> Result<Vec<(String, u64)>, StoreError> {
        self.inner.dead_letter_counts(key, limit).await
    }

    async fn evidence(&self, first: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.inner.evidence(first, limit).await
    }

    async fn search_evidence(
        &self,
        query: &EvidenceQuery,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.inner.search_evidence(query, after, limit).await
    }

    async fn evidence_nodes(&self, nodes: &[(u8, u64)]) -> Result<Vec<[u8; 32]>, StoreError> {
        self.inner.evidence_nodes(nodes).await
    }

    async fn keep_checkpoint(&self, size: u64, note: &str) -> Result<(), StoreError> {
        self.inner.keep_checkpoint(size, note).await
    }

    async fn checkpoint_at(&self, size: u64) -> Result<Option<String>, StoreError> {
        self.inner.checkpoint_at(size).await
    }

    async fn check_everything(&self) -> Result<Vec<String>, StoreError> {
        self.inner.check_everything().await
    }

    async fn is_writable(&self) -> bool {
        self.inner.is_writable().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
