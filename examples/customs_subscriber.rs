//! A customs system takes over the failed products: one line a record, on disk before it is acknowledged.
//!
//! ```sh
//! cargo run --example customs_subscriber -- PROFILE SUBSCRIPTION FILE
//! ```

use std::{
    error::Error,
    fs::File,
    io::{self, Write as _},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tongbao::{
    client::{ClientError, Connection, Feeds, Profile, Settle, SubscribeOptions, Subscriber, Summary, each},
    clock::World,
    domain::violation::Lang,
    proto::{
        CreateSubscriptionRequest, Delivery, Filter, Nonconformity, RecordKind, SectionName, StartAt, SubscriptionSettings,
        start_at::At,
    },
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [profile, subscription, file] = arguments.as_slice() else { return Err("PROFILE SUBSCRIPTION FILE".into()) };
    let world = World::real();
    let connection = Connection::open(&Profile::load(Some(profile))?, Lang::En, world.clock.clone())?;
    let stop = CancellationToken::new();
    tokio::spawn({
        let stop = stop.clone();
        async move {
            // The first Ctrl-C: what runs is finished and confirmed, the rest goes back uncounted.
            let _ = tokio::signal::ctrl_c().await;
            stop.cancel();
        }
    });
    let summary = take_over(&connection, subscription, Path::new(file), world.random(), stop).await?;
    println!("{} acknowledged, {} not confirmed", summary.counts.acked, summary.unconfirmed);
    Ok(())
}

/// Takes over until it is told to stop.
///
/// # Errors
/// When the file cannot be opened, or the gateway refuses.
pub async fn take_over(
    connection: &Connection,
    subscription: &str,
    file: &Path,
    session_id: [u8; 16],
    stop: CancellationToken,
) -> Result<Summary, Box<dyn Error>> {
    create(connection, subscription).await?;
    let file = Arc::new(Mutex::new(File::options().append(true).create(true).open(file)?));
    let handler = each(move |delivery: Delivery| {
        let file = file.clone();
        async move { tokio::task::spawn_blocking(move || handle(&delivery, &file)).await.map_err(io::Error::other)? }
    });
    // Four enterprises at a time; of one enterprise never two records at once.
    let options = SubscribeOptions { concurrency: 4, ..SubscribeOptions::new(subscription, session_id) };
    Ok(Subscriber::new(connection, options).run(Arc::new(handler), stop).await?)
}

/// Ack when it is on disk; reject what will never be readable; an error (the disk is full) is a retry.
fn handle(delivery: &Delivery, file: &Mutex<File>) -> io::Result<Settle> {
    let Some(record) = &delivery.record else { return Ok(Settle::Reject { reason: "NO_RECORD".into() }) };
    let open = record.sections.iter().find(|section| section.name() == SectionName::Open);
    let line = match (record.kind(), open.map(|open| Nonconformity::decode(open.content.clone()))) {
        (RecordKind::Nonconformity, Some(Ok(failure))) => {
            let producer = failure.producer.unwrap_or_default();
            // A recall takes back what was given: the hold on the goods is to be lifted.
            let what = if delivery.recall { "LIFT" } else { "HOLD" };
            format!("{}\t{what}\t{}\t{}\t{}", record.position, producer.credit_code, producer.name, failure.batch)
        }
        (RecordKind::Nonconformity, _) => return Ok(Settle::Reject { reason: "UNREADABLE".into() }),
        // A disposition: what became of a failure known by its record id.
        _ => format!("{}\tNOTE\t{}", record.position, record.record_id),
    };
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    // One write, so that a crash leaves no half line. A delivery that comes twice repeats its position: readers drop doubles.
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()?;
    Ok(Settle::Ack)
}

/// The same name with the same settings is answered with the standing one.
async fn create(connection: &Connection, name: &str) -> Result<(), ClientError> {
    let filter = Filter { feeds: vec!["failed-products".into()], ..Filter::default() };
    let settings = SubscriptionSettings { filter: Some(filter), ..SubscriptionSettings::default() };
    let start = Some(StartAt { at: Some(At::Snapshot(true)) });
    Feeds::new(connection).create(CreateSubscriptionRequest { name: name.into(), settings: Some(settings), start }).await?;
    Ok(())
}
