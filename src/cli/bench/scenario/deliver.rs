//! One subscriber that is behind by all records takes and acknowledges them, every acknowledgement confirmed.

use super::super::{
    consumer::{Appetite, Consumer, create, failed_products, taking},
    figures::Reading,
    site::Site,
};
use crate::{cli::Failure, proto::start_at::At};

pub(super) async fn run(site: &Site<'_>) -> Result<Vec<Reading>, Failure> {
    let connection = site.connect("gacc")?;
    let name = site.name("deliver");
    create(&connection, &name, failed_products(), At::Earliest(true)).await?;
    let watch = site.watch();
    let end = site.now() + site.arguments.at_most();
    let consumer = Consumer::attach(site, &connection, name, Appetite::HUNGRY, taking()).await?;
    let acked = consumer.until_acked(site, site.arguments.records, end).await?;
    let spent = site.since(watch);
    consumer.finish(&connection).await?;
    Ok(vec![site.reading("1 subscriber, confirmed acks", acked, spent)])
}
