//! The evidence log: one entry an act, a tree that proves itself, searches that tell the truth.

use super::{Home, harness::*};
use crate::{
    domain::{
        digest::Digest,
        evidence::{
            ActKind, Actor, EvidenceDraft, PositionRange, consistency_plan, inclusion_plan, leaf_hash, read_entry, records_root,
            root_plan, tree_root, verify_consistency, verify_inclusion,
        },
        ids::SystemId,
        ledger::{Act, Change, Outcome},
    },
    store::EvidenceQuery,
};

pub(crate) async fn every_act_has_its_entry(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger
        .commit(&[publish(vec![nonconformity(1)]), note(ActKind::Pull, &["x"]), publish(vec![nonconformity(1)]), create("risk")])
        .await;
    let outcome = ledger.act(publish(vec![numbered(corrected(1, "甲"), 1)])).await;
    assert!(matches!(outcome, Outcome::Refused(_)));
    let head = ledger.store.head().await.expect("a head");
    let entries = ledger.store.evidence(0, 100).await.expect("entries");
    let kinds: Vec<_> = entries.iter().map(|(_, bytes)| read_entry(bytes).expect("canonical").kind).collect();
    assert_eq!(kinds, [ActKind::Publish, ActKind::Pull, ActKind::Subscription], "duplicates and refusals write none");
    assert_eq!(head.evidence_size, 3);
    assert_eq!(head.evidence_root, tree_root(entries.iter().map(|(_, bytes)| leaf_hash(bytes))));
    assert_eq!(ledger.store.evidence(1, 1).await.expect("entries"), entries[1..2]);
    assert!(ledger.store.evidence(3, 10).await.expect("entries").is_empty());
    ledger.is_sound().await;
}

pub(crate) async fn a_publish_entry_speaks_of_its_positions(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1)]).await;
    ledger.publish(vec![nonconformity(2), nonconformity(1), survey(3)]).await;
    let entry = read_entry(&ledger.store.evidence(1, 1).await.expect("entries")[0].1).expect("canonical");
    let digests: Vec<_> = ledger.everything().await[1..].iter().map(|record| record.digest).collect();
    assert_eq!(entry.positions, [PositionRange { first: 2, last: 3 }]);
    assert_eq!(entry.records_root, Some(records_root(&digests)));
    assert_eq!(entry.feeds, ["failed-products", "enterprises"]);
    assert_eq!((entry.index, entry.head, entry.time_us), (1, 3, START + 1_000_000));
    assert_eq!((entry.participant.as_str(), entry.system.as_str()), ("amr-330000", "supervision"));
}

pub(crate) async fn entries_prove_themselves(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let mut roots: Vec<(u64, Digest)> = Vec::new();
    // Past two subtrees that are kept (256 leaves each), in uneven groups.
    for group in [1, 2, 250, 3, 1, 256, 90] {
        let acts: Vec<_> = (0..group).map(|_| note(ActKind::Pull, &["x"])).collect();
        let head = ledger.commit(&acts).await.head;
        roots.push((head.evidence_size, head.evidence_root));
    }
    let (size, root) = *roots.last().expect("a root");
    assert_eq!(size, 603);
    let leaves: Vec<_> =
        ledger.store.evidence(0, 1000).await.expect("entries").iter().map(|(_, bytes)| leaf_hash(bytes)).collect();
    for index in [0, 1, 255, 256, 511, 512, 600, 602] {
        let plan = inclusion_plan(index, size).expect("in the tree");
        let proof = plan.assemble(&ledger.store.evidence_nodes(plan.nodes()).await.expect("hashes")).expect("a proof");
        assert!(verify_inclusion(&leaves[index as usize], index, size, &proof, &root), "entry {index}");
        assert!(!verify_inclusion(&leaves[3], index, size, &proof, &root));
    }
    for (first, first_root) in &roots {
        let plan = consistency_plan(*first, size).expect("an earlier tree");
        let proof = plan.assemble(&ledger.store.evidence_nodes(plan.nodes()).await.expect("hashes")).expect("a proof");
        assert!(verify_consistency(*first, size, &proof, first_root, &root), "from {first}");
        let plan = root_plan(*first);
        let hashes = plan.assemble(&ledger.store.evidence_nodes(plan.nodes()).await.expect("hashes")).expect("a root");
        assert_eq!(hashes.first(), Some(first_root));
    }
    ledger.is_sound().await;
}

