//! A record in a few words.

use prost::Message as _;

use super::show_moment;
use crate::{
    domain::violation::Lang,
    proto::{
        Disposition, Doubt, DoubtAnswer, EnterpriseSurvey, ExportAction, ExportQualification, InspectionResult, Nonconformity,
        NoticeAcknowledgement, Party, ProducerDecision, Record, RecordKind, SamplingSummary, SectionName, UrgentNotice,
    },
};

/// The kind of a record in words.
pub fn kind_name(record: &Record, lang: Lang) -> &'static str {
    let (zh, en) = match record.kind() {
        RecordKind::Nonconformity => ("不合格", "nonconformity"),
        RecordKind::Disposition => ("处置", "disposition"),
        RecordKind::EnterpriseSurvey => ("摸底", "survey"),
        RecordKind::ExportQualification => ("出口资质", "qualification"),
        RecordKind::ExportAction => ("海关处置", "customs action"),
        RecordKind::UrgentNotice => ("紧急通报", "notice"),
        RecordKind::Doubt => ("疑义", "doubt"),
        RecordKind::DoubtAnswer => ("疑义答复", "answer"),
        RecordKind::NoticeAcknowledgement => ("通报签收", "acknowledgement"),
        RecordKind::SamplingSummary => ("抽查汇总", "sampling"),
        RecordKind::ProducerDecision => ("生产者认定", "producer decision"),
        RecordKind::Unspecified => ("未知", "unknown"),
    };
    match lang {
        Lang::Zh => zh,
        Lang::En => en,
    }
}

enum Open {
    Nonconformity(Box<Nonconformity>),
    Disposition(Disposition),
    Survey(EnterpriseSurvey),
    Qualification(ExportQualification),
    Action(ExportAction),
    Notice(UrgentNotice),
    Doubt(Doubt),
    Answer(DoubtAnswer),
    Acknowledgement(NoticeAcknowledgement),
    Sampling(SamplingSummary),
    Decision(ProducerDecision),
    Unreadable,
}

fn open(record: &Record) -> Open {
    let bytes = record
        .sections
        .iter()
        .find(|section| section.name() == SectionName::Open)
        .map(|section| section.content.clone())
        .unwrap_or_default();
    let read = match record.kind() {
        RecordKind::Nonconformity => Nonconformity::decode(bytes).map(|it| Open::Nonconformity(Box::new(it))),
        RecordKind::Disposition => Disposition::decode(bytes).map(Open::Disposition),
        RecordKind::EnterpriseSurvey => EnterpriseSurvey::decode(bytes).map(Open::Survey),
        RecordKind::ExportQualification => ExportQualification::decode(bytes).map(Open::Qualification),
        RecordKind::ExportAction => ExportAction::decode(bytes).map(Open::Action),
        RecordKind::UrgentNotice => UrgentNotice::decode(bytes).map(Open::Notice),
        RecordKind::Doubt => Doubt::decode(bytes).map(Open::Doubt),
        RecordKind::DoubtAnswer => DoubtAnswer::decode(bytes).map(Open::Answer),
        RecordKind::NoticeAcknowledgement => NoticeAcknowledgement::decode(bytes).map(Open::Acknowledgement),
        RecordKind::SamplingSummary => SamplingSummary::decode(bytes).map(Open::Sampling),
        RecordKind::ProducerDecision => ProducerDecision::decode(bytes).map(Open::Decision),
        RecordKind::Unspecified => return Open::Unreadable,
    };
    read.unwrap_or(Open::Unreadable)
}

fn party(party: Option<&Party>) -> String {
    party.map_or_else(String::new, |party| match (party.name.as_str(), party.credit_code.as_str()) {
        ("", code) => code.to_owned(),
        (name, "") => name.to_owned(),
        (name, code) => format!("{name} ({code})"),
    })
}

/// Whom or what a record is about.
pub fn subject_of(record: &Record) -> String {
    match open(record) {
        Open::Nonconformity(it) => party(it.producer.as_ref()),
        Open::Disposition(it) => it.nonconformity,
        Open::Survey(it) => party(it.enterprise.as_ref()),
        Open::Qualification(it) => party(it.enterprise.as_ref()),
        Open::Action(it) => it.declaration_number,
        Open::Notice(it) => it.title,
        Open::Doubt(it) => it.about.map(|about| about.record_id).unwrap_or_default(),
        Open::Answer(it) => it.doubt,
        Open::Acknowledgement(it) => it.notice,
        Open::Sampling(it) => it.region,
        Open::Decision(it) => it.nonconformity,
        Open::Unreadable => String::new(),
    }
}

