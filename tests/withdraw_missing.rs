//! `tongbao publish --withdraw-missing`: the real program against the real gateway.

mod exchange;

use std::{
    path::Path,
    process::{Command, Output},
};

use exchange::Exchange;
use serde_json::Value;
use tongbao::{proto::GetRecordRequest, wire::received};

/// A list without numbers of its own: a row for each of these enterprises.
fn list(folder: &Path, rows: &[u32]) {
    let row = |n: &u32| format!("{n},示例{n}号防护用品有限公司,浙江,日常防护型口罩,M-95,2020-04-09/B{n},过滤效率,责令改正\n");
    let head = "序号,抽查企业名称,企业所在地,产品名称,规格型号,生产日期/批号,不合格项目,整改情况\n";
    let text: String = std::iter::once(head.to_owned()).chain(rows.iter().map(row)).collect();
    std::fs::write(folder.join("list.csv"), text).expect("a list");
}

fn publish(exchange: &Exchange, folder: &Path, name: &str, more: &[&str]) -> (Option<i32>, Value) {
    let run = || -> Output {
        Command::new(env!("CARGO_BIN_EXE_tongbao"))
            .args(["--lang", "en", "--json", "--profile"])
            .arg(exchange.house.profile_file("amr-330000"))
            .arg("publish")
            .arg(folder.join("list.csv"))
            .args(["--published-on", "2020-05-20", "--list", name])
            .args(more)
            .output()
            .expect("the program of this project")
    };
    let output = tokio::task::block_in_place(run);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {output:?}")))
}

fn withdrawn(said: &Value) -> Vec<&str> {
    let records = said["records"].as_array().expect("records");
    records.iter().filter(|one| one["change"] == "withdrawn").filter_map(|one| one["record_id"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_corrected_list_no_longer_has_is_withdrawn_when_it_is_agreed_to() {
    let mut exchange = Exchange::open().await;
    let folder = tempfile::tempdir().expect("a folder");
    list(folder.path(), &[1, 2, 3, 4]);
    let (code, said) = publish(&exchange, folder.path(), "other", &[]);
    assert_eq!((code, said["new"].as_u64()), (Some(0), Some(4)), "{said}");
    let (code, said) = publish(&exchange, folder.path(), "april", &[]);
    assert_eq!((code, said["new"].as_u64()), (Some(0), Some(4)), "{said}");

    list(folder.path(), &[1, 2, 3]);
    let (code, said) = publish(&exchange, folder.path(), "april", &["--withdraw-missing", "--check"]);
    assert_eq!((code, said["withdrawn"].as_u64(), said["same"].as_u64()), (Some(0), Some(1), Some(3)), "{said}");
    let gone = withdrawn(&said).first().map(|id| (*id).to_owned()).expect("the fourth row");
    assert!(gone.starts_with("amr-330000/april/"), "{gone}");
    let (code, said) = publish(&exchange, folder.path(), "april", &["--withdraw-missing"]);
    assert_eq!((code, said["error"]["reason"].as_str()), (Some(2), Some("WITHDRAWAL_NOT_CONFIRMED")), "{said}");
    let (code, said) = publish(&exchange, folder.path(), "april", &["--withdraw-missing", "--yes"]);
    assert_eq!((code, withdrawn(&said)), (Some(0), vec![gone.as_str()]), "{said}");

    let records = exchange.records("samr");
    let request = GetRecordRequest { record_id: gone.clone(), ..GetRecordRequest::default() };
    let record = records.record(request).await.expect("it stands").record.expect("a record");
    let content = received(&record).expect("readable").content;
    assert!(content.withdrawal.is_some_and(|reason| reason.contains("april")));
    let (code, said) = publish(&exchange, folder.path(), "april", &["--withdraw-missing"]);
    assert_eq!((code, said["same"].as_u64(), withdrawn(&said).len()), (Some(0), Some(3), 0), "once is enough: {said}");

    list(folder.path(), &[1]);
    let (code, said) = publish(&exchange, folder.path(), "april", &["--withdraw-missing"]);
    assert_eq!((code, said["error"]["reason"].as_str()), (Some(2), Some("MOST_OF_THE_LIST_MISSING")), "{said}");
    list(folder.path(), &[1, 2, 3, 4]);
    let (code, said) = publish(&exchange, folder.path(), "other", &["--withdraw-missing"]);
    assert_eq!((code, said["same"].as_u64()), (Some(0), Some(4)), "another list is another matter: {said}");
    exchange.stop_and_check().await;
}