/// An entry of customs about deliveries.
fn released(kind: ActKind, ranges: &[(u64, u64)], outcome: &str) -> Act {
    let system = SystemId::parse("gacc/risk").expect("a system");
    let positions = ranges.iter().map(|&(first, last)| PositionRange { first, last }).collect();
    let mut evidence = EvidenceDraft::new(kind, Actor { system: Some(system), ..Actor::default() }, "case");
    evidence.positions = positions;
    outcome.clone_into(&mut evidence.outcome);
    Act { change: Change::Record, evidence }
}

pub(crate) async fn entries_are_found_by_what_they_say(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish((1..=30).map(nonconformity).collect()).await; // 0
    ledger.act(released(ActKind::Disclose, &[(1, 9), (12, 20)], "OK")).await; // 1
    ledger.act(note(ActKind::Pull, &["91330000X", "other"])).await; // 2
    ledger.act(released(ActKind::Settle, &[(5, 5)], "OK")).await; // 3
    ledger.publish(vec![corrected(5, "甲")]).await; // 4
    ledger.act(released(ActKind::Disclose, &[(31, 31)], "OK")).await; // 5
    ledger.act(released(ActKind::Refuse, &[], "NOT_PERMITTED")).await; // 6
    let search = async |query: EvidenceQuery, after, limit| -> Vec<u64> {
        let found = ledger.store.search_evidence(&query, after, limit).await.expect("found");
        found.into_iter().map(|(index, _)| index).collect()
    };
    let all = EvidenceQuery::default;
    assert_eq!(search(all(), None, 100).await, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(search(all(), Some(1), 2).await, [2, 3]);
    assert_eq!(search(EvidenceQuery { kind: Some(ActKind::Disclose), ..all() }, None, 100).await, [1, 5]);
    let customs = EvidenceQuery { participant: "gacc".to_owned(), ..all() };
    assert_eq!(search(customs.clone(), None, 100).await, [1, 3, 5, 6]);
    assert_eq!(search(EvidenceQuery { system: "risk".to_owned(), ..customs.clone() }, Some(3), 1).await, [5]);
    assert!(search(EvidenceQuery { system: "none".to_owned(), ..customs }, None, 100).await.is_empty());
    assert_eq!(search(EvidenceQuery { outcome: "NOT_PERMITTED".to_owned(), ..all() }, None, 100).await, [6]);
    assert_eq!(search(EvidenceQuery { subject: "91330000X".to_owned(), ..all() }, None, 100).await, [2]);
    assert_eq!(search(EvidenceQuery { position: 5, ..all() }, None, 100).await, [0, 1, 3]);
    assert_eq!(search(EvidenceQuery { position: 10, ..all() }, None, 100).await, [0], "between two ranges");
    assert_eq!(search(EvidenceQuery { position: 31, kind: Some(ActKind::Disclose), ..all() }, None, 100).await, [5]);
    // Who published, received and settled any revision of a record.
    let of_record = EvidenceQuery { subject: "amr-330000/n/5".to_owned(), ..all() };
    assert_eq!(search(of_record.clone(), None, 100).await, [0, 1, 3, 4, 5]);
    assert_eq!(search(of_record, Some(1), 2).await, [3, 4]);
    let second = START + 1_000_000;
    assert_eq!(search(EvidenceQuery { from: Some(second), to: Some(second * 2 - START), ..all() }, None, 100).await, [1]);
    assert_eq!(search(EvidenceQuery { to: Some(second), ..all() }, None, 100).await, [0]);
}

pub(crate) async fn a_search_reads_on_past_what_only_seems_to_fit(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish((1..=30).map(nonconformity).collect()).await;
    let near: Vec<_> = (0..600).map(|_| released(ActKind::Disclose, &[(2, 3)], "OK")).collect();
    ledger.commit(&near).await;
    ledger.act(released(ActKind::Settle, &[(7, 7)], "OK")).await;
    let query = EvidenceQuery { position: 7, ..EvidenceQuery::default() };
    let found = ledger.store.search_evidence(&query, Some(0), 10).await.expect("found");
    assert_eq!(found.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [601]);
}

pub(crate) async fn checkpoints_are_kept(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let before = ledger.store.head().await.expect("a head");
    ledger.store.keep_checkpoint(3, "three").await.expect("kept");
    ledger.store.keep_checkpoint(9, "nine").await.expect("kept");
    ledger.store.keep_checkpoint(9, "nine again").await.expect("kept");
    let at = async |size| ledger.store.checkpoint_at(size).await.expect("read");
    assert_eq!(at(0).await.as_deref(), Some("three"));
    assert_eq!(at(4).await.as_deref(), Some("nine again"));
    assert_eq!(at(10).await, None);
    assert_eq!(ledger.store.head().await.expect("a head"), before, "it adds nothing to the ledger");
}
