//! The conformance suite over this home, and what is peculiar to it.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{Options, SqliteStore, int, key_filters::Places, keys, settling};
use crate::{
    domain::{
        attributes::SubjectKey,
        delivery::BlockSummary,
        draft::{OrderKey, StoredRecord},
        feeds::Feed,
        ids::Position,
        life_cycle::State::{Confirmed, Ordered},
        records::{Matter, UrgentNotice, examples},
    },
    store::{
        RecordQuery, Store, StoreError,
        conformance::{
            Home, every_case,
            harness::{Ledger, corrected, draft, nonconformity, publish, step, survey},
        },
    },
};

/// A store in a temporary folder.
struct TemporaryFile {
    folder: TempDir,
    open: Mutex<Option<Arc<SqliteStore>>>,
}

impl TemporaryFile {
    async fn connect(&self) -> sqlx::SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("store.db"));
        sqlx::SqliteConnection::connect_with(&options).await.expect("a connection behind the store's back")
    }
}

#[async_trait]
impl Home for TemporaryFile {
    async fn fresh() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), open: Mutex::default() }
    }

    async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        let store = SqliteStore::open(&self.folder.path().join("store.db"), 0x1234, &Options::default()).await?;
        let store = Arc::new(store);
        *self.open.lock().expect("not poisoned") = Some(store.clone());
        Ok(store)
    }

    async fn limit_growth(&self, bytes: Option<u64>) {
        let store = self.open.lock().expect("not poisoned").clone().expect("it is open");
        let size = std::fs::metadata(self.folder.path().join("store.db")).expect("a file").len();
        store.set_size_limit(bytes.map(|bytes| size + bytes)).await.expect("a limit");
    }

    async fn tamper(&self, statement: &'static str) {
        let done = sqlx::query(statement).execute(&mut self.connect().await).await.expect("the statement runs");
        assert!(done.rows_affected() > 0, "nothing was changed by {statement}");
    }

    async fn make_newer(&self) {
        let statement = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                         VALUES (999, 'of a newer program', 1, x'00', 0)";
        self.tamper(statement).await;
    }
}

every_case!(TemporaryFile);

/// What a commit costs beside its rows: crossings to the driver's thread. If this grows, publishing slows.
#[tokio::test]
async fn a_commit_crosses_seldom() {
    let home = TemporaryFile::fresh().await;
    let ledger = Ledger::open(&home).await;
    let store = home.open.lock().expect("not poisoned").clone().expect("it is open");

    ledger.publish(vec![nonconformity(1)]).await;
    assert_eq!(store.crossings_of_last_commit(), 2, "one record");

    let acts: Vec<_> = (0..10).map(|act| publish((0..100).map(|n| nonconformity(1000 + act * 100 + n)).collect())).collect();
    ledger.commit(&acts).await;
    assert!(store.crossings_of_last_commit() <= 28, "1,000 records: {}", store.crossings_of_last_commit());
}

/// The log goes into the file beside the commits, long before a commit would have to do it.
#[tokio::test]
async fn the_log_is_emptied_beside_the_writer() {
    let home = TemporaryFile::fresh().await;
    let ledger = Ledger::open(&home).await;
    let store = home.open.lock().expect("not poisoned").clone().expect("it is open");
    let mut emptied = store.emptying.times();
    for thousand in 0..4 {
        ledger.publish((0..1000).map(|n| nonconformity(thousand * 1000 + n)).collect()).await;
    }
    emptied.wait_for(|times| *times > 0).await.expect("it runs");
    let file = std::fs::metadata(home.folder.path().join("store.db")).expect("a file").len();
    assert!(file > 1 << 20, "{file} bytes in the file");
    ledger.is_sound().await;
    store.close().await;
    assert!(!home.folder.path().join("store.db-wal").exists(), "closing leaves one file");
}

