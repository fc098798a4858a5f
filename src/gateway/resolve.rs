//! Producers named without a code: what waits for an operator, and what operators decide (domain.md §7).
//!
//! A decision is a record in the ledger, so that it has a position: an answer about an earlier position never changes, and who
//! receives the nonconformity receives the decision. The nonconformity itself and its order key stay as they are.

use std::collections::BTreeSet;

use super::{
    Caller, Class, Refused,
    committer::Committer,
    disclosure::{Disclosure, DisclosureLog},
    freshness::Freshness,
    gateway::unexpected,
    moment::{Asking, Moment},
    paging::Page,
    publish::refuse_batch,
    pull::{basis, check_length, check_purpose, unknown_record},
    reader::{Reader, Rights, Standings, too_many},
};
use crate::{
    domain::{
        attributes::{SubjectKey, survey_keys},
        credit_code::CreditCode,
        digest::{hex, sha256},
        draft::{Draft, StoredRecord},
        enterprise_file::{Filed, NonconformityStatus},
        evidence::{ActKind, EvidenceDraft},
        feeds::Feed,
        grants::Action,
        ids::{Position, RecordId},
        ledger::{Act, Change, Outcome, Publish, Refusal},
        life_cycle::Authority,
        names::strict_key,
        records::{Content, Kind, Matter, Nonconformity, Party, ProducerDecision},
        regions::Region,
        resolution::{NameCandidate, SurveyRow, candidates},
        screening::AnswerBasis,
    },
    store::RecordQuery,
};

/// Most producers of one page, and the number when none is asked for.
pub const MAX_PAGE: usize = 100;
/// Producers of a page when no size is asked for.
pub const DEFAULT_PAGE: usize = 50;
/// Most records passed over for one page: past them it is cut short.
const MAX_PASSED: usize = 5_000;
/// Most survey rows read for one page.
const MAX_ROWS: usize = 20_000;
/// Most candidates told of one producer.
const MAX_CANDIDATES: usize = 100;
/// Feeds that a resolver reads.
const FEEDS: [Feed; 2] = [Feed::FailedProducts, Feed::Enterprises];

/// What waits is asked for.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    /// Prefix of the region code; empty = all.
    pub region_prefix: String,
    /// Settled ones too.
    pub include_decided: bool,
    /// Producers of a page; 0 = the default.
    pub page_size: usize,
    /// From the page before; empty = the first page.
    pub page_token: String,
}

/// A nonconformity whose producer has no code of its own.
#[derive(Debug, Clone)]
pub struct UnresolvedProducer {
    /// The revision in force.
    pub stored: StoredRecord,
    /// What it says.
    pub matter: Nonconformity,
    /// Where it stands.
    pub status: NonconformityStatus,
    /// Enterprises it may be, the likeliest first.
    pub candidates: Vec<NameCandidate>,
    /// The decision in force.
    pub decision: Option<Filed>,
}

/// A page of what waits.
#[derive(Debug, Clone)]
pub struct WaitingPage {
    /// In ledger order.
    pub producers: Vec<UnresolvedProducer>,
    /// Empty when there are no more.
    pub next_page_token: String,
    /// How far it is good.
    pub basis: AnswerBasis,
}

/// One producer with everything that was decided about it.
#[derive(Debug, Clone)]
pub struct ProducerAnswer {
    /// The nonconformity.
    pub producer: UnresolvedProducer,
    /// The code that counts.
    pub credit_code: Option<CreditCode>,
    /// All decisions, by position.
    pub decisions: Vec<Filed>,
    /// How far it is good.
    pub basis: AnswerBasis,
}

/// What an operator decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// The producer is this enterprise.
    Is(CreditCode),
    /// It is none that is known.
    None,
    /// The decision that stands is revoked.
    Revoke,
}

/// A decision on its way in.
#[derive(Debug, Clone)]
pub struct Deciding {
    /// The nonconformity.
    pub nonconformity: RecordId,
    /// What is decided.
    pub decided: Decided,
    /// Why.
    pub reason: String,
    /// Position of the decision that the operator saw in force; 0 = none.
    pub seen: Position,
}

