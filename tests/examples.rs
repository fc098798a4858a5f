//! The examples, against the real gateway.

#[path = "../examples/batch_consumer.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod batch_consumer;
#[path = "../examples/customs_subscriber.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod customs_subscriber;
mod exchange;
#[path = "../examples/publish_survey.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod publish_survey;
#[path = "../examples/pull_and_screen.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod pull_and_screen;

use std::{collections::BTreeSet, path::Path};

use exchange::{Exchange, nonconformity, subscription, until};
use tokio_util::sync::CancellationToken;
use tongbao::{clock::World, domain::records::examples, proto};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survey_is_published_and_a_subscriber_takes_over_the_failed_products() {
    let mut exchange = Exchange::open().await;
    let regulator = exchange.connection("amr-330000");
    let workbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/survey_form.xlsx");
    let world = World::real();
    let published =
        publish_survey::publish_survey(&regulator, &workbook, "amr-330000", "330000", &world).await.expect("published");
    assert!(!published.records.is_empty());

    exchange.publish("amr-330000", (0..30).map(|n| nonconformity("amr-330000", n)).collect()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("holds.tsv");
    let stop = CancellationToken::new();
    let customs = exchange.connection("gacc");
    let taking = customs_subscriber::take_over(&customs, "customs", &file, [3; 16], stop.clone());
    let watching = async {
        until("all failed products", || async { holds(&file).len() == 30 }).await;
        stop.cancel();
    };
    let (summary, ()) = tokio::join!(taking, watching);
    let summary = summary.expect("in good order");
    assert_eq!((summary.counts.acked, summary.unconfirmed), (30, 0));

    let answer = pull_and_screen::pull_and_screen(&customs, examples::credit_code(3).as_str(), "B0000003").await;
    let verdict = answer.expect("screened").verdict();
    assert_eq!(verdict, proto::Verdict::Hold, "the very batch failed");
    assert_eq!(pull_and_screen::what_to_do(verdict), "hold the goods");
    exchange.stop_and_check().await;
}

fn holds(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter(|line| line.contains("\tHOLD\t")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_taken_over_into_a_database() {
    let mut exchange = Exchange::open().await;
    exchange.publish("amr-330000", (0..300).map(|n| nonconformity("amr-330000", n)).collect()).await;
    let feeds = exchange.feeds("gacc");
    feeds.create(subscription("risk")).await.expect("made");
    let folder = tempfile::tempdir().expect("a folder");
    let stop = CancellationToken::new();
    let customs = exchange.connection("gacc");
    let database = folder.path().join("revisions.db");
    let taking = batch_consumer::take_over(&customs, "risk", &database, [4; 16], stop.clone());
    let watching = async {
        until("all acks", || async {
            let status = feeds.subscription("risk").await.expect("found").status.expect("numbers");
            status.floor == 300 && status.in_flight == 0
        })
        .await;
        stop.cancel();
    };
    let (summary, ()) = tokio::join!(taking, watching);
    assert_eq!(summary.expect("in good order").counts.acked, 300);
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", database.display())).await.expect("a database");
    let (rows,): (i64,) = sqlx::query_as("SELECT count(*) FROM revision").fetch_one(&pool).await.expect("counted");
    assert_eq!(rows, 300);
    pool.close().await;
    exchange.stop_and_check().await;
}
