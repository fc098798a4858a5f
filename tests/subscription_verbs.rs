//! Pausing, resuming, seeking and changing a subscription, over real mutual TLS: with a consumer attached, with nobody there, and
//! across a stop.

mod exchange;

use exchange::{
    Exchange, nonconformity, position, positions, qualification, record, refusal,
    stream::{Stream, ack, open, retry, token},
    subscription, survey, until,
};
use std::fs;

use tongbao::{
    client::Feeds,
    domain::{
        evidence::Entry,
        records::{EnterpriseSurvey, Matter, examples},
    },
    proto::{self, PauseReason, SettleResult, seek_to::To, subscribe_response::Message as Heard},
};
use tonic::Code;

const PUBLISHER: &str = "amr-330000";

async fn publish(exchange: &Exchange, numbers: std::ops::RangeInclusive<u64>) {
    exchange.publish(PUBLISHER, numbers.map(|n| survey(PUBLISHER, n)).collect()).await;
}

/// A publication that gives a record its next revision.
async fn revise(exchange: &Exchange, n: u64, revision: u32) {
    let matter = EnterpriseSurvey { daily_output: Some(u64::from(revision)), ..examples::survey(n) };
    let record = record(&format!("{PUBLISHER}/es-{n}"), Some(revision), Matter::EnterpriseSurvey(Box::new(matter)));
    exchange.publish(PUBLISHER, vec![record]).await;
}

async fn pause_reason(feeds: &Feeds, name: &str) -> PauseReason {
    feeds.subscription(name).await.expect("found").status.unwrap_or_default().pause_reason()
}

async fn acts(exchange: &Exchange, kind: proto::ActKind) -> Vec<Entry> {
    let query = proto::SearchEntriesRequest { kind: kind.into(), ..Default::default() };
    exchange.entries(query).await
}

async fn lost(stream: &mut Stream) -> Vec<(u64, String)> {
    stream
        .wait(|heard| match heard {
            Heard::LeaseLost(lost) => Some(lost.leases.iter().map(|lease| (lease.position, lease.reason.clone())).collect()),
            _ => None,
        })
        .await
}

async fn said(stream: &mut Stream, reason: PauseReason) {
    stream
        .wait(|heard| match heard {
            Heard::State(state) if state.pause_reason() == reason => Some(()),
            _ => None,
        })
        .await;
}

