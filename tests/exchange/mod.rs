//! A running exchange for tests of the real thing: a gateway in a fresh folder, real certificates, real connections on loopback.

#![allow(dead_code, reason = "each test program uses its own part of it")]

pub mod line;
pub mod program;
pub mod stream;

use std::{future::Future, path::PathBuf, time::Duration};

use tempfile::TempDir;
use tongbao::{
    cli::{house::House, serve::Running},
    client::{ClientError, Connection, Evidence, Feeds, Publisher, PublisherOptions, Records, Refusal, RetryPolicy, Screening},
    clock::World,
    domain::{
        evidence::{ActKind, Entry, read_entry},
        ids::RecordId,
        records::{Content, Matter, examples},
        violation::Lang,
    },
    proto,
    store::{
        Store as _,
        sqlite::{Options, SqliteStore},
    },
    wire,
};

/// Nothing that a test waits for takes longer, or it has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A refusal is not repeated, and neither is anything else: a test sees the first answer.
pub const ONCE: RetryPolicy = RetryPolicy {
    initial: Duration::from_millis(1),
    factor: 1.0,
    longest: Duration::from_millis(1),
    spread: 0.0,
    give_up_after: Some(Duration::ZERO),
};

/// Waits for what has to happen.
pub async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, happens).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Waits until something can be seen; looks often.
pub async fn until<F: Future<Output = bool>>(what: &str, mut seen: impl FnMut() -> F) {
    soon(what, async {
        while !seen().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// A gateway that runs, and the folder of its world.
pub struct Exchange {
    pub house: House,
    running: Option<Running>,
    _folder: TempDir,
}

impl Exchange {
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    /// Opens one after something was changed in its folder.
    pub async fn open_with(prepare: impl Fn(&House)) -> Self {
        Self::open_in(&World::real(), prepare).await
    }

    /// Opens one whose time is the test's.
    pub async fn open_in(world: &World, prepare: impl Fn(&House)) -> Self {
        // A port that was free may be taken by another test before we listen on it: then another world is built.
        for _ in 0..5 {
            let folder = tempfile::tempdir().expect("a folder");
            let house = House::build(&folder.path().join("world"), world.clone()).expect("a world");
            prepare(&house);
            match house.start().await {
                Ok(running) => return Self { house, running: Some(running), _folder: folder },
                Err(failure) if failure.reason == "LISTEN" => {}
                Err(failure) => panic!("the gateway does not start: {failure} {:?}", failure.violations),
            }
        }
        panic!("no port is free");
    }

    pub fn connection(&self, who: &str) -> Connection {
        let profile = self.house.profile(who).expect("a profile");
        Connection::open(&profile, Lang::En, World::real().clock).expect("a connection")
    }

    /// A connection through a line that can be cut.
    pub fn connection_through(&self, who: &str, line: &line::Line) -> Connection {
        let mut profile = self.house.profile(who).expect("a profile");
        profile.place.port = line.port();
        Connection::open(&profile, Lang::En, World::real().clock).expect("a connection")
    }

    pub fn publisher(&self, who: &str) -> Publisher {
        Publisher::new(&self.connection(who), PublisherOptions { retry: ONCE, ..PublisherOptions::default() })
    }

    pub fn feeds(&self, who: &str) -> Feeds {
        Feeds::new(&self.connection(who))
    }

    pub fn records(&self, who: &str) -> Records {
        Records::new(&self.connection(who))
    }

    pub fn screening(&self, who: &str) -> Screening {
        Screening::new(&self.connection(who))
    }

    pub fn evidence(&self) -> Evidence {
        Evidence::new(&self.connection("samr"))
    }

    pub async fn publish(&self, who: &str, records: Vec<proto::Record>) -> proto::PublishResponse {
        self.publisher(who).publish_batch(records).await.expect("published").0
    }

    pub async fn refused(&self, who: &str, records: Vec<proto::Record>) -> Refusal {
        refusal(self.publisher(who).publish_batch(records).await.expect_err("refused"))
    }

    /// Every entry of the evidence log that matches.
    pub async fn entries(&self, query: proto::SearchEntriesRequest) -> Vec<Entry> {
        let evidence = self.evidence();
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = proto::SearchEntriesRequest { page_size: 100, page_token, ..query.clone() };
            let page = evidence.search(request).await.expect("entries");
            found.extend(page.entries.iter().map(|logged| read_entry(&logged.entry).expect("an entry that reads")));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return found;
            }
        }
    }

    /// Waits until a refusal stands in the evidence log: it never waits for its entry, so the entry follows.
    pub async fn refusal_entry(&self, reason: &str, method: &str) -> Entry {
        soon(&format!("the entry of {reason} in {method}"), async {
            loop {
                let kind = proto::ActKind::Refuse.into();
                let query = proto::SearchEntriesRequest { kind, outcome: reason.to_owned(), ..Default::default() };
                let found = self.entries(query).await.into_iter().find(|entry| entry.method.ends_with(method));
                if let Some(entry) = found {
                    assert_eq!(entry.kind, ActKind::Refuse);
                    return entry;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
    }

    pub fn store_path(&self) -> PathBuf {
        store_path(&self.house)
    }

    /// Stops in good order.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            soon("the stop", running.stop()).await.expect("stopped in good order");
        }
    }

    /// Loads the configuration anew, as SIGHUP does.
    pub async fn reload(&self) {
        let checked = tongbao::config::load(Some(&self.house.config_file()), []).expect("a configuration");
        if let Some(running) = &self.running {
            running.reload(checked).await;
        }
    }

    /// Starts again what was stopped.
    pub async fn restart(&mut self) {
        self.running = Some(self.house.start().await.expect("it starts again"));
    }

    /// Stops, and reads everything that stands in the store.
    pub async fn stop_and_check(&mut self) {
        self.stop().await;
        check_everything(&self.store_path()).await;
    }
}

/// Where the gateway of a world keeps its ledger.
pub fn store_path(house: &House) -> PathBuf {
    tongbao::config::load(Some(&house.config_file()), []).expect("a configuration").config.store.path
}

/// Reads everything in a store that nobody else has open.
pub async fn check_everything(path: &std::path::Path) {
    let store = SqliteStore::open(path, 1, &Options::default()).await.expect("the store opens");
    let wrong = store.check_everything().await.expect("everything reads");
    store.close().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the gateway refused.
pub fn refusal(error: ClientError) -> Refusal {
    match error {
        ClientError::Refused(refusal) => *refusal,
        other => panic!("no refusal: {other:?}"),
    }
}

pub fn id(text: &str) -> RecordId {
    RecordId::parse(text).expect("a record id")
}

/// A record to publish.
pub fn record(record_id: &str, revision: Option<u32>, matter: Matter) -> proto::Record {
    wire::publishable(&id(record_id), revision, &Content { matter, withdrawal: None }, None)
}

pub fn nonconformity(publisher: &str, n: u64) -> proto::Record {
    record(&format!("{publisher}/nc-{n}"), None, Matter::Nonconformity(Box::new(examples::nonconformity(n))))
}

pub fn survey(publisher: &str, n: u64) -> proto::Record {
    record(&format!("{publisher}/es-{n}"), None, Matter::EnterpriseSurvey(Box::new(examples::survey(n))))
}

pub fn qualification(n: u64) -> proto::Record {
    record(&format!("mofcom/eq-{n}"), None, Matter::ExportQualification(Box::new(examples::qualification(n))))
}

/// A subscription of a test: from the first position, quick retries.
pub fn subscription(name: &str) -> proto::CreateSubscriptionRequest {
    proto::CreateSubscriptionRequest {
        name: name.to_owned(),
        settings: Some(proto::SubscriptionSettings {
            retry_initial_ms: 10,
            retry_max_ms: 10,
            purpose: "export control".to_owned(),
            ..Default::default()
        }),
        start: None,
    }
}

pub fn position(delivery: &proto::Delivery) -> u64 {
    delivery.record.as_ref().map_or(0, |record| record.position)
}

pub fn positions(deliveries: &[proto::Delivery]) -> Vec<u64> {
    deliveries.iter().map(position).collect()
}
