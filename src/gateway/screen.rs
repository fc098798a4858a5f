//! Screening: what is known of a declaration is gathered in as few reads as possible, judged by the pure rules, and the answer
//! recorded before it leaves.
//!
//! Usual cost: one read by subjects, and where something is found a second one for the dispositions. Nothing is scanned.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use arc_swap::ArcSwap;

use super::{
    Caller, Refused,
    committer::Committer,
    disclosure::{Disclosure, DisclosureLog},
    freshness::Freshness,
    moment::{Asking, Moment},
    pull::basis,
    reader::{Reader, Rights, Standings},
};
use crate::domain::{
    attributes::SubjectKey,
    digest::{Digest, hex},
    draft::StoredRecord,
    enterprise_file::Filed,
    evidence::ActKind,
    feeds::Feed,
    grants::Action,
    ids::{Micros, Position, RecordId},
    life_cycle::State,
    records::{Kind, Matter},
    screening::{
        Answer, AnswerBasis, Candidate, Consigned, Declaration, Interest, Known, QualificationEntry, RULE_VERSION, Rules,
        ScreeningPolicy, SurveyEntry, Verdict, evaluate,
    },
    violation::Findings,
};

/// Most revisions gathered for one declaration. More is said as `DATA_TRUNCATED`, never passed over.
const MAX_GATHERED: usize = 5_000;
/// Most nonconformities looked up because a party received goods of their batch.
const MAX_RECEIVED: usize = 200;
/// Rounds of looking: what the declaration gives, what the survey adds to it, what that leads to.
const MAX_ROUNDS: usize = 3;
/// The feeds whose permit a screening needs.
const FEEDS: [Feed; 2] = [Feed::FailedProducts, Feed::ExportQualifications];

/// An answer on its way out.
#[derive(Debug, Clone)]
pub struct Screened {
    /// Id of the answer.
    pub screening_id: String,
    /// What was judged.
    pub answer: Answer,
    /// How far it is good.
    pub basis: AnswerBasis,
    /// Screen again after this time.
    pub expires_at: Micros,
}

/// Answers screenings.
pub struct ScreeningDesk {
    reader: Reader,
    freshness: Freshness,
    log: DisclosureLog,
    policy: Arc<ArcSwap<ScreeningPolicy>>,
}

impl ScreeningDesk {
    /// A desk that reads through `reader` and records through `committer`.
    pub fn new(reader: Reader, committer: Committer, policy: Arc<ArcSwap<ScreeningPolicy>>) -> Self {
        let freshness = Freshness { store: reader.store.clone(), register: reader.register.clone() };
        let log = DisclosureLog { committer, world: reader.world.clone() };
        Self { reader, freshness, log, policy }
    }

    /// Screens one declaration.
    ///
    /// # Errors
    /// When its form is wrong, without the permits, at a moment still to come, or when the answer cannot be recorded.
    pub async fn screen(&self, caller: &Caller, declaration: &Declaration, asking: &Asking) -> Result<Screened, Refused> {
        let rights = self.reader.rights_on_all(caller, Action::Screen, &FEEDS)?;
        let mut findings = Findings::at("declaration");
        declaration.check(&mut findings);
        if !findings.is_clean() {
            return Err(Refused::invalid(findings.violations));
        }
        let moment = self.reader.moment(asking).await?;
        let gathered = self.gather(declaration, &rights, moment.position).await?;
        let attested = self.freshness.at(moment).await?;
        let policy = self.policy.load_full();
        let answer = evaluate(declaration, &gathered.known, &attested.completeness(), &policy, Rules::ALL);
        self.answer(caller, declaration, answer, &gathered, moment, policy.answer_lifetime).await
    }

