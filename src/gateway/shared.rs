//! A revision as its readers share it.

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use crate::domain::{digest::Digest, draft::StoredRecord, evidence::leaf_hash};

/// A stored revision, and the bytes that a door has made of it: made once, however many are given them. Never changes.
#[derive(Debug)]
pub struct SharedRecord {
    record: StoredRecord,
    /// Leaf hash of its digest: what evidence of each disclosure and settlement is computed from.
    leaf: Digest,
    /// Without and with its restricted section.
    encoded: [OnceLock<Arc<[Bytes]>>; 2],
}

impl SharedRecord {
    /// To be shared from now on.
    pub fn new(record: StoredRecord) -> Arc<Self> {
        Arc::new(Self { leaf: leaf_hash(&record.digest), record, encoded: Default::default() })
    }

    /// Leaf hash of its digest.
    pub fn leaf(&self) -> Digest {
        self.leaf
    }

    /// Its bytes with or without the restricted section, in pieces that follow each other, made by `encode` if nobody has asked before.
    /// All must ask for the same form. The contents of sections are best pieces of their own: then they are shared, not copied.
    pub fn encoded(&self, show_restricted: bool, encode: impl FnOnce(&StoredRecord) -> Arc<[Bytes]>) -> Arc<[Bytes]> {
        self.encoded[usize::from(show_restricted)].get_or_init(|| encode(&self.record)).clone()
    }
}

impl Deref for SharedRecord {
    type Target = StoredRecord;

    fn deref(&self) -> &StoredRecord {
        &self.record
    }
}
