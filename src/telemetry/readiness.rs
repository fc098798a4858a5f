//! Whether the gateway can do its work now, and if not, why.

use async_trait::async_trait;
use serde::Serialize;

use crate::domain::ids::Micros;

const SECOND: Micros = 1_000_000;
/// The clock may lag behind the last commit by this much: commit times run ahead of it under load (guarantee 3).
const CLOCK_LEEWAY: Micros = 5 * SECOND;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What, e.g. `store`.
    pub name: &'static str,
    /// It is well.
    pub ok: bool,
    /// In words, English: for those who operate machines.
    pub detail: String,
}

impl Check {
    /// A finding.
    pub fn new(name: &'static str, ok: bool, detail: impl Into<String>) -> Self {
        Self { name, ok, detail: detail.into() }
    }

    /// The gateway's own certificate.
    pub fn certificate(not_after: Micros, now: Micros) -> Self {
        let days = (not_after - now).div_euclid(86_400 * SECOND);
        Self::new("certificate", now <= not_after, format!("{days} days left"))
    }

    /// The revocation lists; without any there is nothing that could end.
    pub fn revocation_list(next_update: Option<Micros>, now: Micros) -> Self {
        match next_update {
            None => Self::new("revocation_list", true, "none is used"),
            Some(due) => {
                let hours = (due - now).div_euclid(3_600 * SECOND);
                Self::new("revocation_list", now <= due, format!("{hours} hours left"))
            }
        }
    }

    /// The clock against the last commit: one that went back would date new acts before old ones.
    pub fn clock(now: Micros, last_commit: Micros) -> Self {
        let behind = last_commit.saturating_sub(now);
        let detail =
            if behind <= 0 { "not behind the last commit".to_owned() } else { format!("{behind} µs behind the last commit") };
        Self::new("clock", behind <= CLOCK_LEEWAY, detail)
    }
}

/// Looks at everything the gateway needs.
#[async_trait]
pub trait Readiness: Send + Sync + 'static {
    /// Looks now. Bounded in time by its implementor: a probe waits for it.
    async fn checks(&self) -> Vec<Check>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_is_well_until_it_ends() {
        assert!(Check::certificate(10, 10).ok);
        assert!(!Check::certificate(10, 11).ok);
        assert!(Check::revocation_list(None, 11).ok);
        assert!(!Check::revocation_list(Some(10), 11).ok);
    }

    #[test]
    fn a_clock_far_behind_the_last_commit_is_not_sane() {
        assert!(Check::clock(0, CLOCK_LEEWAY).ok);
        assert!(!Check::clock(0, CLOCK_LEEWAY + 1).ok);
        assert!(Check::clock(CLOCK_LEEWAY, 0).ok);
    }
}
