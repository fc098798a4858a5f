//! How far a subscription is behind, from what is kept of it alone: nothing ahead is read to find out.
//!
//! What was read and not sent, and what waits for another attempt, is known. What was not read yet may be for this subscription or
//! not, and so may what was passed over behind a blocked enterprise: of those there is an upper bound. Near the head, where a
//! consumer mostly is, the two bounds meet.

use super::{engine::Engine, lease::Slot, state::SubscriptionState};
use crate::domain::ids::Position;

/// A number of which only bounds may be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// So many for certain.
    pub at_least: u64,
    /// No more than so many.
    pub at_most: u64,
}

impl Backlog {
    /// True when the bounds meet.
    #[must_use]
    pub const fn is_exact(self) -> bool {
        self.at_least == self.at_most
    }
}

/// The oldest revision that is not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oldest {
    /// Its position.
    pub position: Position,
    /// False: nothing older is unsettled, but whether this one is for the subscription is known only when it is read.
    pub is_exact: bool,
}

/// How far a subscription is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// Still to be delivered: not read, read and not sent, waiting for another attempt, or behind a blocked enterprise. What is in
    /// flight or in the dead letters is not in it.
    pub undelivered: Backlog,
    /// The oldest that is in flight or undelivered; `None` = there is none.
    pub oldest: Option<Oldest>,
    /// Positions between the floor and the last one sent or passed.
    pub span: u64,
}

impl Engine {
    /// How far behind it is now. Looks at what is in memory, no further.
    #[must_use]
    pub fn lag(&self) -> Lag {
        let floor = self.open.floor(&self.flight).max(self.state.floor);
        let ready = self.flight.slots().filter(|(_, slot)| !slot.is_out()).count() as u64;
        let waiting = self.state.retrying.keys().filter(|position| !self.flight.contains(**position)).count() as u64;
        let ahead = self.head.saturating_sub(self.open.scanned);
        let unread = ahead.saturating_sub(passed_after(&self.state, self.open.scanned));
        // What was passed over behind a blocked enterprise counts as passed, so that it may lie above what was read since the start.
        let seen = self.open.scanned.max(self.state.highest_passed());
        let behind =
            self.lanes.iter().filter_map(|(_, lane)| lane.held.as_ref().filter(|held| held.followers)).map(|held| held.read_to);
        let behind = behind.min().filter(|read_to| *read_to < seen);
        let at_least = ready + waiting;
        let at_most = at_least + unread + behind.map_or(0, |read_to| seen - read_to);
        let known = self.flight.slots().map(|(position, _)| position).chain(self.state.retrying.keys().next().copied()).min();
        let unknown = behind.into_iter().chain((unread > 0).then_some(self.open.scanned)).min().map(|before| before + 1);
        let last_out = self.flight.slots().filter(|(_, slot)| Slot::is_out(slot)).map(|(position, _)| position).max();
        Lag {
            undelivered: Backlog { at_least, at_most },
            oldest: match (known, unknown) {
                (Some(position), unknown) if unknown.is_none_or(|unknown| position <= unknown) => {
                    Some(Oldest { position, is_exact: true })
                }
                (_, unknown) => unknown.map(|position| Oldest { position, is_exact: false }),
            },
            span: last_out.unwrap_or(0).max(self.state.highest_passed()).saturating_sub(floor),
        }
    }
}

/// Passed positions above one.
fn passed_after(state: &SubscriptionState, position: Position) -> u64 {
    let first = super::state::AckChunk::number_of(position + 1);
    state.chunks.range(first..).map(|(number, chunk)| chunk.count_from(if *number == first { position + 1 } else { 0 })).sum()
}
