//! Refusals on their way into the evidence log, without ever making anyone wait (design guarantee 2).
//!
//! Invariants: the first refusal of a certificate for a reason in a minute is an entry of its own; repeats, failed handshakes and
//! refusals out of overload are only counted, in one summary entry a minute; so the log grows by a bounded amount a minute, whatever is
//! thrown at the door. What cannot be recorded now is counted and said later; it is never forgotten, and never waited for.

use std::{
    collections::{BTreeMap, HashSet},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Caller, Class, Refused};
use crate::{
    clock::World,
    domain::{
        digest::Digest,
        evidence::{ActKind, Actor, EvidenceDraft},
        ids::Micros,
    },
};

/// Entries of their own in one minute; more are counted only.
const MAX_SINGLE: usize = 1_024;
/// Drafts that wait for the committer; more are counted only.
const QUEUE: usize = 1_024;
const MINUTE_US: Micros = 60_000_000;
/// How often the recorder looks whether a minute has passed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What a summary is recorded under.
const SUMMARY_METHOD: &str = "tongbao/refusals";
/// Count of refusals that got no entry of their own although they were the first.
const UNRECORDED: &str = "UNRECORDED";

/// The refusals of one minute. Pure: the minute is told by `now`.
#[derive(Debug, Default)]
struct Tally {
    /// Minutes since 1970.
    minute: i64,
    single: HashSet<(Option<Digest>, &'static str)>,
    counts: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Ends the minute if another has begun, or if asked to: its summary, unless there is nothing to say.
    fn close(&mut self, now: Micros, at_once: bool) -> Option<EvidenceDraft> {
        let minute = now.div_euclid(MINUTE_US);
        let ended = std::mem::replace(&mut self.minute, minute);
        if ended == minute && !at_once {
            return None;
        }
        self.single.clear();
        if self.counts.is_empty() {
            return None;
        }
        let counts = std::mem::take(&mut self.counts).into_iter().collect();
        Some(EvidenceDraft { counts, ..EvidenceDraft::new(ActKind::RefusalSummary, Actor::default(), SUMMARY_METHOD) })
    }

    /// True when a refusal is to have an entry of its own; else it is counted here.
    fn is_first(&mut self, certificate: Option<Digest>, reason: &'static str) -> bool {
        let room = self.single.len() < MAX_SINGLE;
        let first = room && self.single.insert((certificate, reason));
        if !first {
            self.count(reason, 1);
        }
        first
    }

    fn count(&mut self, reason: &'static str, more: u64) {
        let count = self.counts.entry(reason).or_default();
        *count = count.saturating_add(more);
    }

    /// A draft that could not be recorded: what it says is counted, to be said in a later summary.
    fn give_back(&mut self, draft: &EvidenceDraft) {
        if draft.kind == ActKind::RefusalSummary {
            for (reason, count) in &draft.counts {
                self.count(reason, *count);
            }
        } else {
            self.count(UNRECORDED, 1);
        }
    }
}

/// Takes note of refusals. Cheap to clone; no call of it ever waits.
#[derive(Clone)]
pub struct RefusalLog {
    world: World,
    tally: Arc<Mutex<Tally>>,
    drafts: mpsc::Sender<EvidenceDraft>,
}

impl RefusalLog {
    /// The log, and the recorder that carries its drafts to the committer.
    #[must_use]
    pub fn new(world: World) -> (Self, RefusalRecorder) {
        let (drafts, waiting) = mpsc::channel(QUEUE);
        let tally = Tally { minute: world.clock.now().div_euclid(MINUTE_US), ..Tally::default() };
        let log = Self { world, tally: Arc::new(Mutex::new(tally)), drafts };
        (log.clone(), RefusalRecorder { log, waiting })
    }

    /// Takes note of a refused request of a known system. Overload and outage are counted only: an entry for each would make them worse.
    pub fn note(&self, caller: &Caller, refused: &Refused) {
        if matches!(refused.class, Class::Unavailable | Class::ResourceExhausted) {
            self.turned_away(refused.reason);
        } else {
            self.refused(caller.actor(), caller.method, &caller.request_id, refused.reason);
        }
    }

