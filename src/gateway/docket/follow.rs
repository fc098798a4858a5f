//! Following the ledger: which matters a page of it touches, and what duties they have after it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::DocketDesk;
use crate::{
    domain::{
        attributes::SubjectKey,
        dates::CivilDate,
        docket::{self, Acted, Duty, Entry, EntryKey, Mark},
        draft::StoredRecord,
        enterprise_file::Filed,
        evidence::{ActKind, Actor, EvidenceDraft},
        feeds::Feed,
        grants::Action,
        ids::{ParticipantId, Position, RecordId},
        ledger::{Act, Change, Follow, Outcome, Refusal},
        life_cycle::{State, Step},
        records::{Kind, Matter},
        statistics::{self, Sheet, Tally},
    },
    gateway::{Refused, gateway::unexpected, reader::damage},
    store::PageBounds,
};

/// Revisions taken in at once.
const PAGE: PageBounds = PageBounds { records: 500, bytes: 4 << 20 };
/// Actions of customs, or replies, read for one page.
const MAX_FOUND: usize = 20_000;

/// What a page of the ledger touches.
#[derive(Default)]
struct Touched {
    nonconformities: BTreeSet<RecordId>,
    declarations: BTreeSet<(ParticipantId, String)>,
    doubts: BTreeSet<RecordId>,
    notices: BTreeSet<RecordId>,
}

impl DocketDesk {
    /// Takes in the ledger up to its head.
    ///
    /// # Errors
    /// When the store does not answer; what was taken in stands.
    pub async fn follow(&self) -> Result<(), Refused> {
        while self.follow_page().await? {}
        Ok(())
    }

    /// Takes in one page; false when there was nothing to take in.
    async fn follow_page(&self) -> Result<bool, Refused> {
        let store = &self.reader.store;
        let from = store.docket().followed().await?;
        let head = self.reader.tail.position();
        if from >= head {
            return Ok(false);
        }
        let page = store.page(from, head, PAGE).await?;
        let Some(to) = page.last().map(|stored| stored.position) else { return Ok(false) };
        let touched = self.touched(&page, to).await?;
        let tallies = self.tallies(&page).await?;
        let records = touched.nonconformities.iter().chain(&touched.doubts).chain(&touched.notices);
        let mut matters: Vec<String> = records.map(RecordId::to_string).collect();
        let mut entries = self.of_nonconformities(&touched.nonconformities, page, to).await?;
        for (by, number) in &touched.declarations {
            let matter = docket::matter_of_declaration(by, number);
            entries.extend(docket::of_declaration(&matter, self.actions(by, number, to).await?));
            matters.push(matter);
        }
        for id in &touched.doubts {
            entries.extend(self.of_doubt(id, to).await?);
        }
        for id in &touched.notices {
            entries.extend(self.of_notice(id, to).await?);
        }
        if !matters.is_empty() {
            let before = store.docket().of_matters(&matters).await?;
            for entry in &mut entries {
                entry.keep_raised(&before);
            }
        }
        let change = Change::Follow(Box::new(Follow { from, to, matters, entries, tallies }));
        let evidence = EvidenceDraft::new(ActKind::Administer, Actor::default(), "docket.follow");
        match self.committer.commit(Act { change, evidence }).await?.outcome {
            // Another took the page in meanwhile: it stands.
            Outcome::Unchanged | Outcome::Refused(Refusal::Fenced { .. }) => Ok(true),
            other => Err(unexpected("follow", &other)),
        }
    }

    /// What the page adds to the statistics, each cell once.
    async fn tallies(&self, page: &[StoredRecord]) -> Result<Vec<Tally>, Refused> {
        let mut cells: BTreeMap<(Sheet, String), i64> = BTreeMap::new();
        for stored in page {
            let counts = matches!(
                stored.attributes.kind,
                Kind::SamplingSummary | Kind::EnterpriseSurvey | Kind::Nonconformity | Kind::Disposition
            );
            if !counts {
                continue;
            }
            let before = match stored.revision {
                1 => None,
                later => self.reader.store.record(&stored.record_id, Some(later - 1), stored.position).await?,
            };
            let before = before.map(|before| self.reader.decode(&before)).transpose()?;
            for tally in statistics::change(before.as_ref(), &self.reader.decode(stored)?) {
                *cells.entry((tally.sheet, tally.cell)).or_default() += tally.number;
            }
        }
        let moved = cells.into_iter().filter(|(_, number)| *number != 0);
        Ok(moved.map(|((sheet, cell), number)| Tally { sheet, cell, number }).collect())
    }

