//! What stands after a reopening, what readers see beside a writer, what a full disk does.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{Home, harness::*};
use crate::{
    domain::{evidence::ActKind, ledger::Outcome},
    store::{Store, StoreError},
};

pub(crate) async fn a_store_opened_again_goes_on(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let identity = ledger.store.identity().clone();
    assert_eq!((identity.ledger_id.len(), identity.generation), (32, 1));
    ledger.publish(vec![nonconformity(1), nonconformity(2)]).await;
    ledger.act(create("risk")).await;
    let (head, records) = (ledger.store.head().await.expect("a head"), format!("{:?}", ledger.everything().await));
    ledger.store.close().await;
    assert!(matches!(ledger.store.head().await, Err(StoreError::Unavailable(_))), "closed is not damaged");

    let ledger = Ledger::open(home).await;
    assert_eq!(*ledger.store.identity(), identity);
    assert_eq!(ledger.store.head().await.expect("a head"), head);
    assert_eq!(format!("{:?}", ledger.everything().await), records);
    assert!(ledger.publish(vec![nonconformity(2)]).await[0].duplicate);
    assert_eq!(ledger.publish(vec![nonconformity(3)]).await[0].position, 3);
    ledger.is_sound().await;
}

pub(crate) async fn groups_are_known_by_their_id(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let store = &ledger.store;
    store.commit(u128::MAX, START, &[publish(vec![nonconformity(1)])]).await.expect("committed");
    store.commit(7, START, &[publish(vec![nonconformity(1)])]).await.expect("nothing to write");
    assert!(store.is_committed(u128::MAX).await.expect("known"));
    assert!(!store.is_committed(7).await.expect("known"), "nothing was written");
    assert!(!store.is_committed(8).await.expect("known"));
}

pub(crate) async fn an_empty_store_is_sound(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let head = ledger.store.head().await.expect("a head");
    assert_eq!((head.position, head.evidence_size), (0, 0));
    assert!(ledger.everything().await.is_empty());
    assert!(ledger.store.is_writable().await);
    ledger.is_sound().await;
}

pub(crate) async fn a_newer_schema_is_refused(home: &impl Home) {
    Ledger::open(home).await.store.close().await;
    home.make_newer().await;
    match home.open().await {
        Err(StoreError::Newer { found, known }) => assert!(found > known),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

/// Guarantee 3: who has seen position n never later sees a new entry at or below n.
pub(crate) async fn readers_never_see_gaps_beside_a_writer(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4).map(|_| tokio::spawn(read_along(ledger.store.clone(), over.clone()))).collect();
    for group in 0..60 {
        let acts: Vec<_> = (0..3).map(|act| publish(vec![nonconformity(group * 10 + act), survey(group * 10 + act)])).collect();
        ledger.commit(&acts).await;
    }
    over.store(true, Ordering::Release);
    for reader in readers {
        assert_eq!(reader.await.expect("a reader"), 360);
    }
    ledger.is_sound().await;
}

/// Follows the head; returns the last position seen. Page and head must agree at every moment.
async fn read_along(store: Arc<dyn Store>, over: Arc<AtomicBool>) -> u64 {
    let mut seen = 0;
    loop {
        let last_round = over.load(Ordering::Acquire);
        let head = store.head().await.expect("a head");
        assert!(head.position >= seen, "the head went back");
        let page = store.page(seen, u64::MAX, WHOLE).await.expect("a page");
        for record in &page {
            assert_eq!(record.position, seen + 1, "a gap");
            seen = record.position;
        }
        assert!(seen >= head.position, "a position of the head is not there");
        if let Some(last) = head.evidence_size.checked_sub(1) {
            assert_eq!(store.evidence(last, 1).await.expect("entries").len(), 1, "an entry of the head is not there");
        }
        if last_round {
            return seen;
        }
    }
}

pub(crate) async fn a_full_store_refuses_and_recovers(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1)]).await;
    let before = ledger.store.head().await.expect("a head");
    home.limit_growth(Some(64 << 10)).await;
    let large = publish((2..600).map(nonconformity).collect());
    for _ in 0..3 {
        let refused = ledger.store.commit(1, START, std::slice::from_ref(&large)).await;
        assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
        assert!(!ledger.store.is_committed(1).await.expect("known"));
    }
    assert_eq!(ledger.store.head().await.expect("reading goes on"), before);
    ledger.is_sound().await;

    home.limit_growth(None).await;
    assert!(matches!(ledger.act(large).await, Outcome::Published { .. }));
    assert_eq!(ledger.act(note(ActKind::Administer, &[])).await, Outcome::Done { evidence_index: 2 });
    ledger.is_sound().await;
}

pub(crate) async fn without_any_room_it_says_so_and_still_answers(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1)]).await;
    home.limit_growth(Some(0)).await;
    assert!(!ledger.store.is_writable().await);
    // Acts until the last free page is used up; then checkpoints are answered by not being kept.
    while ledger.store.commit(1, START, &[publish((2..200).map(nonconformity).collect())]).await.is_ok() {}
    let long = "x".repeat(100_000);
    ledger.store.keep_checkpoint(1, &long).await.expect("answered");
    assert_eq!(ledger.store.checkpoint_at(1).await.expect("read"), None);
    assert_eq!(ledger.everything().await.len(), 1);
    home.limit_growth(None).await;
    assert!(ledger.store.is_writable().await);
    ledger.is_sound().await;
}
