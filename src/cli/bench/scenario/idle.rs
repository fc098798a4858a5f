//! Many subscribers with nothing to receive: what a stream costs that only lives.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::super::{
    broken,
    consumer::{Appetite, Consumer, create, failed_products, taking},
    figures::Reading,
    machine::open_files,
    site::{Site, Watch},
};
use crate::{
    cli::{Failure, output::progress},
    client::{Connection, Feeds},
    proto::start_at::At,
};

/// Open files left for everything but the streams.
const OTHER_FILES: u64 = 128;
/// Streams on one connection at most, as the gateway's default allows with room for calls beside them.
const A_CONNECTION: u64 = 200;
/// Connections to a gateway elsewhere at most, since others use it too.
const ELSEWHERE: u64 = 200;
/// Streams being opened, or subscriptions being made, at once.
const AT_ONCE: usize = 32;

pub(super) async fn run(site: &Site<'_>) -> Result<Vec<Reading>, Failure> {
    let streams = site.arguments.streams;
    let connections = connections(streams, open_files(), site.folder().is_some())?;
    let names: Vec<String> = (0..streams).map(|_| site.name("idle")).collect();
    let maker = site.connect("gacc")?;
    stream::iter(&names)
        .map(|name| create(&maker, name, failed_products(), At::Latest(true)))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    // What the making left in memory is not the streams'.
    site.restart().await?;
    let lines = (0..connections).map(|_| site.connect("gacc")).collect::<Result<Vec<_>, _>>()?;
    for line in &lines {
        line.is_serving("").await?;
    }
    let resident = || site.usage().map(|usage| usage.resident_mib);
    let (before, opening) = (resident(), site.watch());
    let consumers = open(site, &lines, &names).await?;
    let opened = site.since(opening);
    tokio::time::sleep(site.arguments.warm_up()).await;
    let lived = live(site, site.watch()).await;
    let after = resident();
    let bar = progress(site.context, streams, site.context.say("关闭", "closing"));
    stream::iter(consumers)
        .map(|consumer| async {
            bar.inc(1);
            consumer.close().await.map(|_| ())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    remove(&maker, &names).await?;
    bar.finish_and_clear();
    let each = |mib: f64, of: u64| mib * 1_024.0 / of as f64;
    let grown = before.zip(after).map(|(before, after)| (after - before).max(0.0));
    let what = format!("{streams} idle streams on {connections} connections");
    Ok(vec![
        site.reading(format!("{what}, opening"), streams, opened),
        Reading::of(what, site.stored(), streams)
            .with_some("resident_mib", after)
            .with_some("kib_each_stream", grown.map(|mib| each(mib, streams)))
            .with_some("cpu_percent_of_a_core", lived),
    ])
}

/// How many connections the streams are spread over: one each, as consumers would, where files suffice.
fn connections(streams: u64, open_files: Option<u64>, own: bool) -> Result<u64, Failure> {
    let files = open_files.map_or(u64::MAX, |files| files.saturating_sub(OTHER_FILES));
    let most = if own { files } else { files.min(ELSEWHERE) };
    let connections = streams.min(most).max(1);
    if streams.div_ceil(connections) > A_CONNECTION {
        let en = format!("{streams} streams need more open files than this process may have: raise `ulimit -n`");
        return Err(broken(format!("{streams} 个流超出本进程可打开的文件数：请调高 ulimit -n"), en));
    }
    Ok(connections)
}

async fn open(site: &Site<'_>, lines: &[Connection], names: &[String]) -> Result<Vec<Consumer>, Failure> {
    let bar = progress(site.context, names.len() as u64, site.context.say("打开", "opening"));
    let opened = stream::iter(names.iter().zip(lines.iter().cycle()))
        .map(|(name, line)| {
            let bar = bar.clone();
            async move {
                let consumer = Consumer::attach(site, line, name.clone(), Appetite::PROMPT, taking()).await;
                bar.inc(1);
                consumer
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await;
    bar.finish_and_clear();
    opened
}

/// Lets them live for the span; answers the share of a core that the gateway needed for it, percent.
async fn live(site: &Site<'_>, watch: Watch) -> Option<f64> {
    tokio::time::sleep(site.arguments.span()).await;
    let spent = site.since(watch);
    spent.processor_us.map(|us| us / spent.time.as_secs_f64().max(1e-9) / 10_000.0)
}

async fn remove(maker: &Connection, names: &[String]) -> Result<(), Failure> {
    let feeds = &Feeds::new(maker);
    stream::iter(names)
        .map(|name| async move { feeds.delete(name).await })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_have_connections_of_their_own_where_files_suffice() {
        assert_eq!(connections(2_000, Some(20_000), true).ok(), Some(2_000));
        assert_eq!(connections(2_000, Some(1_024), true).ok(), Some(896));
        assert_eq!(connections(2_000, None, false).ok(), Some(200));
        assert!(connections(20_000, Some(200), true).is_err());
    }
}
