//! Failed-product lists in every layout.

use super::*;

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
    assert_eq!(second.producer.region.map(Region::number), Some(420_000));
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
fn the_provincial_list_is_read_with_its_merged_cells_and_values() {
    let reading = read_file("failed_list_shandong.xlsx");
    let sheet = &reading.sheets[0];
    assert_eq!(all_findings(&reading), ["E8 warning NOT_A_DATE", "F8 note OTHER_ITEM", "G8 warning UNKNOWN_HANDLING"]);
    assert_eq!(sheet.ignored.iter().map(|row| row.row).collect::<Vec<_>>(), [7, 9, 10]);
    let rows: Vec<&Nonconformity> = sheet.rows.iter().map(failure).collect();
    assert_eq!(rows[1].producer.name, rows[0].producer.name, "one name merged over two rows");
    assert!(rows.iter().all(|row| row.published_on == CivilDate::day(2020, 7, 15)));
    let item = &rows[0].items[0];
    assert_eq!(
        (item.medium.as_str(), item.measured.as_str(), item.comparator.as_str(), item.limit.as_str(), item.unit.as_str()),
        ("盐性介质", "85.3", ">=", "90", "%")
    );
    assert_eq!((rows[1].model.as_str(), rows[1].initial_state), ("S-01", State::RecheckFailed));
    assert_eq!((rows[2].model.as_str(), rows[2].grade.as_str(), rows[2].produced_on), ("", "KN95", CivilDate::month(2019, 8)));
    assert_eq!((rows[3].date_and_batch_raw.as_str(), rows[3].produced_on), ("见包装", None));
    assert_eq!(reading.ignored_sheets.len(), 1);
}

#[test]
fn who_was_sampled_decides_how_sure_the_producer_is() {
    let reading = read_file("failed_list_2018.xlsx");
    assert_eq!(all_findings(&reading), ["H5 warning IMPOSSIBLE_DATE"]);
    let rows: Vec<&Nonconformity> = reading.sheets[0].rows.iter().map(failure).collect();
    assert_eq!((rows[0].attribution, rows[0].sampled_party.as_ref()), (Attribution::SampledAtProducer, None));
    assert_eq!(rows[1].attribution, Attribution::Nominal);
    assert_eq!(rows[1].sampled_party.as_ref().map(|party| party.name.as_str()), Some("示例劳保商店"));
    assert_eq!((rows[1].batch.as_str(), rows[1].produced_on), ("A20180401", None));
    assert_eq!(rows[1].producer.region.map(Region::number), Some(130_000));
    let ignored = &reading.sheets[0].ignored;
    assert_eq!((ignored.len(), ignored[0].row, ignored[0].why.en.as_str()), (1, 4, "it passed"));
}

#[test]
fn a_list_with_numbers_of_its_own_needs_no_name() {
    let nameless = Options { list_name: None, ..options() };
    for name in ["failed_list_numbers.xlsx", "failed_list_numbers.xls"] {
        let reading = read(name, &bytes(name), &nameless).expect("read");
        assert_eq!(
            all_findings(&reading),
            [
                "F4 warning SERIAL_DATE",
                "S4 note UNKNOWN_STANDARD",
                "X4 warning NOT_A_COUNT",
                "Z4 warning UNKNOWN_HANDLING",
                "A5 error REPEATED_NUMBER",
                "Q5 warning NOT_A_DATE",
                "F6 error FUTURE_DATE",
                "K6 error WRONG_LENGTH",
                "T6 error DITTO",
            ]
            .map(|finding| if finding.starts_with("K6") { code_as_number(&reading) } else { finding.to_owned() }),
            "{name}"
        );
        let row = &reading.sheets[0].rows[0];
        assert_eq!(row.record_id.as_ref().map(ToString::to_string).as_deref(), Some("amr-330000/NO.2020001"));
        check_first_of_numbered_list(failure(row));
    }
}

/// A code stored as a number has lost its last digits; which rule it then breaks is chance, what to do about it is not.
fn code_as_number(reading: &Reading) -> String {
    let (_, finding) = reading.findings().find(|(_, finding)| finding.cell == "K6").expect("a finding in K6");
    assert!(finding.text.en.contains("Excel keeps 15 digits"), "{}", finding.text.en);
    format!("K6 error {}", finding.reason)
}

fn check_first_of_numbered_list(failure: &Nonconformity) {
    assert_eq!((failure.level, failure.field), (Some(Level::Province), Some(SamplingField::Market)));
    assert_eq!((failure.sampled_on, failure.produced_on), (CivilDate::day(2020, 6, 1), CivilDate::day(2020, 4, 9)));
    assert_eq!((failure.batch.as_str(), failure.date_and_batch_raw.as_str()), ("B01", "2020-04-09/B01"));
    assert_eq!((failure.batch_quantity, failure.sample_quantity), (Some(12_000), Some(30)));
    assert_eq!((failure.brand.as_str(), failure.model.as_str(), failure.grade.as_str()), ("示例", "XH-1", "KN95"));
    assert_eq!(failure.claimed_standards.len(), 2);
    assert_eq!((failure.initial_state, failure.attribution), (State::Ordered, Attribution::Nominal));
    assert!(failure.producer.credit_code.is_some());
    assert_eq!(
        (failure.items[1].measured.as_str(), failure.items[1].limit.as_str(), failure.items[1].unit.as_str()),
        ("190", "175", "Pa")
    );
}

#[test]
fn the_market_list_is_the_same_as_text() {
    let (text, workbook) = (read_file("failed_list_market_gb18030.csv"), read_file("failed_list_market.xlsx"));
    assert_eq!(
        text.sheets[0].rows.iter().map(failure).collect::<Vec<_>>(),
        workbook.sheets[0].rows.iter().map(failure).collect::<Vec<_>>()
    );
}

#[test]
fn the_day_of_publication_may_be_given() {
    let published = Options { published_on: CivilDate::day(2020, 4, 30), ..options() };
    let reading = read("f.xlsx", &bytes("failed_list_national.xlsx"), &published).expect("read");
    assert!(reading.sheets[0].rows.iter().all(|row| failure(row).published_on == CivilDate::day(2020, 4, 30)));
}
