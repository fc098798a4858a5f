//! Reading the ledger by position: the reader holds its own place, and the gateway keeps nothing of it.
//!
//! Invariants: DISCLOSED-AFTER-RECORDED, one entry a page; rights are evaluated for each page, so that a change reaches who is
//! reading; a page is made only when it is asked for, so that a slow reader costs one page and no more.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{
    Caller, Class, Refused,
    disclosure::{Disclosure, DisclosureLog},
    moment::Asking,
    pages::Pages,
    pull::{check_length, check_purpose},
    reader::{Reader, Rights},
    shared::SharedRecord,
};
use crate::domain::{
    cursor::Cursor,
    delivery::{Filter, is_recall},
    evidence::ActKind,
    feeds::Feed,
    grants::Action,
    ids::{Micros, Position},
};

/// Most records of one page.
pub const MAX_PAGE: usize = 1_000;
/// Content of one page, bytes: with what stands around it below the 4 MiB that clients take by default. A larger record goes alone.
const PAGE_BYTES: usize = 2 << 20;
/// Positions looked through before the reader hears how far it got, so that a sparse filter does not leave it in the dark.
const SCAN_POSITIONS: u64 = 8_192;
/// A reader at the head hears at least this often that it is there.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Where reading begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadFrom {
    /// The first position.
    Earliest,
    /// After the head.
    Latest,
    /// This position.
    Position(Position),
    /// What was committed at or after this time.
    Time(Micros),
    /// After this place.
    Cursor(Cursor),
}

/// What is to be read.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// What is selected; no feeds = every feed granted.
    pub filter: Filter,
    /// Where to begin.
    pub from: ReadFrom,
    /// Last position to read; `None` = the head.
    pub upto: Option<Position>,
    /// Go on at the head as it moves.
    pub follow: bool,
    /// Records of a page, 1 to [`MAX_PAGE`].
    pub page_records: usize,
    /// Purpose as stated; empty = none.
    pub purpose: String,
}

/// One revision on its way out.
#[derive(Debug, Clone)]
pub struct ReadRecord {
    /// The revision, shared by all who read it.
    pub record: Arc<SharedRecord>,
    /// True when its restricted section may be shown.
    pub show_restricted: bool,
    /// Takes back what was given.
    pub recall: bool,
    /// The predecessor matched the filter, this revision does not.
    pub left_filter: bool,
}

/// Revisions, recorded before they are told.
#[derive(Debug, Clone)]
pub struct ReadPage {
    /// By position.
    pub records: Vec<ReadRecord>,
    /// Evidence entry of the disclosure.
    pub evidence_index: u64,
    /// Salt of the purpose's commitment, if one was stated.
    pub purpose_salt: Option<[u8; 16]>,
}

/// What a reader is told.
#[derive(Debug, Clone)]
pub enum Passage {
    /// Revisions.
    Page(ReadPage),
    /// How far it got, with nothing to show.
    Heartbeat,
    /// Everything that was asked for was read.
    End,
}

/// Reads by position.
#[derive(Clone)]
pub struct ReadDesk {
    reader: Reader,
    pages: Arc<Pages>,
    log: DisclosureLog,
}

/// One reading under way.
pub struct Reading {
    desk: ReadDesk,
    caller: Arc<Caller>,
    request: ReadRequest,
    /// Everything at or below was passed.
    at: Position,
    /// Last position to read, fixed unless the reader follows.
    upto: Option<Position>,
    moves: watch::Receiver<Position>,
    /// The place last told.
    told: Option<Position>,
    /// It was at the head before: then it hears of skipped positions with the heartbeat alone.
    caught_up: bool,
    is_over: bool,
}

impl ReadDesk {
    pub(super) fn new(reader: Reader, pages: Arc<Pages>, log: DisclosureLog) -> Self {
        Self { reader, pages, log }
    }

    /// Begins a reading. Nothing is disclosed yet.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` when a feed that is named is not granted, or none is; `INVALID_ARGUMENT` without the purpose that a
    /// feed asks for; `OUT_OF_RANGE` for a place that is not in this ledger, with what was lost.
    pub async fn open(&self, caller: Arc<Caller>, request: ReadRequest) -> Result<Reading, Refused> {
        let moves = self.reader.tail.watch();
        let head = self.reader.tail.position();
        let at = self.start(&request.from, head).await?;
        let upto = match request.upto {
            Some(upto) if request.follow => Some(upto),
            Some(upto) => Some(upto.min(head)),
            None if request.follow => None,
            None => Some(head),
        };
        let desk = self.clone();
        let reading = Reading { desk, caller, request, at, upto, moves, told: None, caught_up: false, is_over: false };
        reading.rights()?;
        Ok(reading)
    }

