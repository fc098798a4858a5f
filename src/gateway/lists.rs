//! Handing out a whole list as it stands at a moment: gathered, recorded with the digest of its cells, signed, and only then sent.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::{
    Caller, Class, Refused,
    committer::Committer,
    disclosure::{Disclosure, DisclosureLog},
    feeds::{CompletenessOverview, completeness_of},
    freshness::Freshness,
    moment::{Asking, Moment},
    pull::{basis, check_length, check_purpose, is_open_case},
    reader::{Reader, Rights},
};
use crate::{
    domain::{
        dates::CivilDate,
        digest::{Digest, hex},
        draft::StoredRecord,
        evidence::{ActKind, CheckpointSigner},
        feeds::Feed,
        grants::Action,
        ids::Position,
        lists::{AttestedTo, ListName, ListStatement, allow_row, deny_row, digest_of},
        records::{Kind, Matter, Token as _},
        regions::Region,
        screening::{AnswerBasis, FreshnessPolicy, RegimeRow, ScreeningPolicy},
    },
    store::RecordQuery,
};

/// Records read at once.
const PAGE: usize = 1_000;
/// Lists that are put together beside each other: each is held whole until it is signed.
const AT_ONCE: usize = 2;

/// A list on its way out, recorded and signed.
#[derive(Debug, Clone)]
pub struct ExportedList {
    /// Which.
    pub list: ListName,
    /// Rows, by position.
    pub rows: Vec<Vec<String>>,
    /// What the gateway says of it, as it was signed.
    pub statement: ListStatement,
    /// The signed note.
    pub note: String,
    /// The key that verifies it.
    pub verifier_key: String,
    /// How far it is good.
    pub basis: AnswerBasis,
    /// Rows of the regime.
    pub regimes: Vec<RegimeRow>,
    /// How far its feed is complete, by publisher and region.
    pub completeness: Vec<CompletenessOverview>,
}

/// Hands out lists.
pub struct ListDesk {
    reader: Reader,
    freshness: Freshness,
    log: DisclosureLog,
    signer: Arc<CheckpointSigner>,
    policy: Arc<ArcSwap<ScreeningPolicy>>,
    places: Semaphore,
}

/// Rows, and the revisions they come from.
#[derive(Default)]
struct Gathered {
    rows: Vec<Vec<String>>,
    revisions: Vec<(Position, Digest)>,
}

impl Gathered {
    fn add<'a>(&mut self, row: Vec<String>, revisions: impl IntoIterator<Item = &'a StoredRecord>) {
        self.rows.push(row);
        self.revisions.extend(revisions.into_iter().map(|stored| (stored.position, stored.digest)));
    }
}

impl ListDesk {
    /// A desk that reads through `reader`, records through `committer` and signs with the key of the evidence log.
    pub fn new(
        reader: Reader,
        committer: Committer,
        signer: Arc<CheckpointSigner>,
        policy: Arc<ArcSwap<ScreeningPolicy>>,
    ) -> Self {
        let freshness = Freshness { store: reader.store.clone(), register: reader.register.clone() };
        let log = DisclosureLog { committer, world: reader.world.clone() };
        Self { reader, freshness, log, signer, policy, places: Semaphore::new(AT_ONCE) }
    }

