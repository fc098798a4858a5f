//! The content of a record, by kind: bytes of sections ↔ checked values.

use bytes::Bytes;
use prost::Message;

use super::{
    disposition, enterprise_survey, export_action, export_qualification, nonconformity, producer_decision, reply,
    sampling_summary, urgent_notice,
};
use crate::{
    domain::{
        draft::{Codec, DamagedBytes, Sections},
        records::{Content, Kind, Matter},
        violation::{Findings, Text},
    },
    proto,
};

/// What the bytes of a section must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Equal to the encoding of what was decoded, so that neither unknown fields nor another order of fields can hide anything from
    /// whoever reads the values. Asked at the door.
    Canonical,
    /// As they are: they were canonical at the door, and a digest says that they are the same. An older client so reads what a newer
    /// gateway hands out.
    AsVerified,
}

fn decode<M: Message + Default>(encoding: Encoding, section: &str, bytes: &Bytes, findings: &mut Findings) -> Option<M> {
    let message = match M::decode(bytes.clone()) {
        Ok(message) => message,
        Err(error) => {
            let text = Text::new(
                format!("{section} 部分无法解码：{error}"),
                format!("the bytes of the section `{section}` do not decode: {error}"),
            );
            findings.refuse("", "MALFORMED", text);
            return None;
        }
    };
    if encoding == Encoding::Canonical && (message.encoded_len() != bytes.len() || message.encode_to_vec() != *bytes) {
        let text = Text::new(
            format!("{section} 部分的编码不规范：字段须按升序排列，不得含有未知字段或默认值；请用当前版本的协议重新编码"),
            format!(
                "the bytes of the section `{section}` are not canonical: fields ascending, none unknown, no default values; encode \
                 them again with the protocol of this version"
            ),
        );
        findings.refuse("", "NOT_CANONICAL", text);
        return None;
    }
    Some(message)
}

/// Reads the content out of its sections. Everything wrong is said under the kind, e.g. `nonconformity.level`; the value is returned
/// nevertheless where bytes decode, so that the rules across fields are checked too.
pub(super) fn read(
    kind: Kind,
    encoding: Encoding,
    open: &Bytes,
    restricted: Option<&Bytes>,
    findings: &mut Findings,
) -> Option<Content> {
    findings.within(kind.token(), |findings| match kind {
        Kind::Nonconformity => {
            let mut message: proto::Nonconformity = decode(encoding, "open", open, findings)?;
            let withdrawal = message.withdrawal.take();
            Some(content(Matter::Nonconformity(Box::new(nonconformity::read(message, findings))), withdrawal))
        }
        Kind::Disposition => {
            let message: Option<proto::Disposition> = decode(encoding, "open", open, findings);
            let restricted = read_restricted(encoding, restricted, findings)?;
            let mut message = message?;
            let withdrawal = message.withdrawal.take();
            Some(content(Matter::Disposition(Box::new(disposition::read(message, restricted, findings)?)), withdrawal))
        }
        Kind::EnterpriseSurvey => {
            let message: Option<proto::EnterpriseSurvey> = decode(encoding, "open", open, findings);
            let restricted = read_restricted(encoding, restricted, findings)?;
            let mut message = message?;
            let withdrawal = message.withdrawal.take();
            Some(content(Matter::EnterpriseSurvey(Box::new(enterprise_survey::read(message, restricted, findings))), withdrawal))
        }
        Kind::ExportQualification => {
            let mut message: proto::ExportQualification = decode(encoding, "open", open, findings)?;
            let withdrawal = message.withdrawal.take();
            Some(content(Matter::ExportQualification(Box::new(export_qualification::read(message, findings))), withdrawal))
        }
        Kind::ExportAction => {
            let mut message: proto::ExportAction = decode(encoding, "open", open, findings)?;
            let withdrawal = message.withdrawal.take();
            Some(content(Matter::ExportAction(Box::new(export_action::read(message, findings))), withdrawal))
        }
        Kind::UrgentNotice => {
            let mut message: proto::UrgentNotice = decode(encoding, "open", open, findings)?;
            let withdrawal = message.withdrawal.take();
            Some(content(Matter::UrgentNotice(Box::new(urgent_notice::read(message, findings))), withdrawal))
        }
        Kind::Doubt => {
            let mut message: proto::Doubt = decode(encoding, "open", open, findings)?;
            let withdrawal = message.withdrawal.take();
            Some(content(Matter::Doubt(Box::new(reply::read_doubt(message, findings)?)), withdrawal))
        }
        Kind::DoubtAnswer => {
            let mut message: proto::DoubtAnswer = decode(encoding, "open", open, findings)?;
            let withdrawal = message.withdrawal.take();
            Some(content(Matter::DoubtAnswer(Box::new(reply::read_answer(message, findings)?)), withdrawal))
        }
        Kind::SamplingSummary => {
            let mut message: proto::SamplingSummary = decode(encoding, "open", open, findings)?;
            let withdrawal = message.withdrawal.take();
            Some(content(Matter::SamplingSummary(Box::new(sampling_summary::read(message, findings)?)), withdrawal))
        }
        Kind::NoticeAcknowledgement => {
            let mut message: proto::NoticeAcknowledgement = decode(encoding, "open", open, findings)?;
            let withdrawal = message.withdrawal.take();
            let matter = reply::read_acknowledgement(message, findings)?;
            Some(content(Matter::NoticeAcknowledgement(Box::new(matter)), withdrawal))
        }
        Kind::ProducerDecision => {
            let mut message: proto::ProducerDecision = decode(encoding, "open", open, findings)?;
            let withdrawal = message.withdrawal.take();
            Some(content(Matter::ProducerDecision(Box::new(producer_decision::read(message, findings)?)), withdrawal))
        }
    })
}

