//! The sizing tool, each scenario small: that it counts right and leaves nothing behind. Never how fast: that is for release builds
//! on a quiet machine.

use std::process::{Command, Stdio};

use serde_json::Value;

/// Measures with a few hundred records and answers the JSON document.
fn bench(arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let small = ["--records", "300", "--seconds", "1", "--warm-up", "0", "--subscribers", "3", "--streams", "5", "--json"];
    let output = Command::new(env!("CARGO_BIN_EXE_tongbao"))
        .arg("bench")
        .args(arguments)
        .args(small)
        .arg("--dir")
        .arg(folder.path())
        .output()
        .expect("the program of this project");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("readable").collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    serde_json::from_str(&out).expect("one JSON document")
}

/// The lines of a document, as (what, count).
fn counts(told: &Value) -> Vec<(&str, u64)> {
    let measures = told["measures"].as_array().expect("measures");
    measures.iter().map(|of| (of["what"].as_str().expect("words"), of["count"].as_u64().expect("a number"))).collect()
}

/// The count of the one line that begins so.
fn count_of(told: &Value, begins: &str) -> u64 {
    let found: Vec<_> = counts(told).into_iter().filter(|(what, _)| what.starts_with(begins)).collect();
    assert_eq!(found.len(), 1, "`{begins}` in {told:#}");
    found[0].1
}

#[test]
fn publishing_counts_every_record_and_says_on_what() {
    let told = bench(&["publish", "--runs", "2"]);
    assert_eq!(count_of(&told, "batches of 100"), 300);
    assert_eq!(count_of(&told, "batches of 500"), 300);
    // A slow machine reaches the second before the count.
    assert!((1..=300).contains(&count_of(&told, "one at a time")), "{told:#}");
    assert!((1..=300).contains(&count_of(&told, "unary singles, 256 in flight")), "{told:#}");
    assert!((1..=300).contains(&count_of(&told, "streamed singles, 1024 unconfirmed")), "{told:#}");
    for measure in told["measures"].as_array().expect("measures") {
        assert_eq!(measure["runs"], 2, "{measure:#}");
        let rate = &measure["figures"]["per_second"];
        let at = |name: &str| rate[name].as_f64().expect("a number");
        assert!(at("min") > 0.0 && at("min") <= at("median") && at("median") <= at("max"), "{measure:#}");
    }
    assert!(told["machine"]["cores"].as_u64().is_some_and(|cores| cores > 0), "{told:#}");
    assert!(told["machine"]["disk"]["sync_p50_us"].as_u64().is_some_and(|us| us > 0), "{told:#}");
    assert!(told["compiler"].as_str().is_some_and(|compiler| compiler.starts_with("rustc ")), "{told:#}");
    assert_eq!(told["payload_bytes"], 1_024);
    assert_eq!(told["arguments"]["records"], 300);
}

#[test]
fn delivery_counts_what_was_confirmed() {
    let told = bench(&["deliver", "fan-out", "latency"]);
    let scenarios: Vec<_> = told["measures"].as_array().expect("measures").iter().map(|of| of["scenario"].clone()).collect();
    assert_eq!(scenarios, ["deliver", "fan-out", "latency", "latency"]);
    assert_eq!(count_of(&told, "1 subscriber"), 300);
    assert_eq!(count_of(&told, "3 subscribers"), 900);
    assert_eq!(count_of(&told, "published → answered, open loop at 1000/s"), 1_000);
    assert_eq!(count_of(&told, "published → delivered, open loop at 1000/s"), 1_000);
    assert_eq!(told["measures"][0]["records_stored"], 300);
    assert_eq!(told["measures"][2]["records_stored"], 1_300);
}

#[test]
fn everything_at_once_arrives_everywhere() {
    let told = bench(&["mixed", "--mixed-rate", "200", "--pull-rate", "20"]);
    assert_eq!(count_of(&told, "publish, batches of 10"), 200);
    assert_eq!(count_of(&told, "published → delivered to 3 subscribers"), 600);
    assert_eq!(count_of(&told, "pull by credit code, at 20/s"), 20);
    let latency = &told["measures"][1]["figures"];
    assert!(latency["p50_us"]["median"].as_f64().is_some_and(|us| us > 0.0), "{told:#}");
    assert_eq!(latency["delivered_percent"]["median"], 100.0);
}

#[test]
fn reading_finds_what_was_stored() {
    let told = bench(&["pull", "catch-up", "idle"]);
    assert!(count_of(&told, "by credit code, 16") > 0);
    assert!(count_of(&told, "by credit code, 256") > 0);
    assert!((3..=900).contains(&count_of(&told, "3 subscribers from random places")), "{told:#}");
    assert_eq!(count_of(&told, "start-up"), 1);
    assert_eq!(count_of(&told, "attach to first ack, 1 match in 300, after the start"), 1);
    assert_eq!(count_of(&told, "attach to first ack, 1 match in 300, once more"), 1);
    assert!(count_of(&told, "GetSubscription") > 0);
    assert_eq!(count_of(&told, "5 idle streams on 5 connections, opening"), 5);
}

#[test]
fn screening_holds_the_failed_batches() {
    let told = bench(&["screening"]);
    assert!(count_of(&told, "256 in flight") > 0);
    assert_eq!(count_of(&told, "open loop at 500/s"), 500);
    assert_eq!(told["measures"][0]["records_stored"], 600);
}

#[test]
fn limits_name_what_bounds_the_rest() {
    let told = bench(&["limits"]);
    let bare: Vec<_> = counts(&told).into_iter().filter(|(what, _)| what.starts_with("bare SQLite writer")).collect();
    assert_eq!(bare.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [300, 300, 300, 500]);
    for calls in ["bare unary call (health), 1 ", "bare unary call (health), 16 ", "bare unary call (health), 256 ", "ListFeeds"]
    {
        assert!(count_of(&told, calls) > 0);
    }
}

#[test]
fn a_signal_leaves_neither_gateway_nor_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut bench = Command::new(env!("CARGO_BIN_EXE_tongbao"))
        .args(["bench", "limits", "--seconds", "600", "--records", "10000000", "--json", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program of this project");
    // The database stands once the gateway runs.
    let made = || {
        let mut worlds = std::fs::read_dir(folder.path()).expect("readable").filter_map(Result::ok);
        worlds.any(|world| world.path().join("data/tongbao.sqlite").exists())
    };
    while !made() {
        assert!(bench.try_wait().expect("asked").is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    let told = Command::new("kill").args(["-TERM", &bench.id().to_string()]).status().expect("a signal");
    assert!(told.success());
    let output = bench.wait_with_output().expect("its end");
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("BENCH_STOPPED"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0, "the folder of the world stands");
    let world = folder.path().to_string_lossy().into_owned();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let calls = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let left: Vec<_> =
        calls.map(|call| String::from_utf8_lossy(&call).into_owned()).filter(|call| call.contains(&world)).collect();
    assert!(left.is_empty(), "still running: {left:?}");
}
