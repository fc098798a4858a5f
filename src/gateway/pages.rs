//! Pages of the ledger, shared by all who read it: slow, fast and returning readers take the same path.
//!
//! A page is a block of 512 aligned positions. Positions never change, so that a page is never stale; the page at the tail is a
//! beginning of its block and grows. Invariant: a page holds its block's positions from the first on without gaps, and no answer
//! ends before a position that the caller knows to be committed unless it is full.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::shared::SharedRecord;
use crate::{
    domain::{draft::StoredRecord, ids::Position},
    store::{PageBounds, Store, StoreError},
};

/// Positions of one block.
const BLOCK: u64 = 512;
/// Bytes read from the store at once; a page of larger records is read in several steps.
const STEP_BYTES: usize = 4 << 20;
/// What a record costs beside its content, roughly, with the bytes that leave around the content.
const RECORD_BYTES: usize = 900;

/// Records in order of position.
type Records = Vec<Arc<SharedRecord>>;

/// The cache. At most so many bytes are kept, and what is being read besides.
pub struct Pages {
    store: Arc<dyn Store>,
    most_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    pages: HashMap<u64, Entry>,
    bytes: usize,
    uses: u64,
}

struct Entry {
    page: Arc<Page>,
    bytes: usize,
    last_use: u64,
}

/// A page under its own lock: whoever finds it incomplete reads on, others who need it wait for that one reading.
#[derive(Default)]
struct Page(tokio::sync::Mutex<Records>);

/// Memory that a record takes, roughly.
fn size(record: &StoredRecord) -> usize {
    record.sections.len() + RECORD_BYTES
}

impl Pages {
    /// A cache of at most `most_bytes`.
    pub fn new(store: Arc<dyn Store>, most_bytes: usize) -> Self {
        Self { store, most_bytes, kept: Mutex::default() }
    }

    /// Revisions at positions > `after` and ≤ `upto`, from one page: ascending, without gaps, at least one unless `after` ≥ `upto`.
    /// `upto` must be committed.
    ///
    /// # Errors
    /// When the store cannot be read, or does not have what is committed.
    pub async fn after(&self, after: Position, upto: Position) -> Result<Records, StoreError> {
        if after >= upto {
            return Ok(Records::new());
        }
        let block = after / BLOCK;
        let (base, end) = (block * BLOCK, ((block + 1) * BLOCK).min(upto));
        let page = self.page(block);
        let mut records = page.0.lock().await;
        let mut grown = 0;
        while base + (records.len() as u64) <= after {
            grown += self.extend(&mut records, base, end).await?;
        }
        // The rest of the range is read too, if one more step is likely to bring it all.
        if base + (records.len() as u64) < end {
            grown += self.extend(&mut records, base, end).await?;
        }
        let (from, to) = ((after - base) as usize, ((upto - base) as usize).min(records.len()));
        let answer = records.get(from..to).map(<[_]>::to_vec).unwrap_or_default();
        drop(records);
        self.account(block, &page, grown);
        Ok(answer)
    }

    /// Takes what was just committed, so that nobody has to read it from the store: ascending, without gaps. Never waits: a page
    /// that is being read, or does not end where this begins, is left to its readers.
    pub(super) fn append(&self, added: Vec<StoredRecord>) {
        let mut added = added.into_iter().peekable();
        while let Some(first) = added.peek().map(|record| record.position) {
            let block = (first - 1) / BLOCK;
            let (base, end) = (block * BLOCK, (block + 1) * BLOCK);
            let of_block = std::iter::from_fn(|| added.next_if(|record| record.position <= end));
            let page = self.page(block);
            match page.0.try_lock() {
                Ok(mut records) if base + records.len() as u64 + 1 == first => {
                    let before = records.len();
                    records.extend(of_block.map(SharedRecord::new));
                    let grown = records[before..].iter().map(|record| size(record)).sum();
                    drop(records);
                    self.account(block, &page, grown);
                }
                _ => of_block.for_each(drop),
            }
        }
    }

    /// Reads on from where the page ends, up to `end`. Returns the bytes it grew by.
    async fn extend(&self, records: &mut Records, base: Position, end: Position) -> Result<usize, StoreError> {
        let last = base + records.len() as u64;
        let bounds = PageBounds { records: BLOCK as usize, bytes: STEP_BYTES };
        let read = self.store.page(last, end, bounds).await?;
        let mut grown = 0;
        for (expected, record) in (last + 1..).zip(read) {
            if record.position != expected {
                return Err(StoreError::Damaged(format!("position {expected} is committed but is not there")));
            }
            grown += size(&record);
            records.push(SharedRecord::new(record));
        }
        if grown == 0 {
            return Err(StoreError::Damaged(format!("position {} is committed but is not there", last + 1)));
        }
        Ok(grown)
    }

    fn page(&self, block: u64) -> Arc<Page> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let now = kept.uses;
        let entry = kept.pages.entry(block).or_insert_with(|| Entry { page: Arc::default(), bytes: 0, last_use: now });
        entry.last_use = now;
        entry.page.clone()
    }

    /// Counts what a page grew by, and lets the pages go that were not used for longest. A page let go while it is read is simply
    /// not found again.
    fn account(&self, block: u64, page: &Arc<Page>, grown: usize) {
        if grown == 0 {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = kept.pages.get_mut(&block).filter(|entry| Arc::ptr_eq(&entry.page, page)) else { return };
        entry.bytes += grown;
        kept.bytes += grown;
        while kept.bytes > self.most_bytes && kept.pages.len() > 1 {
            let Some(oldest) = kept.pages.iter().min_by_key(|(_, entry)| entry.last_use).map(|(block, _)| *block) else { break };
            if let Some(gone) = kept.pages.remove(&oldest) {
                kept.bytes -= gone.bytes;
            }
        }
    }
}
