//! Disclosures that ride along: what a group publishes is disclosed, in the same transaction, to subscriptions that wait at the head
//! with an open window. One commit then serves both.

use std::sync::Arc;

use super::plan::NewRevision;
use crate::domain::{
    delivery::SubscriptionKey,
    draft::StoredRecord,
    evidence::{EvidenceDraft, PositionRange, records_root},
    feeds::Feed,
    ids::Position,
};

/// What a subscription's filter and rights admit.
pub trait Selects: std::fmt::Debug + Send + Sync {
    /// True when the revision may and is to be delivered.
    fn selects(&self, record: &StoredRecord) -> bool;
}

/// A subscription that takes what is published next.
#[derive(Debug, Clone)]
pub struct Ride {
    /// Which.
    pub key: SubscriptionKey,
    /// Refused as fenced unless the stored epoch is this.
    pub epoch: u64,
    /// It has seen everything up to here. When the group does not begin right behind it, nothing is disclosed.
    pub after: Position,
    /// Most revisions.
    pub records: usize,
    /// Most bytes of content.
    pub bytes: u64,
    /// Which revisions.
    pub selects: Arc<dyn Selects>,
}

impl Ride {
    /// What of the group's revisions is disclosed: the first of those selected, as far as there is room.
    pub(super) fn take<'r>(&self, revisions: &'r [NewRevision]) -> Vec<&'r StoredRecord> {
        if revisions.first().is_none_or(|first| first.stored.position != self.after + 1) {
            return Vec::new();
        }
        let selected = revisions.iter().map(|revision| &revision.stored).filter(|record| self.selects.selects(record));
        let mut bytes = 0;
        let fits = |record: &&StoredRecord| {
            bytes += record.sections.len() as u64;
            bytes <= self.bytes
        };
        selected.take(self.records).take_while(fits).collect()
    }
}

