//! What goes in and out of the engine.

use super::{lag::Lag, state::SubscriptionDelta};
use crate::domain::{
    draft::OrderKey,
    ids::{Micros, Position, RecordId, Revision},
};

/// A consumer's session: random, chosen by the client, 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub [u8; 16]);

/// How much may be unsettled at the consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Deliveries.
    pub records: u32,
    /// Bytes of content. A single larger record still goes, alone.
    pub bytes: u64,
}

/// Names one sending; never reused, since the epoch is raised durably before the first send after a start or attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token {
    /// Epoch of the attach.
    pub epoch: u64,
    /// Number of the sending, from 1.
    pub send_number: u64,
}

/// A revision that filter and grant admit, as far as the engine needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Position.
    pub position: Position,
    /// Order key.
    pub order_key: OrderKey,
    /// Record, for the dead letters.
    pub record_id: RecordId,
    /// Revision, for the dead letters.
    pub revision: Revision,
    /// Bytes of content as they would be sent.
    pub bytes: u64,
    /// Takes back what was given.
    pub recall: bool,
    /// The predecessor matched the filter, this revision no longer does.
    pub left_filter: bool,
}

/// One attempt to hand one revision to one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Position.
    pub position: Position,
    /// 1 + counted failures.
    pub attempt: u32,
    /// Needed to settle.
    pub token: Token,
    /// Bytes of content.
    pub bytes: u64,
    /// Takes back what was given.
    pub recall: bool,
    /// Delivered again by a redrive: exempt from order.
    pub redriven: bool,
    /// The predecessor matched the filter, this revision no longer does.
    pub left_filter: bool,
}

/// What a consumer says of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Done.
    Ack,
    /// Failed, try again; counts.
    Retry {
        /// Overrides the backoff, milliseconds, at most a day; 0 = the backoff.
        delay_ms: u64,
        /// Why. One of the non-retryable reasons goes to the dead letters.
        reason: String,
    },
    /// Given back, not counted: it is sent again after a rest of 100 ms, twice as long each time, at most 30 s. Another session gets
    /// it at once.
    Release,
    /// Never again: to the dead letters.
    Reject {
        /// Why.
        reason: String,
    },
    /// More time, from now.
    Extend {
        /// Milliseconds.
        ms: u64,
    },
}

/// One item of a settle request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Position of the delivery.
    pub position: Position,
    /// Its token.
    pub token: Token,
    /// What became of it.
    pub verb: Verb,
}

/// How an item was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SettleResult {
    /// It stands, durably.
    Ok,
    /// The token is not the newest: another sending is out, the lease was lost, or it was settled otherwise.
    Stale,
    /// An earlier revision of its order key is not settled yet.
    OutOfOrder,
    /// Never delivered under that token.
    Unknown,
    /// Not stored for a passing reason; nothing changed; say it again.
    Retryable,
}

/// Answer to one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettledItem {
    /// Position.
    pub position: Position,
    /// Result.
    pub result: SettleResult,
}

/// Why a lease was taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LossReason {
    /// It ran out; counted as a failure.
    Expired,
    /// One ahead of it was retried or given back; not counted, sent again in order.
    TakenBack,
    /// Another session took over.
    TakenOver,
    /// The grant is gone.
    NotPermitted,
    /// An administrator moved the place of the subscription; not counted.
    Sought,
    /// The filter, or what dead letters and failures lead to, was changed; not counted, sent again as far as it is still selected.
    Updated,
}

impl LossReason {
    /// Token as in the protocol.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::TakenBack => "taken_back",
            Self::TakenOver => "taken_over",
            Self::NotPermitted => "not_permitted",
            Self::Sought => "sought",
            Self::Updated => "updated",
        }
    }
}

/// One lease taken away: its token is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostLease {
    /// Position.
    pub position: Position,
    /// Token that is void now.
    pub token: Token,
    /// Why.
    pub reason: LossReason,
}

/// What a change is for. All but `Skips` are acts and leave evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersistKind {
    /// A session attaches: the epoch rises.
    Attach {
        /// Which session.
        session: SessionId,
        /// It was attached before and keeps its leases.
        resumed: bool,
    },
    /// A consumer settled (failures noticed at the same time ride along).
    Settle,
    /// Failures noticed by the gateway: leases run out, a session lost, attempts used up.
    Failures,
    /// Dead letters go back into delivery.
    Redrive,
    /// Dead letters are dropped.
    Discard,
    /// Delivery is paused.
    Pause,
    /// Delivery goes on: a pause is over, an open circuit is closed.
    Resume,
    /// The place moves: the epoch rises.
    Seek,
    /// Settings change.
    Update,
    /// The place moved over revisions that are asked for and that the grant does not admit.
    Withhold,
    /// Only the place moved, over revisions that are not for this subscription. No act.
    Skips,
}

/// Which positions a change is about, each list in the order decided.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Acknowledged.
    pub acked: Vec<Position>,
    /// Failed, to be tried again.
    pub retried: Vec<Position>,
    /// Given back, not counted.
    pub released: Vec<Position>,
    /// To the dead letters.
    pub dead: Vec<Position>,
    /// Out when a session was lost with others: not counted, to be sent alone.
    pub suspected: Vec<Position>,
    /// Asked for, but the grant does not admit them; or were to be tried again, and it no longer does.
    pub withheld: Vec<Position>,
    /// Redriven.
    pub redriven: Vec<Position>,
    /// Discarded.
    pub discarded: Vec<Position>,
    /// Of those retried or dead: their lease ran out.
    pub expired: Vec<Position>,
}

