//! Envelopes on their way out: records to publish, and records as the gateway hands them out.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use super::content::seal;
use crate::{
    domain::{
        draft::{MatchedKey, Provenance, Resolution, SealedSection, StoredRecord},
        feeds::SectionName,
        ids::{RecordId, Revision},
        records::{Content, Kind},
    },
    proto,
};

/// Contents smaller than this are copied.
const LARGE_BYTES: usize = 128;

/// A record as its publisher sends it.
pub fn publishable(
    record_id: &RecordId,
    revision: Option<Revision>,
    content: &Content,
    provenance: Option<&Provenance>,
) -> proto::Record {
    let kind = content.matter.kind();
    proto::Record {
        record_id: record_id.as_str().to_owned(),
        revision: revision.unwrap_or(0),
        feed: kind.feed().name().to_owned(),
        kind: i32::from(kind.number()),
        sections: seal(content),
        provenance: provenance.map(write_provenance),
        ..proto::Record::default()
    }
}

/// A stored revision as the gateway hands it out. A restricted section that is not shown is replaced by its digest, so that the
/// record's digest can still be verified.
pub fn record(stored: &StoredRecord, show_restricted: bool) -> proto::Record {
    let kind: Kind = stored.attributes.kind;
    let open = shown(SectionName::Open, &stored.sections.open);
    let restricted = stored.sections.restricted.as_ref().map(|section| {
        if show_restricted { shown(SectionName::Restricted, section) } else { withheld(SectionName::Restricted, section) }
    });
    proto::Record {
        record_id: stored.record_id.as_str().to_owned(),
        revision: stored.revision,
        feed: kind.feed().name().to_owned(),
        kind: i32::from(kind.number()),
        sections: std::iter::once(open).chain(restricted).collect(),
        provenance: stored.provenance.as_ref().map(write_provenance),
        position: stored.position,
        committed_at_us: stored.committed_at,
        publisher: stored.publisher.as_str().to_owned(),
        resolution: stored.resolution.as_ref().map(resolution),
        digest: Bytes::copy_from_slice(&stored.digest),
    }
}

/// The bytes of [`record`] in pieces that follow each other: the contents that are shown are those of the stored revision, not copies.
pub fn encoded_record(stored: &StoredRecord, show_restricted: bool) -> Arc<[Bytes]> {
    let whole = Bytes::from(record(stored, show_restricted).encode_to_vec());
    let restricted = stored.sections.restricted.as_ref().filter(|_| show_restricted);
    let contents = std::iter::once(&stored.sections.open).chain(restricted).map(|section| &section.content);
    let (mut pieces, mut from) = (Vec::with_capacity(5), 0);
    for content in contents.filter(|content| content.len() >= LARGE_BYTES) {
        // Wherever the same bytes stand, they can be taken for it.
        if let Some(at) = whole[from..].windows(content.len()).position(|window| window == content) {
            pieces.push(Bytes::copy_from_slice(&whole[from..from + at]));
            pieces.push(content.clone());
            from += at + content.len();
        }
    }
    pieces.push(Bytes::copy_from_slice(&whole[from..]));
    pieces.into()
}

fn shown(name: SectionName, section: &SealedSection) -> proto::Section {
    proto::Section { content: section.content.clone(), salt: Bytes::copy_from_slice(&section.salt), ..withheld(name, section) }
}

fn withheld(name: SectionName, section: &SealedSection) -> proto::Section {
    let digest = Bytes::copy_from_slice(&section.digest(name));
    let name = match name {
        SectionName::Open => proto::SectionName::Open,
        SectionName::Restricted => proto::SectionName::Restricted,
    };
    proto::Section { name: name.into(), digest, ..proto::Section::default() }
}

/// How a name was resolved.
pub fn resolution(resolution: &Resolution) -> proto::Resolution {
    let matched_key = match resolution.matched_key {
        MatchedKey::Strict => "strict",
        MatchedKey::Form => "form",
    };
    proto::Resolution {
        credit_code: resolution.credit_code.as_str().to_owned(),
        survey_record_id: resolution.survey_record_id.as_str().to_owned(),
        survey_position: resolution.survey_position,
        matched_key: matched_key.to_owned(),
    }
}

fn write_provenance(provenance: &Provenance) -> proto::Provenance {
    proto::Provenance {
        file_name: provenance.file_name.clone(),
        file_digest: Bytes::copy_from_slice(&provenance.file_digest),
        sheet: provenance.sheet.clone(),
        row: provenance.row,
    }
}
