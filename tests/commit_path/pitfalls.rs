//! Two of the pitfalls that `src/domain/delivery/tests/pitfalls.rs` lists: those that the way to the disk has to avoid.

use std::sync::Arc;

use tongbao::{
    domain::{
        ids::{Position, RecordId},
        ledger::Outcome,
    },
    gateway::committer::{Bounds, Committer, Done},
    store::{PageBounds, Store, StoreError},
};

use super::{
    faulty::{Fault, FaultyStore},
    publish, store, world,
};

/// Records of the long transaction, and how many of one record are committed beside it.
const LONG: u64 = 1_000;
const SHORT: u64 = 60;

/// Everything up to the head as a reader sees it now: each position once, and what was seen before unchanged.
async fn read_on(store: &FaultyStore, seen: &mut Vec<RecordId>) -> Position {
    let head = store.head().await.expect("a head").position;
    let bounds = PageBounds { records: 10_000, bytes: usize::MAX };
    let page = store.page(0, head, bounds).await.expect("a page");
    let positions: Vec<_> = page.iter().map(|record| record.position).collect();
    assert_eq!(positions, (1..=head).collect::<Vec<_>>(), "who has seen {head} never later sees something new below it");
    let ids: Vec<_> = page.into_iter().map(|record| record.record_id).collect();
    assert_eq!(ids[..seen.len()], seen[..], "what was read stays as it was");
    *seen = ids;
    head
}

fn positions(done: &Done) -> Vec<Position> {
    let Outcome::Published { items, .. } = &done.outcome else { panic!("{done:?}") };
    items.iter().map(|item| item.position).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pitfall_15_two_publishers_one_in_a_long_transaction_skip_no_position() {
    let (store, _, _folder) = store().await;
    // Two writers over one store, as two gateways would be.
    let world = world();
    let long = Committer::start(store.clone(), world.clone(), Bounds::default()).await.expect("it starts");
    let short = Committer::start(store.clone(), world, Bounds::default()).await.expect("it starts");
    let long = tokio::spawn(async move {
        let mut taken = Vec::new();
        for batch in 0..3 {
            let done = long.commit(publish(batch * LONG..(batch + 1) * LONG)).await.expect("committed");
            let positions = positions(&done);
            assert!(positions.windows(2).all(|pair| pair[0] + 1 == pair[1]), "a batch is not torn apart");
            taken.extend(positions);
        }
        taken
    });
    let short = tokio::spawn(async move {
        let mut taken = Vec::new();
        for n in 0..SHORT {
            taken.extend(positions(&short.commit(publish([10_000 + n])).await.expect("committed")));
        }
        taken
    });
    let mut seen = Vec::new();
    while !(long.is_finished() && short.is_finished()) {
        read_on(&store, &mut seen).await;
    }
    let mut taken = [long.await.expect("published"), short.await.expect("published")].concat();
    taken.sort_unstable();
    let head = read_on(&store, &mut seen).await;
    assert_eq!((head, taken), (3 * LONG + SHORT, (1..=3 * LONG + SHORT).collect()), "each position was given out once");
}

#[tokio::test]
async fn pitfall_16_a_publish_repeated_after_a_lost_response_gets_the_same_position() {
    let (store, _, _folder) = store().await;
    let committer = Committer::start(store.clone(), world(), Bounds::default()).await.expect("it starts");
    committer.commit(publish([1])).await.expect("committed");
    // The first is lost on its way to the disk, the second on its way back.
    let unavailable = || StoreError::Unavailable("as told".to_owned());
    store.plan(Fault::Before(unavailable()));
    store.plan(Fault::Before(unavailable()));
    store.plan(Fault::After(unavailable()));
    for stands in [1, 4] {
        committer.commit(publish([2, 3, 4])).await.expect_err("the answer was lost");
        assert_eq!(store.head().await.expect("a head").position, stands);
    }
    let other: Arc<FaultyStore> = store.clone();
    let restarted = Committer::start(other, world(), Bounds::default()).await.expect("it starts");
    for committer in [&committer, &restarted] {
        let again = committer.commit(publish([4, 2, 3])).await.expect("answered");
        assert_eq!(positions(&again), [4, 2, 3], "the positions that they have");
        let Outcome::Published { items, .. } = &again.outcome else { panic!("{again:?}") };
        assert!(items.iter().all(|item| item.duplicate));
    }
    assert_eq!(store.head().await.expect("a head").position, 4, "nothing is doubled");
}