/// Makes a checked draft of a decision: the door knows the encoding.
pub type Seal<'a> = &'a (dyn Fn(RecordId, Content) -> Result<Draft, Refused> + Sync);

/// Resolves producers.
pub struct ResolveDesk {
    reader: Reader,
    freshness: Freshness,
    log: DisclosureLog,
}

impl ResolveDesk {
    /// A desk that reads through `reader` and commits through `committer`.
    pub fn new(reader: Reader, committer: Committer) -> Self {
        let freshness = Freshness { store: reader.store.clone(), register: reader.register.clone() };
        let log = DisclosureLog { committer, world: reader.world.clone() };
        Self { reader, freshness, log }
    }

    /// A page of producers without a code.
    ///
    /// # Errors
    /// Without the permits, without the purpose the survey asks for, or with a token of another question.
    pub async fn waiting(&self, caller: &Caller, waiting: &Waiting, asking: &Asking) -> Result<WaitingPage, Refused> {
        let size = match waiting.page_size {
            0 => DEFAULT_PAGE,
            size @ 1..=MAX_PAGE => size,
            size => {
                return Err(Refused::field(
                    "page_size",
                    "TOO_LARGE",
                    format!("每页1至{MAX_PAGE}条，现为{size}"),
                    format!("1 to {MAX_PAGE} producers a page, asked for {size}"),
                ));
            }
        };
        let rights = self.rights(caller, asking)?;
        let decided = if waiting.include_decided { "all" } else { "waiting" };
        let question = [caller.participant().as_str(), "unresolved", waiting.region_prefix.as_str(), decided];
        let ledger = self.reader.store.identity();
        let page = if waiting.page_token.is_empty() {
            Page { moment: self.reader.moment(asking).await?, after: 0 }
        } else {
            Page::read(&waiting.page_token, &question, ledger)?
        };
        let (found, standings, next) = self.scan(&rights, waiting, page, size).await?;
        let producers = self.with_candidates(found, &standings, &rights, page.moment.position).await?;
        let basis = self.disclose(caller, &producers, asking, page.moment).await?;
        let next_page_token = next.map(|next| next.token(&question, ledger)).unwrap_or_default();
        Ok(WaitingPage { producers, next_page_token, basis })
    }

    /// One producer, whatever is known of its name.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no such nonconformity for the caller; else as [`ResolveDesk::waiting`].
    pub async fn producer(&self, caller: &Caller, id: &RecordId, asking: &Asking) -> Result<ProducerAnswer, Refused> {
        let rights = self.rights(caller, asking)?;
        let moment = self.reader.moment(asking).await?;
        let (filed, standings) = self.nonconformity(&rights, id, moment.position).await?;
        let credit_code = standings.code_of(&filed.stored);
        let producers = self.with_candidates(vec![filed], &standings, &rights, moment.position).await?;
        let decisions = self.history(id, moment.position).await?;
        let basis = self.disclose(caller, &producers, asking, moment).await?;
        let producer = producers.into_iter().next().ok_or_else(|| unknown_record(id))?;
        Ok(ProducerAnswer { producer, credit_code, decisions, basis })
    }

