//! Publishing: guarantee 5, revisions, batches, groups.

use super::{Home, harness::*};
use crate::domain::{
    draft::{Draft, StoredRecord},
    evidence::{ActKind, read_entry},
    ids::RecordId,
    ledger::{Act, Change, Outcome, Publish, Refusal},
    life_cycle::{
        Authority,
        State::{Ceased, Confirmed, Ordered, Rechecking},
    },
    records::{Kind, Matter, RecordReference, examples},
};

pub(crate) async fn a_record_is_published_and_read_back(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let mut sent = nonconformity(1);
    sent.provenance = Some(provenance());
    let items = ledger.publish(vec![sent.clone()]).await;
    assert_eq!((items[0].position, items[0].revision, items[0].duplicate), (1, 1, false));

    let stored = ledger.everything().await.pop().expect("one record");
    assert_eq!(stored.record_id, sent.record_id);
    assert_eq!(stored.publisher, publisher());
    assert_eq!(stored.sections, sent.sections);
    assert_eq!(stored.attributes, sent.attributes);
    assert_eq!(stored.provenance, sent.provenance);
    assert_eq!(stored.committed_at, START);
    assert_eq!(stored.digest, sent.sections.record_digest(&sent.record_id, 1, Kind::Nonconformity));
    assert_eq!((stored.previous, stored.resolution), (None, None));
    ledger.is_sound().await;
}

pub(crate) async fn every_kind_is_published_and_read_back(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let sent = vec![
        nonconformity(1),
        survey(2),
        draft("q/1", Matter::ExportQualification(Box::new(examples::qualification(3)))),
        draft("a/1", Matter::ExportAction(Box::new(examples::export_action(4, Vec::new())))),
        draft("u/1", Matter::UrgentNotice(Box::new(examples::notice(5)))),
    ];
    ledger.publish(sent.clone()).await;
    let stored = ledger.everything().await;
    let as_sent: Vec<_> = sent.iter().map(|draft| (&draft.record_id, &draft.sections, &draft.attributes)).collect();
    let as_stored: Vec<_> = stored.iter().map(|record| (&record.record_id, &record.sections, &record.attributes)).collect();
    assert_eq!(as_stored, as_sent);
    ledger.is_sound().await;
}

pub(crate) async fn the_same_content_is_a_duplicate(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1), nonconformity(2)]).await;
    let before = ledger.store.head().await.expect("a head");
    let again = ledger.act(publish(vec![nonconformity(2)])).await;
    let Outcome::Published { items, evidence_index: None } = again else { panic!("{again:?}") };
    assert_eq!((items[0].position, items[0].revision, items[0].duplicate), (2, 1, true));
    assert_eq!(ledger.store.head().await.expect("a head"), before, "a duplicate writes nothing");
}

pub(crate) async fn other_content_is_the_next_revision(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1)]).await;
    let items = ledger.publish(vec![corrected(1, "另一检验所")]).await;
    assert_eq!((items[0].position, items[0].revision, items[0].duplicate), (2, 2, false));
    let stored = ledger.everything().await;
    assert_eq!(stored[1].previous.as_ref(), Some(&stored[0].attributes));
    assert_eq!(stored[1].order_key, stored[0].order_key);
    // What stood before the latest is not what a revision is compared with.
    assert_eq!(ledger.publish(vec![nonconformity(1)]).await[0].revision, 3);
    ledger.is_sound().await;
}

pub(crate) async fn a_given_revision_is_checked(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let refused = ledger.refused(vec![numbered(nonconformity(1), 2)]).await;
    assert_eq!(refused[0].reason, "REVISION_GAP");
    ledger.publish(vec![numbered(nonconformity(1), 1)]).await;
    ledger.publish(vec![numbered(corrected(1, "乙所"), 2)]).await;

    let earlier = ledger.publish(vec![numbered(nonconformity(1), 1)]).await;
    assert_eq!((earlier[0].position, earlier[0].duplicate), (1, true), "an earlier revision is known by its content");
    let latest = ledger.publish(vec![numbered(corrected(1, "乙所"), 2)]).await;
    assert_eq!((latest[0].position, latest[0].duplicate), (2, true));

    for (revision, laboratory, reason) in [
        (1, "丙所", "CONTENT_CONFLICT"),
        (2, "丙所", "CONTENT_CONFLICT"),
        (4, "丙所", "REVISION_GAP"),
        (0, "丙所", "REVISION_GAP"),
    ] {
        let refused = ledger.refused(vec![numbered(corrected(1, laboratory), revision)]).await;
        assert_eq!(refused[0].reason, reason, "revision {revision}");
        for text in [&refused[0].text.zh, &refused[0].text.en] {
            assert!(text.contains('2') && text.contains(&revision.to_string()), "names what stands and what was asked: {text}");
        }
    }
    assert_eq!(ledger.head().await, 2);
}

