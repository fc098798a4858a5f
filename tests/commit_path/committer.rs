//! The committer: groups, bounds, faults, closing. After every fault the store is checked whole.

use std::sync::Arc;

use tokio::{sync::Notify, task::JoinHandle};
use tongbao::{
    domain::ledger::Outcome,
    gateway::{
        Class, Refused,
        committer::{Bounds, Committer, Done},
    },
    store::{Store, StoreError},
};

use super::{
    faulty::{Fault, FaultyStore},
    publish, store, world,
};

async fn start(store: &Arc<FaultyStore>, bounds: Bounds) -> Committer {
    Committer::start(store.clone(), world(), bounds).await.expect("it starts")
}

async fn is_sound(store: &FaultyStore) {
    let wrong = store.check_everything().await.expect("it can be checked");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("as told".to_owned())
}

fn full() -> StoreError {
    StoreError::Full("as told".to_owned())
}

type Asked = JoinHandle<Result<Done, Refused>>;

/// Makes the store hang in a commit, asks for the acts behind it, and lets all go on: they are one group then.
async fn gathered(store: &FaultyStore, committer: &Committer, numbers: &[u64]) -> (Asked, Vec<Asked>) {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    store.plan(Fault::Hang { begun: begun.clone(), go_on: go_on.clone() });
    let ask = |number: u64| {
        let committer = committer.clone();
        tokio::spawn(async move { committer.commit(publish([number])).await })
    };
    let first = ask(1000);
    begun.notified().await;
    let waiting: Vec<_> = numbers.iter().map(|number| ask(*number)).collect();
    // On one thread every task that was spawned runs up to its waiting before this one goes on.
    for _ in 0..=numbers.len() {
        tokio::task::yield_now().await;
    }
    go_on.notify_one();
    (first, waiting)
}

async fn answers(asked: Vec<Asked>) -> Vec<Result<Done, Refused>> {
    let mut answers = Vec::new();
    for task in asked {
        answers.push(task.await.expect("an answer"));
    }
    answers
}

#[tokio::test]
async fn what_waits_is_one_group() {
    let (store, _, _folder) = store().await;
    let committer = start(&store, Bounds::default()).await;
    let (first, waiting) = gathered(&store, &committer, &[1, 2, 3, 4]).await;
    let first = first.await.expect("an answer").expect("committed");
    assert_eq!(first.head, 1);
    for answer in answers(waiting).await {
        let done = answer.expect("committed");
        assert_eq!(done.head, 5, "the head after the whole group");
        assert!(done.committed_at > first.committed_at);
    }
    assert_eq!(store.groups(), [1, 4]);
    let numbers = committer.numbers();
    assert_eq!((numbers.groups, numbers.acts, numbers.failed), (2, 5, 0));
    is_sound(&store).await;
}

#[tokio::test]
async fn groups_are_bounded() {
    let (store, _, _folder) = store().await;
    let committer = start(&store, Bounds { group_acts: 3, ..Bounds::default() }).await;
    let (_, waiting) = gathered(&store, &committer, &[1, 2, 3, 4, 5]).await;
    assert!(answers(waiting).await.iter().all(Result::is_ok));
    assert_eq!(store.groups(), [1, 3, 2]);

    let committer = start(&store, Bounds { group_bytes: 1, ..Bounds::default() }).await;
    let (_, waiting) = gathered(&store, &committer, &[6, 7]).await;
    assert!(answers(waiting).await.iter().all(Result::is_ok));
    assert_eq!(store.groups()[3..], [1, 1, 1]);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let (store, _, _folder) = store().await;
    let committer = start(&store, Bounds { queued_acts: 2, ..Bounds::default() }).await;
    let (_, waiting) = gathered(&store, &committer, &[1, 2, 3, 4]).await;
    let answers = answers(waiting).await;
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 2);
    assert_eq!((refused[0].class, refused[0].reason), (Class::ResourceExhausted, "OVERLOADED"));
    assert!(refused[0].retry_after.is_some());
    assert_eq!(committer.numbers().overloaded, 2);
    assert!(committer.commit(publish([9])).await.is_ok(), "there is room again");

    let committer = start(&store, Bounds { queued_bytes: 1024, ..Bounds::default() }).await;
    let refused = committer.commit(publish(20..60)).await.expect_err("larger than all the room");
    assert_eq!(refused.reason, "OVERLOADED");
}

#[tokio::test]
async fn a_group_that_fails_is_tried_singly() {
    let (store, _, _folder) = store().await;
    let committer = start(&store, Bounds::default()).await;
    let (_, waiting) = {
        let gathering = gathered(&store, &committer, &[1, 2, 3]);
        let gathered = gathering.await;
        store.plan(Fault::Before(unavailable()));
        gathered
    };
    assert!(answers(waiting).await.iter().all(Result::is_ok));
    assert_eq!(store.groups(), [1, 3, 1, 1, 1]);
    assert_eq!(committer.numbers().failed, 1);
    is_sound(&store).await;
}

