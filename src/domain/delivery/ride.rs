//! Disclosures that ride along in the commit of what is published: see `ledger::Ride`.
//!
//! A ride is nothing but evidence recorded ahead. What is sent, and when, is decided as ever; a batch of which everything was
//! disclosed ahead need not be disclosed again. So nothing depends on the ride: if the window shrank meanwhile, what does not fit
//! waits, and goes later under the entry it has.

use std::collections::BTreeSet;

use super::{engine::Engine, messages::Delivery};
use crate::domain::ids::Position;

/// How much of what is published next may be disclosed right with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RideRoom {
    /// Under this epoch.
    pub epoch: u64,
    /// Everything up to here was read.
    pub after: Position,
    /// Most deliveries.
    pub records: usize,
    /// Most bytes.
    pub bytes: u64,
}

/// What was disclosed ahead and is not sent yet.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    epoch: u64,
    positions: BTreeSet<Position>,
}

impl Ahead {
    /// All of a batch; those are forgotten, since what comes back is disclosed anew.
    pub(super) fn cover(&mut self, epoch: u64, deliveries: &[Delivery]) -> bool {
        let first_sends = |delivery: &Delivery| delivery.attempt == 1 && self.positions.contains(&delivery.position);
        let covered = self.epoch == epoch && deliveries.iter().all(first_sends);
        for delivery in deliveries {
            self.positions.remove(&delivery.position);
        }
        covered
    }
}

impl Engine {
    /// Room for what is published next; `None` while anything else is to be sent first, or nothing may be sent.
    #[must_use]
    pub fn ride(&self) -> Option<RideRoom> {
        let window = self.attached()?.window;
        let is_waiting = self.standstill().is_none()
            && !self.full
            && !self.is_moving()
            && !self.is_alone()
            && self.urgent.is_empty()
            && self.held == 0
            && self.batches.is_empty()
            && self.open.ready == 0
            && self.open.scanned == self.head
            && self.head < self.furthest();
        let records = self.bounds.batch_records.min(self.room() as usize);
        let bytes = self.bounds.batch_bytes.min(window.bytes.saturating_sub(self.flight.out_bytes));
        let room = RideRoom { epoch: self.state.epoch, after: self.head, records, bytes };
        (is_waiting && records > 0 && bytes > 0).then_some(room)
    }

    /// These positions were disclosed ahead, under this epoch.
    pub fn disclosed_ahead(&mut self, epoch: u64, positions: Vec<Position>) {
        if self.ahead.epoch != epoch {
            self.ahead = Ahead { epoch, positions: BTreeSet::new() };
        }
        self.ahead.positions.extend(positions);
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Target, Window,
            tests::{Host, ONE, TWO, WIDE, retry, spec},
        },
        *,
    };

    /// Publishes; what stands at or below `upto` is disclosed in the same commit.
    fn publish(host: &mut Host, keys: &[&str], upto: Position) {
        let room = host.engine.ride().expect("it waits at the head");
        host.engine.disclosed_ahead(room.epoch, (room.after + 1..=upto).collect());
        host.publish(keys);
    }

    #[test]
    fn what_was_disclosed_ahead_is_sent_without_another_disclosure() {
        let mut host = Host::with(spec(), &[]);
        publish(&mut host, &["a", "b", "-"], 3);
        assert_eq!(host.out(), [1, 2]);
        assert!(host.reserved.is_empty());
        // What was not, is disclosed as ever.
        host.publish(&["c"]);
        assert_eq!(host.reserved, [[4]]);
    }

    #[test]
    fn a_batch_with_more_in_it_is_disclosed_whole() {
        let mut host = Host::with(spec(), &[]);
        publish(&mut host, &["a", "b"], 1);
        assert_eq!(host.reserved, [[1, 2]]);
    }

    #[test]
    fn a_retry_is_disclosed_anew() {
        let mut host = Host::with(spec(), &[]);
        publish(&mut host, &["a"], 1);
        host.say(&[(1, retry("later"))]);
        host.wait(3);
        assert_eq!(host.reserved, [[1]]);
    }

    #[test]
    fn another_session_is_disclosed_to_anew() {
        let mut host = Host::with(spec(), &[]);
        host.engine.window(host.now, Window { records: 1, ..WIDE });
        publish(&mut host, &["a", "b"], 2);
        assert_eq!((host.out().len(), host.reserved.len()), (1, 0));
        host.attach(TWO, WIDE, true);
        host.ack(&[1]);
        assert_eq!(host.reserved.concat(), [1, 2]);
    }

    #[test]
    fn nobody_rides_while_the_place_moves() {
        let mut host = Host::with(spec(), &["a"]);
        host.hold = true;
        host.engine.seek(host.now, Target { floor: 0, snapshot_at: 0 });
        host.run();
        assert!(host.engine.ride().is_none());
    }

    #[test]
    fn what_was_disclosed_ahead_of_a_seek_is_disclosed_anew() {
        let mut host = Host::with(spec(), &[]);
        let room = host.engine.ride().expect("it waits at the head");
        host.engine.disclosed_ahead(room.epoch, vec![1]);
        host.engine.seek(host.now, Target { floor: 0, snapshot_at: 0 });
        host.publish(&["a"]);
        assert_eq!((host.out(), &host.reserved), (vec![1], &vec![vec![1]]));
    }

    #[test]
    fn nobody_rides_while_something_else_is_due() {
        let mut host = Host::new(spec());
        assert!(host.engine.ride().is_none(), "nobody is there");
        host.attach(ONE, Window { records: 2, bytes: 1 << 20 }, false);
        let room = host.engine.ride().expect("it waits");
        assert_eq!((room.after, room.records), (0, 2));
        host.publish(&["a"]);
        assert_eq!(host.engine.ride().map(|room| (room.after, room.records)), Some((1, 1)));
        host.publish(&["b"]);
        assert!(host.engine.ride().is_none(), "the window is full");
    }
}
