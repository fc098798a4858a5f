//! Reading what the engine wants next: pages of the ledger, one enterprise, or single positions, seen through filter and rights.

use std::sync::Arc;

use super::{
    super::shared::SharedRecord,
    hosts::HostParts,
    passing::{holds_nothing, pass_over},
    rights::Rights,
};
use crate::{
    domain::{
        delivery::{BLOCK_POSITIONS, Candidate, SubscriptionRow, Want, block_of, is_recall},
        draft::OrderKey,
        ids::Position,
    },
    store::StoreError,
};

/// Most positions looked through before the engine hears how far it got, so that a sparse filter does not keep it waiting.
const SCAN_POSITIONS: u64 = 8_192;
/// Whether a block can be passed over is asked within so many positions of its beginning: who reads all asks once a block.
const BEGINNING: u64 = 512;
/// Revisions of one enterprise read at once.
const KEY_REVISIONS: usize = 256;

/// A row for the engine with the record it stands for.
pub(super) struct Row {
    pub(super) candidate: Candidate,
    pub(super) record: Arc<SharedRecord>,
}

/// Why a revision is passed.
enum Passed {
    /// Asked for, and the grant does not admit it.
    Withheld,
    NotAskedFor,
}

/// What was read.
pub(super) enum Reading {
    /// Everything in (after, upto] was looked through; `withheld` are asked for, and the grant does not admit them.
    Scanned { after: Position, upto: Position, rows: Vec<Row>, withheld: Vec<Position> },
    /// The same for one order key.
    OfKey { order_key: OrderKey, after: Position, upto: Position, rows: Vec<Row>, withheld: Vec<Position> },
    /// Those of the positions that are still admitted.
    Again { asked: Vec<Position>, rows: Vec<Row> },
}

/// What a reading needs, owned, so that it can run beside the host.
pub(super) struct Reader {
    pub(super) parts: HostParts,
    pub(super) row: Arc<SubscriptionRow>,
    pub(super) rights: Rights,
}

impl Reader {
    pub(super) async fn read(self, want: Want) -> Result<Reading, StoreError> {
        match want {
            Want::Scan { after, upto, max } => self.scan(after, upto, max).await,
            Want::Key { order_key, after, upto, max } => self.of_key(order_key, after, upto, max).await,
            Want::Positions(positions) => {
                let records = self.parts.store.at(&positions).await?;
                let rows = records.into_iter().filter_map(|record| self.judge(&SharedRecord::new(record), true).ok()).collect();
                Ok(Reading::Again { asked: positions, rows })
            }
        }
    }

    async fn scan(&self, after: Position, upto: Position, max: usize) -> Result<Reading, StoreError> {
        let (mut reached, mut rows, mut withheld) = (after, Vec::new(), Vec::new());
        let (mut left, mut block) = (SCAN_POSITIONS, None);
        while reached < upto && rows.len() < max && left > 0 {
            if block != Some(block_of(reached + 1)) {
                // What a sparse filter found does not wait for what the next blocks hold.
                if !rows.is_empty() {
                    break;
                }
                if (reached + 1) % BLOCK_POSITIONS < BEGINNING {
                    reached = self.pass_over(reached, upto).await?;
                }
                block = Some(block_of(reached + 1));
            }
            let end = upto.min(reached + left);
            let records = self.parts.pages.after(reached, end).await?;
            left = left.saturating_sub(records.len() as u64);
            let Some(last) = records.last() else { break };
            let skip = self.superseded(reached + 1, last.position).await?;
            for record in &records {
                if rows.len() >= max {
                    return Ok(Reading::Scanned { after, upto: reached, rows, withheld });
                }
                reached = record.position;
                if skip.binary_search(&reached).is_ok() {
                    continue;
                }
                match self.judge(record, false) {
                    Ok(row) => rows.push(row),
                    Err(Passed::Withheld) => withheld.push(reached),
                    Err(Passed::NotAskedFor) => {}
                }
            }
        }
        Ok(Reading::Scanned { after, upto: reached, rows, withheld })
    }

    /// Passes over what the summaries of blocks say holds nothing.
    async fn pass_over(&self, after: Position, upto: Position) -> Result<Position, StoreError> {
        let (store, filter) = (&self.parts.store, &self.row.spec.filter);
        let with_codes = !filter.credit_codes.is_empty();
        let read = |first, limit| store.summaries(first, limit, with_codes);
        pass_over(after, upto, read, |summary| holds_nothing(summary, filter, &self.rights)).await
    }

    async fn of_key(&self, order_key: OrderKey, after: Position, upto: Position, max: usize) -> Result<Reading, StoreError> {
        let limit = max.clamp(1, KEY_REVISIONS);
        let records = self.parts.store.page_of_key(&order_key, after, upto, limit).await?;
        let reached = if records.len() < limit { upto } else { records.last().map_or(upto, |record| record.position) };
        let (first, last) = (records.first().map_or(0, |record| record.position), reached);
        let skip = self.superseded(first, last).await?;
        let (mut rows, mut withheld) = (Vec::new(), Vec::new());
        for record in records.into_iter().filter(|record| skip.binary_search(&record.position).is_err()) {
            let record = SharedRecord::new(record);
            match self.judge(&record, false) {
                Ok(row) => rows.push(row),
                Err(Passed::Withheld) => withheld.push(record.position),
                Err(Passed::NotAskedFor) => {}
            }
        }
        Ok(Reading::OfKey { order_key, after, upto: reached, rows, withheld })
    }

    /// At or below a snapshot, positions whose record has a later revision at or below it.
    async fn superseded(&self, first: Position, last: Position) -> Result<Vec<Position>, StoreError> {
        let snapshot = self.row.snapshot_at;
        if first > snapshot || first > last {
            return Ok(Vec::new());
        }
        self.parts.store.superseded(first, last.min(snapshot), snapshot).await
    }

    /// The row of a record, if filter and rights admit it. What was delivered before (`again`) stays selected by the filter, but
    /// a grant that is gone withholds it.
    ///
    /// Whether a withheld revision was asked for is judged coarsely: who filters on one enterprise, or on the state detected, is
    /// not to learn from what is withheld of whom the confidential revisions are.
    fn judge(&self, record: &Arc<SharedRecord>, again: bool) -> Result<Row, Passed> {
        let (filter, attributes, previous) = (&self.row.spec.filter, &record.attributes, record.previous.as_ref());
        if !self.rights.admit(attributes) {
            let is_asked_for = filter.asks_for(attributes, previous)
                && (!filter.feeds.is_empty() || self.rights.allow_any(&[attributes.feed()]));
            return Err(if is_asked_for { Passed::Withheld } else { Passed::NotAskedFor });
        }
        let selected = filter.select(attributes, previous);
        if selected.is_none() && !again {
            return Err(Passed::NotAskedFor);
        }
        let candidate = Candidate {
            position: record.position,
            order_key: record.order_key.clone(),
            record_id: record.record_id.clone(),
            revision: record.revision,
            bytes: record.sections.len() as u64,
            recall: is_recall(&record.attributes),
            left_filter: selected.is_some_and(|marks| marks.left_filter),
        };
        Ok(Row { candidate, record: record.clone() })
    }
}