/// What a search for a plan must not find: a reading of a whole table that grows.
#[tokio::test]
async fn readings_use_indexes() {
    // Given lists, what an index found, and the one row of the head are small.
    const SMALL: [&str; 9] =
        ["SCAN found", "SCAN f", "SCAN wanted", "SCAN p", "SCAN run", "SCAN one", "SCAN probe", "SCAN head", "SCAN CONSTANT ROW"];
    let home = TemporaryFile::fresh().await;
    Ledger::open(&home).await.publish((0..50).map(nonconformity).collect()).await;
    let mut connection = home.connect().await;
    for (what, statement) in
        super::records::STATEMENTS.into_iter().chain(super::lookup::STATEMENTS).chain(super::summaries::STATEMENTS)
    {
        let explained = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let plan: Vec<String> = sqlx::query(explained)
            .fetch_all(&mut connection)
            .await
            .expect("a plan")
            .iter()
            .map(|row| row.get::<String, _>("detail"))
            .collect();
        let small = |line: &&String| line.contains("VIRTUAL TABLE") || SMALL.contains(&line.as_str());
        let reads_all = |line: &&String| line.starts_with("SCAN") || line.contains("AUTOMATIC");
        let scans: Vec<_> = plan.iter().filter(reads_all).filter(|line| !small(line)).collect();
        assert!(scans.is_empty(), "{what}: {plan:#?}");
    }
}

/// A bare `LIMIT ?` has SQLite compile the statement anew at every execution.
#[test]
fn no_statement_binds_a_bare_limit() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/sqlite");
    let mut texts = 0;
    for folder in [here.clone(), here.join("check")] {
        for file in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            let text =
                if file.is_file() && !file.ends_with("tests.rs") { std::fs::read_to_string(&file) } else { Ok(String::new()) };
            let text = text.expect("a source");
            let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            for after in code.join("\n").split("LIMIT ").skip(1) {
                texts += 1;
                assert!(
                    !after.starts_with(['?', '"', ':', '@', '$']),
                    "{}: LIMIT {}",
                    file.display(),
                    &after[..after.len().min(20)]
                );
            }
        }
    }
    assert!(texts > 10, "the sources were found");
}

/// Keys are cut into segments of 16,384 positions; what was filed in one is found from any.
#[tokio::test]
async fn keys_are_found_in_every_segment() {
    let home = TemporaryFile::fresh().await;
    let ledger = Ledger::open(&home).await;
    ledger.publish(vec![nonconformity(1), nonconformity(2)]).await;
    publish_notices(&ledger, 0..17).await;
    let items = ledger.publish(vec![corrected(1, "甲"), step("d/1", 1, Confirmed, Ordered), survey(1)]).await;
    let (head, last) = (ledger.head().await, items[0].position);
    assert_eq!(head, last + 2);

    lookups_find_all(&ledger, last).await;
    // And again when the full segment is settled, with its filter.
    let store = home.open.lock().expect("not poisoned").clone().expect("it is open");
    settling::settle(&store.shelves, &CancellationToken::new()).await.expect("settled");
    let key = SubjectKey::of("code", examples::credit_code(1).as_str()).0;
    let places = store.places(&[key], 0..=head).await.expect("places");
    let recent = [1, last, last + 1, last + 2].map(|position| (1, int(position))).to_vec();
    assert_eq!(places, Places { pairs: vec![[0, key]], unknown: vec![], recent });
    lookups_find_all(&ledger, last).await;
    ledger.is_sound().await;
    let settled = settled_keys(&home).await;

    // And by who comes later: without the filter first, then with it.
    drop(store);
    ledger.store.close().await;
    let ledger = Ledger::open(&home).await;
    lookups_find_all(&ledger, last).await;
    let store = home.open.lock().expect("not poisoned").clone().expect("it is open");
    store.shelves.filters.complete(&store.readers).await.expect("filters");
    assert_eq!(store.places(&[key], 0..=100).await.expect("places").pairs, [[0, key]]);
    lookups_find_all(&ledger, last).await;
    assert_eq!(settled_keys(&home).await, settled, "what is settled is not touched again");
}

