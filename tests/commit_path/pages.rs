//! Pages: no gaps, no stale ends, one reading for many readers, bounded.

use std::sync::Arc;

use tongbao::{
    gateway::{
        committer::{Bounds, Committer},
        pages::Pages,
    },
    store::StoreError,
};

use super::{publish, store, world};

async fn committer(store: &Arc<super::FaultyStore>) -> Committer {
    Committer::start(store.clone(), world(), Bounds::default()).await.expect("it starts")
}

/// Reads on from `after` to `upto`; every page must go on where the last ended.
async fn read(pages: &Pages, mut after: u64, upto: u64) -> usize {
    let mut steps = 0;
    while after < upto {
        for record in pages.after(after, upto).await.expect("a page") {
            assert_eq!(record.position, after + 1);
            after = record.position;
        }
        steps += 1;
    }
    assert_eq!(after, upto);
    steps
}

#[tokio::test]
async fn every_position_is_read_once_in_order() {
    let (store, _, _folder) = store().await;
    let committer = committer(&store).await;
    committer.commit(publish(1..=1300)).await.expect("committed");
    let pages = Pages::new(store.clone(), 64 << 20);
    assert_eq!(read(&pages, 0, 1300).await, 3, "two whole pages and the beginning of a third");
    read(&pages, 511, 513).await;
    read(&pages, 512, 1024).await;
    read(&pages, 700, 1299).await;
    assert_eq!(store.pages_read(), 3, "read once from the store");
    assert!(pages.after(1300, 1300).await.expect("nothing").is_empty());
    assert!(pages.after(1400, 1300).await.expect("nothing").is_empty());
}

#[tokio::test]
async fn the_page_at_the_tail_grows() {
    let (store, _, _folder) = store().await;
    let committer = committer(&store).await;
    let pages = Pages::new(store.clone(), 64 << 20);
    for n in 0..20 {
        let head = committer.commit(publish(n * 40..(n + 1) * 40)).await.expect("committed").head;
        // One reader follows, one begins anew each time.
        read(&pages, n * 40, head).await;
        read(&pages, 0, head).await;
    }
    assert_eq!(store.pages_read(), 21, "each position once: 20 ends, one of them in two pages");
}

#[tokio::test]
async fn what_was_just_committed_is_not_read_from_the_store() {
    let (store, _, _folder) = store().await;
    let committer = committer(&store).await;
    let pages = committer.pages();
    for n in 0..20 {
        let head = committer.commit(publish(n * 40..(n + 1) * 40)).await.expect("committed").head;
        read(&pages, n * 40, head).await;
    }
    read(&pages, 0, 800).await;
    assert_eq!(store.pages_read(), 0);
}

#[tokio::test]
async fn a_page_that_was_let_go_is_read_again() {
    let (store, _, _folder) = store().await;
    let bounds = Bounds { page_bytes: 1 << 20, ..Bounds::default() };
    let committer = Committer::start(store.clone(), world(), bounds).await.expect("it starts");
    let pages = committer.pages();
    for n in 0..40 {
        committer.commit(publish(n * 50..(n + 1) * 50)).await.expect("committed");
    }
    read(&pages, 0, 2000).await;
    assert!(store.pages_read() > 0);
    let read_before = store.pages_read();
    committer.commit(publish(2000..2040)).await.expect("committed");
    read(&pages, 2000, 2040).await;
    assert_eq!(store.pages_read(), read_before, "the page at the tail is kept and grows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_readers_share_one_reading() {
    let (store, _, _folder) = store().await;
    committer(&store).await.commit(publish(1..=1024)).await.expect("committed");
    let pages = Arc::new(Pages::new(store.clone(), 64 << 20));
    let readers: Vec<_> = (0..16)
        .map(|_| {
            let pages = pages.clone();
            tokio::spawn(async move { read(&pages, 0, 1024).await })
        })
        .collect();
    for reader in readers {
        reader.await.expect("a reader");
    }
    assert_eq!(store.pages_read(), 2);
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let (store, _, _folder) = store().await;
    committer(&store).await.commit(publish(1..=2048)).await.expect("committed");
    // Room for about one page: going back means reading again.
    let pages = Pages::new(store.clone(), 1 << 20);
    read(&pages, 0, 2048).await;
    assert_eq!(store.pages_read(), 4);
    read(&pages, 0, 2048).await;
    assert_eq!(store.pages_read(), 8);
    read(&pages, 1536, 2048).await;
    assert_eq!(store.pages_read(), 8, "the last one used is kept");
}

#[tokio::test]
async fn a_position_that_is_not_there_is_damage() {
    let (store, _, _folder) = store().await;
    committer(&store).await.commit(publish([1, 2])).await.expect("committed");
    let pages = Pages::new(store.clone(), 1 << 20);
    for after in [0, 1, 2, 4] {
        assert!(matches!(pages.after(after, 5).await, Err(StoreError::Damaged(_))), "after {after}");
    }
    assert_eq!(read(&pages, 0, 2).await, 1);
}