    /// Decides. Answers after the decision, evidence included, is on disk; `None` = the same decision stood already.
    ///
    /// # Errors
    /// Without the permits; `NOT_FOUND`; `ABORTED` when another decision stands than the one seen; `FAILED_PRECONDITION` when the
    /// record states a code itself or there is nothing to revoke.
    pub async fn decide(&self, caller: &Caller, deciding: &Deciding, seal: Seal<'_>) -> Result<(Filed, Option<u64>), Refused> {
        self.reader.rights(caller, Action::Publish, &[Feed::FailedProducts])?;
        let rights = self.reader.rights_on_all(caller, Action::Read, &FEEDS)?;
        let id = &deciding.nonconformity;
        let head = self.reader.tail.position();
        let (filed, standings) = self.nonconformity(&rights, id, head).await?;
        let Matter::Nonconformity(matter) = &filed.content.matter else { return Err(unknown_record(id)) };
        let standing = standings.decisions.get(id);
        check_seen(standing, deciding.seen)?;
        let content = self.content(matter, standing, deciding, head).await?;
        if let Some(standing) = standing.filter(|standing| standing.content == content) {
            return Ok((standing.clone(), None));
        }
        let draft = seal(decision_id(caller, id)?, content)?;
        let (record_id, publisher) = (draft.record_id.clone(), caller.participant().clone());
        let evidence = EvidenceDraft {
            request_id: caller.request_id.clone(),
            subjects: vec![id.to_string(), record_id.to_string()],
            ..EvidenceDraft::new(ActKind::Publish, caller.actor(), caller.method)
        };
        let change = Change::Publish(Box::new(Publish {
            publisher,
            authority: Authority::Unbounded,
            drafts: vec![draft],
            validate_only: false,
        }));
        let done = self.log.committer.commit(Act { change, evidence }).await?;
        let (position, evidence_index) = match done.outcome {
            Outcome::Published { items, evidence_index } => {
                (items.first().map(|item| item.position).unwrap_or_default(), evidence_index)
            }
            Outcome::Refused(Refusal::Batch(items)) => return Err(refuse_batch(items)),
            other => return Err(unexpected("decide_producer", &other)),
        };
        let stored = self.reader.store.at(&[position]).await?.pop().ok_or_else(|| unknown_record(&record_id))?;
        Ok((self.reader.file(stored)?, evidence_index))
    }

    fn rights(&self, caller: &Caller, asking: &Asking) -> Result<Rights, Refused> {
        check_length(asking)?;
        let rights = self.reader.rights_on_all(caller, Action::Read, &FEEDS)?;
        check_purpose(rights.ask_for_a_purpose(), asking)?;
        Ok(rights)
    }

    /// What the decision says.
    async fn content(
        &self,
        matter: &Nonconformity,
        standing: Option<&Filed>,
        deciding: &Deciding,
        as_of: Position,
    ) -> Result<Content, Refused> {
        let decision = |credit_code, survey_record_id| ProducerDecision {
            nonconformity: deciding.nonconformity.clone(),
            producer_name: matter.producer.name.clone(),
            credit_code,
            reason: deciding.reason.clone(),
            survey_record_id,
        };
        let content = |decision, withdrawal| Content { matter: Matter::ProducerDecision(Box::new(decision)), withdrawal };
        match deciding.decided {
            Decided::Is(code) => {
                let rows = self.surveyed([SubjectKey::of("code", code.as_str())].into(), as_of).await?;
                let row = rows.iter().filter(|row| row.credit_code == code).max_by_key(|row| row.position);
                Ok(content(decision(Some(code), row.map(|row| row.record_id.clone())), None))
            }
            Decided::None => Ok(content(decision(None, None), None)),
            Decided::Revoke => match standing.map(|standing| &standing.content.matter) {
                Some(Matter::ProducerDecision(stands)) => {
                    let revoked = ProducerDecision::clone(stands);
                    Ok(content(revoked, Some(deciding.reason.clone())))
                }
                _ => Err(Refused::new(
                    Class::FailedPrecondition,
                    "NO_DECISION",
                    "该记录没有有效的认定，无可撤销",
                    "no decision stands on this record: there is nothing to revoke",
                )),
            },
        }
    }

    /// A nonconformity that the caller may see, and what stands of it.
    async fn nonconformity(&self, rights: &Rights, id: &RecordId, as_of: Position) -> Result<(Filed, Standings), Refused> {
        let stored = self.reader.store.record(id, None, as_of).await?;
        let stored = stored.filter(|stored| stored.attributes.kind == Kind::Nonconformity && !stored.attributes.withdrawn);
        let stored = stored.ok_or_else(|| unknown_record(id))?;
        let standings = self.reader.standings(&[&stored], as_of).await?;
        if !rights.admit(&stored, standings.by_record.get(id)) {
            return Err(unknown_record(id));
        }
        Ok((self.reader.file(stored)?, standings))
    }

