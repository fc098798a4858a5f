//! The result: one JSON object, or a table for people.

use serde::Serialize;

use super::{
    Arguments,
    data::PAYLOAD_BYTES,
    figures::{Measure, Measures, Spread, shown},
    machine::Machine,
};
use crate::cli::{Context, output::table};

/// What was measured, how, and on what.
#[derive(Debug, Serialize)]
pub(super) struct Sizing {
    version: &'static str,
    /// `release` or `debug`.
    build: &'static str,
    compiler: &'static str,
    machine: Machine,
    durability: &'static str,
    payload_bytes: usize,
    arguments: Arguments,
    measures: Vec<Measure>,
}

impl Sizing {
    pub(super) fn new(arguments: &Arguments, machine: Machine, measures: Measures) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            compiler: env!("TONGBAO_COMPILER"),
            machine,
            durability: "answered after the commit is synced (SQLite WAL, synchronous=FULL), evidence in the same transaction",
            payload_bytes: PAYLOAD_BYTES,
            arguments: arguments.clone(),
            measures: measures.summed_up(),
        }
    }
}

/// Figures with columns of their own.
const IN_COLUMNS: [&str; 8] =
    ["per_second", "gateway_cpu_us_each", "gateway_cpu_percent", "p50_us", "p90_us", "p99_us", "p99_9_us", "max_us"];

/// For people.
pub(super) fn render(context: &Context, sizing: &Sizing) -> String {
    let head = [
        context.say("场景", "scenario"),
        context.say("内容", "what"),
        context.say("数量", "count"),
        context.say("每秒", "per second"),
        "p50 / p90 / p99 / p99.9 / max ms",
        context.say("网关 CPU µs/次", "gateway CPU µs each"),
        context.say("其他", "other"),
    ];
    let rows = table(head, sizing.measures.iter().map(row));
    format!("{rows}\n{}", setting(context, sizing))
}

fn row(measure: &Measure) -> [String; 7] {
    let figure = |name: &str| measure.figures.get(name);
    let latency = match figure("p50_us") {
        Some(_) => ["p50_us", "p90_us", "p99_us", "p99_9_us", "max_us"]
            .map(|name| figure(name).map_or_else(String::new, |spread| shown(spread.median / 1_000.0)))
            .join(" / "),
        None => String::new(),
    };
    let others = measure.figures.iter().filter(|(name, _)| !IN_COLUMNS.contains(name));
    let others: Vec<_> = others.map(|(name, spread)| format!("{name} {}", ranged(spread, measure.runs))).collect();
    [
        measure.scenario.to_owned(),
        measure.what.clone(),
        measure.count.to_string(),
        figure("per_second").map_or_else(String::new, |spread| ranged(spread, measure.runs)),
        latency,
        figure("gateway_cpu_us_each").map_or_else(String::new, |spread| ranged(spread, measure.runs)),
        others.join("\n"),
    ]
}

/// The median, and of several runs the range.
fn ranged(spread: &Spread, runs: usize) -> String {
    let Spread { median, min, max } = *spread;
    if runs > 1 { format!("{} ({}–{})", shown(median), shown(min), shown(max)) } else { shown(median) }
}

fn setting(context: &Context, sizing: &Sizing) -> String {
    let machine = &sizing.machine;
    let disk = machine.disk.as_ref().map_or_else(
        || context.say("存储在别处", "the store is elsewhere").to_owned(),
        |disk| {
            let what = context.say("4 KiB 同步写", "synced write of 4 KiB");
            format!("{} · {what}: p50 {} µs, p99 {} µs", disk.file_system, disk.sync_p50_us, disk.sync_p99_us)
        },
    );
    format!(
        "tongbao {} ({}) · {}\n{} × {} · {} MiB · Linux {} · {disk}\n{} B · {}\n",
        sizing.version,
        sizing.build,
        sizing.compiler,
        machine.cores,
        machine.processor,
        machine.memory_mib,
        machine.kernel,
        sizing.payload_bytes,
        sizing.durability,
    )
}
