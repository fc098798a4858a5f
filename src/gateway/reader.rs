//! Reading the ledger for somebody: revisions in force at a moment, what they say, where nonconformities stand, and what of it the
//! reader may see. Looking up and screening share it, so that both see the same.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use arc_swap::ArcSwap;

use super::{
    Caller, Class, Refused,
    committer::Tail,
    moment::{Asking, Moment},
};
use crate::{
    clock::World,
    domain::{
        attributes::{Attributes, SubjectKey},
        credit_code::CreditCode,
        dates::CivilDate,
        draft::{Codec, StoredRecord},
        enterprise_file::{Filed, NonconformityStatus, TakenStep},
        feeds::{Feed, SectionName},
        flow::Flow,
        grants::{Action, Denied, Permit, Register},
        ids::{Position, RecordId},
        life_cycle::Step,
        records::{Content, Kind, Matter, ProducerDecision, TrackChange, TrackKind, TrackScope, TrackStep},
        resolution::producer_code,
    },
    store::Store,
};

/// Most dispositions read for one answer.
const MAX_DISPOSITIONS: usize = 20_000;

/// A disposition that changes neither state nor track: what every recipient of dispositions may know of.
const MEASURE: Step = Step::Change { state: None, track: None };

/// What a reader needs.
#[derive(Clone)]
pub struct Reader {
    /// The ledger.
    pub store: Arc<dyn Store>,
    /// "Committed up to n".
    pub tail: Tail,
    /// Reads sealed bytes.
    pub codec: Arc<dyn Codec>,
    /// Who may see what.
    pub register: Arc<ArcSwap<Register>>,
    /// Time and randomness.
    pub world: World,
}

impl Reader {
    /// Fixes the moment a question speaks of.
    pub(super) async fn moment(&self, asking: &Asking) -> Result<Moment, Refused> {
        Moment::fix(asking, &self.tail, &*self.store, self.world.clock.now()).await
    }

    /// The permits of a caller for an action, on every feed it has one for.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` when it has none of those asked for.
    pub(super) fn rights(&self, caller: &Caller, action: Action, feeds: &[Feed]) -> Result<Rights, Refused> {
        let today = CivilDate::of_instant(self.world.clock.now());
        let register = self.register.load();
        let mut permits = Vec::with_capacity(feeds.len());
        let mut last_denied = None;
        for feed in feeds {
            match register.permit(caller.participant(), action, *feed, today) {
                Ok(permit) => permits.push(permit),
                Err(denied) => last_denied = Some(denied),
            }
        }
        match last_denied {
            Some(denied) if permits.is_empty() => Err(refused(denied)),
            _ => Ok(Rights { permits }),
        }
    }

    /// The permits of a caller for an action on each of the feeds.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` when it lacks one.
    pub(super) fn rights_on_all(&self, caller: &Caller, action: Action, feeds: &[Feed]) -> Result<Rights, Refused> {
        let rights = self.rights(caller, action, feeds)?;
        match feeds.iter().find(|feed| rights.on(**feed).is_none()) {
            Some(missing) => self.rights(caller, action, &[*missing]),
            None => Ok(rights),
        }
    }

