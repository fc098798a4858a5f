//! Both lists of export control (domain.md §2), of opposite polarity: what may not leave (deny) and who may export to foreign
//! standards (allow), as they stood at one moment; and what the gateway signs about such a snapshot.
//!
//! What is signed is the content, cell by cell, not a file: whatever form a snapshot is saved in, the same cells have the same digest.

use std::fmt::Write as _;

use super::{
    credit_code::CreditCode,
    dates::CivilDate,
    digest::{Digest, hex, sha256, unhex},
    draft::StoredRecord,
    enterprise_file::{NonconformityStatus, bars_goods, is_valid_on},
    ids::{Micros, ParticipantId, Position},
    life_cycle::State,
    products::ProductKind,
    records::{ExportQualification, Nonconformity, Token as _, TrackScope, tokens},
    regions::Region,
};

tokens! {
    /// One of the two lists.
    pub enum ListName {
        Deny = "deny", "不合格产品名单";
        Allow = "allow", "出口资质名单";
    }
}

tokens! {
    /// How far what stands on the deny-list reaches; the narrowest first.
    pub enum Reach {
        BrandAndBatch = "brand_and_batch", "该商标该批次";
        Batch = "batch", "该批次";
        Product = "product", "该企业同种产品";
        Enterprise = "enterprise", "该企业";
    }
}

/// A column: token for programs, name for people.
pub type Column = (&'static str, &'static str);

const DENY: [Column; 20] = [
    ("record_id", "记录编号"),
    ("revision", "版次"),
    ("position", "位置"),
    ("credit_code", "统一社会信用代码"),
    ("producer", "生产者"),
    ("attribution", "归属"),
    ("region", "地区"),
    ("product", "产品"),
    ("product_kind", "品种"),
    ("brand", "商标"),
    ("model", "型号"),
    ("specification", "规格"),
    ("batch", "批号"),
    ("produced_on", "生产日期"),
    ("failed_items", "不合格项目"),
    ("state", "状态"),
    ("reach", "范围"),
    ("open_tracks", "未结措施"),
    ("published_on", "公布日期"),
    ("counts_for_regime", "计入公告管制"),
];

const ALLOW: [Column; 12] = [
    ("record_id", "记录编号"),
    ("revision", "版次"),
    ("position", "位置"),
    ("credit_code", "统一社会信用代码"),
    ("enterprise", "企业"),
    ("region", "地区"),
    ("certificate", "证书或注册号"),
    ("certifier", "发证机构"),
    ("scheme", "标准或制度"),
    ("product_kinds", "产品范围"),
    ("countries", "国家"),
    ("validity", "有效期"),
];

impl ListName {
    /// Its columns.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Deny => &DENY,
            Self::Allow => &ALLOW,
        }
    }
}

/// How far a nonconformity holds goods where it stands now, by the table of domain.md §5; `None` = it holds nothing: not told yet,
/// overturned. Open sealings, seizures and transfers reach as far as their scope, whatever the state.
#[must_use]
pub fn reach(status: &NonconformityStatus) -> Option<Reach> {
    let of_state = match status.standing.state {
        State::Detected | State::Overturned => None,
        State::Disowned => Some(Reach::BrandAndBatch),
        State::Cleared => Some(Reach::Batch),
        State::Suspended | State::Revoked => Some(Reach::Enterprise),
        State::Notified
        | State::Disputed
        | State::Confirmed
        | State::Ordered
        | State::Ceased
        | State::Rechecking
        | State::RecheckFailed => Some(Reach::Product),
    };
    let tracks = status.standing.open_tracks.iter().filter(|(track, _)| bars_goods(*track)).map(|(_, scope)| match scope {
        TrackScope::Batch => Reach::Batch,
        TrackScope::Product => Reach::Product,
        TrackScope::Enterprise => Reach::Enterprise,
    });
    of_state.into_iter().chain(tracks).max()
}

