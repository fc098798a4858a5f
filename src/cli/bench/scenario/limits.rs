//! What bounds the rest, measured in the same run, so that figures can be read as ratios: machines differ, ratios less.

use std::path::Path;

use super::super::{
    broken,
    closed_loop::{Bounds, closed_loop},
    data::PAYLOAD_BYTES,
    figures::{Reading, Spent, enter, histogram},
    site::Site,
};
use crate::{cli::Failure, client::Feeds, store::sqlite::BareWriter};

/// Calls of one measure at most.
const CALLS: u64 = 1_000_000;
/// Records in a transaction of the bare writer.
const AT_ONCE: [u64; 4] = [1, 10, 100, 500];
/// Transactions of the bare writer, at most.
const TRANSACTIONS: u64 = 1_000;

pub(super) async fn run(site: &Site<'_>) -> Result<Vec<Reading>, Failure> {
    let mut readings = Vec::new();
    for in_flight in [1, 16, 256] {
        readings.push(bare_calls(site, in_flight).await?);
    }
    readings.push(feeds(site).await?);
    if let Some(folder) = site.folder() {
        for at_once in AT_ONCE {
            readings.push(bare_writes(site, &folder, at_once).await?);
        }
    }
    Ok(readings)
}

/// The call that does nothing behind the door: health.
async fn bare_calls(site: &Site<'_>, in_flight: u64) -> Result<Reading, Failure> {
    let connection = site.connect("gacc")?;
    let bounds = Bounds { count: site.arguments.records.min(CALLS), in_flight, span: site.arguments.span() };
    closed_loop(site, format!("bare unary call (health), {in_flight} in flight"), bounds, |_| {
        let connection = connection.clone();
        async move {
            if connection.is_serving("").await? {
                Ok(())
            } else {
                Err(broken("网关不在服务", "the gateway does not serve"))
            }
        }
    })
    .await
}

/// A call that passes the door and reads, but discloses no record.
async fn feeds(site: &Site<'_>) -> Result<Reading, Failure> {
    let feeds = Feeds::new(&site.connect("gacc")?);
    let bounds = Bounds { count: site.arguments.records.min(CALLS), in_flight: 256, span: site.arguments.span() };
    closed_loop(site, "ListFeeds, 256 in flight", bounds, |_| {
        let feeds = feeds.clone();
        async move { feeds.feeds().await.map(|_| ()) }
    })
    .await
}

/// Rows of the same content into the same engine with the same durability, and nothing else.
async fn bare_writes(site: &Site<'_>, folder: &Path, at_once: u64) -> Result<Reading, Failure> {
    let transactions = (site.arguments.records / at_once).clamp(1, TRANSACTIONS);
    let mut writer = BareWriter::create(&folder.join(format!("bare-{at_once}.sqlite"))).await?;
    let mut latency = histogram()?;
    let started = site.now();
    for _ in 0..transactions {
        let asked = site.now();
        writer.write(at_once, PAYLOAD_BYTES).await?;
        enter(&mut latency, site.now().saturating_sub(asked));
    }
    let spent = Spent { time: site.now().saturating_sub(started), ..Spent::default() };
    writer.close().await;
    let what = format!("bare SQLite writer, {at_once} rows a transaction");
    Ok(Reading::new(what, 0, transactions * at_once, spent).with_latency(&latency))
}
