//! What a host knows of revisions that were read and are not settled: what evidence says of them, and, until they are sent, the
//! records themselves. What is out is settled in most cases: whoever needs a record once more reads it again.

use std::{collections::HashMap, sync::Arc};

use super::super::shared::SharedRecord;
use crate::domain::{
    delivery::ByPosition,
    digest::Digest,
    feeds::Feed,
    ids::{Micros, Position},
};

/// What evidence and numbers need of a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// Leaf hash of the digest that evidence refers to.
    pub(super) leaf: Digest,
    /// Its feed.
    pub(super) feed: Feed,
    /// Commit time.
    pub(super) committed_at: Micros,
}

impl Known {
    pub(super) fn of(record: &SharedRecord) -> Self {
        Self { leaf: record.leaf(), feed: record.attributes.feed(), committed_at: record.committed_at }
    }
}

struct Row {
    known: Known,
    record: Option<Arc<SharedRecord>>,
}

/// Revisions that were read and are not settled, by position.
#[derive(Default)]
pub(super) struct Rows(HashMap<Position, Row, ByPosition>);

impl Rows {
    /// Keeps a record that was read.
    pub(super) fn keep(&mut self, record: Arc<SharedRecord>) {
        self.0.insert(record.position, Row { known: Known::of(&record), record: Some(record) });
    }

    /// What is known of a position.
    pub(super) fn known(&self, position: Position) -> Option<Known> {
        self.0.get(&position).map(|row| row.known)
    }

    /// The record, if it is in memory.
    pub(super) fn record(&self, position: Position) -> Option<&Arc<SharedRecord>> {
        self.0.get(&position)?.record.as_ref()
    }

    /// The record, if it is in memory, on its way out: what is known of it stays.
    pub(super) fn hand_out(&mut self, position: Position) -> Option<Arc<SharedRecord>> {
        self.0.get_mut(&position)?.record.take()
    }

    /// Forgets a position.
    pub(super) fn forget(&mut self, position: Position) {
        self.0.remove(&position);
    }

    /// Forgets all but those.
    pub(super) fn retain(&mut self, stays: impl Fn(Position) -> bool) {
        self.0.retain(|position, _| stays(*position));
    }
}
