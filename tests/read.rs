//! Reading by position over mutual TLS: pages that are recorded before they leave, a place that the reader holds, and what
//! happens when the place is lost, the grant is gone, the line breaks, or nobody reads on.

mod exchange;

use std::time::Duration;

use exchange::{Exchange, ONCE, line::Line, nonconformity, qualification, record, refusal, soon, survey, until};
use tongbao::{
    cli::house::House,
    client::{ClientError, Connection, Passage, Reader, Refusal, RetryPolicy},
    domain::{
        evidence::{Entry, PositionRange},
        records::{Matter, examples},
    },
    proto::{
        self, Cursor, Filter, ReadRequest, ReadResponse, SectionName, feed_service_client::FeedServiceClient, read_request::From,
        read_response::Message,
    },
};
use tonic::{Code, Streaming};

const QUICK: RetryPolicy = RetryPolicy {
    initial: Duration::from_millis(5),
    factor: 1.5,
    longest: Duration::from_millis(50),
    spread: 0.0,
    give_up_after: Some(Duration::from_secs(30)),
};

fn ask() -> ReadRequest {
    ReadRequest { purpose: "export control".to_owned(), ..ReadRequest::default() }
}

fn of_feed(feed: &str) -> ReadRequest {
    ReadRequest { filter: Some(Filter { feeds: vec![feed.to_owned()], ..Filter::default() }), ..ask() }
}

async fn next(reader: &mut Reader) -> Option<Passage> {
    soon("what comes next", reader.next()).await.expect("heard")
}

fn positions(page: &proto::ReadPage) -> Vec<u64> {
    page.records.iter().filter_map(|read| read.record.as_ref()).map(|record| record.position).collect()
}

/// Everything up to the end, page by page.
async fn pages(reader: &mut Reader) -> Vec<Vec<u64>> {
    let mut pages = Vec::new();
    while let Some(passage) = next(reader).await {
        if let Passage::Page(page) = passage {
            pages.push(positions(&page));
        }
    }
    pages
}

async fn refused(connection: &Connection, request: ReadRequest) -> Refusal {
    let mut reader = Reader::new(connection, request, &ONCE);
    loop {
        match soon("a refusal", reader.next()).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("read to the end"),
            Err(error) => return refusal(error),
        }
    }
}

