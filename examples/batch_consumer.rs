//! Takes deliveries over into a database, a batch a transaction: what is written once stays once, however often it comes.
//!
//! ```sh
//! cargo run --example batch_consumer -- PROFILE SUBSCRIPTION DATABASE
//! ```
//! The subscription stands already (`tongbao subscribe NAME --create …`, or `Feeds::create`).

use std::{error::Error, path::Path, sync::Arc};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use tokio_util::sync::CancellationToken;
use tongbao::{
    client::{Connection, Profile, Settle, SubscribeOptions, Subscriber, Summary, Taken, in_batches},
    clock::World,
    domain::violation::Lang,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [profile, subscription, database] = arguments.as_slice() else { return Err("PROFILE SUBSCRIPTION DATABASE".into()) };
    let world = World::real();
    let connection = Connection::open(&Profile::load(Some(profile))?, Lang::En, world.clock.clone())?;
    let stop = CancellationToken::new();
    let interrupted = stop.clone();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        interrupted.cancel();
    });
    let summary = take_over(&connection, subscription, Path::new(database), world.random(), stop).await?;
    println!("{:?}", summary.counts);
    Ok(())
}

/// Takes over until it is told to stop.
///
/// # Errors
/// When the database cannot be opened, or the gateway refuses.
pub async fn take_over(
    connection: &Connection,
    subscription: &str,
    database: &Path,
    session_id: [u8; 16],
    stop: CancellationToken,
) -> Result<Summary, Box<dyn Error>> {
    let options = SqliteConnectOptions::new().filename(database).create_if_missing(true).synchronous(SqliteSynchronous::Full);
    let pool = SqlitePool::connect_with(options).await?;
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS revision (position INTEGER PRIMARY KEY, record_id TEXT NOT NULL, revision INTEGER NOT NULL)",
    )
    .execute(&pool)
    .await?;
    let handler = in_batches(move |batch: Vec<Taken>| {
        let pool = pool.clone();
        async move {
            match write(&pool, &batch).await {
                Ok(()) => vec![Settle::Ack; batch.len()],
                // Nothing of the batch stands: all of it comes again after a while.
                Err(error) => vec![Settle::retry(error.to_string()); batch.len()],
            }
        }
    });
    let options = SubscribeOptions { batch: 500, window_records: 5_000, ..SubscribeOptions::new(subscription, session_id) };
    Ok(Subscriber::new(connection, options).run(Arc::new(handler), stop).await?)
}

/// One transaction for all; a position that stands already was delivered twice, and is the same.
async fn write(pool: &SqlitePool, batch: &[Taken]) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    for record in batch.iter().filter_map(|taken| taken.delivery.record.as_ref()) {
        sqlx::query("INSERT INTO revision (position, record_id, revision) VALUES (?1, ?2, ?3) ON CONFLICT (position) DO NOTHING")
            .bind(i64::try_from(record.position).unwrap_or(i64::MAX))
            .bind(&record.record_id)
            .bind(record.revision)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}