pub(crate) async fn the_kind_never_changes(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1)]).await;
    let other = draft("n/1", Matter::EnterpriseSurvey(Box::new(examples::survey(1))));
    assert_eq!(ledger.refused(vec![other]).await[0].reason, "KIND_CHANGED");
}

pub(crate) async fn a_batch_lists_every_conflict_and_writes_nothing(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1), nonconformity(2)]).await;
    let before = ledger.store.head().await.expect("a head");
    let batch = vec![nonconformity(3), numbered(corrected(1, "甲"), 1), nonconformity(2), numbered(nonconformity(4), 7)];
    let refused = ledger.refused(batch).await;
    let listed: Vec<_> = refused.iter().map(|item| (item.index, item.record_id.as_str(), item.reason)).collect();
    assert_eq!(listed, [(1, "amr-330000/n/1", "CONTENT_CONFLICT"), (3, "amr-330000/n/4", "REVISION_GAP")]);
    assert_eq!(ledger.store.head().await.expect("a head"), before);
    ledger.is_sound().await;
}

pub(crate) async fn a_record_twice_in_a_batch_works_in_order(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let batch = vec![nonconformity(1), corrected(1, "甲"), corrected(1, "甲"), numbered(nonconformity(1), 1), nonconformity(1)];
    let items = ledger.publish(batch).await;
    let became: Vec<_> = items.iter().map(|item| (item.position, item.revision, item.duplicate)).collect();
    assert_eq!(became, [(1, 1, false), (2, 2, false), (2, 2, true), (1, 1, true), (3, 3, false)]);
    ledger.is_sound().await;
}

pub(crate) async fn duplicates_stand_beside_new_ones(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1), nonconformity(2)]).await;
    let items = ledger.publish(vec![nonconformity(2), nonconformity(3), nonconformity(1), nonconformity(4)]).await;
    let positions: Vec<_> = items.iter().map(|item| item.position).collect();
    assert_eq!(positions, [2, 3, 1, 4]);
    let (_, bytes) = ledger.store.evidence(1, 1).await.expect("entries").pop().expect("the second entry");
    let entry = read_entry(&bytes).expect("canonical");
    assert_eq!(entry.counts, [("new".to_owned(), 2), ("duplicate".to_owned(), 2)]);
    assert_eq!((entry.positions[0].first, entry.positions[0].last), (3, 4));
}

pub(crate) async fn a_validated_batch_writes_nothing(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1)]).await;
    let before = ledger.store.head().await.expect("a head");
    let drafts = vec![nonconformity(1), nonconformity(2)];
    let validate = Publish { publisher: publisher(), authority: Authority::Unbounded, drafts, validate_only: true };
    let outcome = ledger.act(Act { change: Change::Publish(Box::new(validate)), evidence: evidence(ActKind::Publish) }).await;
    let Outcome::Published { items, evidence_index: None } = outcome else { panic!("{outcome:?}") };
    assert_eq!((items[0].position, items[0].duplicate), (1, true));
    assert_eq!((items[1].position, items[1].revision, items[1].duplicate), (0, 1, false));
    assert_eq!(ledger.store.head().await.expect("a head"), before);
}

pub(crate) async fn acts_of_a_group_see_each_other(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let committed = ledger
        .commit(&[
            publish(vec![nonconformity(1), nonconformity(2)]),
            publish(vec![nonconformity(3), numbered(corrected(1, "甲"), 1)]),
            publish(vec![nonconformity(1), corrected(2, "乙"), nonconformity(3)]),
            note(ActKind::Administer, &["started"]),
        ])
        .await;
    let Outcome::Refused(Refusal::Batch(refused)) = &committed.outcomes[1] else { panic!("{:?}", committed.outcomes[1]) };
    assert_eq!(refused[0].reason, "CONTENT_CONFLICT");
    let Outcome::Published { items, evidence_index } = &committed.outcomes[2] else { panic!("{:?}", committed.outcomes[2]) };
    let became: Vec<_> = items.iter().map(|item| (item.position, item.revision, item.duplicate)).collect();
    assert_eq!(became, [(1, 1, true), (3, 2, false), (4, 1, false)], "the refused act left nothing behind");
    assert_eq!(*evidence_index, Some(1));
    assert_eq!(committed.outcomes[3], Outcome::Done { evidence_index: 2 });
    assert_eq!(committed.head, ledger.store.head().await.expect("a head"));
    ledger.is_sound().await;
}

