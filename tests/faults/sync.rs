//! Syncs that fail, and a loss of power: what was answered is on the disk, although the file system gave up what it could not write.

use tongbao::proto::SettleResult;
use tonic::Code;

use super::{
    disk::How,
    exchange::{refusal, until},
    ward::Ward,
};

/// Publishes while no sync succeeds: refused, as an outcome that is not known.
async fn publish_in_vain(ward: &Ward) {
    let faults = ward.disk.faults();
    let refused = refusal(ward.publish(2).await.expect_err("it did not reach the disk"));
    assert_eq!((refused.code, refused.reason.as_str()), (Code::Unavailable, "STORE_UNAVAILABLE"), "{}", refused.message);
    assert!(ward.disk.faults() > faults, "a sync failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_answered_that_would_not_survive_a_loss_of_power() {
    for rounds_after in [0, 1, 5] {
        let mut ward = Ward::open(|_| {}).await;
        for _ in 0..5 {
            ward.publish(3).await.expect("published");
        }
        ward.disk.is(How::Unsynced);
        publish_in_vain(&ward).await;
        publish_in_vain(&ward).await;
        ward.disk.is(How::Well);
        for _ in 0..rounds_after {
            ward.publish(3).await.expect("published after the fault");
        }
        ward.lose_power_and_check().await;
        // And it goes on from there.
        ward.start().await;
        ward.publish(1).await.expect("published after the loss");
        ward.lose_power_and_check().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_was_not_synced_may_stand_after_a_crash_and_is_whole() {
    let mut ward = Ward::open(|_| {}).await;
    ward.publish(3).await.expect("published");
    ward.disk.is(How::Unsynced);
    publish_in_vain(&ward).await;
    // The process alone dies: what the file system still shows is read again. Nobody was told that it stands.
    ward.kill_and_check().await;
    ward.disk.is(How::Well);
    ward.start().await;
    ward.publish(1).await.expect("published");
    ward.kill_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_left_unsynced_is_on_the_disk_before_anybody_is_answered_for_it() {
    let mut ward = Ward::open(|_| {}).await;
    ward.publish(3).await.expect("published");
    ward.disk.is(How::Unsynced);
    publish_in_vain(&ward).await;
    ward.kill();
    ward.disk.is(How::Well);
    ward.start_again().await;
    // Written by the process that died, perhaps: then this is a duplicate, and the answer stands on what is in the file.
    ward.publish_again(2).await.expect("published");
    ward.lose_power_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settle_that_did_not_reach_the_disk_is_not_confirmed() {
    let mut ward = Ward::open(|_| {}).await;
    ward.publish(4).await.expect("published");
    let mut consumer = ward.consumer(1, 100).await;
    let all = consumer.take(4).await;
    ward.disk.is(How::Unsynced);
    let answers = consumer.acknowledge(&all[..2]).await;
    assert_eq!(answers, [SettleResult::Retryable; 2]);
    ward.disk.is(How::Well);
    until("readiness", || ward.is_ready()).await;
    assert_eq!(consumer.acknowledge(&all[..3]).await, [SettleResult::Ok; 3]);
    drop(consumer);
    let counts = ward.lose_power_and_check().await;
    assert_eq!(counts.acks, 3);
}