/// Thousands of records with hardly a key.
async fn publish_notices(ledger: &Ledger, thousands: std::ops::Range<u64>) {
    let notice = UrgentNotice { enterprise: None, ..examples::notice(1) };
    for thousand in thousands {
        let filler = |n| draft(&format!("u/{thousand}/{n}"), Matter::UrgentNotice(Box::new(notice.clone())));
        ledger.publish((0..1000).map(filler).collect()).await;
    }
}

/// Keys in `record_key`, and whether there are runs of the first segment.
async fn settled_keys(home: &TemporaryFile) -> (i64, bool) {
    let mut connection = home.connect().await;
    let row =
        sqlx::query("SELECT (SELECT count(*) FROM record_key), EXISTS (SELECT 1 FROM key_run WHERE last_position < 1 << 14)");
    let row = row.fetch_one(&mut connection).await.expect("counted");
    (row.get(0), row.get(1))
}

/// A settling that ended in the middle, and a file of before there were runs: what is filed is found, and is settled once more.
#[tokio::test]
async fn what_is_filed_in_part_is_found_and_settled() {
    for legacy in [false, true] {
        let home = TemporaryFile::fresh().await;
        let ledger = Ledger::open(&home).await;
        ledger.publish(vec![nonconformity(1), nonconformity(2)]).await;
        publish_notices(&ledger, 0..1).await;
        let last = ledger.publish(vec![corrected(1, "甲"), step("d/1", 1, Confirmed, Ordered), survey(1)]).await[0].position;
        ledger.store.close().await;
        let mut connection = home.connect().await;
        let runs = sqlx::query("SELECT last_position, keys FROM key_run").fetch_all(&mut connection).await.expect("runs");
        let mut keys = Vec::new();
        for row in &runs {
            let run = keys::Run::from_bytes(row.get::<i64, _>(0).cast_unsigned(), row.get(1)).expect("a run");
            keys.extend(run.keys.into_iter().map(|[key, position]| [0, key, position]));
        }
        let filed = if legacy { keys.as_slice() } else { &keys[..2] };
        settling::file(&mut connection, filed, legacy.then_some(last + 2)).await.expect("filed");

        let ledger = Ledger::open(&home).await;
        lookups_find_all(&ledger, last).await;
        ledger.is_sound().await;
        publish_notices(&ledger, 1..17).await;
        let store = home.open.lock().expect("not poisoned").clone().expect("it is open");
        settling::settle(&store.shelves, &CancellationToken::new()).await.expect("settled");
        lookups_find_all(&ledger, last).await;
        ledger.is_sound().await;
        assert!(!settled_keys(&home).await.1, "the runs of the segment are gone");
    }
}

/// What `keys_are_found_in_every_segment` filed.
async fn lookups_find_all(ledger: &Ledger, last: Position) {
    let head = ledger.head().await;

    let positions = |records: Vec<StoredRecord>| records.iter().map(|record| record.position).collect::<Vec<_>>();
    let code = examples::credit_code(1);
    let subject = SubjectKey::of("code", code.as_str());
    let found = ledger.store.by_subjects(&[subject], head, 10).await.expect("read");
    assert_eq!(positions(found), [last, last + 1, last + 2]);
    assert_eq!(positions(ledger.store.by_subjects(&[subject], 100, 10).await.expect("read")), [1]);
    let key = OrderKey(code.as_str().into());
    assert_eq!(positions(ledger.store.page_of_key(&key, 0, head, 10).await.expect("read")), [1, last, last + 1, last + 2]);
    assert_eq!(
        positions(ledger.store.page_of_key(&key, 0, head, 2).await.expect("read")),
        [1, last],
        "none twice: fewer are the end"
    );
    assert_eq!(positions(ledger.store.page_of_key(&key, last, u64::MAX, 10).await.expect("read")), [last + 1, last + 2]);
    let query = RecordQuery { feeds: vec![Feed::FailedProducts], credit_code: Some(code), ..RecordQuery::default() };
    assert_eq!(positions(ledger.store.list(&query, head, 0, 10).await.expect("read")), [last, last + 1]);
}

