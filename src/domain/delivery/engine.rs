//! The engine of one subscription: a pure state machine. It is told what happened, and says what to do.
//!
//! ```text
//! head ─ appended ─┐                      ┌─ Reserve ─► host records the disclosure ─ committed / aborted ─┐
//! pages ─ rows ────┼─► lanes ─ pump ──────┘                                                               ▼
//! consumer ─ settle ┼─► plan ─ Persist ─► host commits ─ persisted / persist_failed ─► Settled           Send
//! time ─ tick ─────┘
//! ```
//!
//! The host's loop: after any input, and whenever `next_deadline` has passed (`tick`), it calls `pump`, does what `take_outputs`
//! says in order, reads what `wants` asks for and feeds it, until nothing is left. Inputs never wait for outputs: a settle is taken
//! while a disclosure hangs, and the other way round.
//!
//! Invariants:
//! - `state` equals what the store holds: it moves only by deltas that were committed. What is planned and not committed marks
//!   deliveries (`deciding`, `settling`, `broken`) and nothing else, so a failed commit is undone by clearing the marks.
//! - One change is under way at a time; what comes meanwhile queues and becomes the next change, as a group.
//! - In memory is only what is out, a bounded look-ahead, and one entry for each row that is persisted.
//! - Same state, seed and inputs: same outputs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    ack::Open,
    administer::Target,
    change::Change,
    lease::Flight,
    messages::{Candidate, LossReason, LostLease, Output, Settlement},
    order::{LaneId, Lanes, NO_LANE},
    pump::Batch,
    retry::Schedule,
    ride::Ahead,
    session::{Attach, Session},
    settings::Settings,
    state::{DeadLetter, SubscriptionState},
    withheld::Late,
};
use crate::domain::{
    draft::OrderKey,
    ids::{Micros, Position},
};

/// Sizes of a batch and of what is read ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most deliveries of a batch.
    pub batch_records: usize,
    /// Most bytes of a batch; a single larger record goes alone.
    pub batch_bytes: u64,
    /// Most deliveries read and not sent.
    pub look_ahead: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { batch_records: 1_000, batch_bytes: 1 << 20, look_ahead: 2_000 }
    }
}

/// A settle request that waits for its change, or for rows without which it cannot be judged.
#[derive(Debug)]
pub(super) struct Request {
    pub id: u64,
    pub items: Vec<Settlement>,
}

/// What waits for the change under way.
#[derive(Debug)]
pub(super) enum Job {
    Settle(Request),
    Attach(Attach),
    /// The stream of the session that attached under `epoch` ended while another attach was on its way: it counts if that fails.
    Detach {
        epoch: u64,
        drained: bool,
    },
    Redrive(Vec<DeadLetter>),
    Discard(Vec<DeadLetter>),
    Pause(bool),
    Seek(Target),
    /// New settings, with the revision that they replace.
    Update(Box<Settings>),
    /// Forget what is in memory and begin again from the state: a drained session left, or the grant changed.
    Reset(Option<LossReason>),
}

/// See the module.
#[derive(Debug)]
pub struct Engine {
    pub(super) state: SubscriptionState,
    pub(super) seed: u64,
    pub(super) bounds: Bounds,
    pub(super) now: Micros,
    pub(super) head: Position,
    pub(super) permitted: bool,
    pub(super) stalled: bool,
    /// The session has enough before it: nothing more is reserved.
    pub(super) full: bool,
    pub(super) session: Option<Session>,
    pub(super) flight: Flight,
    pub(super) open: Open,
    pub(super) lanes: Lanes,
    /// How many lanes are held.
    pub(super) held: usize,
    /// Lanes whose blocked row differs from what is kept: written with the next delta, whatever it is about.
    pub(super) unsynced: BTreeSet<LaneId>,
    /// Lanes that are free again and read what was passed over, and whose turn was last.
    pub(super) catching: BTreeSet<LaneId>,
    pub(super) last_turn: LaneId,
    /// Ready deliveries whose positions count as passed.
    pub(super) urgent: BTreeSet<Position>,
    /// Ready suspects: each is sent alone.
    pub(super) suspects: BTreeSet<Position>,
    pub(super) schedule: Schedule,
    /// Rows with no attempts left (the limit was lowered), read again for the dead letters.
    pub(super) overdue: Vec<Candidate>,
    /// Rows that are due and no longer admitted.
    pub(super) withheld: Vec<Position>,
    pub(super) late: Late,
    /// Order keys asked for to judge a settle; `None` = asked.
    pub(super) probes: BTreeMap<Position, Option<Probe>>,
    pub(super) parked: Vec<Request>,
    pub(super) batches: VecDeque<Batch>,
    pub(super) ahead: Ahead,
    pub(super) last_batch: u64,
    pub(super) last_send: u64,
    /// Epoch that was loaded: what was sent under it and earlier ones is not known any more.
    pub(super) loaded_epoch: u64,
    pub(super) jobs: VecDeque<Job>,
    pub(super) change: Option<Change>,
    pub(super) last_change: u64,
    /// Changes of the engine's own accord wait until then after one failed.
    pub(super) not_before: Micros,
    /// Skips are persisted at the latest then.
    pub(super) skips_due: Micros,
    pub(super) outbox: Vec<Output>,
}

