//! Everything at once, as on a working day that went wrong: publishing, many subscribers at the head, pulls.

use super::{
    super::{
        consumer::{Appetite, Consumer, create, failed_products},
        data::PUBLISHER,
        figures::Reading,
        open_loop::{Schedule, Sent, open_loop},
        site::Site,
    },
    latency::Arrivals,
    pull::pull,
};
use crate::{
    cli::Failure,
    client::{Connection, Publisher, PublisherOptions, Records},
    proto::start_at::At,
};

/// Records of a batch.
const BATCH: u64 = 10;
/// Pulls of a run at most.
const PULLS: u64 = 100_000_000;

pub(super) async fn run(site: &Site<'_>, run: u32) -> Result<Vec<Reading>, Failure> {
    let arrivals = Arrivals::new(site, BATCH)?;
    let consumers = attach(site, &arrivals).await?;
    let publisher = Publisher::new(&site.connect(PUBLISHER)?, PublisherOptions::default());
    let records = Records::new(&site.connect("mofcom")?);
    let (warm_up, span) = (site.arguments.warm_up(), site.arguments.span());
    let publishing = Schedule::new(site.now(), site.arguments.mixed_rate / BATCH, warm_up, span);
    let pulling = Schedule::new(site.now(), site.arguments.pull_rate, warm_up, span);
    let published = publishing.count * BATCH;
    let first = site.take(published).start;
    arrivals.expect(publishing, first)?;
    let watch = site.watch();
    let (sent, pulled) = futures_util::try_join!(
        open_loop(site, publishing, |index| {
            let numbers = if index < publishing.count { first + index * BATCH..first + (index + 1) * BATCH } else { 0..0 };
            let batch = numbers.filter_map(|number| site.data.failed(number)).collect();
            let publisher = publisher.clone();
            async move { publisher.publish_batch(batch).await.map(|_| ()) }
        }),
        open_loop(site, pulling, |index| pull(site, &records, (u64::from(run) + 1) * PULLS + index)),
    )?;
    site.count_stored(published);
    let publishing_spent = site.since(watch);
    let (expected, end) = (published * consumers.len() as u64, site.now() + site.arguments.at_most());
    let mut arrived = 0;
    for (_, consumer) in &consumers {
        arrived += consumer.until_acked(site, published, end).await?;
    }
    let spent = site.since(watch);
    let resident = site.usage().map(|usage| usage.resident_mib);
    for (connection, consumer) in consumers {
        consumer.finish(&connection).await?;
    }
    let late = |sent: &Sent| sent.begun.value_at_quantile(0.99) as f64;
    let (subscribers, rate) = (site.arguments.subscribers, site.arguments.mixed_rate);
    Ok(vec![
        site.reading(format!("publish, batches of {BATCH}, at {rate}/s"), published, publishing_spent)
            .with_latency(&sent.answered)
            .with("load_late_p99_us", late(&sent)),
        site.reading(format!("published → delivered to {subscribers} subscribers"), arrived, spent)
            .with_latency(&arrivals.latency())
            .with("delivered_percent", arrived as f64 * 100.0 / expected.max(1) as f64)
            .with_some("resident_mib", resident),
        site.reading(format!("pull by credit code, at {}/s", site.arguments.pull_rate), pulling.count, publishing_spent)
            .with_latency(&pulled.answered)
            .with("load_late_p99_us", late(&pulled)),
    ])
}

async fn attach(site: &Site<'_>, arrivals: &Arrivals) -> Result<Vec<(Connection, Consumer)>, Failure> {
    let mut consumers = Vec::new();
    for _ in 0..site.arguments.subscribers {
        let (connection, name) = (site.connect("gacc")?, site.name("mixed"));
        create(&connection, &name, failed_products(), At::Latest(true)).await?;
        let consumer = Consumer::attach(site, &connection, name, Appetite::PROMPT, arrivals.handler()).await?;
        consumers.push((connection, consumer));
    }
    Ok(consumers)
}