fn item(item: &InspectionResult) -> String {
    if item.measured.is_empty() {
        return item.item.clone();
    }
    format!("{} {}{} ({}{})", item.item, item.measured, item.unit, item.comparator, item.limit)
}

fn joined<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// What a record says, in a line.
pub fn content_lines(record: &Record) -> String {
    match open(record) {
        Open::Nonconformity(it) => {
            let failed: Vec<_> = it.items.iter().filter(|item| item.conclusion != "passed").map(item).collect();
            joined([it.product_name.as_str(), &it.brand, &it.model, &it.date_and_batch_raw, &failed.join(", "), &it.handling_raw])
        }
        Open::Disposition(it) => {
            let step = if it.to.is_empty() { String::new() } else { format!("{} → {}", it.from, it.to) };
            let track = if it.track.is_empty() { String::new() } else { format!("{} {}", it.track, it.track_step) };
            joined([step.as_str(), &track, &it.measure, &it.authority, &it.document_number])
        }
        Open::Survey(it) => joined([it.product_kinds.join(", ").as_str(), &it.standards.join(", "), &it.filing_unit]),
        Open::Qualification(it) => joined([it.certificate_number.as_str(), &it.scheme, &it.certifier]),
        Open::Action(it) => joined([it.action.as_str(), &it.office, &it.maker_credit_code, &it.remark]),
        Open::Notice(it) => joined([it.severity.as_str(), &it.text]),
        Open::Doubt(it) => it.text,
        Open::Answer(it) => joined([it.outcome.as_str(), &it.text]),
        Open::Acknowledgement(it) => it.remark,
        Open::Sampling(it) => {
            joined([it.campaign.as_str(), &it.product_kind, &it.field, &format!("{}/{}", it.failed, it.sampled)])
        }
        Open::Decision(it) => {
            let code = if it.credit_code.is_empty() { "?" } else { &it.credit_code };
            joined([format!("{} → {code}", it.producer_name).as_str(), &it.reason])
        }
        Open::Unreadable => String::new(),
    }
}

/// A revision in a line, fields parted by tabs: position, time, kind, id and revision, marks and subject, content. A mark is
/// whether it is set, and its words in Chinese and in English.
pub fn record_line(record: &Record, marks: &[(bool, &str, &str)], lang: Lang) -> String {
    let mut set = String::new();
    for (_, zh, en) in marks.iter().filter(|(is_set, ..)| *is_set) {
        set.push_str(if lang == Lang::Zh { zh } else { en });
    }
    format!(
        "{}\t{}\t{}\t{} r{}\t{set}{}\t{}",
        record.position,
        show_moment(record.committed_at_us),
        kind_name(record, lang),
        record.record_id,
        record.revision,
        subject_of(record),
        content_lines(record)
    )
    .replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Section;

    #[test]
    fn says_the_essence_of_a_nonconformity() {
        let content = Nonconformity {
            producer: Some(Party { name: "示例口罩厂".into(), credit_code: "91".into(), ..Party::default() }),
            product_name: "日常防护型口罩".into(),
            items: vec![InspectionResult {
                item: "filtration_efficiency".into(),
                measured: "41".into(),
                unit: "%".into(),
                comparator: ">=".into(),
                limit: "90".into(),
                ..InspectionResult::default()
            }],
            ..Nonconformity::default()
        };
        let mut record = Record {
            kind: RecordKind::Nonconformity as i32,
            sections: vec![Section {
                name: SectionName::Open as i32,
                content: content.encode_to_vec().into(),
                ..Section::default()
            }],
            ..Record::default()
        };
        assert_eq!(subject_of(&record), "示例口罩厂 (91)");
        assert_eq!(content_lines(&record), "日常防护型口罩 · filtration_efficiency 41% (>=90)");
        assert_eq!(kind_name(&record, Lang::Zh), "不合格");
        record.sections[0].content = vec![0xff].into();
        assert_eq!((subject_of(&record), content_lines(&record)), (String::new(), String::new()));
    }
}
