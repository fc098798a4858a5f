//! Deciding a group of acts in memory, in order, from one read set.

use std::collections::BTreeSet;

use super::{
    acts::{Act, Attestation, BatchOutcome, Change, Head, Outcome, Publish, PublishMany, Refusal},
    follow::Follow,
    plan::{Decision, NewRevision, SealedEntry, WritePlan},
    publish::{Batch, Publishing},
    read_set::ReadSet,
    ride::{self, Ride},
    subscriptions::Subscriptions,
};
use crate::domain::{
    delivery::SubscriptionDelta,
    draft::Draft,
    evidence::{EvidenceDraft, PositionRange, leaf_hash, records_root},
    ids::{Micros, ParticipantId, RecordId},
    life_cycle::Authority,
};

/// Decides a group. `read` must hold what [`super::Needs`] of the same acts asks for, read under the head lock that gave `head`.
///
/// Each act sees the effects of those before it; one that is refused leaves nothing behind. Commit time is
/// max(`now`, head time + 1 µs), so that times never contradict positions.
#[must_use]
pub fn decide(head: &Head, now: Micros, mut read: ReadSet, acts: &[Act]) -> Decision {
    let committed_at = now.max(head.committed_at.saturating_add(1));
    let plan = WritePlan { committed_at, frontier: std::mem::take(&mut read.frontier), ..WritePlan::default() };
    let subscriptions = Subscriptions::new(std::mem::take(&mut read.subscriptions));
    let mut deciding = Deciding { head: head.clone(), read, plan, touched: Vec::new(), subscriptions };
    let outcomes = acts.iter().map(|act| deciding.act(act)).collect();
    deciding.finish(outcomes, head)
}

struct Deciding {
    head: Head,
    read: ReadSet,
    plan: WritePlan,
    /// Records that are written, as they stand in `read` at the end.
    touched: Vec<RecordId>,
    subscriptions: Subscriptions,
}

impl Deciding {
    fn act(&mut self, act: &Act) -> Outcome {
        let changed = match &act.change {
            Change::Publish(publish) => return self.publish(publish, &act.evidence),
            Change::PublishMany(publish) => return self.publish_many(publish, &act.evidence),
            Change::Attest(attestation) => return self.attest(attestation, &act.evidence),
            Change::Ride(ride) => return self.ride(ride, &act.evidence),
            Change::CreateSubscription(row) => self.subscriptions.create(row),
            Change::DeleteSubscription(key) => self.subscriptions.delete(key),
            Change::MoveSubscription(delta) => self.subscriptions.apply(delta),
            Change::PassSubscription(delta) => self.subscriptions.apply(delta).map(|_| false),
            Change::Follow(follow) => self.follow(follow),
            Change::RaiseOverdue(keys) => {
                self.plan.docket.raised.extend(keys.iter().cloned());
                Ok(!keys.is_empty())
            }
            Change::Record => Ok(true),
        };
        match changed {
            Ok(true) => Outcome::Done { evidence_index: self.record(act.evidence.clone()) },
            Ok(false) => Outcome::Unchanged,
            Err(refusal) => Outcome::Refused(refusal),
        }
    }

    fn follow(&mut self, follow: &Follow) -> Result<bool, Refusal> {
        let stands = self.read.followed.unwrap_or_default();
        if stands != follow.from {
            return Err(Refusal::Fenced { stands });
        }
        self.read.followed = Some(follow.to);
        self.plan.docket.follows.push(follow.clone());
        Ok(false)
    }

    fn publish(&mut self, publish: &Publish, evidence: &EvidenceDraft) -> Outcome {
        let publishing =
            Publishing::new(&self.read, (&publish.publisher, publish.authority), self.head.position, self.plan.committed_at);
        let (mut items, batch) = match publishing.decide(&publish.drafts) {
            Ok(accepted) => accepted,
            Err(refused) => return Outcome::Refused(Refusal::Batch(refused)),
        };
        if publish.validate_only {
            items.iter_mut().filter(|item| !item.duplicate).for_each(|item| item.position = 0);
            return Outcome::Published { items, evidence_index: None };
        }
        let first = self.plan.revisions.len();
        self.lay(batch);
        let evidence_index = self.record_published(first, items.len(), evidence.clone());
        Outcome::Published { items, evidence_index }
    }

    /// Batch by batch, each seeing what those before it did; a refused one leaves nothing behind.
    fn publish_many(&mut self, publish: &PublishMany, evidence: &EvidenceDraft) -> Outcome {
        let first = self.plan.revisions.len();
        let batches: Vec<BatchOutcome> =
            publish.batches.iter().map(|drafts| self.batch((&publish.publisher, publish.authority), drafts)).collect();
        let accepted = || batches.iter().filter_map(|batch| batch.as_ref().ok());
        let mut evidence = evidence.clone();
        evidence.counts.push(("requests", accepted().count() as u64));
        let evidence_index = self.record_published(first, accepted().map(Vec::len).sum(), evidence);
        Outcome::PublishedMany { batches, evidence_index }
    }

