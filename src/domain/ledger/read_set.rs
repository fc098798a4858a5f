//! What a group of acts needs to know before it is decided, and what the store answers.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    acts::{Act, Change},
    register::{Register, register_keys},
};
use crate::domain::{
    attributes::{Attributes, SubjectKey},
    delivery::{SubscriptionKey, SubscriptionSpec},
    digest::Digest,
    draft::{Draft, OrderKey, Resolution},
    evidence::Frontier,
    feeds::Feed,
    ids::{Micros, ParticipantId, Position, RecordId, Revision},
    life_cycle::Step,
    records::{Kind, Matter, RecordReference},
    regions::Region,
};

/// Name of an attestation: it is kept once per publisher, feed and region.
pub type AttestationKey = (ParticipantId, Feed, Option<Region>);

/// What must be read, under the head lock, before a group can be decided. Sets: each thing is asked for once.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Needs {
    /// Records published, nonconformities that dispositions (with those in force) and decisions speak of, and what is referred to.
    pub records: HashSet<RecordId>,
    /// Revisions asked for by number; needed where the record stands at or above that number.
    pub revisions: HashSet<(RecordId, Revision)>,
    /// Keys of survey rows (`survey-name`, `survey-form`) of producers named without a code.
    pub register: HashSet<SubjectKey>,
    /// Attestations.
    pub attestations: HashSet<AttestationKey>,
    /// Subscriptions.
    pub subscriptions: HashSet<SubscriptionKey>,
    /// How far the ledger was read for the docket.
    pub followed: bool,
}

impl Needs {
    /// What these acts need.
    #[must_use]
    pub fn of(acts: &[Act]) -> Self {
        let mut needs = Self::default();
        for act in acts {
            match &act.change {
                Change::Publish(publish) => publish.drafts.iter().for_each(|draft| needs.add_draft(draft)),
                Change::PublishMany(publish) => publish.batches.iter().flatten().for_each(|draft| needs.add_draft(draft)),
                Change::Attest(attestation) => {
                    needs.attestations.insert((attestation.publisher.clone(), attestation.feed, attestation.region));
                }
                Change::CreateSubscription(row) => {
                    needs.subscriptions.insert(row.key.clone());
                }
                Change::DeleteSubscription(key) => {
                    needs.subscriptions.insert(key.clone());
                }
                Change::MoveSubscription(delta) | Change::PassSubscription(delta) => {
                    needs.subscriptions.insert(delta.key.clone());
                }
                Change::Ride(ride) => {
                    needs.subscriptions.insert(ride.key.clone());
                }
                Change::Follow(_) => needs.followed = true,
                Change::RaiseOverdue(_) | Change::Record => {}
            }
        }
        needs
    }

    fn add_draft(&mut self, draft: &Draft) {
        self.records.insert(draft.record_id.clone());
        if let Some(revision) = draft.revision {
            self.revisions.insert((draft.record_id.clone(), revision));
        }
        match &draft.content.matter {
            Matter::Nonconformity(matter) if matter.producer.credit_code.is_none() => {
                self.register.extend(register_keys(&matter.producer.name));
            }
            Matter::Disposition(matter) => {
                self.records.insert(matter.nonconformity.clone());
            }
            Matter::ExportAction(matter) => self.add_references(&matter.records),
            Matter::UrgentNotice(matter) => self.add_references(&matter.records),
            Matter::Doubt(matter) => self.add_references(std::slice::from_ref(&matter.about)),
            Matter::DoubtAnswer(matter) => {
                self.records.insert(matter.doubt.clone());
            }
            Matter::NoticeAcknowledgement(matter) => {
                self.records.insert(matter.notice.clone());
            }
            Matter::ProducerDecision(matter) => {
                self.records.insert(matter.nonconformity.clone());
            }
            _ => {}
        }
    }

    fn add_references(&mut self, references: &[RecordReference]) {
        for reference in references {
            self.records.insert(reference.record_id.clone());
            self.revisions.insert((reference.record_id.clone(), reference.revision));
        }
    }
}

/// The latest revision of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingRecord {
    /// Position of its first revision: what the store knows the record by.
    pub first_position: Position,
    /// Kind, fixed at the first revision.
    pub kind: Kind,
    /// Order key, fixed at the first revision.
    pub order_key: OrderKey,
    /// Latest revision.
    pub revision: Revision,
    /// Its position.
    pub position: Position,
    /// Digest of its content.
    pub content_digest: Digest,
    /// Its attributes.
    pub attributes: Attributes,
    /// How its producer's name was resolved.
    pub resolution: Option<Resolution>,
    /// For a disposition or decision: first position of its nonconformity, fixed at the first revision.
    pub nonconformity: Option<Position>,
}

/// One revision that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingRevision {
    /// Its position.
    pub position: Position,
    /// Digest of its content.
    pub content_digest: Digest,
    /// How its producer's name was resolved.
    pub resolution: Option<Resolution>,
}

impl StandingRevision {
    /// The latest revision of a record.
    #[must_use]
    pub fn of(record: &StandingRecord) -> Self {
        Self { position: record.position, content_digest: record.content_digest, resolution: record.resolution.clone() }
    }
}

/// Steps of the dispositions in force of one nonconformity, by the first position of each disposition: the order in which
/// they were taken up, which a correction does not change.
pub type Chain = BTreeMap<Position, Step>;

/// A subscription as the ledger must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingSubscription {
    /// Settings.
    pub spec: SubscriptionSpec,
    /// Epoch.
    pub epoch: u64,
}

/// What the store read for [`Needs`] under the head lock. What is not in it does not stand.
#[derive(Debug, Clone, Default)]
pub struct ReadSet {
    /// Records.
    pub records: HashMap<RecordId, StandingRecord>,
    /// Revisions.
    pub revisions: HashMap<(RecordId, Revision), StandingRevision>,
    /// Survey rows in force that may bear one of the names asked for.
    pub register: Register,
    /// Chains, by the nonconformity's first position.
    pub chains: HashMap<Position, Chain>,
    /// Attestations.
    pub attestations: HashMap<AttestationKey, Micros>,
    /// Subscriptions.
    pub subscriptions: HashMap<SubscriptionKey, StandingSubscription>,
    /// The ledger was read up to here for the docket.
    pub followed: Option<Position>,
    /// Right edge of the evidence tree.
    pub frontier: Frontier,
}