    /// The whole list at the moment asked for.
    ///
    /// # Errors
    /// Without a permit for its feed, without the purpose where the feed asks for one, at a moment still to come, or when it cannot be
    /// recorded or signed.
    pub async fn export(&self, caller: &Caller, list: ListName, asking: &Asking) -> Result<ExportedList, Refused> {
        check_length(asking)?;
        let feed = match list {
            ListName::Deny => Feed::FailedProducts,
            ListName::Allow => Feed::ExportQualifications,
        };
        let rights = self.reader.rights(caller, Action::Read, &[feed])?;
        check_purpose(rights.ask_for_a_purpose(), asking)?;
        // It is never closed: waiting cannot fail.
        let _place = self.places.acquire().await;
        let moment = self.reader.moment(asking).await?;
        let day = CivilDate::of_instant(moment.at);
        let gathered = match list {
            ListName::Deny => self.deny(&rights, moment).await?,
            ListName::Allow => self.allow(&rights, moment, day).await?,
        };
        let columns: Vec<String> = list.columns().iter().map(|(token, _)| (*token).to_owned()).collect();
        let digest = digest_of(&columns, &gathered.rows);
        let state = self.freshness.at(moment).await?.together(&[feed], &[None]);
        let completeness = self.completeness(feed, moment).await?;
        let disclosure = Disclosure {
            feeds: vec![feed],
            revisions: gathered.revisions,
            subjects: vec![format!("list:{}", list.token()), format!("sha256:{}", hex(&digest))],
            purpose: asking.purpose.clone(),
            counts: vec![("rows", gathered.rows.len() as u64), ("as_of", moment.position)],
        };
        let recorded = self.log.record(ActKind::Pull, caller, disclosure).await?;
        let policy = self.policy.load();
        let statement = ListStatement {
            origin: self.signer.origin().to_owned(),
            list,
            position: moment.position,
            at: moment.at,
            rows: gathered.rows.len() as u64,
            digest,
            evidence_index: recorded.evidence_index,
            recipient: caller.participant().clone(),
            regime_version: policy.regimes.version().to_owned(),
            regime_in_force: policy.regimes.in_force(day),
            attested: completeness.iter().map(|one| attested_to(feed, one)).collect(),
        };
        let note = self.signer.sign_statement(&statement.text()).map_err(|error| cannot_sign(&error))?;
        Ok(ExportedList {
            list,
            rows: gathered.rows,
            note: note.to_string(),
            verifier_key: self.signer.verifier().to_string(),
            basis: basis(moment, state, recorded),
            regimes: policy.regimes.rows().to_vec(),
            statement,
            completeness,
        })
    }

    async fn deny(&self, rights: &Rights, moment: Moment) -> Result<Gathered, Refused> {
        let mut gathered = Gathered::default();
        let mut after = 0;
        loop {
            let page = self.page(Feed::FailedProducts, Kind::Nonconformity, moment, after).await?;
            let open: Vec<&StoredRecord> = page.iter().filter(|stored| is_open_case(stored)).collect();
            let standings = self.reader.standings(&open, moment.position).await?;
            for stored in &open {
                let Some(status) = standings.by_record.get(&stored.record_id) else { continue };
                if !rights.admit(stored, Some(status)) {
                    continue;
                }
                let Matter::Nonconformity(matter) = self.reader.decode(stored)?.matter else { continue };
                let shown = rights.shown(stored, status);
                let of_decision = standings.decisions.get(&stored.record_id).map(|decision| &decision.stored);
                if let Some(row) = deny_row(stored, &matter, &shown, standings.code_of(stored)) {
                    gathered.add(row, std::iter::once(*stored).chain(of_decision));
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = last.position,
                _ => return Ok(gathered),
            }
        }
    }

    async fn allow(&self, rights: &Rights, moment: Moment, day: CivilDate) -> Result<Gathered, Refused> {
        let mut gathered = Gathered::default();
        let mut after = 0;
        loop {
            let page = self.page(Feed::ExportQualifications, Kind::ExportQualification, moment, after).await?;
            for stored in page.iter().filter(|stored| !stored.attributes.withdrawn && rights.admit(stored, None)) {
                let Matter::ExportQualification(matter) = self.reader.decode(stored)?.matter else { continue };
                if let Some(row) = allow_row(stored, &matter, day) {
                    gathered.add(row, [stored]);
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = last.position,
                _ => return Ok(gathered),
            }
        }
    }

    async fn page(&self, feed: Feed, kind: Kind, moment: Moment, after: Position) -> Result<Vec<StoredRecord>, Refused> {
        let query = RecordQuery { feeds: vec![feed], kind: Some(kind), ..RecordQuery::default() };
        Ok(self.reader.store.list(&query, moment.position, after, PAGE).await?)
    }

    async fn completeness(&self, feed: Feed, moment: Moment) -> Result<Vec<CompletenessOverview>, Refused> {
        let policy = FreshnessPolicy::of(&self.reader.register.load());
        let attestations = self.reader.store.attestations().await?;
        Ok(completeness_of(feed, &policy, &attestations, moment.at))
    }
}

fn attested_to(feed: Feed, one: &CompletenessOverview) -> AttestedTo {
    AttestedTo {
        feed: feed.name().to_owned(),
        publisher: one.publisher.clone(),
        region: one.region.map_or_else(|| "-".to_owned(), Region::code),
        complete_to: one.complete_to,
        stale: one.stale,
    }
}

fn cannot_sign(error: &dyn std::fmt::Display) -> Refused {
    Refused::new(Class::Internal, "CANNOT_SIGN", format!("名单无法签名：{error}"), format!("the list cannot be signed: {error}"))
}
