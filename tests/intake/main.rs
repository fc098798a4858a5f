//! Reading the example workbooks: every form and list layout, every mistake of a clerk with its cell.

mod any_bytes;
mod compare;
mod lists;
mod mapping;
mod output;
mod refused;
mod survey;

use std::{fs, path::PathBuf};

use tongbao::{
    domain::{
        dates::CivilDate,
        ids::ParticipantId,
        life_cycle::State,
        records::{Attribution, EnterpriseSurvey, Level, Matter, Nonconformity, Role, SamplingField},
        regions::Region,
        standards::Standard,
        violation::Lang,
    },
    intake::{
        FileError, FormKind, Format, Meaning, Options, Reading, RowReading, Severity, Shown, read, render_dry_run, write_report,
    },
};

fn bytes(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn options() -> Options {
    Options {
        publisher: ParticipantId::parse("amr-330000").expect("a participant"),
        publisher_region: None,
        list_name: Some("2020-04-list".to_owned()),
        today: CivilDate::day(2026, 11, 22).expect("a day"),
        published_on: None,
        allow_synthetic: true,
        accept_unknown_standard: false,
        mapping: tongbao::intake::Mapping::default(),
    }
}

fn read_file(name: &str) -> Reading {
    read(name, &bytes(name), &options()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn refused(name: &str) -> FileError {
    read(name, &bytes(name), &options()).err().unwrap_or_else(|| panic!("{name} was read"))
}

fn all_findings(reading: &Reading) -> Vec<String> {
    reading.findings().map(|(_, finding)| format!("{} {} {}", finding.cell, finding.severity.token(), finding.reason)).collect()
}

fn survey(row: &RowReading) -> &EnterpriseSurvey {
    match row.content.as_ref().map(|content| &content.matter) {
        Some(Matter::EnterpriseSurvey(survey)) => survey,
        other => panic!("row {}: {other:?} {:?}", row.row, row.findings),
    }
}

fn failure(row: &RowReading) -> &Nonconformity {
    match row.content.as_ref().map(|content| &content.matter) {
        Some(Matter::Nonconformity(failure)) => failure,
        other => panic!("row {}: {other:?} {:?}", row.row, row.findings),
    }
}
