//! How long to wait before trying again. The only file that knows the `backoff` crate, so that it can be exchanged at once.

use std::{future::Future, time::Duration};

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff as _};

use super::ClientError;

/// Exponential delays with jitter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// First delay.
    pub initial: Duration,
    /// Each delay is this times the one before, at least 1.
    pub factor: f64,
    /// No delay is longer (before jitter).
    pub longest: Duration,
    /// Jitter: each delay is spread by this share up and down, 0 to 1.
    pub spread: f64,
    /// Give up after this long without success; `None` = never.
    pub give_up_after: Option<Duration>,
}

impl RetryPolicy {
    /// For calls that somebody waits for: 0.2 s doubling to 5 s, for two minutes.
    pub const CALL: Self = Self {
        initial: Duration::from_millis(200),
        factor: 2.0,
        longest: Duration::from_secs(5),
        spread: 0.2,
        give_up_after: Some(Duration::from_mins(2)),
    };

    /// For standing connections: 0.5 s doubling to 30 s, for ever.
    pub const STANDING: Self = Self {
        initial: Duration::from_millis(500),
        factor: 2.0,
        longest: Duration::from_secs(30),
        spread: 0.2,
        give_up_after: None,
    };

    /// The delays of this policy, from the first.
    pub fn delays(&self) -> Delays {
        Delays(
            ExponentialBackoffBuilder::new()
                .with_initial_interval(self.initial)
                .with_multiplier(self.factor.max(1.0))
                .with_max_interval(self.longest)
                .with_randomization_factor(self.spread.clamp(0.0, 1.0))
                .with_max_elapsed_time(self.give_up_after)
                .build(),
        )
    }

    /// Calls until it succeeds, fails in a way that will not pass, or the policy gives up; `before_retry` is told of each
    /// failure and the delay that follows.
    ///
    /// # Errors
    /// With the last failure.
    pub async fn run<T, F>(
        &self,
        mut call: impl FnMut() -> F,
        mut before_retry: impl FnMut(&ClientError, Duration),
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let mut delays = self.delays();
        loop {
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) if !error.is_worth_repeating() => return Err(error),
                Err(error) => error,
            };
            let Some(delay) = delays.after(error.retry_after()) else { return Err(error) };
            before_retry(&error, delay);
            tokio::time::sleep(delay).await;
        }
    }
}

/// The delays of a policy, one after the other.
#[derive(Debug)]
pub struct Delays(ExponentialBackoff);

impl Delays {
    /// The next delay, at least as long as the other side asked for; `None` = give up.
    pub fn after(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let delay = self.0.next_backoff()?;
        Some(delay.max(asked.unwrap_or_default()))
    }

    /// Begins again at the first delay, after a success.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    const QUICK: RetryPolicy = RetryPolicy {
        initial: Duration::from_nanos(1),
        factor: 1.0,
        longest: Duration::from_nanos(1),
        spread: 0.0,
        give_up_after: Some(Duration::from_mins(1)),
    };

    fn passing() -> ClientError {
        ClientError::Unreachable { place: "here".into(), why: "down".into() }
    }

    #[tokio::test]
    async fn repeats_what_may_pass_and_nothing_else() {
        let calls = Cell::new(0);
        let told = Cell::new(0);
        let answer = QUICK
            .run(
                || {
                    calls.set(calls.get() + 1);
                    let nth = calls.get();
                    async move { if nth < 3 { Err(passing()) } else { Ok(nth) } }
                },
                |_, _| told.set(told.get() + 1),
            )
            .await;
        assert_eq!((answer, told.get()), (Ok(3), 2));

        calls.set(0);
        let refused = QUICK
            .run(
                || {
                    calls.set(calls.get() + 1);
                    async { Err::<(), _>(ClientError::Broken("no".into())) }
                },
                |_, _| {},
            )
            .await;
        assert_eq!((refused, calls.get()), (Err(ClientError::Broken("no".into())), 1));
    }

    #[tokio::test]
    async fn gives_up_in_time_with_the_last_failure() {
        let policy = RetryPolicy { give_up_after: Some(Duration::ZERO), ..QUICK };
        assert_eq!(policy.run(|| async { Err::<(), _>(passing()) }, |_, _| {}).await, Err(passing()));
    }

    proptest! {
        #[test]
        fn delays_grow_within_their_bounds(initial in 1_u64..1_000, factor in 1.0_f64..4.0, spread in 0.0_f64..0.5) {
            let longest = Duration::from_millis(initial * 10);
            let policy = RetryPolicy {
                initial: Duration::from_millis(initial), factor, longest, spread, give_up_after: None,
            };
            let mut delays = policy.delays();
            let mut plain = initial as f64 / 1e3;
            for _ in 0..20 {
                let delay = delays.after(None).expect("never gives up").as_secs_f64();
                prop_assert!(delay >= plain * (1.0 - spread) - 1e-6 && delay <= plain * (1.0 + spread) + 1e-6);
                plain = (plain * factor).min(longest.as_secs_f64());
            }
            prop_assert!(delays.after(Some(Duration::from_hours(1))).expect("never") >= Duration::from_hours(1));
            delays.reset();
            prop_assert!(delays.after(None).expect("never").as_secs_f64() <= initial as f64 / 1e3 * (1.0 + spread) + 1e-6);
        }
    }
}
