//! Revisions that the subscription asks for and the grant does not admit: they are passed, and it is said which.
//!
//! No position is passed for want of a right before it is said: until a change that names it is durable it is not below the floor,
//! and a restart reads it again. What waited behind a blocked enterprise counts as passed already: of that nothing is taken up
//! before it is said, so that a crash between may have it said twice, and never not at all. What was not said when rights change is
//! read again, and may be admitted then.

use std::collections::BTreeSet;

use super::{
    change::SKIPS,
    engine::Engine,
    order::NO_LANE,
    plan::{End, How, Plan},
};
use crate::domain::{
    draft::OrderKey,
    ids::{Micros, Position},
};

/// So many unsaid ones are said at once, and nothing more is read before.
pub(super) const MOST_UNSAID: usize = 4_096;

/// Withheld revisions of one enterprise that was blocked. Their positions count as passed.
#[derive(Debug, Default)]
pub(super) struct Late {
    unsaid: BTreeSet<Position>,
    /// Said, and not taken up yet.
    said: BTreeSet<Position>,
}

impl Late {
    /// Something is to be said before more of that enterprise is read.
    pub(super) fn is_pending(&self) -> bool {
        !self.unsaid.is_empty()
    }

    /// What was read is taken up.
    pub(super) fn taken_up(&mut self) {
        self.said.clear();
    }
}

impl Engine {
    /// Of the revisions that were read behind `after` these are asked for, and the grant does not admit them. To be called before
    /// `rows` of the same reading.
    pub fn withheld(&mut self, now: Micros, after: Position, positions: &[Position]) {
        self.observe(now);
        if after != self.open.scanned {
            return;
        }
        let had_skips = self.has_skips();
        for position in positions {
            if *position > after && !self.is_known(*position) {
                self.open.unsaid.insert(*position);
            }
        }
        if !had_skips {
            self.skips_due = self.now.saturating_add(SKIPS);
        }
    }

    /// The same for one order key, before `key_rows` of the same reading.
    pub fn withheld_of_key(&mut self, now: Micros, order_key: &OrderKey, positions: &[Position]) {
        self.observe(now);
        if !self.lanes.find(order_key).is_some_and(|lane| self.catching.contains(&lane)) {
            return;
        }
        let late = &mut self.late;
        let fresh = positions.iter().filter(|position| !late.said.contains(position));
        late.unsaid.extend(fresh);
        self.advance();
    }

    /// When what was passed over is to be persisted: at once where reading or sending waits for it.
    pub(super) fn skips_at(&self) -> Micros {
        let unsaid = &self.open.unsaid;
        let holds_up = unsaid.len() >= MOST_UNSAID || (!unsaid.is_empty() && self.furthest() < self.head);
        if holds_up || self.late.is_pending() { self.now } else { self.skips_due }
    }

    /// Something was withheld and is not said.
    pub(super) fn has_unsaid(&self) -> bool {
        !self.open.unsaid.is_empty() || self.late.is_pending()
    }

    /// Plans to say all that was withheld.
    pub(super) fn plan_withheld(&self, plan: &mut Plan) {
        for position in self.open.unsaid.union(&self.late.unsaid) {
            plan.end(*position, NO_LANE, How::Withheld);
        }
    }

    /// It is said, durably.
    pub(super) fn withheld_said(&mut self, ends: &[End]) {
        for End { position, .. } in ends {
            self.open.unsaid.remove(position);
            if self.late.unsaid.remove(position) {
                self.late.said.insert(*position);
            }
        }
    }
}
