//! Any protobuf message is read as a record without a panic; no draft comes of what was refused, and nothing is refused in silence.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use tongbao::{
    domain::{dates::CivilDate, ids::ParticipantId, violation::Findings},
    proto, wire,
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(record) = proto::Record::decode(bytes) else { return };
    let publisher = ParticipantId::parse("samr").expect("a participant's name");
    let context = wire::DraftContext {
        publisher: &publisher,
        publisher_region: None,
        today: CivilDate::day(2020, 6, 1).expect("a day"),
        allow_synthetic: true,
        salt: &|| [7; 16],
    };
    let mut findings = Findings::at("records[0]");
    let draft = wire::draft(&record, &context, &mut findings);
    assert_eq!(draft.is_some(), findings.is_clean(), "{:?}", findings.violations);
});
