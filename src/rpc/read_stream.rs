//! `Read` at the door: one page waits for the socket while nothing else is read, so that a reader who does not read costs no more.

use std::sync::Arc;

use tokio::{sync::mpsc, time::Instant};
use tonic::Status;

use super::{
    answer::refuse,
    feed_requests,
    feed_stream::{Term, until},
};
use crate::{
    domain::{cursor::Cursor, violation::Findings},
    gateway::{
        Caller, Gateway, Refused,
        read::{MAX_PAGE, Passage, ReadFrom, ReadPage, ReadRecord, ReadRequest, Reading},
    },
    proto::{self, read_request::From, read_response::Message},
    wire,
};

/// A reader comes again after this long, milliseconds: when the gateway closes, and when its stream is too old.
const AFTER_SHUTDOWN_MS: u64 = 1_000;
const AFTER_MAX_AGE_MS: u64 = 100;

type Said = Result<proto::ReadResponse, Status>;

/// Reads a request.
pub(super) fn request(asked: &proto::ReadRequest) -> Result<ReadRequest, Refused> {
    let mut findings = Findings::default();
    let filter = findings.within("filter", |findings| wire::subscription::read_filter(asked.filter.as_ref(), findings));
    if !findings.is_clean() {
        return Err(Refused::invalid(findings.violations));
    }
    let from = match &asked.from {
        None | Some(From::Earliest(_)) => ReadFrom::Earliest,
        Some(From::Latest(_)) => ReadFrom::Latest,
        Some(From::Position(position)) => ReadFrom::Position(*position),
        Some(From::TimeUs(time)) => ReadFrom::Time(*time),
        Some(From::Cursor(cursor)) => ReadFrom::Cursor(Cursor {
            ledger_id: cursor.ledger_id.clone(),
            generation: cursor.generation,
            position: cursor.position,
        }),
    };
    let page_records = match asked.page_size {
        0 => MAX_PAGE / 2,
        _ => feed_requests::page_size(asked.page_size)?,
    };
    let upto = (asked.upto > 0).then_some(asked.upto);
    Ok(ReadRequest { filter, from, upto, follow: asked.follow, page_records, purpose: asked.purpose.clone() })
}

/// Serves a reading in a task of its own; its answers come out here.
pub(super) fn open(gateway: Arc<Gateway>, caller: Arc<Caller>, reading: Reading, term: Option<Term>) -> mpsc::Receiver<Said> {
    let (say, out) = mpsc::channel(1);
    tokio::spawn(run(gateway, caller, reading, term, say));
    out
}

/// What happens to a reading.
enum Step {
    Read(Result<Option<Passage>, Refused>),
    GoAway(&'static str, u64),
    Gone,
}

async fn run(gateway: Arc<Gateway>, caller: Arc<Caller>, mut reading: Reading, term: Option<Term>, say: mpsc::Sender<Said>) {
    let stop = gateway.stop.clone();
    let old = term.map(|term| Instant::now() + term.until);
    let opened = proto::ReadOpened { cursor: Some(cursor(&reading)), head: reading.head() };
    let mut next = Some(Message::Opened(opened));
    loop {
        // Room first: what does not leave is not recorded as having left.
        let Ok(place) = say.reserve().await else { return };
        if let Some(message) = next.take() {
            place.send(Ok(proto::ReadResponse { message: Some(message) }));
            continue;
        }
        let step = tokio::select! {
            biased;
            () = say.closed() => Step::Gone,
            () = stop.cancelled() => Step::GoAway("shutdown", AFTER_SHUTDOWN_MS),
            () = until(old) => Step::GoAway("max_age", AFTER_MAX_AGE_MS),
            passage = reading.next() => Step::Read(passage),
        };
        match step {
            Step::Read(Ok(Some(passage))) => place.send(Ok(message(&reading, &passage))),
            Step::Read(Ok(None)) | Step::Gone => return,
            Step::Read(Err(refused)) => return place.send(Err(refuse(&gateway, &caller, &refused))),
            Step::GoAway(reason, reconnect_after_ms) => {
                let away = proto::GoAway { reason: reason.to_owned(), reconnect_after_ms };
                return place.send(Ok(proto::ReadResponse { message: Some(Message::GoAway(away)) }));
            }
        }
    }
}

fn cursor(reading: &Reading) -> proto::Cursor {
    let Cursor { ledger_id, generation, position } = reading.cursor();
    proto::Cursor { ledger_id, generation, position }
}

fn message(reading: &Reading, passage: &Passage) -> proto::ReadResponse {
    let (cursor, head) = (Some(cursor(reading)), reading.head());
    let message = match passage {
        Passage::Page(ReadPage { records, evidence_index, purpose_salt }) => Message::Page(proto::ReadPage {
            records: records.iter().map(record).collect(),
            cursor,
            head,
            evidence_index: *evidence_index,
            purpose_salt: purpose_salt.map(|salt| salt.to_vec().into()).unwrap_or_default(),
        }),
        Passage::Heartbeat => Message::Heartbeat(proto::ReadHeartbeat { cursor, head }),
        Passage::End => Message::End(proto::ReadEnd { cursor, head }),
    };
    proto::ReadResponse { message: Some(message) }
}

fn record(read: &ReadRecord) -> proto::ReadRecord {
    proto::ReadRecord {
        record: Some(wire::record(&read.record, read.show_restricted)),
        recall: read.recall,
        left_filter: read.left_filter,
    }
}
