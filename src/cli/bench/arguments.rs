//! What the person chose to measure, and how long it may take.

use std::{path::PathBuf, time::Duration};

use clap::{Args, value_parser};
use serde::Serialize;

use super::Scenario;
use crate::client::Place;

/// What stands below the options.
const GUIDE: &str = "\
Load and gateway share the machine, each in a process of its own. Records have 1 KiB, every answer is durable, evidence is on.
Use a release build, and nothing else running. A measure that counts ends after --at-most seconds, one that runs by the
clock takes --seconds, so that it always ends by itself; it leaves nothing behind.

Scenarios:
  limits      what bounds the rest: a bare call over the same mutual TLS, a bare SQLite writer
  publish     one at a time; singles with 256 in flight; streamed with 1,024 unconfirmed; batches of 100 and 500
  deliver     one subscriber behind by all records, every acknowledgement confirmed
  fan-out     the same to --subscribers at once
  pull        enterprises by credit code, 16 and 256 in flight
  catch-up    subscribers from random places; start-up; a filter that matches hardly anything; asking for the lag
  idle        --streams subscribers with nothing to receive: memory and processor
  latency     published to delivered at --rate
  mixed       --mixed-rate published, --subscribers receive, --pull-rate pulls, all at once
  screening   with as many surveys as failed products: 256 in flight, and at 500 a second

Examples:
  tongbao bench
  tongbao bench publish latency --runs 3
  tongbao bench --records 1000000 --json > sizing.json
  tongbao bench deliver --dir /srv/disk      measure that disk
  tongbao bench pull --profiles ./profiles --address 10.0.0.7:7443      measure a gateway elsewhere";

/// The command's arguments.
#[derive(Debug, Clone, Args, Serialize)]
#[command(after_help = GUIDE)]
pub struct Arguments {
    /// What to measure; everything by default.
    #[arg(value_enum, value_name = "SCENARIO")]
    #[serde(skip)]
    scenarios: Vec<Chosen>,
    /// Records stored before reading is measured, and published when publishing is.
    #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u64).range(100..=10_000_000))]
    pub(super) records: u64,
    /// Seconds that whatever runs by the clock is measured for.
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Seconds at the beginning of those that are not counted.
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u64).range(0..=60))]
    warm_up: u64,
    /// Seconds after which a measure that counts ends with what it has.
    #[arg(long, default_value_t = 300, value_parser = value_parser!(u64).range(1..=3_600))]
    at_most: u64,
    /// How often to measure; the table shows the median, and the range.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=99))]
    pub(super) runs: u32,
    /// Records a second while latency is measured.
    #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u64).range(1..=20_000))]
    pub(super) rate: u64,
    /// Records a second of the mixed load, in batches of 10.
    #[arg(long, default_value_t = 5_000, value_parser = value_parser!(u64).range(10..=50_000))]
    pub(super) mixed_rate: u64,
    /// Pulls a second of the mixed load.
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u64).range(1..=20_000))]
    pub(super) pull_rate: u64,
    /// Subscribers of fan-out, mixed and catch-up.
    #[arg(long, default_value_t = 30, value_parser = value_parser!(u64).range(1..=500))]
    pub(super) subscribers: u64,
    /// Idle streams.
    #[arg(long, default_value_t = 2_000, value_parser = value_parser!(u64).range(1..=20_000))]
    pub(super) streams: u64,
    /// Equal seeds give equal records and questions. A gateway elsewhere that was measured before takes another one.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Folder on the disk to measure; by default that of temporary files. What is made in it is removed.
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip)]
    pub(super) dir: Option<PathBuf>,
    /// Do not remove it.
    #[arg(long)]
    #[serde(skip)]
    pub(super) keep: bool,
    /// Measure a gateway elsewhere: the folder of the client profiles amr-440000.toml, samr.toml, gacc.toml, mofcom.toml. It
    /// must take synthetic credit codes, and keeps what is published. Its memory, processor and start-up are not seen.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["dir", "keep"])]
    #[serde(skip)]
    pub(super) profiles: Option<PathBuf>,
    /// Where that gateway is, when the profiles say something else.
    #[arg(long, value_name = "HOST:PORT", requires = "profiles", value_parser = Place::parse)]
    #[serde(skip)]
    pub(super) address: Option<Place>,
}

/// A scenario, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chosen {
    All,
    One(Scenario),
}

impl clap::ValueEnum for Chosen {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [Chosen; 1 + Scenario::ALL.len()] = {
            let mut all = [Chosen::All; 1 + Scenario::ALL.len()];
            let mut at = 0;
            while at < Scenario::ALL.len() {
                all[at + 1] = Chosen::One(Scenario::ALL[at]);
                at += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        let name = match self {
            Self::All => "all",
            Self::One(scenario) => scenario.name(),
        };
        Some(clap::builder::PossibleValue::new(name))
    }
}

impl Arguments {
    /// The chosen scenarios, each once, in the order in which they are measured.
    pub(super) fn chosen(&self) -> Vec<Scenario> {
        let all = self.scenarios.is_empty() || self.scenarios.contains(&Chosen::All);
        Scenario::ALL.into_iter().filter(|scenario| all || self.scenarios.contains(&Chosen::One(*scenario))).collect()
    }

    /// How long a measure by the clock takes, its warm-up not counted.
    pub(super) fn span(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// What of it is not counted.
    pub(super) fn warm_up(&self) -> Duration {
        Duration::from_secs(self.warm_up)
    }

    /// How long a measure by count may take.
    pub(super) fn at_most(&self) -> Duration {
        Duration::from_secs(self.at_most)
    }
}
