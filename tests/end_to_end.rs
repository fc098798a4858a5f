//! The whole way over real mutual TLS: publish → feed → acknowledge → evidence, with cuts, take-overs and a stop in between.

mod exchange;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use exchange::{
    Exchange, id,
    line::Line,
    nonconformity, position, positions, qualification, record, refusal, soon,
    stream::{Stream, ack, open, reject, retry, token},
    subscription, survey, until,
};
use tokio_util::sync::CancellationToken;
use tongbao::{
    client::{Feeds, RetryPolicy, Settle, SubscribeOptions, Subscriber, each},
    domain::{
        digest::Digest,
        evidence::{Checkpoint, VerifierKey, leaf_hash, read_entry, verify_checkpoint, verify_consistency, verify_inclusion},
        life_cycle::State,
        records::{EnterpriseSurvey, ExportAction, Matter, Nonconformity, RecordReference, examples},
    },
    proto::{self, SettleResult, as_of::At, start_at},
};
use tonic::Code;

/// Every delivery that a handler saw: attempt and whether it was redriven, by position.
type Seen = Arc<Mutex<BTreeMap<u64, Vec<(u32, bool)>>>>;

fn note(seen: &Seen, delivery: &proto::Delivery) -> usize {
    let mut seen = seen.lock().expect("no test panics with it");
    seen.entry(position(delivery)).or_default().push((delivery.attempt, delivery.redriven));
    seen.values().map(Vec::len).sum()
}

fn options(name: &str) -> SubscribeOptions {
    let retry = RetryPolicy { initial: Duration::from_millis(10), longest: Duration::from_millis(50), ..RetryPolicy::STANDING };
    SubscribeOptions { window_records: 20, batch: 5, retry, ..SubscribeOptions::new(name, [7; 16]) }
}

