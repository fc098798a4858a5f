//! The life of a stream: how it ages, how a dead peer is found, what ends it, and that neither side waits for the other.

mod exchange;

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use exchange::{
    Exchange,
    line::Line,
    nonconformity, positions, soon,
    stream::{Stream, ack, open, reject, retry},
    subscription, until,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tongbao::{
    cli::house::{House, TRUST_DOMAIN},
    client::{Handler, RetryPolicy, Settle, SubscribeOptions, Subscriber, Taken},
    clock::World,
    domain::records::{Matter, Nonconformity, examples},
    proto::{self, SettleResult, feed_service_client::FeedServiceClient, subscribe_request::Message as Say},
    tls::authority::Authority,
};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

const PUBLISHER: &str = "amr-330000";

const QUICK: RetryPolicy = RetryPolicy {
    initial: Duration::from_millis(5),
    factor: 1.5,
    longest: Duration::from_millis(50),
    spread: 0.2,
    give_up_after: None,
};

/// Adds settings to a section of the gateway's configuration.
fn set(house: &House, section: &str, settings: &str) {
    let text = fs::read_to_string(house.config_file()).expect("a configuration");
    let head = format!("[{section}]\n");
    let text = if text.contains(&head) {
        text.replace(&head, &format!("{head}{settings}\n"))
    } else {
        format!("{head}{settings}\n\n{text}")
    };
    fs::write(house.config_file(), text).expect("written");
}

fn reason(status: &Status) -> (Code, String) {
    let details = status.get_error_details();
    (status.code(), details.error_info().map(|info| info.reason.clone()).unwrap_or_default())
}

async fn status_of(exchange: &Exchange, name: &str) -> proto::SubscriptionStatus {
    exchange.feeds("gacc").subscription(name).await.expect("there").status.expect("a status")
}

/// A record of about 2 KiB.
fn large(n: u64) -> proto::Record {
    let content = Nonconformity { handling_raw: "责令停止销售并召回。".repeat(50), ..examples::nonconformity(n) };
    exchange::record(&format!("{PUBLISHER}/nc-{n}"), None, Matter::Nonconformity(Box::new(content)))
}

/// Acknowledges all, and counts how often it saw each position.
#[derive(Default)]
struct Counting(Mutex<BTreeMap<u64, u32>>);

#[async_trait::async_trait]
impl Handler for Counting {
    async fn handle(&self, batch: Vec<Taken>) -> Vec<Settle> {
        let mut seen = self.0.lock().expect("lock");
        for taken in &batch {
            *seen.entry(exchange::position(&taken.delivery)).or_default() += 1;
        }
        vec![Settle::Ack; batch.len()]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_stream_is_told_to_go_and_comes_again_without_loss_or_double() {
    let mut exchange = Exchange::open_with(|house| set(house, "limits", "max_stream_age_seconds = 1")).await;
    exchange.feeds("gacc").create(subscription("aging")).await.expect("made");
    let consumer = Arc::new(Counting::default());
    let stop = CancellationToken::new();
    let options = SubscribeOptions { retry: QUICK, ..SubscribeOptions::new("aging", [7; 16]) };
    let subscriber = Subscriber::new(&exchange.connection("gacc"), options);
    let watch = subscriber.watch();
    let running = tokio::spawn(subscriber.run(consumer.clone(), stop.clone()));
    let mut published = 0;
    soon("three streams", async {
        while watch.counts().streams < 3 {
            exchange.publish(PUBLISHER, (published + 1..=published + 5).map(|n| nonconformity(PUBLISHER, n)).collect()).await;
            published += 5;
        }
    })
    .await;
    until("every ack", || std::future::ready(watch.counts().acked >= published)).await;
    stop.cancel();
    let summary = soon("the end", running).await.expect("ran").expect("ended well");
    assert_eq!((summary.unconfirmed, summary.counts.acked), (0, published));
    let seen = consumer.0.lock().expect("lock").clone();
    assert_eq!(seen, (1..=published).map(|position| (position, 1)).collect());
    exchange.stop_and_check().await;
}

#[tokio::test]
async fn what_an_old_stream_does_not_settle_in_time_goes_back_uncounted() {
    let settings = "max_stream_age_seconds = 1\nstream_age_grace_seconds = 1";
    let mut exchange = Exchange::open_with(|house| set(house, "limits", settings)).await;
    exchange.feeds("gacc").create(subscription("slow")).await.expect("made");
    exchange.publish(PUBLISHER, vec![nonconformity(PUBLISHER, 1), nonconformity(PUBLISHER, 2)]).await;
    let mut stream = Stream::open(&exchange.connection("gacc"), open("slow", 1)).await.expect("open");
    let batch = stream.batch().await;
    assert_eq!(positions(&batch), [1, 2]);
    let away = stream.go_away().await;
    assert_eq!(away.reason, "max_age");
    // Between that word and the end it may still settle, and gets nothing new.
    assert_eq!(stream.settle(vec![ack(&batch[0])]).await, [SettleResult::Ok]);
    exchange.publish(PUBLISHER, vec![nonconformity(PUBLISHER, 3)]).await;
    assert!(stream.end().await.is_none(), "it ends well");

    let mut again = Stream::open(&exchange.connection("gacc"), open("slow", 1)).await.expect("open again");
    let mut rest = Vec::new();
    while rest.len() < 2 {
        rest.extend(again.batch().await);
    }
    assert_eq!(positions(&rest), [2, 3]);
    assert!(rest.iter().all(|delivery| delivery.attempt == 1), "{rest:?}");
    assert_ne!(rest[0].token, batch[1].token, "the old token is void");
    exchange.stop().await;
}

#[tokio::test]
async fn a_stream_is_told_to_go_before_its_connection_is_cut_for_its_age() {
    let settings = "max_connection_age_seconds = 1\nconnection_age_grace_seconds = 20";
    let mut exchange = Exchange::open_with(|house| set(house, "limits", settings)).await;
    exchange.feeds("gacc").create(subscription("carried")).await.expect("made");
    exchange.publish(PUBLISHER, vec![nonconformity(PUBLISHER, 1)]).await;
    let connection = exchange.connection("gacc");
    let mut stream = Stream::open(&connection, open("carried", 1)).await.expect("open");
    let batch = stream.batch().await;
    assert_eq!(stream.go_away().await.reason, "max_age");
    assert_eq!(stream.settle(vec![ack(&batch[0])]).await, [SettleResult::Ok]);
    // The channel opens another connection for the next stream by itself.
    let again = Stream::open(&connection, open("carried", 1)).await.expect("open again");
    assert_eq!(again.opened.status.map(|status| status.floor), Some(1));
    exchange.stop().await;
}

/// The gateway lets records go once they are sent: who comes back gets them again all the same, in order, ahead of what is new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_gets_what_was_out_again_and_then_what_is_new() {
    let mut exchange = Exchange::open().await;
    exchange.feeds("gacc").create(subscription("back")).await.expect("made");
    for chunk in 0..3 {
        exchange.publish(PUBLISHER, (chunk * 250..(chunk + 1) * 250).map(large).collect()).await;
    }
    let connection = exchange.connection("gacc");
    let mut stream = Stream::open(&connection, open("back", 1)).await.expect("open");
    let first = stream.deliveries(750).await;
    assert_eq!(stream.settle(first[..2].iter().map(ack).collect()).await, [SettleResult::Ok; 2]);
    drop(stream);
    exchange.publish(PUBLISHER, vec![large(750)]).await;

    let mut again = Stream::open(&connection, open("back", 1)).await.expect("open again");
    let rest = again.deliveries(749).await;
    assert_eq!(positions(&rest), (3..=751).collect::<Vec<_>>());
    let of = |delivery: &proto::Delivery| (delivery.record.clone(), delivery.token, delivery.attempt);
    assert_eq!(rest[..748].iter().map(of).collect::<Vec<_>>(), first[2..].iter().map(of).collect::<Vec<_>>());
    assert!(again.settle(rest.iter().map(ack).collect()).await.iter().all(|answer| *answer == SettleResult::Ok));
    exchange.stop_and_check().await;
}

#[tokio::test]
async fn a_peer_that_vanishes_is_found_and_its_session_detached() {
    let mut exchange = Exchange::open_with(|house| set(house, "limits", "keepalive_seconds = 1")).await;
    exchange.feeds("gacc").create(subscription("gone")).await.expect("made");
    let line = Line::to(exchange.house.address()).await;
    let stream = Stream::open(&exchange.connection_through("gacc", &line), open("gone", 1)).await.expect("open");
    assert!(status_of(&exchange, "gone").await.attached);
    line.freeze();
    until("the gateway to miss it", async || !status_of(&exchange, "gone").await.attached).await;
    // Its place is free for another at once.
    let other = Stream::open(&exchange.connection("gacc"), open("gone", 2)).await.expect("open");
    assert!(status_of(&exchange, "gone").await.attached);
    drop((stream, other));
    exchange.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_stops_reading_is_still_heard() {
    let mut exchange = Exchange::open().await;
    exchange.feeds("gacc").create(subscription("deaf")).await.expect("made");
    exchange.publish(PUBLISHER, (1..=100).map(|n| nonconformity(PUBLISHER, n)).collect()).await;
    let wide = proto::Open { window: Some(proto::Window { records: 10_000, bytes: 1 << 30 }), ..open("deaf", 1) };
    let mut stream = Stream::open(&exchange.connection("gacc"), wide).await.expect("open");
    let mut held = Vec::new();
    while held.len() < 100 {
        held.extend(stream.batch().await);
    }
    // From here on it reads nothing, while more is sent than the transport takes unread.
    for batch in 1..=3 {
        exchange.publish(PUBLISHER, (0..1_000).map(|n| large(batch * 1_000 + n)).collect()).await;
    }
    until("more to be out than the transport takes", async || status_of(&exchange, "deaf").await.in_flight >= 3_000).await;
    stream.say(Say::Settle(proto::Settlements { request_id: 1, items: held.iter().map(ack).collect() })).await;
    until("its settles to stand", async || status_of(&exchange, "deaf").await.floor >= 100).await;
    exchange.stop().await;
}

#[tokio::test]
async fn revocation_ends_an_open_stream_with_a_word_and_the_reason() {
    let mut exchange = Exchange::open().await;
    exchange.feeds("gacc").create(subscription("revoked")).await.expect("made");
    let mut stream = Stream::open(&exchange.connection("gacc"), open("revoked", 1)).await.expect("open");
    let mut authority = Authority::open(&exchange.house.folder().join("certs"), World::real()).expect("the authority");
    authority.revoke("gacc/risk-control").expect("revoked");
    exchange.reload().await;
    assert_eq!(stream.go_away().await.reason, "revoked");
    let status = stream.end().await.expect("refused");
    assert_eq!(reason(&status), (Code::Unauthenticated, "CERTIFICATE_REVOKED".to_owned()));
    exchange.stop().await;
}

#[tokio::test]
async fn a_system_taken_out_of_the_register_loses_its_open_stream() {
    let mut exchange = Exchange::open().await;
    exchange.feeds("gacc").create(subscription("removed")).await.expect("made");
    exchange.feeds("ndrc").create(subscription("stays")).await.expect("made");
    let mut stream = Stream::open(&exchange.connection("gacc"), open("removed", 1)).await.expect("open");
    let mut stays = Stream::open(&exchange.connection("ndrc"), open("stays", 1)).await.expect("open");
    let text = fs::read_to_string(exchange.house.config_file()).expect("a configuration");
    let uri = format!("spiffe://{TRUST_DOMAIN}/gacc/risk-control");
    let without = text.replace(&uri, &format!("spiffe://{TRUST_DOMAIN}/gacc/another"));
    assert_ne!(text, without);
    fs::write(exchange.house.config_file(), without).expect("written");
    exchange.reload().await;
    assert_eq!(stream.go_away().await.reason, "revoked");
    let status = stream.end().await.expect("refused");
    assert_eq!(reason(&status), (Code::Unauthenticated, "UNKNOWN_SYSTEM".to_owned()));
    let entry = exchange.refusal_entry("UNKNOWN_SYSTEM", "FeedService/Subscribe").await;
    assert_eq!((entry.participant.as_str(), entry.system.as_str()), ("gacc", "risk-control"));
    // The others go on, and so does the one that comes back into the register.
    exchange.publish(PUBLISHER, vec![nonconformity(PUBLISHER, 1)]).await;
    assert_eq!(positions(&stays.batch().await), [1]);
    fs::write(exchange.house.config_file(), text).expect("written");
    exchange.reload().await;
    Stream::open(&exchange.connection("gacc"), open("removed", 2)).await.expect("open again");
    exchange.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_stream_is_opened_again() {
    let mut exchange = Exchange::open().await;
    exchange.feeds("gacc").create(subscription("silent")).await.expect("made");
    let stop = CancellationToken::new();
    // Less than the gateway's heartbeat: to this consumer every idle stream is silent.
    let silence = Duration::from_millis(200);
    let options = SubscribeOptions { retry: QUICK, silence, ..SubscribeOptions::new("silent", [9; 16]) };
    let subscriber = Subscriber::new(&exchange.connection("gacc"), options);
    let watch = subscriber.watch();
    let running = tokio::spawn(subscriber.run(Arc::new(Counting::default()), stop.clone()));
    until("a second stream", || std::future::ready(watch.counts().streams >= 2)).await;
    exchange.publish(PUBLISHER, vec![nonconformity(PUBLISHER, 1)]).await;
    until("the ack", || std::future::ready(watch.counts().acked == 1)).await;
    stop.cancel();
    soon("the end", running).await.expect("ran").expect("ended well");
    exchange.stop().await;
}

#[tokio::test]
async fn a_stream_with_a_deadline_ends_at_it_with_the_reason() {
    let mut exchange = Exchange::open().await;
    exchange.feeds("gacc").create(subscription("timed")).await.expect("made");
    let (say, words) = tokio::sync::mpsc::channel(1);
    let first = proto::SubscribeRequest { message: Some(Say::Open(open("timed", 1))) };
    assert!(say.send(first).await.is_ok(), "the channel is ours");
    let mut request = Request::new(ReceiverStream::new(words));
    request.set_timeout(Duration::from_secs(2));
    let mut service = FeedServiceClient::new(exchange.connection("gacc").signed());
    let mut hear = soon("the stream", service.subscribe(request)).await.expect("open").into_inner();
    let status = soon("the end", async {
        loop {
            match hear.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it ended well"),
                Err(status) => return status,
            }
        }
    })
    .await;
    assert_eq!(reason(&status), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned()));
    until("the session to be detached", async || !status_of(&exchange, "timed").await.attached).await;
    exchange.stop().await;
}

#[tokio::test]
async fn a_subscription_says_how_far_behind_it_is_and_why_asleep_and_awake() {
    let mut exchange = Exchange::open().await;
    let feeds = exchange.feeds("gacc");
    exchange.publish(PUBLISHER, (1..=5).map(|n| nonconformity(PUBLISHER, n)).collect()).await;
    let mut wanted = subscription("behind");
    if let Some(settings) = &mut wanted.settings {
        settings.filter = Some(proto::Filter {
            feeds: vec!["failed-products".to_owned()],
            region_prefixes: vec!["33".to_owned(), "3702".to_owned(), "42".to_owned(), "44".to_owned(), "41".to_owned()],
            ..Default::default()
        });
    }
    feeds.create(wanted).await.expect("made");

    // Asleep: nothing was read yet, so that only bounds are known.
    let asleep = status_of(&exchange, "behind").await;
    assert_eq!(asleep.undelivered, Some(proto::Backlog { at_least: 0, at_most: 5, exact: false }));
    let oldest = asleep.oldest_unsettled.expect("there is one");
    assert_eq!((oldest.position, oldest.exact, oldest.committed_at_us > 0), (1, false, true));
    assert_eq!((asleep.attached, asleep.complete_to_us), (false, 0));

    let mut stream = Stream::open(&exchange.connection("gacc"), open("behind", 1)).await.expect("open");
    let batch = stream.batch().await;
    assert_eq!(positions(&batch), [1, 2, 3, 4, 5]);
    let items = vec![retry(&batch[0], 3_600_000), reject(&batch[1], "NOT_OURS"), ack(&batch[2])];
    assert_eq!(stream.settle(items).await, [SettleResult::Ok; 3]);
    let one = feeds.subscription("behind").await.expect("there");
    let status = one.status.expect("a status");
    assert_eq!((status.in_flight, status.retrying, status.dead_letters, status.retries), (2, 1, 1, 1));
    assert_eq!(status.undelivered, Some(proto::Backlog { at_least: 1, at_most: 1, exact: true }));
    assert_eq!(status.oldest_unsettled.map(|oldest| (oldest.position, oldest.exact)), Some((1, true)));
    let letters = proto::DeadLetterCount { reason: "NOT_OURS".to_owned(), count: 1 };
    assert_eq!(one.dead_letters_by_reason, [letters]);
    let [blocked] = one.blocked.as_slice() else { panic!("one enterprise is blocked: {:?}", one.blocked) };
    assert_eq!((blocked.blocked_by, blocked.cause()), (1, proto::BlockCause::Retry));
    assert_eq!(blocked.enterprise, batch[0].order_key);

    let listed = feeds.subscriptions(proto::ListSubscriptionsRequest::default()).await.expect("listed").subscriptions;
    assert_eq!(listed[0].status.map(|status| status.undelivered), Some(status.undelivered));
    exchange.stop_and_check().await;
}

#[tokio::test]
async fn heartbeats_carry_the_numbers_and_how_far_the_feeds_are_attested() {
    let mut exchange = Exchange::open().await;
    let mut wanted = subscription("beating");
    if let Some(settings) = &mut wanted.settings {
        let feeds = vec!["export-qualifications".to_owned()];
        settings.filter = Some(proto::Filter { feeds, ..Default::default() });
    }
    exchange.feeds("gacc").create(wanted).await.expect("made");
    let complete_to_us = 1_600_000_000_000_000;
    let attest = proto::AttestRequest { feed: "export-qualifications".to_owned(), complete_to_us, ..Default::default() };
    exchange.publisher("mofcom").attest(attest).await.expect("attested");
    exchange.publish("mofcom", vec![exchange::qualification(1)]).await;
    let mut stream = Stream::open(&exchange.connection("gacc"), open("beating", 1)).await.expect("open");
    assert_eq!(positions(&stream.batch().await), [1]);
    let beat = stream
        .wait(|heard| match heard {
            proto::subscribe_response::Message::Heartbeat(beat) => beat.status,
            _ => None,
        })
        .await;
    assert_eq!((beat.head, beat.floor, beat.in_flight, beat.attached), (1, 0, 1, true));
    assert_eq!(beat.undelivered.map(|undelivered| (undelivered.at_most, undelivered.exact)), Some((0, true)));
    assert_eq!(beat.oldest_unsettled.map(|oldest| (oldest.position, oldest.exact)), Some((1, true)));
    assert_eq!(beat.complete_to_us, complete_to_us);
    assert!(beat.counted_since_us > 0);
    exchange.stop().await;
}

/// What the gateway tells about itself.
async fn metrics(exchange: &Exchange) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let config = tongbao::config::load(Some(&exchange.house.config_file()), []).expect("a configuration").config;
    let mut line = tokio::net::TcpStream::connect(config.telemetry.listen).await.expect("connected");
    line.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.expect("asked");
    let mut text = String::new();
    line.read_to_string(&mut text).await.expect("answered");
    text
}

#[tokio::test]
async fn a_subscription_that_sleeps_has_metrics_that_move_on_with_the_head() {
    let mut exchange = Exchange::open().await;
    exchange.feeds("gacc").create(subscription("asleep")).await.expect("made");
    exchange.publish(PUBLISHER, vec![nonconformity(PUBLISHER, 1)]).await;
    let of =
        |name: &str, value: u64| format!("tongbao_subscription_{name}{{participant=\"gacc\",subscription=\"asleep\"}} {value}\n");
    until("the backlog", async || metrics(&exchange).await.contains(&of("undelivered_at_most", 1))).await;
    exchange.publish(PUBLISHER, (2..=4).map(|n| nonconformity(PUBLISHER, n)).collect()).await;
    until("the larger backlog", async || metrics(&exchange).await.contains(&of("undelivered_at_most", 4))).await;
    let text = metrics(&exchange).await;
    assert!(text.contains(&of("attached", 0)) && text.contains(&of("undelivered_at_least", 0)), "{text}");
    assert!(text.contains("subscription=\"asleep\",reason=\"NO_CONSUMER\"} 1"), "{text}");
    exchange.feeds("gacc").delete("asleep").await.expect("deleted");
    until("it to be forgotten", async || !metrics(&exchange).await.contains("subscription=\"asleep\"")).await;
    exchange.stop().await;
}
