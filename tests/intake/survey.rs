//! The survey form in every guise.

use std::collections::BTreeSet;

use super::*;

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

fn contents(reading: &Reading) -> Vec<&EnterpriseSurvey> {
    reading.sheets[0].rows.iter().map(survey).collect()
}

#[test]
fn delimited_texts_say_the_same_as_the_workbook() {
    let workbook = read_file("survey_form.xlsx");
    for (name, format) in [
        ("survey_form_utf8.csv", Format::CsvUtf8),
        ("survey_form_utf8_bom.csv", Format::CsvUtf8),
        ("survey_form_gb18030.csv", Format::CsvGb18030),
    ] {
        let text = read_file(name);
        assert_eq!(text.format, format);
        assert_eq!(all_findings(&text), Vec::<String>::new(), "{name}");
        assert_eq!(text.sheets[0].header_rows, (3, 5), "{name}");
        assert_eq!(contents(&text), contents(&workbook)[..7], "{name}");
    }
}

#[test]
fn the_old_format_says_the_same_as_the_new() {
    let (old, new) = (read_file("survey_form_with_errors.xls"), read_file("survey_form_with_errors.xlsx"));
    assert_eq!(all_findings(&old), all_findings(&new));
    assert_eq!(old.valid().map(|(.., c)| c).collect::<Vec<_>>(), new.valid().map(|(.., c)| c).collect::<Vec<_>>());
}

#[test]
fn columns_are_known_by_meaning_in_any_order() {
    let reading = read_file("survey_form_other_order.xlsx");
    let sheet = &reading.sheets[0];
    assert_eq!(sheet.header_rows, (3, 5));
    let how: Vec<_> =
        sheet.columns.iter().map(|column| (column.letter.as_str(), column.meaning, column.answer, column.factor)).collect();
    assert_eq!(
        how,
        [
            ("A", Some(Meaning::Sequence), None, 1),
            ("B", Some(Meaning::DailyOutput), None, 10_000),
            ("C", Some(Meaning::Exports), None, 1),
            ("D", Some(Meaning::Producer), None, 1),
            ("E", Some(Meaning::CreditCode), None, 1),
            ("F", Some(Meaning::Address), None, 1),
            ("G", Some(Meaning::ProductKind), None, 1),
            ("H", Some(Meaning::Standards), None, 1),
            ("I", Some(Meaning::MeltblownSuppliers), None, 1),
            ("J", Some(Meaning::MakesMedical), Some(false), 1),
            ("K", Some(Meaning::MakesMedical), Some(true), 1),
            ("L", Some(Meaning::Converted), None, 1),
            ("M", None, None, 1),
        ]
    );
    let ignored: Vec<u32> = sheet.ignored.iter().map(|row| row.row).collect();
    assert_eq!(ignored, [6, 11, 13, 14, 15, 16]);
    assert_eq!(
        all_findings(&reading),
        [
            "E8 note CODE_NORMALISED",
            "G8 note OTHER_KIND",
            "I8 note OWN_SUPPLY",
            "J9 error TWO_ANSWERS",
            "C10 error NOT_A_TICK",
            "E10 note CODE_NORMALISED",
            "L10 warning NOT_ANSWERED",
        ]
    );
}

#[test]
fn cells_of_another_clerk_are_understood() {
    let reading = read_file("survey_form_other_order.xlsx");
    let rows = &reading.sheets[0].rows;
    let first = survey(&rows[0]);
    assert_eq!((first.filing_unit.as_str(), first.filed_on), ("示例省市场监督管理局", CivilDate::day(2020, 5, 21)));
    assert_eq!(
        (first.daily_output, first.exports, first.makes_medical, first.converted),
        (Some(120_000), Some(true), Some(false), Some(true))
    );
    assert_eq!((first.product_kinds.len(), first.standards.len(), first.meltblown_suppliers.len()), (2, 2, 3));
    let second = survey(&rows[1]);
    assert_eq!((second.daily_output, second.enterprise.address.as_str()), (Some(15_000), ""));
    assert_eq!((second.exports, second.makes_medical, second.converted), (Some(false), Some(true), Some(false)));
    assert_eq!(second.standards.iter().map(Standard::as_str).collect::<Vec<_>>(), ["GB/T 32610-2016"]);
    assert_eq!(second.meltblown_suppliers[0].credit_code, second.enterprise.credit_code);
    let maker_of_cloth = survey(rows.iter().find(|row| row.row == 12).expect("row 12"));
    assert_eq!((maker_of_cloth.roles.as_slice(), maker_of_cloth.daily_output), (&[Role::RawMaterialMaker][..], None));
}

#[test]
fn a_publisher_is_told_of_enterprises_elsewhere() {
    let own = Options { publisher_region: Region::parse("440000"), ..options() };
    let reading = read("f.xlsx", &bytes("survey_form.xlsx"), &own).expect("read");
    let warnings: Vec<_> = reading.findings().filter(|(_, finding)| finding.reason == "OUTSIDE_REGION").collect();
    assert!(!warnings.is_empty() && warnings.len() < 40 && reading.is_clean());
    assert!(warnings.iter().all(|(_, finding)| finding.cell.starts_with('C') && finding.severity == Severity::Warning));
}
