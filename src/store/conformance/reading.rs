//! Reading: pages, points, keys, lists, times.

use super::{Home, harness::*};
use crate::{
    domain::{
        attributes::SubjectKey,
        draft::StoredRecord,
        evidence::ActKind,
        feeds::Feed,
        ids::{Micros, Position},
        ledger::{Act, Attestation, Change, Outcome},
        life_cycle::State::{Confirmed, Ordered},
        records::{Kind, Matter, examples},
        regions::Region,
    },
    store::{PageBounds, RecordQuery},
};

fn positions(records: &[StoredRecord]) -> Vec<Position> {
    records.iter().map(|record| record.position).collect()
}

pub(crate) async fn pages_are_bounded(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish((1..=20).map(nonconformity).collect()).await;
    let page = async |after, upto, records, bytes| {
        positions(&ledger.store.page(after, upto, PageBounds { records, bytes }).await.expect("a page"))
    };
    assert_eq!(page(3, 20, 4, usize::MAX).await, [4, 5, 6, 7]);
    assert_eq!(page(3, 5, 100, usize::MAX).await, [4, 5]);
    assert_eq!(page(3, 20, 100, 1).await, [4], "one at least");
    let two = ledger.everything().await[3].sections.len() + 1;
    assert_eq!(page(3, 20, 100, two).await, [4, 5]);
    assert!(page(20, 20, 100, usize::MAX).await.is_empty());
    assert!(page(20, u64::MAX, 100, usize::MAX).await.is_empty());
}

pub(crate) async fn a_record_is_read_as_it_stood(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1), nonconformity(2)]).await;
    ledger.publish(vec![corrected(1, "甲"), corrected(2, "甲"), corrected(1, "乙")]).await;
    let read = async |revision, as_of| {
        let record = ledger.store.record(&record_id("n/1"), revision, as_of).await.expect("read");
        record.map(|record| (record.position, record.revision))
    };
    assert_eq!(read(None, 5).await, Some((5, 3)));
    assert_eq!(read(None, 4).await, Some((3, 2)));
    assert_eq!(read(None, 2).await, Some((1, 1)));
    assert_eq!(read(None, 0).await, None);
    assert_eq!(read(Some(1), 5).await, Some((1, 1)));
    assert_eq!(read(Some(2), 5).await, Some((3, 2)));
    assert_eq!(read(Some(2), 2).await, None, "not yet");
    assert_eq!(read(Some(4), 5).await, None);
    assert!(ledger.store.record(&record_id("n/9"), None, 5).await.expect("read").is_none());

    let some = ledger.store.at(&[5, 2, 77, 0, 2]).await.expect("read");
    assert_eq!(positions(&some), [2, 5]);
    assert!(ledger.store.at(&[]).await.expect("read").is_empty());
}

pub(crate) async fn superseded_positions_are_told(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1), nonconformity(2), nonconformity(3)]).await;
    ledger.publish(vec![corrected(1, "甲"), corrected(3, "甲"), corrected(1, "乙")]).await;
    let superseded = async |first, last, upto| ledger.store.superseded(first, last, upto).await.expect("read");
    assert_eq!(superseded(1, 6, 6).await, [1, 3, 4]);
    assert_eq!(superseded(1, 6, 4).await, [1]);
    assert_eq!(superseded(2, 3, 6).await, [3]);
    assert!(superseded(1, 3, 3).await.is_empty());
}

pub(crate) async fn revisions_of_an_order_key_are_paged(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1), nonconformity(2), step("d/1", 1, Confirmed, Ordered)]).await;
    ledger.publish(vec![corrected(1, "甲"), corrected(2, "乙"), survey(1)]).await;
    let key = ledger.everything().await[0].order_key.clone();
    let read = async |after, upto, limit| positions(&ledger.store.page_of_key(&key, after, upto, limit).await.expect("read"));
    assert_eq!(read(0, 6, 100).await, [1, 3, 4, 6]);
    assert_eq!(read(1, 4, 100).await, [3, 4]);
    assert_eq!(read(0, 6, 2).await, [1, 3]);
}

pub(crate) async fn subjects_find_records_as_they_stood(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let mut moved = examples::nonconformity(1);
    moved.producer = examples::enterprise(2);
    ledger.publish(vec![nonconformity(1), nonconformity(3), survey(1), step("d/1", 1, Confirmed, Ordered)]).await;
    ledger.publish(vec![draft("n/1", Matter::Nonconformity(Box::new(moved)))]).await;
    let code = |n| SubjectKey::of("code", examples::credit_code(n).as_str());
    let found = async |subjects: &[SubjectKey], as_of, limit| {
        positions(&ledger.store.by_subjects(subjects, as_of, limit).await.expect("read"))
    };
    assert_eq!(found(&[code(1)], 4, 10).await, [1, 3, 4], "a step is filed under its nonconformity's enterprise");
    assert_eq!(found(&[code(1)], 5, 10).await, [3, 4, 5], "it moved away since, and is still found");
    assert_eq!(found(&[code(2)], 5, 10).await, [5]);
    assert_eq!(found(&[code(1), code(2), code(3)], 5, 10).await, [2, 3, 4, 5]);
    assert_eq!(found(&[code(1), code(3)], 5, 2).await, [2, 3]);
    assert_eq!(found(&[SubjectKey::of("refers", "amr-330000/n/1")], 5, 10).await, [4]);
    assert!(found(&[], 5, 10).await.is_empty());
}