    async fn answer(
        &self,
        caller: &Caller,
        declaration: &Declaration,
        answer: Answer,
        gathered: &Gathered,
        moment: Moment,
        lifetime: Micros,
    ) -> Result<Screened, Refused> {
        let screening_id = format!("scr-{}", hex(&self.reader.world.random::<16>()));
        let named = [screening_id.clone(), declaration.number.clone()].into_iter().filter(|subject| !subject.is_empty());
        let versions = [format!("rules:{RULE_VERSION}"), format!("regime:{}", answer.regime_version)];
        let rested_on: BTreeSet<Position> = answer.records().into_iter().map(|record| record.position).collect();
        let disclosure = Disclosure {
            feeds: FEEDS.to_vec(),
            revisions: gathered.digests.iter().filter(|(of, _)| rested_on.contains(of)).map(|(_, revision)| *revision).collect(),
            subjects: named.chain(versions).collect(),
            purpose: String::new(),
            counts: counts(&answer, moment.position),
        };
        let recorded = self.log.record(ActKind::Screen, caller, disclosure).await?;
        let now = self.reader.world.clock.now();
        let lasting = now.saturating_add(lifetime);
        // Stale data is no ground to rest on: ask again at once.
        let expires_at =
            if answer.feeds.stale { now } else { answer.feeds.fresh_until.map_or(lasting, |until| until.min(lasting)) };
        let basis = basis(moment, answer.feeds, recorded);
        Ok(Screened { screening_id, answer, basis, expires_at })
    }

    /// Gathers what is known of the declaration and may be known by the caller.
    async fn gather(&self, declaration: &Declaration, rights: &Rights, as_of: Position) -> Result<Gathered, Refused> {
        let mut interest = Interest::of(declaration);
        let mut gathered = Gathered::default();
        let mut found = Found::default();
        let mut asked: BTreeSet<SubjectKey> = BTreeSet::new();
        for _ in 0..MAX_ROUNDS {
            let new: BTreeSet<SubjectKey> = interest.subjects().difference(&asked).copied().collect();
            if new.is_empty() {
                break;
            }
            let mut records = self.reader.filed_under(&new, as_of, MAX_GATHERED).await?;
            gathered.known.truncated |= records.len() >= MAX_GATHERED;
            self.reader.add_decided(&mut records, as_of).await?;
            asked.extend(new);
            for stored in records {
                self.take(stored, &interest, &mut found, &mut gathered, rights)?;
            }
            interest.learn(&gathered.known.surveys);
        }
        gathered.known.truncated |= self.take_received(&mut found, as_of).await?;
        let stored: Vec<&StoredRecord> = found.nonconformities.iter().map(|filed| &filed.stored).collect();
        let standings = self.reader.standings(&stored, as_of).await?;
        let mut consignees = consignees(&standings);
        for filed in std::mem::take(&mut found.nonconformities) {
            let Matter::Nonconformity(matter) = &filed.content.matter else { continue };
            let id = &filed.stored.record_id;
            if found.received.contains(id) || interest.concerns(matter, standings.code_of(&filed.stored)) {
                let consignees = consignees.remove(id).unwrap_or_default();
                gathered.add_candidate(filed, &standings, consignees, rights);
            }
        }
        gathered.known.candidates.sort_by_key(|candidate| candidate.record.position);
        gathered.known.surveys.sort_by_key(|entry| entry.record.position);
        gathered.known.qualifications.sort_by_key(|entry| entry.record.position);
        Ok(gathered)
    }

    /// Takes in the nonconformities of whose batch a party received goods; true when there are too many.
    async fn take_received(&self, found: &mut Found, as_of: Position) -> Result<bool, Refused> {
        let missing: Vec<RecordId> = {
            let known: BTreeSet<&RecordId> = found.nonconformities.iter().map(|filed| &filed.stored.record_id).collect();
            found.received.iter().filter(|id| !known.contains(id)).cloned().collect()
        };
        for id in missing.iter().take(MAX_RECEIVED) {
            let stored = self.reader.store.record(id, None, as_of).await?;
            if let Some(stored) = stored.filter(|stored| !stored.attributes.withdrawn) {
                found.nonconformities.push(self.reader.file(stored)?);
            }
        }
        Ok(missing.len() > MAX_RECEIVED)
    }