fn step(of: &str, from: State, to: State) -> Matter {
    Matter::Disposition(Box::new(examples::disposition(id(of), from, to)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_is_received_retried_rejected_redriven_and_acknowledged() {
    let mut exchange = Exchange::open().await;
    let surveys = (0..5).map(|n| survey("amr-330000", n));
    let published =
        exchange.publish("amr-330000", surveys.chain((0..20).map(|n| nonconformity("amr-330000", n))).collect()).await;
    let at: HashMap<_, _> = published.records.iter().map(|record| (record.record_id.clone(), record.position)).collect();
    let (troubled, unwanted) = (at["amr-330000/nc-3"], at["amr-330000/nc-7"]);
    let feeds = exchange.feeds("gacc");
    feeds.create(subscription("risk")).await.expect("made");

    let seen = Seen::default();
    let subscriber = Subscriber::new(&exchange.connection("gacc"), options("risk"));
    let (watch, stop, handled) = (subscriber.watch(), CancellationToken::new(), seen.clone());
    let handler = each(move |delivery: proto::Delivery| {
        note(&handled, &delivery);
        let verdict = match position(&delivery) {
            at if at == troubled && delivery.attempt == 1 => Settle::retry("BUSY"),
            at if at == unwanted && !delivery.redriven => Settle::Reject { reason: "NOT_OURS".to_owned() },
            _ => Settle::Ack,
        };
        async move { verdict }
    });
    let running = tokio::spawn(subscriber.run(Arc::new(handler), stop.clone()));

    until("24 acks and a reject", || async { watch.counts().acked == 24 && watch.counts().rejected == 1 }).await;
    let list = || async {
        let request = proto::ListDeadLettersRequest { subscription: "risk".to_owned(), ..Default::default() };
        feeds.dead_letters(request).await.expect("a list").dead_letters
    };
    let letters = list().await;
    assert_eq!(letters.iter().map(|letter| letter.position).collect::<Vec<_>>(), [unwanted]);
    assert_eq!((letters[0].reason.as_str(), letters[0].record_id.as_str()), ("NOT_OURS", "amr-330000/nc-7"));
    assert_eq!(letters[0].history.len(), 1, "{:?}", letters[0].history);
    let selector = Some(proto::DeadLetterSelector { all: true, ..Default::default() });
    let request = proto::RedriveDeadLettersRequest { subscription: "risk".to_owned(), selector, ..Default::default() };
    assert_eq!(feeds.redrive(request).finish().await.expect("redriven").done, 1);
    until("the redriven ack", || async { watch.counts().acked == 25 }).await;
    assert!(list().await.is_empty());

    stop.cancel();
    let summary = soon("the subscriber's end", running).await.expect("no panic").expect("in good order");
    assert_eq!((summary.unconfirmed, summary.counts.retried, summary.counts.stale), (0, 1, 0));
    let status = feeds.subscription("risk").await.expect("found").status.expect("numbers");
    assert_eq!((status.head, status.floor, status.lag), (25, 25, 0));
    assert_eq!((status.in_flight, status.retrying, status.dead_letters), (0, 0, 0));
    for (position, handled) in &*seen.lock().expect("no test panics with it") {
        let expected: &[(u32, bool)] = match *position {
            at if at == troubled => &[(1, false), (2, false)],
            at if at == unwanted => &[(1, false), (1, true)],
            _ => &[(1, false)],
        };
        assert_eq!(handled, expected, "position {position}");
    }
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_resumes_without_loss_or_double() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", (0..200).map(|n| nonconformity("amr-330000", n)).collect()).await;
    exchange.feeds("gacc").create(subscription("risk")).await.expect("made");
    let line = Arc::new(Line::to(exchange.house.address()).await);

    let seen = Seen::default();
    let subscriber = Subscriber::new(&exchange.connection_through("gacc", &line), options("risk"));
    let (watch, stop, handled, cut) = (subscriber.watch(), CancellationToken::new(), seen.clone(), line.clone());
    let handler = each(move |delivery| {
        if matches!(note(&handled, &delivery), 50 | 103 | 157) {
            cut.cut();
        }
        async { Settle::Ack }
    });
    let running = tokio::spawn(subscriber.run(Arc::new(handler), stop.clone()));
    let feeds = exchange.feeds("gacc");
    let floor = || async { feeds.subscription("risk").await.expect("found").status.expect("numbers").floor };
    until("all acks", || async { floor().await == 200 && watch.is_idle() }).await;
    stop.cancel();
    let summary = soon("the subscriber's end", running).await.expect("no panic").expect("in good order");
    assert_eq!(summary.unconfirmed, 0);
    assert!(summary.counts.streams >= 4, "it was cut three times: {:?}", summary.counts);
    let seen = seen.lock().expect("no test panics with it").clone();
    assert_eq!(seen.len(), 200);
    assert!(seen.values().all(|handled| handled == &[(1, false)]), "each was handled once: {seen:?}");
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taking_over_voids_the_tokens_of_the_one_before() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", (0..3).map(|n| nonconformity("amr-330000", n)).collect()).await;
    exchange.feeds("gacc").create(subscription("risk")).await.expect("made");
    let connection = exchange.connection("gacc");
    let mut first = Stream::open(&connection, open("risk", 1)).await.expect("open");
    let held = first.deliveries(3).await;

    let Err(busy) = Stream::open(&connection, open("risk", 2)).await else { panic!("one active session") };
    let busy = refusal(connection.understand(&busy).await);
    assert_eq!((busy.code, busy.reason.as_str()), (Code::FailedPrecondition, "SUBSCRIPTION_BUSY"));
    let taking_over = proto::Open { take_over: true, ..open("risk", 2) };
    let mut second = Stream::open(&connection, taking_over).await.expect("taken over");
    assert_eq!(first.go_away().await.reason, "taken_over");
    assert!(second.opened.epoch > first.opened.epoch);

    let stale = second.settle(held.iter().map(ack).collect()).await;
    assert_eq!(stale, [SettleResult::Stale; 3]);
    let again = second.acknowledge(3).await;
    assert!(again.iter().all(|delivery| delivery.attempt == 1), "a take-over is no failure");
    assert!(again.iter().all(|delivery| token(delivery).epoch == second.opened.epoch));
    let twice = second.settle(again.iter().map(ack).collect()).await;
    assert_eq!(twice, [SettleResult::Ok; 3], "what stands is confirmed again");
    drop((first, second));
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_on_states_hears_when_a_record_leaves_it() {
    let mut exchange = Exchange::open().await;
    let feeds = exchange.feeds("gacc");
    let filtered = |name: &str, filter| {
        let mut request = subscription(name);
        request.settings.get_or_insert_default().filter = Some(filter);
        request
    };
    let confirmed =
        proto::Filter { feeds: vec!["failed-products".to_owned()], states: vec!["confirmed".to_owned()], ..Default::default() };
    feeds.create(filtered("confirmed", confirmed)).await.expect("made");
    let in_zhejiang = proto::Filter { region_prefixes: vec!["33".to_owned()], ..Default::default() };
    feeds.create(filtered("zhejiang", in_zhejiang)).await.expect("made");
    let of_maker = proto::Filter { credit_codes: vec![examples::credit_code(2).to_string()], ..Default::default() };
    feeds.create(filtered("maker", of_maker)).await.expect("made");

    let publish = |records| exchange.publish("amr-330000", records);
    publish(vec![nonconformity("amr-330000", 1), nonconformity("amr-330000", 2), survey("amr-330000", 5)]).await;
    // The producer is elsewhere: an order is not Zhejiang's to give.
    let order = |id: &str| record(id, None, step("amr-330000/nc-1", State::Confirmed, State::Ordered));
    let refused = exchange.publisher("amr-330000").publish_batch(vec![order("amr-330000/d-1")]).await;
    assert_eq!(refused.expect_err("refused").reason(), "NOT_COMPETENT");
    exchange.publish("samr", vec![order("samr/d-1")]).await;
    exchange.publish("samr", vec![record("samr/d-2", None, step("amr-330000/nc-1", State::Ordered, State::Rechecking))]).await;
    publish(vec![record("amr-330000/d-3", None, step("amr-330000/nc-2", State::Confirmed, State::Overturned))]).await;
    publish(vec![nonconformity("amr-330000", 5)]).await;

    let connection = exchange.connection("gacc");
    let mut got = Stream::open(&connection, open("confirmed", 1)).await.expect("open").acknowledge(5).await;
    got.sort_by_key(position);
    assert_eq!(positions(&got), [1, 2, 4, 6, 7]);
    assert_eq!(got.iter().map(|delivery| delivery.left_filter).collect::<Vec<_>>(), [false, false, true, true, false]);
    assert_eq!(got.iter().map(|delivery| delivery.recall).collect::<Vec<_>>(), [false, false, false, true, false]);
    let mut got = Stream::open(&connection, open("zhejiang", 1)).await.expect("open").acknowledge(2).await;
    got.sort_by_key(position);
    assert_eq!(positions(&got), [3, 7]);
    let got = Stream::open(&connection, open("maker", 1)).await.expect("open").acknowledge(2).await;
    assert_eq!(positions(&got), [2, 6]);
    for name in ["confirmed", "zhejiang", "maker"] {
        until("the end of the ledger", || async {
            let status = feeds.subscription(name).await.expect("found").status.expect("numbers");
            assert_eq!(status.in_flight, 0, "{name}: nothing else is out");
            status.floor == 7
        })
        .await;
    }
    exchange.stop_and_check().await;
}

fn fetch(name: &str, max_records: u32) -> proto::FetchRequest {
    proto::FetchRequest {
        subscription: name.to_owned(),
        max_records,
        wait_ms: 10_000,
        session_id: vec![9; 16].into(),
        ..Default::default()
    }
}

async fn settle(feeds: &Feeds, name: &str, items: Vec<proto::Settlement>) -> Vec<SettleResult> {
    let request = proto::SettleRequest {
        subscription: name.to_owned(),
        settlements: Some(proto::Settlements { request_id: 1, items }),
        session_id: vec![9; 16].into(),
    };
    feeds
        .settle(request)
        .await
        .expect("settled")
        .settled
        .unwrap_or_default()
        .items
        .iter()
        .map(proto::SettledItem::result)
        .collect()
}

/// Fetches and acknowledges so many.
async fn take(feeds: &Feeds, name: &str, count: usize) -> Vec<u64> {
    let mut got = Vec::new();
    while got.len() < count {
        let fetched = feeds.fetch(fetch(name, 100)).await.expect("fetched").deliveries;
        assert!(!fetched.is_empty(), "{name}: {count} expected, got {got:?}");
        let answers = settle(feeds, name, fetched.iter().map(ack).collect()).await;
        assert!(answers.iter().all(|answer| *answer == SettleResult::Ok), "{answers:?}");
        got.extend(positions(&fetched));
    }
    got.sort_unstable();
    got
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_starts_where_it_is_told() {
    let mut exchange = Exchange::open().await;
    let mut times = Vec::new();
    for n in 1..=3 {
        times.push(exchange.publish("amr-330000", vec![survey("amr-330000", n)]).await.committed_at_us);
    }
    let changed = EnterpriseSurvey { daily_output: Some(1), ..examples::survey(1) };
    let second = record("amr-330000/es-1", Some(2), Matter::EnterpriseSurvey(Box::new(changed)));
    exchange.publish("amr-330000", vec![second]).await;
    let feeds = exchange.feeds("gacc");
    let cases: [(&str, start_at::At, &[u64]); 6] = [
        ("earliest", start_at::At::Earliest(true), &[1, 2, 3, 4, 5]),
        ("latest", start_at::At::Latest(true), &[5]),
        ("position", start_at::At::Position(3), &[3, 4, 5]),
        ("time", start_at::At::TimeUs(times[2]), &[3, 4, 5]),
        ("just-after", start_at::At::TimeUs(times[2] + 1), &[4, 5]),
        ("snapshot", start_at::At::Snapshot(true), &[2, 3, 4, 5]),
    ];
    for (name, at, _) in &cases {
        let start = Some(proto::StartAt { at: Some(*at) });
        feeds.create(proto::CreateSubscriptionRequest { start, ..subscription(name) }).await.expect("made");
    }
    exchange.publish("amr-330000", vec![survey("amr-330000", 4)]).await;
    for (name, _, expected) in &cases {
        assert_eq!(take(&feeds, name, expected.len()).await, *expected, "{name}");
        let status = feeds.subscription(name).await.expect("found").status.expect("numbers");
        assert_eq!((status.floor, status.in_flight, status.lag), (5, 0, 0), "{name}");
    }
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pitfall_11_a_start_outside_of_what_is_kept_is_an_error_that_says_so() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", (1..=3).map(|n| survey("amr-330000", n)).collect()).await;
    let feeds = exchange.feeds("gacc");
    let starting = |name: &str, position: u64| proto::CreateSubscriptionRequest {
        start: Some(proto::StartAt { at: Some(start_at::At::Position(position)) }),
        ..subscription(name)
    };
    for position in [0, 5, 100, u64::MAX] {
        let refused = refusal(feeds.create(starting("outside", position)).await.expect_err("nothing is kept there"));
        assert_eq!((refused.code, refused.reason.as_str()), (Code::OutOfRange, "POSITION_OUT_OF_RANGE"));
        assert!(refused.message.contains("1 and 4"), "what there is: {}", refused.message);
    }
    assert!(feeds.subscription("outside").await.is_err(), "and nothing was made that would silently receive nothing");
    // The next one to come is within.
    for position in [1, 4] {
        feeds.create(starting(&format!("from-{position}"), position)).await.expect("made");
    }
    assert_eq!(take(&feeds, "from-1", 3).await, [1, 2, 3]);
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetched_deliveries_are_settled_one_by_one() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", (0..5).map(|n| nonconformity("amr-330000", n)).collect()).await;
    let feeds = exchange.feeds("gacc");
    feeds.create(subscription("risk")).await.expect("made");
    let two = feeds.fetch(fetch("risk", 2)).await.expect("fetched").deliveries;
    assert_eq!(positions(&two), [1, 2]);
    let unheard_of = proto::Settlement { position: 4, ..ack(&two[0]) };
    let answers = settle(&feeds, "risk", vec![ack(&two[0]), retry(&two[1], 1), unheard_of]).await;
    assert_eq!(answers[..2], [SettleResult::Ok, SettleResult::Ok]);
    assert_ne!(answers[2], SettleResult::Ok, "it was never delivered");
    assert_eq!(settle(&feeds, "risk", vec![retry(&two[1], 1)]).await, [SettleResult::Stale], "a retry counts once");
    let mut rest = BTreeMap::new();
    while rest.len() < 4 {
        for delivery in feeds.fetch(fetch("risk", 100)).await.expect("fetched").deliveries {
            assert_eq!(settle(&feeds, "risk", vec![reject(&delivery, "NO")]).await, [SettleResult::Ok]);
            rest.insert(position(&delivery), delivery.attempt);
        }
    }
    assert_eq!(rest.into_iter().collect::<Vec<_>>(), [(2, 2), (3, 1), (4, 1), (5, 1)]);
    let mut letters = Vec::new();
    let mut page_token = String::new();
    loop {
        let subscription = "risk".to_owned();
        let request = proto::ListDeadLettersRequest { subscription, page_size: 3, page_token, ..Default::default() };
        let page = feeds.dead_letters(request).await.expect("a page");
        letters.extend(page.dead_letters.iter().map(|letter| letter.position));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(letters, [2, 3, 4, 5]);
    let selector = Some(proto::DeadLetterSelector { positions: vec![2, 3], ..Default::default() });
    let discard = proto::DiscardDeadLettersRequest {
        subscription: "risk".to_owned(),
        selector,
        reason: "handled by telephone".to_owned(),
        ..Default::default()
    };
    assert_eq!(feeds.discard(discard).finish().await.expect("discarded").done, 2);
    let status = feeds.subscription("risk").await.expect("found").status.expect("numbers");
    assert_eq!((status.floor, status.in_flight, status.dead_letters), (5, 0, 2));
    feeds.delete("risk").await.expect("deleted");
    assert_eq!(refusal(feeds.subscription("risk").await.expect_err("it is gone")).code, Code::NotFound);
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_purpose_is_asked_for_where_the_feed_wants_it() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", vec![survey("amr-330000", 5), nonconformity("amr-330000", 5)]).await;
    let purposeless = |feed: &str| {
        let mut request = subscription(feed);
        let settings = request.settings.get_or_insert_default();
        settings.purpose = String::new();
        settings.filter = Some(proto::Filter { feeds: vec![feed.to_owned()], ..Default::default() });
        request
    };
    let feeds = exchange.feeds("gacc");
    feeds.create(purposeless("failed-products")).await.expect("that feed asks for none");
    let refused = refusal(feeds.create(purposeless("enterprises")).await.expect_err("refused"));
    let complaint = &refused.fields[0];
    assert_eq!(refused.code, Code::InvalidArgument);
    assert_eq!((complaint.field.as_str(), complaint.reason.as_str()), ("settings.purpose", "PURPOSE_REQUIRED"));
    let question = |purpose: &str| proto::GetEnterpriseRequest {
        credit_code: examples::credit_code(5).to_string(),
        purpose: purpose.to_owned(),
        ..Default::default()
    };
    let records = exchange.records("mofcom");
    let refused = refusal(records.enterprise(question("")).await.expect_err("refused"));
    let complaint = &refused.fields[0];
    assert_eq!(refused.code, Code::InvalidArgument);
    assert_eq!((complaint.field.as_str(), complaint.reason.as_str()), ("purpose", "PURPOSE_REQUIRED"));
    records.enterprise(question("allow-list")).await.expect("answered");
    exchange.refusal_entry("INVALID_FIELDS", "GetEnterprise").await;
    exchange.stop_and_check().await;
}

fn at(position: u64) -> proto::AsOf {
    proto::AsOf { at: Some(At::Position(position)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enterprises_and_records_are_pulled_as_they_were_known() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", vec![survey("amr-330000", 5), nonconformity("amr-330000", 5)]).await;
    exchange.publish("mofcom", vec![qualification(5)]).await;
    let overturned = step("amr-330000/nc-5", State::Confirmed, State::Overturned);
    let published = exchange.publish("amr-330000", vec![record("amr-330000/d-5", None, overturned)]).await;
    let code = examples::credit_code(5).to_string();
    let purpose = "allow-list".to_owned();

    let commerce = exchange.records("mofcom");
    let ask = |as_of| proto::GetEnterpriseRequest {
        credit_code: code.clone(),
        as_of,
        min_position: published.records[0].position,
        purpose: purpose.clone(),
    };
    let answer = commerce.enterprise(ask(None)).await.expect("found");
    let file = answer.enterprise.expect("a file");
    assert_eq!((file.nonconformities[0].state.as_str(), file.on_allow_list), ("overturned", true));
    assert_eq!(answer.basis.as_ref().map(|basis| basis.position), Some(4));
    assert!(answer.basis.is_some_and(|basis| basis.evidence_index > 0));
    let before = commerce.enterprise(proto::GetEnterpriseRequest { min_position: 0, ..ask(Some(at(2))) }).await.expect("found");
    let before_file = before.enterprise.expect("a file");
    assert_eq!((before_file.nonconformities[0].state.as_str(), before_file.on_allow_list), ("confirmed", false));
    assert_eq!(before.basis.map(|basis| basis.position), Some(2));

    let batch = proto::BatchGetEnterprisesRequest {
        credit_codes: vec![code.clone(), examples::credit_code(6).to_string()],
        purpose: purpose.clone(),
        ..Default::default()
    };
    let batch = commerce.enterprises(batch).await.expect("answered");
    assert_eq!((batch.enterprises.len(), batch.not_found), (1, vec![examples::credit_code(6).to_string()]));

    let ask = proto::GetRecordRequest { record_id: "amr-330000/es-5".to_owned(), purpose: purpose.clone(), ..Default::default() };
    let shown = |answer: proto::GetRecordResponse| {
        let sections = answer.record.unwrap_or_default().sections;
        sections.iter().map(|section| (section.name(), !section.content.is_empty())).collect::<Vec<_>>()
    };
    let (open, restricted) = (proto::SectionName::Open, proto::SectionName::Restricted);
    assert_eq!(shown(commerce.record(ask.clone()).await.expect("found")), [(open, true), (restricted, true)]);
    let customs = exchange.records("gacc");
    assert_eq!(shown(customs.record(ask).await.expect("found")), [(open, true), (restricted, false)]);

    let mut listed = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = proto::ListRecordsRequest { page_size: 2, page_token, purpose: purpose.clone(), ..Default::default() };
        let page = customs.list(request).await.expect("a page");
        assert!(page.records.len() <= 2);
        // What arrives while somebody turns pages does not shift them.
        if listed.is_empty() {
            exchange.publish("amr-330000", vec![nonconformity("amr-330000", 6)]).await;
        }
        listed.extend(page.records.iter().map(|record| record.position));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, [1, 2, 3, 4]);
    let past = proto::ListRecordsRequest { as_of: Some(at(2)), purpose, ..Default::default() };
    let past = customs.list(past).await.expect("a page").records;
    assert_eq!(past.iter().map(|record| record.position).collect::<Vec<_>>(), [1, 2]);
    exchange.stop_and_check().await;
}

fn declaration(n: u64, batch: &str) -> proto::ScreenRequest {
    let item = proto::DeclarationItem {
        goods_name: "口罩".to_owned(),
        hs_code: "6307900010".to_owned(),
        batch: batch.to_owned(),
        claimed_standard: "chinese".to_owned(),
        ..Default::default()
    };
    let maker = proto::Party { credit_code: examples::credit_code(n).to_string(), ..Default::default() };
    let declaration = proto::Declaration {
        number: "222920200000000001".to_owned(),
        maker: Some(maker),
        items: vec![item],
        ..Default::default()
    };
    proto::ScreenRequest { declaration: Some(declaration), ..Default::default() }
}

async fn attest(exchange: &Exchange, who: &str, feed: &str, region: &str, complete_to_us: i64) {
    let request = proto::AttestRequest { feed: feed.to_owned(), region: region.to_owned(), complete_to_us };
    let attested = exchange.publisher(who).attest(request).await.expect("attested");
    assert_eq!(attested.complete_to_us, complete_to_us);
    let remarks: Vec<_> = attested.remarks.iter().map(|remark| (remark.field.as_str(), remark.reason.as_str())).collect();
    let is_own = region.is_empty() || who.ends_with(region);
    assert_eq!(remarks, if is_own { vec![] } else { vec![("region", "OUTSIDE_REGION")] }, "{who} for {region}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn declarations_are_held_reviewed_cleared_or_unknown() {
    let mut exchange = Exchange::open().await;
    let rumour =
        Nonconformity { initial_state: State::Detected, notified_on: None, published_on: None, ..examples::nonconformity(15) };
    let rumour = record("amr-330000/nc-15", None, Matter::Nonconformity(Box::new(rumour)));
    let published = exchange.publish("amr-330000", vec![nonconformity("amr-330000", 5), rumour]).await;
    let screening = exchange.screening("gacc");
    let screen = |request| async { screening.screen(request).await.expect("an answer") };
    let unknown = screen(declaration(10, "OTHER")).await;
    assert_eq!(unknown.verdict(), proto::Verdict::Unknown, "nobody has attested yet: {unknown:?}");
    let now = published.committed_at_us;
    for (who, region) in [("samr", ""), ("amr-330000", "330000"), ("amr-420000", "420000")] {
        attest(&exchange, who, "failed-products", region, now).await;
        attest(&exchange, who, "enterprises", region, now).await;
    }
    attest(&exchange, "mofcom", "export-qualifications", "", now).await;
    attest(&exchange, "amr-330000", "failed-products", "420000", now).await;

    let held = screen(declaration(5, &examples::nonconformity(5).batch)).await;
    assert_eq!(held.verdict(), proto::Verdict::Hold);
    let reason = &held.items[0].reasons[0];
    assert_eq!(reason.rule_id, "N-CODE-BATCH-HOLD");
    assert_eq!(reason.record.as_ref().map(|record| record.record_id.as_str()), Some("amr-330000/nc-5"));
    let review = screen(declaration(15, "OTHER")).await;
    assert_eq!(review.verdict(), proto::Verdict::Review, "{review:?}");
    assert_eq!(review.items[0].reasons[0].rule_id, "N-CODE-DETECTED-REVIEW");
    let clear = screen(declaration(10, "OTHER")).await;
    assert_eq!(clear.verdict(), proto::Verdict::Clear, "{clear:?}");
    let basis = clear.basis.expect("a basis");
    assert_eq!((basis.position, basis.complete_to_us, basis.stale), (2, now, false));
    assert!(clear.expires_at_us > now && !clear.screening_id.is_empty());
    let subject = clear.screening_id.clone();
    let entries = exchange.entries(proto::SearchEntriesRequest { subject, ..Default::default() }).await;
    assert_eq!(entries.iter().map(|entry| entry.index).collect::<Vec<_>>(), [basis.evidence_index]);

    let acted = |screening_id: &str| {
        let rested_on = reason.record.as_ref().expect("a record");
        let record_id = id(&rested_on.record_id);
        let rested_on = RecordReference { record_id, revision: rested_on.revision, position: rested_on.position };
        let action = examples::export_action(5, vec![rested_on]);
        let action = ExportAction { screening_id: screening_id.to_owned(), ..action };
        vec![record("gacc/a-1", None, Matter::ExportAction(Box::new(action)))]
    };
    let refused = exchange.publisher("gacc").publish_batch(acted("scr-0")).await.expect_err("refused");
    assert_eq!(refused.reason(), "UNKNOWN_SCREENING");
    exchange.publish("gacc", acted(&held.screening_id)).await;
    exchange.stop_and_check().await;
}

fn hashes(hashes: &[impl AsRef<[u8]>]) -> Vec<Digest> {
    hashes.iter().map(|hash| hash.as_ref().try_into().expect("32 bytes")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_is_found_and_proved() {
    let mut exchange = Exchange::open().await;
    let evidence = exchange.evidence();
    let early = evidence.checkpoint().await.expect("signed");
    let key = VerifierKey::parse(&early.verifier_key).expect("a key");
    let early = verify_checkpoint(&early.checkpoint, &key).expect("it verifies");
    exchange.publish("amr-330000", (0..3).map(|n| nonconformity("amr-330000", n)).collect()).await;
    exchange.feeds("gacc").create(subscription("risk")).await.expect("made");
    Stream::open(&exchange.connection("gacc"), open("risk", 1)).await.expect("open").acknowledge(3).await;

    let of_position = exchange.entries(proto::SearchEntriesRequest { position: 2, ..Default::default() }).await;
    let kinds: Vec<_> = of_position.iter().map(|entry| (format!("{:?}", entry.kind), entry.participant.clone())).collect();
    for expected in [("Publish", "amr-330000"), ("Disclose", "gacc"), ("Settle", "gacc")] {
        assert!(kinds.contains(&(expected.0.to_owned(), expected.1.to_owned())), "{expected:?} in {kinds:?}");
    }
    let order: Vec<_> = of_position.iter().map(|entry| entry.index).collect();
    assert!(order.is_sorted(), "{order:?}");

    let late = verify_checkpoint(&evidence.checkpoint().await.expect("signed").checkpoint, &key).expect("it verifies");
    for entry in &of_position {
        let request = proto::ProveInclusionRequest { index: entry.index, tree_size: late.size };
        let proof = evidence.inclusion(request).await.expect("a proof");
        let head = verify_checkpoint(&proof.checkpoint, &key).expect("it verifies");
        assert_eq!((head.size, head.root), (late.size, late.root));
        let logged = proof.entry.expect("the entry");
        assert_eq!(read_entry(&logged.entry).expect("it reads"), *entry);
        let leaf = leaf_hash(&logged.entry);
        assert!(verify_inclusion(&leaf, entry.index, head.size, &hashes(&proof.hashes), &head.root));
        let mut changed = logged.entry.to_vec();
        changed[5] ^= 1;
        assert!(!verify_inclusion(&leaf_hash(&changed), entry.index, head.size, &hashes(&proof.hashes), &head.root));
    }
    let request = proto::ProveConsistencyRequest { first: early.size, second: late.size };
    let proof = evidence.consistency(request).await.expect("a proof");
    let extends = |from: &Checkpoint| verify_consistency(from.size, late.size, &hashes(&proof.hashes), &from.root, &late.root);
    assert!(extends(&early));
    assert!(!extends(&Checkpoint { root: late.root, ..early.clone() }), "another history");
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_says_go_away_and_loses_nothing() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", (0..10).map(|n| nonconformity("amr-330000", n)).collect()).await;
    exchange.feeds("gacc").create(subscription("risk")).await.expect("made");
    let mut stream = Stream::open(&exchange.connection("gacc"), open("risk", 1)).await.expect("open");
    let held = stream.deliveries(10).await;
    assert_eq!(stream.settle(held[..4].iter().map(ack).collect()).await, [SettleResult::Ok; 4]);
    let (go_away, ()) = tokio::join!(stream.go_away(), exchange.stop());
    assert_eq!(go_away.reason, "shutdown");
    drop(stream);
    exchange::check_everything(&exchange.store_path()).await;

    exchange.restart().await;
    let mut stream = Stream::open(&exchange.connection("gacc"), open("risk", 1)).await.expect("open");
    let mut rest = stream.acknowledge(6).await;
    rest.sort_by_key(position);
    assert_eq!(positions(&rest), [5, 6, 7, 8, 9, 10]);
    assert!(rest.iter().all(|delivery| delivery.attempt == 1), "a stop of the gateway is nobody's failure");
    exchange.stop_and_check().await;
}
