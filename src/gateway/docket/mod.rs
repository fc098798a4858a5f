//! The docket: follows the ledger page by page, finds what became overdue, and tells who may know what waits for whom.

mod follow;

use std::{
    collections::{BTreeMap, BTreeSet},
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
        docket::{Duty, Entry, EntryKey},
        draft::StoredRecord,
        evidence::{ActKind, Actor, EvidenceDraft},
        feeds::Feed,
        grants::Action,
        ids::{ParticipantId, Position},
        ledger::{Act, Change, Outcome},
        records::Token as _,
        working_days::Counted,
    },
    store::docket::{DocketQuery, Lapsed},
};

pub use crate::store::docket::DutyCount;

/// Entries raised by one act.
const RAISED_AT_ONCE: usize = 500;
/// Most entries of one page of a listing, and the number when none is asked for.
pub const MAX_PAGE: usize = 1_000;
/// Entries of a page when no size is asked for.
pub const DEFAULT_PAGE: usize = 100;

/// Keeps the docket, and tells of it.
pub struct DocketDesk {
    pub(super) reader: Reader,
    committer: Committer,
    pub(super) log: DisclosureLog,
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

impl DocketDesk {
    /// A desk that reads through `reader` and writes through `committer`.
    pub fn new(reader: Reader, committer: Committer, policy: Arc<ArcSwap<Policy>>) -> Self {
        let log = DisclosureLog { committer: committer.clone(), world: reader.world.clone() };
        Self { reader, committer, log, policy }
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