    /// Revisions in force, by position, that were filed under one of the subjects.
    pub(super) async fn filed_under(
        &self,
        subjects: &BTreeSet<SubjectKey>,
        as_of: Position,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, Refused> {
        if subjects.is_empty() {
            return Ok(Vec::new());
        }
        let subjects: Vec<SubjectKey> = subjects.iter().copied().collect();
        Ok(self.store.by_subjects(&subjects, as_of, limit).await?)
    }

    /// What a revision says.
    pub(super) fn decode(&self, stored: &StoredRecord) -> Result<Content, Refused> {
        self.codec.decode(stored.attributes.kind, &stored.sections).map_err(|damaged| damage(stored, &damaged))
    }

    /// What a revision says, with it.
    pub(super) fn file(&self, stored: StoredRecord) -> Result<Filed, Refused> {
        let content = self.decode(&stored)?;
        Ok(Filed { stored, content })
    }

    /// Adds the nonconformities in force that decisions among the records are about, each once: by a code decided on later they are
    /// not filed themselves.
    pub(super) async fn add_decided(&self, records: &mut Vec<StoredRecord>, as_of: Position) -> Result<(), Refused> {
        let mut known: BTreeSet<RecordId> = records.iter().map(|stored| stored.record_id.clone()).collect();
        let mut added = Vec::new();
        for stored in records.iter().filter(|stored| stored.attributes.kind == Kind::ProducerDecision) {
            let Matter::ProducerDecision(matter) = self.decode(stored)?.matter else { continue };
            if known.insert(matter.nonconformity.clone()) {
                added.extend(self.store.record(&matter.nonconformity, None, as_of).await?);
            }
        }
        records.append(&mut added);
        Ok(())
    }

    /// Reads the dispositions of nonconformities and folds them, and the decisions on their producers. One read, and one more for
    /// each disposition that was corrected.
    pub(super) async fn standings(&self, nonconformities: &[&StoredRecord], as_of: Position) -> Result<Standings, Refused> {
        let refers = nonconformities.iter().map(|stored| SubjectKey::of("refers", stored.record_id.as_str())).collect();
        let found = self.filed_under(&refers, as_of, MAX_DISPOSITIONS).await?;
        if found.len() >= MAX_DISPOSITIONS {
            return Err(too_many());
        }
        let mut steps: HashMap<RecordId, Vec<TakenStep>> = HashMap::new();
        let mut dispositions: Vec<(Position, Filed)> = Vec::new();
        let mut decisions = HashMap::new();
        for stored in found {
            if stored.attributes.withdrawn && stored.attributes.kind != Kind::ProducerDecision {
                continue;
            }
            let filed = self.file(stored)?;
            if let Matter::ProducerDecision(matter) = &filed.content.matter {
                // By position, so that the one made last stays.
                decisions.insert(matter.nonconformity.clone(), filed);
                continue;
            }
            let (Matter::Disposition(matter), Some(step)) = (&filed.content.matter, filed.stored.attributes.step) else {
                continue;
            };
            let taken_up = self.taken_up(&filed.stored, as_of).await?;
            let taken = TakenStep { taken_up, position: filed.stored.position, step };
            steps.entry(matter.nonconformity.clone()).or_default().push(taken);
            dispositions.push((taken_up, filed));
        }
        dispositions.sort_unstable_by_key(|(taken_up, _)| *taken_up);
        let dispositions: Vec<Filed> = dispositions.into_iter().map(|(_, filed)| filed).collect();
        let mut flows: HashMap<&RecordId, Flow> = HashMap::new();
        for filed in &dispositions {
            if let Matter::Disposition(matter) = &filed.content.matter {
                let flow = flows.entry(&matter.nonconformity).or_default();
                *flow = flow.then(Flow::of(matter));
            }
        }
        let mut by_record = HashMap::with_capacity(nonconformities.len());
        for stored in nonconformities {
            let steps = steps.remove(&stored.record_id).unwrap_or_default();
            let mut status = NonconformityStatus::fold(stored, steps).map_err(|illegal| damage(stored, &illegal.text().en))?;
            status.flow = flows.get(&stored.record_id).copied().unwrap_or_default();
            by_record.insert(stored.record_id.clone(), status);
        }
        decisions.retain(|_, filed| !filed.stored.attributes.withdrawn);
        Ok(Standings { by_record, dispositions, decisions })
    }

    /// Position of a disposition's first revision.
    async fn taken_up(&self, stored: &StoredRecord, as_of: Position) -> Result<Position, Refused> {
        if stored.revision == 1 {
            return Ok(stored.position);
        }
        let first = self.store.record(&stored.record_id, Some(1), as_of).await?;
        first.map(|first| first.position).ok_or_else(|| damage(stored, &"its first revision is missing"))
    }
}

/// Where nonconformities stand, the dispositions in force that brought them there, and who their producers were decided to be.
#[derive(Debug, Default)]
pub(super) struct Standings {
    pub(super) by_record: HashMap<RecordId, NonconformityStatus>,
    /// In the order in which they were taken up.
    pub(super) dispositions: Vec<Filed>,
    /// Decisions in force, by nonconformity.
    pub(super) decisions: HashMap<RecordId, Filed>,
}

impl Standings {
    /// The decision in force on the producer of a nonconformity.
    pub(super) fn decision(&self, nonconformity: &RecordId) -> Option<&ProducerDecision> {
        match &self.decisions.get(nonconformity)?.content.matter {
            Matter::ProducerDecision(matter) => Some(matter),
            _ => None,
        }
    }

