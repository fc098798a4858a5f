//! What the engine says: commits that run beside the host, and words to the session.

use std::{collections::HashMap, sync::Arc};

use futures_util::FutureExt as _;

use super::{
    super::{
        commits::{self, Rows},
        hosts::HostParts,
        session::Event,
    },
    Host,
    finished::{Finished, Read},
};
use crate::{
    domain::{
        delivery::{Delivery, Output, Persist, PersistKind, changed_parts},
        draft::StoredRecord,
        ids::Position,
    },
    store::StoreError,
};

impl Host {
    pub(super) fn output(&mut self, output: Output) {
        match output {
            Output::Persist(persist) => self.persist(*persist),
            Output::Reserve { batch_id, deliveries } => self.disclose(batch_id, deliveries),
            Output::Send { session, lease_expires_at, deliveries, .. } => self.send(session, lease_expires_at, &deliveries),
            Output::Attached { session, epoch, .. } => self.opened(session, epoch),
            Output::Displaced { session } => {
                if self.attached.as_ref().is_some_and(|attached| attached.session == session) {
                    self.tell(Event::GoAway { reason: "taken_over", reconnect_after_ms: 30_000 });
                    self.attached = None;
                }
            }
            Output::Uncommitted { kind, conflict } => self.answer_uncommitted(&kind, conflict),
            Output::Settled { request_id, items } => self.tell(Event::Settled { request_id, items }),
            Output::LeaseLost { session, leases } => {
                if self.attached.as_ref().is_some_and(|attached| attached.session == session) {
                    self.tell(Event::LeaseLost(leases));
                }
            }
        }
    }

    /// Records a disclosure, then tells the engine. Rows that are no longer in memory are read again first.
    fn disclose(&mut self, batch_id: u64, deliveries: Vec<Delivery>) {
        let known: Rows = deliveries
            .iter()
            .filter_map(|delivery| Some((delivery.position, self.rows.get(&delivery.position)?.clone())))
            .collect();
        let caller = self.attached.as_ref().map(|attached| attached.caller.clone());
        let (key, epoch, parts) = (self.row.key.clone(), self.engine.state().epoch, self.parts.clone());
        let work = async move {
            let read = match read_missing(&parts, &deliveries, &known).await {
                Ok(read) => read,
                Err(error) => return Finished::Disclosed { batch_id, epoch, read: Read::default(), result: Err(error.into()) },
            };
            let mut rows = known;
            rows.extend(read.rows.iter().map(|record| (record.position, record.clone())));
            let act = commits::disclosure(&key, epoch, caller.as_ref(), &deliveries, &rows);
            Finished::Disclosed { batch_id, epoch, read, result: parts.committer.commit(act).await }
        };
        self.work.push(work.boxed());
    }

    fn persist(&mut self, persist: Persist) {
        let asker = self.changing.front().filter(|changing| changing.kind == persist.kind);
        let caller = match (&persist.kind, asker) {
            (_, Some(changing)) => Some(&*changing.caller),
            (PersistKind::Attach { .. }, None) => self.attaching.as_ref().map(|attaching| &attaching.attached.caller),
            (PersistKind::Settle, None) => self.attached.as_ref().map(|attached| &attached.caller),
            _ => None,
        };
        let mut act = commits::change(&self.row.key, &persist, caller, &self.rows);
        if let Some(why) = asker.and_then(|changing| changing.why) {
            act.evidence.commitment = Some(why);
        }
        let tally = persist.tally;
        let count = match persist.kind {
            PersistKind::Seek => {
                let floor = self.engine.state().floor;
                act.evidence.counts.push(("from", floor));
                floor
            }
            _ => (tally.redriven.len() + tally.discarded.len()) as u64,
        };
        if let Some(settings) = &persist.delta.settings {
            let parts = changed_parts(&self.row.spec, &settings.spec);
            act.evidence.subjects.extend(parts.into_iter().map(str::to_owned));
        }
        let counted = (tally.retried.len(), tally.expired.len());
        let withheld = tally.withheld;
        let settled = [&tally.acked[..], &tally.dead, &tally.retried, &withheld, &tally.suspected].concat();
        let (change_id, kind, committer) = (persist.change_id, persist.kind, self.parts.committer.clone());
        let work = async move {
            Finished::Changed { change_id, kind, settled, counted, withheld, count, result: committer.commit(act).await }
        };
        self.work.push(work.boxed());
    }
}

/// Reads the rows of a batch that are no longer in memory, and the current revisions of those that are redriven.
async fn read_missing(parts: &HostParts, deliveries: &[Delivery], known: &Rows) -> Result<Read, StoreError> {
    let missing: Vec<Position> =
        deliveries.iter().map(|delivery| delivery.position).filter(|position| !known.contains_key(position)).collect();
    let rows: Vec<Arc<StoredRecord>> = match missing.as_slice() {
        [] => Vec::new(),
        missing => parts.store.at(missing).await?.into_iter().map(Arc::new).collect(),
    };
    let mut current = HashMap::new();
    for delivery in deliveries.iter().filter(|delivery| delivery.redriven) {
        let found = rows.iter().find(|record| record.position == delivery.position);
        let Some(record) = known.get(&delivery.position).or(found) else { continue };
        if let Some(stands) = parts.store.record(&record.record_id, None, parts.tail.position()).await? {
            current.insert(delivery.position, stands.revision);
        }
    }
    Ok(Read { rows, current })
}
