//! Publishing: singles and batches, every answer after its commit.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::super::{
    broken,
    closed_loop::{Bounds, closed_loop},
    data::PUBLISHER,
    figures::{Reading, Spent, enter, histogram},
    site::Site,
};
use crate::{
    cli::{Failure, output::progress},
    client::{Publisher, PublisherOptions, StreamOptions},
    proto::{PublishResponse, Record},
};

/// Records made at once before they are published; making them is not measured.
const CHUNK: u64 = 50_000;
/// Batches on their way.
const IN_FLIGHT: usize = 8;
/// Records of the stream that are sent and not answered.
const UNCONFIRMED: usize = 1_024;

pub(super) async fn run(site: &Site<'_>) -> Result<Vec<Reading>, Failure> {
    let publisher = Publisher::new(&site.connect(PUBLISHER)?, PublisherOptions::default());
    Ok(vec![
        singles(site, &publisher, "one at a time", 1).await?,
        singles(site, &publisher, "unary singles, 256 in flight", 256).await?,
        streamed(site, &publisher).await?,
        batches(site, &publisher, 100).await?,
        batches(site, &publisher, 500).await?,
    ])
}

async fn singles(site: &Site<'_>, publisher: &Publisher, what: &str, in_flight: u64) -> Result<Reading, Failure> {
    let bounds = Bounds { count: site.arguments.records, in_flight, span: site.arguments.span() };
    closed_loop(site, what, bounds, |_| {
        // Made here, where one takes microseconds, since nobody knows how many the time suffices for.
        let record = site.data.failed(site.take(1).start);
        async move { publish(site, publisher, record.into_iter().collect()).await }
    })
    .await
}

/// Single records on one stream.
async fn streamed(site: &Site<'_>, publisher: &Publisher) -> Result<Reading, Failure> {
    let stream = publisher.stream(StreamOptions { unconfirmed: UNCONFIRMED, ..StreamOptions::default() });
    let bounds = Bounds { count: site.arguments.records, in_flight: UNCONFIRMED as u64, span: site.arguments.span() };
    let what = format!("streamed singles, {UNCONFIRMED} unconfirmed");
    let reading = closed_loop(site, what, bounds, |_| {
        let record = site.data.failed(site.take(1).start);
        let stream = &stream;
        async move {
            let answer = stream.send(record.into_iter().collect()).await?.await?;
            stands(site, &answer)
        }
    })
    .await?;
    stream.close().await?;
    Ok(reading)
}

async fn batches(site: &Site<'_>, publisher: &Publisher, size: u64) -> Result<Reading, Failure> {
    let what = format!("batches of {size}, {IN_FLIGHT} in flight");
    let mut latency = histogram()?;
    // The first batches meet cold paths: one round is not measured.
    in_batches(site, publisher, size, IN_FLIGHT as u64 * size, |_| {}).await?;
    let (records, mut spent, mut done) = (site.arguments.records, Spent::default(), 0);
    let bar = progress(site.context, records, &what);
    while done < records && spent.time < site.arguments.at_most() {
        let chunk = CHUNK.min(records - done);
        spent += in_batches(site, publisher, size, chunk, |took| enter(&mut latency, took)).await?;
        done += chunk;
        bar.set_position(done);
    }
    bar.finish_and_clear();
    Ok(site.reading(what, done, spent).with_latency(&latency))
}

/// Makes so many records, then publishes them in batches; answers what the publishing took.
async fn in_batches(
    site: &Site<'_>,
    publisher: &Publisher,
    size: u64,
    count: u64,
    mut told: impl FnMut(Duration),
) -> Result<Spent, Failure> {
    let records: Vec<Record> = site.take(count).filter_map(|number| site.data.failed(number)).collect();
    let batches: Vec<Vec<Record>> = records.chunks(size as usize).map(<[Record]>::to_vec).collect();
    drop(records);
    let watch = site.watch();
    stream::iter(batches)
        .map(|batch| async move {
            let asked = site.now();
            publish(site, publisher, batch).await?;
            Ok::<_, Failure>(site.now().saturating_sub(asked))
        })
        .buffer_unordered(IN_FLIGHT)
        .try_for_each(|took| {
            told(took);
            std::future::ready(Ok(()))
        })
        .await?;
    Ok(site.since(watch))
}

async fn publish(site: &Site<'_>, publisher: &Publisher, records: Vec<Record>) -> Result<(), Failure> {
    let (answer, _) = publisher.publish_batch(records).await?;
    stands(site, &answer)
}

/// A duplicate costs next to nothing: it must not pass for a publish.
fn stands(site: &Site<'_>, answer: &PublishResponse) -> Result<(), Failure> {
    let fresh = answer.records.iter().filter(|record| !record.duplicate).count();
    site.count_stored(fresh as u64);
    if fresh == answer.records.len() {
        return Ok(());
    }
    let en = "the gateway has these records already: measure with another --seed";
    Err(broken("网关已有这些记录：请换一个 --seed 再测", en))
}
