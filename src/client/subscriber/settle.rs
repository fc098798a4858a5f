//! What a handler says of a delivery.

use std::time::Duration;

use crate::proto::{self, settlement::Verb};

/// Longest reason, characters; longer ones are cut.
const REASON: usize = 200;

/// What a handler says of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settle {
    /// Done.
    Ack,
    /// Failed, try again. Counts.
    Retry {
        /// Overrides the backoff; zero = the backoff.
        delay: Duration,
        /// A token or words, at most 200 characters.
        reason: String,
    },
    /// Given back, not counted.
    Release,
    /// Never again: to the dead letters.
    Reject {
        /// Required, at most 200 characters.
        reason: String,
    },
}

/// Whether the handler is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartOf {
    /// Yes.
    Run,
    /// No: the delivery is no longer ours.
    Skip,
    /// No: an earlier one of its enterprise waits for a retry, so it was given back.
    GivenBack,
}

impl Settle {
    /// Failed, try again after the gateway's backoff.
    pub fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { delay: Duration::ZERO, reason: reason.into() }
    }

    /// As the protocol says it.
    pub fn verb(&self) -> Verb {
        let cut = |reason: &String| reason.chars().take(REASON).collect();
        match self {
            Self::Ack => Verb::Ack(proto::Ack {}),
            Self::Retry { delay, reason } => {
                Verb::Retry(proto::Retry { delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), reason: cut(reason) })
            }
            Self::Release => Verb::Release(proto::Release {}),
            Self::Reject { reason } => Verb::Reject(proto::Reject { reason: cut(reason) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_cut_by_characters() {
        let Verb::Reject(reject) = Settle::Reject { reason: "错".repeat(500) }.verb() else { panic!("reject") };
        assert_eq!(reject.reason.chars().count(), REASON);
    }
}