    /// All revisions of all decisions on a nonconformity, by position.
    async fn history(&self, id: &RecordId, as_of: Position) -> Result<Vec<Filed>, Refused> {
        let refers = [SubjectKey::of("refers", id.as_str())].into();
        let found = self.reader.filed_under(&refers, as_of, MAX_ROWS).await?;
        let mut decisions = Vec::new();
        for stored in found.into_iter().filter(|stored| stored.attributes.kind == Kind::ProducerDecision) {
            for revision in 1..stored.revision {
                let earlier = self.reader.store.record(&stored.record_id, Some(revision), as_of).await?;
                decisions.extend(earlier.map(|earlier| self.reader.file(earlier)).transpose()?);
            }
            decisions.push(self.reader.file(stored)?);
        }
        // Keys collide.
        decisions.retain(|filed| matches!(&filed.content.matter, Matter::ProducerDecision(of) if of.nonconformity == *id));
        decisions.sort_by_key(|filed| filed.stored.position);
        Ok(decisions)
    }

    /// Reads on until the page is full, there is no more, or enough was passed over.
    async fn scan(
        &self,
        rights: &Rights,
        waiting: &Waiting,
        mut page: Page,
        size: usize,
    ) -> Result<(Vec<Filed>, Standings, Option<Page>), Refused> {
        let query = RecordQuery { feeds: vec![Feed::FailedProducts], without_code: true, ..RecordQuery::default() };
        let (mut found, mut stands) = (Vec::new(), Standings::default());
        for _ in 0..MAX_PASSED / MAX_PAGE {
            let read = self.reader.store.list(&query, page.moment.position, page.after, MAX_PAGE).await?;
            let last = read.len() < MAX_PAGE;
            let standings = self.reader.standings(&read.iter().collect::<Vec<_>>(), page.moment.position).await?;
            stands.by_record.extend(standings.by_record);
            stands.decisions.extend(standings.decisions);
            for stored in read {
                if found.len() >= size {
                    return Ok((found, stands, Some(page)));
                }
                page.after = stored.position;
                let region = stored.attributes.region.map(Region::code).unwrap_or_default();
                let settled = stands.decision(&stored.record_id).is_some_and(|one| one.is_about(&stored.attributes.name_key));
                let wanted = region.starts_with(&waiting.region_prefix) && (waiting.include_decided || !settled);
                if wanted && rights.admit(&stored, stands.by_record.get(&stored.record_id)) {
                    found.push(self.reader.file(stored)?);
                }
            }
            if last {
                return Ok((found, stands, None));
            }
        }
        Ok((found, stands, Some(page)))
    }

    /// Looks the names up in the survey, all at once.
    async fn with_candidates(
        &self,
        found: Vec<Filed>,
        standings: &Standings,
        rights: &Rights,
        as_of: Position,
    ) -> Result<Vec<UnresolvedProducer>, Refused> {
        let key = |party: &Party| survey_keys(&strict_key(&party.name));
        let keys = found.iter().filter_map(|filed| producer(&filed.content)).flat_map(|matter| key(&matter.producer)).collect();
        let rows = self.surveyed(keys, as_of).await?;
        let mut producers = Vec::with_capacity(found.len());
        for filed in found {
            let Matter::Nonconformity(matter) = filed.content.matter else { continue };
            let Some(status) = standings.by_record.get(&filed.stored.record_id) else { continue };
            // What states a code itself needs no candidates.
            let is_stated = matter.producer.credit_code.is_some();
            let mut candidates = if is_stated { Vec::new() } else { candidates(&matter.producer, &rows) };
            candidates.truncate(MAX_CANDIDATES);
            producers.push(UnresolvedProducer {
                status: rights.shown(&filed.stored, status),
                decision: standings.decisions.get(&filed.stored.record_id).cloned(),
                stored: filed.stored,
                matter: *matter,
                candidates,
            });
        }
        Ok(producers)
    }

