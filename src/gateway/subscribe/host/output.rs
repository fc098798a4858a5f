//! What the engine says: commits that run beside the host, and words to the session.

use std::{collections::HashMap, sync::Arc};

use futures_util::FutureExt as _;

use super::{
    super::{super::shared::SharedRecord, commits, hosts::HostParts, rows::Known, session::Event},
    Host,
    finished::{Finished, Read},
};
use crate::{
    domain::{
        delivery::{Delivery, LetterRun, Output, Persist, PersistKind, changed_parts},
        ids::Position,
    },
    store::StoreError,
};

impl Host {
    pub(super) fn output(&mut self, output: Output) {
        match output {
            Output::Persist(persist) => self.persist(*persist),
            Output::Reserve { batch_id, deliveries } => self.disclose(batch_id, deliveries),
            Output::Send { session, lease_expires_at, deliveries, .. } => self.send(session, lease_expires_at, deliveries),
            Output::Attached { session, epoch, .. } => self.opened(session, epoch),
            Output::Displaced { session } => {
                if self.attached.as_ref().is_some_and(|attached| attached.session == session) {
                    self.waiting.clear();
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
        let mut about: Vec<_> = deliveries.iter().map(|sent| (sent.position, self.rows.known(sent.position))).collect();
        let missing = deliveries.iter().map(|sent| sent.position).filter(|at| self.rows.record(*at).is_none()).collect();
        let redriven = deliveries.iter().filter(|sent| sent.redriven);
        let redriven = redriven.map(|sent| (sent.position, self.rows.record(sent.position).cloned())).collect();
        let caller = self.attached.as_ref().map(|attached| attached.caller.clone());
        let (key, epoch, parts) = (self.row.key.clone(), self.engine.state().epoch, self.parts.clone());
        let work = async move {
            let read = match read_missing(&parts, missing, redriven).await {
                Ok(read) => read,
                Err(error) => return Finished::Disclosed { batch_id, epoch, read: Read::default(), result: Err(error.into()) },
            };
            for (position, known) in &mut about {
                *known = known.or_else(|| read.rows.iter().find(|row| row.position == *position).map(|row| Known::of(row)));
            }
            let act = commits::disclosure(&key, epoch, caller.as_ref(), &deliveries, about);
            Finished::Disclosed { batch_id, epoch, read, result: parts.committer.commit(act).await }
        };
        self.work.push(work.boxed());
    }

    fn persist(&mut self, mut persist: Persist) {
        let asker = self.changing.front().filter(|changing| changing.kind == persist.kind);
        if let Some(run) = asker.and_then(|changing| changing.run.clone()) {
            let changed = persist.tally.redriven.len() + persist.tally.discarded.len();
            persist.delta.letter_run = Some(Box::new(LetterRun { done: run.done + changed as u64, ..*run }));
        }
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

/// Reads the records of a batch that are no longer in memory, and the current revisions of those that are redriven.
async fn read_missing(
    parts: &HostParts,
    missing: Vec<Position>,
    redriven: Vec<(Position, Option<Arc<SharedRecord>>)>,
) -> Result<Read, StoreError> {
    let rows = read_again(parts, &missing).await?;
    let mut current = HashMap::new();
    for (position, in_memory) in redriven {
        let Some(record) = in_memory.as_ref().or_else(|| rows.iter().find(|row| row.position == position)) else { continue };
        if let Some(stands) = parts.store.record(&record.record_id, None, parts.tail.position()).await? {
            current.insert(position, stands.revision);
        }
    }
    Ok(Read { rows, current })
}

/// Reads single records again.
pub(super) async fn read_again(parts: &HostParts, positions: &[Position]) -> Result<Vec<Arc<SharedRecord>>, StoreError> {
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    Ok(parts.store.at(positions).await?.into_iter().map(SharedRecord::new).collect())
}