    async fn start(&self, from: &ReadFrom, head: Position) -> Result<Position, Refused> {
        Ok(match from {
            ReadFrom::Earliest => 0,
            ReadFrom::Latest => head,
            ReadFrom::Time(time) => self.reader.store.position_at(time.saturating_sub(1)).await?.min(head),
            ReadFrom::Position(position) if (1..=head + 1).contains(position) => position - 1,
            ReadFrom::Position(position) => {
                return Err(Refused::new(
                    Class::OutOfRange,
                    "POSITION_OUT_OF_RANGE",
                    format!("起始位置 {position} 不在 1 至 {} 之间", head + 1),
                    format!("start position {position} is not within 1 and {}", head + 1),
                ));
            }
            ReadFrom::Cursor(cursor) => {
                let ledger = self.reader.store.identity();
                cursor
                    .check(&ledger.ledger_id, ledger.generation, head)
                    .map_err(|lost| Refused { text: lost.text(), ..Refused::new(Class::OutOfRange, lost.reason(), "", "") })?;
                cursor.position
            }
        })
    }
}

impl Reading {
    /// The place up to which everything was passed.
    pub fn cursor(&self) -> Cursor {
        let ledger = self.desk.reader.store.identity();
        Cursor { ledger_id: ledger.ledger_id.clone(), generation: ledger.generation, position: self.at }
    }

    /// Head of the ledger now.
    pub fn head(&self) -> Position {
        self.desk.reader.tail.position()
    }

    /// What comes next; waits at the head when the reader follows. `None` = it was told the end.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` when a grant is gone; `UNAVAILABLE` when a page cannot be recorded.
    pub async fn next(&mut self) -> Result<Option<Passage>, Refused> {
        while !self.is_over {
            let rights = self.rights()?;
            let head = self.head();
            let end = self.upto.map_or(head, |upto| upto.min(head));
            if self.upto.is_some_and(|upto| self.at >= upto) {
                self.is_over = true;
                return Ok(Some(Passage::End));
            }
            if self.at >= end {
                if self.waits_at(head).await {
                    return Ok(Some(self.heartbeat()));
                }
                continue;
            }
            let records = self.scan(&rights, end).await?;
            if !records.is_empty() {
                return self.disclose(records).await.map(Some);
            }
            if self.at < end {
                return Ok(Some(self.heartbeat()));
            }
        }
        Ok(None)
    }

    /// Waits at the head until it moves; true = the reader is to be told where it stands.
    async fn waits_at(&mut self, head: Position) -> bool {
        if !std::mem::replace(&mut self.caught_up, true) && self.told != Some(self.at) {
            return true;
        }
        // A tail that is gone moves no more: the gateway closes, which ends the stream.
        let moves = async { self.moves.wait_for(|position| *position > head).await.is_ok() };
        match tokio::time::timeout(HEARTBEAT, moves).await {
            Ok(true) => false,
            Ok(false) => std::future::pending().await,
            Err(_) => true,
        }
    }

    fn heartbeat(&mut self) -> Passage {
        self.told = Some(self.at);
        Passage::Heartbeat
    }

    /// What the reader may see now.
    fn rights(&self) -> Result<Rights, Refused> {
        let feeds = &self.request.filter.feeds;
        let reader = &self.desk.reader;
        let rights = if feeds.is_empty() {
            reader.rights(&self.caller, Action::Read, &Feed::ALL)?
        } else {
            reader.rights_on_all(&self.caller, Action::Read, feeds)?
        };
        let asking = Asking { purpose: self.request.purpose.clone(), ..Asking::default() };
        check_length(&asking)?;
        check_purpose(rights.ask_for_a_purpose(), &asking)?;
        Ok(rights)
    }

    /// Reads on, up to `end` at most, and moves the place over what it looked through.
    async fn scan(&mut self, rights: &Rights, end: Position) -> Result<Vec<ReadRecord>, Refused> {
        let end = end.min(self.at + SCAN_POSITIONS);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while self.at < end {
            let records = self.desk.pages.after(self.at, end).await?;
            if records.is_empty() {
                break;
            }
            for record in records {
                let selected = self.select(rights, &record);
                if let Some(row) = selected {
                    bytes += record.sections.len();
                    if rows.len() >= self.request.page_records || (bytes > PAGE_BYTES && !rows.is_empty()) {
                        return Ok(rows);
                    }
                    rows.push(row);
                }
                self.at = record.position;
            }
        }
        Ok(rows)
    }

    fn select(&self, rights: &Rights, record: &Arc<SharedRecord>) -> Option<ReadRecord> {
        if !rights.admit(record, None) {
            return None;
        }
        let marks = self.request.filter.select(&record.attributes, record.previous.as_ref())?;
        Some(ReadRecord {
            show_restricted: rights.show_restricted(record),
            recall: is_recall(&record.attributes),
            left_filter: marks.left_filter,
            record: record.clone(),
        })
    }

    async fn disclose(&mut self, records: Vec<ReadRecord>) -> Result<Passage, Refused> {
        let mut feeds: Vec<Feed> = records.iter().map(|read| read.record.attributes.feed()).collect();
        feeds.sort_unstable();
        feeds.dedup();
        let disclosure = Disclosure {
            feeds,
            revisions: records.iter().map(|read| (read.record.position, read.record.digest)).collect(),
            subjects: Vec::new(),
            purpose: self.request.purpose.clone(),
            counts: vec![("records", records.len() as u64), ("upto", self.at)],
        };
        let recorded = self.desk.log.record(ActKind::Pull, &self.caller, disclosure).await?;
        self.told = Some(self.at);
        Ok(Passage::Page(ReadPage { records, evidence_index: recorded.evidence_index, purpose_salt: recorded.purpose_salt }))
    }
}