    /// Takes note of a request refused at the door; the actor may be known by its certificate alone.
    pub fn refused(&self, actor: Actor, method: &str, request_id: &str, reason: &'static str) {
        let (summary, first) = {
            let mut tally = self.tally();
            (tally.close(self.world.clock.now(), false), tally.is_first(actor.certificate_sha256, reason))
        };
        self.send(summary);
        if first {
            let draft = EvidenceDraft {
                request_id: request_id.to_owned(),
                outcome: reason.to_owned(),
                ..EvidenceDraft::new(ActKind::Refuse, actor, method)
            };
            self.send(Some(draft));
        }
    }

    /// Counts someone who never came to a request: a failed handshake, a connection or a call too many.
    pub fn turned_away(&self, reason: &'static str) {
        let summary = {
            let mut tally = self.tally();
            let summary = tally.close(self.world.clock.now(), false);
            tally.count(reason, 1);
            summary
        };
        self.send(summary);
    }

    fn send(&self, draft: Option<EvidenceDraft>) {
        let Some(draft) = draft else { return };
        if let Err(full) = self.drafts.try_send(draft) {
            self.tally().give_back(&full.into_inner());
        }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        // Nothing in here panics between two halves of a change; a poisoned tally is a sound one.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries drafts of refusals to the committer, in the background.
pub struct RefusalRecorder {
    log: RefusalLog,
    waiting: mpsc::Receiver<EvidenceDraft>,
}

impl RefusalRecorder {
    /// Records until `stop`, then records what is left, the running minute's summary last. `commit` is true when the draft is on disk;
    /// what it could not record is counted and said in a later summary.
    pub async fn run<C, F>(mut self, commit: C, stop: CancellationToken)
    where
        C: Fn(EvidenceDraft) -> F,
        F: Future<Output = bool>,
    {
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            let draft = tokio::select! {
                () = stop.cancelled() => break,
                Some(draft) = self.waiting.recv() => Some(draft),
                _ = look.tick() => self.close(false),
            };
            self.record(draft, &commit).await;
        }
        while let Ok(draft) = self.waiting.try_recv() {
            self.record(Some(draft), &commit).await;
        }
        let last = self.close(true);
        self.record(last, &commit).await;
    }

    fn close(&self, at_once: bool) -> Option<EvidenceDraft> {
        self.log.tally().close(self.log.world.clock.now(), at_once)
    }

    async fn record<C, F>(&self, draft: Option<EvidenceDraft>, commit: &C)
    where
        C: Fn(EvidenceDraft) -> F,
        F: Future<Output = bool>,
    {
        let Some(draft) = draft else { return };
        if !commit(draft.clone()).await {
            self.log.tally().give_back(&draft);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::{
        clock::{Clock, SystemEntropy},
        domain::{ids::SystemId, violation::Lang},
    };

    struct SetClock(AtomicI64);

    impl Clock for SetClock {
        fn now(&self) -> Micros {
            self.0.load(Ordering::SeqCst)
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
    }

    fn at_minute(minute: i64) -> (World, Arc<SetClock>) {
        let clock = Arc::new(SetClock(AtomicI64::new(minute * MINUTE_US)));
        (World { clock: clock.clone(), entropy: Arc::new(SystemEntropy::new()) }, clock)
    }

    fn stranger(number: u64) -> Actor {
        let mut certificate = [0; 32];
        certificate[..8].copy_from_slice(&number.to_be_bytes());
        Actor { certificate_sha256: Some(certificate), ..Actor::default() }
    }

    fn waiting(recorder: &mut RefusalRecorder) -> Vec<EvidenceDraft> {
        std::iter::from_fn(|| recorder.waiting.try_recv().ok()).collect()
    }

    #[test]
    fn the_first_is_an_entry_and_repeats_are_counted() {
        let (world, clock) = at_minute(7);
        let (log, mut recorder) = RefusalLog::new(world);
        for _ in 0..5 {
            log.refused(stranger(1), "tongbao.v1.PublishService/Publish", "r", "UNKNOWN_SYSTEM");
        }
        log.refused(stranger(2), "m", "r", "UNKNOWN_SYSTEM");
        log.refused(stranger(1), "m", "r", "NOT_GRANTED");
        log.turned_away("HANDSHAKE_FAILED");
        let drafts = waiting(&mut recorder);
        assert_eq!(drafts.len(), 3);
        assert!(drafts.iter().all(|draft| draft.kind == ActKind::Refuse));
        assert_eq!(drafts[0].outcome, "UNKNOWN_SYSTEM");
        assert_eq!(drafts[0].method, "tongbao.v1.PublishService/Publish");

        clock.0.store(8 * MINUTE_US, Ordering::SeqCst);
        log.refused(stranger(1), "m", "r", "UNKNOWN_SYSTEM");
        let drafts = waiting(&mut recorder);
        assert_eq!(drafts.len(), 2, "the summary of the minute before, and a first again");
        assert_eq!(drafts[0].kind, ActKind::RefusalSummary);
        assert_eq!(drafts[0].counts, [("HANDSHAKE_FAILED", 1), ("UNKNOWN_SYSTEM", 4)]);
        assert_eq!(drafts[1].kind, ActKind::Refuse);
    }

    #[test]
    fn a_flood_of_certificates_is_bounded_and_nothing_is_forgotten() {
        let (world, clock) = at_minute(7);
        let (log, mut recorder) = RefusalLog::new(world);
        for number in 0..100_000 {
            log.refused(stranger(number), "m", "r", "UNKNOWN_SYSTEM");
        }
        assert!(log.tally().single.len() <= MAX_SINGLE);
        let singles = waiting(&mut recorder).len() as u64;
        clock.0.store(8 * MINUTE_US, Ordering::SeqCst);
        let summary = recorder.close(false).expect("a summary");
        let counted: u64 = summary.counts.iter().map(|(_, count)| count).sum();
        assert_eq!(singles + counted, 100_000);
        assert!(recorder.close(false).is_none(), "said once");
    }

    #[test]
    fn overload_is_counted_only() {
        let (world, _clock) = at_minute(7);
        let (log, mut recorder) = RefusalLog::new(world);
        let caller = Caller {
            system: SystemId::parse("gacc/risk-control").expect("a name"),
            certificate_sha256: [1; 32],
            operator: None,
            request_id: "r".to_owned(),
            method: "tongbao.v1.FeedService/Fetch",
            lang: Lang::Zh,
        };
        log.note(&caller, &Refused::new(Class::ResourceExhausted, "BUSY", "", ""));
        log.note(&caller, &Refused::new(Class::Unavailable, "STORE_FULL", "", ""));
        log.note(&caller, &Refused::new(Class::PermissionDenied, "NOT_GRANTED", "", ""));
        let drafts = waiting(&mut recorder);
        assert_eq!(drafts.len(), 1);
        assert_eq!((drafts[0].outcome.as_str(), drafts[0].actor.clone()), ("NOT_GRANTED", caller.actor()));
        assert_eq!(recorder.close(true).expect("a summary").counts, [("BUSY", 1), ("STORE_FULL", 1)]);
    }

    #[tokio::test]
    async fn what_cannot_be_recorded_is_said_later() {
        let (world, _clock) = at_minute(7);
        let (log, recorder) = RefusalLog::new(world);
        let other = log.clone();
        log.refused(stranger(1), "m", "r", "UNKNOWN_SYSTEM");
        log.turned_away("HANDSHAKE_FAILED");
        let stop = CancellationToken::new();
        stop.cancel();
        // The store is full: nothing is recorded, and the counts stand.
        recorder.run(|_| async { false }, stop).await;
        assert_eq!(other.tally().counts, BTreeMap::from([("HANDSHAKE_FAILED", 1), (UNRECORDED, 1)]));
    }

    #[tokio::test]
    async fn stopping_records_what_is_left_and_the_running_minute() {
        let (world, _clock) = at_minute(7);
        let (log, recorder) = RefusalLog::new(world);
        log.refused(stranger(1), "m", "r", "UNKNOWN_SYSTEM");
        log.refused(stranger(1), "m", "r", "UNKNOWN_SYSTEM");
        let on_disk = Mutex::new(Vec::new());
        let stop = CancellationToken::new();
        stop.cancel();
        let keep = |draft| {
            on_disk.lock().expect("not poisoned").push(draft);
            std::future::ready(true)
        };
        recorder.run(keep, stop).await;
        let kinds: Vec<ActKind> =
            on_disk.into_inner().expect("not poisoned").iter().map(|draft: &EvidenceDraft| draft.kind).collect();
        assert_eq!(kinds, [ActKind::Refuse, ActKind::RefusalSummary]);
    }
}
