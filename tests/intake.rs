//! Reading the example workbooks: every form and list layout, every mistake of a clerk with its cell.

use std::{collections::BTreeSet, fs, io::Cursor, path::PathBuf};

use calamine::Reader as _;

use tongbao::{
    domain::{
        dates::CivilDate,
        ids::ParticipantId,
        life_cycle::State,
        records::{Attribution, EnterpriseSurvey, Matter, Nonconformity},
        violation::Lang,
    },
    intake::{FileError, FormKind, Options, Reading, RowReading, Severity, read, render_dry_run, to_json, write_report},
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

#[test]
fn the_survey_form_is_read_whole() {
    let reading = read_file("survey_form.xlsx");
    assert_eq!(all_findings(&reading), Vec::<String>::new());
    let sheet = &reading.sheets[0];
    assert_eq!((sheet.kind, sheet.header_rows, sheet.rows.len()), (FormKind::Survey, (3, 5), 40));
    let first = survey(&sheet.rows[0]);
    assert_eq!(sheet.rows[0].record_id.as_ref().map(ToString::to_string).as_deref(), Some("amr-330000/91440300PDY001012N"));
    assert_eq!(first.filing_unit, "某省市场监督管理局");
    assert_eq!(first.filed_on, CivilDate::day(2020, 5, 20));
    assert_eq!((first.converted, first.exports, first.makes_medical), (Some(true), Some(false), Some(false)));
    assert_eq!(first.daily_output, Some(120_000));
    let third = survey(&sheet.rows[2]);
    assert_eq!((third.product_kinds.len(), third.standards.len(), third.meltblown_suppliers.len()), (2, 2, 2));
    assert_eq!(sheet.ignored.len(), 1, "{:?}", sheet.ignored);
}

#[test]
fn every_mistake_of_a_clerk_is_found_with_its_cell() {
    let expected = String::from_utf8(bytes("survey_form_with_errors.expected.csv")).expect("UTF-8");
    let expected: BTreeSet<(String, String)> = expected
        .lines()
        .skip(1)
        .map(|line| {
            (line.split(',').next().unwrap_or_default().to_owned(), line.rsplit(',').next().unwrap_or_default().to_owned())
        })
        .collect();
    let reading = read_file("survey_form_with_errors.xlsx");
    let found: Vec<(String, String)> =
        reading.findings().map(|(_, finding)| (finding.cell.clone(), finding.severity.token().to_owned())).collect();
    assert_eq!(found.len(), expected.len(), "{:?}", all_findings(&reading));
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
    let sendable: Vec<u32> = reading.valid().map(|(_, row, ..)| row).collect();
    assert_eq!(sendable, [6, 8, 15, 17]);
}

#[test]
fn an_unknown_standard_can_be_accepted() {
    let accepting = Options { accept_unknown_standard: true, ..options() };
    let reading = read("f.xlsx", &bytes("survey_form_with_errors.xlsx"), &accepting).expect("read");
    let row = reading.sheets[0].rows.iter().find(|row| row.row == 14).expect("row 14");
    assert!(row.content.is_some() && row.findings.iter().all(|finding| finding.severity == Severity::Note), "{row:?}");
}

#[test]
fn invented_codes_are_refused_where_they_are_not_admitted() {
    let strict = Options { allow_synthetic: false, ..options() };
    let reading = read("f.xlsx", &bytes("survey_form.xlsx"), &strict).expect("read");
    assert_eq!(reading.valid().count(), 0);
    assert!(reading.findings().all(|(_, finding)| finding.reason == "SYNTHETIC_CODE"));
}

#[test]
fn the_national_list_is_read() {
    let reading = read_file("failed_list_national.xlsx");
    let sheet = &reading.sheets[0];
    assert_eq!((sheet.kind, sheet.header_rows), (FormKind::FailedList, (2, 2)));
    assert_eq!(all_findings(&reading), Vec::<String>::new());
    let states: Vec<State> = sheet.rows.iter().map(|row| failure(row).initial_state).collect();
    assert_eq!(states, [State::Ceased, State::Rechecking, State::Ceased, State::Ceased, State::Cleared, State::Confirmed]);
    let second = failure(&sheet.rows[1]);
    assert_eq!(sheet.rows[1].record_id.as_ref().map(ToString::to_string).as_deref(), Some("amr-330000/2020-04-list/4"));
    assert_eq!(
        (second.producer.name.as_str(), second.attribution),
        ("宜昌示例丙甲防护用品有限公司", Attribution::SampledAtProducer)
    );
    assert_eq!(
        (second.model.as_str(), second.batch.as_str(), second.produced_on),
        ("9501", "5D217", CivilDate::day(2020, 5, 25))
    );
    assert_eq!(second.date_and_batch_raw, "2020年5月25日/5D217");
    assert_eq!(
        second.items.iter().map(|item| item.item.token().to_owned()).collect::<Vec<_>>(),
        ["filtration_efficiency", "exhalation_valve_tightness"]
    );
    assert_eq!(second.producer.region.map(|region| region.number()), Some(420_000));
    let fifth = failure(&sheet.rows[4]);
    assert_eq!((fifth.specification.as_str(), fifth.batch.as_str(), fifth.produced_on), ("", "", None));
    assert_eq!(failure(&sheet.rows[5]).items[0].medium, "盐性介质");
}

#[test]
fn the_market_list_is_as_labelled() {
    let reading = read_file("failed_list_market.xlsx");
    assert_eq!(all_findings(&reading), Vec::<String>::new());
    let rows = &reading.sheets[0].rows;
    let first = failure(&rows[0]);
    assert_eq!((first.producer.name.as_str(), first.attribution), ("江苏示例庚甲防护用品有限公司", Attribution::Nominal));
    let seller = first.sampled_party.as_ref().expect("a seller");
    assert_eq!((seller.name.as_str(), seller.address.as_str()), ("示例大药房有限公司", "某市某区"));
    let second = failure(&rows[1]);
    assert_eq!((second.produced_on, second.batch.as_str()), (CivilDate::day(2020, 9, 15), "20200902"));
    assert_eq!((second.model.as_str(), second.items.len()), ("KN95-001", 1));
}

#[test]
fn a_list_without_numbers_needs_a_name() {
    let nameless = Options { list_name: None, ..options() };
    assert_eq!(read("f.xlsx", &bytes("failed_list_national.xlsx"), &nameless).err(), Some(FileError::ListNameRequired));
    let wrong = Options { list_name: Some("a b".to_owned()), ..options() };
    assert_eq!(
        read("f.xlsx", &bytes("failed_list_national.xlsx"), &wrong).err().map(|error| error.reason()),
        Some("LIST_NAME_INVALID")
    );
}

#[test]
fn a_dry_run_is_shown_as_text_and_json() {
    let reading = read_file("survey_form_with_errors.xlsx");
    for lang in [Lang::Zh, Lang::En] {
        let text = render_dry_run(&reading, lang);
        for cell in ["C7", "B9", "M10", "M11", "C12", "D13", "E14", "C15", "D16"] {
            assert!(text.contains(cell), "{cell} in\n{text}");
        }
    }
    let json = to_json(&reading);
    assert_eq!(json["counts"]["errors"], 8);
    assert_eq!(json["sheets"][0]["columns"][6]["answer"], true);
    assert_eq!(json["sheets"][0]["rows"][0]["content"]["enterprise"]["credit_code"], "91340000PDY00300XH");
    println!("{}", render_dry_run(&reading, Lang::Zh));
}

#[test]
fn the_report_is_the_workbook_with_its_findings() {
    let original = bytes("survey_form_with_errors.xlsx");
    let reading = read_file("survey_form_with_errors.xlsx");
    let report = write_report(&original, &reading, Lang::Zh).expect("a report");
    // The report can be imported again, and says the same of the same cells.
    let again = read("report.xlsx", &report, &options()).expect("readable");
    assert_eq!(all_findings(&again), all_findings(&reading));
    assert_eq!(
        again.valid().map(|(.., content)| content).collect::<Vec<_>>(),
        reading.valid().map(|(.., content)| content).collect::<Vec<_>>()
    );
    let mut workbook = calamine::Xlsx::new(Cursor::new(report)).expect("a workbook");
    let range = workbook.worksheet_range("汇总表").expect("the sheet");
    let said = range.get_value((6, 13)).map(ToString::to_string).unwrap_or_default();
    assert!(said.starts_with("C7 错误"), "{said}");
}
