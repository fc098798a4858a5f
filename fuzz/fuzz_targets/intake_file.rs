//! Any bytes are read as a workbook or list within the limits and without a panic; a row with an error has no content.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tongbao::{
    domain::{dates::CivilDate, ids::ParticipantId, regions::Region},
    intake::{Options, Severity, read},
};

fuzz_target!(|bytes: &[u8]| {
    // The first byte chooses the options, so that both forms and their flags are reached.
    let Some((choice, file)) = bytes.split_first() else { return };
    let options = Options {
        publisher: ParticipantId::parse("amr-330000").expect("a participant's name"),
        publisher_region: Region::parse("330000"),
        list_name: (choice & 1 != 0).then(|| "2020-06".to_owned()),
        today: CivilDate::day(2020, 6, 1).expect("a day"),
        published_on: None,
        allow_synthetic: choice & 2 != 0,
        accept_unknown_standard: choice & 4 != 0,
        mapping: tongbao::intake::Mapping::default(),
    };
    let Ok(reading) = read("file", file, &options) else { return };
    for row in reading.sheets.iter().flat_map(|sheet| &sheet.rows) {
        let is_refused = row.findings.iter().any(|finding| finding.severity == Severity::Error);
        assert!(!is_refused || row.content.is_none(), "row {}", row.row);
    }
});
