//! Dead letters as an operator has them, over real mutual TLS: selected by each criterion, counted without a change, worked through
//! chunk by chunk, gone on with after the gateway was stopped, and shown with who had them.

mod exchange;

use exchange::{
    Exchange, position, positions, refusal,
    stream::{Stream, open, reject},
    subscription, survey, until,
};
use tongbao::{
    client::{Feeds, RetryPolicy},
    domain::evidence::Entry,
    proto::{self, AttemptEnd, SettleResult, seek_to::To, settlement::Verb},
};
use tonic::Code;

const PUBLISHER: &str = "amr-330000";
/// Letters of one transaction.
const CHUNK: u64 = 500;

type Selector = proto::DeadLetterSelector;

fn all() -> Selector {
    Selector { all: true, ..Default::default() }
}

fn redrive(selector: Selector, request_id: &str) -> proto::RedriveDeadLettersRequest {
    let (subscription, request_id) = ("risk".to_owned(), request_id.to_owned());
    proto::RedriveDeadLettersRequest { subscription, selector: Some(selector), request_id, ..Default::default() }
}

fn discard(selector: Selector, reason: &str) -> proto::DiscardDeadLettersRequest {
    let (subscription, reason) = ("risk".to_owned(), reason.to_owned());
    proto::DiscardDeadLettersRequest { subscription, selector: Some(selector), reason, ..Default::default() }
}

async fn letters(feeds: &Feeds, selector: Option<Selector>) -> Vec<proto::DeadLetter> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let (subscription, selector) = ("risk".to_owned(), selector.clone());
        let request = proto::ListDeadLettersRequest { subscription, selector, page_size: 1_000, page_token };
        let page = feeds.dead_letters(request).await.expect("a page");
        all.extend(page.dead_letters);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

async fn at(feeds: &Feeds, selector: Selector) -> Vec<u64> {
    letters(feeds, Some(selector)).await.iter().map(|letter| letter.position).collect()
}

async fn acts(exchange: &Exchange, kind: proto::ActKind) -> Vec<Entry> {
    exchange.entries(proto::SearchEntriesRequest { kind: kind.into(), ..Default::default() }).await
}

/// So many records published and rejected, and the stream that had them.
async fn rejected(exchange: &Exchange, count: u64) -> (Feeds, Stream) {
    for first in (1..=count).step_by(500) {
        exchange.publish(PUBLISHER, (first..=count.min(first + 499)).map(|n| survey(PUBLISHER, n)).collect()).await;
    }
    let feeds = exchange.feeds("gacc");
    feeds.create(subscription("risk")).await.expect("made");
    let mut stream = Stream::open(&exchange.connection("gacc"), open("risk", 1)).await.expect("open");
    reject_all(&mut stream, count).await;
    (feeds, stream)
}