    async fn touched(&self, page: &[StoredRecord], to: Position) -> Result<Touched, Refused> {
        let mut touched = Touched::default();
        let mut corrected: BTreeSet<SubjectKey> = BTreeSet::new();
        for stored in page {
            if stored.revision > 1 {
                corrected.insert(SubjectKey::of("doubts", stored.record_id.as_str()));
            }
            match stored.attributes.kind {
                Kind::Nonconformity => {
                    touched.nonconformities.insert(stored.record_id.clone());
                }
                Kind::Doubt => {
                    touched.doubts.insert(stored.record_id.clone());
                }
                Kind::UrgentNotice => {
                    touched.notices.insert(stored.record_id.clone());
                }
                Kind::Disposition | Kind::DoubtAnswer | Kind::NoticeAcknowledgement => match self.reader.decode(stored)?.matter {
                    Matter::Disposition(matter) => {
                        touched.nonconformities.insert(matter.nonconformity);
                    }
                    Matter::DoubtAnswer(matter) => {
                        touched.doubts.insert(matter.doubt);
                    }
                    Matter::NoticeAcknowledgement(matter) => {
                        touched.notices.insert(matter.notice);
                    }
                    _ => {}
                },
                Kind::ExportAction => self.touch_declarations(stored, &mut touched).await?,
                Kind::EnterpriseSurvey | Kind::ExportQualification | Kind::SamplingSummary | Kind::ProducerDecision => {}
            }
        }
        // What was corrected answers the doubts about it.
        for stored in self.reader.filed_under(&corrected, to, MAX_FOUND).await? {
            if stored.attributes.kind == Kind::Doubt {
                touched.doubts.insert(stored.record_id);
            }
        }
        Ok(touched)
    }

    /// A corrected action may have been about another declaration.
    async fn touch_declarations(&self, stored: &StoredRecord, touched: &mut Touched) -> Result<(), Refused> {
        let before = match stored.revision {
            1 => None,
            later => self.reader.store.record(&stored.record_id, Some(later - 1), stored.position).await?,
        };
        for revision in before.iter().chain([stored]) {
            if let Matter::ExportAction(matter) = self.reader.decode(revision)?.matter {
                touched.declarations.insert((revision.publisher.clone(), matter.declaration_number));
            }
        }
        Ok(())
    }

    async fn of_nonconformities(
        &self,
        ids: &BTreeSet<RecordId>,
        page: Vec<StoredRecord>,
        to: Position,
    ) -> Result<Vec<Entry>, Refused> {
        // The last revision of the page is in force at its end.
        let mut in_force: BTreeMap<RecordId, StoredRecord> = BTreeMap::new();
        for stored in page.into_iter().filter(|stored| stored.attributes.kind == Kind::Nonconformity) {
            in_force.insert(stored.record_id.clone(), stored);
        }
        for id in ids {
            if !in_force.contains_key(id)
                && let Some(stored) = self.reader.store.record(id, None, to).await?
            {
                in_force.insert(id.clone(), stored);
            }
        }
        let standing: Vec<&StoredRecord> = in_force.values().filter(|stored| !stored.attributes.withdrawn).collect();
        let standings = self.reader.standings(&standing, to).await?;
        let mut steps: HashMap<RecordId, Vec<(Step, Mark)>> = HashMap::new();
        for filed in standings.dispositions {
            if let (Matter::Disposition(matter), Some(step)) = (&filed.content.matter, filed.stored.attributes.step) {
                let mark = mark(&filed.stored, matter.taken_on, matter.due_on);
                steps.entry(matter.nonconformity.clone()).or_default().push((step, mark));
            }
        }
        let mut entries = Vec::new();
        for stored in standing {
            let begin = self.beginning(stored)?;
            let steps = steps.remove(&stored.record_id).unwrap_or_default();
            let found = docket::of_nonconformity(&stored.record_id, begin, steps);
            entries.extend(found.map_err(|illegal| damage(stored, &illegal.text().en))?);
        }
        Ok(entries)
    }

    /// Counted from the day it says, else from the day it became known here: lists do not say when an order was given.
    fn beginning(&self, stored: &StoredRecord) -> Result<(State, Mark), Refused> {
        let state = match stored.attributes.step {
            Some(Step::Begin(state)) => state,
            _ => State::Confirmed,
        };
        let known_here = CivilDate::of_instant(stored.committed_at);
        let on = match (state, self.reader.decode(stored)?.matter) {
            (State::Notified, Matter::Nonconformity(matter)) => matter.notified_on,
            _ => None,
        };
        Ok((state, mark(stored, on.unwrap_or(known_here), None)))
    }

