//! No room on the disk, half of a write at a time.

use tongbao::{
    client::{Evidence, Records},
    domain::records::examples,
    proto::{self, SettleResult, subscribe_request::Message as Say},
};
use tonic::Code;

use super::{
    disk::How,
    exchange::{refusal, until},
    ward::Ward,
};

fn is_full(error: tongbao::client::ClientError) {
    let refused = refusal(error);
    assert_eq!((refused.code, refused.reason.as_str()), (Code::Unavailable, "STORE_FULL"), "{}", refused.message);
    assert!(refused.retry_after.is_some(), "says when to ask again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_recorded_is_refused_and_all_goes_on_when_there_is_room() {
    let mut ward = Ward::open(|_| {}).await;
    ward.publish(20).await.expect("there is room");
    let file = proto::GetEnterpriseRequest {
        credit_code: examples::credit_code(1).to_string(),
        purpose: "export control".to_owned(),
        ..Default::default()
    };
    let records = Records::new(&ward.connection("mofcom"));
    records.enterprise(file.clone()).await.expect("disclosed");

    ward.disk.is(How::Full);
    is_full(ward.publish(3).await.expect_err("no room for it"));
    is_full(records.enterprise(file.clone()).await.expect_err("no room for its evidence"));
    assert!(ward.disk.faults() > 0);
    // What needs no room is answered: health, checkpoints, and that it is not ready.
    assert!(ward.connection("gacc").is_serving("").await.expect("answered"));
    let checkpoint = Evidence::new(&ward.connection("samr")).checkpoint().await.expect("signed");
    assert!(!checkpoint.checkpoint.is_empty());
    assert!(ward.ready().await.starts_with("HTTP/1.1 503"));

    ward.disk.is(How::Well);
    until("readiness", || ward.is_ready()).await;
    ward.publish(3).await.expect("there is room again");
    records.enterprise(file).await.expect("disclosed again");
    let mut consumer = ward.consumer(1, 100).await;
    let all = consumer.take(23).await;
    assert!(consumer.acknowledge(&all).await.iter().all(|result| *result == SettleResult::Ok));
    drop(consumer);
    ward.lose_power_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_on_an_open_stream_stop_and_go_on() {
    let mut ward = Ward::open(|_| {}).await;
    ward.publish(20).await.expect("there is room");
    let mut consumer = ward.consumer(1, 5).await;
    let first = consumer.take(5).await;

    ward.disk.is(How::Full);
    // Room in the window: a disclosure is tried, cannot be recorded, and nothing leaves. The settle behind it is not stored either.
    consumer.stream.say(Say::Window(proto::Window { records: 100, bytes: 16 << 20 })).await;
    ward.disk.met_a_fault(0).await;
    let answers = consumer.acknowledge(&first).await;
    assert_eq!(answers, [SettleResult::Retryable; 5], "nothing was stored, and it is said so");
    assert_eq!(consumer.stream.kept_deliveries(), 0, "nothing was disclosed that could not be recorded");

    ward.disk.is(How::Well);
    let rest = consumer.take(15).await;
    let answers = consumer.acknowledge(&first).await;
    assert_eq!(answers, [SettleResult::Ok; 5], "the leases were kept");
    assert!(consumer.acknowledge(&rest).await.iter().all(|result| *result == SettleResult::Ok));
    drop(consumer);
    let counts = ward.lose_power_and_check().await;
    assert_eq!((counts.acks, counts.deliveries), (20, 20), "each was delivered once");
}
