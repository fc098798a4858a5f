//! What people and machines are shown of a reading.

use std::{io::Cursor, process::Command};

use calamine::Reader as _;

use super::*;

#[test]
fn a_dry_run_is_shown_as_text_and_json() {
    let reading = read_file("survey_form_with_errors.xlsx");
    for lang in [Lang::Zh, Lang::En] {
        let text = render_dry_run(&reading, lang);
        for cell in ["C7", "B9", "M10", "M11", "C12", "D13", "E14", "C15", "D16"] {
            assert!(text.contains(cell), "{cell} in\n{text}");
        }
    }
    let json = serde_json::to_value(Shown(&reading)).expect("JSON");
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

/// `publish FILE --dry-run` by a new user: no profile anywhere. Exit code and standard output.
fn dry_run(name: &str, more: &[&str]) -> (Option<i32>, String) {
    let nowhere = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_tongbao"))
        .arg("publish")
        .arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name))
        .args(["--dry-run", "--lang", "en"])
        .args(more)
        .current_dir(nowhere.path())
        .env("XDG_CONFIG_HOME", nowhere.path())
        .env_remove("TONGBAO_PROFILE")
        .output()
        .expect("the program of this project");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_dry_run_needs_no_profile_and_its_exit_code_tells_of_errors() {
    let (code, text) = dry_run("survey_form.xlsx", &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("publisher/91"), "a name stands in for ours:\n{text}");
    let (code, text) = dry_run("survey_form_with_errors.xlsx", &["--publisher", "amr-340000"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("amr-340000/91"), "{text}");
    let (code, json) = dry_run("survey_form_with_errors.xlsx", &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("one JSON document");
    assert_eq!((code, json["files"][0]["counts"]["errors"].as_u64()), (Some(2), Some(8)));
    let (code, json) = dry_run("survey_form.xlsx", &["--json", "--profile", "nobody"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("one JSON document");
    assert_eq!((code, json["error"]["reason"].as_str()), (Some(2), Some("PROFILE")), "who names a profile means it");
}