/// Waits until the first block has its summary.
async fn first_summary(store: &SqliteStore) -> BlockSummary {
    let mut times = store.summaries.times();
    loop {
        times.borrow_and_update();
        if let Some((0, summary)) = store.summaries(0, 9, true).await.expect("summaries").pop() {
            return summary;
        }
        times.changed().await.expect("the task goes on");
    }
}

/// Full blocks are summed up behind the commits, and what was stored without a summary gets one at the next start.
#[tokio::test]
async fn full_blocks_get_their_summaries() {
    let home = TemporaryFile::fresh().await;
    let ledger = Ledger::open(&home).await;
    ledger.publish(vec![nonconformity(1), survey(1)]).await;
    ledger.publish(vec![corrected(1, "甲"), step("d/1", 1, Confirmed, Ordered)]).await;
    let notice = UrgentNotice { enterprise: None, ..examples::notice(1) };
    let filler = |n| draft(&format!("u/{n}"), Matter::UrgentNotice(Box::new(notice.clone())));
    ledger.publish((4..4094).map(filler).collect()).await;
    let store = || home.open.lock().expect("not poisoned").clone().expect("it is open");
    assert_eq!(ledger.head().await, 4094);
    assert!(store().summaries(0, 9, true).await.expect("summaries").is_empty(), "the block is not full");
    ledger.publish(vec![filler(4094), nonconformity(2)]).await;

    let records = ledger.everything().await;
    let of_block = records.iter().filter(|record| record.position < 4096);
    let expected = BlockSummary::of(of_block.map(|record| (&record.attributes, record.previous.as_ref())));
    assert_eq!(first_summary(&store()).await, expected);
    ledger.is_sound().await;

    let mut behind = home.connect().await;
    for damage in ["codes = x'00'", "classes = x'01'", "classes = x''", "block = 1"] {
        let statement = AssertSqlSafe(format!("UPDATE block_summary SET {damage}"));
        sqlx::query(statement).execute(&mut behind).await.expect("damaged");
        let wrong = store().check_everything().await.expect("it can be read");
        assert!(wrong.iter().any(|line| line.contains("summar")), "{damage}: {wrong:?}");
        sqlx::query("DELETE FROM block_summary").execute(&mut behind).await.expect("emptied");
        store().close().await;
        home.open().await.expect("it opens");
        assert_eq!(first_summary(&store()).await, expected, "made at the start");
    }
    store().close().await;
}

/// A ledger of before this program's keys is filed again when it is opened, once.
#[tokio::test]
async fn an_older_ledger_is_filed_under_cores() {
    let home = TemporaryFile::fresh().await;
    let ledger = Ledger::open(&home).await;
    let name = examples::survey(3).enterprise.name;
    ledger.publish(vec![survey(3)]).await;
    ledger.store.close().await;
    let core = crate::domain::attributes::survey_keys(&name).pop().expect("a core");
    let mut back = home.connect().await;
    let forgotten = sqlx::query("DELETE FROM register_key WHERE key = ?").bind(core.0).execute(&mut back).await;
    assert_eq!(forgotten.expect("deleted").rows_affected(), 1);
    sqlx::query("DELETE FROM refiled").execute(&mut back).await.expect("forgotten");
    drop(back);
    let again = home.open().await.expect("it opens");
    assert_eq!(again.by_subjects(&[core], 1, 10).await.expect("read").len(), 1);
    assert_eq!(again.check_everything().await.expect("checked"), Vec::<String>::new());
}