/// A row of the deny-list; `None` when the nonconformity holds nothing. `code`: that of the producer, stated, decided or resolved.
#[must_use]
pub fn deny_row(
    stored: &StoredRecord,
    matter: &Nonconformity,
    status: &NonconformityStatus,
    code: Option<CreditCode>,
) -> Option<Vec<String>> {
    let reach = reach(status)?;
    let counts =
        matter.published_on.is_some() && !matches!(status.standing.state, State::Detected | State::Notified | State::Disputed);
    let tracks: Vec<String> =
        status.standing.open_tracks.iter().map(|(track, scope)| format!("{}:{}", track.token(), scope.token())).collect();
    let failed: Vec<&str> = matter.items.iter().filter(|item| item.failed).map(|item| item.item.token()).collect();
    Some(vec![
        stored.record_id.to_string(),
        stored.revision.to_string(),
        stored.position.to_string(),
        code_text(code),
        cell(&matter.producer.name),
        matter.attribution.token().to_owned(),
        region_text(stored.attributes.region),
        cell(&matter.product_name),
        matter.product_kind.as_ref().map(|kind| cell(kind.token())).unwrap_or_default(),
        cell(&matter.brand),
        cell(&matter.model),
        cell(&matter.specification),
        cell(&matter.batch),
        date_text(matter.produced_on),
        cell(&failed.join("; ")),
        status.standing.state.token().to_owned(),
        reach.token().to_owned(),
        tracks.join("; "),
        date_text(matter.published_on),
        if counts { "yes" } else { "no" }.to_owned(),
    ])
}

/// A row of the allow-list; `None` when the qualification is not valid on the day.
#[must_use]
pub fn allow_row(stored: &StoredRecord, matter: &ExportQualification, day: CivilDate) -> Option<Vec<String>> {
    if !is_valid_on(matter.valid_from, matter.valid_to, day) {
        return None;
    }
    let kinds: Vec<&str> = matter.product_kinds.iter().map(ProductKind::token).collect();
    Some(vec![
        stored.record_id.to_string(),
        stored.revision.to_string(),
        stored.position.to_string(),
        code_text(matter.enterprise.credit_code),
        cell(&matter.enterprise.name),
        region_text(stored.attributes.region),
        cell(&matter.certificate_number),
        cell(&matter.certifier),
        cell(&matter.scheme),
        cell(&kinds.join("; ")),
        cell(&matter.countries.join("; ")),
        format!("{}..{}", matter.valid_from, date_text(matter.valid_to)),
    ])
}

fn code_text(code: Option<CreditCode>) -> String {
    code.map(|code| code.to_string()).unwrap_or_default()
}

fn region_text(region: Option<Region>) -> String {
    region.map(Region::code).unwrap_or_default()
}

fn date_text(date: Option<CivilDate>) -> String {
    date.map(|date| date.to_string()).unwrap_or_default()
}

/// Digest of a table: over the digests of its rows, that of the column tokens first. A row's cells go in with their lengths, so that
/// none runs into the next.
#[must_use]
pub fn digest_of(columns: &[String], rows: &[Vec<String>]) -> Digest {
    let digests: Vec<u8> = std::iter::once(columns).chain(rows.iter().map(Vec::as_slice)).flat_map(row_digest).collect();
    sha256(&[b"tongbao/list/v1", &digests])
}

fn row_digest(cells: &[String]) -> Digest {
    let lengths: Vec<[u8; 8]> = cells.iter().map(|cell| (cell.len() as u64).to_be_bytes()).collect();
    let parts: Vec<&[u8]> = lengths.iter().zip(cells).flat_map(|(length, cell)| [length.as_slice(), cell.as_bytes()]).collect();
    sha256(&parts)
}

/// A cell as a table holds it: without white space around it, which files do not keep.
fn cell(text: &str) -> String {
    text.trim().to_owned()
}

/// Up to when one publisher attested a feed for a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestedTo {
    /// Feed.
    pub feed: String,
    /// Who.
    pub publisher: ParticipantId,
    /// Region code; `-` = nationwide.
    pub region: String,
    /// Complete to; 0 = never attested.
    pub complete_to: Micros,
    /// Older than the feed's limit.
    pub stale: bool,
}

