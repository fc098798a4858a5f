//! From published to delivered, record by record at a fixed rate: what a consumer at the head feels.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hdrhistogram::Histogram;

use super::super::{
    broken,
    consumer::{Appetite, Consumer, create, failed_products},
    data::{PUBLISHER, number_of},
    figures::{Reading, enter, histogram},
    open_loop::{Schedule, open_loop},
    site::Site,
};
use crate::{
    cli::Failure,
    client::{Handler, Publisher, PublisherOptions, Settle, each},
    clock::Clock,
    proto::{Delivery, start_at::At},
};

pub(super) async fn run(site: &Site<'_>) -> Result<Vec<Reading>, Failure> {
    let (connection, name) = (site.connect("gacc")?, site.name("latency"));
    create(&connection, &name, failed_products(), At::Latest(true)).await?;
    let arrivals = Arrivals::new(site, 1)?;
    let consumer = Consumer::attach(site, &connection, name, Appetite::PROMPT, arrivals.handler()).await?;
    let publisher = Publisher::new(&site.connect(PUBLISHER)?, PublisherOptions::default());
    let rate = site.arguments.rate;
    let schedule = Schedule::new(site.now(), rate, site.arguments.warm_up(), site.arguments.span());
    let numbers = site.take(schedule.count);
    let watch = site.watch();
    arrivals.expect(schedule, numbers.start)?;
    let sent = open_loop(site, schedule, |index| {
        let record = site.data.failed(numbers.start + index).filter(|_| index < schedule.count);
        let publisher = publisher.clone();
        async move { publisher.publish_batch(record.into_iter().collect()).await.map(|_| ()) }
    })
    .await?;
    site.count_stored(schedule.count);
    let arrived = consumer.until_acked(site, schedule.count, site.now() + site.arguments.at_most()).await?;
    let spent = site.since(watch);
    consumer.finish(&connection).await?;
    if arrived < schedule.count {
        return Err(broken("有记录没有按时到达", "some records did not arrive in time"));
    }
    let answered = site.reading(format!("published → answered, open loop at {rate}/s"), schedule.count, spent);
    let delivered = site.reading(format!("published → delivered, open loop at {rate}/s"), arrived, spent);
    let late = sent.begun.value_at_quantile(0.99) as f64;
    Ok(vec![answered.with_latency(&sent.answered).with("load_late_p99_us", late), delivered.with_latency(&arrivals.latency())])
}

/// Deliveries, each with how late it is by the schedule of the publishing. Several subscribers may share one.
#[derive(Clone)]
pub(super) struct Arrivals {
    clock: Arc<dyn Clock>,
    /// The schedule, and the number of its first record; before it is set nothing is measured.
    expected: Arc<OnceLock<(Schedule, u64)>>,
    /// Records of one act of the schedule.
    of_act: u64,
    latency: Arc<Mutex<Histogram<u64>>>,
}

impl Arrivals {
    /// None yet; so many records are published at each beat of the schedule.
    pub(super) fn new(site: &Site<'_>, of_act: u64) -> Result<Self, Failure> {
        Ok(Self { clock: site.clock(), expected: Arc::default(), of_act, latency: Arc::new(Mutex::new(histogram()?)) })
    }

    /// Says what comes when.
    pub(super) fn expect(&self, schedule: Schedule, first: u64) -> Result<(), Failure> {
        self.expected.set((schedule, first)).map_err(|_| broken("时刻表已定", "the schedule is set already"))
    }

    /// Acknowledges everything, and notes when it came.
    pub(super) fn handler(&self) -> Arc<dyn Handler> {
        let arrivals = self.clone();
        Arc::new(each(move |delivery: Delivery| {
            arrivals.note(&delivery);
            std::future::ready(Settle::Ack)
        }))
    }

    /// What was noted.
    pub(super) fn latency(&self) -> Histogram<u64> {
        self.latency.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, delivery: &Delivery) {
        let Some((schedule, first)) = self.expected.get() else { return };
        let Some(index) = number_of(delivery).and_then(|number| number.checked_sub(*first)) else { return };
        if let Some(late) = schedule.lateness(index / self.of_act, self.clock.monotonic()) {
            enter(&mut self.latency.lock().unwrap_or_else(PoisonError::into_inner), late);
        }
    }
}
