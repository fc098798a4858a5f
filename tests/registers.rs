//! The registers from the command line: the real program against the real gateway.

mod exchange;

use std::process::Command;

use exchange::{Exchange, nonconformity, qualification, record, survey};
use serde_json::Value;
use tongbao::domain::life_cycle::State;
use tongbao::domain::records::{Attribution, Disposition, Matter, Nonconformity, Party, examples};

/// Runs the program as a participant; its exit code and its JSON.
fn run(exchange: &Exchange, who: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = tokio::task::block_in_place(|| {
        Command::new(env!("CARGO_BIN_EXE_tongbao"))
            .args(["--lang", "en", "--json", "--profile"])
            .arg(exchange.house.profile_file(who))
            .args(arguments)
            .output()
            .expect("the program of this project")
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {output:?}")))
}

fn named(name: &str) -> Matter {
    Matter::Nonconformity(Box::new(Nonconformity {
        producer: Party { name: name.to_owned(), ..Party::default() },
        attribution: Attribution::SampledAtProducer,
        ..examples::nonconformity(3)
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_decides_who_the_producer_is() {
    let mut exchange = Exchange::open().await;
    exchange
        .publish(
            "amr-330000",
            vec![survey("amr-330000", 5), record("amr-330000/n", None, named("示例5号防护用品有限公司浙江分公司"))],
        )
        .await;
    let code = examples::credit_code(5).to_string();
    let (exit, said) = run(&exchange, "amr-330000", &["admin", "resolve", "list"]);
    let waiting = &said["producers"][0];
    assert_eq!((exit, waiting["record_id"].as_str()), (Some(0), Some("amr-330000/n")), "{said}");
    assert_eq!(
        (waiting["candidates"][0]["credit_code"].as_str(), waiting["candidates"][0]["ground"].as_str()),
        (Some(code.as_str()), Some("branch"))
    );

    let decide = ["admin", "resolve", "decide", "amr-330000/n", "--code", &code, "--reason", "phone"];
    let (exit, said) = run(&exchange, "gacc", &decide);
    assert_eq!((exit, said["error"]["reason"].as_str()), (Some(3), Some("NOT_GRANTED")), "{said}");
    let (exit, said) = run(&exchange, "amr-330000", &decide);
    assert_eq!((exit, said["decision"]["in_force"].as_bool()), (Some(0), Some(true)), "{said}");
    let (_, said) = run(&exchange, "gacc", &["pull", &code, "--purpose", "export control"]);
    assert_eq!(said["enterprises"][0]["nonconformities"][0]["record_id"], "amr-330000/n", "{said}");
    let (exit, said) = run(&exchange, "amr-330000", &["admin", "resolve", "revoke", "amr-330000/n", "--reason", "wrong"]);
    assert_eq!(exit, Some(0), "{said}");
    let (_, said) = run(&exchange, "amr-330000", &["admin", "resolve", "show", "amr-330000/n"]);
    assert_eq!((said["decisions"].as_array().map(Vec::len), said["credit_code"].as_str()), (Some(2), Some("")), "{said}");

    // Decisions come from here alone.
    let decision = tongbao::domain::records::ProducerDecision {
        nonconformity: exchange::id("amr-330000/n"),
        producer_name: "示例5号防护用品有限公司浙江分公司".into(),
        credit_code: Some(examples::credit_code(5)),
        reason: "phone".into(),
        survey_record_id: None,
    };
    let forged = record("amr-330000/forged", None, Matter::ProducerDecision(Box::new(decision)));
    let refused = exchange.refused("amr-330000", vec![forged]).await;
    assert_eq!(refused.fields[0].reason, "KIND_NOT_PUBLISHED");
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_exported_in_every_form_and_verifies_offline() {
    let mut exchange = Exchange::open().await;
    exchange
        .publish(
            "amr-330000",
            vec![nonconformity("amr-330000", 5), record("amr-330000/n", None, named("=HYPERLINK(\"x\")有限公司"))],
        )
        .await;
    exchange.publish("mofcom", vec![qualification(5)]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    for form in ["xlsx", "csv", "json"] {
        let file = path(&format!("deny.{form}"));
        let (exit, said) = run(&exchange, "gacc", &["lists", "export", "--list", "deny", "--format", form, "--out", &file]);
        assert_eq!((exit, said["rows"].as_u64()), (Some(0), Some(2)), "{said}");
        let key = said["header"]["verifier_key"].as_str().expect("a key").to_owned();
        let (exit, said) = run(&exchange, "gacc", &["lists", "verify", &file, "--key", &key]);
        assert_eq!((exit, said["rows"].as_u64(), said["list"].as_str()), (Some(0), Some(2), Some("deny")), "{said}");
        let other = "tongbao/other+6d7cc04b+AQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";
        assert_ne!(run(&exchange, "gacc", &["lists", "verify", &file, "--key", other]).0, Some(0));
        if form == "csv" {
            let text = std::fs::read_to_string(&file).expect("a list").replacen("confirmed", "cleared", 1);
            std::fs::write(&file, text).expect("changed");
            let (exit, said) = run(&exchange, "gacc", &["lists", "verify", &file, "--key", &key]);
            assert_eq!((exit, said["error"]["reason"].as_str()), (Some(1), Some("LIST_NOT_VERIFIED")), "{said}");
        }
    }
    let allow = path("allow.csv");
    let (exit, said) = run(&exchange, "gacc", &["lists", "export", "--list", "allow", "--format", "csv", "--out", &allow]);
    assert_eq!((exit, said["rows"].as_u64()), (Some(0), Some(1)), "{said}");
    let (exit, said) = run(&exchange, "ndrc", &["lists", "export", "--list", "allow", "--out", &path("not-theirs.xlsx")]);
    assert_eq!((exit, said["error"]["reason"].as_str()), (Some(3), Some("NOT_GRANTED")), "{said}");
    exchange.stop_and_check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_public_column_goes_on_from_where_it_stood_and_states_corrections() {
    let mut exchange = Exchange::open().await;
    let hidden = Nonconformity { published_on: None, initial_state: State::Detected, ..examples::nonconformity(15) };
    let hostile = Nonconformity { brand: "<script>x</script>".into(), ..examples::nonconformity(10) };
    exchange
        .publish(
            "amr-330000",
            vec![
                nonconformity("amr-330000", 5),
                record("amr-330000/hostile", None, Matter::Nonconformity(Box::new(hostile))),
                record("amr-330000/hidden", None, Matter::Nonconformity(Box::new(hidden))),
            ],
        )
        .await;
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("column");
    let column = ["publish-column", "--out", out.to_str().expect("UTF-8")];
    let (exit, said) = run(&exchange, "samr", &column);
    assert_eq!((exit, said["results"].as_u64(), said["corrections"].as_u64()), (Some(0), Some(2), Some(0)), "{said}");
    let index = std::fs::read_to_string(out.join("330000/index.html")).expect("a page");
    assert!(index.contains("&lt;script&gt;") && !index.contains("<script"), "{index}");
    assert!(index.contains("示例5号") && !index.contains("示例15号"), "{index}");
    let (_, said) = run(&exchange, "samr", &column);
    assert_eq!((said["files_written"].as_u64(), said["changed"].as_u64()), (Some(0), Some(0)), "{said}");

    let overturned = Disposition {
        reason: "re_test".into(),
        ..examples::disposition(exchange::id("amr-330000/nc-5"), State::Confirmed, State::Overturned)
    };
    exchange.publish("amr-330000", vec![record("amr-330000/o", None, Matter::Disposition(Box::new(overturned)))]).await;
    let (_, said) = run(&exchange, "samr", &column);
    assert_eq!(
        (said["results"].as_u64(), said["corrections"].as_u64(), said["changed"].as_u64()),
        (Some(1), Some(1), Some(1)),
        "{said}"
    );
    let data: Value = serde_json::from_slice(&std::fs::read(out.join("index.json")).expect("data")).expect("JSON");
    assert_eq!(data["newest"].as_array().map(Vec::len), Some(1));
    assert_eq!(data["corrections"][0]["correction"]["kind"], "overturned");
    let page = data["corrections"][0]["page"].as_str().expect("a page");
    assert!(std::fs::read_to_string(out.join(page)).expect("it stays").contains("该结果已撤销"));
    assert!(std::fs::read_to_string(out.join("feed.atom")).expect("a feed").contains("更正"));
    exchange.stop_and_check().await;
}
