use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::{
    domain::{
        dates::CivilDate,
        draft::{Codec as _, Draft, OrderKey, Provenance, Sections, StoredRecord},
        ids::{ParticipantId, RecordId},
        life_cycle::State,
        records::{Attribution, Consignee, Content, Kind, Matter, examples},
        violation::Findings,
    },
    proto,
};

mod any;

fn participant(name: &str) -> ParticipantId {
    ParticipantId::parse(name).expect("a participant")
}

fn id(text: &str) -> RecordId {
    RecordId::parse(text).expect("a record id")
}

/// Reads a record of `amr-330000` on 1 June 2020.
fn read(record: &proto::Record) -> Result<Draft, Vec<(String, &'static str)>> {
    let publisher = participant("amr-330000");
    let context = DraftContext {
        publisher: &publisher,
        publisher_region: None,
        today: CivilDate::day(2020, 6, 1).expect("a day"),
        allow_synthetic: true,
        salt: &|| [7; 16],
    };
    let mut findings = Findings::default();
    let draft = findings.within_index("records", 3, |findings| draft(record, &context, findings));
    let told = findings.violations.iter().map(|violation| {
        assert!(!violation.text.zh.is_empty() && !violation.text.en.is_empty());
        let field = violation.field.strip_prefix("records[3].").unwrap_or_default();
        assert_eq!(field.is_empty(), violation.reason == "TOO_MANY_VIOLATIONS", "every other violation is under the root");
        (field.to_owned(), violation.reason)
    });
    let told: Vec<_> = told.collect();
    assert_eq!(draft.is_some(), told.is_empty(), "a draft or a violation, never both and never neither: {told:?}");
    draft.ok_or(told)
}

fn refused(record: &proto::Record) -> Vec<(String, &'static str)> {
    read(record).expect_err("a violation")
}

fn of(matter: Matter) -> Content {
    Content { matter, withdrawal: None }
}

fn nonconformity() -> Content {
    of(Matter::Nonconformity(Box::new(examples::nonconformity(1))))
}

fn survey() -> Content {
    of(Matter::EnterpriseSurvey(Box::new(examples::survey(1))))
}

fn sent(content: &Content) -> proto::Record {
    publishable(&id("amr-330000/1"), None, content, None)
}

/// The record with its open message changed by hand.
fn with_message<M: prost::Message + Default>(content: &Content, change: impl FnOnce(&mut M)) -> proto::Record {
    let mut record = sent(content);
    let mut message = M::decode(record.sections[0].content.clone()).expect("own bytes decode");
    change(&mut message);
    record.sections[0].content = message.encode_to_vec().into();
    record
}

fn stored(draft: &Draft) -> StoredRecord {
    let digest = draft.sections.record_digest(&draft.record_id, 2, draft.attributes.kind);
    StoredRecord {
        position: 42,
        committed_at: 1,
        publisher: participant("amr-330000"),
        record_id: draft.record_id.clone(),
        revision: 2,
        order_key: OrderKey("".into()),
        attributes: draft.attributes.clone(),
        previous: None,
        sections: draft.sections.clone(),
        provenance: draft.provenance.clone(),
        resolution: None,
        digest,
    }
}

fn one(field: &str, reason: &'static str) -> Vec<(String, &'static str)> {
    vec![(field.to_owned(), reason)]
}

#[test]
fn the_envelope_is_checked() {
    let record = sent(&nonconformity());
    let change = |change: fn(&mut proto::Record)| {
        let mut record = record.clone();
        change(&mut record);
        refused(&record)
    };
    assert_eq!(change(|record| record.record_id = "amr-440000/1".into()), one("record_id", "FOREIGN_NAMESPACE"));
    assert_eq!(change(|record| record.record_id = "1".into()), one("record_id", "WRONG_RECORD_ID"));
    assert_eq!(change(|record| record.record_id = String::new()), one("record_id", "REQUIRED"));
    assert_eq!(change(|record| record.kind = 0), one("kind", "UNKNOWN_KIND"));
    assert_eq!(change(|record| record.kind = 99), one("kind", "UNKNOWN_KIND"));
    assert_eq!(change(|record| record.kind = -1), one("kind", "UNKNOWN_KIND"));
    assert_eq!(change(|record| record.feed = "enterprises".into()), one("feed", "WRONG_FEED"));
    assert_eq!(
        change(|record| record.provenance = Some(proto::Provenance {
            file_name: "长".repeat(256),
            file_digest: Bytes::from_static(b"short"),
            ..proto::Provenance::default()
        })),
        [one("provenance.file_name", "TOO_LONG"), one("provenance.file_digest", "WRONG_DIGEST")].concat()
    );
}

