//! The docket: follows the ledger page by page, finds what became overdue, and tells who may know what waits for whom.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Caller, Refused,
    committer::Committer,
    disclosure::{Disclosure, DisclosureLog},
    gateway::unexpected,
    policy::Policy,
    reader::Reader,
};
use crate::{
    domain::{
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
        records::{Kind, Matter, Token as _},
        working_days::Counted,
    },
    store::{
        PageBounds,
        docket::{DocketQuery, DutyCount, Lapsed},
    },
};

/// Revisions taken in at once.
const PAGE: PageBounds = PageBounds { records: 500, bytes: 4 << 20 };
/// Actions of customs read for one page.
const MAX_ACTIONS: usize = 20_000;
/// Entries raised by one act.
const RAISED_AT_ONCE: usize = 500;
/// Most entries of one page of a listing, and the number when none is asked for.
pub const MAX_PAGE: usize = 1_000;
/// Entries of a page when no size is asked for.
pub const DEFAULT_PAGE: usize = 100;

/// Keeps the docket, and tells of it.
pub struct DocketDesk {
    reader: Reader,
    committer: Committer,
    log: DisclosureLog,
    policy: Arc<ArcSwap<Policy>>,
}

/// What is listed; every given field must match.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// This duty.
    pub duty: Option<Duty>,
    /// Of this participant.
    pub answerable: Option<ParticipantId>,
    /// Only what was raised as overdue.
    pub overdue: bool,
    /// Entries of a page; 0 = the default.
    pub page_size: usize,
    /// From the page before; empty = the first page.
    pub page_token: String,
}

/// One duty with its last day.
#[derive(Debug, Clone)]
pub struct Due {
    /// The duty.
    pub entry: Entry,
    /// Its last day by the periods in force; `None` = it has no end.
    pub due: Option<Counted>,
}

/// A page of the docket.
#[derive(Debug, Clone)]
pub struct Page {
    /// Those that may be shown.
    pub entries: Vec<Due>,
    /// Empty when there are no more.
    pub next_page_token: String,
    /// The docket takes in the ledger up to here.
    pub position: Position,
    /// Evidence entry of this disclosure.
    pub evidence_index: u64,
}

/// What a page of the ledger touches.
#[derive(Default)]
struct Touched {
    nonconformities: BTreeSet<RecordId>,
    declarations: BTreeSet<(ParticipantId, String)>,
}

