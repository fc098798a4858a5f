//! The scenarios, one file each.

mod catch_up;
mod deliver;
mod fan_out;
mod idle;
mod latency;
mod limits;
mod mixed;
mod publish;
mod pull;
mod screening;

use super::{figures::Reading, site::Site};
use crate::cli::Failure;

/// What is measured, in the order in which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scenario {
    Limits,
    Publish,
    Deliver,
    FanOut,
    Pull,
    CatchUp,
    Idle,
    Latency,
    Mixed,
    Screening,
}

impl Scenario {
    /// All of them. Those that store much come last, so that those before find what `--records` says.
    pub(super) const ALL: [Self; 10] = [
        Self::Limits,
        Self::Publish,
        Self::Deliver,
        Self::FanOut,
        Self::Pull,
        Self::CatchUp,
        Self::Idle,
        Self::Latency,
        Self::Mixed,
        Self::Screening,
    ];

    /// As on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::Publish => "publish",
            Self::Deliver => "deliver",
            Self::FanOut => "fan-out",
            Self::Pull => "pull",
            Self::CatchUp => "catch-up",
            Self::Idle => "idle",
            Self::Latency => "latency",
            Self::Mixed => "mixed",
            Self::Screening => "screening",
        }
    }

    /// Measured on a gateway that holds nothing.
    pub(super) const fn wants_an_empty_store(self) -> bool {
        matches!(self, Self::Limits | Self::Publish)
    }

    /// Stores what the runs need.
    pub(super) async fn prepare(self, site: &Site<'_>) -> Result<(), Failure> {
        match self {
            Self::Limits | Self::Publish => Ok(()),
            Self::Screening => {
                site.load().await?;
                screening::prepare(site).await
            }
            _ => site.load().await,
        }
    }

    /// Measures once.
    pub(super) async fn run(self, site: &Site<'_>, run: u32) -> Result<Vec<Reading>, Failure> {
        match self {
            Self::Limits => limits::run(site).await,
            Self::Publish => publish::run(site).await,
            Self::Deliver => deliver::run(site).await,
            Self::FanOut => fan_out::run(site).await,
            Self::Pull => pull::run(site, run).await,
            Self::CatchUp => catch_up::run(site, run).await,
            Self::Idle => idle::run(site).await,
            Self::Latency => latency::run(site).await,
            Self::Mixed => mixed::run(site, run).await,
            Self::Screening => screening::run(site, run).await,
        }
    }
}