    fn batch(&mut self, publisher: (&ParticipantId, Authority), drafts: &[Draft]) -> BatchOutcome {
        let publishing = Publishing::new(&self.read, publisher, self.head.position, self.plan.committed_at);
        let (items, batch) = publishing.decide(drafts)?;
        self.lay(batch);
        Ok(items)
    }

    /// Makes an accepted batch part of the group.
    fn lay(&mut self, batch: Batch) {
        let (revisions, touched, chain) = batch.merge_into(&mut self.read);
        self.head.position += revisions.len() as u64;
        self.plan.revisions.extend(revisions);
        self.touched.extend(touched);
        self.plan.chain.extend(chain);
    }

    /// The entry of a publish that wrote the revisions of the group from `first` on; none when it wrote nothing.
    fn record_published(&mut self, first: usize, items: usize, evidence: EvidenceDraft) -> Option<u64> {
        let written = self.plan.revisions.get(first..).filter(|written| !written.is_empty())?;
        let evidence = complete(evidence, items, written);
        Some(self.record(evidence))
    }

    fn ride(&mut self, ride: &Ride, evidence: &EvidenceDraft) -> Outcome {
        let taken = ride.take(&self.plan.revisions);
        if taken.is_empty() {
            return Outcome::Unchanged;
        }
        if let Err(refusal) = self.subscriptions.apply(&SubscriptionDelta::empty(ride.key.clone(), ride.epoch)) {
            return Outcome::Refused(refusal);
        }
        let positions = taken.iter().map(|record| record.position).collect();
        let evidence = ride::complete(evidence.clone(), &taken);
        Outcome::Disclosed { positions, evidence_index: self.record(evidence) }
    }

    /// An earlier time leaves the later one standing; that it was said is recorded all the same.
    fn attest(&mut self, attestation: &Attestation, evidence: &EvidenceDraft) -> Outcome {
        let key = (attestation.publisher.clone(), attestation.feed, attestation.region);
        let stands = self.read.attestations.get(&key).copied();
        let complete_to = stands.map_or(attestation.complete_to, |stands| stands.max(attestation.complete_to));
        if stands != Some(complete_to) {
            self.read.attestations.insert(key.clone(), complete_to);
            self.plan.attestations.insert(key, complete_to);
        }
        Outcome::Attested { complete_to, evidence_index: self.record(evidence.clone()) }
    }

    /// Seals an entry at the end of the log and grows the tree by it.
    fn record(&mut self, draft: EvidenceDraft) -> u64 {
        let index = self.head.evidence_size;
        let (participant, system) = draft
            .actor
            .system
            .as_ref()
            .map(|system| (system.participant.as_str().to_owned(), system.name.clone()))
            .unwrap_or_default();
        let bytes = draft.seal(index, self.plan.committed_at, self.head.position);
        let leaf = leaf_hash(&bytes);
        self.plan.subtrees.extend(self.plan.frontier.append(leaf));
        self.plan.evidence.push(SealedEntry {
            index,
            bytes,
            leaf,
            kind: draft.kind,
            participant,
            system,
            outcome: draft.outcome,
            subjects: draft.subjects,
            positions: draft.positions,
        });
        self.head.evidence_size = index + 1;
        index
    }

    fn finish(mut self, outcomes: Vec<Outcome>, before: &Head) -> Decision {
        self.plan.subscriptions = self.subscriptions.into_writes();
        if !self.plan.moves_head() {
            return Decision { outcomes, writes: self.plan, head: before.clone() };
        }
        self.plan.records = self.touched.iter().filter_map(|id| self.read.records.remove_entry(id)).collect();
        self.head.committed_at = self.plan.committed_at;
        self.head.evidence_root = self.plan.frontier.root();
        Decision { outcomes, writes: self.plan, head: self.head }
    }
}