async fn read_entries(exchange: &Exchange) -> Vec<Entry> {
    let kind = proto::ActKind::Pull.into();
    let mut entries = exchange.entries(proto::SearchEntriesRequest { kind, ..Default::default() }).await;
    entries.retain(|entry| entry.method.ends_with("FeedService/Read"));
    entries
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_recorded_and_the_place_goes_on_where_it_was_left() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", (1..=7).map(|n| survey("amr-330000", n)).collect()).await;
    let connection = exchange.connection("gacc");
    let mut reader = Reader::new(&connection, ReadRequest { page_size: 3, ..ask() }, &ONCE);
    let Some(Passage::Page(first)) = next(&mut reader).await else { panic!("a page") };
    assert_eq!((positions(&first), first.head, first.purpose_salt.len()), (vec![1, 2, 3], 7, 16));
    let place = reader.cursor().cloned().expect("a place");
    assert_eq!((place.position, place.generation), (3, 1));
    drop(reader);

    let from = Some(From::Cursor(place.clone()));
    let mut reader = Reader::new(&connection, ReadRequest { page_size: 3, from, ..ask() }, &ONCE);
    assert_eq!(pages(&mut reader).await, [vec![4, 5, 6], vec![7]]);
    assert_eq!(reader.cursor().map(|place| place.position), Some(7));
    let from = Some(From::Cursor(reader.cursor().cloned().expect("a place")));
    let mut reader = Reader::new(&connection, ReadRequest { from, ..ask() }, &ONCE);
    assert_eq!(pages(&mut reader).await, [[0_u64; 0]; 0]);

    let entries = read_entries(&exchange).await;
    let index = |index: u64| entries.iter().find(|entry| entry.index == index).expect("the entry that the page named");
    let entry = index(first.evidence_index);
    assert_eq!(entry.positions, [PositionRange { first: 1, last: 3 }]);
    assert_eq!((entry.participant.as_str(), entry.feeds.as_slice()), ("gacc", ["enterprises".to_owned()].as_slice()));
    assert!(entries.len() >= 3, "an entry a page: {}", entries.len());
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_begins_and_ends_where_it_is_told() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", (1..=3).map(|n| survey("amr-330000", n)).collect()).await;
    let second = exchange.publish("mofcom", vec![qualification(1), qualification(2)]).await;
    let connection = exchange.connection("gacc");
    let read = async |request: ReadRequest| pages(&mut Reader::new(&connection, request, &ONCE)).await.concat();
    assert_eq!(read(ask()).await, [1, 2, 3, 4, 5]);
    assert_eq!(read(ReadRequest { from: Some(From::Latest(true)), ..ask() }).await, [0_u64; 0]);
    assert_eq!(read(ReadRequest { from: Some(From::Position(3)), upto: 4, ..ask() }).await, [3, 4]);
    assert_eq!(read(ReadRequest { from: Some(From::TimeUs(second.committed_at_us)), ..ask() }).await, [4, 5]);
    assert_eq!(read(of_feed("export-qualifications")).await, [4, 5]);
    let wrong = refused(&connection, ReadRequest { from: Some(From::Position(7)), ..ask() }).await;
    assert_eq!((wrong.code, wrong.reason.as_str()), (Code::OutOfRange, "POSITION_OUT_OF_RANGE"));
    let wrong = refused(&connection, ReadRequest { page_size: 1_001, ..ask() }).await;
    assert_eq!(wrong.fields[0].field, "page_size");
    let wrong = refused(&connection, of_feed("weather")).await;
    assert_eq!(wrong.fields[0].field, "filter.feeds[0]");
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_not_in_this_ledger_is_refused_with_what_was_lost() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", vec![survey("amr-330000", 1)]).await;
    let connection = exchange.connection("gacc");
    let mut reader = Reader::new(&connection, ask(), &ONCE);
    pages(&mut reader).await;
    let place = reader.cursor().cloned().expect("a place");
    let at = |cursor: Cursor| ReadRequest { from: Some(From::Cursor(cursor)), ..ask() };
    let foreign = refused(&connection, at(Cursor { ledger_id: "ab".repeat(16), ..place.clone() })).await;
    assert_eq!((foreign.code, foreign.reason.as_str()), (Code::OutOfRange, "FOREIGN_LEDGER"));
    assert!(foreign.message.contains(&place.ledger_id), "{foreign:?}");
    let restored = refused(&connection, at(Cursor { generation: 9, position: 4, ..place.clone() })).await;
    assert_eq!((restored.code, restored.reason.as_str()), (Code::OutOfRange, "LEDGER_RESTORED"));
    assert!(restored.message.contains("3 positions are gone"), "{restored:?}");
    let beyond = refused(&connection, at(Cursor { position: 2, ..place })).await;
    assert_eq!((beyond.code, beyond.reason.as_str()), (Code::OutOfRange, "CURSOR_BEYOND_HEAD"));
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_granted_is_not_read() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", vec![survey("amr-330000", 1)]).await;
    exchange.publish("mofcom", vec![qualification(1)]).await;
    let read = async |who: &str| {
        let connection = exchange.connection(who);
        let mut reader = Reader::new(&connection, ask(), &ONCE);
        let mut seen = Vec::new();
        while let Some(passage) = next(&mut reader).await {
            let Passage::Page(page) = passage else { continue };
            for record in page.records.into_iter().filter_map(|read| read.record) {
                let sections = record.sections.iter().filter(|section| !section.content.is_empty());
                seen.push((record.position, sections.map(proto::Section::name).collect::<Vec<_>>()));
            }
        }
        seen
    };
    let (open, both) = (vec![SectionName::Open], vec![SectionName::Open, SectionName::Restricted]);
    assert_eq!(read("gacc").await, [(1, open.clone()), (2, open.clone())]);
    assert_eq!(read("ndrc").await, [(1, both)], "the allow-list is not for it");
    let denied = refused(&exchange.connection("ndrc"), of_feed("export-qualifications")).await;
    assert_eq!((denied.code, denied.reason.as_str()), (Code::PermissionDenied, "NOT_GRANTED"));
    let purpose = refused(&exchange.connection("gacc"), ReadRequest::default()).await;
    assert_eq!(purpose.fields[0].reason, "PURPOSE_REQUIRED");
    exchange.refusal_entry("NOT_GRANTED", "FeedService/Read").await;
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_hears_what_comes_and_that_it_is_at_the_head() {
    let mut exchange = Exchange::open().await;
    exchange.publish("mofcom", vec![qualification(1)]).await;
    let connection = exchange.connection("gacc");
    let mut reader = Reader::new(&connection, ReadRequest { follow: true, ..of_feed("failed-products") }, &ONCE);
    let Some(Passage::Heartbeat(heartbeat)) = next(&mut reader).await else { panic!("at the head, with nothing for it") };
    assert_eq!((heartbeat.cursor.map(|place| place.position), heartbeat.head), (Some(1), 1));
    exchange.publish("mofcom", vec![qualification(2)]).await;
    exchange.publish("amr-330000", vec![nonconformity("amr-330000", 1)]).await;
    let Some(Passage::Page(page)) = next(&mut reader).await else { panic!("a page") };
    assert_eq!((positions(&page), page.cursor.map(|place| place.position)), (vec![3], Some(3)));
    let mut ends = Reader::new(&connection, ReadRequest { follow: true, upto: 4, ..ask() }, &ONCE);
    assert_eq!(next(&mut ends).await.map(|passage| matches!(passage, Passage::Page(_))), Some(true));
    exchange.publish("mofcom", vec![qualification(3), qualification(4)]).await;
    assert_eq!(pages(&mut ends).await, [[4]]);
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_outlives_a_cut_line_and_a_restart() {
    let mut exchange = Exchange::open().await;
    let line = Line::to(exchange.house.address()).await;
    exchange.publish("amr-330000", (1..=4).map(|n| survey("amr-330000", n)).collect()).await;
    let connection = exchange.connection_through("gacc", &line);
    let mut reader = Reader::new(&connection, ReadRequest { follow: true, page_size: 2, ..ask() }, &QUICK);
    let mut read = Vec::new();
    let mut take = async |reader: &mut Reader, until: u64| {
        while read.last() != Some(&until) {
            if let Some(Passage::Page(page)) = next(reader).await {
                read.extend(positions(&page));
            }
        }
    };
    take(&mut reader, 2).await;
    line.cut();
    exchange.publish("amr-330000", vec![survey("amr-330000", 5)]).await;
    take(&mut reader, 5).await;
    let before = reader.streams();
    assert!(before >= 2);
    exchange.stop().await;
    exchange.restart().await;
    exchange.publish("amr-330000", vec![survey("amr-330000", 6)]).await;
    take(&mut reader, 6).await;
    assert!(reader.streams() > before);
    assert_eq!(read, [1, 2, 3, 4, 5, 6], "no loss, no double");
    exchange.stop_and_check().await;
}

/// A stream with nothing automatic.
async fn raw(connection: &Connection, request: ReadRequest) -> Streaming<ReadResponse> {
    let mut service = FeedServiceClient::new(connection.signed());
    soon("the stream", service.read(request)).await.expect("open").into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_close_is_said_before_it_comes() {
    let mut exchange = Exchange::open().await;
    let mut stream = raw(&exchange.connection("gacc"), ReadRequest { follow: true, ..ask() }).await;
    let mut heard = Vec::new();
    let stopping = Box::pin(exchange.stop());
    let hearing = async {
        while let Ok(Some(response)) = stream.message().await {
            heard.extend(response.message);
        }
    };
    soon("the stop", async { tokio::join!(stopping, hearing) }).await;
    assert!(matches!(heard.first(), Some(Message::Opened(opened)) if opened.head == 0), "{heard:?}");
    assert!(matches!(heard.last(), Some(Message::GoAway(away)) if away.reason == "shutdown"), "{heard:?}");
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_is_gone_ends_a_reading_at_its_next_page() {
    const GRANT: &str = "\n[[grants]]\nparticipant = \"ndrc\"\nactions = [\"read\"]\nfeeds = [\"export-qualifications\"]\n";
    let config = |house: &House| std::fs::read_to_string(house.config_file()).expect("a configuration");
    let mut exchange = Exchange::open_with(|house| {
        std::fs::write(house.config_file(), config(house) + GRANT).expect("written");
    })
    .await;
    exchange.publish("mofcom", vec![qualification(1)]).await;
    let connection = exchange.connection("ndrc");
    let mut reader = Reader::new(&connection, ReadRequest { follow: true, ..of_feed("export-qualifications") }, &ONCE);
    assert!(matches!(next(&mut reader).await, Some(Passage::Page(_))));
    std::fs::write(exchange.house.config_file(), config(&exchange.house).replace(GRANT, "")).expect("written");
    exchange.reload().await;
    exchange.publish("mofcom", vec![qualification(2)]).await;
    let error = soon("the end", reader.next()).await.expect_err("refused");
    assert!(matches!(&error, ClientError::Refused(refusal) if refusal.code == Code::PermissionDenied), "{error:?}");
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_costs_a_few_pages_and_no_more() {
    let mut exchange = Exchange::open().await;
    for batch in 0..6 {
        let notice = |n: u64| {
            let mut notice = examples::notice(n);
            notice.text = "口".repeat(6_000);
            record(&format!("samr/un-{n}"), None, Matter::UrgentNotice(Box::new(notice)))
        };
        exchange.publish("samr", (1..=200).map(|n| notice(batch * 200 + n)).collect()).await;
    }
    // A page a record: 1,200 pages of 18 kB are far more than the windows of the connection hold.
    let stream = raw(&exchange.connection("gacc"), ReadRequest { page_size: 1, ..ask() }).await;
    until("the first page", || async { !read_entries(&exchange).await.is_empty() }).await;
    // Each look is a commit of its own, as each page is: a gateway that still read would get on between two of them.
    let (mut recorded, mut same) = (0, 0);
    while same < 10 {
        let now = read_entries(&exchange).await.len();
        same = if now == recorded { same + 1 } else { 0 };
        recorded = now;
    }
    assert!(recorded < 900, "{recorded} of 1,200 pages were recorded for a reader that read none");
    drop(stream);
    exchange.stop_and_check().await;
}

/// Runs `tongbao read` to its end: exit code, lines of standard output, standard error.
async fn tongbao_read(exchange: &Exchange, flags: &[&str]) -> (Option<i32>, Vec<String>, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_tongbao"));
    command.args(["--lang", "en", "--profile"]).arg(exchange.house.profile_file("gacc")).arg("read");
    let ended = soon("the command", command.args(flags).output()).await.expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (ended.status.code(), text(&ended.stdout).lines().map(str::to_owned).collect(), text(&ended.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_prints_lines_and_the_place_to_go_on_from() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", vec![survey("amr-330000", 1), survey("amr-330000", 2)]).await;
    let (code, lines, told) = tongbao_read(&exchange, &["--purpose", "export control"]).await;
    assert_eq!((code, lines.len()), (Some(0), 2), "{told}");
    assert!(lines[1].starts_with("2\t") && lines[1].contains("amr-330000/es-2 r1"), "{lines:?}");
    let place = told.split("--cursor ").nth(1).expect("the place").trim().to_owned();
    exchange.publish("mofcom", vec![qualification(1)]).await;
    let flags = ["--purpose", "export control", "--json", "--cursor", &place];
    let (code, lines, told) = tongbao_read(&exchange, &flags).await;
    assert_eq!((code, lines.len()), (Some(0), 2), "{told}");
    let json = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("a JSON line");
    assert_eq!(json(&lines[0])["record"]["record_id"], "mofcom/eq-1");
    assert_eq!((&json(&lines[1])["position"], &json(&lines[1])["head"]), (&3.into(), &3.into()));
    let foreign = format!("{}/1/0", "ab".repeat(16));
    let (code, _, told) = tongbao_read(&exchange, &["--purpose", "export control", "--cursor", &foreign]).await;
    assert!(code == Some(3) && told.contains("FOREIGN_LEDGER"), "{code:?} {told}");
    let (code, _, told) = tongbao_read(&exchange, &["--cursor", "yesterday"]).await;
    assert!(code == Some(2) && told.contains("<ledger id>/<generation>/<position>"), "{code:?} {told}");
    exchange.stop_and_check().await;
}
