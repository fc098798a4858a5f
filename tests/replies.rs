//! What recipients say back, over real mutual TLS: doubts, their answers, acknowledgements, and the standing subscription.

mod exchange;

use exchange::{
    Exchange, id, nonconformity, record, refusal,
    stream::{Stream, open},
    subscription, survey, until,
};
use tongbao::{
    client::Docket,
    domain::{
        dates::CivilDate,
        life_cycle::State,
        products::ProductKind,
        records::{
            Doubt, DoubtAnswer, DoubtOutcome, Matter, Nonconformity, NoticeAcknowledgement, RecordReference, SamplingField,
            SamplingSummary, UrgentNotice, examples,
        },
        regions::Region,
    },
    proto,
};

fn doubt(about: &str, position: u64) -> Matter {
    let about = RecordReference { record_id: id(about), revision: 1, position };
    Matter::Doubt(Box::new(Doubt { about, text: "非该企业所产".into() }))
}

fn answer(doubt: &str) -> Matter {
    let outcome = DoubtOutcome::Upheld;
    Matter::DoubtAnswer(Box::new(DoubtAnswer { doubt: id(doubt), outcome, text: "企业已确认".into() }))
}

fn acknowledgement(notice: &str) -> Matter {
    Matter::NoticeAcknowledgement(Box::new(NoticeAcknowledgement { notice: id(notice), remark: String::new() }))
}

