//! What ran beside the host and is done: readings go to the engine, commits stand or not, and those who wait are answered.

use std::{collections::HashMap, sync::Arc};

use super::{
    super::{
        super::{Refused, committer::Done, gateway},
        reading::{Reading, Row},
        session::Event,
    },
    Host, PAUSE_AFTER_FAILURE,
    attached::busy,
};
use crate::{
    domain::{
        delivery::{PersistKind, Status},
        draft::StoredRecord,
        ids::{Micros, Position, Revision},
        ledger::{Outcome, Refusal},
    },
    store::StoreError,
};

/// What ran beside the host and is done.
pub(super) enum Finished {
    Disclosed {
        batch_id: u64,
        read: Read,
        result: Result<Done, Refused>,
    },
    Changed {
        change_id: u64,
        kind: PersistKind,
        settled: Vec<Position>,
        /// Retries and expired leases in it.
        counted: (usize, usize),
        count: u64,
        result: Result<Done, Refused>,
    },
    Observed {
        status: Status,
    },
    Read {
        result: Result<Reading, StoreError>,
    },
}

/// What a disclosure had to read first.
#[derive(Default)]
pub(super) struct Read {
    /// Rows that were no longer in memory.
    pub(super) rows: Vec<Arc<StoredRecord>>,
    /// Current revisions of what is redriven.
    pub(super) current: HashMap<Position, Revision>,
}

impl Host {
    pub(super) fn finished(&mut self, finished: Finished) {
        let now = self.now();
        match finished {
            Finished::Disclosed { batch_id, read, result } => {
                self.rows.extend(read.rows.into_iter().map(|record| (record.position, record)));
                self.current.extend(read.current);
                match self.stands(now, result) {
                    Ok(()) => self.engine.committed(batch_id, now),
                    Err(_) => self.engine.aborted(batch_id, now),
                }
            }
            Finished::Observed { status } => self.tell(Event::Heartbeat(status)),
            Finished::Changed { change_id, kind, settled, counted, count, result } => {
                let result = self.stands(now, result);
                if result.is_ok() {
                    self.counts.add(counted.0, counted.1);
                    for position in &settled {
                        self.rows.remove(position);
                    }
                    self.engine.persisted(change_id, now);
                } else {
                    self.engine.persist_failed(change_id, now);
                }
                self.answer(&kind, count, result);
            }
            Finished::Read { result } => {
                self.is_reading = false;
                match result {
                    Ok(reading) => self.feed(now, reading),
                    Err(error) => {
                        tracing::warn!(subscription = %self.row.key.name, %error, "reading failed; trying again");
                        self.hold_until = now + PAUSE_AFTER_FAILURE;
                    }
                }
            }
        }
    }

    /// Answers those who wait for a change of this kind.
    fn answer(&mut self, kind: &PersistKind, count: u64, result: Result<(), Refused>) {
        match kind {
            PersistKind::Attach { .. } => {
                if let Err(refused) = result
                    && let Some(attaching) = self.attaching.take()
                {
                    let _ = attaching.reply.send(Err(refused));
                }
            }
            PersistKind::Redrive | PersistKind::Discard => {
                let is_first = self.changing.front().is_some_and(|changing| changing.kind == *kind);
                if is_first && let Some(changing) = self.changing.pop_front() {
                    let _ = changing.reply.send(result.map(|()| count));
                }
            }
            _ => {}
        }
    }

    /// Whether a commit stands. A store that does not accept commits stops the leases and is left alone for a moment; a fenced
    /// subscription belongs to another: this host closes.
    fn stands(&mut self, now: Micros, result: Result<Done, Refused>) -> Result<(), Refused> {
        let refused = match result {
            Ok(done) => match done.outcome {
                Outcome::Done { .. } | Outcome::Unchanged => {
                    self.engine.store_stalled(now, false);
                    return Ok(());
                }
                Outcome::Refused(Refusal::Fenced { .. } | Refusal::NotFound) => {
                    self.closed = Some("fenced");
                    self.leave("fenced");
                    busy("another gateway")
                }
                other => gateway::unexpected("subscription", &other),
            },
            Err(refused) => refused,
        };
        tracing::warn!(subscription = %self.row.key.name, reason = refused.reason, "a change was not committed; trying again");
        self.engine.store_stalled(now, true);
        self.hold_until = now + PAUSE_AFTER_FAILURE;
        Err(refused)
    }

    fn feed(&mut self, now: Micros, reading: Reading) {
        let mut take = |rows: Vec<Row>| {
            rows.into_iter()
                .map(|row| {
                    self.rows.insert(row.record.position, row.record);
                    row.candidate
                })
                .collect::<Vec<_>>()
        };
        match reading {
            Reading::Scanned { after, upto, rows } => {
                let rows = take(rows);
                self.engine.rows(now, after, upto, rows);
            }
            Reading::OfKey { order_key, after, upto, rows } => {
                let rows = take(rows);
                self.engine.key_rows(now, &order_key, after, upto, rows);
            }
            Reading::Again { asked, rows } => {
                let rows = take(rows);
                self.engine.reread(now, &asked, rows);
            }
        }
    }
}