/// What was found of a position that a settle asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Probe {
    Key(OrderKey),
    /// Not there, or not for this subscription.
    Nothing,
}

impl Engine {
    /// Takes up a subscription as kept. Nothing is sent before an attach.
    #[must_use]
    pub fn load(state: SubscriptionState, seed: u64) -> Self {
        let mut engine = Self {
            seed,
            bounds: Bounds::default(),
            now: Micros::MIN,
            head: 0,
            permitted: true,
            stalled: false,
            full: false,
            session: None,
            flight: Flight::new(),
            open: Open::new(state.floor),
            lanes: Lanes::new(false),
            held: 0,
            unsynced: BTreeSet::new(),
            catching: BTreeSet::new(),
            last_turn: 0,
            urgent: BTreeSet::new(),
            suspects: BTreeSet::new(),
            schedule: Schedule::new(&state.row.spec.retry, Micros::MIN),
            overdue: Vec::new(),
            withheld: Vec::new(),
            late: Late::default(),
            probes: BTreeMap::new(),
            parked: Vec::new(),
            batches: VecDeque::new(),
            ahead: Ahead::default(),
            last_batch: 0,
            last_send: 0,
            loaded_epoch: state.epoch,
            jobs: VecDeque::new(),
            change: None,
            last_change: 0,
            not_before: Micros::MIN,
            skips_due: Micros::MIN,
            outbox: Vec::new(),
            state,
        };
        engine.reset();
        engine
    }

    /// The same with other sizes.
    #[must_use]
    pub fn with_bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// What the host is to do, in order. Empties the outbox.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outbox)
    }

    /// What the store holds, as far as the engine was told.
    #[must_use]
    pub fn state(&self) -> &SubscriptionState {
        &self.state
    }

    /// The ledger's head moved.
    pub fn appended(&mut self, head: Position) {
        self.head = self.head.max(head);
    }

    /// Whether a valid grant stands. Without one delivery pauses and what is out is taken back, uncounted; when the grant
    /// changed, call it with `false` and `true`, so that what was read under the old one is forgotten.
    pub fn permit(&mut self, now: Micros, permitted: bool) {
        self.observe(now);
        self.permitted = permitted;
        if !permitted {
            self.jobs.push_back(Job::Reset(Some(LossReason::NotPermitted)));
        }
        self.advance();
    }

    /// Whether the store accepts commits. While it does not, no lease runs out and no session is given up; once a commit succeeds
    /// every lease, and the time a session has to come back, starts anew. The engine finds that out by itself: while something of
    /// its own is due it tries the store with a change of skips, which is no act.
    pub fn store_stalled(&mut self, now: Micros, stalled: bool) {
        self.observe(now);
        if stalled {
            self.stalled = true;
        } else {
            self.store_answers();
        }
        self.advance();
    }

    /// The store has taken a commit: a stall is over.
    pub(super) fn store_answers(&mut self) {
        if !std::mem::take(&mut self.stalled) {
            return;
        }
        let (now, lease) = (self.now, self.lease());
        self.flight.values_mut().for_each(|slot| slot.restart(now, lease));
        if let Some(until) = self.session.as_mut().and_then(|session| session.grace_until.as_mut()) {
            *until = (*until).max(now.saturating_add(super::session::GRACE));
        }
    }

    /// Whether the session has not taken yet what was sent. While it has not, nothing more is reserved, whatever its window: what waits
    /// for it waits in the ledger.
    pub fn session_is_full(&mut self, full: bool) {
        self.full = full;
    }

    /// Time passed: leases run out, retries fall due, a lost session ends.
    pub fn tick(&mut self, now: Micros) {
        self.observe(now);
        self.take_due();
        self.advance();
    }

    /// Time never goes back.
    pub(super) fn observe(&mut self, now: Micros) {
        self.now = self.now.max(now);
    }

    pub(super) fn lease(&self) -> Micros {
        Micros::try_from(self.state.row.spec.lease_ms).unwrap_or(Micros::MAX / 4_000).saturating_mul(super::retry::MILLI)
    }

    pub(super) fn lease_total(&self) -> Micros {
        Micros::try_from(self.state.row.spec.lease_total_ms).unwrap_or(Micros::MAX / 4_000).saturating_mul(super::retry::MILLI)
    }

    /// The order key's lane of a redriven delivery is none.
    pub(super) fn lane_of(&mut self, order_key: &OrderKey, redriven: bool) -> LaneId {
        if redriven { NO_LANE } else { self.lanes.intern(order_key) }
    }

    /// Tells the session about leases taken away.
    pub(super) fn tell_lost(&mut self, mut leases: Vec<LostLease>) {
        if let Some(session) = self.session.as_ref().filter(|_| !leases.is_empty()) {
            leases.sort_unstable_by_key(|lease| lease.position);
            self.outbox.push(Output::LeaseLost { session: session.id, leases });
        }
    }
}