    async fn actions(&self, by: &ParticipantId, number: &str, to: Position) -> Result<Vec<Acted>, Refused> {
        let mut actions = Vec::new();
        for Filed { stored, content } in self.filed("declaration", number, to).await? {
            let Matter::ExportAction(matter) = content.matter else { continue };
            if matter.declaration_number == number && stored.publisher == *by {
                actions.push(Acted {
                    record: stored.record_id,
                    position: stored.position,
                    by: stored.publisher,
                    item: matter.item_number,
                    action: matter.action,
                    at: matter.acted_at,
                });
            }
        }
        Ok(actions)
    }

    /// What is filed under a subject, in force and not withdrawn.
    async fn filed(&self, label: &str, text: &str, to: Position) -> Result<Vec<Filed>, Refused> {
        let found = self.reader.filed_under(&[SubjectKey::of(label, text)].into(), to, MAX_FOUND).await?;
        found.into_iter().filter(|stored| !stored.attributes.withdrawn).map(|stored| self.reader.file(stored)).collect()
    }

    /// A doubt waits for its answer, until it is answered, withdrawn, or what it doubts was corrected after it.
    async fn of_doubt(&self, id: &RecordId, to: Position) -> Result<Option<Entry>, Refused> {
        let store = &self.reader.store;
        let Some(stored) = store.record(id, None, to).await?.filter(|stored| !stored.attributes.withdrawn) else {
            return Ok(None);
        };
        let Matter::Doubt(doubt) = self.reader.decode(&stored)?.matter else { return Ok(None) };
        let answers = self.filed("answers", id.as_str(), to).await?;
        if answers.iter().any(|filed| matches!(&filed.content.matter, Matter::DoubtAnswer(answer) if answer.doubt == *id)) {
            return Ok(None);
        }
        let raised = match stored.revision {
            1 => stored.clone(),
            _ => store.record(id, Some(1), to).await?.unwrap_or_else(|| stored.clone()),
        };
        let doubted = store.record(&doubt.about.record_id, None, to).await?;
        if doubted.is_some_and(|doubted| doubted.position > raised.position) {
            return Ok(None);
        }
        let answerable = participant(&stored, doubt.about.record_id.namespace())?;
        Ok(Some(entry(&stored, Duty::DoubtAnswer, "", answerable, CivilDate::of_instant(raised.committed_at))))
    }

    /// A notice waits for each participant that may read it, but its publisher, until it is acknowledged as it now stands.
    async fn of_notice(&self, id: &RecordId, to: Position) -> Result<Vec<Entry>, Refused> {
        let stored = self.reader.store.record(id, None, to).await?;
        let Some(stored) = stored.filter(|stored| !stored.attributes.withdrawn && stored.attributes.kind == Kind::UrgentNotice)
        else {
            return Ok(Vec::new());
        };
        let mut acknowledged = BTreeSet::new();
        for filed in self.filed("answers", id.as_str(), to).await? {
            let is_of_it = matches!(&filed.content.matter, Matter::NoticeAcknowledgement(reply) if reply.notice == *id);
            if is_of_it && filed.stored.position > stored.position {
                acknowledged.insert(filed.stored.publisher);
            }
        }
        let since = CivilDate::of_instant(stored.committed_at);
        let register = self.reader.register.load();
        let addressed = |participant: &ParticipantId| {
            *participant != stored.publisher
                && !acknowledged.contains(participant)
                && register.permit(participant, Action::Read, Feed::Notices, since).is_ok()
        };
        let participants = register.participants().into_iter().map(|participant| participant.id.clone());
        let waiting = participants.filter(addressed);
        Ok(waiting.map(|one| entry(&stored, Duty::NoticeAcknowledgement, one.clone().as_str(), one, since)).collect())
    }
}

fn mark(stored: &StoredRecord, on: CivilDate, stated: Option<CivilDate>) -> Mark {
    Mark { position: stored.position, by: stored.publisher.clone(), on, stated }
}

fn participant(stored: &StoredRecord, name: &str) -> Result<ParticipantId, Refused> {
    ParticipantId::parse(name).map_err(|error| damage(stored, &error))
}

fn entry(stored: &StoredRecord, duty: Duty, detail: &str, answerable: ParticipantId, since: CivilDate) -> Entry {
    Entry {
        key: EntryKey { matter: stored.record_id.to_string(), duty, detail: detail.to_owned() },
        record: stored.record_id.clone(),
        position: stored.position,
        answerable,
        since,
        stated: None,
        raised_at: None,
    }
}
