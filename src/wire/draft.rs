//! The door for records: an envelope with bytes becomes a checked draft, or everything that is wrong with it.

use super::{
    content::{self, Encoding},
    reading, section,
};
use crate::{
    domain::{
        attributes::{attributes_of, subjects_of},
        dates::CivilDate,
        draft::{Draft, Provenance},
        ids::{ParticipantId, RecordId},
        records::{CheckContext, Kind},
        regions::Region,
        violation::{Findings, Text},
    },
    proto,
};

/// What the door needs to know to read a record.
pub struct DraftContext<'a> {
    /// Who publishes.
    pub publisher: &'a ParticipantId,
    /// Its region; `None` = nationwide.
    pub publisher_region: Option<Region>,
    /// Today, Asia/Shanghai.
    pub today: CivilDate,
    /// Whether reserved example codes are accepted: never in production.
    pub allow_synthetic: bool,
    /// Draws a salt for a section that came without.
    pub salt: &'a dyn Fn() -> [u8; 16],
}

/// Reads one record. Everything wrong is added to `findings` under its path, and then there is no draft. Remarks move into the draft.
pub fn draft(record: &proto::Record, context: &DraftContext<'_>, findings: &mut Findings) -> Option<Draft> {
    let refused_before = findings.refused();
    let remarks_before = findings.remarks.len();
    let record_id = own_record_id(record, context, findings);
    let provenance = record.provenance.as_ref().map(|provenance| read_provenance(provenance, findings));
    let kind = read_kind(record, findings)?;
    check_feed(record, kind, findings);
    let sections = section::sections(kind, &record.sections, context.salt, findings)?;
    let restricted = sections.restricted.as_ref().map(|section| &section.content);
    let decoded = content::read(kind, Encoding::Canonical, &sections.open.content, restricted, findings)?;
    let check = CheckContext {
        today: context.today,
        allow_synthetic: context.allow_synthetic,
        publisher_region: context.publisher_region,
    };
    decoded.check(&check, findings);
    if findings.refused() > refused_before {
        return None;
    }
    Some(Draft {
        record_id: record_id?,
        revision: (record.revision > 0).then_some(record.revision),
        attributes: attributes_of(&decoded, context.publisher_region),
        subjects: subjects_of(&decoded),
        content: decoded,
        digests: sections.digests(kind),
        sections,
        provenance,
        remarks: findings.remarks.split_off(remarks_before),
    })
}

fn own_record_id(record: &proto::Record, context: &DraftContext<'_>, findings: &mut Findings) -> Option<RecordId> {
    let record_id = reading::record_id("record_id", &record.record_id, findings)?;
    if record_id.namespace() != context.publisher.as_str() {
        let (publisher, read) = (context.publisher, reading::excerpt(&record.record_id));
        findings.refuse(
            "record_id",
            "FOREIGN_NAMESPACE",
            Text::new(
                format!("“{read}”不在本单位的编号空间内；编号须以“{publisher}/”开头"),
                format!("`{read}` is in another publisher's namespace; your record ids begin with `{publisher}/`"),
            ),
        );
    }
    Some(record_id)
}

fn read_kind(record: &proto::Record, findings: &mut Findings) -> Option<Kind> {
    let kind = u8::try_from(record.kind).ok().and_then(Kind::from_number);
    if kind.is_none() {
        let allowed = Kind::ALL.map(Kind::token).join(", ");
        findings.refuse(
            "kind",
            "UNKNOWN_KIND",
            Text::new(
                format!("未说明或不认识的记录种类（{}）；可用的值：{allowed}", record.kind),
                format!("the kind of record ({}) is not stated or not known; one of: {allowed}", record.kind),
            ),
        );
    }
    kind
}

fn check_feed(record: &proto::Record, kind: Kind, findings: &mut Findings) {
    let feed = kind.feed().name();
    if !record.feed.is_empty() && record.feed != feed {
        let read = reading::excerpt(&record.feed);
        findings.refuse(
            "feed",
            "WRONG_FEED",
            Text::new(
                format!("该类记录属于“{feed}”，不属于“{read}”；请更正或留空"),
                format!("this kind of record belongs to the feed `{feed}`, not to `{read}`; correct it or leave it empty"),
            ),
        );
    }
}

fn read_provenance(provenance: &proto::Provenance, findings: &mut Findings) -> Provenance {
    findings.within("provenance", |findings| {
        for (field, text) in [("file_name", &provenance.file_name), ("sheet", &provenance.sheet)] {
            if text.chars().count() > 255 {
                findings.refuse(field, "TOO_LONG", Text::new("最多255个字符", "has more than 255 characters; shorten it"));
            }
        }
        if !matches!(provenance.file_digest.len(), 0 | 32) {
            findings.refuse("file_digest", "WRONG_DIGEST", Text::new("应为32字节或留空", "must be 32 bytes, or empty"));
        }
    });
    Provenance {
        file_name: provenance.file_name.clone(),
        file_digest: provenance.file_digest.to_vec(),
        sheet: provenance.sheet.clone(),
        row: provenance.row,
    }
}
