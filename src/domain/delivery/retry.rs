//! When a failed delivery is tried again: backoff with jitter, the schedule, the rate.

use std::collections::BTreeSet;

use super::{state::RetryRow, subscription::RetryPolicy};
use crate::domain::ids::{Micros, Position};

/// Microseconds of a millisecond and a second.
pub(super) const MILLI: Micros = 1_000;
pub(super) const SECOND: Micros = 1_000_000;

/// Retries that were due may come at once as far as the cap allows for this long; the interval is stretched by as much, so that
/// no second ever sees more than the cap.
const BURST: Micros = SECOND / 10;

/// Longest delay that a consumer may ask for: a day.
const MAX_ASKED_MS: u64 = 86_400_000;

/// Scrambles a number (SplitMix64), so that jitter is a function of seed, position and attempt alone.
const fn scramble(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Delay after the `failures`-th failure: the first delay doubled each time up to the longest, ±20 %.
pub(super) fn backoff(policy: &RetryPolicy, seed: u64, position: Position, failures: u32) -> Micros {
    let doublings = failures.saturating_sub(1).min(40);
    let plain = policy.initial_ms.saturating_mul(1 << doublings).min(policy.max_ms);
    let jitter = scramble(scramble(seed ^ position) ^ u64::from(failures)) % 401;
    Micros::try_from(plain.saturating_mul(800 + jitter)).unwrap_or(Micros::MAX)
}

/// How long what was given back for the n-th time in one session rests: it is no failure and counts as none, but who gives back all
/// it gets is not to get it back at once for ever.
pub(super) fn rest(releases: u32) -> Micros {
    const FIRST: Micros = SECOND / 10;
    const LONGEST: Micros = 30 * SECOND;
    (FIRST << releases.saturating_sub(1).min(20)).min(LONGEST)
}

/// Delay that a consumer asked for.
pub(super) fn asked(delay_ms: u64) -> Micros {
    Micros::try_from(delay_ms.min(MAX_ASKED_MS)).unwrap_or(Micros::MAX) * MILLI
}

/// Which rows are tried when. Holds only rows whose turn it is in their lane.
#[derive(Debug)]
pub(super) struct Schedule {
    due: BTreeSet<(Micros, Position)>,
    /// Due and to be read.
    pub to_read: BTreeSet<Position>,
    /// Micros between two retries at the rate cap.
    interval: Micros,
    /// When the next retry would be due if they came evenly.
    next_even: Micros,
}

impl Schedule {
    pub(super) fn new(policy: &RetryPolicy, next_even: Micros) -> Self {
        let interval = (SECOND + BURST) / Micros::from(policy.rate_per_second.max(1));
        Self { due: BTreeSet::new(), to_read: BTreeSet::new(), interval, next_even }
    }

    pub(super) fn next_even(&self) -> Micros {
        self.next_even
    }

    /// The rows whose time has not come.
    pub(super) fn waiting(&self) -> Vec<Position> {
        self.due.iter().map(|(_, position)| *position).collect()
    }

    pub(super) fn plan(&mut self, row: &RetryRow) {
        self.due.insert((row.due, row.position));
    }

    /// The next time something can be taken.
    pub(super) fn next(&self) -> Option<Micros> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The next row that is due, without regard to the rate.
    pub(super) fn first_due(&self, now: Micros) -> Option<Position> {
        self.due.first().filter(|(due, _)| *due <= now).map(|(_, position)| *position)
    }

    /// When the rate allows the next retry.
    pub(super) fn allowed_at(&self) -> Micros {
        self.next_even.saturating_sub((BURST - self.interval).max(0))
    }

    /// Takes the first due row to be read; `counts`: it uses up the rate.
    pub(super) fn take(&mut self, now: Micros, counts: bool) {
        if let Some((_, position)) = self.due.pop_first() {
            self.to_read.insert(position);
            if counts {
                self.next_even = self.next_even.max(now).saturating_add(self.interval);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy {
            max_attempts: 10,
            initial_ms: 1_000,
            max_ms: 600_000,
            non_retryable: Vec::new(),
            pause_after_failures: 0,
            rate_per_second: 10,
        }
    }

    #[test]
    fn backoff_doubles_to_the_longest_within_a_fifth() {
        for (failures, seconds) in [(1, 1), (2, 2), (3, 4), (9, 256), (10, 512), (11, 600), (100, 600)] {
            for position in 1..200 {
                let delay = backoff(&policy(), 7, position, failures);
                assert!((seconds * 800_000..=seconds * 1_200_000).contains(&delay), "{failures} at {position}: {delay}");
            }
        }
    }

    #[test]
    fn jitter_depends_on_the_seed_alone() {
        let delays = |seed| (1..50).map(|position| backoff(&policy(), seed, position, 1)).collect::<Vec<_>>();
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
        assert!(delays(1).iter().collect::<BTreeSet<_>>().len() > 40);
    }

    #[test]
    fn no_second_sees_more_retries_than_the_cap() {
        for rate in [1, 3, 10, 100] {
            let mut schedule = Schedule::new(&RetryPolicy { rate_per_second: rate, ..policy() }, 0);
            (1..=500).for_each(|position| {
                schedule.due.insert((0, position));
            });
            let mut taken = Vec::new();
            for now in (0..3 * SECOND).step_by(1_000) {
                while schedule.first_due(now).is_some() && schedule.allowed_at() <= now {
                    schedule.take(now, true);
                    taken.push(now);
                }
            }
            for from in 0..taken.len() {
                let within = taken[from..].iter().take_while(|at| **at < taken[from] + SECOND).count();
                assert!(within <= rate as usize, "{within} retries in a second at a cap of {rate}");
            }
            assert!(taken.len() >= 2 * rate as usize, "{} in three seconds at a cap of {rate}", taken.len());
        }
    }

    #[test]
    fn what_the_consumer_asks_for_is_bounded_by_a_day() {
        assert_eq!(asked(1), 1_000);
        assert_eq!(asked(u64::MAX), 86_400 * SECOND);
    }
}