fn cursor(standing: &proto::Subscription) -> proto::Cursor {
    standing.place.clone().expect("a cursor")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_is_durable_audited_and_ends_only_by_resuming() {
    let mut exchange = Exchange::open().await;
    publish(&exchange, 1..=3).await;
    let feeds = exchange.feeds("gacc");
    feeds.create(subscription("risk")).await.expect("made");
    let mut stream = Stream::open(&exchange.connection("gacc"), open("risk", 1)).await.expect("open");
    let held = stream.deliveries(3).await;

    let paused = feeds.pause("risk", "数据库迁移").await.expect("paused");
    assert!(paused.paused_since_us > 0);
    said(&mut stream, PauseReason::Paused).await;
    publish(&exchange, 4..=5).await;
    assert_eq!(stream.settle(vec![ack(&held[0])]).await, [SettleResult::Ok], "what is out may be settled");
    let again = feeds.pause("risk", "once more").await.expect("it is paused");
    assert_eq!(again.paused_since_us, paused.paused_since_us);
    drop(stream);
    exchange.stop_and_check().await;

    exchange.restart().await;
    let feeds = exchange.feeds("gacc");
    assert_eq!(pause_reason(&feeds, "risk").await, PauseReason::Paused);
    let mut stream = Stream::open(&exchange.connection("gacc"), open("risk", 2)).await.expect("open");
    let status = stream.opened.status.unwrap_or_default();
    assert_eq!((status.pause_reason(), status.in_flight), (PauseReason::Paused, 0));
    let resumed = feeds.resume("risk", "").await.expect("resumed");
    assert_eq!(resumed.paused_since_us, 0);
    let mut got = positions(&stream.acknowledge(4).await);
    got.sort_unstable();
    assert_eq!(got, [2, 3, 4, 5]);
    feeds.resume("risk", "").await.expect("nothing to resume");

    let entries = acts(&exchange, proto::ActKind::Subscription).await;
    let of = |verb: &str| entries.iter().filter(|entry| entry.subjects == [verb]).collect::<Vec<_>>();
    let (pauses, resumes) = (of("pause"), of("resume"));
    assert_eq!((pauses.len(), resumes.len()), (1, 1), "what was so already is no act");
    assert_eq!((pauses[0].participant.as_str(), pauses[0].system.as_str()), ("gacc", "risk-control"));
    assert!(pauses[0].commitment.is_some() && resumes[0].commitment.is_none());
    assert!(pauses[0].method.ends_with("PauseSubscription"), "{}", pauses[0].method);
    let unknown = refusal(feeds.pause("none", "").await.expect_err("there is none"));
    assert_eq!(unknown.reason, "SUBSCRIPTION_NOT_FOUND");
    drop(stream);
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pitfall_10_a_seek_moves_an_open_stream_and_voids_what_was_given_out() {
    let mut exchange = Exchange::open().await;
    publish(&exchange, 1..=5).await;
    let feeds = exchange.feeds("gacc");
    feeds.create(subscription("risk")).await.expect("made");
    let mut stream = Stream::open(&exchange.connection("gacc"), open("risk", 1)).await.expect("open");
    let held = stream.deliveries(5).await;
    let first: Vec<_> = held.iter().filter(|delivery| position(delivery) <= 3).collect();
    assert_eq!(stream.settle(first.iter().map(|delivery| ack(delivery)).collect()).await, [SettleResult::Ok; 3]);
    let before = feeds.subscription("risk").await.expect("found");
    assert_eq!(cursor(&before).position, 3);

    let sought = feeds.seek("risk", To::Earliest(true), "downstream was restored").await.expect("moved");
    assert_eq!((sought.from_floor, sought.to_floor, sought.snapshot_at), (3, 0, 0));
    let expected: Vec<_> = [4, 5].map(|position| (position, "sought".to_owned())).into();
    assert_eq!(lost(&mut stream).await, expected);
    let again = stream.deliveries(5).await;
    assert!(again.iter().all(|delivery| delivery.attempt == 1 && token(delivery).epoch == stream.opened.epoch + 1));
    let stale = stream.settle(held.iter().map(ack).collect()).await;
    assert_eq!(stale, [SettleResult::Stale; 5], "no settle of before acknowledges what is sent now");
    assert_eq!(stream.settle(again.iter().map(ack).collect()).await, [SettleResult::Ok; 5]);

    // Back to where it stood, with nobody attached.
    drop(stream);
    until("the stream to be gone", || async {
        !feeds.subscription("risk").await.expect("found").status.unwrap_or_default().attached
    })
    .await;
    feeds.seek("risk", To::Cursor(cursor(&before)), "").await.expect("moved");
    let mut stream = Stream::open(&exchange.connection("gacc"), open("risk", 2)).await.expect("open");
    let mut got = positions(&stream.acknowledge(2).await);
    got.sort_unstable();
    assert_eq!(got, [4, 5]);

    feeds.seek("risk", To::Earliest(true), "").await.expect("moved");
    let passed_over = stream.deliveries(5).await;
    feeds.seek("risk", To::Latest(true), "").await.expect("moved");
    assert_eq!(stream.settle(vec![ack(&passed_over[0])]).await, [SettleResult::Stale], "it was passed over, not settled");
    publish(&exchange, 6..=6).await;
    assert_eq!(positions(&stream.acknowledge(1).await), [6]);

    let entries = acts(&exchange, proto::ActKind::Seek).await;
    assert_eq!(entries.len(), 4);
    let counts: Vec<_> = entries[0].counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert!(counts.contains(&("from", 3)) && counts.contains(&("to", 0)), "{counts:?}");
    assert!(entries[0].commitment.is_some() && entries[0].subscription == "gacc/risk");
    drop(stream);
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_not_here_is_refused_and_nothing_moves() {
    let mut exchange = Exchange::open().await;
    publish(&exchange, 1..=3).await;
    let feeds = exchange.feeds("gacc");
    feeds.create(subscription("risk")).await.expect("made");
    let here = cursor(&feeds.subscription("risk").await.expect("found"));
    let at = |position| proto::Cursor { position, ..here.clone() };
    let cases = [
        (To::Cursor(at(4)), "CURSOR_BEYOND_HEAD"),
        (To::Cursor(at(u64::MAX)), "CURSOR_BEYOND_HEAD"),
        (To::Cursor(proto::Cursor { ledger_id: "00".repeat(16), ..at(2) }), "FOREIGN_LEDGER"),
        (To::Cursor(proto::Cursor { generation: here.generation + 1, ..at(9) }), "LEDGER_RESTORED"),
        (To::TimeUs(i64::MAX), "TIME_AHEAD"),
    ];
    for (to, reason) in cases {
        let refused = refusal(feeds.seek("risk", to.clone(), "").await.expect_err("not here"));
        assert_eq!((refused.code, refused.reason.as_str()), (Code::OutOfRange, reason), "{to:?}");
        if reason == "LEDGER_RESTORED" {
            assert!(refused.message.contains("6 positions are gone"), "what is lost: {}", refused.message);
        }
    }
    let nowhere = refusal(feeds.seek("risk", To::Earliest(false), "").await.expect_err("nowhere"));
    assert_eq!((nowhere.code, nowhere.fields[0].reason.as_str()), (Code::InvalidArgument, "TARGET_REQUIRED"));
    let standing = feeds.subscription("risk").await.expect("found");
    assert_eq!((cursor(&standing), standing.status.unwrap_or_default().epoch), (here, 0));
    assert!(acts(&exchange, proto::ActKind::Seek).await.is_empty());
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seek_to_a_snapshot_has_no_gap_and_no_double() {
    let mut exchange = Exchange::open().await;
    publish(&exchange, 1..=20).await;
    for n in 1..=5 {
        revise(&exchange, n, 2).await;
    }
    let feeds = exchange.feeds("gacc");
    feeds.create(subscription("risk")).await.expect("made");
    let mut stream = Stream::open(&exchange.connection("gacc"), open("risk", 1)).await.expect("open");
    stream.acknowledge(25).await;

    let sought = feeds.seek("risk", To::Snapshot(true), "").await.expect("moved");
    assert_eq!((sought.to_floor, sought.snapshot_at), (0, 25));
    // The tail goes on from the snapshot: also a revision of what the snapshot holds.
    revise(&exchange, 6, 2).await;
    revise(&exchange, 1, 3).await;
    let mut got = positions(&stream.acknowledge(22).await);
    got.sort_unstable();
    assert_eq!(got, (6..=27).collect::<Vec<_>>(), "current revisions, then the tail");
    drop(stream);
    exchange.stop_and_check().await;

    exchange.restart().await;
    let feeds = exchange.feeds("gacc");
    let status = feeds.subscription("risk").await.expect("found").status.unwrap_or_default();
    assert_eq!((status.floor, status.retrying, status.dead_letters), (27, 0, 0));
    exchange.stop().await;
}

fn changed(
    standing: &proto::Subscription,
    change: impl FnOnce(&mut proto::SubscriptionSettings),
) -> proto::UpdateSubscriptionRequest {
    let mut settings = standing.settings.clone().expect("settings");
    change(&mut settings);
    proto::UpdateSubscriptionRequest {
        name: standing.name.clone(),
        settings: Some(settings),
        settings_revision: standing.settings_revision,
        reason: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_change_by_revision_and_some_not_at_all() {
    let mut exchange = Exchange::open().await;
    let feeds = exchange.feeds("gacc");
    let made = feeds.create(subscription("risk")).await.expect("made");
    assert_eq!(made.settings_revision, 1);
    let first = changed(&made, |settings| settings.max_attempts = 4);
    let second = changed(&made, |settings| settings.lease_seconds = 60);
    let updated = feeds.update(first.clone()).await.expect("updated");
    assert_eq!((updated.settings_revision, updated.settings.as_ref().expect("settings").max_attempts), (2, 4));
    let conflict = refusal(feeds.update(second).await.expect_err("changed meanwhile"));
    assert_eq!((conflict.code, conflict.reason.as_str()), (Code::Aborted, "SETTINGS_CHANGED"));
    assert_eq!(feeds.update(first).await.expect("it stands already").settings_revision, 2);

    let fixed = changed(&updated, |settings| {
        settings.set_ordering(proto::Ordering::Total);
        settings.purpose = "curiosity".to_owned();
    });
    let fixed = refusal(feeds.update(fixed).await.expect_err("fixed"));
    assert_eq!((fixed.code, fixed.reason.as_str()), (Code::FailedPrecondition, "SETTING_FIXED"));
    let fields: Vec<_> = fixed.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["settings.ordering", "settings.purpose"]);
    let unnamed = proto::UpdateSubscriptionRequest { settings_revision: 0, ..changed(&updated, |_| {}) };
    let unnamed = refusal(feeds.update(unnamed).await.expect_err("no revision"));
    assert_eq!((unnamed.code, unnamed.fields[0].field.as_str()), (Code::InvalidArgument, "settings_revision"));
    let wrong = refusal(feeds.update(changed(&updated, |settings| settings.lease_seconds = 1)).await.expect_err("too short"));
    assert_eq!((wrong.code, wrong.fields[0].field.as_str()), (Code::InvalidArgument, "settings.lease_seconds"));

    exchange.stop().await;
    exchange.restart().await;
    let feeds = exchange.feeds("gacc");
    let standing = feeds.subscription("risk").await.expect("found");
    assert_eq!((standing.settings_revision, standing.settings.expect("settings").max_attempts), (2, 4));
    let entries = acts(&exchange, proto::ActKind::Subscription).await;
    let updates: Vec<_> = entries.iter().filter(|entry| entry.subjects.iter().any(|subject| subject == "update")).collect();
    assert_eq!(updates.len(), 1, "refused and repeated ones are none");
    assert!(updates[0].subjects.iter().any(|subject| subject == "retry"), "{:?}", updates[0].subjects);
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_filter_judges_what_is_not_passed() {
    let mut exchange = Exchange::open().await;
    let feeds = exchange.feeds("gacc");
    let mut request = subscription("risk");
    let only = |feed: &str| Some(proto::Filter { feeds: vec![feed.to_owned()], ..Default::default() });
    request.settings.get_or_insert_default().filter = only("enterprises");
    let made = feeds.create(request).await.expect("made");
    exchange.publish(PUBLISHER, vec![nonconformity(PUBLISHER, 1), survey(PUBLISHER, 2), survey(PUBLISHER, 3)]).await;
    let mut stream = Stream::open(&exchange.connection("gacc"), open("risk", 1)).await.expect("open");
    let held = stream.deliveries(2).await;
    assert_eq!(positions(&held), [2, 3]);
    assert_eq!(stream.settle(vec![retry(&held[0], 60_000)]).await, [SettleResult::Ok]);

    let updated = feeds.update(changed(&made, |settings| settings.filter = only("failed-products"))).await.expect("updated");
    assert_eq!(updated.settings_revision, 2);
    assert_eq!(lost(&mut stream).await, [(3, "updated".to_owned())]);
    exchange.publish(PUBLISHER, vec![survey(PUBLISHER, 4), nonconformity(PUBLISHER, 5)]).await;
    assert_eq!(positions(&stream.acknowledge(1).await), [5], "1 was passed over, 3 and 4 are not wanted any more");
    let status = feeds.subscription("risk").await.expect("found").status.unwrap_or_default();
    assert_eq!((status.retrying, status.in_flight), (1, 0), "what waits for a retry is tried again");
    // What was passed over is had by a seek.
    feeds.seek("risk", To::Earliest(true), "").await.expect("moved");
    let mut got = positions(&stream.acknowledge(2).await);
    got.sort_unstable();
    assert_eq!(got, [1, 5]);
    drop(stream);
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_permit_nothing_is_delivered_whatever_administrators_ask() {
    let mut exchange = Exchange::open().await;
    let feeds = exchange.feeds("gacc");
    let mut request = subscription("allowed");
    let filter = proto::Filter { feeds: vec!["export-qualifications".to_owned()], ..Default::default() };
    request.settings.get_or_insert_default().filter = Some(filter);
    feeds.create(request).await.expect("made");
    exchange.publish("mofcom", (1..=2).map(qualification).collect()).await;
    let mut stream = Stream::open(&exchange.connection("gacc"), open("allowed", 1)).await.expect("open");
    stream.acknowledge(2).await;

    let text = fs::read_to_string(exchange.house.config_file()).expect("a configuration");
    let without = text.replace("role = \"customs\"", "role = \"industry\"");
    assert_ne!(text, without);
    fs::write(exchange.house.config_file(), without).expect("written");
    exchange.reload().await;
    feeds.resume("allowed", "").await.expect("nothing to resume");
    feeds.seek("allowed", To::Earliest(true), "").await.expect("moved");
    said(&mut stream, PauseReason::NotPermitted).await;
    exchange.publish("mofcom", vec![qualification(3)]).await;
    let status = feeds.subscription("allowed").await.expect("found").status.unwrap_or_default();
    assert_eq!((status.pause_reason(), status.in_flight, status.floor), (PauseReason::NotPermitted, 0, 0), "the cursor stands");

    fs::write(exchange.house.config_file(), text).expect("written");
    exchange.reload().await;
    feeds.resume("allowed", "").await.expect("nothing to resume");
    let mut got = positions(&stream.acknowledge(3).await);
    got.sort_unstable();
    assert_eq!(got, [1, 2, 3]);
    drop(stream);
    exchange.stop_and_check().await;
}
