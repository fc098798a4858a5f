//! The sections of a record at the door: which there are, their size and their salts.

use crate::{
    domain::{
        draft::{SealedSection, Sections},
        records::Kind,
        violation::{Findings, Text},
    },
    proto,
};

/// Largest section, bytes. The limits of texts and lists allow more in theory; a record of that size is a mistake, and pages of
/// deliveries are sized for records of about a kibibyte.
pub const SECTION_LIMIT_BYTES: usize = 256 * 1024;

/// Takes the sections of a record apart: `open` exactly once, `restricted` at most once and only where the kind has it.
pub(super) fn sections(
    kind: Kind,
    sections: &[proto::Section],
    salt: &dyn Fn() -> [u8; 16],
    findings: &mut Findings,
) -> Option<Sections> {
    let (mut open, mut restricted) = (None, None);
    for (index, section) in sections.iter().enumerate() {
        let slot = match section.name() {
            proto::SectionName::Open => &mut open,
            proto::SectionName::Restricted if kind.has_restricted() => &mut restricted,
            proto::SectionName::Restricted => {
                let text = Text::new("该类记录没有受限部分", "this kind of record has no restricted section");
                refuse(index, "name", "SECTION_NOT_ALLOWED", text, findings);
                continue;
            }
            proto::SectionName::Unspecified => {
                let text = Text::new("不认识该部分；应为 OPEN 或 RESTRICTED", "is not known; one of: OPEN, RESTRICTED");
                refuse(index, "name", "UNKNOWN_SECTION", text, findings);
                continue;
            }
        };
        if slot.is_some() {
            refuse(index, "name", "DUPLICATE_SECTION", Text::new("该部分重复", "this section is given twice"), findings);
        }
        *slot = seal_one(index, section, salt, findings).or(slot.take());
    }
    if !sections.iter().any(|section| section.name() == proto::SectionName::Open) {
        findings.refuse("sections", "REQUIRED", Text::new("缺少公开部分（OPEN）", "the section OPEN is required and missing"));
    }
    Some(Sections { open: open?, restricted })
}

fn refuse(index: usize, field: &str, reason: &'static str, text: Text, findings: &mut Findings) {
    findings.within_index("sections", index, |findings| findings.refuse(field, reason, text));
}

fn seal_one(
    index: usize,
    section: &proto::Section,
    salt: &dyn Fn() -> [u8; 16],
    findings: &mut Findings,
) -> Option<SealedSection> {
    if section.content.is_empty() {
        let text =
            Text::new("该部分没有内容；没有受限内容时请不要发送该部分", "has no content; leave a section out that says nothing");
        refuse(index, "content", "EMPTY_SECTION", text, findings);
        return None;
    }
    if section.content.len() > SECTION_LIMIT_BYTES {
        let text = Text::new(
            format!("有{}字节，最多{SECTION_LIMIT_BYTES}字节", section.content.len()),
            format!("has {} bytes, at most {SECTION_LIMIT_BYTES} are allowed", section.content.len()),
        );
        refuse(index, "content", "TOO_LONG", text, findings);
        return None;
    }
    let salt = match <[u8; 16]>::try_from(section.salt.as_ref()) {
        Ok(given) => given,
        Err(_) if section.salt.is_empty() => salt(),
        Err(_) => {
            let text = Text::new("应为16字节，或留空由网关生成", "must be 16 bytes, or empty for the gateway to draw it");
            refuse(index, "salt", "WRONG_SALT", text, findings);
            return None;
        }
    };
    Some(SealedSection { content: section.content.clone(), salt })
}
