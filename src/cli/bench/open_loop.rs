//! Acts at a fixed rate, whatever becomes of those before: what someone feels who cannot slow down.
//!
//! Each act is due at a moment fixed beforehand, and its latency counts from there. Were it counted from the moment of sending, an
//! act that waited because the one before was slow would look fast (coordinated omission).

use std::{future::Future, sync::Arc, sync::mpsc::RecvTimeoutError, time::Duration};

use hdrhistogram::Histogram;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    task::JoinSet,
};

use super::{
    broken,
    figures::{enter, histogram},
    site::Site,
};
use crate::{cli::Failure, clock::Clock};

/// Acts that may be unanswered; beyond that the next ones wait, late by their schedule.
const UNANSWERED: usize = 20_000;
/// From making the schedule to its first act.
const BEFORE_FIRST: Duration = Duration::from_millis(20);

/// When each act is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    begin: Duration,
    period_ns: u64,
    /// Acts.
    pub(super) count: u64,
    /// Of these, the first so many are not measured.
    pub(super) warm_up: u64,
}

impl Schedule {
    /// From shortly after now: so many a second, for the warm-up and the span.
    pub(super) fn new(now: Duration, a_second: u64, warm_up: Duration, span: Duration) -> Self {
        let period_ns = 1_000_000_000 / a_second.max(1);
        let acts = |time: Duration| time.as_secs() * a_second;
        Self { begin: now + BEFORE_FIRST, period_ns, count: acts(warm_up) + acts(span), warm_up: acts(warm_up) }
    }

    /// When the act of that index is due.
    pub(super) fn due(&self, index: u64) -> Duration {
        self.begin.saturating_add(Duration::from_nanos(self.period_ns.saturating_mul(index)))
    }

    /// How late an act is that came to its end now; `None` = it is not measured.
    pub(super) fn lateness(&self, index: u64, now: Duration) -> Option<Duration> {
        (self.warm_up..self.count).contains(&index).then(|| now.saturating_sub(self.due(index)))
    }
}

/// What became of the acts.
pub(super) struct Sent {
    /// From due to answered.
    pub(super) answered: Histogram<u64>,
    /// From due to begun: how far the load itself lagged. It is part of every latency measured.
    pub(super) begun: Histogram<u64>,
}

/// Does `act` with the indexes of the schedule, each when it is due.
pub(super) async fn open_loop<F, E>(site: &Site<'_>, schedule: Schedule, act: impl Fn(u64) -> F) -> Result<Sent, Failure>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Failure>,
{
    let mut sent = Sent { answered: histogram()?, begun: histogram()? };
    let mut running = JoinSet::new();
    let (mut due, _pacing) = pace(site.clock(), schedule)?;
    let mut prepared = Some(act(0));
    for index in 0..schedule.count {
        due.recv().await.ok_or_else(|| broken("计时线程中断", "the pacing thread ended"))?;
        if let Some(late) = schedule.lateness(index, site.now()) {
            enter(&mut sent.begun, late);
        }
        if let Some(act) = prepared.take() {
            let clock = site.clock();
            running.spawn(async move { act.await.map(|()| schedule.lateness(index, clock.monotonic())).map_err(Into::into) });
        }
        // Made ahead, so that making it is not part of its latency.
        prepared = Some(act(index + 1));
        while running.len() > UNANSWERED {
            note_next(&mut running, &mut sent).await?;
        }
        while let Some(ended) = running.try_join_next() {
            note(ended, &mut sent)?;
        }
    }
    while !running.is_empty() {
        note_next(&mut running, &mut sent).await?;
    }
    Ok(sent)
}

type Ended = Result<Result<Option<Duration>, Failure>, tokio::task::JoinError>;

async fn note_next(running: &mut JoinSet<Result<Option<Duration>, Failure>>, sent: &mut Sent) -> Result<(), Failure> {
    match running.join_next().await {
        Some(ended) => note(ended, sent),
        None => Ok(()),
    }
}

fn note(ended: Ended, sent: &mut Sent) -> Result<(), Failure> {
    if let Some(late) = ended.map_err(std::io::Error::other)?? {
        enter(&mut sent.answered, late);
    }
    Ok(())
}

/// Ends the pacing thread when it is dropped.
struct Pacing(#[expect(dead_code, reason = "closes by being dropped")] std::sync::mpsc::Sender<()>);

/// A thread that says each index when it is due. The runtime's own timer counts in milliseconds: too coarse for this.
fn pace(clock: Arc<dyn Clock>, schedule: Schedule) -> Result<(UnboundedReceiver<u64>, Pacing), Failure> {
    let (say, due) = mpsc::unbounded_channel();
    let (pacing, stopped) = std::sync::mpsc::channel();
    std::thread::Builder::new().name("pace".to_owned()).spawn(move || {
        for index in 0..schedule.count {
            let wait = schedule.due(index).saturating_sub(clock.monotonic());
            let is_stopped = !wait.is_zero() && stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout);
            if is_stopped || say.send(index).is_err() {
                return;
            }
        }
    })?;
    Ok((due, Pacing(pacing)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_counts_from_the_schedule_and_leaves_the_warm_up_out() {
        let second = Duration::from_secs(1);
        let schedule = Schedule::new(second, 1_000, second, 2 * second);
        assert_eq!((schedule.count, schedule.warm_up), (3_000, 1_000));
        let begin = second + BEFORE_FIRST;
        assert_eq!(schedule.due(1_500), begin + Duration::from_millis(1_500));
        // Whoever was answered late is late by the schedule, however quick the answer was once it was sent.
        assert_eq!(schedule.lateness(1_500, begin + 4 * second), Some(Duration::from_millis(2_500)));
        assert_eq!(schedule.lateness(999, begin + 4 * second), None);
        assert_eq!(schedule.lateness(3_000, begin + 4 * second), None);
    }
}
