//! A disk that does not answer for a while: nobody pays for it with a lease, and who cannot be served is told so early.

use tokio::task::JoinSet;
use tongbao::{
    client::{ClientError, Publisher, PublisherOptions},
    clock::World,
    domain::records::{Matter, UrgentNotice, examples},
    proto::{self, SettleResult},
};
use tonic::Code;

use super::{
    disk::How,
    exchange::{ONCE, check_everything, record, refusal, soon, store_path, until},
    ward::Ward,
};

/// Returns well after the leases would have run out.
async fn after_the_leases(deliveries: &[proto::Delivery]) {
    let clock = World::real().clock;
    let expires = deliveries.iter().map(|delivery| delivery.lease_expires_at_us).max().unwrap_or(0);
    until("the end of the leases", || async { clock.now() > expires + 1_000_000 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lease_is_lost_to_a_stalled_disk() {
    let mut ward = Ward::open(|settings| settings.lease_seconds = 5).await;
    ward.publish(4).await.expect("published");
    let mut consumer = ward.consumer(1, 100).await;
    let all = consumer.take(4).await;

    ward.disk.is(How::Stalled);
    // Said in time; its commit hangs.
    let asked = consumer.ask(&all[..1]).await;
    ward.disk.met_a_fault(0).await;
    assert!(ward.connection("gacc").is_serving("").await.expect("answered"), "health answers");
    let ready = ward.ready().await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("does not accept writes"), "{ready}");
    after_the_leases(&all).await;
    // Said after the lease would have been over, and the store has taken nothing since before.
    let late = consumer.ask(&all[1..]).await;

    ward.disk.is(How::Well);
    assert_eq!(consumer.answer(asked).await, [SettleResult::Ok]);
    assert_eq!(consumer.answer(late).await, [SettleResult::Ok; 3], "no lease ran out while the store took no commits");
    until("readiness", || ward.is_ready()).await;
    ward.publish(1).await.expect("it goes on");
    let next = consumer.take(1).await;
    assert_eq!(consumer.acknowledge(&next).await, [SettleResult::Ok]);
    drop(consumer);
    let counts = ward.lose_power_and_check().await;
    assert_eq!((counts.deliveries, counts.acks), (5, 5), "each was delivered once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lease_is_lost_while_the_act_of_another_hangs() {
    let mut ward = Ward::open(|settings| settings.lease_seconds = 5).await;
    ward.publish(4).await.expect("published");
    let mut consumer = ward.consumer(1, 100).await;
    let all = consumer.take(4).await;
    ward.disk.is(How::Stalled);
    let recovery = async {
        ward.disk.met_a_fault(0).await;
        // The consumer has said nothing yet, and nothing of its subscription is on its way to the disk.
        after_the_leases(&all).await;
        let asked = consumer.ask(&all).await;
        // What is said now is heard before the disk is back.
        ward.is_ready().await;
        ward.disk.is(How::Well);
        assert_eq!(consumer.answer(asked).await, [SettleResult::Ok; 4], "no lease ran out while the store took no commits");
    };
    let (published, ()) = tokio::join!(ward.publish(1), recovery);
    published.expect("published once the disk is back");
    let next = consumer.take(1).await;
    assert_eq!(consumer.acknowledge(&next).await, [SettleResult::Ok]);
    drop(consumer);
    let counts = ward.lose_power_and_check().await;
    assert_eq!((counts.deliveries, counts.acks), (5, 5), "each was delivered once");
}

/// A batch near the limit of 4 MiB, of notices with long texts.
fn heavy(batch: u64) -> Vec<proto::Record> {
    let notice = |n| UrgentNotice { text: "通".repeat(10_000), enterprise: None, ..examples::notice(n) };
    let id = |n| format!("samr/un-{}", batch * 1_000 + n);
    (0..130).map(|n| record(&id(n), None, Matter::UrgentNotice(Box::new(notice(n))))).collect()
}

fn is_overloaded(error: ClientError) {
    let refused = refusal(error);
    assert_eq!((refused.code, refused.reason.as_str()), (Code::ResourceExhausted, "OVERLOADED"));
    assert!(refused.retry_after.is_some_and(|after| !after.is_zero()), "with RetryInfo");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_at_once_and_empties_itself() {
    let mut ward = Ward::open(|_| {}).await;
    ward.publish(1).await.expect("published");
    ward.disk.is(How::Stalled);
    let publisher = || Publisher::new(&ward.connection("samr"), PublisherOptions { retry: ONCE, ..PublisherOptions::default() });
    let mut publishing = JoinSet::new();
    for batch in 0..24 {
        let publisher = publisher();
        publishing.spawn(async move { publisher.publish_batch(heavy(batch)).await });
    }
    // The disk stands still: whoever is answered now is refused.
    let refused = soon("the first answer", publishing.join_next()).await.expect("24 of them").expect("no panic");
    is_overloaded(refused.expect_err("nothing can be stored"));

    ward.disk.is(How::Well);
    let mut stored = 0;
    while let Some(answer) = publishing.join_next().await {
        match answer.expect("no panic") {
            Ok(_) => stored += 1,
            Err(error) => is_overloaded(error),
        }
    }
    assert!(stored >= 10, "{stored} batches waited and were stored");
    until("readiness", || ward.is_ready()).await;
    ward.publish(1).await.expect("it goes on");
    ward.kill();
    ward.disk.lose_power();
    check_everything(&store_path(&ward.house)).await;
}
