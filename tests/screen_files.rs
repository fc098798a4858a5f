//! `tongbao screen` of many declarations: the real program against the real gateway.

mod exchange;

use std::{path::Path, process::Command};

use exchange::Exchange;
use serde_json::Value;

fn screen(exchange: &Exchange, files: &[&Path]) -> (Option<i32>, Value) {
    let run = || {
        Command::new(env!("CARGO_BIN_EXE_tongbao"))
            .args(["--lang", "en", "--json", "--profile"])
            .arg(exchange.house.profile_file("gacc"))
            .arg("screen")
            .args(files)
            .output()
            .expect("the program of this project")
    };
    let output = tokio::task::block_in_place(run);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {output:?}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_right_is_screened_and_what_is_wrong_is_named() {
    let mut exchange = Exchange::open().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let item = r#"{"goods_name":"口罩","hs_code":"6307900010"}"#;
    file("1.json", &format!(r#"{{"exporter":{{"name":"甲公司"}},"items":[{item}]}}"#));
    file("2.csv", "maker,goods_name,hs_code\n乙公司,口罩,6307900010\n丙公司,口罩,6307900010\n");
    file("notes.txt", "no declaration, and not looked at");
    let (code, said) = screen(&exchange, &[folder.path()]);
    assert_eq!(code, Some(0), "{said}");
    let of: Vec<_> = said["answers"].as_array().expect("answers").iter().map(|one| one["of"]["place"].clone()).collect();
    assert_eq!(of, [1, 2, 3]);
    let ids: std::collections::BTreeSet<_> =
        said["answers"].as_array().expect("answers").iter().map(|one| one["answer"]["screening_id"].to_string()).collect();
    assert_eq!(ids.len(), 3, "each has an answer of its own");

    // What the gateway refuses names its field; the others are answered.
    let list = file("3.json", &format!(r#"[{{"items":[{item}]}},{{"items":[{{"goods_name":"口罩","hs_code":"12"}}]}}]"#));
    let (code, said) = screen(&exchange, &[&list]);
    assert_eq!((code, said["answers"].as_array().map(Vec::len)), (Some(3), Some(1)), "{said}");
    assert_eq!(said["refused"][0]["of"]["place"], 2);
    assert_eq!(said["refused"][0]["fields"][0]["field"], "declaration.items[0].hs_code");

    // Files that are wrong name line and column.
    let broken = file("4.json", "{\"items\":[],\n\"colour\":1}");
    let table = file("5.csv", "maker,goods_name,produced_on\n乙公司,口罩,spring\n丙公司,口罩,2020-04\n");
    let (code, said) = screen(&exchange, &[&broken, &table]);
    assert_eq!(code, Some(2), "{said}");
    let places: Vec<_> =
        said["mistakes"].as_array().expect("mistakes").iter().map(|one| (&one["line"], &one["column"])).collect();
    assert_eq!(places, [(&Value::from(2), &Value::from(8)), (&Value::from(2), &Value::from(3))]);
    assert_eq!(said["answers"].as_array().map(Vec::len), Some(0), "nothing of a file that is wrong is screened");
    exchange.stop().await;
}
