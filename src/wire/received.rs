//! Records as clients receive them: verified against their digests and read back into values.

use super::content::{self, Encoding};
use crate::{
    domain::{
        credit_code::CreditCode,
        digest::Digest,
        draft::{MatchedKey, Provenance, Resolution, SealedSection, record_digest},
        feeds::SectionName,
        ids::{Micros, ParticipantId, Position, RecordId, Revision},
        records::{Content, Kind},
        violation::Findings,
    },
    proto,
};

/// A record that was handed out, verified and read.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// Its id.
    pub record_id: RecordId,
    /// Its revision.
    pub revision: Revision,
    /// Place in the ledger.
    pub position: Position,
    /// Commit time.
    pub committed_at: Micros,
    /// Who published this revision.
    pub publisher: ParticipantId,
    /// What it says. What is restricted is empty where it was withheld.
    pub content: Content,
    /// True when there is a restricted section that this recipient may not read.
    pub restricted_withheld: bool,
    /// Where the publisher read it.
    pub provenance: Option<Provenance>,
    /// How the producer's name was resolved.
    pub resolution: Option<Resolution>,
    /// Digest that evidence refers to.
    pub digest: Digest,
}

/// A record that was handed out and cannot be used: damaged on the way, altered, or of a newer protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the record `{record_id}` at position {position} cannot be read: {why}")]
pub struct Unreadable {
    /// Its id as received.
    pub record_id: String,
    /// Its position as received.
    pub position: Position,
    /// Why, naming the field.
    pub why: String,
}

/// Verifies a received record against its digests and reads its content.
///
/// # Errors
/// When a digest does not fit, or the envelope or the content cannot be read.
pub fn received(record: &proto::Record) -> Result<Received, Unreadable> {
    let fail =
        |why: String| Unreadable { record_id: record.record_id.chars().take(200).collect(), position: record.position, why };
    let record_id = RecordId::parse(&record.record_id).map_err(|error| fail(error.to_string()))?;
    let publisher = ParticipantId::parse(&record.publisher).map_err(|error| fail(error.to_string()))?;
    let kind = u8::try_from(record.kind).ok().and_then(Kind::from_number);
    let kind = kind.ok_or_else(|| fail(format!("kind {} is not known to this program", record.kind)))?;
    let opened = open(record).map_err(fail)?;
    let digest = record_digest(record_id.as_str(), record.revision, kind, &opened.open_digest, &opened.restricted_digest);
    if digest != *record.digest {
        return Err(fail("its digest does not fit its content".to_owned()));
    }
    let mut findings = Findings::default();
    let restricted = opened.restricted.as_ref().map(|section| &section.content);
    let content = content::read(kind, Encoding::AsVerified, &opened.open.content, restricted, &mut findings);
    let content = match (content, findings.violations.first()) {
        (Some(content), None) => content,
        (_, Some(first)) => return Err(fail(format!("{}: {}", first.field, first.text.en))),
        (None, None) => return Err(fail("its content does not decode".to_owned())),
    };
    let resolution = record.resolution.as_ref().map(read_resolution).transpose().map_err(fail)?;
    Ok(Received {
        record_id,
        revision: record.revision,
        position: record.position,
        committed_at: record.committed_at_us,
        publisher,
        content,
        restricted_withheld: opened.restricted.is_none() && opened.restricted_digest != [0; 32],
        provenance: record.provenance.as_ref().map(read_provenance),
        resolution,
        digest,
    })
}

/// Sections with verified digests.
struct Opened {
    open: SealedSection,
    open_digest: Digest,
    restricted: Option<SealedSection>,
    /// 32 zero bytes where there is no restricted section.
    restricted_digest: Digest,
}

fn open(record: &proto::Record) -> Result<Opened, String> {
    let (mut open, mut restricted) = (None, (None, [0; 32]));
    for section in &record.sections {
        match section.name() {
            proto::SectionName::Open => open = Some(verified(SectionName::Open, section)?),
            proto::SectionName::Restricted => restricted = verified(SectionName::Restricted, section)?,
            proto::SectionName::Unspecified => return Err("it has a section that this program does not know".to_owned()),
        }
    }
    match open {
        Some((Some(open), open_digest)) => {
            Ok(Opened { open, open_digest, restricted: restricted.0, restricted_digest: restricted.1 })
        }
        _ => Err("it has no open section".to_owned()),
    }
}

fn verified(name: SectionName, section: &proto::Section) -> Result<(Option<SealedSection>, Digest), String> {
    let said = Digest::try_from(section.digest.as_ref()).map_err(|_| "a section has no digest of 32 bytes".to_owned())?;
    if section.content.is_empty() && section.salt.is_empty() {
        return Ok((None, said));
    }
    let salt = <[u8; 16]>::try_from(section.salt.as_ref()).map_err(|_| "a section has no salt of 16 bytes".to_owned())?;
    let sealed = SealedSection { content: section.content.clone(), salt };
    if sealed.digest(name) != said {
        return Err("the digest of a section does not fit its content".to_owned());
    }
    Ok((Some(sealed), said))
}

fn read_resolution(resolution: &proto::Resolution) -> Result<Resolution, String> {
    Ok(Resolution {
        credit_code: CreditCode::parse(&resolution.credit_code).map_err(|error| error.to_string())?,
        survey_record_id: RecordId::parse(&resolution.survey_record_id).map_err(|error| error.to_string())?,
        survey_position: resolution.survey_position,
        matched_key: match resolution.matched_key.as_str() {
            "strict" => MatchedKey::Strict,
            "form" => MatchedKey::Form,
            other => return Err(format!("the key `{other}` of its resolution is not known")),
        },
    })
}

fn read_provenance(provenance: &proto::Provenance) -> Provenance {
    Provenance {
        file_name: provenance.file_name.clone(),
        file_digest: provenance.file_digest.to_vec(),
        sheet: provenance.sheet.clone(),
        row: provenance.row,
    }
}