fn content(matter: Matter, withdrawal: Option<proto::Withdrawal>) -> Content {
    Content { matter, withdrawal: withdrawal.map(|withdrawal| withdrawal.reason) }
}

/// The outer option is about decoding, the inner one about presence.
#[expect(clippy::option_option, reason = "absent and undecodable differ, and both are plain here")]
fn read_restricted<M: Message + Default>(
    encoding: Encoding,
    bytes: Option<&Bytes>,
    findings: &mut Findings,
) -> Option<Option<M>> {
    match bytes {
        None => Some(None),
        Some(bytes) => decode(encoding, "restricted", bytes, findings).map(Some),
    }
}

/// Canonical bytes of both sections; the restricted one only where it says something.
pub(super) fn write(content: &Content) -> (Bytes, Option<Bytes>) {
    let withdrawal = content.withdrawal.as_ref().map(|reason| proto::Withdrawal { reason: reason.clone() });
    match &content.matter {
        Matter::Nonconformity(matter) => (bytes(&proto::Nonconformity { withdrawal, ..nonconformity::write(matter) }), None),
        Matter::Disposition(matter) => {
            let (open, restricted) = disposition::write(matter);
            (bytes(&proto::Disposition { withdrawal, ..open }), unless_empty(&restricted))
        }
        Matter::EnterpriseSurvey(matter) => {
            let (open, restricted) = enterprise_survey::write(matter);
            (bytes(&proto::EnterpriseSurvey { withdrawal, ..open }), unless_empty(&restricted))
        }
        Matter::ExportQualification(matter) => {
            (bytes(&proto::ExportQualification { withdrawal, ..export_qualification::write(matter) }), None)
        }
        Matter::ExportAction(matter) => (bytes(&proto::ExportAction { withdrawal, ..export_action::write(matter) }), None),
        Matter::UrgentNotice(matter) => (bytes(&proto::UrgentNotice { withdrawal, ..urgent_notice::write(matter) }), None),
        Matter::Doubt(matter) => (bytes(&proto::Doubt { withdrawal, ..reply::write_doubt(matter) }), None),
        Matter::DoubtAnswer(matter) => (bytes(&proto::DoubtAnswer { withdrawal, ..reply::write_answer(matter) }), None),
        Matter::SamplingSummary(matter) => {
            (bytes(&proto::SamplingSummary { withdrawal, ..sampling_summary::write(matter) }), None)
        }
        Matter::NoticeAcknowledgement(matter) => {
            (bytes(&proto::NoticeAcknowledgement { withdrawal, ..reply::write_acknowledgement(matter) }), None)
        }
        Matter::ProducerDecision(matter) => {
            (bytes(&proto::ProducerDecision { withdrawal, ..producer_decision::write(matter) }), None)
        }
    }
}

fn bytes(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

fn unless_empty(message: &impl Message) -> Option<Bytes> {
    (message.encoded_len() > 0).then(|| bytes(message))
}

/// The sections of a record to publish: canonical bytes, without salt, which the gateway draws.
pub fn seal(content: &Content) -> Vec<proto::Section> {
    let (open, restricted) = write(content);
    let section = |name: proto::SectionName, content| proto::Section { name: name.into(), content, ..proto::Section::default() };
    let restricted = restricted.map(|content| section(proto::SectionName::Restricted, content));
    std::iter::once(section(proto::SectionName::Open, open)).chain(restricted).collect()
}

/// Reads stored bytes for those inside, who do not know the encoding.
#[derive(Debug, Clone, Copy, Default)]
pub struct WireCodec;

impl Codec for WireCodec {
    fn decode(&self, kind: Kind, sections: &Sections) -> Result<Content, DamagedBytes> {
        let mut findings = Findings::default();
        let restricted = sections.restricted.as_ref().map(|section| &section.content);
        let content = read(kind, Encoding::AsVerified, &sections.open.content, restricted, &mut findings);
        match (content, findings.violations.first()) {
            (Some(content), None) => Ok(content),
            (_, first) => Err(DamagedBytes {
                kind,
                why: first.map_or_else(String::new, |violation| format!("{}: {}", violation.field, violation.text.en)),
            }),
        }
    }
}
