//! Listing records page by page. All pages of a listing together are one answer, from the moment of the first.

use super::{
    Caller, Refused,
    disclosure::Disclosure,
    moment::Asking,
    paging::Page,
    pull::{MAX_BYTES, PullDesk, basis, check_length, check_purpose, is_open_case},
    reader::Rights,
};
use crate::{
    domain::{
        credit_code::CreditCode, draft::StoredRecord, enterprise_file::Shown, evidence::ActKind, feeds::Feed, grants::Action,
        ids::ParticipantId, records::Kind, screening::AnswerBasis,
    },
    store::RecordQuery,
};

/// Most records of one page, and the number when none is asked for.
pub const MAX_PAGE: usize = 1_000;
/// Records of a page when no size is asked for.
pub const DEFAULT_PAGE: usize = 100;

/// What is listed; every given field must match.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Feed; `None` = every feed granted.
    pub feed: Option<Feed>,
    /// Kind.
    pub kind: Option<Kind>,
    /// Enterprise.
    pub credit_code: Option<CreditCode>,
    /// Publisher.
    pub publisher: Option<ParticipantId>,
    /// Records of a page; 0 = the default.
    pub page_size: usize,
    /// From the page before; empty = the first page.
    pub page_token: String,
}

/// A page of a listing.
#[derive(Debug, Clone)]
pub struct PageAnswer {
    /// In ledger order.
    pub records: Vec<Shown>,
    /// Empty when there are no more.
    pub next_page_token: String,
    /// How far it is good.
    pub basis: AnswerBasis,
}

impl PullDesk {
    /// A page of records in ledger order of their revisions in force.
    ///
    /// # Errors
    /// Without a permit, without the purpose a feed asks for, or with a token of another question.
    pub async fn list(&self, caller: &Caller, listing: &Listing, asking: &Asking) -> Result<PageAnswer, Refused> {
        check_length(asking)?;
        let size = page_size(listing.page_size)?;
        let rights = self.reader.rights(caller, Action::Read, &feeds_of(listing)?)?;
        check_purpose(rights.ask_for_a_purpose(), asking)?;
        let question = question(caller, listing);
        let question: Vec<&str> = question.iter().map(String::as_str).collect();
        let ledger = self.reader.store.identity();
        let page = if listing.page_token.is_empty() {
            Page { moment: self.reader.moment(asking).await?, after: 0 }
        } else {
            Page::read(&listing.page_token, &question, ledger)?
        };
        let (records, next) = self.scan(&rights, listing, page, size).await?;
        let feeds = rights.feeds();
        let regions = [listing.credit_code.and_then(|code| code.region())];
        let state = self.freshness.at(page.moment).await?.together(&feeds, &regions);
        let disclosure = Disclosure {
            feeds,
            revisions: records.iter().map(|shown| (shown.stored.position, shown.stored.digest)).collect(),
            subjects: listing.credit_code.iter().map(ToString::to_string).collect(),
            purpose: asking.purpose.clone(),
            counts: vec![("records", records.len() as u64), ("as_of", page.moment.position)],
        };
        let recorded = self.log.record(ActKind::Pull, caller, disclosure).await?;
        let next_page_token = next.map(|next| next.token(&question, ledger)).unwrap_or_default();
        Ok(PageAnswer { records, next_page_token, basis: basis(page.moment, state, recorded) })
    }

    /// Reads on until the page is full or there is no more, leaving out what may not be shown.
    async fn scan(
        &self,
        rights: &Rights,
        listing: &Listing,
        mut page: Page,
        size: usize,
    ) -> Result<(Vec<Shown>, Option<Page>), Refused> {
        let query = RecordQuery {
            feeds: rights.feeds(),
            kind: listing.kind,
            credit_code: listing.credit_code,
            publisher: listing.publisher.clone(),
            without_code: false,
        };
        let mut shown: Vec<Shown> = Vec::new();
        let mut bytes = 0;
        loop {
            let found = self.reader.store.list(&query, page.moment.position, page.after, size).await?;
            let last = found.len() < size;
            let hidden: Vec<&StoredRecord> =
                found.iter().filter(|stored| is_open_case(stored) && !rights.admit(stored, None)).collect();
            let standings = self.reader.standings(&hidden, page.moment.position).await?;
            for stored in found {
                bytes += stored.sections.len();
                if shown.len() >= size || (bytes > MAX_BYTES && !shown.is_empty()) {
                    return Ok((shown, Some(page)));
                }
                page.after = stored.position;
                if rights.admit(&stored, standings.by_record.get(&stored.record_id)) {
                    shown.push(Shown { restricted: rights.show_restricted(&stored), stored });
                }
            }
            if last {
                return Ok((shown, None));
            }
            if shown.len() >= size {
                return Ok((shown, Some(page)));
            }
        }
    }
}

fn feeds_of(listing: &Listing) -> Result<Vec<Feed>, Refused> {
    match (listing.feed, listing.kind.map(Kind::feed)) {
        (Some(feed), Some(of_kind)) if feed != of_kind => Err(Refused::field(
            "kind",
            "KIND_NOT_IN_FEED",
            format!("该类记录属于 {}，不属于 {}", of_kind.name(), feed.name()),
            format!("records of that kind are in {}, not in {}", of_kind.name(), feed.name()),
        )),
        (Some(feed), _) | (None, Some(feed)) => Ok(vec![feed]),
        (None, None) => Ok(Feed::ALL.to_vec()),
    }
}

fn page_size(asked: usize) -> Result<usize, Refused> {
    match asked {
        0 => Ok(DEFAULT_PAGE),
        1..=MAX_PAGE => Ok(asked),
        _ => Err(Refused::field(
            "page_size",
            "TOO_LARGE",
            format!("每页1至{MAX_PAGE}条，现为{asked}"),
            format!("1 to {MAX_PAGE} records a page, asked for {asked}"),
        )),
    }
}

/// What a page token is bound to. The size of a page may change from page to page.
fn question(caller: &Caller, listing: &Listing) -> [String; 5] {
    [
        caller.participant().to_string(),
        listing.feed.map(Feed::name).unwrap_or_default().to_owned(),
        listing.kind.map(Kind::token).unwrap_or_default().to_owned(),
        listing.credit_code.map(|code| code.to_string()).unwrap_or_default(),
        listing.publisher.as_ref().map(ToString::to_string).unwrap_or_default(),
    ]
}