    /// The code of the enterprise that a record is about; of a nonconformity its producer's, as stated, decided or resolved.
    pub(super) fn code_of(&self, stored: &StoredRecord) -> Option<CreditCode> {
        match stored.attributes.kind {
            Kind::Nonconformity => producer_code(stored, self.decision(&stored.record_id)),
            _ => stored.attributes.credit_code,
        }
    }

    /// Day on which the present state was set, if by a disposition.
    pub(super) fn set_on(&self, status: &NonconformityStatus) -> Option<CivilDate> {
        let set = self.dispositions.iter().find(|filed| filed.stored.position == status.since)?;
        match &set.content.matter {
            Matter::Disposition(matter) => Some(matter.taken_on),
            _ => None,
        }
    }
}

/// What a caller may see; made by the register alone.
#[derive(Debug)]
pub(super) struct Rights {
    permits: Vec<Permit>,
}

impl Rights {
    /// The feeds it has a permit for.
    pub(super) fn feeds(&self) -> Vec<Feed> {
        self.permits.iter().map(Permit::feed).collect()
    }

    /// The permit for a feed.
    pub(super) fn on(&self, feed: Feed) -> Option<&Permit> {
        self.permits.iter().find(|permit| permit.feed() == feed)
    }

    /// True when a feed among them asks for the purpose.
    pub(super) fn ask_for_a_purpose(&self) -> bool {
        self.permits.iter().any(Permit::purpose_required)
    }

    /// True when the revision may be shown. A nonconformity goes by where it stands now.
    pub(super) fn admit(&self, stored: &StoredRecord, status: Option<&NonconformityStatus>) -> bool {
        self.on(stored.attributes.feed()).is_some_and(|permit| match status {
            Some(status) => permit.admits_in(&stored.attributes, status.disclosed_as()),
            None => permit.admits(&stored.attributes),
        })
    }

    /// True when its restricted section may be shown.
    pub(super) fn show_restricted(&self, stored: &StoredRecord) -> bool {
        self.on(stored.attributes.feed()).is_some_and(|permit| permit.shows_of(SectionName::Restricted, &stored.attributes))
    }

    /// True when it may be told that a track of the nonconformity is open: when the disposition that opens one may be shown.
    pub(super) fn show_track(&self, nonconformity: &Attributes, track: TrackKind, scope: TrackScope) -> bool {
        let change = TrackChange { track, step: TrackStep::Open, scope };
        let opening = Attributes {
            kind: Kind::Disposition,
            step: Some(Step::Change { state: None, track: Some(change) }),
            ..nonconformity.clone()
        };
        self.on(Feed::FailedProducts).is_some_and(|permit| permit.admits(&opening))
    }

    /// The status as the caller may see it.
    pub(super) fn shown(&self, stored: &StoredRecord, status: &NonconformityStatus) -> NonconformityStatus {
        let shown = status.clone().showing(|track, scope| self.show_track(&stored.attributes, track, scope));
        let disposition = Attributes { kind: Kind::Disposition, step: Some(MEASURE), ..stored.attributes.clone() };
        let restricted =
            self.on(Feed::FailedProducts).is_some_and(|permit| permit.shows_of(SectionName::Restricted, &disposition));
        if restricted { shown } else { shown.open() }
    }
}

fn refused(denied: Denied) -> Refused {
    Refused { text: denied.text, ..Refused::new(Class::PermissionDenied, denied.reason, "", "") }
}

/// Too much for one answer.
pub(super) fn too_many() -> Refused {
    Refused::new(
        Class::ResourceExhausted,
        "ANSWER_TOO_LARGE",
        "相关记录过多，一次答复容纳不下；请改用 ListRecords 分页查询，或减少一次查询的企业数",
        "too many records for one answer: use ListRecords page by page, or ask for fewer enterprises at once",
    )
}

pub(super) fn damage(stored: &StoredRecord, why: &dyn std::fmt::Display) -> Refused {
    Refused::new(
        Class::Internal,
        "STORE_DAMAGED",
        format!("存储损坏：位置 {} 的记录无法解读：{why}", stored.position),
        format!("the record at position {} cannot be read: {why}", stored.position),
    )
}
