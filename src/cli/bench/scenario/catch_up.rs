//! Coming back: subscribers far behind in different places, a gateway that starts on a full store, a filter that matches hardly
//! anything, and the question how far behind one is.

use std::time::Duration;

use super::super::{
    closed_loop::{Bounds, closed_loop},
    consumer::{Appetite, Consumer, create, failed_products, taking},
    figures::Reading,
    site::Site,
};
use crate::{
    cli::Failure,
    client::Feeds,
    domain::products::ProductKind,
    proto::{Filter, start_at::At},
};

/// The gateway's memory is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Questions for the lag.
const QUESTIONS: u64 = 1_000;

pub(super) async fn run(site: &Site<'_>, run: u32) -> Result<Vec<Reading>, Failure> {
    let mut readings = vec![scattered(site, run).await?];
    let name = site.name("sparse");
    create(&site.connect("gacc")?, &name, sparse(), At::Earliest(true)).await?;
    if let Some(start_up) = site.restart().await? {
        let resident = site.usage().map(|usage| usage.resident_mib);
        let start_up = start_up.as_secs_f64() * 1_000.0;
        let reading = Reading::of("start-up to the first handshake", site.stored(), 1);
        readings.push(reading.with("start_up_ms", start_up).with_some("resident_mib", resident));
        readings.push(first_delivery(site, name.clone(), "after the start").await?);
    }
    let again = site.name("sparse");
    create(&site.connect("gacc")?, &again, sparse(), At::Earliest(true)).await?;
    readings.push(first_delivery(site, again, "once more").await?);
    readings.push(lag(site, &name).await?);
    Ok(readings)
}

/// Reads from as many places as there are subscribers.
async fn scattered(site: &Site<'_>, run: u32) -> Result<Reading, Failure> {
    let mut consumers = Vec::new();
    for number in 0..site.arguments.subscribers {
        let (connection, name) = (site.connect("gacc")?, site.name("catch-up"));
        let position = 1 + site.data.pick(u64::from(run) << 32 | number, site.stored());
        create(&connection, &name, failed_products(), At::Position(position)).await?;
        consumers.push((connection, name, site.stored() + 1 - position));
    }
    let watch = site.watch();
    let mut reading = Vec::new();
    for (connection, name, behind) in consumers {
        let consumer = Consumer::attach(site, &connection, name, Appetite::HUNGRY, taking()).await?;
        reading.push((connection, consumer, behind));
    }
    let (end, mut resident): (_, Option<f64>) = (site.now() + site.arguments.span(), None);
    for (_, consumer, behind) in &reading {
        while consumer.acked() < *behind && site.now() < end {
            consumer.until_acked(site, *behind, end.min(site.now() + LOOK_EVERY)).await?;
            resident = site.usage().map(|usage| usage.resident_mib.max(resident.unwrap_or(0.0)));
        }
    }
    let (spent, acked) = (site.since(watch), reading.iter().map(|(_, consumer, _)| consumer.acked()).sum());
    for (connection, consumer, _) in reading {
        consumer.finish(&connection).await?;
    }
    let what = format!("{} subscribers from random places, sum", site.arguments.subscribers);
    Ok(site.reading(what, acked, spent).with_some("resident_mib", resident))
}

/// The rare failed products.
fn sparse() -> Filter {
    Filter { product_kinds: vec![ProductKind::Children.token().to_owned()], ..failed_products() }
}

/// Attaches and waits for the first match, which stands behind as many records as the rarity says.
async fn first_delivery(site: &Site<'_>, name: String, when: &str) -> Result<Reading, Failure> {
    let connection = site.connect("gacc")?;
    let watch = site.watch();
    let end = site.now() + site.arguments.at_most();
    let consumer = Consumer::attach(site, &connection, name, Appetite::PROMPT, taking()).await?;
    let acked = consumer.until_acked(site, 1, end).await?;
    let spent = site.since(watch);
    consumer.close().await?;
    let what = format!("attach to first ack, 1 match in {}, {when}", site.data.rarity);
    let reading = Reading::of(what, site.stored(), acked).with("first_ack_ms", spent.time.as_secs_f64() * 1_000.0);
    Ok(reading.with_some("gateway_cpu_ms", spent.processor_us.map(|us| us / 1_000.0)))
}

/// How long it takes to be told how far behind one is.
async fn lag(site: &Site<'_>, name: &str) -> Result<Reading, Failure> {
    let feeds = Feeds::new(&site.connect("gacc")?);
    let bounds = Bounds { count: QUESTIONS.min(site.arguments.records), in_flight: 1, span: site.arguments.span() };
    closed_loop(site, "GetSubscription (lag), one at a time", bounds, |_| {
        let feeds = feeds.clone();
        async move { feeds.subscription(name).await.map(|_| ()) }
    })
    .await
}