/// What the gateway says of a snapshot, and signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListStatement {
    /// Name of the log whose key signs.
    pub origin: String,
    /// Which list.
    pub list: ListName,
    /// Taken at this position.
    pub position: Position,
    /// The moment it speaks of.
    pub at: Micros,
    /// Rows.
    pub rows: u64,
    /// Digest of columns and rows.
    pub digest: Digest,
    /// Evidence entry of the disclosure; it names the digest too.
    pub evidence_index: u64,
    /// To whom it was given.
    pub recipient: ParticipantId,
    /// Version of the dated regimes.
    pub regime_version: String,
    /// A regime is in force at that moment.
    pub regime_in_force: bool,
    /// How far the feed of the list is complete, by publisher and region.
    pub attested: Vec<AttestedTo>,
}

/// First line of the text: what it is, so that it can be taken for nothing else that the key signs.
const FORM: &str = "tongbao-list/v1";

/// A text that is no statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a statement about a list: {0}")]
pub struct NotAStatement(&'static str);

impl ListStatement {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let in_force = if self.regime_in_force { "in-force" } else { "not-in-force" };
        let mut text = format!(
            "{FORM}\nlog {}\nlist {}\nposition {}\nat_us {}\nrows {}\nsha256 {}\nevidence {}\nrecipient {}\nregime {} {in_force}\n",
            self.origin,
            self.list.token(),
            self.position,
            self.at,
            self.rows,
            hex(&self.digest),
            self.evidence_index,
            self.recipient,
            self.regime_version,
        );
        for one in &self.attested {
            let stale = if one.stale { "stale" } else { "fresh" };
            let _ = writeln!(text, "complete {} {} {} {} {stale}", one.feed, one.publisher, one.region, one.complete_to);
        }
        text
    }

    /// Reads the text.
    ///
    /// # Errors
    /// Unless it is the very text of a statement.
    pub fn parse(text: &str) -> Result<Self, NotAStatement> {
        let mut lines = text.lines();
        if lines.next() != Some(FORM) {
            return Err(NotAStatement("another form"));
        }
        let mut value = |name: &'static str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.ok_or(NotAStatement("a line is missing"))
        };
        let number = |text: &str| text.parse::<u64>().map_err(|_| NotAStatement("a number"));
        let origin = value("log")?.to_owned();
        let list = ListName::parse(value("list")?).ok_or(NotAStatement("which list"))?;
        let position = number(value("position")?)?;
        let at = value("at_us")?.parse().map_err(|_| NotAStatement("a time"))?;
        let rows = number(value("rows")?)?;
        let digest = unhex(value("sha256")?).and_then(|bytes| bytes.try_into().ok()).ok_or(NotAStatement("a digest"))?;
        let evidence_index = number(value("evidence")?)?;
        let recipient = ParticipantId::parse(value("recipient")?).map_err(|_| NotAStatement("a recipient"))?;
        let (regime_version, in_force) = value("regime")?.rsplit_once(' ').ok_or(NotAStatement("a regime"))?;
        let (regime_version, regime_in_force) = (regime_version.to_owned(), in_force == "in-force");
        let attested = lines.map(attested).collect::<Option<Vec<_>>>().ok_or(NotAStatement("a line of completeness"))?;
        let read = Self {
            origin,
            list,
            position,
            at,
            rows,
            digest,
            evidence_index,
            recipient,
            regime_version,
            regime_in_force,
            attested,
        };
        if read.text() == text { Ok(read) } else { Err(NotAStatement("its text is not canonical")) }
    }
}

