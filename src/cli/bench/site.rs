//! Where it is measured: a gateway, connections to it, and the numbers of the records that it has.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    Arguments, Scenario,
    data::{self, Data},
    figures::{Reading, Spent},
    gateway::{Gateway, Usage},
};
use crate::{
    cli::{Context, Failure},
    client::{ClientError, Connection, Place, Profile},
    clock::Clock,
};

/// Whose gateway.
pub(super) enum Ground {
    /// Our own, started and stopped here.
    Own(Box<Gateway>),
    /// Somebody else's.
    Elsewhere {
        /// Folder of the profiles.
        profiles: PathBuf,
        /// Where it is, if not where they say.
        address: Option<Place>,
    },
}

/// The site.
pub(super) struct Site<'a> {
    /// How to speak, and the clock.
    pub(super) context: &'a Context,
    /// What was chosen.
    pub(super) arguments: &'a Arguments,
    /// How records are made.
    pub(super) data: Data,
    ground: Ground,
    /// Number of the next failed product.
    next: AtomicU64,
    /// Records stored by us.
    stored: AtomicU64,
    /// Names given to subscriptions.
    names: AtomicU64,
}

impl<'a> Site<'a> {
    /// Nothing is started yet.
    pub(super) fn new(context: &'a Context, arguments: &'a Arguments, ground: Ground) -> Self {
        let data = Data::new(arguments.seed, arguments.records);
        let (next, stored, names) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { context, arguments, data, ground, next, stored, names }
    }

    /// Starts the gateway, if it is ours.
    pub(super) async fn start(&self) -> Result<(), Failure> {
        if let Ground::Own(gateway) = &self.ground {
            gateway.start().await?;
        }
        Ok(())
    }

    /// Stops it.
    pub(super) async fn stop(&self) -> Result<(), Failure> {
        match &self.ground {
            Ground::Own(gateway) => gateway.stop().await,
            Ground::Elsewhere { .. } => Ok(()),
        }
    }

    /// Stops it and starts it again on what it has; answers how long the start took. `None` = it is not ours.
    pub(super) async fn restart(&self) -> Result<Option<Duration>, Failure> {
        let Ground::Own(gateway) = &self.ground else { return Ok(None) };
        gateway.stop().await?;
        gateway.start().await.map(Some)
    }

    /// A connection of its own as a participant's system. No operator's token: a machine speaks for itself.
    pub(super) fn connect(&self, participant: &str) -> Result<Connection, Failure> {
        let mut profile = match &self.ground {
            Ground::Own(gateway) => gateway.house.profile(participant)?,
            Ground::Elsewhere { profiles, .. } => {
                let path = profiles.join(format!("{participant}.toml"));
                Profile::load(Some(&path.to_string_lossy())).map_err(ClientError::from)?
            }
        };
        if let Ground::Elsewhere { address: Some(address), .. } = &self.ground {
            profile.place = address.clone();
        }
        profile.token_file = None;
        Ok(Connection::open(&profile, self.context.lang, self.clock())?)
    }

    /// Where the gateway keeps its store; `None` = it is not ours.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        match &self.ground {
            Ground::Own(gateway) => Some(gateway.house.folder().to_owned()),
            Ground::Elsewhere { .. } => None,
        }
    }

    /// The clock.
    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        self.context.world.clock.clone()
    }

    /// Monotonic time.
    pub(super) fn now(&self) -> Duration {
        self.context.world.clock.monotonic()
    }

    /// What the gateway has used; `None` = it is not ours.
    pub(super) fn usage(&self) -> Option<Usage> {
        match &self.ground {
            Ground::Own(gateway) => Some(gateway.usage()),
            Ground::Elsewhere { .. } => None,
        }
    }

    /// Starts a stopwatch.
    pub(super) fn watch(&self) -> Watch {
        if let Ground::Own(gateway) = &self.ground {
            gateway.forget_peak();
        }
        Watch { at: self.now(), usage: self.usage() }
    }

    /// What was spent since the stopwatch was started.
    pub(super) fn since(&self, watch: Watch) -> Spent {
        let used = |now: Usage| watch.usage.map(|then| (now.processor_us - then.processor_us).max(0.0));
        let usage = self.usage();
        Spent {
            time: self.now().saturating_sub(watch.at),
            processor_us: usage.and_then(used),
            peak_mib: usage.map(|now| now.peak_mib),
        }
    }

    /// A reading of what was done so often.
    pub(super) fn reading(&self, what: impl Into<String>, count: u64, spent: Spent) -> Reading {
        Reading::new(what, self.stored(), count, spent)
    }

    /// Takes the numbers of the next `count` failed products, never given before.
    pub(super) fn take(&self, count: u64) -> std::ops::Range<u64> {
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        first..first + count
    }

    /// Counts records that stand now.
    pub(super) fn count_stored(&self, records: u64) {
        self.stored.fetch_add(records, Ordering::Relaxed);
    }

    /// Records stored by us.
    pub(super) fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Loads the failed products that reading needs, once.
    pub(super) async fn load(&self) -> Result<(), Failure> {
        if self.next.load(Ordering::Relaxed) == 0 {
            let numbers = self.take(self.arguments.records);
            data::load(self, numbers, self.context.say("装入不合格记录", "loading failed products"), |n| {
                self.data.failed(n)
            })
            .await?;
        }
        Ok(())
    }

    /// A name for a subscription, never given before.
    pub(super) fn name(&self, of: &str) -> String {
        format!("bench-{of}-{:x}-{}", self.arguments.seed, self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Tells a watching person what came out.
    pub(super) fn tell(&self, scenario: Scenario, readings: &[Reading]) {
        if self.context.is_watched() {
            for reading in readings {
                self.context.note(&format!("{} · {}", scenario.name(), reading.line()));
            }
        }
    }
}

/// A running stopwatch: of time and of the gateway's processor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    at: Duration,
    usage: Option<Usage>,
}