#[test]
fn sections_are_checked() {
    let record = sent(&nonconformity());
    let change = |change: fn(&mut Vec<proto::Section>)| {
        let mut record = record.clone();
        change(&mut record.sections);
        refused(&record)
    };
    assert_eq!(change(Vec::clear), one("sections", "REQUIRED"));
    assert_eq!(change(|sections| sections.push(sections[0].clone())), one("sections[1].name", "DUPLICATE_SECTION"));
    assert_eq!(change(|sections| sections[0].salt = Bytes::from_static(&[1; 15])), one("sections[0].salt", "WRONG_SALT"));
    assert_eq!(change(|sections| sections[0].content = Bytes::new()), one("sections[0].content", "EMPTY_SECTION"));
    assert_eq!(
        change(|sections| sections[0].content = vec![0; SECTION_LIMIT_BYTES + 1].into()),
        one("sections[0].content", "TOO_LONG")
    );
    assert_eq!(
        change(|sections| sections[0].name = 9),
        [one("sections[0].name", "UNKNOWN_SECTION"), one("sections", "REQUIRED")].concat()
    );
    let restricted = proto::Section { name: 2, content: Bytes::from_static(&[1]), ..proto::Section::default() };
    let mut with_restricted = record.clone();
    with_restricted.sections.push(restricted);
    assert_eq!(refused(&with_restricted), one("sections[1].name", "SECTION_NOT_ALLOWED"));
}

#[test]
fn a_given_salt_is_kept_and_an_absent_one_drawn() {
    let mut record = sent(&survey());
    record.sections[1].salt = Bytes::from_static(&[3; 16]);
    let draft = read(&record).expect("a draft");
    assert_eq!(draft.sections.open.salt, [7; 16]);
    assert_eq!(draft.sections.restricted.map(|section| section.salt), Some([3; 16]));
}

#[test]
fn bytes_must_be_canonical() {
    let record = sent(&nonconformity());
    let open = record.sections[0].content.clone();
    let change = |bytes: Vec<u8>| {
        let mut record = record.clone();
        record.sections[0].content = bytes.into();
        refused(&record)
    };
    // An unknown field (number 1000, varint 1), a field out of order (campaign after all others), a default value written out.
    assert_eq!(change([&open[..], &[0xC0, 0x3E, 1]].concat()), one("nonconformity", "NOT_CANONICAL"));
    assert_eq!(change([&open[..], &[0x0A, 1, b'x']].concat()), one("nonconformity", "NOT_CANONICAL"));
    assert_eq!(change([&[0x12, 0], &open[..]].concat()), one("nonconformity", "NOT_CANONICAL"));
    assert_eq!(change(vec![0xFF; 12]), one("nonconformity", "MALFORMED"));
    assert_eq!(change(vec![0x0A, 1, 0xFF]), one("nonconformity", "MALFORMED"));
    let mut survey = sent(&survey());
    survey.sections[1].content = Bytes::from_static(&[0xFF]);
    assert_eq!(refused(&survey), one("enterprise_survey", "MALFORMED"));
}

#[test]
fn fields_are_read_with_their_paths_and_all_at_once() {
    let record = with_message(&nonconformity(), |message: &mut proto::Nonconformity| {
        message.level = "galactic".into();
        message.attribution = "perhaps".into();
        message.initial_state = "fine".into();
        message.sampled_on = Some(proto::CivilDate { year: 2020, month: 2, day: 30 });
        message.items[0].conclusion = "so so".into();
        let producer = message.producer.as_mut().expect("a producer");
        producer.credit_code = "91440300723009295Q".into();
        producer.region = "33".into();
        producer.legacy_identifier = "123".into();
        message.sampled_party = Some(proto::Party { credit_code: " 91440300723009295R".into(), ..proto::Party::default() });
        message.product_name = String::new();
    });
    let expected = [
        ("nonconformity.level", "UNKNOWN_VALUE"),
        ("nonconformity.sampled_on", "WRONG_DATE"),
        ("nonconformity.producer.credit_code", "WRONG_CHECK_CHARACTER"),
        ("nonconformity.producer.legacy_identifier", "WRONG_LEGACY_IDENTIFIER"),
        ("nonconformity.producer.region", "WRONG_REGION"),
        ("nonconformity.attribution", "UNKNOWN_VALUE"),
        ("nonconformity.sampled_party.credit_code", "NOT_NORMALISED"),
        ("nonconformity.items[0].conclusion", "UNKNOWN_VALUE"),
        ("nonconformity.initial_state", "UNKNOWN_VALUE"),
        ("nonconformity.product_name", "REQUIRED"),
        ("nonconformity.sampled_party.name", "REQUIRED"),
    ];
    assert_eq!(refused(&record), expected.map(|(field, reason)| (field.to_owned(), reason)));
}