/// Fills in what of a ride is known only now.
pub(super) fn complete(mut evidence: EvidenceDraft, records: &[&StoredRecord]) -> EvidenceDraft {
    evidence.positions = PositionRange::join(records.iter().map(|record| record.position));
    let digests: Vec<_> = records.iter().map(|record| record.digest).collect();
    evidence.records_root = Some(records_root(&digests));
    evidence.feeds =
        Feed::ALL.into_iter().filter(|feed| records.iter().any(|record| record.attributes.feed() == *feed)).collect();
    evidence.counts.push(("delivered", records.len() as u64));
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        attributes::{attributes_of, subjects_of},
        delivery::{Filter, OnDeadLetter, Ordering, RetryPolicy, StartAt, SubscriptionSpec},
        draft::{Draft, SealedSection, Sections},
        evidence::{ActKind, Actor, Frontier, read_entry},
        ids::{ParticipantId, RecordId},
        ledger::{Act, Change, Decision, Head, Outcome, Publish, ReadSet, Refusal, StandingSubscription, decide},
        life_cycle::Authority,
        records::{Content, Matter, examples},
    };

    #[derive(Debug)]
    struct Odd;

    impl Selects for Odd {
        fn selects(&self, record: &StoredRecord) -> bool {
            record.position % 2 == 1
        }
    }

    fn key() -> SubscriptionKey {
        SubscriptionKey { participant: ParticipantId::parse("gacc").expect("a participant"), name: "risk".into() }
    }

    fn publish(numbers: std::ops::Range<u64>) -> Act {
        let draft = |n| {
            let content = Content { matter: Matter::EnterpriseSurvey(Box::new(examples::survey(n))), withdrawal: None };
            let sections = Sections { open: SealedSection { content: vec![7; 100].into(), salt: [0; 16] }, restricted: None };
            Draft {
                record_id: RecordId::parse(&format!("amr-330000/{n}")).expect("a record id"),
                revision: None,
                digests: sections.digests(content.matter.kind()),
                sections,
                provenance: None,
                attributes: attributes_of(&content, None),
                subjects: subjects_of(&content),
                remarks: Vec::new(),
                content,
            }
        };
        let publisher = ParticipantId::parse("amr-330000").expect("a participant");
        Act {
            change: Change::Publish(Box::new(Publish {
                publisher,
                authority: Authority::Unbounded,
                drafts: numbers.map(draft).collect(),
                validate_only: false,
            })),
            evidence: EvidenceDraft::new(ActKind::Publish, Actor::default(), "case"),
        }
    }

    fn ride(epoch: u64, after: Position, records: usize, bytes: u64) -> Act {
        let ride = Ride { key: key(), epoch, after, records, bytes, selects: Arc::new(Odd) };
        Act { change: Change::Ride(Box::new(ride)), evidence: EvidenceDraft::new(ActKind::Disclose, Actor::default(), "case") }
    }

    /// Over a ledger that stands at position 40.
    fn decided(acts: &[Act]) -> Decision {
        let head = Head { position: 40, committed_at: 1000, evidence_size: 0, evidence_root: Frontier::default().root() };
        let spec = SubscriptionSpec {
            filter: Filter::default(),
            ordering: Ordering::PerEnterprise,
            on_dead_letter: OnDeadLetter::Continue,
            lease_ms: 30_000,
            lease_total_ms: 3_600_000,
            retry: RetryPolicy {
                max_attempts: 10,
                initial_ms: 1_000,
                max_ms: 600_000,
                non_retryable: Vec::new(),
                pause_after_failures: 0,
                rate_per_second: 100,
            },
            max_in_flight: 10,
            max_span: 10,
            purpose: String::new(),
            start: StartAt::Earliest,
        };
        let mut read = ReadSet::default();
        read.subscriptions.insert(key(), StandingSubscription { spec, epoch: 3 });
        decide(&head, 5000, read, acts)
    }

    fn taken(decision: &Decision) -> Option<Vec<Position>> {
        match decision.outcomes.last() {
            Some(Outcome::Disclosed { positions, .. }) => Some(positions.clone()),
            _ => None,
        }
    }

    #[test]
    fn what_the_group_publishes_is_disclosed_in_it() {
        let decision = decided(&[publish(0..3), publish(3..5), ride(3, 40, 10, 1 << 20)]);
        assert_eq!(taken(&decision), Some(vec![41, 43, 45]));
        let entry = read_entry(&decision.writes.evidence.last().expect("an entry").bytes).expect("canonical");
        let range = |position| PositionRange { first: position, last: position };
        assert_eq!(entry.positions, [range(41), range(43), range(45)]);
        let digests: Vec<_> = [0, 2, 4].map(|n: usize| decision.writes.revisions[n].stored.digest).to_vec();
        assert_eq!(entry.records_root, Some(records_root(&digests)));
        assert_eq!((decision.writes.evidence.len(), decision.head.evidence_size), (3, 3));
    }

    #[test]
    fn only_the_first_that_there_is_room_for() {
        assert_eq!(taken(&decided(&[publish(0..5), ride(3, 40, 2, 1 << 20)])), Some(vec![41, 43]));
        assert_eq!(taken(&decided(&[publish(0..5), ride(3, 40, 10, 150)])), Some(vec![41]));
        assert_eq!(taken(&decided(&[publish(0..5), ride(3, 40, 10, 50)])), None);
    }

    #[test]
    fn nothing_is_disclosed_to_who_stands_elsewhere_or_was_replaced() {
        for acts in
            [vec![ride(3, 40, 10, 999)], vec![publish(0..3), ride(3, 39, 10, 999)], vec![publish(0..3), ride(3, 41, 10, 999)]]
        {
            let decision = decided(&acts);
            assert_eq!(decision.outcomes.last(), Some(&Outcome::Unchanged));
            assert_eq!(decision.writes.evidence.len(), acts.len() - 1, "no entry of it");
        }
        let decision = decided(&[publish(0..3), ride(2, 40, 10, 999)]);
        assert_eq!(decision.outcomes.last(), Some(&Outcome::Refused(Refusal::Fenced { stands: 3 })));
        assert_eq!(decision.writes.evidence.len(), 1);
    }
}
