//! Many subscribers, each behind by all records and on a connection of its own, take them at once.

use super::super::{
    consumer::{Appetite, Consumer, create, failed_products, taking},
    figures::Reading,
    site::Site,
};
use crate::{cli::Failure, proto::start_at::At};

pub(super) async fn run(site: &Site<'_>) -> Result<Vec<Reading>, Failure> {
    let subscribers = site.arguments.subscribers;
    let mut connections = Vec::new();
    for _ in 0..subscribers {
        let (connection, name) = (site.connect("gacc")?, site.name("fan-out"));
        create(&connection, &name, failed_products(), At::Earliest(true)).await?;
        connections.push((connection, name));
    }
    let watch = site.watch();
    let end = site.now() + site.arguments.at_most();
    let mut consumers = Vec::new();
    for (connection, name) in connections {
        let consumer = Consumer::attach(site, &connection, name, Appetite::HUNGRY, taking()).await?;
        consumers.push((connection, consumer));
    }
    for (_, consumer) in &consumers {
        consumer.until_acked(site, site.arguments.records, end).await?;
    }
    let spent = site.since(watch);
    let acked = consumers.iter().map(|(_, consumer)| consumer.acked()).sum();
    let resident = site.usage().map(|usage| usage.resident_mib);
    for (connection, consumer) in consumers {
        consumer.finish(&connection).await?;
    }
    let what = format!("{subscribers} subscribers, confirmed acks, sum");
    Ok(vec![site.reading(what, acked, spent).with_some("resident_mib", resident)])
}