#[test]
fn unknown_values_name_the_allowed_ones() {
    let mut findings = Findings::default();
    reading::token::<State>("state", "fine", &mut findings);
    let text = &findings.violations[0].text;
    assert!(text.en.contains("detected, notified") && text.zh.contains("cleared, overturned, disowned"), "{text:?}");
}

#[test]
fn a_disposition_is_read_whole_although_its_reference_is_broken() {
    let content = of(Matter::Disposition(Box::new(examples::disposition(id("amr-330000/1"), State::Confirmed, State::Ordered))));
    let record = with_message(&content, |message: &mut proto::Disposition| {
        message.nonconformity = "nowhere".into();
        message.from = String::new();
        message.scope = "batch".into();
        message.authority = String::new();
        message.taken_on = None;
    });
    let expected = [
        ("disposition.nonconformity", "WRONG_RECORD_ID"),
        ("disposition.from", "REQUIRED"),
        ("disposition.track", "REQUIRED"),
        ("disposition.track_step", "REQUIRED"),
        ("disposition.taken_on", "REQUIRED"),
        ("disposition.authority", "REQUIRED"),
    ];
    assert_eq!(refused(&record), expected.map(|(field, reason)| (field.to_owned(), reason)));
}

#[test]
fn defaults_are_those_of_the_protocol() {
    let record = with_message(&nonconformity(), |message: &mut proto::Nonconformity| {
        message.attribution = String::new();
        message.initial_state = String::new();
        message.items[0].conclusion = String::new();
    });
    let Matter::Nonconformity(matter) = read(&record).expect("a draft").content.matter else { panic!("the kind is kept") };
    assert_eq!(
        (matter.attribution, matter.initial_state, matter.items[0].failed),
        (Attribution::Nominal, State::Confirmed, true)
    );
}

#[test]
fn the_restricted_section_is_left_out_where_it_says_nothing() {
    let mut bare = examples::survey(1);
    bare.meltblown_suppliers.clear();
    bare.daily_output = None;
    assert_eq!(seal(&of(Matter::EnterpriseSurvey(Box::new(bare)))).len(), 1);
    assert_eq!(seal(&survey()).len(), 2);
}

#[test]
fn remarks_move_into_the_draft() {
    let record = with_message(&nonconformity(), |message: &mut proto::Nonconformity| {
        message.claimed_standards = vec!["Q/EX 1-2020".into()];
    });
    let remarks = read(&record).expect("a draft").remarks;
    assert_eq!(remarks.len(), 1);
    assert_eq!(
        (remarks[0].field.as_str(), remarks[0].reason),
        ("records[3].nonconformity.claimed_standards[0]", "UNKNOWN_STANDARD")
    );
}

#[test]
fn a_withheld_section_is_replaced_by_its_digest_and_still_verifies() {
    let draft = read(&sent(&survey())).expect("a draft");
    let whole = received(&record(&stored(&draft), true)).expect("readable");
    assert_eq!((&whole.content, whole.restricted_withheld), (&draft.content, false));
    let handed_out = record(&stored(&draft), false);
    assert!(handed_out.sections[1].content.is_empty() && handed_out.sections[1].salt.is_empty());
    let part = received(&handed_out).expect("readable");
    assert!(part.restricted_withheld);
    assert_eq!(part.digest, whole.digest);
    let Matter::EnterpriseSurvey(matter) = part.content.matter else { panic!("the kind is kept") };
    assert_eq!((matter.meltblown_suppliers.len(), matter.daily_output), (0, None));
}

#[test]
fn what_was_altered_on_the_way_is_not_read() {
    let draft = read(&sent(&survey())).expect("a draft");
    let handed_out = record(&stored(&draft), true);
    let altered = |change: fn(&mut proto::Record)| {
        let mut record = handed_out.clone();
        change(&mut record);
        received(&record).is_err()
    };
    assert!(!altered(|_| ()));
    assert!(altered(|record| record.revision = 3));
    assert!(altered(|record| record.record_id = "amr-330000/2".into()));
    assert!(altered(|record| record.sections[1].digest = Bytes::from_static(&[0; 32])));
    assert!(altered(|record| record.sections[0].salt = Bytes::from_static(&[0; 16])));
    assert!(altered(|record| record.sections.truncate(1)));
    assert!(altered(|record| record.kind = 1));
    assert!(altered(|record| record.sections[0].content = Bytes::from_static(&[0x0A, 0])));
}