    /// Survey rows in force that were ever filed under one of the keys, with the names they bore before.
    async fn surveyed(&self, keys: BTreeSet<SubjectKey>, as_of: Position) -> Result<Vec<SurveyRow>, Refused> {
        let found = self.reader.filed_under(&keys, as_of, MAX_ROWS).await?;
        if found.len() >= MAX_ROWS {
            return Err(too_many());
        }
        let mut rows = Vec::new();
        for stored in found {
            let (kind, withdrawn) = (stored.attributes.kind, stored.attributes.withdrawn);
            let Some(credit_code) = stored.attributes.credit_code.filter(|_| kind == Kind::EnterpriseSurvey && !withdrawn) else {
                continue;
            };
            let mut former_name_keys = Vec::new();
            for revision in 1..stored.revision {
                let earlier = self.reader.store.record(&stored.record_id, Some(revision), as_of).await?;
                former_name_keys.extend(earlier.map(|earlier| earlier.attributes.name_key));
            }
            former_name_keys.retain(|name| *name != stored.attributes.name_key);
            let Matter::EnterpriseSurvey(survey) = self.reader.decode(&stored)?.matter else { continue };
            rows.push(SurveyRow {
                record_id: stored.record_id,
                position: stored.position,
                credit_code,
                name: survey.enterprise.name,
                region: stored.attributes.region,
                former_name_keys,
            });
        }
        Ok(rows)
    }

    async fn disclose(
        &self,
        caller: &Caller,
        producers: &[UnresolvedProducer],
        asking: &Asking,
        moment: Moment,
    ) -> Result<AnswerBasis, Refused> {
        let state = self.freshness.at(moment).await?.together(&FEEDS, &[None]);
        let decisions = producers.iter().filter_map(|one| one.decision.as_ref()).map(|decision| &decision.stored);
        let revisions = producers.iter().map(|one| &one.stored).chain(decisions);
        let disclosure = Disclosure {
            feeds: FEEDS.to_vec(),
            revisions: revisions.map(|stored| (stored.position, stored.digest)).collect(),
            subjects: Vec::new(),
            purpose: asking.purpose.clone(),
            counts: vec![
                ("records", producers.len() as u64),
                ("candidates", producers.iter().map(|one| one.candidates.len() as u64).sum()),
                ("as_of", moment.position),
            ],
        };
        let recorded = self.log.record(ActKind::Pull, caller, disclosure).await?;
        Ok(basis(moment, state, recorded))
    }
}

fn producer(content: &Content) -> Option<&Nonconformity> {
    match &content.matter {
        Matter::Nonconformity(matter) => Some(matter),
        _ => None,
    }
}

/// One decision record a participant and nonconformity: deciding anew is its next revision.
fn decision_id(caller: &Caller, nonconformity: &RecordId) -> Result<RecordId, Refused> {
    let digest = sha256(&[b"tongbao/decision/v1", nonconformity.as_str().as_bytes()]);
    let id = format!("{}/decision/{}", caller.participant(), hex(&digest[..16]));
    RecordId::parse(&id).map_err(|error| Refused::new(Class::Internal, "INTERNAL", error.to_string(), error.to_string()))
}

/// Nobody overwrites a decision unseen.
fn check_seen(standing: Option<&Filed>, seen: Position) -> Result<(), Refused> {
    let stands = standing.map_or(0, |standing| standing.stored.position);
    if stands == seen {
        return Ok(());
    }
    Err(Refused::new(
        Class::Aborted,
        "DECISION_CHANGED",
        format!("所见认定的位置为 {seen}，现有认定的位置为 {stands}；请重新查看后再认定"),
        format!("the decision seen is at position {seen}, the one that stands at {stands}: look again, then decide"),
    ))
}
