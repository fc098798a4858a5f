//! Looking up: enterprises and records (listings stand in `list`). Every answer is a disclosure and is recorded before it leaves.
//!
//! What the caller has no permit for does not exist for it: unknown and withheld records are refused alike.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    Caller, Class, Refused,
    committer::Committer,
    disclosure::{Disclosure, DisclosureLog, MAX_PURPOSE, Recorded},
    freshness::Freshness,
    moment::{Asking, Moment},
    reader::{Reader, Rights, Standings, too_many},
};
use crate::domain::{
    attributes::SubjectKey,
    credit_code::CreditCode,
    dates::CivilDate,
    draft::StoredRecord,
    enterprise_file::{EnterpriseFile, Filed, NonconformityStatus, Shown},
    evidence::ActKind,
    feeds::Feed,
    grants::{Action, Permit},
    ids::{RecordId, Revision},
    records::{Kind, Matter},
    regions::Region,
    screening::{AnswerBasis, FeedState},
};

/// Most enterprises of one question.
pub const MAX_ENTERPRISES: usize = 100;
/// Most records read for one question about enterprises.
const MAX_RECORDS: usize = 10_000;
/// Most bytes of content in one answer: clients refuse messages above 4 MiB.
pub(super) const MAX_BYTES: usize = 3 << 20;
/// Feeds whose freshness an enterprise file depends on: both lists, and the survey.
const LISTS: [Feed; 3] = [Feed::FailedProducts, Feed::Enterprises, Feed::ExportQualifications];

/// Files of enterprises, from one moment.
#[derive(Debug, Clone)]
pub struct Enterprises {
    /// Those found, in the order asked.
    pub files: Vec<EnterpriseFile>,
    /// Codes of which nothing granted to the caller is known.
    pub not_found: Vec<CreditCode>,
    /// How far it is good.
    pub basis: AnswerBasis,
}

/// One record.
#[derive(Debug, Clone)]
pub struct RecordAnswer {
    /// The record.
    pub record: Shown,
    /// For a nonconformity in force: where it stands.
    pub status: Option<NonconformityStatus>,
    /// How far it is good.
    pub basis: AnswerBasis,
}

/// Answers lookups.
pub struct PullDesk {
    pub(super) reader: Reader,
    pub(super) freshness: Freshness,
    pub(super) log: DisclosureLog,
}

impl PullDesk {
    /// A desk that reads through `reader` and records through `committer`.
    pub fn new(reader: Reader, committer: Committer) -> Self {
        let freshness = Freshness { store: reader.store.clone(), register: reader.register.clone() };
        let log = DisclosureLog { committer, world: reader.world.clone() };
        Self { reader, freshness, log }
    }

    /// The file of one enterprise.
    ///
    /// # Errors
    /// `NOT_FOUND` when nothing granted to the caller is known of it; else as [`PullDesk::enterprises`].
    pub async fn enterprise(
        &self,
        caller: &Caller,
        code: CreditCode,
        asking: &Asking,
    ) -> Result<(EnterpriseFile, AnswerBasis), Refused> {
        let (found, moment) = self.find(caller, &[code], asking).await?;
        if found.files.is_empty() {
            return Err(Refused::new(
                Class::NotFound,
                "UNKNOWN_ENTERPRISE",
                format!("没有可向本单位提供的关于 {code} 的记录；请核对代码"),
                format!("nothing that may be shown to you is known of {code}; check the code"),
            ));
        }
        let answer = self.disclose(caller, found, moment, asking).await?;
        let basis = answer.basis;
        answer.files.into_iter().next().map(|file| (file, basis)).ok_or_else(too_many)
    }

    /// The files of up to [`MAX_ENTERPRISES`] enterprises, from one moment.
    ///
    /// # Errors
    /// Without a permit, without the purpose a feed asks for, at a moment still to come, or when it is too much for one answer.
    pub async fn enterprises(&self, caller: &Caller, codes: &[CreditCode], asking: &Asking) -> Result<Enterprises, Refused> {
        if codes.is_empty() || codes.len() > MAX_ENTERPRISES {
            return Err(Refused::field(
                "credit_codes",
                "WRONG_COUNT",
                format!("一次可查询1至{MAX_ENTERPRISES}个代码，现为{}个", codes.len()),
                format!("1 to {MAX_ENTERPRISES} codes at once, these are {}", codes.len()),
            ));
        }
        let (found, moment) = self.find(caller, codes, asking).await?;
        self.disclose(caller, found, moment, asking).await
    }