fn attested(line: &str) -> Option<AttestedTo> {
    let mut words = line.strip_prefix("complete ")?.split(' ');
    let mut word = || words.next();
    Some(AttestedTo {
        feed: word()?.to_owned(),
        publisher: ParticipantId::parse(word()?).ok()?,
        region: word()?.to_owned(),
        complete_to: word()?.parse().ok()?,
        stale: word()? == "stale",
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        enterprise_file::tests::filed,
        flow::Flow,
        ids::RecordId,
        life_cycle::Standing,
        records::{Matter, TrackKind, examples},
    };

    fn status(state: State, open: Option<(TrackKind, TrackScope)>) -> NonconformityStatus {
        let mut standing = Standing::begin(state);
        standing.open_tracks.extend(open);
        let record_id = RecordId::parse("amr-330000/1").expect("an id");
        NonconformityStatus { record_id, standing, since: 1, dropped: false, flow: Flow::default() }
    }

    #[test]
    fn the_reach_is_that_of_the_table_of_states() {
        let expected = [
            (State::Detected, None),
            (State::Notified, Some(Reach::Product)),
            (State::Disputed, Some(Reach::Product)),
            (State::Confirmed, Some(Reach::Product)),
            (State::Ordered, Some(Reach::Product)),
            (State::Ceased, Some(Reach::Product)),
            (State::Rechecking, Some(Reach::Product)),
            (State::RecheckFailed, Some(Reach::Product)),
            (State::Suspended, Some(Reach::Enterprise)),
            (State::Revoked, Some(Reach::Enterprise)),
            (State::Cleared, Some(Reach::Batch)),
            (State::Overturned, None),
            (State::Disowned, Some(Reach::BrandAndBatch)),
        ];
        for (state, reaches) in expected {
            assert_eq!(reach(&status(state, None)), reaches, "{state:?}");
        }
        let sealed = Some((TrackKind::Sealing, TrackScope::Product));
        assert_eq!(reach(&status(State::Cleared, sealed)), Some(Reach::Product));
        assert_eq!(reach(&status(State::Overturned, sealed)), Some(Reach::Product));
        let followed = Some((TrackKind::FollowUp, TrackScope::Enterprise));
        assert_eq!(reach(&status(State::Overturned, followed)), None);
    }

    #[test]
    fn the_allow_list_is_of_a_day() {
        let matter = examples::qualification(1);
        let stored = filed(1, Matter::ExportQualification(Box::new(matter.clone()))).stored;
        let row = allow_row(&stored, &matter, matter.valid_from).expect("valid");
        assert_eq!(row.len(), ALLOW.len());
        let before = CivilDate::day(2000, 1, 1).expect("a day");
        assert_eq!(allow_row(&stored, &matter, before), None);
        let row = deny_row(&stored, &examples::nonconformity(1), &status(State::Confirmed, None), None).expect("holds");
        assert_eq!(row.len(), DENY.len());
    }

    #[test]
    fn cells_do_not_run_into_each_other() {
        let columns = || vec!["a".to_owned(), "b".to_owned()];
        let row = |one: &str, two: &str| vec![one.to_owned(), two.to_owned()];
        assert_ne!(digest_of(&columns(), &[row("xy", "z")]), digest_of(&columns(), &[row("x", "yz")]));
        assert_ne!(digest_of(&columns(), &[row("", "")]), digest_of(&columns(), &[]));
        assert_ne!(digest_of(&["a".into()], &[vec!["b".into()]]), digest_of(&columns(), &[]));
    }

    proptest! {
        #[test]
        fn every_statement_survives_its_text(
            numbers in any::<(u64, i64, u64, u64, [u8; 32])>(),
            attested in proptest::collection::vec((any::<i64>(), any::<bool>()), 0..4),
            flags in any::<(bool, bool)>(),
        ) {
            let statement = ListStatement {
                origin: "tongbao/00ff".to_owned(),
                list: if flags.0 { ListName::Deny } else { ListName::Allow },
                position: numbers.0,
                at: numbers.1,
                rows: numbers.2,
                digest: numbers.4,
                evidence_index: numbers.3,
                recipient: ParticipantId::parse("gacc").expect("a participant"),
                regime_version: "announcement-12-2020:2020-04-26..".to_owned(),
                regime_in_force: flags.1,
                attested: attested
                    .into_iter()
                    .map(|(complete_to, stale)| AttestedTo {
                        feed: "failed-products".to_owned(),
                        publisher: ParticipantId::parse("amr-330000").expect("a participant"),
                        region: "-".to_owned(),
                        complete_to,
                        stale,
                    })
                    .collect(),
            };
            let text = statement.text();
            prop_assert_eq!(ListStatement::parse(&text), Ok(statement));
            let longer = format!("{text}more\n");
            prop_assert!(ListStatement::parse(&longer).is_err());
            prop_assert!(ListStatement::parse(text.trim_end()).is_err());
        }
    }
}
