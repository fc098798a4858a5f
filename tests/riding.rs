//! A subscriber that waits at the head is disclosed what is published in the commit that publishes it, over real mutual TLS.

mod exchange;

use exchange::{
    Exchange, nonconformity, positions,
    stream::{Stream, open},
    subscription,
};
use tongbao::proto::{ActKind, SearchEntriesRequest};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_at_the_head_is_served_by_the_same_commit() {
    const RECORDS: u64 = 40;
    let mut exchange = Exchange::open().await;
    exchange.feeds("gacc").create(subscription("risk")).await.expect("made");
    let gacc = exchange.connection("gacc");
    let mut stream = Stream::open(&gacc, open("risk", 1)).await.expect("open");
    for n in 0..RECORDS {
        exchange.publish("amr-330000", vec![nonconformity("amr-330000", n)]).await;
        assert_eq!(positions(&stream.acknowledge(1).await), [n + 1]);
    }
    let entries = |kind: ActKind| SearchEntriesRequest { kind: kind.into(), ..Default::default() };
    let (published, disclosed) =
        (exchange.entries(entries(ActKind::Publish)).await, exchange.entries(entries(ActKind::Disclose)).await);
    let positions = |entries: &[tongbao::domain::evidence::Entry]| -> Vec<_> {
        entries.iter().flat_map(|entry| entry.positions.iter().flat_map(|range| range.first..=range.last)).collect()
    };
    assert_eq!(positions(&disclosed), (1..=RECORDS).collect::<Vec<_>>(), "each once, none without an entry");
    assert!(disclosed.iter().all(|entry| entry.subscription == "gacc/risk" && entry.records_root.is_some()));
    let together =
        published.iter().zip(&disclosed).filter(|(published, disclosed)| published.time_us == disclosed.time_us).count();
    // Whether the subscriber is back at the head when the next record comes is a race; it wins it mostly, not always.
    assert!(together > 0, "none of {RECORDS} was disclosed in its own commit");
    exchange.stop_and_check().await;
}