async fn reject_all(stream: &mut Stream, count: u64) {
    let mut left = count;
    while left > 0 {
        let some = stream.batch().await;
        left -= some.len() as u64;
        let results = stream.settle(some.iter().map(|delivery| reject(delivery, "NOT_OURS")).collect()).await;
        assert!(results.iter().all(|result| *result == SettleResult::Ok));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_are_selected_by_each_criterion_and_a_dry_run_changes_nothing() {
    let mut exchange = Exchange::open().await;
    exchange.publish(PUBLISHER, (1..=6).map(|n| survey(PUBLISHER, n)).collect()).await;
    let feeds = exchange.feeds("gacc");
    feeds.create(subscription("risk")).await.expect("made");
    let mut stream = Stream::open(&exchange.connection("gacc"), open("risk", 1)).await.expect("open");
    let held = stream.deliveries(6).await;
    let first = held[..3].iter().map(|delivery| reject(delivery, "NOT_OURS")).collect();
    assert_eq!(stream.settle(first).await, [SettleResult::Ok; 3]);
    let second = held[3..].iter().map(|delivery| reject(delivery, "UNREADABLE")).collect();
    assert_eq!(stream.settle(second).await, [SettleResult::Ok; 3]);

    let every = letters(&feeds, None).await;
    assert_eq!(every.iter().map(|letter| letter.position).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    let (third, fourth) = (&every[2], &every[3]);
    assert!(third.died_at_us < fourth.died_at_us);
    let ranges = |first, last| vec![proto::PositionSpan { first, last }];
    let cases = [
        (Selector { positions: vec![6, 2], ..Default::default() }, vec![2, 6]),
        (Selector { ranges: ranges(2, 4), positions: vec![6], ..Default::default() }, vec![2, 3, 4, 6]),
        (Selector { reasons: vec!["NOT_OURS".to_owned()], ..Default::default() }, vec![1, 2, 3]),
        (
            Selector { reasons: vec!["NOT_OURS".to_owned(), "UNREADABLE".to_owned()], ..Default::default() },
            vec![1, 2, 3, 4, 5, 6],
        ),
        (Selector { record_ids: vec![third.record_id.clone()], ..Default::default() }, vec![3]),
        (Selector { enterprises: vec![fourth.enterprise.clone(), third.enterprise.clone()], ..Default::default() }, vec![3, 4]),
        (Selector { died_from_us: fourth.died_at_us, ..Default::default() }, vec![4, 5, 6]),
        (Selector { died_before_us: fourth.died_at_us, ..Default::default() }, vec![1, 2, 3]),
        (Selector { reasons: vec!["NOT_OURS".to_owned()], ranges: ranges(3, 9), ..Default::default() }, vec![3]),
        (all(), vec![1, 2, 3, 4, 5, 6]),
    ];
    for (selector, expected) in cases {
        assert_eq!(at(&feeds, selector.clone()).await, expected, "{selector:?}");
        let preview = feeds.preview_redrive(redrive(selector.clone(), "")).await.expect("counted");
        assert_eq!(preview.selected, expected.len() as u64, "{selector:?}");
        assert_eq!(preview.sample.iter().map(|letter| letter.position).collect::<Vec<_>>(), expected, "{selector:?}");
    }
    let preview = feeds.preview_discard(discard(all(), "only looking")).await.expect("counted");
    let by_reason: Vec<_> = preview.by_reason.iter().map(|of| (of.reason.as_str(), of.count)).collect();
    assert_eq!((by_reason, preview.head), (vec![("NOT_OURS", 3), ("UNREADABLE", 3)], 6));
    assert_eq!(letters(&feeds, None).await, every, "nothing was changed");
    assert!(
        acts(&exchange, proto::ActKind::Redrive).await.is_empty() && acts(&exchange, proto::ActKind::Discard).await.is_empty()
    );

    let none = Selector { reasons: vec!["NEVER".to_owned()], ..Default::default() };
    let nothing = feeds.redrive(redrive(none, "empty")).finish().await.expect("finished");
    assert_eq!((nothing.selected, nothing.done, nothing.finished), (0, 0, true));
    let gone = feeds.discard(discard(Selector { positions: vec![2, 5], ..Default::default() }, "按电话处理")).finish().await;
    let gone = gone.expect("discarded");
    assert_eq!((gone.selected, gone.done, gone.remaining, gone.reason_salt.len()), (2, 2, 0, 16));
    let [entry] = acts(&exchange, proto::ActKind::Discard).await.try_into().expect("one entry a chunk");
    assert_eq!((entry.participant.as_str(), entry.system.as_str()), ("gacc", "risk-control"));
    assert!(entry.subjects.iter().any(|subject| *subject == format!("run:{}", gone.request_id)), "{:?}", entry.subjects);
    assert!(entry.subjects.iter().any(|subject| subject.starts_with("selector:")), "{:?}", entry.subjects);
    let salt = <[u8; 16]>::try_from(&gone.reason_salt[..]).expect("a salt");
    assert_eq!(entry.commitment, Some(tongbao::domain::evidence::commitment(&salt, "按电话处理")), "it commits to the reason");
    drop(stream);
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_meant_is_refused() {
    let exchange = Exchange::open().await;
    let (feeds, _stream) = rejected(&exchange, 2).await;
    let wrong = async |request| {
        let refused = refusal(feeds.redrive(request).finish().await.expect_err("refused"));
        (refused.code, refused.fields.first().map_or(refused.reason, |field| field.reason.clone()))
    };
    let invalid = |reason: &str| (Code::InvalidArgument, reason.to_owned());
    assert_eq!(wrong(redrive(Selector::default(), "")).await, invalid("SELECTOR_REQUIRED"));
    assert_eq!(wrong(redrive(Selector { positions: vec![1], ..all() }, "")).await, invalid("SELECTOR_CONTRADICTS"));
    assert_eq!(wrong(redrive(all(), "not an id")).await, invalid("MALFORMED_REQUEST_ID"));
    let elsewhere = proto::RedriveDeadLettersRequest { subscription: "none".to_owned(), ..redrive(all(), "") };
    assert_eq!(wrong(elsewhere).await, (Code::NotFound, "SUBSCRIPTION_NOT_FOUND".to_owned()));
    let unsaid = refusal(feeds.discard(discard(all(), " ")).finish().await.expect_err("no reason"));
    assert_eq!(unsaid.fields[0].reason, "REASON_REQUIRED");

    let first = Selector { positions: vec![1], ..Default::default() };
    assert_eq!(feeds.redrive(redrive(first.clone(), "one")).finish().await.expect("redriven").done, 1);
    let again = feeds.redrive(redrive(first, "one")).finish().await.expect("it is finished");
    assert_eq!((again.done, again.resumed, again.finished), (1, true, true), "said again it is answered as before");
    let conflict = (Code::Aborted, "RUN_CONFLICT".to_owned());
    assert_eq!(wrong(redrive(all(), "one")).await, conflict);
    let dropped = proto::DiscardDeadLettersRequest { request_id: "one".to_owned(), ..discard(all(), "x") };
    assert_eq!(refusal(feeds.discard(dropped).finish().await.expect_err("another act")).reason, "RUN_CONFLICT");
    assert_eq!(at(&feeds, all()).await, [2], "a refused run changes nothing");
}

/// The first chunk of a run, and no more of it.
async fn first_chunk(feeds: &Feeds, request_id: &str) -> proto::DeadLetterProgress {
    let mut run = feeds.redrive(proto::RedriveDeadLettersRequest { limit: CHUNK, ..redrive(all(), request_id) });
    let begun = run.next().await.expect("begun").expect("a beginning");
    assert_eq!((begun.done, begun.finished, begun.paused), (0, false, false));
    let chunk = run.next().await.expect("a chunk").expect("a chunk");
    assert_eq!((chunk.done, chunk.finished, chunk.paused), (CHUNK, false, true));
    assert_eq!(run.next().await, Ok(None));
    chunk
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_after_the_gateway_was_stopped_between_two_chunks() {
    let mut exchange = Exchange::open().await;
    let (feeds, stream) = rejected(&exchange, 2 * CHUNK + 100).await;
    drop(stream);
    let chunk = first_chunk(&feeds, "outage").await;
    assert_eq!((chunk.selected, chunk.remaining, chunk.resumed, chunk.head), (1_100, 600, false, 1_100));
    exchange.stop_and_check().await;
    exchange.restart().await;

    let feeds = exchange.feeds("gacc");
    assert_eq!(at(&feeds, all()).await, (CHUNK + 1..=1_100).collect::<Vec<_>>());
    let mut run = feeds.redrive(redrive(all(), "outage"));
    let resumed = run.next().await.expect("it goes on").expect("progress");
    assert_eq!((resumed.resumed, resumed.done, resumed.selected, resumed.head), (true, CHUNK, 1_100, chunk.head));
    let last = run.finish().await.expect("finished");
    assert_eq!((last.done, last.remaining, last.gone, last.finished), (1_100, 0, 0, true));
    assert!(at(&feeds, all()).await.is_empty());

    let entries = acts(&exchange, proto::ActKind::Redrive).await;
    assert_eq!(entries.len(), 3, "one entry a chunk");
    let covered: u64 = entries.iter().flat_map(|entry| &entry.positions).map(|range| range.last - range.first + 1).sum();
    assert_eq!(covered, 1_100, "each position once");
    let mut stream = Stream::open(&exchange.connection("gacc"), open("risk", 2)).await.expect("open");
    let mut got = positions(&stream.acknowledge(1_100).await);
    got.sort_unstable();
    assert_eq!(got, (1..=1_100).collect::<Vec<_>>(), "each comes once");
    drop(stream);
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_dies_again_while_it_runs_is_not_selected_twice() {
    let mut exchange = Exchange::open().await;
    let (feeds, mut stream) = rejected(&exchange, CHUNK + 10).await;
    assert_eq!(first_chunk(&feeds, "again").await.remaining, 10);
    // Before the rest has its turn one dies again, and the last of the rest is dropped by somebody else.
    let again = stream.batch().await.remove(0);
    assert!(again.redriven && again.current_revision == 1);
    assert_eq!(stream.settle(vec![reject(&again, "STILL_NOT_OURS")]).await, [SettleResult::Ok]);
    let dropped = Selector { positions: vec![CHUNK + 10], ..Default::default() };
    assert_eq!(feeds.discard(discard(dropped, "handled by telephone")).finish().await.expect("discarded").done, 1);
    for _ in 0..2 {
        let last = feeds.redrive(redrive(all(), "again")).finish().await.expect("finished");
        assert_eq!((last.selected, last.done, last.remaining, last.gone), (CHUNK + 10, CHUNK + 9, 0, 1));
    }
    let dead = letters(&feeds, None).await;
    assert_eq!(dead.iter().map(|letter| letter.position).collect::<Vec<_>>(), [position(&again)]);
    assert_eq!((dead[0].redrives, dead[0].history.len(), dead[0].reason.as_str()), (1, 2, "STILL_NOT_OURS"));
    drop(stream);
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seek_between_two_chunks_leaves_both_right() {
    let mut exchange = Exchange::open().await;
    let (feeds, stream) = rejected(&exchange, CHUNK + 100).await;
    drop(stream);
    feeds.pause("risk", "").await.expect("paused");
    first_chunk(&feeds, "seek").await;
    feeds.seek("risk", To::Latest(true), "start afresh").await.expect("moved");
    let last = feeds.redrive(redrive(all(), "seek")).finish().await.expect("finished");
    assert_eq!((last.done, last.gone), (CHUNK + 100, 0));
    feeds.resume("risk", "").await.expect("resumed");

    // What was redriven before the seek was forgotten with everything that waited; what came after it is delivered.
    let status = feeds.subscription("risk").await.expect("found").status.unwrap_or_default();
    assert_eq!((status.dead_letters, status.retrying), (0, 100));
    let mut stream = Stream::open(&exchange.connection("gacc"), open("risk", 2)).await.expect("open");
    let got = stream.acknowledge(100).await;
    assert!(got.iter().all(|delivery| delivery.redriven && position(delivery) > CHUNK));
    exchange.publish(PUBLISHER, vec![survey(PUBLISHER, 9_000)]).await;
    assert_eq!(positions(&stream.acknowledge(1).await), [CHUNK + 101], "then the tail, and nothing of before");
    drop(stream);
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_shows_every_attempt_with_who_had_it() {
    let mut exchange = Exchange::open().await;
    exchange.publish(PUBLISHER, vec![survey(PUBLISHER, 1)]).await;
    let feeds = exchange.feeds("gacc");
    let mut request = subscription("risk");
    request.settings.as_mut().expect("settings").max_attempts = 3;
    feeds.create(request).await.expect("made");
    let mut stream = None;
    for (client, reason) in [("eins", "db down"), ("zwei", "db still down"), ("drei", "gave up")] {
        let named = proto::Open { client: client.to_owned(), take_over: true, ..open("risk", client.as_bytes()[0]) };
        let mut attached = Stream::open(&exchange.connection("gacc"), named).await.expect("open");
        let held = attached.deliveries(1).await;
        let verb = Verb::Retry(proto::Retry { delay_ms: 0, reason: reason.to_owned() });
        let again = proto::Settlement { position: 1, token: held[0].token, verb: Some(verb) };
        assert_eq!(attached.settle(vec![again]).await, [SettleResult::Ok]);
        // What it is sent before it is taken over is not counted.
        stream = Some(attached);
    }
    drop(stream);
    until("the dead letter", || async { !letters(&feeds, None).await.is_empty() }).await;
    let [letter] = letters(&feeds, None).await.try_into().expect("one letter");
    assert_eq!((letter.reason.as_str(), letter.left_out, letter.redrives), ("max_attempts", 0, 0));
    let told: Vec<_> = letter.history.iter().map(|a| (a.number, a.reason.as_str(), a.client.as_str(), a.end())).collect();
    let end = AttemptEnd::Retry;
    assert_eq!(told, [(1, "db down", "eins", end), (2, "db still down", "zwei", end), (3, "gave up", "drei", end)]);
    for attempt in &letter.history {
        assert_eq!(attempt.consumer, "gacc/risk-control");
        assert!(0 < attempt.sent_at_us && attempt.sent_at_us <= attempt.ended_at_us);
    }

    // Redriven and rejected: of four attempts the last three are kept.
    assert_eq!(feeds.redrive(redrive(all(), "")).finish().await.expect("redriven").done, 1);
    let mut stream = Stream::open(&exchange.connection("gacc"), open("risk", 9)).await.expect("open");
    let held = stream.deliveries(1).await;
    assert_eq!(stream.settle(vec![reject(&held[0], "NOT_OURS")]).await, [SettleResult::Ok]);
    let [letter] = letters(&feeds, None).await.try_into().expect("one letter");
    assert_eq!((letter.left_out, letter.redrives, letter.history.len()), (1, 1, 3));
    let last = letter.history.last().expect("an attempt");
    assert_eq!((last.number, last.end(), last.client.as_str()), (1, AttemptEnd::Reject, ""));

    let long = proto::Open { client: "n".repeat(65), ..open("risk", 10) };
    let refused = Stream::open(&exchange.connection("gacc"), long).await.err().expect("refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    drop(stream);
    exchange.stop_and_check().await;
}

/// A client that asks under one id goes on by itself when the gateway comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_goes_on_by_itself() {
    let mut exchange = Exchange::open().await;
    let (feeds, stream) = rejected(&exchange, 2 * CHUNK).await;
    drop(stream);
    let mut run = feeds.redrive(redrive(all(), "alone")).with_retry(&RetryPolicy::STANDING);
    run.next().await.expect("begun");
    run.next().await.expect("a chunk");
    exchange.stop().await;
    exchange.restart().await;
    let last = run.finish().await.expect("finished");
    assert_eq!((last.done, last.finished), (2 * CHUNK, true));
    let mut stream = Stream::open(&exchange.connection("gacc"), open("risk", 2)).await.expect("open");
    stream.acknowledge(2 * CHUNK as usize).await;
    drop(stream);
    exchange.stop_and_check().await;
}
