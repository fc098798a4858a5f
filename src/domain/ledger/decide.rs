//! Deciding a group of acts in memory, in order, from one read set.

use std::collections::BTreeSet;

use super::{
    acts::{Act, Attestation, Change, Head, Outcome, Publish, PublishedItem, Refusal},
    plan::{Decision, NewRevision, SealedEntry, WritePlan},
    publish::Publishing,
    read_set::ReadSet,
    subscriptions::Subscriptions,
};
use crate::domain::{
    evidence::{EvidenceDraft, PositionRange, leaf_hash, records_root},
    ids::Micros,
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
    let mut deciding = Deciding { head: head.clone(), read, plan, subscriptions };
    let outcomes = acts.iter().map(|act| deciding.act(act)).collect();
    deciding.finish(outcomes, head)
}

struct Deciding {
    head: Head,
    read: ReadSet,
    plan: WritePlan,
    subscriptions: Subscriptions,
}

impl Deciding {
    fn act(&mut self, act: &Act) -> Outcome {
        let changed = match &act.change {
            Change::Publish(publish) => return self.publish(publish, &act.evidence),
            Change::Attest(attestation) => return self.attest(attestation, &act.evidence),
            Change::CreateSubscription(row) => self.subscriptions.create(row),
            Change::DeleteSubscription(key) => self.subscriptions.delete(key),
            Change::MoveSubscription(delta) => self.subscriptions.apply(delta),
            Change::PassSubscription(delta) => self.subscriptions.apply(delta).map(|_| false),
            Change::Record => Ok(true),
        };
        match changed {
            Ok(true) => Outcome::Done { evidence_index: self.record(act.evidence.clone()) },
            Ok(false) => Outcome::Unchanged,
            Err(refusal) => Outcome::Refused(refusal),
        }
    }

    fn publish(&mut self, publish: &Publish, evidence: &EvidenceDraft) -> Outcome {
        let publishing = Publishing::new(&self.read, &publish.publisher, self.head.position, self.plan.committed_at);
        let (mut items, batch) = match publishing.decide(publish) {
            Ok(accepted) => accepted,
            Err(refused) => return Outcome::Refused(Refusal::Batch(refused)),
        };
        if publish.validate_only {
            items.iter_mut().filter(|item| !item.duplicate).for_each(|item| item.position = 0);
        }
        if publish.validate_only || batch.revisions.is_empty() {
            return Outcome::Published { items, evidence_index: None };
        }
        let (revisions, records, chain) = batch.merge_into(&mut self.read);
        self.head.position += revisions.len() as u64;
        let evidence_index = self.record(complete(evidence.clone(), &items, &revisions));
        self.plan.revisions.extend(revisions);
        self.plan.records.extend(records);
        self.plan.chain.extend(chain);
        Outcome::Published { items, evidence_index: Some(evidence_index) }
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
        if self.plan.is_empty() {
            return Decision { outcomes, writes: self.plan, head: before.clone() };
        }
        self.head.committed_at = self.plan.committed_at;
        self.head.evidence_root = self.plan.frontier.root();
        Decision { outcomes, writes: self.plan, head: self.head }
    }
}

/// Fills in what of a publish is known only now: feeds, positions, the tree hash over the digests there, counts.
fn complete(mut evidence: EvidenceDraft, items: &[PublishedItem], revisions: &[NewRevision]) -> EvidenceDraft {
    if let (Some(first), Some(last)) = (revisions.first(), revisions.last()) {
        evidence.positions = vec![PositionRange { first: first.stored.position, last: last.stored.position }];
    }
    let digests: Vec<_> = revisions.iter().map(|revision| revision.stored.digest).collect();
    evidence.records_root = Some(records_root(&digests));
    let feeds: BTreeSet<_> = revisions.iter().map(|revision| revision.stored.attributes.feed()).collect();
    evidence.feeds = feeds.into_iter().collect();
    let duplicates = items.len() - revisions.len();
    evidence.counts.extend([("new", revisions.len() as u64), ("duplicate", duplicates as u64)]);
    evidence
}
