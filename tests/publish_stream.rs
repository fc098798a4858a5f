//! Publishing on a stream, over mutual TLS: one result a request, in order, whatever is refused or breaks in between.

mod exchange;

use std::time::Duration;

use exchange::{Exchange, line::Line, nonconformity, qualification, refusal, soon, survey, until};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tongbao::{
    client::{Confirmation, Connection, PublishStream, Publisher, PublisherOptions, RetryPolicy, StreamOptions},
    domain::evidence::ActKind,
    proto::{self, PublishResponse, PublishStreamRequest, publish_result, publish_service_client::PublishServiceClient},
};
use tonic::{Code, Streaming};

const QUICK: RetryPolicy = RetryPolicy {
    initial: Duration::from_millis(5),
    factor: 1.5,
    longest: Duration::from_millis(50),
    spread: 0.0,
    give_up_after: Some(Duration::from_secs(30)),
};

fn stream_over(connection: &Connection) -> PublishStream {
    let options = StreamOptions { retry: QUICK, request_id: "night-run".to_owned(), ..StreamOptions::default() };
    Publisher::new(connection, PublisherOptions::default()).stream(options)
}

async fn sent(stream: &PublishStream, records: Vec<proto::Record>) -> Confirmation {
    soon("room on the stream", stream.send(records)).await.expect("taken")
}

async fn stands(confirmation: Confirmation) -> PublishResponse {
    soon("a confirmation", confirmation).await.expect("published")
}

async fn refused(confirmation: Confirmation) -> tongbao::client::Refusal {
    refusal(soon("a confirmation", confirmation).await.expect_err("refused"))
}

fn positions(response: &PublishResponse) -> Vec<u64> {
    response.records.iter().map(|record| record.position).collect()
}

async fn publish_entries(exchange: &Exchange) -> Vec<tongbao::domain::evidence::Entry> {
    let kind = proto::ActKind::Publish.into();
    exchange.entries(proto::SearchEntriesRequest { kind, ..Default::default() }).await
}

