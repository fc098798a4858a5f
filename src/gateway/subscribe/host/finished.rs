//! What ran beside the host and is done: readings go to the engine, commits stand or not, and those who wait are answered.

use std::{collections::HashMap, sync::Arc};

use super::{
    super::{
        super::{Class, Refused, committer::Done, gateway, shared::SharedRecord},
        reading::{Reading, Row},
        session::Event,
    },
    Host, PAUSE_AFTER_FAILURE,
    attached::busy,
};
use crate::{
    domain::{
        delivery::{Candidate, PersistKind, Status},
        ids::{Micros, Position, Revision},
        ledger::{Outcome, Refusal},
    },
    store::StoreError,
};

/// What ran beside the host and is done.
pub(super) enum Finished {
    Disclosed {
        batch_id: u64,
        epoch: u64,
        read: Read,
        result: Result<Done, Refused>,
    },
    Changed {
        change_id: u64,
        kind: PersistKind,
        settled: Vec<Position>,
        /// Retries and expired leases in it.
        counted: (usize, usize),
        withheld: Vec<Position>,
        count: u64,
        result: Result<Done, Refused>,
    },
    Observed {
        status: Status,
    },
    /// What waited in front of the events of this attachment was read again.
    ReadAgain {
        attachment: u64,
        result: Result<Vec<Arc<SharedRecord>>, StoreError>,
    },
    Read {
        judged: u64,
        result: Result<Reading, StoreError>,
    },
}

/// What a disclosure had to read first.
#[derive(Default)]
pub(super) struct Read {
    /// Rows that were no longer in memory.
    pub(super) rows: Vec<Arc<SharedRecord>>,
    /// Current revisions of what is redriven.
    pub(super) current: HashMap<Position, Revision>,
}

impl Host {
    pub(super) fn finished(&mut self, finished: Finished) {
        let now = self.now();
        match finished {
            Finished::Disclosed { batch_id, epoch, read, result } => self.disclosed(now, batch_id, epoch, read, result),
            Finished::Observed { status } => self.tell(Event::Heartbeat(status)),
            Finished::ReadAgain { attachment, result } => self.send_again(now, attachment, result),
            Finished::Changed { change_id, kind, settled, counted, withheld, count, result } => {
                let result = self.stands(now, result);
                if result.is_ok() {
                    self.counts.add(counted.0, counted.1);
                    self.counts.withhold(withheld);
                    for position in &settled {
                        self.rows.forget(*position);
                    }
                    self.engine.persisted(change_id, now);
                    self.take_up(now, &kind);
                } else {
                    self.engine.persist_failed(change_id, now);
                }
                self.answer(&kind, count, result);
            }
            Finished::Read { judged, result } => {
                self.is_reading = false;
                match result {
                    // Read under other rights or settings, or for another place: the engine asks again.
                    Ok(_) if judged != self.judged => {}
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
            PersistKind::Settle | PersistKind::Failures | PersistKind::Skips => {}
            _ => self.answer_asker(kind, result.map(|()| count)),
        }
    }

    fn answer_asker(&mut self, kind: &PersistKind, result: Result<u64, Refused>) {
        let is_first = self.changing.front().is_some_and(|changing| changing.kind == *kind);
        if is_first && let Some(changing) = self.changing.pop_front() {
            // An asker that is gone leaves what it asked for done.
            let _ = changing.reply.send(result);
        }
    }

    /// Answers what needed no commit: it is so already, or the settings are others than the asker read.
    pub(super) fn answer_uncommitted(&mut self, kind: &PersistKind, conflict: Option<u64>) {
        let result = match conflict {
            None => Ok(0),
            Some(stands) => Err(Refused::new(
                Class::Aborted,
                "SETTINGS_CHANGED",
                format!("设置已被他人更改，现为第 {stands} 版：重新读取后再改"),
                format!("the settings were changed meanwhile, revision {stands} stands: read them again, then change them"),
            )),
        };
        self.answer_asker(kind, result);
    }

    /// A disclosure was recorded, or not.
    fn disclosed(&mut self, now: Micros, batch_id: u64, epoch: u64, read: Read, result: Result<Done, Refused>) {
        for record in read.rows {
            // What a seek or an update has made void meanwhile is not kept.
            if self.engine.holds(record.position) {
                self.rows.keep(record);
            }
        }
        self.current.extend(read.current);
        let fenced = matches!(&result, Ok(Done { outcome: Outcome::Refused(Refusal::Fenced { .. }), .. }));
        if fenced && epoch < self.engine.epoch_to_be() {
            // Fenced off by an attach or seek of our own that was committed before it.
            self.engine.aborted(batch_id, now);
            return;
        }
        match self.stands(now, result) {
            Ok(()) => self.engine.committed(batch_id, now),
            Err(_) => self.engine.aborted(batch_id, now),
        }
    }

    /// Takes up another place or other settings that are durable now: what was read before is forgotten, and the session is told.
    fn take_up(&mut self, now: Micros, kind: &PersistKind) {
        if !matches!(kind, PersistKind::Seek | PersistKind::Update) {
            return;
        }
        self.judged += 1;
        self.end_ride();
        self.row = Arc::new(self.engine.state().row.clone());
        let engine = &self.engine;
        self.rows.retain(|position| engine.holds(position));
        self.current.retain(|position, _| engine.holds(*position));
        self.engine.permit(now, self.rights.allow_any(&self.row.spec.filter.feeds));
        let status = self.numbers();
        self.last_pause = status.pause;
        self.tell(Event::State(status));
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
        match reading {
            Reading::Scanned { after, upto, rows, withheld } => {
                let (candidates, records) = split(rows);
                self.engine.withheld(now, after, &withheld);
                self.engine.rows(now, after, upto, candidates);
                self.keep_held(records);
            }
            Reading::OfKey { order_key, after, upto, rows, withheld } => {
                let (candidates, records) = split(rows);
                self.engine.withheld_of_key(now, &order_key, &withheld);
                self.engine.key_rows(now, &order_key, after, upto, candidates);
                self.keep_held(records);
            }
            Reading::Again { asked, rows } => {
                let (candidates, records) = split(rows);
                // Also those that go to the dead letters at once, for the evidence of it.
                for record in records {
                    self.rows.keep(record);
                }
                self.engine.reread(now, &asked, candidates);
            }
        }
    }

    /// Keeps the records that the engine took up; what it passed over for now is read again when its turn comes.
    fn keep_held(&mut self, records: Vec<Arc<SharedRecord>>) {
        for record in records.into_iter().filter(|record| self.engine.holds(record.position)) {
            self.rows.keep(record);
        }
    }
}

fn split(rows: Vec<Row>) -> (Vec<Candidate>, Vec<Arc<SharedRecord>>) {
    rows.into_iter().map(|row| (row.candidate, row.record)).unzip()
}