async fn refused(exchange: &Exchange, who: &str, record_id: &str, matter: Matter) -> String {
    let answer = exchange.publisher(who).publish_batch(vec![record(record_id, None, matter)]).await;
    refusal(answer.expect_err("refused")).reason
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_doubt_is_raised_by_a_reader_and_answered_by_the_publisher() {
    let mut exchange = Exchange::open().await;
    let secret = Nonconformity { initial_state: State::Detected, published_on: None, ..examples::nonconformity(15) };
    let secret = record("amr-330000/secret", None, Matter::Nonconformity(Box::new(secret)));
    exchange.publish("amr-330000", vec![nonconformity("amr-330000", 5), secret, survey("amr-330000", 5)]).await;

    assert_eq!(refused(&exchange, "amr-330000", "amr-330000/d", doubt("amr-330000/nc-5", 1)).await, "OWN_RECORD");
    assert_eq!(refused(&exchange, "gacc", "gacc/d", doubt("amr-330000/nc-5", 2)).await, "UNKNOWN_REFERENCE", "another position");
    assert_eq!(refused(&exchange, "gacc", "gacc/d", doubt("amr-330000/none", 1)).await, "UNKNOWN_REFERENCE");
    // What commerce may not read does not exist for it.
    assert_eq!(refused(&exchange, "mofcom", "mofcom/d", doubt("amr-330000/secret", 2)).await, "UNKNOWN_REFERENCE");
    assert_eq!(refused(&exchange, "miit", "miit/d", doubt("amr-330000/nc-5", 1)).await, "NOT_GRANTED");

    exchange.publish("gacc", vec![record("gacc/d1", None, doubt("amr-330000/nc-5", 1))]).await;
    exchange.publish("gacc", vec![record("gacc/d2", None, doubt("amr-330000/secret", 2))]).await;
    assert_eq!(refused(&exchange, "amr-440000", "amr-440000/a", answer("gacc/d1")).await, "NOT_COMPETENT");
    assert_eq!(refused(&exchange, "amr-330000", "amr-330000/a", answer("amr-330000/nc-5")).await, "UNKNOWN_REFERENCE");
    assert_eq!(refused(&exchange, "gacc", "gacc/d3", doubt("gacc/d1", 4)).await, "UNKNOWN_REFERENCE");
    exchange.publish("amr-330000", vec![record("amr-330000/a1", None, answer("gacc/d1"))]).await;
    exchange.publish("samr", vec![record("samr/a2", None, answer("gacc/d2"))]).await;

    // Commerce hears of the one doubt and its answer, not of the other.
    exchange.feeds("mofcom").create(subscription("doubts")).await.expect("made");
    let mut stream = Stream::open(&exchange.connection("mofcom"), open("doubts", 1)).await.expect("open");
    let heard: Vec<String> = stream.acknowledge(4).await.into_iter().filter_map(|it| it.record).map(|it| it.record_id).collect();
    assert_eq!(heard.len(), 4);
    assert!(!heard.iter().any(|id| id == "gacc/d2" || id == "samr/a2"), "{heard:?}");
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notices_come_to_all_without_a_subscription_made_and_are_acknowledged() {
    let mut exchange = Exchange::open().await;
    let notice = UrgentNotice { enterprise: None, ..examples::notice(1) };
    exchange.publish("amr-330000", vec![nonconformity("amr-330000", 5)]).await;
    exchange.publish("amr-330000", vec![record("amr-330000/un-1", None, Matter::UrgentNotice(Box::new(notice)))]).await;
    for who in ["gacc", "miit"] {
        let mut stream = Stream::open(&exchange.connection(who), open("urgent-notices", 1)).await.expect("it stands");
        let heard = stream.acknowledge(1).await;
        assert_eq!(heard[0].record.as_ref().map(|record| record.record_id.as_str()), Some("amr-330000/un-1"), "{who}");
    }
    let feeds = exchange.feeds("ndrc");
    let made = refusal(feeds.create(subscription("urgent-notices")).await.expect_err("reserved"));
    assert_eq!(made.reason, "RESERVED_NAME");

    // Who may read a notice may acknowledge it, and nothing else of the feed.
    exchange.publish("miit", vec![record("miit/ack", None, acknowledgement("amr-330000/un-1"))]).await;
    let other = Matter::UrgentNotice(Box::new(UrgentNotice { enterprise: None, ..examples::notice(2) }));
    assert_eq!(refused(&exchange, "miit", "miit/un", other).await, "NOT_GRANTED");
    assert_eq!(refused(&exchange, "gacc", "gacc/ack", acknowledgement("amr-330000/nc-5")).await, "UNKNOWN_REFERENCE");
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duties_and_numbers_are_told_over_the_door_by_right() {
    let mut exchange = Exchange::open_with(|house| {
        let path = house.config_file();
        let config = std::fs::read_to_string(&path).expect("a configuration");
        std::fs::write(&path, format!("{config}\n[deadlines]\ncheck_seconds = 1\n")).expect("written");
    })
    .await;
    let summary = |sampled, failed| {
        let summary = SamplingSummary {
            campaign: "2020-spring".into(),
            region: Region::parse("330000").expect("a region"),
            product_kind: ProductKind::DailyProtective,
            field: SamplingField::Market,
            sampled,
            failed,
            producers: None,
            complete_to: CivilDate::day(2020, 5, 20).expect("a day"),
        };
        Matter::SamplingSummary(Box::new(summary))
    };
    let impossible = exchange.publisher("amr-330000").publish_batch(vec![record("amr-330000/s", None, summary(5, 6))]).await;
    assert_eq!(refusal(impossible.expect_err("refused")).fields[0].reason, "QUANTITIES_DIFFER");
    exchange.publish("amr-330000", vec![record("amr-330000/s", None, summary(111, 59)), nonconformity("amr-330000", 5)]).await;
    exchange.publish("gacc", vec![record("gacc/d", None, doubt("amr-330000/nc-5", 2))]).await;

    let customs = Docket::new(&exchange.connection("gacc"));
    until("the ledger is taken in", || async {
        customs.statistics(proto::GetStatisticsRequest {}).await.expect("numbers").position == 3
    })
    .await;
    let numbers = customs.statistics(proto::GetStatisticsRequest {}).await.expect("numbers");
    assert_eq!((numbers.sampling[0].sampled, numbers.sampling[0].failed), (Some(111), Some(59)));
    let page =
        customs.list(proto::ListDocketRequest { duty: "doubt_answer".into(), ..Default::default() }).await.expect("a page");
    let [entry] = page.entries.as_slice() else { panic!("{page:?}") };
    assert_eq!((entry.answerable.as_str(), entry.record_id.as_str()), ("amr-330000", "gacc/d"));
    assert_eq!(entry.raised_at_us, 0, "it was raised today");
    let wrong = customs.list(proto::ListDocketRequest { duty: "nothing".into(), ..Default::default() }).await;
    assert_eq!(refusal(wrong.expect_err("refused")).fields[0].reason, "UNKNOWN_VALUE");
    exchange.stop_and_check().await;
}