    /// One record: the given revision, or the one in force.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none, or none that may be shown.
    pub async fn record(
        &self,
        caller: &Caller,
        id: &RecordId,
        revision: Option<Revision>,
        asking: &Asking,
    ) -> Result<RecordAnswer, Refused> {
        check_length(asking)?;
        let rights = self.reader.rights(caller, Action::Read, &Feed::ALL)?;
        let moment = self.reader.moment(asking).await?;
        let stored = self.reader.store.record(id, revision, moment.position).await?.ok_or_else(|| unknown_record(id))?;
        let status = self.status_of(&stored, revision, moment).await?;
        if !rights.admit(&stored, status.as_ref()) {
            return Err(unknown_record(id));
        }
        let feed = stored.attributes.feed();
        check_purpose(rights.on(feed).is_some_and(Permit::purpose_required), asking)?;
        let state = self.freshness.at(moment).await?.together(&[feed], &[stored.attributes.region]);
        let disclosure = Disclosure {
            feeds: vec![feed],
            revisions: vec![(stored.position, stored.digest)],
            subjects: vec![id.to_string()],
            purpose: asking.purpose.clone(),
            counts: vec![("records", 1), ("as_of", moment.position)],
        };
        let recorded = self.log.record(ActKind::Pull, caller, disclosure).await?;
        let status = status.map(|status| rights.shown(&stored, &status));
        let record = Shown { restricted: rights.show_restricted(&stored), stored };
        Ok(RecordAnswer { record, status, basis: basis(moment, state, recorded) })
    }

    /// Where a nonconformity stands, by the revision in force.
    pub(super) async fn status_of(
        &self,
        stored: &StoredRecord,
        revision: Option<Revision>,
        moment: Moment,
    ) -> Result<Option<NonconformityStatus>, Refused> {
        if stored.attributes.kind != Kind::Nonconformity {
            return Ok(None);
        }
        let in_force = match revision {
            Some(_) => self.reader.store.record(&stored.record_id, None, moment.position).await?,
            None => None,
        };
        let in_force = in_force.as_ref().unwrap_or(stored);
        if in_force.attributes.withdrawn {
            return Ok(None);
        }
        let mut standings = self.reader.standings(&[in_force], moment.position).await?;
        Ok(standings.by_record.remove(&stored.record_id))
    }

    /// Gathers files without disclosing anything yet.
    async fn find(&self, caller: &Caller, codes: &[CreditCode], asking: &Asking) -> Result<(Gathered, Moment), Refused> {
        check_length(asking)?;
        let rights = self.reader.rights(caller, Action::Read, &Feed::ALL)?;
        check_purpose(rights.ask_for_a_purpose(), asking)?;
        let moment = self.reader.moment(asking).await?;
        let wanted: BTreeSet<CreditCode> = codes.iter().copied().collect();
        let subjects = wanted.iter().map(|code| SubjectKey::of("code", code.as_str())).collect();
        let mut records = self.reader.filed_under(&subjects, moment.position, MAX_RECORDS).await?;
        if records.len() >= MAX_RECORDS {
            return Err(too_many());
        }
        self.reader.add_decided(&mut records, moment.position).await?;
        let nonconformities: Vec<&StoredRecord> = records.iter().filter(|stored| is_open_case(stored)).collect();
        let standings = self.reader.standings(&nonconformities, moment.position).await?;
        // Keys collide, and a record may have moved to another enterprise since.
        records.retain(|stored| standings.code_of(stored).is_some_and(|code| wanted.contains(&code)));
        let mut folders = self.sort(&rights, records, standings)?;
        let day = CivilDate::of_instant(moment.at);
        let (mut files, mut not_found) = (Vec::new(), Vec::new());
        for code in codes.iter().filter(|code| wanted.contains(code)) {
            let Folder { records, statuses } = folders.remove(code).unwrap_or_default();
            match EnterpriseFile::assemble(*code, records, statuses, day) {
                Some(file) => files.push(file),
                None if not_found.contains(code) || files.iter().any(|file: &EnterpriseFile| file.credit_code == *code) => {}
                None => not_found.push(*code),
            }
        }
        Ok((Gathered { files, not_found, feeds: rights.feeds() }, moment))
    }

