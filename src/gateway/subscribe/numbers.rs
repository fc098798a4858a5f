//! Numbers of subscriptions, awake or asleep. An awake one is asked; one that sleeps is judged from what is kept of it, without
//! waking it. Neither looks at what lies ahead, so that an answer takes the same time however large the ledger is.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::timeout;

use super::{
    super::{Gateway, Refused, freshness::Freshness, moment::Moment, subscriptions::not_found},
    hosts::{HostParts, Hosts},
    rights::Rights,
    session::Overview,
};
use crate::domain::{
    dates::CivilDate,
    delivery::{Engine, Filter, Status, SubscriptionKey, SubscriptionRow, SubscriptionState},
    evidence::PositionRange,
    feeds::Feed,
    ids::{Micros, Position},
    regions::Region,
};

/// Numbers that have to be read are left out when the store takes longer than this: a heartbeat does not wait for it.
const LOOK_WITHIN: Duration = Duration::from_secs(2);
/// Most reasons of dead letters, and most blocked enterprises, shown of one subscription.
pub const MOST_LISTED: usize = 20;
/// Names read at once.
const NAMES: usize = 1_000;

/// What is counted of one subscription while the gateway runs; it outlives the sleep of the host.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) retries: AtomicU64,
    pub(super) expired_leases: AtomicU64,
    withheld: AtomicU64,
    last_withheld: Mutex<Vec<PositionRange>>,
}

impl Counts {
    pub(super) fn add(&self, retries: usize, expired_leases: usize) {
        self.retries.fetch_add(retries as u64, Ordering::Relaxed);
        self.expired_leases.fetch_add(expired_leases as u64, Ordering::Relaxed);
    }

    /// These were withheld: counted, and the last ranges remembered.
    pub(super) fn withhold(&self, mut positions: Vec<Position>) {
        if positions.is_empty() {
            return;
        }
        positions.sort_unstable();
        self.withheld.fetch_add(positions.len() as u64, Ordering::Relaxed);
        let mut last = lock(&self.last_withheld);
        for range in PositionRange::join(positions) {
            match last.last_mut() {
                Some(before) if before.last + 1 == range.first => before.last = range.last,
                _ => last.push(range),
            }
        }
        let surplus = last.len().saturating_sub(MOST_LISTED);
        last.drain(..surplus);
    }

    /// The last ranges that were withheld, at most [`MOST_LISTED`].
    fn last_withheld(&self) -> Vec<PositionRange> {
        lock(&self.last_withheld).clone()
    }

    /// Writes the counts into numbers.
    pub(super) fn count(&self, status: &mut Status, since: Micros) {
        status.observed.retries = self.retries.load(Ordering::Relaxed);
        status.observed.expired_leases = self.expired_leases.load(Ordering::Relaxed);
        status.observed.withheld = self.withheld.load(Ordering::Relaxed);
        status.observed.counted_since = since;
    }
}

/// What is remembered of subscriptions whether they are awake or not.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) since: Micros,
    counts: Mutex<HashMap<SubscriptionKey, Arc<Counts>>>,
    /// Numbers of those asleep, which stand until they wake: only the head moves on.
    asleep: Mutex<HashMap<SubscriptionKey, Status>>,
}

impl Remembered {
    pub(super) fn new(since: Micros) -> Self {
        Self { since, counts: Mutex::default(), asleep: Mutex::default() }
    }

    pub(super) fn counts(&self, key: &SubscriptionKey) -> Arc<Counts> {
        lock(&self.counts).entry(key.clone()).or_default().clone()
    }

    /// The subscription is deleted.
    pub(super) fn forget(&self, key: &SubscriptionKey) {
        lock(&self.counts).remove(key);
        lock(&self.asleep).remove(key);
    }
}

/// Nothing is left half done under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HostParts {
    /// The numbers of a subscription whose host sleeps.
    fn asleep(&self, state: &SubscriptionState) -> Status {
        let (key, feeds) = (&state.row.key, &state.row.spec.filter.feeds);
        let now = self.world.clock.now();
        let rights = Rights::evaluate(self.register.load_full(), &key.participant, CivilDate::of_instant(now));
        let mut engine = Engine::load(state.clone(), 0);
        engine.appended(self.tail.position());
        engine.permit(now, rights.allow_any(feeds));
        engine.status()
    }

    /// Adds what has to be read: when the oldest was committed, and how far its feeds are attested.
    pub(super) async fn observe(&self, row: &SubscriptionRow, mut status: Status) -> Status {
        status.observed.at = self.world.clock.now();
        let oldest = status.behind.oldest.filter(|_| status.observed.oldest_committed_at == 0);
        let committed_at = async {
            let records = self.store.at(&[oldest?.position]).await.ok()?;
            records.first().map(|record| record.committed_at)
        };
        if let Ok(Some(committed_at)) = timeout(LOOK_WITHIN, committed_at).await {
            status.observed.oldest_committed_at = committed_at;
        }
        let freshness = Freshness { store: self.store.clone(), register: self.register.clone() };
        let moment = Moment { position: status.head, at: status.observed.at };
        if let Ok(Ok(attested)) = timeout(LOOK_WITHIN, freshness.at(moment)).await {
            let feeds = self.feeds(row);
            status.observed.complete_to = attested.together(&feeds, &regions(&row.spec.filter)).complete_to.unwrap_or(0);
        }
        status
    }

    /// The feeds that a subscription is for: those named, else those granted.
    fn feeds(&self, row: &SubscriptionRow) -> Vec<Feed> {
        let named = &row.spec.filter.feeds;
        if !named.is_empty() {
            return named.clone();
        }
        let today = CivilDate::of_instant(self.world.clock.now());
        let rights = Rights::evaluate(self.register.load_full(), &row.key.participant, today);
        Feed::ALL.into_iter().filter(|feed| rights.allow_any(&[*feed])).collect()
    }
}