/// Fills in what of a publish is known only now: feeds, positions, the tree hash over the digests there, counts.
fn complete(mut evidence: EvidenceDraft, items: usize, revisions: &[NewRevision]) -> EvidenceDraft {
    if let (Some(first), Some(last)) = (revisions.first(), revisions.last()) {
        evidence.positions = vec![PositionRange { first: first.stored.position, last: last.stored.position }];
    }
    let digests: Vec<_> = revisions.iter().map(|revision| revision.stored.digest).collect();
    evidence.records_root = Some(records_root(&digests));
    let feeds: BTreeSet<_> = revisions.iter().map(|revision| revision.stored.attributes.feed()).collect();
    evidence.feeds = feeds.into_iter().collect();
    let duplicates = items - revisions.len();
    evidence.counts.extend([("new", revisions.len() as u64), ("duplicate", duplicates as u64)]);
    evidence
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        attributes::{attributes_of, subjects_of},
        draft::{Draft, SealedSection, Sections},
        evidence::{ActKind, Actor, Frontier, tree_root},
        ids::{ParticipantId, RecordId},
        records::{Content, Matter, examples},
    };

    fn head() -> Head {
        Head { position: 40, committed_at: 1000, evidence_size: 0, evidence_root: Frontier::default().root() }
    }

    fn draft(n: u64, version: u8, revision: Option<u32>) -> Draft {
        let content = Content { matter: Matter::EnterpriseSurvey(Box::new(examples::survey(n))), withdrawal: None };
        let open = SealedSection { content: vec![version].into(), salt: [0; 16] };
        let sections = Sections { open, restricted: None };
        Draft {
            record_id: RecordId::parse(&format!("amr-330000/{n}")).expect("a record id"),
            revision,
            digests: sections.digests(content.matter.kind()),
            sections,
            provenance: None,
            attributes: attributes_of(&content, None),
            subjects: subjects_of(&content),
            remarks: Vec::new(),
            content,
        }
    }

    fn publish(drafts: Vec<Draft>, validate_only: bool) -> Act {
        let publisher = ParticipantId::parse("amr-330000").expect("a participant");
        Act {
            change: Change::Publish(Box::new(Publish { publisher, authority: Authority::Unbounded, drafts, validate_only })),
            evidence: EvidenceDraft::new(ActKind::Publish, Actor::default(), "case"),
        }
    }

    fn stream(batches: Vec<Vec<Draft>>) -> Act {
        let publisher = ParticipantId::parse("amr-330000").expect("a participant");
        Act {
            change: Change::PublishMany(Box::new(PublishMany { publisher, authority: Authority::Unbounded, batches })),
            evidence: EvidenceDraft::new(ActKind::Publish, Actor::default(), "case"),
        }
    }

    fn any_draft() -> impl Strategy<Value = Draft> {
        (0..5_u64, 0..3_u8, proptest::option::weighted(0.3, 0..4_u32))
            .prop_map(|(n, version, revision)| draft(n, version, revision))
    }

    fn any_act() -> impl Strategy<Value = Act> {
        (proptest::collection::vec(any_draft(), 0..6), proptest::bool::weighted(0.2))
            .prop_map(|(drafts, only)| publish(drafts, only))
    }

    #[test]
    fn times_follow_the_head_and_the_clock() {
        let act = [publish(vec![draft(1, 1, None)], false)];
        assert_eq!(decide(&head(), 5000, ReadSet::default(), &act).head.committed_at, 5000);
        assert_eq!(decide(&head(), 10, ReadSet::default(), &act).head.committed_at, 1001);
    }

    #[test]
    fn a_refused_batch_of_a_stream_leaves_its_neighbours_alone() {
        let gap = draft(2, 1, Some(7));
        let act = stream(vec![
            vec![draft(1, 1, None), draft(3, 1, None)],
            vec![draft(4, 1, None), gap],
            vec![draft(1, 1, None)],
            vec![draft(4, 1, None)],
        ]);
        let decision = decide(&head(), 5000, ReadSet::default(), std::slice::from_ref(&act));
        let Some(Outcome::PublishedMany { batches, evidence_index: Some(0) }) = decision.outcomes.first() else {
            panic!("{:?}", decision.outcomes)
        };
        let positions = |batch: &BatchOutcome| -> Vec<(u64, bool)> {
            batch.iter().flatten().map(|item| (item.position, item.duplicate)).collect()
        };
        assert_eq!(positions(&batches[0]), [(41, false), (42, false)]);
        assert_eq!(
            batches[1].as_ref().map_err(|items| (items.len(), items[0].index, items[0].reason)),
            Err((1, 1, "REVISION_GAP"))
        );
        assert_eq!(positions(&batches[2]), [(41, true)]);
        assert_eq!(positions(&batches[3]), [(43, false)]);
        let [entry] = decision.writes.evidence.as_slice() else { panic!("one entry") };
        assert_eq!(entry.positions, [PositionRange { first: 41, last: 43 }]);
        let read = crate::domain::evidence::read_entry(&entry.bytes).expect("an entry");
        let counts: Vec<_> = read.counts.iter().map(|count| (count.0.as_str(), count.1)).collect();
        assert_eq!(counts, [("requests", 3), ("new", 3), ("duplicate", 1)]);
    }

    proptest! {
        /// A stream's batches in one act come to the same as each in an act of its own, but for the number of entries.
        #[test]
        fn batches_of_a_stream_are_decided_as_acts_of_their_own(
            batches in proptest::collection::vec(proptest::collection::vec(any_draft(), 1..5), 1..8),
        ) {
            let single: Vec<Act> = batches.iter().map(|drafts| publish(drafts.clone(), false)).collect();
            let single = decide(&head(), 5000, ReadSet::default(), &single);
            let many = decide(&head(), 5000, ReadSet::default(), &[stream(batches)]);
            let Some(Outcome::PublishedMany { batches, evidence_index }) = many.outcomes.first() else {
                return Err(TestCaseError::fail("another outcome"));
            };
            for (batch, alone) in batches.iter().zip(&single.outcomes) {
                match (batch, alone) {
                    (Ok(items), Outcome::Published { items: alone, .. }) => prop_assert_eq!(items, alone),
                    (Err(items), Outcome::Refused(Refusal::Batch(alone))) => prop_assert_eq!(items, alone),
                    other => return Err(TestCaseError::fail(format!("{other:?}"))),
                }
            }
            let written = |decision: &Decision| -> Vec<_> {
                decision.writes.revisions.iter().map(|revision| (revision.stored.position, revision.stored.digest)).collect()
            };
            prop_assert_eq!(written(&many), written(&single));
            prop_assert_eq!(&many.writes.records, &single.writes.records);
            prop_assert_eq!(many.writes.evidence.len(), usize::from(!many.writes.revisions.is_empty()));
            prop_assert_eq!(evidence_index.is_some(), !many.writes.revisions.is_empty());
        }

        /// Whatever is asked: positions and indexes without gaps, the answers name what is written, and refused acts leave nothing.
        #[test]
        fn what_is_written_is_contiguous_and_answered(acts in proptest::collection::vec(any_act(), 0..8)) {
            let decision = decide(&head(), 5000, ReadSet::default(), &acts);
            let written: Vec<_> = decision.writes.revisions.iter().map(|revision| revision.stored.position).collect();
            prop_assert_eq!(&written, &(41..41 + written.len() as u64).collect::<Vec<_>>());
            prop_assert_eq!(decision.head.position, 40 + written.len() as u64);
            let indexes: Vec<_> = decision.writes.evidence.iter().map(|entry| entry.index).collect();
            prop_assert_eq!(&indexes, &(0..decision.head.evidence_size).collect::<Vec<_>>());
            prop_assert_eq!(decision.head.evidence_root, tree_root(decision.writes.evidence.iter().map(|entry| entry.leaf)));

            let mut answered = Vec::new();
            for (act, outcome) in acts.iter().zip(&decision.outcomes) {
                let Change::Publish(publish) = &act.change else { continue };
                if let Outcome::Published { items, evidence_index } = outcome {
                    prop_assert_eq!(items.len(), publish.drafts.len());
                    let new = items.iter().filter(|item| !item.duplicate).map(|item| item.position);
                    if publish.validate_only {
                        prop_assert!(evidence_index.is_none() && new.clone().all(|position| position == 0));
                    } else {
                        prop_assert_eq!(evidence_index.is_some(), new.clone().count() > 0);
                        answered.extend(new);
                    }
                }
            }
            prop_assert_eq!(answered, written.clone());
            prop_assert_eq!(decision.writes.is_empty(), written.is_empty());
            if written.is_empty() {
                prop_assert_eq!(decision.head, head());
            }
        }

        /// Asking again for all that was accepted writes nothing: every item is a duplicate with its position, or in conflict with
        /// a later revision of the same group.
        #[test]
        fn asking_again_never_writes_twice(drafts in proptest::collection::vec(any_draft(), 1..6)) {
            let first = publish(drafts.iter().map(|draft| Draft { revision: None, ..draft.clone() }).collect(), false);
            let latest: Vec<_> = drafts
                .iter()
                .enumerate()
                .filter(|(index, draft)| drafts[index + 1..].iter().all(|later| later.record_id != draft.record_id))
                .map(|(_, draft)| Draft { revision: None, ..draft.clone() })
                .collect();
            let once = decide(&head(), 5000, ReadSet::default(), std::slice::from_ref(&first));
            let twice = decide(&head(), 5000, ReadSet::default(), &[first, publish(latest, false)]);
            prop_assert_eq!(once.head, twice.head);
            let Some(Outcome::Published { items, evidence_index: None }) = twice.outcomes.last() else {
                return Err(TestCaseError::fail(format!("{:?}", twice.outcomes)));
            };
            prop_assert!(items.iter().all(|item| item.duplicate));
        }
    }
}
