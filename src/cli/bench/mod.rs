//! `bench`: the sizing tool. Measures a gateway of its own, in a process of its own, over mutual TLS on loopback, durable and with
//! evidence: what this machine and this disk can do, not what a brochure says.
//!
//! Invariants: everything is bounded in count and in time; latency at a fixed rate is taken from the moment an act was due, not
//! from when it was sent (no coordinated omission); a gateway's costs are those of its process alone; whatever way it ends, the
//! gateway is stopped and the folder removed.

mod arguments;
mod closed_loop;
mod consumer;
mod data;
mod figures;
mod gateway;
mod machine;
mod open_loop;
mod report;
mod scenario;
mod site;

use std::{future::Future, path::PathBuf};

use tokio::signal::unix::{SignalKind, signal};

pub use self::arguments::Arguments;
use self::{
    figures::Measures,
    gateway::Gateway,
    report::Sizing,
    scenario::Scenario,
    site::{Ground, Site},
};
use super::{Context, Exit, Failure, house::House};

/// Runs the command.
///
/// # Errors
/// When the world cannot be built, or the gateway refuses or loses something, or a signal ends it.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    if cfg!(debug_assertions) {
        context.note(context.say("这是调试版，数字没有意义", "this is a debug build: its figures mean nothing"));
    }
    let mut measures = Measures::default();
    let machine = match &arguments.profiles {
        Some(profiles) => {
            let ground = Ground::Elsewhere { profiles: profiles.clone(), address: arguments.address.clone() };
            let site = Site::new(context, &arguments, ground);
            Box::pin(measure(&site, &arguments.chosen(), arguments.runs, &mut measures)).await?;
            machine::here(None)?
        }
        None => on_own_gateways(&arguments, context, &mut measures).await?,
    };
    let sizing = Sizing::new(&arguments, machine, measures);
    context.answer(&sizing, || report::render(context, &sizing))
}

/// Publishing is measured on an empty store, each run on its own; everything else on one that is loaded once.
async fn on_own_gateways(arguments: &Arguments, context: &Context, measures: &mut Measures) -> Result<machine::Machine, Failure> {
    let folder = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&folder)?;
    let machine = machine::here(Some(&folder))?;
    let (empty, loaded): (Vec<_>, Vec<_>) = arguments.chosen().into_iter().partition(|scenario| scenario.wants_an_empty_store());
    for _ in 0..if empty.is_empty() { 0 } else { arguments.runs } {
        on_own_gateway(&folder, arguments, context, (&empty, 1), measures).await?;
    }
    if !loaded.is_empty() {
        on_own_gateway(&folder, arguments, context, (&loaded, arguments.runs), measures).await?;
    }
    Ok(machine)
}

/// Builds a world, measures in it, and takes it down again whatever happened.
async fn on_own_gateway(
    parent: &std::path::Path,
    arguments: &Arguments,
    context: &Context,
    (scenarios, runs): (&[Scenario], u32),
    measures: &mut Measures,
) -> Result<(), Failure> {
    let folder = Folder {
        path: parent.join(format!("tongbao-bench-{:016x}", u64::from_be_bytes(context.world.random()))),
        keep: arguments.keep,
    };
    let house = House::build(&folder.path, context.world.clone())?;
    let site = Site::new(context, arguments, Ground::Own(Box::new(Gateway::new(house, context))));
    let measured = until_told_to_stop(Box::pin(measure(&site, scenarios, runs, measures))).await;
    let stopped = site.stop().await;
    if arguments.keep {
        context.note(&format!("{} {}", context.say("保留了", "kept:"), folder.path.display()));
    }
    measured.and(stopped)
}

/// The folder of a world, removed with everything in it.
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            // What stays behind in a temporary folder is a nuisance, not a failure.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

async fn measure(site: &Site<'_>, scenarios: &[Scenario], runs: u32, measures: &mut Measures) -> Result<(), Failure> {
    site.start().await?;
    for scenario in scenarios {
        scenario.prepare(site).await?;
        for run in 0..runs {
            let readings = scenario.run(site, run).await?;
            site.tell(*scenario, &readings);
            measures.add(*scenario, readings);
        }
    }
    Ok(())
}

/// A signal must not leave a gateway behind, nor its folder.
async fn until_told_to_stop(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        result = work => result,
        _ = interrupt.recv() => Err(stopped()),
        _ = terminate.recv() => Err(stopped()),
        _ = hangup.recv() => Err(stopped()),
    }
}

fn stopped() -> Failure {
    Failure::new(Exit::Failed, "BENCH_STOPPED", "测算被中止，没有结果", "the measurement was stopped; there is no result")
}

/// What the gateway did not do as it must.
fn broken(zh: impl Into<String>, en: impl Into<String>) -> Failure {
    Failure::new(Exit::Failed, "BENCH", zh, en)
}