/// The provinces that a filter is for; the whole country where it names none, or one that cannot be told.
fn regions(filter: &Filter) -> Vec<Option<Region>> {
    let province = |prefix: &String| prefix.get(..2).and_then(Region::parse).map(Region::province);
    let provinces: Vec<_> = filter.region_prefixes.iter().map(province).collect();
    if provinces.is_empty() || provinces.contains(&None) { vec![None] } else { provinces }
}

impl Gateway {
    /// A subscription with its numbers now. Wakes nobody.
    pub(in super::super) async fn overview(&self, key: &SubscriptionKey) -> Result<Overview, Refused> {
        let state = self.store.subscription(key).await?.ok_or_else(|| not_found(&key.name))?;
        let status = self.hosts.status_of(&state).await;
        let dead_letters_by_reason = match status.dead_letters {
            0 => Vec::new(),
            _ => self.store.dead_letter_counts(key, MOST_LISTED).await?,
        };
        let mut blocked: Vec<_> = state.blocked.into_values().collect();
        blocked.sort_unstable_by_key(|row| (row.since, row.blocked_by));
        blocked.truncate(MOST_LISTED);
        let blocked = blocked
            .into_iter()
            .map(|row| {
                let (retrying, dead) = (state.retrying.contains_key(&row.blocked_by), state.dead.contains(row.blocked_by));
                super::session::Blocked { row, retrying, dead }
            })
            .collect();
        let withheld = self.hosts.remembered.counts(key).last_withheld();
        let SubscriptionRow { key, spec, created_at, .. } = state.row;
        let identity = self.store.identity();
        Ok(Overview {
            key,
            spec,
            created_at,
            status,
            dead_letters_by_reason,
            blocked,
            withheld,
            settings_revision: state.settings_revision,
            paused_since: state.paused_since,
            floor: state.floor,
            ledger_id: identity.ledger_id.clone(),
            generation: identity.generation,
        })
    }

    /// Numbers of the subscriptions of all participants, asleep or awake, at most so many, in the order of their names; and how many
    /// there are besides. Wakes nobody, and reads of those asleep only what it has not read before.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn every_status(&self, most: usize) -> Result<(Vec<(SubscriptionKey, Status)>, u64), Refused> {
        let (mut statuses, mut besides) = (Vec::new(), 0);
        let register = self.register.load_full();
        for participant in register.participants() {
            let mut after = String::new();
            loop {
                let names = self.store.subscription_names(&participant.id, &after, NAMES).await?;
                let is_last = names.len() < NAMES;
                after = names.last().cloned().unwrap_or_default();
                for name in names {
                    let key = SubscriptionKey { participant: participant.id.clone(), name };
                    if statuses.len() >= most {
                        besides += 1;
                    } else if let Some(status) = self.hosts.status_again(&key).await? {
                        statuses.push((key, status));
                    }
                }
                if is_last {
                    break;
                }
            }
        }
        Ok((statuses, besides))
    }

    /// Dead letters of a subscription by reason, most first, at most so many reasons.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn dead_letter_counts(&self, key: &SubscriptionKey, most: usize) -> Result<Vec<(String, u64)>, Refused> {
        Ok(self.store.dead_letter_counts(key, most).await?)
    }
}

impl Hosts {
    /// The numbers of a subscription: its host's, if it is awake.
    async fn status_of(&self, state: &SubscriptionState) -> Status {
        let status = match self.status_awake(&state.row.key).await {
            Some(status) => status,
            None => self.counted(&state.row.key, self.parts.asleep(state)),
        };
        self.parts.observe(&state.row, status).await
    }

    fn counted(&self, key: &SubscriptionKey, mut status: Status) -> Status {
        self.remembered.counts(key).count(&mut status, self.remembered.since);
        status
    }

    /// As `status_of`, for who asks again and again: what sleeps has not changed, but for the head. `None` = it is gone.
    async fn status_again(&self, key: &SubscriptionKey) -> Result<Option<Status>, Refused> {
        let slept = if self.is_awake(key).await {
            lock(&self.remembered.asleep).remove(key);
            None
        } else {
            lock(&self.remembered.asleep).get(key).copied()
        };
        if let Some(slept) = slept {
            let mut status = slept.at_head(self.parts.tail.position());
            status.observed.at = self.parts.world.clock.now();
            // Its first unsettled revision may have come while it slept.
            if slept.behind.oldest.is_some() || status.behind.oldest.is_none() {
                return Ok(Some(status));
            }
        }
        let Some(state) = self.parts.store.subscription(key).await? else { return Ok(None) };
        let status = self.status_of(&state).await;
        if !self.is_awake(key).await {
            lock(&self.remembered.asleep).insert(key.clone(), status);
        }
        Ok(Some(status))
    }
}