    /// Takes in one revision, once.
    fn take(
        &self,
        stored: StoredRecord,
        interest: &Interest<'_>,
        found: &mut Found,
        gathered: &mut Gathered,
        rights: &Rights,
    ) -> Result<(), Refused> {
        let of_use = match stored.attributes.kind {
            Kind::Nonconformity | Kind::EnterpriseSurvey | Kind::ExportQualification => true,
            // Consignees stand in the restricted section.
            Kind::Disposition => stored.sections.restricted.is_some(),
            _ => false,
        };
        if !of_use || stored.attributes.withdrawn || !found.seen.insert(stored.position) {
            return Ok(());
        }
        let filed = self.reader.file(stored)?;
        let record = filed.reference();
        match &filed.content.matter {
            Matter::EnterpriseSurvey(survey) => gathered.known.surveys.extend(SurveyEntry::read(record, survey)),
            Matter::ExportQualification(qualification) if rights.admit(&filed.stored, None) => {
                gathered.known.qualifications.extend(QualificationEntry::read(record, qualification));
            }
            Matter::Nonconformity(_) => found.nonconformities.push(filed),
            Matter::Disposition(matter) if interest.received(matter) => {
                found.received.insert(matter.nonconformity.clone());
            }
            _ => {}
        }
        Ok(())
    }
}

/// Who received goods of which nonconformity's batch.
fn consignees(standings: &Standings) -> HashMap<RecordId, Vec<Consigned>> {
    let mut consignees: HashMap<RecordId, Vec<Consigned>> = HashMap::new();
    for filed in &standings.dispositions {
        if let Matter::Disposition(matter) = &filed.content.matter
            && !matter.consignees.is_empty()
        {
            consignees.entry(matter.nonconformity.clone()).or_default().extend(Consigned::of(matter));
        }
    }
    consignees
}

/// Revisions met so far.
#[derive(Default)]
struct Found {
    seen: BTreeSet<Position>,
    nonconformities: Vec<Filed>,
    /// Nonconformities of whose batch a party received goods.
    received: BTreeSet<RecordId>,
}

/// What is known, and the digests that evidence will name.
#[derive(Default)]
struct Gathered {
    known: Known,
    /// Position of a candidate, and a revision that what is known of it comes from.
    digests: Vec<(Position, (Position, Digest))>,
}

impl Gathered {
    fn add_candidate(&mut self, filed: Filed, standings: &Standings, consignees: Vec<Consigned>, rights: &Rights) {
        let Some(status) = standings.by_record.get(&filed.stored.record_id) else { return };
        if !rights.admit(&filed.stored, Some(status)) {
            return;
        }
        let record = filed.reference();
        let resolved = standings.code_of(&filed.stored);
        let Matter::Nonconformity(matter) = filed.content.matter else { return };
        let cleared_on = (status.standing.state == State::Cleared).then(|| standings.set_on(status)).flatten();
        let standing = rights.shown(&filed.stored, status).standing;
        let of_decision = standings.decisions.get(&filed.stored.record_id).map(|decision| &decision.stored);
        let rested_on = std::iter::once(&filed.stored).chain(of_decision).map(|stored| (stored.position, stored.digest));
        self.digests.extend(rested_on.map(|revision| (record.position, revision)));
        self.known.candidates.push(Candidate { record, matter: *matter, resolved, standing, cleared_on, consignees });
    }
}

/// How many items have which verdict, for the evidence.
fn counts(answer: &Answer, as_of: Position) -> Vec<(&'static str, u64)> {
    let mut counts = vec![("as_of", as_of), ("items", answer.items.len() as u64)];
    for verdict in Verdict::ALL {
        let items = answer.items.iter().filter(|item| item.verdict == verdict).count();
        if items > 0 {
            counts.push((verdict.token(), items as u64));
        }
    }
    counts
}
