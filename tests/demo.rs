//! The README's first command, as a user runs it.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

fn demo(arguments: &[&str]) -> (bool, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_tongbao")).arg("demo").args(arguments).output().expect("the program of this project");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn every_step_of_the_demonstration_holds() {
    let (success, out, err) = demo(&["--once", "--json"]);
    assert!(success, "{out}\n{err}");
    let told: serde_json::Value = serde_json::from_str(&out).expect("one JSON document");
    assert_eq!(told["ok"], true);
    let steps = told["steps"].as_array().expect("steps");
    let ids: Vec<_> = steps.iter().filter_map(|step| step["id"].as_str()).collect();
    assert_eq!(ids, ["a", "b", "c", "d", "e", "f"]);
    assert!(steps.iter().all(|step| step["ok"] == true && step["facts"].as_array().is_some_and(|facts| !facts.is_empty())));
    assert_eq!(told["counts"]["surveys"], 40);
    assert_eq!(told["counts"]["dead_lettered"], 1);
    let folder = std::path::PathBuf::from(told["folder"].as_str().expect("a folder"));
    assert!(!folder.exists(), "a temporary world is removed after --once");
}

#[test]
fn a_folder_that_holds_a_world_already_is_not_overwritten() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().to_string_lossy().into_owned();
    std::fs::create_dir_all(folder.path().join("certs")).expect("a folder");
    std::fs::write(folder.path().join("certs/ca.pem"), "somebody's").expect("a file");
    let (success, _, err) = demo(&["--once", "--lang", "en", "--dir", &path]);
    assert!(!success);
    assert!(err.contains("ca.pem exists already"), "{err}");
    assert_eq!(std::fs::read_to_string(folder.path().join("certs/ca.pem")).expect("the file"), "somebody's");
}

#[test]
fn told_to_stop_the_demonstration_closes_its_store() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut serving = Command::new(env!("CARGO_BIN_EXE_tongbao"))
        .args(["demo", "--json", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program of this project");
    let said = BufReader::new(serving.stdout.take().expect("its answer"));
    // The answer ends with its closing brace; from then on it serves.
    assert!(said.lines().map_while(Result::ok).any(|line| line == "}"), "it answers");
    let told = Command::new("kill").arg(serving.id().to_string()).status().expect("kill");
    assert!(told.success());
    let ended = serving.wait().expect("it ends");
    assert!(ended.success(), "{ended}");
    assert!(folder.path().join("data/tongbao.sqlite").exists());
    assert!(!folder.path().join("data/tongbao.sqlite-wal").exists(), "the store was not closed");
}
