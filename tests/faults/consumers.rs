//! Consumers that are slow, or never read at all, beside one that does its work.

use std::fs;

use tongbao::proto;

use super::exchange::{
    Exchange, nonconformity,
    stream::{Stream, open},
    subscription, until,
};

/// Bytes of memory that this process holds now.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number") * 4096
}

async fn publish(exchange: &Exchange, numbers: std::ops::Range<u64>) {
    for first in numbers.step_by(500) {
        exchange.publish("amr-330000", (first..first + 500).map(|n| nonconformity("amr-330000", n)).collect()).await;
    }
}

/// The numbers of a subscription.
async fn status(exchange: &Exchange, who: &str, name: &str) -> proto::SubscriptionStatus {
    exchange.feeds(who).subscription(name).await.expect("found").status.expect("numbers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_holds_up_nobody_and_takes_no_memory() {
    let mut exchange = Exchange::open().await;
    let deaf = exchange.feeds("mofcom");
    exchange.feeds("gacc").create(subscription("risk")).await.expect("made");
    let names: Vec<String> = (0..10).map(|n| format!("deaf-{n}")).collect();
    let mut streams = Vec::new();
    for name in &names {
        deaf.create(subscription(name)).await.expect("made");
        let window = Some(proto::Window { records: 100_000, bytes: 64 << 20 });
        let open = proto::Open { window, ..open(name, 1) };
        // Opened, and never read from again.
        streams.push(Stream::open(&exchange.connection("mofcom"), open).await.expect("attached"));
    }
    let mut quick = Stream::open(&exchange.connection("gacc"), open("risk", 1)).await.expect("attached");

    publish(&exchange, 0..1_000).await;
    quick.acknowledge(1_000).await;
    let before = resident();
    publish(&exchange, 1_000..6_000).await;
    // Who reads has everything, while the others stand.
    quick.acknowledge(5_000).await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 200 << 20, "{} MiB more for ten that do not read", grown >> 20);
    for name in &names {
        until("what the window or the queue allows", || async {
            let now = status(&exchange, "mofcom", name).await;
            now.scanned == now.head || now.pause_reason != 0
        })
        .await;
        assert_eq!(status(&exchange, "mofcom", name).await.floor, 0, "nothing is settled that nobody settled");
    }
    println!("6,000 records; {} MiB more for ten consumers that do not read", grown >> 20);
    drop(streams);
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_consumer_is_paused_with_a_reason_and_goes_on_where_it_was() {
    let mut exchange = Exchange::open().await;
    exchange.feeds("gacc").create(subscription("risk")).await.expect("made");
    let window = Some(proto::Window { records: 7, bytes: 16 << 20 });
    let mut slow = Stream::open(&exchange.connection("gacc"), proto::Open { window, ..open("risk", 1) }).await.expect("attached");
    publish(&exchange, 0..500).await;
    let held = slow.deliveries(7).await;
    until("the pause", || async { status(&exchange, "gacc", "risk").await.pause_reason() == proto::PauseReason::Window }).await;
    let now = status(&exchange, "gacc", "risk").await;
    assert_eq!((now.in_flight, now.floor), (7, 0), "no more than its window");
    slow.settle(held.iter().map(super::exchange::stream::ack).collect()).await;
    slow.acknowledge(493).await;
    exchange.stop_and_check().await;
}