/// A change to be made durable. The engine waits for `persisted` or `persist_failed` before it proposes another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persist {
    /// Names the change.
    pub change_id: u64,
    /// What for.
    pub kind: PersistKind,
    /// System of the consumer concerned; empty = none.
    pub consumer: String,
    /// What changes.
    pub delta: SubscriptionDelta,
    /// About which positions.
    pub tally: Tally,
}

/// What the host is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Commit this, then call `persisted` or `persist_failed`.
    Persist(Box<Persist>),
    /// Commit the evidence of this disclosure, then call `committed` or `aborted`.
    Reserve {
        /// Names the batch.
        batch_id: u64,
        /// In order per order key.
        deliveries: Vec<Delivery>,
    },
    /// Hand these to the session.
    Send {
        /// The batch reserved before; 0 = sent once more, since a stream of the session broke.
        batch_id: u64,
        /// To whom.
        session: SessionId,
        /// Lease of all of them.
        lease_expires_at: Micros,
        /// Those of the batch that are still to be sent.
        deliveries: Vec<Delivery>,
    },
    /// The session is attached.
    Attached {
        /// Which.
        session: SessionId,
        /// Epoch that stands now.
        epoch: u64,
        /// It kept its leases.
        resumed: bool,
    },
    /// That session was replaced: close its stream.
    Displaced {
        /// Which.
        session: SessionId,
    },
    /// Answer to a settle request.
    Settled {
        /// The request.
        request_id: u64,
        /// In the order asked.
        items: Vec<SettledItem>,
    },
    /// A pause, resume or update is answered without a commit.
    Uncommitted {
        /// Which.
        kind: PersistKind,
        /// `None` = it is so already. For an update: the settings were changed meanwhile, and this revision of them stands.
        conflict: Option<u64>,
    },
    /// Tell the session that these leases are gone.
    LeaseLost {
        /// Which session.
        session: SessionId,
        /// Which leases, by position.
        leases: Vec<LostLease>,
    },
}

/// What the engine needs to read next. Asking again gives the same answer until it is fed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// Revisions at positions > `after` and ≤ `upto`, ascending: stop after about `max` matching ones, or earlier. Feed `rows`.
    Scan {
        /// Last position read.
        after: Position,
        /// Not further than this.
        upto: Position,
        /// Matching ones that there is room for.
        max: usize,
    },
    /// The same for one order key that is free again. Feed `key_rows`.
    Key {
        /// Key.
        order_key: OrderKey,
        /// Last position read of it.
        after: Position,
        /// Not further than this.
        upto: Position,
        /// Matching ones that there is room for.
        max: usize,
    },
    /// Single revisions. Feed `reread` with those that are (still) admitted.
    Positions(Vec<Position>),
}

/// Another session holds the subscription and the attach did not ask to take over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("another session is attached, by `{holder}`: wait until it leaves, or ask to take over")]
pub struct AttachRefused {
    /// System that holds it.
    pub holder: String,
}

/// Why nothing is being delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PauseReason {
    /// The consumer's window is full.
    Window,
    /// `max_in_flight` is reached, or a suspect is out alone.
    MaxInFlight,
    /// `max_span` is reached.
    MaxSpan,
    /// All that is left waits for an order key that is blocked.
    KeyBlocked,
    /// Paused by an operator.
    Paused,
    /// Too many failures in a row.
    CircuitOpen,
    /// The grant is missing or has lapsed.
    NotPermitted,
    /// Nobody is attached (or the session is draining).
    NoConsumer,
}

impl PauseReason {
    /// Token as in the protocol.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Window => "WINDOW",
            Self::MaxInFlight => "MAX_IN_FLIGHT",
            Self::MaxSpan => "MAX_SPAN",
            Self::KeyBlocked => "KEY_BLOCKED",
            Self::Paused => "PAUSED",
            Self::CircuitOpen => "CIRCUIT_OPEN",
            Self::NotPermitted => "NOT_PERMITTED",
            Self::NoConsumer => "NO_CONSUMER",
        }
    }
}

/// Numbers of a subscription at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Head of the ledger as last heard.
    pub head: Position,
    /// Every position at or below is settled, skipped, retrying, dead or blocked.
    pub floor: Position,
    /// Positions read so far.
    pub scanned: Position,
    /// Deliveries out (reserved ones included).
    pub in_flight: u64,
    /// Bytes out.
    pub in_flight_bytes: u64,
    /// Waiting for a retry.
    pub retrying: u64,
    /// In the dead letters.
    pub dead_letters: u64,
    /// Order keys blocked.
    pub blocked: u64,
    /// Current epoch.
    pub epoch: u64,
    /// Why nothing is being delivered; `None` = delivery goes on, or there is nothing to deliver.
    pub pause: Option<PauseReason>,
    /// A session is attached.
    pub attached: bool,
    /// Positions not yet read.
    pub lag: u64,
    /// How far behind it is.
    pub behind: Lag,
    /// What its host knows besides.
    pub observed: Observed,
}

/// What a host knows of a subscription beside its engine, which has no memory of its own and reads nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Observed {
    /// When it was observed; 0 = it was not.
    pub at: Micros,
    /// Failed attempts that were given another one, since `counted_since`.
    pub retries: u64,
    /// Leases that ran out, since `counted_since`.
    pub expired_leases: u64,
    /// Revisions passed because the grant does not admit them, since `counted_since`.
    pub withheld: u64,
    /// The gateway's start: the counts are not kept over it.
    pub counted_since: Micros,
    /// When the oldest unsettled revision was committed; 0 = there is none, or it could not be read.
    pub oldest_committed_at: Micros,
    /// What stands at the head was attested complete to this time, for the feeds and regions of the filter; 0 = never, or it could
    /// not be read.
    pub complete_to: Micros,
}
