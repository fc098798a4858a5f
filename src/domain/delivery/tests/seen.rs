//! A history: what was asked, done, kept and handed out, in order, as somebody beside the engine sees it.

use super::*;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    /// A revision that the filter admits.
    Published { position: Position, key: String, record: String },
    /// The grant came or went.
    Permitted(bool),
    /// The consumer set its window.
    Windowed(Window),
    /// A session is attached.
    Attached { epoch: u64, resumed: bool, window: Window },
    /// The session's stream ended, or it drained.
    Left,
    /// kill -9 and start.
    Crashed,
    /// Handed to the session.
    Sent { at: Micros, expires: Micros, delivery: Delivery },
    /// The session was told that a token is void.
    Lost { position: Position, token: Token },
    /// One item of a settle request.
    Asked { request: u64, item: Settlement },
    /// Its answer.
    Answered { request: u64, item: SettledItem },
    /// A change became durable: about which positions, the retry rows it wrote, and how each position stands in the store then.
    Kept { at: Micros, tally: Box<Tally>, rows: Vec<RetryRow>, standing: BTreeMap<Position, Standing> },
    /// Everything went well from some time on, and nothing is left to do.
    Ended,
}

/// What the store says of a position: whether and how it would come again after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not read yet, or read and not finished.
    ToCome,
    /// Waits for another attempt.
    Retrying,
    /// In the dead letters.
    Dead,
    /// Never again.
    Finished,
}

impl Standing {
    pub(super) fn of(stored: &SubscriptionState, position: Position, key: &OrderKey) -> Self {
        let total = stored.row.spec.ordering == Ordering::Total;
        let behind = !total && stored.blocked.get(key).is_some_and(|row| position > row.resume_after);
        if stored.dead.contains(position) {
            Self::Dead
        } else if stored.retrying.contains_key(&position) {
            Self::Retrying
        } else if stored.is_passed(position) && !behind {
            Self::Finished
        } else {
            Self::ToCome
        }
    }
}

/// What was promised, as far as it differs between subscriptions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Order is total.
    pub total: bool,
    /// A dead letter blocks its enterprise.
    pub block: bool,
    pub max_attempts: u32,
    pub max_in_flight: u32,
    /// At positions ≤ this, revisions with a successor ≤ this are not expected; 0 = all are.
    pub snapshot_at: Position,
}
