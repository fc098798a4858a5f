//! Deciding a batch of records: duplicates, revisions, conflicts, names, steps. All items of a batch or none.

use std::collections::HashMap;

use super::{
    acts::{PublishedItem, RefusedItem},
    plan::{ChainWrite, NewRevision},
    read_set::{Chain, ReadSet, StandingRecord, StandingRevision},
    refusals,
    register::{Register, RegisterEntry},
};
use crate::domain::{
    attributes::{self, Attributes, SubjectKey},
    digest::Digest,
    draft::{Draft, OrderKey, Resolution, StoredRecord, record_digest},
    grants::is_open_to_all,
    ids::{Micros, ParticipantId, Position, RecordId, Revision},
    life_cycle::{self, Authority, Proceeding, State, Step},
    records::{Disposition, Kind, Matter, ProducerDecision, RecordReference},
};

/// What a batch does, laid over what stands: nothing of it is seen outside before the whole batch is accepted.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// New revisions, by position.
    pub(super) revisions: Vec<NewRevision>,
    /// Records as they stand after it.
    pub(super) records: HashMap<RecordId, StandingRecord>,
    /// Steps it writes.
    pub(super) chain_writes: Vec<ChainWrite>,
    /// Revisions that are no longer the latest.
    by_revision: HashMap<(RecordId, Revision), StandingRevision>,
    register: Register,
    chains: HashMap<Position, Chain>,
}

impl Batch {
    /// Makes what the batch did part of what the next act of the group sees. Answers what is written beside the records, and the ids
    /// of these.
    pub(super) fn merge_into(self, read: &mut ReadSet) -> (Vec<NewRevision>, Vec<RecordId>, Vec<ChainWrite>) {
        let touched = self.records.keys().cloned().collect();
        read.records.extend(self.records);
        read.revisions.extend(self.by_revision);
        read.register.absorb(self.register);
        read.chains.extend(self.chains);
        (self.revisions, touched, self.chain_writes)
    }
}

/// Decides one batch.
pub(super) struct Publishing<'a> {
    read: &'a ReadSet,
    publisher: &'a ParticipantId,
    authority: Authority,
    /// Last position taken before the batch.
    head: Position,
    committed_at: Micros,
    batch: Batch,
}

/// What a new revision has beyond its draft.
struct Derived {
    attributes: Attributes,
    previous: Option<Attributes>,
    subjects: Vec<SubjectKey>,
    order_key: OrderKey,
    resolution: Option<Resolution>,
    /// First position of the nonconformity that a disposition or decision is about.
    nonconformity: Option<Position>,
}

type Item<T> = Result<T, RefusedItem>;

