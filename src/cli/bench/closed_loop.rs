//! So many questions under way at once, each followed by the next: how much goes through.

use std::{
    future::Future,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::try_join_all;
use hdrhistogram::Histogram;

use super::{
    figures::{Reading, enter, histogram},
    site::{Site, Watch},
};
use crate::cli::Failure;

/// How long to ask: until either is reached.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Questions.
    pub(super) count: u64,
    /// Questions under way.
    pub(super) in_flight: u64,
    /// Time, the warm-up not counted.
    pub(super) span: Duration,
}

/// What was counted so far.
struct Meter {
    /// Since the warm-up ended; `None` = it is under way.
    since: Option<(Duration, Watch)>,
    counted: u64,
    latency: Histogram<u64>,
}

/// Asks with numbers from 0. The warm-up, which is not counted, ends after its time or a tenth of the count.
pub(super) async fn closed_loop<F, E>(
    site: &Site<'_>,
    what: impl Into<String>,
    bounds: Bounds,
    ask: impl Fn(u64) -> F,
) -> Result<Reading, Failure>
where
    F: Future<Output = Result<(), E>>,
    E: Into<Failure>,
{
    let next = AtomicU64::new(0);
    let meter = Mutex::new(Meter { since: None, counted: 0, latency: histogram()? });
    let warm_at = site.now() + site.arguments.warm_up();
    let end = warm_at + bounds.span;
    let (next, ask, locked) = (&next, &ask, || meter.lock().unwrap_or_else(PoisonError::into_inner));
    let asking = (0..bounds.in_flight).map(|_| async move {
        loop {
            let (number, asked) = (next.fetch_add(1, Ordering::Relaxed), site.now());
            if number >= bounds.count || asked >= end {
                return Ok::<_, Failure>(());
            }
            if number >= bounds.count / 10 || asked >= warm_at {
                locked().since.get_or_insert_with(|| (asked, site.watch()));
            }
            ask(number).await.map_err(Into::into)?;
            let mut meter = locked();
            if meter.since.is_some_and(|(since, _)| asked >= since) {
                meter.counted += 1;
                enter(&mut meter.latency, site.now().saturating_sub(asked));
            }
        }
    });
    try_join_all(asking).await?;
    let meter = meter.into_inner().unwrap_or_else(PoisonError::into_inner);
    let spent = meter.since.map(|(_, watch)| site.since(watch)).unwrap_or_default();
    Ok(site.reading(what, meter.counted, spent).with_latency(&meter.latency))
}