pub(crate) async fn lists_are_filtered_and_paged(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1), survey(1), nonconformity(2), step("d/1", 1, Confirmed, Ordered)]).await;
    ledger.publish(vec![corrected(1, "甲"), survey(2)]).await;
    let listed = async |query: &RecordQuery, as_of, after, limit| {
        positions(&ledger.store.list(query, as_of, after, limit).await.expect("read"))
    };
    let failed = RecordQuery { feeds: vec![Feed::FailedProducts], ..RecordQuery::default() };
    let both = RecordQuery { feeds: vec![Feed::Enterprises, Feed::FailedProducts], ..RecordQuery::default() };
    assert!(listed(&RecordQuery::default(), 6, 0, 10).await.is_empty(), "no feeds, nothing");
    assert_eq!(listed(&failed, 6, 0, 10).await, [3, 4, 5]);
    assert_eq!(listed(&failed, 4, 0, 10).await, [1, 3, 4]);
    assert_eq!(listed(&both, 6, 0, 3).await, [2, 3, 4]);
    assert_eq!(listed(&both, 6, 4, 10).await, [5, 6]);
    assert_eq!(listed(&RecordQuery { kind: Some(Kind::Disposition), ..both.clone() }, 6, 0, 10).await, [4]);
    assert!(listed(&RecordQuery { kind: Some(Kind::EnterpriseSurvey), ..failed.clone() }, 6, 0, 10).await.is_empty());

    let of_one = RecordQuery { credit_code: Some(examples::credit_code(1)), ..both.clone() };
    assert_eq!(listed(&of_one, 6, 0, 10).await, [2, 4, 5]);
    assert_eq!(listed(&of_one, 4, 1, 1).await, [2]);
    let by_other = RecordQuery { publisher: Some(participant("mofcom")), ..both.clone() };
    assert!(listed(&by_other, 6, 0, 10).await.is_empty());
    assert_eq!(listed(&RecordQuery { publisher: Some(publisher()), ..both }, 6, 0, 2).await, [2, 3]);
}

pub(crate) async fn times_are_turned_into_positions(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1), nonconformity(2)]).await;
    ledger.act(note(ActKind::Administer, &[])).await;
    ledger.publish(vec![nonconformity(3)]).await;
    let at = async |time: Micros| ledger.store.position_at(time).await.expect("read");
    assert_eq!(at(START - 1).await, 0);
    assert_eq!(at(START).await, 2);
    assert_eq!(at(START + 1_999_999).await, 2);
    assert_eq!(at(START + 2_000_000).await, 3);
    assert_eq!(at(i64::MAX).await, 3);
}

pub(crate) async fn attestations_never_move_back(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let attest = |feed, region: Option<u32>, complete_to| {
        let attestation = Attestation { publisher: publisher(), feed, region: region.and_then(Region::from_number), complete_to };
        Act { change: Change::Attest(attestation), evidence: evidence(ActKind::Attest) }
    };
    ledger.act(attest(Feed::FailedProducts, Some(330_000), 100)).await;
    assert_eq!(ledger.store.attestations().await.expect("read").len(), 1);
    ledger.act(attest(Feed::FailedProducts, None, 70)).await;
    assert_eq!(ledger.store.attestations().await.expect("read").len(), 2, "as soon as it is answered");
    let earlier = ledger.act(attest(Feed::FailedProducts, Some(330_000), 90)).await;
    assert_eq!(earlier, Outcome::Attested { complete_to: 100, evidence_index: 2 }, "recorded, but the later time stands");
    ledger.commit(&[attest(Feed::Notices, None, 5), attest(Feed::Notices, None, 6), attest(Feed::Notices, None, 4)]).await;
    let mut standing: Vec<_> = ledger
        .store
        .attestations()
        .await
        .expect("read")
        .iter()
        .map(|a| (a.feed, a.region.map(Region::number), a.complete_to))
        .collect();
    standing.sort_unstable();
    let expected = [(Feed::FailedProducts, None, 70), (Feed::FailedProducts, Some(330_000), 100), (Feed::Notices, None, 6)];
    assert_eq!(standing, expected);
    ledger.is_sound().await;
}
