//! `bench`: the sizing tool. Measures a gateway of its own, in a process of its own, over mutual TLS on loopback, durable and with
//! evidence: what this machine and this disk can do, not what a brochure says.

mod child;
mod load;
mod reading;

use std::{path::PathBuf, time::Duration};

use clap::Args;
use serde::Serialize;

use self::child::Child;
use super::{Context, Failure, house::House, output::table};
use crate::client::Connection;

/// Measures publishing, delivery, latency, pulls and screenings on this machine.
///
/// Client and gateway share the machine. Every record is 1 KiB, every answer durable, evidence on.
///
/// Examples:
///   tongbao bench
///   tongbao bench --records 1000000 --json > sizing.json
///   tongbao bench --dir /srv/tongbao-bench     measure that disk
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// Records to publish and deliver.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    records: u64,
    /// Records of a batch.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    batch: u64,
    /// Batches in flight.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=256))]
    in_flight: u64,
    /// Records a second while latency is measured.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    rate: u64,
    /// Seconds that latency is measured for.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Pulls by credit code, and screenings.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=1_000_000))]
    questions: u64,
    /// Questions in flight.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1_024))]
    asking: u64,
    /// Folder to build in, made if missing; by default a new temporary one, removed afterwards.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// One measured line.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Measure {
    /// What.
    what: String,
    /// How many.
    count: u64,
    /// Seconds.
    seconds: f64,
    /// A second.
    per_second: f64,
    /// Latency, microseconds.
    latency_us: Option<Latency>,
}

/// Latency of single operations, microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Latency {
    p50: u64,
    p99: u64,
    max: u64,
}

/// What was measured, and on what.
#[derive(Debug, Serialize)]
struct Sizing {
    version: &'static str,
    cores: usize,
    processor: String,
    durability: &'static str,
    payload_bytes: usize,
    records_stored: u64,
    measures: Vec<Measure>,
    resident_memory_mib: f64,
    start_up_ms: u128,
}

/// A world under load: the house, its gateway, how it is loaded.
struct Bench<'a> {
    context: &'a Context,
    house: &'a House,
    arguments: &'a Arguments,
}

impl Bench<'_> {
    fn connect(&self, participant: &str) -> Result<Connection, Failure> {
        Ok(Connection::open(&self.house.profile(participant)?, self.context.lang, self.context.world.clock.clone())?)
    }

    fn now(&self) -> Duration {
        self.context.world.clock.monotonic()
    }

    fn measure(&self, what: &str, count: u64, took: Duration, latency_us: Option<Latency>) -> Measure {
        let seconds = took.as_secs_f64();
        let measure = Measure { what: what.to_owned(), count, seconds, per_second: count as f64 / seconds.max(1e-9), latency_us };
        if self.context.is_watched() {
            self.context.note(&format!("{what}: {count} · {:.0}/s", measure.per_second));
        }
        measure
    }
}

/// Runs the command.
///
/// # Errors
/// When the world cannot be built, or the gateway refuses or loses something.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let folder = arguments.dir.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("tongbao-bench-{:016x}", u64::from_be_bytes(context.world.random())))
    });
    let house = House::build(&folder, context.world.clone())?;
    let sizing = measure(&Bench { context, house: &house, arguments: &arguments }).await;
    if arguments.dir.is_none() {
        // What stays behind in a temporary folder is a nuisance, not a failure.
        let _ = std::fs::remove_dir_all(&folder);
    }
    let sizing = sizing?;
    context.answer(&sizing, || render(context, &sizing))
}

async fn measure(bench: &Bench<'_>) -> Result<Sizing, Failure> {
    let gateway = Child::start(bench.house, bench.context).await?;
    let mut measures = vec![load::publish(bench).await?, load::deliver(bench).await?];
    measures.push(load::latency(bench).await?);
    measures.push(reading::pulls(bench).await?);
    measures.push(reading::screenings(bench).await?);
    let resident = gateway.resident_memory_mib();
    gateway.stop().await?;
    let started = bench.now();
    let gateway = Child::start(bench.house, bench.context).await?;
    let start_up = bench.now().saturating_sub(started);
    gateway.stop().await?;
    Ok(Sizing {
        version: env!("CARGO_PKG_VERSION"),
        cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        processor: processor(),
        durability: "SQLite WAL, synchronous=FULL, evidence in the same transaction",
        payload_bytes: load::PAYLOAD_BYTES,
        records_stored: bench.arguments.records + bench.arguments.rate * bench.arguments.seconds,
        measures,
        resident_memory_mib: resident,
        start_up_ms: start_up.as_millis(),
    })
}

/// The name of the processor, where the system tells.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

fn render(context: &Context, sizing: &Sizing) -> String {
    let rows = sizing.measures.iter().map(|measure| {
        let latency = measure.latency_us.map_or_else(String::new, |latency| {
            let ms = |us: u64| us as f64 / 1_000.0;
            format!("{:.2} / {:.2} / {:.2}", ms(latency.p50), ms(latency.p99), ms(latency.max))
        });
        [measure.what.clone(), measure.count.to_string(), format!("{:.0}", measure.per_second), latency]
    });
    let head =
        [context.say("场景", "scenario"), context.say("数量", "count"), context.say("每秒", "per second"), "p50 / p99 / max ms"];
    format!(
        "{}\n{} {} · {} × {} · {} B · {}\n{} {:.0} MiB · {} {} ms ({} {})\n",
        table(head, rows),
        "tongbao",
        sizing.version,
        sizing.cores,
        sizing.processor,
        sizing.payload_bytes,
        sizing.durability,
        context.say("网关常驻内存", "gateway's resident memory"),
        sizing.resident_memory_mib,
        context.say("启动", "start-up"),
        sizing.start_up_ms,
        sizing.records_stored,
        context.say("条记录", "records"),
    )
}