impl<'a> Publishing<'a> {
    /// A batch that follows `head`.
    pub(super) fn new(
        read: &'a ReadSet,
        (publisher, authority): (&'a ParticipantId, Authority),
        head: Position,
        committed_at: Micros,
    ) -> Self {
        Self { read, publisher, authority, head, committed_at, batch: Batch::default() }
    }

    /// Decides every draft; all refused items are listed, and with one refused nothing is accepted.
    pub(super) fn decide(mut self, drafts: &[Draft]) -> Result<(Vec<PublishedItem>, Batch), Vec<RefusedItem>> {
        let mut items = Vec::with_capacity(drafts.len());
        let mut refused = Vec::new();
        for (index, draft) in drafts.iter().enumerate() {
            match self.decide_one(index, draft) {
                Ok(item) => items.push(item),
                Err(item) => refused.push(item),
            }
        }
        if refused.is_empty() { Ok((items, self.batch)) } else { Err(refused) }
    }

    fn standing(&self, id: &RecordId) -> Option<&StandingRecord> {
        self.batch.records.get(id).or_else(|| self.read.records.get(id))
    }

    fn chain(&self, nonconformity: Position) -> Chain {
        self.batch.chains.get(&nonconformity).or_else(|| self.read.chains.get(&nonconformity)).cloned().unwrap_or_default()
    }

    /// Guarantee 5: the same content is the same answer; another content under a revision that stands is a conflict.
    fn decide_one(&mut self, index: usize, draft: &Draft) -> Item<PublishedItem> {
        let kind = draft.content.matter.kind();
        let digest = draft.digests.content;
        let Some(standing) = self.standing(&draft.record_id).cloned() else {
            return match draft.revision {
                None | Some(1) => self.accept(index, draft, digest, None),
                Some(asked) => Err(refusals::revision_gap(index, &draft.record_id, 0, asked)),
            };
        };
        if standing.kind != kind {
            return Err(refusals::kind_changed(index, &draft.record_id, standing.kind, kind));
        }
        let last = standing.revision;
        match draft.revision {
            None if standing.content_digest == digest => {
                Ok(duplicate(draft, last, standing.position, standing.resolution.clone()))
            }
            None => self.accept(index, draft, digest, Some(&standing)),
            Some(asked) if asked == last + 1 => self.accept(index, draft, digest, Some(&standing)),
            Some(asked) if asked == 0 || asked > last => Err(refusals::revision_gap(index, &draft.record_id, last, asked)),
            Some(asked) => match self.revision(&draft.record_id, asked) {
                Some(stands) if stands.content_digest == digest => {
                    Ok(duplicate(draft, asked, stands.position, stands.resolution))
                }
                _ => Err(refusals::content_conflict(index, &draft.record_id, asked, last)),
            },
        }
    }

    fn revision(&self, id: &RecordId, revision: Revision) -> Option<StandingRevision> {
        let latest = self.standing(id).filter(|standing| standing.revision == revision).map(StandingRevision::of);
        let key = (id.clone(), revision);
        latest.or_else(|| self.batch.by_revision.get(&key).or_else(|| self.read.revisions.get(&key)).cloned())
    }

    fn accept(
        &mut self,
        index: usize,
        draft: &Draft,
        content_digest: Digest,
        before: Option<&StandingRecord>,
    ) -> Item<PublishedItem> {
        let position = self.head + self.batch.revisions.len() as u64 + 1;
        let first_position = before.map_or(position, |before| before.first_position);
        let derived = match &draft.content.matter {
            Matter::Disposition(matter) => self.derive_step(index, draft, matter, before, first_position)?,
            Matter::ProducerDecision(matter) => self.derive_decision(index, draft, matter, before)?,
            matter => match matter.replies_to() {
                Some(target) => self.derive_reply(index, draft, target, before)?,
                None => self.derive(index, draft, before)?,
            },
        };
        let kind = draft.content.matter.kind();
        let revision = before.map_or(1, |before| before.revision + 1);
        let digest = record_digest(draft.record_id.as_str(), revision, kind, &draft.digests.open, &draft.digests.restricted);
        let standing = StandingRecord {
            first_position,
            kind,
            order_key: derived.order_key.clone(),
            revision,
            position,
            content_digest,
            attributes: derived.attributes.clone(),
            resolution: derived.resolution.clone(),
            nonconformity: derived.nonconformity,
        };
        self.keep(standing, draft, before);
        self.batch.revisions.push(NewRevision {
            stored: StoredRecord {
                position,
                committed_at: self.committed_at,
                publisher: self.publisher.clone(),
                record_id: draft.record_id.clone(),
                revision,
                order_key: derived.order_key,
                attributes: derived.attributes,
                previous: derived.previous,
                sections: draft.sections.clone(),
                provenance: draft.provenance.clone(),
                resolution: derived.resolution.clone(),
                digest,
            },
            first_position,
            subjects: derived.subjects,
        });
        Ok(PublishedItem {
            record_id: draft.record_id.clone(),
            revision,
            position,
            duplicate: false,
            remarks: draft.remarks.clone(),
            resolution: derived.resolution,
        })
    }

    /// Lets later drafts of the batch see the record, its former revision, and what it adds to the register.
    fn keep(&mut self, standing: StandingRecord, draft: &Draft, before: Option<&StandingRecord>) {
        let id = draft.record_id.clone();
        if standing.kind == Kind::EnterpriseSurvey {
            match standing.attributes.credit_code {
                Some(credit_code) if !standing.attributes.withdrawn => self.batch.register.put(RegisterEntry {
                    record_id: id.clone(),
                    position: standing.position,
                    credit_code,
                    name_key: standing.attributes.name_key.clone(),
                    region: standing.attributes.region,
                }),
                _ => self.batch.register.remove(&id),
            }
        }
        if let Some(before) = before {
            self.batch.by_revision.insert((id.clone(), before.revision), StandingRevision::of(before));
        }
        self.batch.records.insert(id, standing);
    }

    /// Every kind but a disposition: its own attributes; a nonconformity's producer named without a code is looked up.
    fn derive(&self, index: usize, draft: &Draft, before: Option<&StandingRecord>) -> Item<Derived> {
        let mut attributes = draft.attributes.clone();
        let mut subjects = draft.subjects.clone();
        let mut content = std::borrow::Cow::Borrowed(&draft.content);
        let mut resolution = None;
        match &draft.content.matter {
            Matter::ExportAction(matter) => self.check_references(index, draft, &matter.records)?,
            Matter::UrgentNotice(matter) => self.check_references(index, draft, &matter.records)?,
            _ => {}
        }
        if let Matter::Nonconformity(matter) = &draft.content.matter {
            if let Some(before) = before {
                self.check_beginning(index, draft, before)?;
            }
            if matter.producer.credit_code.is_none() {
                resolution = self.read.register.resolve(&self.batch.register, &matter.producer);
            }
        }
        if let Some(resolution) = &resolution {
            attributes.credit_code = Some(resolution.credit_code);
            subjects.push(SubjectKey::of("code", resolution.credit_code.as_str()));
            if let Matter::Nonconformity(matter) = &mut content.to_mut().matter {
                matter.producer.credit_code = Some(resolution.credit_code);
            }
        }
        // Fixed at the first revision, for which a name resolved right then counts; a later resolution never moves it.
        let order_key =
            before.map_or_else(|| attributes::order_key_of(&content, self.publisher), |before| before.order_key.clone());
        let previous = before.map(|before| before.attributes.clone());
        Ok(Derived { attributes, previous, subjects, order_key, resolution, nonconformity: None })
    }

    /// A reply: what it is about, whose it is and its place in the order are those of the record replied to.
    fn derive_reply(&self, index: usize, draft: &Draft, target: &RecordId, before: Option<&StandingRecord>) -> Item<Derived> {
        if let Matter::Doubt(matter) = &draft.content.matter {
            self.check_references(index, draft, std::slice::from_ref(&matter.about))?;
        }
        let target = self
            .standing(target)
            .filter(|target| draft.attributes.withdrawn || !target.attributes.withdrawn)
            .ok_or_else(|| refusals::unknown_target(index, &draft.record_id, target))?;
        let mut attributes = draft.attributes.clone();
        inherit(&mut attributes, &target.attributes);
        attributes.published = is_open_to_all(&target.attributes);
        let mut subjects = draft.subjects.clone();
        subjects.extend(attributes.credit_code.map(|code| SubjectKey::of("code", code.as_str())));
        Ok(Derived {
            attributes,
            previous: before.map(|before| before.attributes.clone()),
            subjects,
            order_key: before.map_or_else(|| target.order_key.clone(), |before| before.order_key.clone()),
            resolution: None,
            nonconformity: None,
        })
    }

    fn proceeding(&self, nonconformity: &RecordId, attributes: &Attributes) -> Proceeding {
        let registered = attributes.credit_code.and_then(|code| code.region()).filter(|region| region.is_known());
        Proceeding { is_own: nonconformity.namespace() == self.publisher.as_str(), region: attributes.region, registered }
    }

    /// What is referred to stands under that revision at that position. A withdrawal refers to nothing any more.
    fn check_references(&self, index: usize, draft: &Draft, references: &[RecordReference]) -> Item<()> {
        if draft.attributes.withdrawn {
            return Ok(());
        }
        for reference in references {
            let stands = self.revision(&reference.record_id, reference.revision);
            if stands.is_none_or(|stands| reference.position != stands.position) {
                return Err(refusals::unknown_reference(index, &draft.record_id, reference));
            }
        }
        Ok(())
    }

    /// A corrected beginning must leave the steps already taken possible.
    fn check_beginning(&self, index: usize, draft: &Draft, before: &StandingRecord) -> Item<()> {
        let chain = self.chain(before.first_position);
        life_cycle::fold(beginning(&draft.attributes), chain.values())
            .map(|_| ())
            .map_err(|illegal| refusals::illegal_step(index, &draft.record_id, illegal))
    }

    /// The nonconformity that a disposition or decision is about, as it stands; always that of its first revision.
    fn target(
        &self,
        index: usize,
        id: &RecordId,
        nonconformity: &RecordId,
        before: Option<&StandingRecord>,
    ) -> Item<StandingRecord> {
        let unknown = |stands| refusals::unknown_nonconformity(index, id, nonconformity, stands);
        let target = self.standing(nonconformity).ok_or_else(|| unknown(refusals::Target::Missing))?.clone();
        if target.kind != Kind::Nonconformity {
            return Err(unknown(refusals::Target::OtherKind(target.kind)));
        }
        if before.is_none() && target.attributes.withdrawn {
            return Err(unknown(refusals::Target::Withdrawn));
        }
        if before.is_some_and(|before| before.nonconformity != Some(target.first_position)) {
            return Err(refusals::nonconformity_changed(index, id, nonconformity));
        }
        Ok(target)
    }

    /// A decision on a producer: about the name that stands, of a nonconformity that gives no code of its own. Who may hear of the
    /// nonconformity may hear of it, so that it bears that one's beginning.
    fn derive_decision(
        &self,
        index: usize,
        draft: &Draft,
        matter: &ProducerDecision,
        before: Option<&StandingRecord>,
    ) -> Item<Derived> {
        let id = &draft.record_id;
        let target = self.target(index, id, &matter.nonconformity, before)?;
        let stands = &target.attributes;
        if !draft.attributes.withdrawn {
            if let Some(code) = stands.credit_code.filter(|_| target.resolution.is_none()) {
                return Err(refusals::code_stated(index, id, &matter.nonconformity, code));
            }
            if !matter.is_about(&stands.name_key) {
                return Err(refusals::name_changed(index, id, &matter.nonconformity));
            }
        }
        let mut attributes = Attributes { step: stands.step, published: stands.published, ..draft.attributes.clone() };
        let credit_code = attributes.credit_code;
        inherit(&mut attributes, stands);
        attributes.credit_code = credit_code;
        Ok(Derived {
            attributes,
            previous: before.map(|before| before.attributes.clone()),
            subjects: draft.subjects.clone(),
            order_key: target.order_key,
            resolution: None,
            nonconformity: Some(target.first_position),
        })
    }

    /// A disposition: its step must be possible with all others in force, each in the place it was taken up; region, kinds,
    /// items, enterprise and order are those of its nonconformity.
    fn derive_step(
        &mut self,
        index: usize,
        draft: &Draft,
        matter: &Disposition,
        before: Option<&StandingRecord>,
        first_position: Position,
    ) -> Item<Derived> {
        let id = &draft.record_id;
        let target = self.target(index, id, &matter.nonconformity, before)?;
        let mut attributes = draft.attributes.clone();
        let step = attributes.step.filter(|_| !attributes.withdrawn);
        if let Some(step) = &step {
            self.authority
                .may_take(step, self.proceeding(&matter.nonconformity, &target.attributes))
                .map_err(|lacking| refusals::not_competent(index, id, lacking))?;
        }
        let mut chain = self.chain(target.first_position);
        match step {
            Some(step) => chain.insert(first_position, step),
            None => chain.remove(&first_position),
        };
        life_cycle::fold(beginning(&target.attributes), chain.values())
            .map_err(|illegal| refusals::illegal_step(index, id, illegal))?;
        self.batch.chains.insert(target.first_position, chain);
        self.batch.chain_writes.push(ChainWrite { nonconformity: target.first_position, disposition: first_position, step });
        inherit(&mut attributes, &target.attributes);
        let mut subjects = draft.subjects.clone();
        subjects.extend(attributes.credit_code.map(|code| SubjectKey::of("code", code.as_str())));
        let previous = before.map(|before| before.attributes.clone()).or_else(|| state_before(&attributes));
        Ok(Derived {
            attributes,
            previous,
            subjects,
            order_key: target.order_key,
            resolution: None,
            nonconformity: Some(target.first_position),
        })
    }
}

fn inherit(attributes: &mut Attributes, nonconformity: &Attributes) {
    attributes.region = nonconformity.region;
    attributes.product_kinds = nonconformity.product_kinds;
    attributes.failed_items = nonconformity.failed_items;
    attributes.credit_code = nonconformity.credit_code;
    attributes.name_key.clone_from(&nonconformity.name_key);
}

/// What a state change left behind, so that who filters on the former state hears of the change.
fn state_before(attributes: &Attributes) -> Option<Attributes> {
    match attributes.step {
        Some(Step::Change { state: Some((from, _)), .. }) => {
            Some(Attributes { step: Some(Step::Begin(from)), ..attributes.clone() })
        }
        _ => None,
    }
}

/// The state a nonconformity begins in; a row without wording begins confirmed (domain.md §5).
fn beginning(attributes: &Attributes) -> State {
    match attributes.step {
        Some(Step::Begin(state)) => state,
        _ => State::Confirmed,
    }
}

fn duplicate(draft: &Draft, revision: Revision, position: Position, resolution: Option<Resolution>) -> PublishedItem {
    PublishedItem {
        record_id: draft.record_id.clone(),
        revision,
        position,
        duplicate: true,
        remarks: draft.remarks.clone(),
        resolution,
    }
}