impl DocketDesk {
    /// A desk that reads through `reader` and writes through `committer`.
    pub fn new(reader: Reader, committer: Committer, policy: Arc<ArcSwap<Policy>>) -> Self {
        let log = DisclosureLog { committer: committer.clone(), world: reader.world.clone() };
        Self { reader, committer, log, policy }
    }

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
        let touched = self.touched(&page).await?;
        let mut matters: Vec<String> = touched.nonconformities.iter().map(RecordId::to_string).collect();
        let mut entries = self.of_nonconformities(&touched.nonconformities, page, to).await?;
        for (by, number) in &touched.declarations {
            let matter = docket::matter_of_declaration(by, number);
            entries.extend(docket::of_declaration(&matter, self.actions(by, number, to).await?));
            matters.push(matter);
        }
        if !matters.is_empty() {
            let before = store.docket().of_matters(&matters).await?;
            for entry in &mut entries {
                entry.keep_raised(&before);
            }
        }
        let change = Change::Follow(Box::new(Follow { from, to, matters, entries }));
        let evidence = EvidenceDraft::new(ActKind::Administer, Actor::default(), "docket.follow");
        match self.committer.commit(Act { change, evidence }).await?.outcome {
            // Another took the page in meanwhile: it stands.
            Outcome::Unchanged | Outcome::Refused(Refusal::Fenced { .. }) => Ok(true),
            other => Err(unexpected("follow", &other)),
        }
    }

    async fn touched(&self, page: &[StoredRecord]) -> Result<Touched, Refused> {
        let mut touched = Touched::default();
        for stored in page {
            match stored.attributes.kind {
                Kind::Nonconformity => {
                    touched.nonconformities.insert(stored.record_id.clone());
                }
                Kind::Disposition => {
                    if let Matter::Disposition(matter) = self.reader.decode(stored)?.matter {
                        touched.nonconformities.insert(matter.nonconformity);
                    }
                }
                Kind::ExportAction => {
                    // A corrected action may have been about another declaration.
                    let before = match stored.revision {
                        1 => None,
                        later => self.reader.store.record(&stored.record_id, Some(later - 1), stored.position).await?,
                    };
                    for revision in before.iter().chain([stored]) {
                        if let Matter::ExportAction(matter) = self.reader.decode(revision)?.matter {
                            touched.declarations.insert((revision.publisher.clone(), matter.declaration_number));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(touched)
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
            entries.extend(
                docket::of_nonconformity(&stored.record_id, begin, steps)
                    .map_err(|illegal| super::reader::damage(stored, &illegal.text().en))?,
            );
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
        let subject = crate::domain::attributes::SubjectKey::of("declaration", number);
        let found = self.reader.filed_under(&[subject].into(), to, MAX_ACTIONS).await?;
        let mut actions = Vec::new();
        for stored in found {
            if stored.attributes.kind != Kind::ExportAction || stored.attributes.withdrawn || stored.publisher != *by {
                continue;
            }
            let Filed { stored, content } = self.reader.file(stored)?;
            let Matter::ExportAction(matter) = content.matter else { continue };
            if matter.declaration_number == number {
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

    /// Raises, once, everything that became overdue: an entry in the evidence log names the records. Returns what was raised.
    ///
    /// # Errors
    /// When it cannot be recorded; what was recorded stands.
    pub async fn raise(&self) -> Result<Vec<Entry>, Refused> {
        let policy = self.policy.load_full();
        let today = CivilDate::of_instant(self.reader.world.clock.now());
        let mut questions = vec![Lapsed::Stated(today)];
        for duty in Duty::ALL {
            questions.extend(policy.deadlines.overdue_since(*duty, today).map(|since| Lapsed::Counted(*duty, since)));
        }
        let mut raised = Vec::new();
        for question in questions {
            loop {
                let lapsed = self.reader.store.docket().lapsed(question, RAISED_AT_ONCE).await?;
                let all = lapsed.len() < RAISED_AT_ONCE;
                if !lapsed.is_empty() {
                    self.record_raised(&lapsed).await?;
                }
                raised.extend(lapsed);
                if all {
                    break;
                }
            }
        }
        Ok(raised)
    }

    async fn record_raised(&self, lapsed: &[Entry]) -> Result<(), Refused> {
        let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
        for entry in lapsed {
            *counts.entry(entry.key.duty.token()).or_default() += 1;
        }
        let records: BTreeSet<String> = lapsed.iter().map(|entry| entry.record.to_string()).collect();
        let evidence = EvidenceDraft {
            subjects: records.into_iter().collect(),
            counts: counts.into_iter().collect(),
            ..EvidenceDraft::new(ActKind::Administer, Actor::default(), "docket.overdue")
        };
        let change = Change::RaiseOverdue(lapsed.iter().map(|entry| entry.key.clone()).collect());
        match self.committer.commit(Act { change, evidence }).await?.outcome {
            Outcome::Done { .. } => Ok(()),
            other => Err(unexpected("raise overdue", &other)),
        }
    }

    /// How many duties of each kind stand.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn counts(&self) -> Result<Vec<DutyCount>, Refused> {
        Ok(self.reader.store.docket().counts().await?)
    }

    /// Days since the oldest duty of a count began.
    pub fn age_days(&self, count: &DutyCount) -> i64 {
        let today = CivilDate::of_instant(self.reader.world.clock.now());
        (today.first_day() - count.oldest.first_day()).whole_days()
    }

    /// A page of the docket: what follows from revisions that the caller may read. A page may hold fewer entries than were asked for,
    /// even none, and not be the last.
    ///
    /// # Errors
    /// Without a permit, with a wrong page token, or when the disclosure cannot be recorded.
    pub async fn list(&self, caller: &Caller, question: &Question) -> Result<Page, Refused> {
        let rights = self.reader.rights(caller, Action::Read, &Feed::ALL)?;
        let after = (!question.page_token.is_empty()).then(|| read_token(&question.page_token)).transpose()?;
        let limit = if question.page_size == 0 { DEFAULT_PAGE } else { question.page_size.min(MAX_PAGE) };
        let query = DocketQuery { duty: question.duty, answerable: question.answerable.clone(), overdue: question.overdue };
        let store = &self.reader.store;
        let position = store.docket().followed().await?;
        let found = store.docket().entries(&query, after.as_ref(), limit).await?;
        let next_page_token = found.get(limit - 1).map(|last| token(&last.key)).unwrap_or_default();
        let positions: BTreeSet<Position> = found.iter().map(|entry| entry.position).collect();
        let revisions = store.at(&positions.into_iter().collect::<Vec<_>>()).await?;
        let shown: BTreeMap<Position, &StoredRecord> =
            revisions.iter().filter(|stored| rights.admit(stored, None)).map(|stored| (stored.position, stored)).collect();
        let deadlines = &self.policy.load_full().deadlines;
        let entries: Vec<Due> = found
            .into_iter()
            .filter(|entry| shown.contains_key(&entry.position))
            .map(|entry| Due { due: deadlines.due(entry.key.duty, entry.since, entry.stated), entry })
            .collect();
        let disclosure = Disclosure {
            feeds: rights.feeds(),
            revisions: entries
                .iter()
                .filter_map(|due| shown.get(&due.entry.position))
                .map(|stored| (stored.position, stored.digest))
                .collect(),
            counts: vec![("docket", entries.len() as u64), ("as_of", position)],
            ..Disclosure::default()
        };
        let recorded = self.log.record(ActKind::Pull, caller, disclosure).await?;
        Ok(Page { entries, next_page_token, position, evidence_index: recorded.evidence_index })
    }

    /// The docket takes in the ledger up to here.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn followed(&self) -> Result<Position, Refused> {
        Ok(self.reader.store.docket().followed().await?)
    }
}

fn mark(stored: &StoredRecord, on: CivilDate, stated: Option<CivilDate>) -> Mark {
    Mark { position: stored.position, by: stored.publisher.clone(), on, stated }
}

fn token(key: &EntryKey) -> String {
    URL_SAFE_NO_PAD.encode([key.matter.as_str(), key.duty.token(), key.detail.as_str()].join("\n"))
}

/// Grants nothing and holds no secret: rights are evaluated again for every page.
fn read_token(token: &str) -> Result<EntryKey, Refused> {
    let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| {
        let text = String::from_utf8(bytes).ok()?;
        let mut parts = text.splitn(3, '\n');
        let (matter, duty, detail) = (parts.next()?, parts.next()?, parts.next()?);
        Some(EntryKey { matter: matter.to_owned(), duty: Duty::parse(duty)?, detail: detail.to_owned() })
    });
    key.ok_or_else(|| {
        Refused::field(
            "page_token",
            "WRONG_PAGE_TOKEN",
            "翻页标记不是由同一查询得到的；请从第一页重新查询",
            "the token was not made for this question: ask again from the first page",
        )
    })
}