#[tokio::test]
async fn one_act_that_cannot_be_taken_fails_alone() {
    let (store, _, _folder) = store().await;
    let committer = start(&store, Bounds::default()).await;
    let (_, waiting) = gathered(&store, &committer, &[1, 2, 3]).await;
    let damaged = || StoreError::Damaged("as told".to_owned());
    store.plan(Fault::Before(damaged()));
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    go_on.notify_one();
    store.plan(Fault::Hang { begun, go_on });
    store.plan(Fault::Before(damaged()));
    let answers = answers(waiting).await;
    let reasons: Vec<_> = answers.iter().map(|answer| answer.as_ref().err().map(|refused| refused.reason)).collect();
    assert_eq!(reasons, [None, Some("STORE_DAMAGED"), None]);
    assert_eq!(store.head().await.expect("a head").position, 3);
    is_sound(&store).await;
}

#[tokio::test]
async fn an_unknown_outcome_is_not_run_again() {
    let (store, _, _folder) = store().await;
    let committer = start(&store, Bounds::default()).await;
    store.plan(Fault::After(unavailable()));
    let refused = committer.commit(publish([1])).await.expect_err("the answer was lost");
    assert_eq!((refused.class, refused.reason), (Class::Unavailable, "STORE_UNAVAILABLE"));
    assert!(refused.text.en.contains("ask again with the same ids"));
    assert_eq!(store.groups(), [1], "it is on disk: running it again is the asker's");
    assert_eq!(committer.tail().position(), 1, "readers see what is on disk");

    let again = committer.commit(publish([1])).await.expect("answered");
    let Outcome::Published { items, .. } = again.outcome else { panic!("{again:?}") };
    assert_eq!((items[0].position, items[0].duplicate), (1, true));
    is_sound(&store).await;
}

#[tokio::test]
async fn a_full_store_fails_fast_and_recovers_by_itself() {
    let (store, inner, folder) = store().await;
    let committer = start(&store, Bounds::default()).await;
    committer.commit(publish([1])).await.expect("there is room");
    let size = std::fs::metadata(folder.path().join("store.db")).expect("a file").len();
    inner.set_size_limit(Some(size)).await.expect("a limit");
    let (_, waiting) = gathered(&store, &committer, &[2, 3, 4]).await;
    for answer in answers(waiting).await {
        // One of them may still fit into the last free page.
        if let Err(refused) = answer {
            assert_eq!((refused.class, refused.reason), (Class::Unavailable, "STORE_FULL"));
        }
    }
    let refused = committer.commit(publish(100..400)).await.expect_err("no room");
    assert_eq!(refused.reason, "STORE_FULL");
    is_sound(&store).await;

    inner.set_size_limit(None).await.expect("no limit");
    committer.commit(publish(100..400)).await.expect("there is room again");
    is_sound(&store).await;
}

#[tokio::test]
async fn when_one_finds_no_room_the_rest_of_its_group_is_not_tried() {
    let (store, _, _folder) = store().await;
    let committer = start(&store, Bounds::default()).await;
    let (_, waiting) = gathered(&store, &committer, &[1, 2, 3]).await;
    store.plan(Fault::Before(full()));
    store.plan(Fault::Before(full()));
    assert!(answers(waiting).await.iter().all(Result::is_err));
    assert_eq!(store.groups(), [1, 3, 1]);
    assert!(committer.commit(publish([4])).await.is_ok());
}

#[tokio::test]
async fn the_tail_shows_what_is_answered() {
    let (store, _, _folder) = store().await;
    let committer = start(&store, Bounds::default()).await;
    let mut watch = committer.tail().watch();
    assert_eq!(*watch.borrow_and_update(), 0);
    let done = committer.commit(publish([1, 2])).await.expect("committed");
    assert_eq!(committer.tail().position(), done.head);
    watch.changed().await.expect("it moved");
    assert_eq!(*watch.borrow_and_update(), 2);
    committer.commit(publish([1, 2])).await.expect("duplicates");
    assert!(!watch.has_changed().expect("open"), "nothing was written, nobody is woken");
    // Another start begins where the ledger stands.
    assert_eq!(start(&store, Bounds::default()).await.tail().position(), 2);
}

#[tokio::test]
async fn closing_answers_what_was_taken() {
    let (store, _, _folder) = store().await;
    let committer = start(&store, Bounds::default()).await;
    let (first, waiting) = gathered(&store, &committer, &[1, 2]).await;
    committer.close().await;
    assert!(first.await.expect("an answer").is_ok());
    assert!(answers(waiting).await.iter().all(Result::is_ok));
    let late = committer.commit(publish([3])).await.expect_err("it is closed");
    assert_eq!((late.class, late.reason), (Class::Unavailable, "SHUTTING_DOWN"));
    committer.close().await;
}
