//! A grant that admits less than the subscription asks for: what it leaves out is passed, said, and in the evidence.

mod exchange;

use exchange::{
    Exchange, nonconformity, positions, record,
    stream::{Stream, ack, open},
    subscription, until,
};
use tongbao::{
    domain::{
        evidence::PositionRange,
        life_cycle::State,
        records::{Matter, Nonconformity, examples},
    },
    proto::{self, SettleResult},
};

const PUBLISHER: &str = "amr-330000";

/// Not notified yet, so that development-reform does not see it.
fn detected(n: u64) -> proto::Record {
    let content =
        Nonconformity { initial_state: State::Detected, notified_on: None, published_on: None, ..examples::nonconformity(n) };
    record(&format!("{PUBLISHER}/nc-{n}"), None, Matter::Nonconformity(Box::new(content)))
}

#[tokio::test]
async fn what_the_grant_leaves_out_is_named_to_the_consumer_and_in_the_evidence() {
    let mut exchange = Exchange::open().await;
    let records = vec![nonconformity(PUBLISHER, 1), detected(2), detected(3), nonconformity(PUBLISHER, 4)];
    exchange.publish(PUBLISHER, records).await;
    let feeds = exchange.feeds("ndrc");
    let mut wanted = subscription("narrow");
    if let Some(settings) = &mut wanted.settings {
        // Where the span is used up nothing waits for the ten seconds.
        settings.max_span = 1;
        settings.filter = Some(proto::Filter {
            feeds: vec!["failed-products".to_owned()],
            // Whom the confidential ones are about cannot be found out by a filter.
            credit_codes: vec![examples::credit_code(1).to_string(), examples::credit_code(4).to_string()],
            ..Default::default()
        });
    }
    feeds.create(wanted).await.expect("made");

    let mut stream = Stream::open(&exchange.connection("ndrc"), open("narrow", 1)).await.expect("open");
    for position in [1, 4] {
        let batch = stream.batch().await;
        assert_eq!(positions(&batch), [position]);
        assert_eq!(stream.settle(vec![ack(&batch[0])]).await, [SettleResult::Ok]);
    }
    let one = feeds.subscription("narrow").await.expect("there");
    let ranges: Vec<_> = one.withheld.iter().flat_map(|range| range.first..=range.last).collect();
    assert_eq!((one.status.map(|status| status.withheld), ranges), (Some(2), vec![2, 3]));

    let kind = proto::ActKind::Withhold.into();
    let entries = exchange.entries(proto::SearchEntriesRequest { kind, ..Default::default() }).await;
    let named: Vec<PositionRange> = entries.iter().flat_map(|entry| entry.positions.clone()).collect();
    assert_eq!(named.iter().flat_map(|range| range.first..=range.last).collect::<Vec<_>>(), [2, 3]);
    assert!(entries.iter().all(|entry| entry.subscription == "ndrc/narrow"));
    until("the floor at the head", || async {
        feeds.subscription("narrow").await.is_ok_and(|one| one.status.is_some_and(|status| status.floor == 4))
    })
    .await;
    exchange.stop_and_check().await;
}