pub(crate) async fn a_withdrawal_is_a_revision(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1)]).await;
    let matter = Matter::Nonconformity(Box::new(examples::nonconformity(1)));
    let items = ledger.publish(vec![withdrawn("n/1", matter)]).await;
    assert_eq!(items[0].revision, 2);
    let stored = ledger.everything().await.pop().expect("the withdrawal");
    assert!(stored.attributes.withdrawn);
    assert!(stored.previous.is_some_and(|previous| !previous.withdrawn));
}

pub(crate) async fn times_rise_with_positions(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1)]).await;
    // A clock that was set back.
    let committed = ledger.store.commit(900, START - 5_000_000, &[publish(vec![nonconformity(2)])]).await.expect("committed");
    assert_eq!(committed.head.committed_at, START + 1);
    assert_eq!(ledger.everything().await[1].committed_at, START + 1);
    ledger.is_sound().await;
}

pub(crate) async fn a_large_group_is_one_commit(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let acts: Vec<_> = (0..7).map(|act| publish((0..333).map(|n| nonconformity(act * 1000 + n)).collect())).collect();
    let committed = ledger.commit(&acts).await;
    assert_eq!(committed.head.position, 7 * 333);
    assert_eq!(committed.head.evidence_size, 7);
    assert!(ledger.everything().await.iter().all(|record| record.committed_at == START));
    ledger.is_sound().await;
}

/// Grouping is only for speed: whatever the group, the same acts have the same outcomes and leave the same ledger.
pub(crate) async fn a_group_does_what_its_acts_do_singly<H: Home>(_: &H) {
    let (together_home, singly_home) = (H::fresh().await, H::fresh().await);
    let (together, singly) = (Ledger::open(&together_home).await, Ledger::open(&singly_home).await);
    let mut dice = Dice(5);
    for round in 0..30 {
        let acts: Vec<_> = (0..=dice.below(6)).map(|_| publish(any_batch(&mut dice))).collect();
        let grouped = together.commit(&acts).await.outcomes;
        for (act, grouped) in acts.iter().zip(grouped) {
            assert_eq!(singly.act(act.clone()).await, grouped, "round {round}");
        }
    }
    let shape = |records: Vec<StoredRecord>| -> Vec<_> {
        records
            .into_iter()
            .map(|r| (r.position, r.record_id, r.revision, r.digest, r.order_key, r.attributes, r.previous))
            .collect()
    };
    let ledger = shape(together.everything().await);
    assert!(ledger.len() > 30, "the dice made a ledger worth comparing: {}", ledger.len());
    assert_eq!(ledger, shape(singly.everything().await));
    together.is_sound().await;
    singly.is_sound().await;
}

/// A batch over few records, so that duplicates, corrections, conflicts, gaps and impossible steps all occur.
fn any_batch(dice: &mut Dice) -> Vec<Draft> {
    let states = [Confirmed, Ordered, Ceased, Rechecking];
    (0..=dice.below(3))
        .map(|_| {
            let n = dice.below(12);
            let draft = match dice.below(6) {
                0 | 4 => corrected(n, ["甲", "乙", "丙"][dice.below(3) as usize]),
                1 | 5 => nonconformity(n),
                2 => survey(n),
                _ => {
                    let number = format!("d/{}", dice.below(9));
                    step(&number, n, states[dice.below(4) as usize], states[dice.below(4) as usize])
                }
            };
            if dice.below(6) == 0 { numbered(draft, dice.below(4) as u32) } else { draft }
        })
        .collect()
}

pub(crate) async fn what_is_referred_to_must_stand(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1)]).await;
    let id = nonconformity(1).record_id;
    let action =
        |reference: RecordReference| draft("a/1", Matter::ExportAction(Box::new(examples::export_action(4, vec![reference]))));
    let reference = |revision, position| RecordReference { record_id: id.clone(), revision, position };
    for wrong in [reference(2, 1), reference(0, 1), reference(1, 2)] {
        let refused = ledger.refused(vec![action(wrong)]).await;
        assert_eq!(refused[0].reason, "UNKNOWN_REFERENCE");
    }
    let nowhere = RecordId::parse("amr-330000/none").expect("an id");
    let missing = RecordReference { record_id: nowhere, revision: 1, position: 0 };
    assert_eq!(ledger.refused(vec![action(missing)]).await[0].reason, "UNKNOWN_REFERENCE");
    ledger.publish(vec![action(reference(1, 1))]).await;
    // An earlier revision may be meant too: that is what was acted on.
    ledger.publish(vec![corrected(1, "乙所")]).await;
    assert!(ledger.publish(vec![action(reference(1, 1))]).await[0].duplicate);
    ledger.publish(vec![action(reference(2, 3))]).await;
    ledger.is_sound().await;
}