#[test]
fn a_record_of_a_newer_protocol_is_read_by_an_older_client() {
    let mut draft = read(&sent(&nonconformity())).expect("a draft");
    let newer = [&draft.sections.open.content[..], &[0xC0, 0x3E, 1]].concat();
    draft.sections.open.content = newer.into();
    assert_eq!(received(&record(&stored(&draft), true)).expect("readable").content, draft.content);
}

#[test]
fn damaged_bytes_are_told_from_content() {
    let draft = read(&sent(&nonconformity())).expect("a draft");
    assert_eq!(WireCodec.decode(Kind::Nonconformity, &draft.sections).as_ref(), Ok(&draft.content));
    let mut open = draft.sections.open.clone();
    open.content = Bytes::from_static(&[0xFF]);
    let damaged = Sections { open, restricted: None };
    assert!(WireCodec.decode(Kind::Nonconformity, &damaged).is_err_and(|error| !error.why.is_empty()));
}

proptest! {
    #[test]
    fn every_content_comes_back_through_its_bytes(content in any::content(), revision in 0_u32..3, row in 0_u32..9) {
        let provenance = Provenance { file_name: "表.xlsx".into(), file_digest: vec![1; 32], sheet: "Sheet1".into(), row };
        let record_sent = publishable(&id("amr-330000/1"), Some(revision).filter(|r| *r > 0), &content, Some(&provenance));
        let draft = read(&record_sent).map_err(|told| TestCaseError::fail(format!("{told:?}")))?;
        prop_assert_eq!(&draft.content, &content);
        prop_assert_eq!(draft.revision.unwrap_or(0), revision);
        prop_assert_eq!(draft.provenance.as_ref(), Some(&provenance));
        let decoded = WireCodec.decode(content.matter.kind(), &draft.sections);
        prop_assert_eq!(decoded.as_ref(), Ok(&content));
        let handed_out = record(&stored(&draft), true);
        let back = received(&proto::Record::decode(handed_out.encode_to_vec().as_slice()).expect("own bytes decode")).expect("readable");
        prop_assert_eq!(&back.content, &content);
        prop_assert_eq!(back.provenance, Some(provenance));
        // The same bytes travel: what was handed out is what was sent.
        for (out, sent) in handed_out.sections.iter().zip(&record_sent.sections) {
            prop_assert_eq!(&out.content, &sent.content);
        }
    }

    #[test]
    fn any_bytes_are_answered_and_never_panic(
        kind in -1_i32..9,
        name in 0_i32..4,
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        salt in prop::collection::vec(any::<u8>(), 0..18),
    ) {
        let section = proto::Section { name, content: bytes.into(), salt: salt.into(), digest: Bytes::new() };
        let record = proto::Record { record_id: "amr-330000/1".into(), kind, sections: vec![section.clone(), section], ..proto::Record::default() };
        prop_assert!(read(&record).is_err());
        prop_assert!(received(&record).is_err());
    }

    #[test]
    fn canonical_bytes_with_one_byte_changed_are_refused_or_read_as_they_are(content in any::content(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut record = sent(&content);
        let mut bytes = record.sections[0].content.to_vec();
        let at = at.index(bytes.len());
        bytes[at] = with;
        record.sections[0].content = bytes.into();
        if let Ok(draft) = read(&record) {
            prop_assert_eq!(&draft.sections.open.content, &record.sections[0].content);
        }
    }
}

#[test]
fn a_flood_of_violations_is_bounded_and_still_refused() {
    let record = with_message(&survey(), |message: &mut proto::EnterpriseSurvey| {
        message.roles = vec!["x".into(); 50_000];
        message.standards = vec![String::new(); 50_000];
    });
    let told = refused(&record);
    assert!(told.len() <= crate::domain::violation::FINDINGS_LIMIT + 1, "{}", told.len());
    assert_eq!(told.last().map(|(_, reason)| *reason), Some("TOO_MANY_VIOLATIONS"));
}

#[test]
fn consignees_are_restricted() {
    let mut matter = examples::disposition(id("amr-330000/1"), State::Confirmed, State::Ordered);
    matter.consignees = vec![Consignee { party: examples::enterprise(5), quantity: Some(100), delivered_on: None }];
    matter.case_detail = "立案".into();
    let sections = seal(&of(Matter::Disposition(Box::new(matter))));
    let open = String::from_utf8_lossy(&sections[0].content).into_owned();
    assert!(!open.contains("示例5号") && !open.contains("立案"));
    assert_eq!(sections.len(), 2);
}