    /// Puts what may be shown into one folder an enterprise.
    fn sort(
        &self,
        rights: &Rights,
        records: Vec<StoredRecord>,
        standings: Standings,
    ) -> Result<BTreeMap<CreditCode, Folder>, Refused> {
        let mut folders: BTreeMap<CreditCode, Folder> = BTreeMap::new();
        let mut enterprise_of: HashMap<RecordId, CreditCode> = HashMap::new();
        let of_another = [Kind::Disposition, Kind::ProducerDecision];
        for stored in records.into_iter().filter(|stored| !of_another.contains(&stored.attributes.kind)) {
            let Some(code) = standings.code_of(&stored) else { continue };
            let status = standings.by_record.get(&stored.record_id);
            if !rights.admit(&stored, status) {
                continue;
            }
            let folder = folders.entry(code).or_default();
            if let Some(status) = status {
                enterprise_of.insert(stored.record_id.clone(), code);
                folder.statuses.push(rights.shown(&stored, status));
            }
            let restricted = rights.show_restricted(&stored);
            folder.records.push((self.reader.file(stored)?, restricted));
        }
        for filed in standings.dispositions.into_iter().chain(standings.decisions.into_values()) {
            let of = match &filed.content.matter {
                Matter::Disposition(matter) => &matter.nonconformity,
                Matter::ProducerDecision(matter) => &matter.nonconformity,
                _ => continue,
            };
            let Some(code) = enterprise_of.get(of) else { continue };
            if rights.admit(&filed.stored, None) {
                let restricted = rights.show_restricted(&filed.stored);
                folders.entry(*code).or_default().records.push((filed, restricted));
            }
        }
        Ok(folders)
    }

    async fn disclose(&self, caller: &Caller, found: Gathered, moment: Moment, asking: &Asking) -> Result<Enterprises, Refused> {
        let shown = || found.files.iter().flat_map(|file| &file.records);
        if shown().map(|shown| shown.stored.sections.len()).sum::<usize>() > MAX_BYTES {
            return Err(too_many());
        }
        let lists: Vec<Feed> = LISTS.into_iter().filter(|feed| found.feeds.contains(feed)).collect();
        let codes = found.files.iter().map(|file| file.credit_code).chain(found.not_found.iter().copied());
        let regions: Vec<Option<Region>> = codes.clone().map(|code| code.region().filter(|region| region.is_known())).collect();
        let state = self.freshness.at(moment).await?.together(&lists, &regions);
        let disclosure = Disclosure {
            subjects: codes.map(|code| code.to_string()).collect(),
            revisions: shown().map(|shown| (shown.stored.position, shown.stored.digest)).collect(),
            purpose: asking.purpose.clone(),
            counts: vec![
                ("enterprises", found.files.len() as u64),
                ("not_found", found.not_found.len() as u64),
                ("records", shown().count() as u64),
                ("as_of", moment.position),
            ],
            feeds: found.feeds,
        };
        let recorded = self.log.record(ActKind::Pull, caller, disclosure).await?;
        Ok(Enterprises { files: found.files, not_found: found.not_found, basis: basis(moment, state, recorded) })
    }
}

/// Files gathered and not yet disclosed.
struct Gathered {
    files: Vec<EnterpriseFile>,
    not_found: Vec<CreditCode>,
    feeds: Vec<Feed>,
}

/// What is known of one enterprise.
#[derive(Default)]
struct Folder {
    records: Vec<(Filed, bool)>,
    statuses: Vec<NonconformityStatus>,
}

/// A nonconformity that has not been withdrawn.
pub(super) fn is_open_case(stored: &StoredRecord) -> bool {
    stored.attributes.kind == Kind::Nonconformity && !stored.attributes.withdrawn
}

pub(super) fn basis(moment: Moment, state: FeedState, recorded: Recorded) -> AnswerBasis {
    AnswerBasis {
        position: moment.position,
        complete_to: state.complete_to,
        stale: state.stale,
        evidence_index: recorded.evidence_index,
        purpose_salt: recorded.purpose_salt,
    }
}

pub(super) fn check_length(asking: &Asking) -> Result<(), Refused> {
    let length = asking.purpose.chars().count();
    if length <= MAX_PURPOSE {
        return Ok(());
    }
    Err(Refused::field(
        "purpose",
        "TOO_LONG",
        format!("用途说明{length}个字符，超过上限{MAX_PURPOSE}"),
        format!("{length} characters, at most {MAX_PURPOSE}"),
    ))
}

/// Data is shared for a statutory duty and no other purpose (Decree 809): where a feed asks for the purpose, none is no answer.
pub(super) fn check_purpose(required: bool, asking: &Asking) -> Result<(), Refused> {
    if !required || !asking.purpose.trim().is_empty() {
        return Ok(());
    }
    Err(Refused::field(
        "purpose",
        "PURPOSE_REQUIRED",
        "须说明用途：所查数据只能用于法定职责",
        "state the purpose: this data is shared for a statutory duty alone",
    ))
}

pub(super) fn unknown_record(id: &RecordId) -> Refused {
    Refused::new(
        Class::NotFound,
        "UNKNOWN_RECORD",
        format!("没有可向本单位提供的记录 {id}；请核对编号、修订号和时点"),
        format!("no record {id} that may be shown to you; check id, revision and moment"),
    )
}