/// Position of the newest record; 0 = none.
async fn newest(exchange: &Exchange) -> u64 {
    publish_entries(exchange).await.iter().flat_map(|entry| &entry.positions).map(|range| range.last).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_single_records_are_answered_in_order_and_share_their_evidence() {
    let mut exchange = Exchange::open().await;
    let stream = stream_over(&exchange.connection("amr-330000"));
    let mut confirmations = Vec::new();
    for n in 1..=1_500 {
        confirmations.push(sent(&stream, vec![survey("amr-330000", n)]).await);
    }
    for (n, confirmation) in (1..).zip(confirmations) {
        let response = stands(confirmation).await;
        assert_eq!(positions(&response), [n]);
        assert_eq!(response.records[0].record_id, format!("amr-330000/es-{n}"));
        assert!(response.committed_at_us > 0);
    }
    soon("the end", stream.close()).await.expect("closed in good order");
    let entries = publish_entries(&exchange).await;
    assert!(entries.len() < 750, "{} entries for 1,500 requests", entries.len());
    let requests: u64 =
        entries.iter().flat_map(|entry| &entry.counts).filter(|(name, _)| name == "requests").map(|(_, n)| n).sum();
    assert_eq!(requests, 1_500);
    for entry in &entries {
        assert_eq!((entry.kind, entry.request_id.as_str()), (ActKind::Publish, "night-run"));
        assert!(entry.method.ends_with("PublishService/PublishStream") && entry.positions.len() == 1, "{entry:?}");
    }
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_request_stands_alone() {
    let mut exchange = Exchange::open().await;
    let stream = stream_over(&exchange.connection("amr-330000"));
    let mut wrong = survey("amr-330000", 2);
    wrong.sections[0].content = vec![0xff].into();
    let mut gap = survey("amr-330000", 1);
    gap.revision = 9;
    let mut huge = survey("amr-330000", 3);
    huge.sections[0].content = vec![0; (4 << 20) + 1].into();
    let batches = vec![
        vec![survey("amr-330000", 1)],
        vec![survey("amr-330000", 10), wrong],
        vec![survey("samr", 2)],
        vec![survey("amr-330000", 11), gap],
        (0..1_001).map(|n| survey("amr-330000", 100 + n)).collect(),
        vec![huge],
        Vec::new(),
        vec![survey("amr-330000", 1)],
        vec![survey("amr-330000", 10), survey("amr-330000", 12)],
    ];
    let mut confirmations = Vec::new();
    for batch in batches {
        confirmations.push(sent(&stream, batch).await);
    }
    let mut confirmations = confirmations.into_iter();
    let mut next = || confirmations.next().expect("one a batch");
    assert_eq!(positions(&stands(next()).await), [1]);
    let invalid = refused(next()).await;
    assert_eq!((invalid.code, invalid.reason.as_str()), (Code::InvalidArgument, "INVALID_FIELDS"));
    assert!(invalid.fields.iter().all(|field| field.field.starts_with("records[1].")), "{invalid:?}");
    assert_eq!(refused(next()).await.fields[0].reason, "FOREIGN_NAMESPACE");
    let gap = refused(next()).await;
    assert_eq!((gap.code, gap.reason.as_str(), gap.fields[0].field.as_str()), (Code::Aborted, "REVISION_GAP", "records[1]"));
    for reason in ["TOO_MANY_RECORDS", "BATCH_TOO_LARGE", "EMPTY_BATCH"] {
        assert_eq!(refused(next()).await.fields[0].reason, reason);
    }
    let again = stands(next()).await;
    assert!(again.records[0].duplicate && again.evidence_index == 0);
    assert_eq!(positions(&again), [1]);
    assert_eq!(positions(&stands(next()).await), [2, 3]);
    assert_eq!(stream.streams(), 1);
    soon("the end", stream.close()).await.expect("closed in good order");
    exchange.refusal_entry("REVISION_GAP", "PublishStream").await;
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_that_is_not_granted_is_refused_request_by_request() {
    let mut exchange = Exchange::open().await;
    let stream = stream_over(&exchange.connection("mofcom"));
    let mut foreign = nonconformity("mofcom", 1);
    foreign.record_id = "mofcom/nc-1".to_owned();
    let first = sent(&stream, vec![qualification(1)]).await;
    let denied = sent(&stream, vec![qualification(2), foreign]).await;
    let last = sent(&stream, vec![qualification(3)]).await;
    assert_eq!(positions(&stands(first).await), [1]);
    let denied = refused(denied).await;
    assert_eq!((denied.code, denied.reason.as_str()), (Code::PermissionDenied, "NOT_GRANTED"));
    assert_eq!(positions(&stands(last).await), [2]);
    soon("the end", stream.close()).await.expect("closed in good order");
    exchange.refusal_entry("NOT_GRANTED", "PublishStream").await;
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_in_doubt_is_sent_again_and_stands_once() {
    let mut exchange = Exchange::open().await;
    let line = Line::to(exchange.house.address()).await;
    let stream = stream_over(&exchange.connection_through("amr-330000", &line));
    stands(sent(&stream, vec![survey("amr-330000", 1)]).await).await;
    line.be_deaf(true);
    let mut confirmations = Vec::new();
    for n in 2..=40 {
        confirmations.push(sent(&stream, vec![survey("amr-330000", n)]).await);
    }
    until("everything to stand", || async { newest(&exchange).await == 40 }).await;
    line.be_deaf(false);
    line.cut();
    for (n, confirmation) in (2..).zip(confirmations) {
        let response = stands(confirmation).await;
        assert_eq!((positions(&response), response.records[0].duplicate), (vec![n], true));
    }
    assert_eq!((stream.streams(), stream.repeats()), (2, 39));
    assert_eq!(positions(&stands(sent(&stream, vec![survey("amr-330000", 41)]).await).await), [41]);
    soon("the end", stream.close()).await.expect("closed in good order");
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_outlives_a_restart_of_the_gateway() {
    let mut exchange = Exchange::open().await;
    let stream = stream_over(&exchange.connection("amr-330000"));
    stands(sent(&stream, vec![survey("amr-330000", 1)]).await).await;
    let (confirmations, waiting) = mpsc::unbounded_channel();
    let sending = tokio::spawn(async move {
        for n in 2..=600 {
            let _ = confirmations.send(sent(&stream, vec![survey("amr-330000", n)]).await);
        }
        stream
    });
    exchange.stop().await;
    exchange.restart().await;
    let stream = soon("everything to be sent", sending).await.expect("sent");
    let mut waiting = waiting;
    let mut before = 1;
    while let Some(confirmation) = soon("a confirmation", waiting.recv()).await {
        let now = positions(&stands(confirmation).await)[0];
        assert_eq!(now, before + 1, "in order, none twice");
        before = now;
    }
    assert_eq!(before, 600);
    soon("the end", stream.close()).await.expect("closed in good order");
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_told_at_once_and_everyone_who_waits_hears_it() {
    let mut exchange = Exchange::open().await;
    let stream = stream_over(&exchange.connection(tongbao::cli::house::STRANGER));
    let (first, second) = (sent(&stream, vec![survey("samr", 1)]).await, stream.send(vec![survey("samr", 2)]).await);
    let told = refused(first).await;
    assert_eq!(told.code, Code::Unauthenticated);
    let second = match second {
        Ok(confirmation) => soon("the same", confirmation).await.expect_err("refused"),
        Err(error) => error,
    };
    assert_eq!(refusal(second).reason, told.reason);
    assert_eq!(refusal(soon("the end", stream.close()).await.expect_err("refused")).reason, told.reason);
    exchange.stop_and_check().await;
}

/// A stream with nothing automatic.
struct Raw {
    say: mpsc::Sender<PublishStreamRequest>,
    hear: Streaming<proto::PublishStreamResponse>,
}

impl Raw {
    async fn open(connection: &Connection) -> Self {
        let (say, words) = mpsc::channel(4);
        let mut service = PublishServiceClient::new(connection.signed());
        let hear = soon("the stream", service.publish_stream(ReceiverStream::new(words))).await.expect("open").into_inner();
        Self { say, hear }
    }

    async fn say(&self, request_id: u64, records: Vec<proto::Record>) {
        soon("the connection", self.say.send(PublishStreamRequest { request_id, records })).await.expect("open");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_cannot_be_read_ends_the_stream_after_what_came_before() {
    let mut exchange = Exchange::open().await;
    let mut raw = Raw::open(&exchange.connection("amr-330000")).await;
    raw.say(7, vec![survey("amr-330000", 1)]).await;
    let mut huge = survey("amr-330000", 2);
    huge.sections[0].content = vec![0; 9 << 20].into();
    raw.say(8, vec![huge]).await;
    let answer = soon("the answer", raw.hear.message()).await.expect("a message").expect("an answer");
    let [result] = answer.results.as_slice() else { panic!("one result: {answer:?}") };
    assert_eq!(result.request_id, 7);
    assert!(matches!(&result.result, Some(publish_result::Result::Published(response)) if positions(response) == [1]));
    let status = soon("the end", raw.hear.message()).await.expect_err("refused");
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert!(status.message().contains("larger than"), "{status:?}");
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_leaves_whole_batches_behind() {
    let mut exchange = Exchange::open().await;
    let raw = Raw::open(&exchange.connection("amr-330000")).await;
    for batch in 0..8 {
        raw.say(batch, (1..=50).map(|n| survey("amr-330000", batch * 50 + n)).collect()).await;
    }
    drop(raw);
    // Whoever asks again finds each batch whole, or publishes it now.
    for batch in 0..8 {
        let records = (1..=50).map(|n| survey("amr-330000", batch * 50 + n)).collect();
        let response = exchange.publish("amr-330000", records).await;
        let duplicates = response.records.iter().filter(|record| record.duplicate).count();
        assert!(duplicates == 0 || duplicates == 50, "batch {batch}: {duplicates} of 50");
    }
    assert_eq!(newest(&exchange).await, 400);
    exchange.stop_and_check().await;
}
