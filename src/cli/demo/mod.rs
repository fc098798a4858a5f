//! `demo`: the main job on real files, over real mutual TLS, on the embedded store, from publishing to proof.

mod consume;
mod prove;
mod publishing;
mod refuse;
mod screening;
mod story;
mod wire;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use self::story::{Step, Telling};
use super::{Context, Exit, Failure, house::House, signals::Signals};
use crate::{
    client::Connection,
    proto::{PublishedRecord, Record},
};

/// Shows the main job end to end: a regulator publishes workbooks, customs receives and acknowledges, commerce pulls, customs
/// screens, an administrator proves. Everything is real: certificates, TLS, files, store.
///
/// Examples:
///   tongbao demo                  walk through, then keep serving with commands to try
///   tongbao demo --once --json    walk through, print one JSON document, end
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// Folder to build in, made if missing; by default a new temporary one.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// End after the walk instead of serving on; non-zero if anything did not hold.
    #[arg(long)]
    once: bool,
}

/// What the steps hand on to each other.
struct Stage<'a> {
    context: &'a Context,
    house: &'a House,
    /// Nonconformities as published, with what they say.
    failed: Vec<(Record, PublishedRecord)>,
    /// Latencies from publish to confirmed acknowledgement, microseconds.
    latencies: Vec<u64>,
    /// Counts for the summary.
    counts: Counts,
}

/// Counts of the walk.
#[derive(Debug, Default, Clone, Serialize)]
struct Counts {
    surveys: usize,
    nonconformities: usize,
    delivered: u64,
    acknowledged: u64,
    retried: u64,
    dead_lettered: u64,
    redriven: u64,
    streams: u64,
    screenings: usize,
    refusals: usize,
    evidence_entries: u64,
}

impl Stage<'_> {
    /// A connection as a participant's system.
    fn connect(&self, participant: &str) -> Result<Connection, Failure> {
        let profile = self.house.profile(participant)?;
        Ok(Connection::open(&profile, self.context.lang, self.context.world.clock.clone())?)
    }
}

/// What the demonstration answers.
#[derive(Serialize)]
struct Told {
    ok: bool,
    folder: PathBuf,
    address: String,
    steps: Vec<Step>,
    counts: Counts,
    published_to_acknowledged_us: Percentiles,
}

/// Latency from publish to confirmed acknowledgement.
#[derive(Debug, Serialize)]
struct Percentiles {
    samples: usize,
    p50: u64,
    p99: u64,
}

/// Runs the command.
///
/// # Errors
/// When the world cannot be built, the gateway does not start, or something did not hold.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let folder = arguments.dir.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("tongbao-demo-{:016x}", u64::from_be_bytes(context.world.random())))
    });
    let house = House::build(&folder, context.world.clone())?;
    if !context.json() {
        let shown = folder.display();
        context.note(context.say(
            &format!("通报演示：证书、配置和数据都在 {shown}"),
            &format!("Tongbao demonstration: certificates, configuration and data are in {shown}"),
        ));
    }
    let running = house.start().await?;
    let told = walk(context, &house).await;
    let ok = told.ok;
    let mut signals = Signals::listen()?;
    context.answer(&told, || summary(context, &told))?;
    if !arguments.once {
        context.note(&next_commands(context, &house));
        signals.next().await;
    }
    running.stop().await?;
    if arguments.once && arguments.dir.is_none() {
        // A temporary folder that stays behind is a nuisance, not a failure.
        let _ = std::fs::remove_dir_all(&folder);
    }
    if ok {
        return Ok(());
    }
    let failure = Failure::new(Exit::Failed, "DEMO_FAILED", "演示中有未成立之处，见上文", "something did not hold; see above");
    // With `--json` the one object says which step.
    Err(if context.json() { failure.told() } else { failure })
}

async fn walk(context: &Context, house: &House) -> Told {
    let mut stage = Stage { context, house, failed: Vec::new(), latencies: Vec::new(), counts: Counts::default() };
    let mut steps = Vec::new();
    macro_rules! step {
        ($id:literal, $zh:literal, $en:literal, $act:path) => {
            let mut telling = Telling::begin(context, $id, $zh, $en);
            steps.push(match $act(&mut stage, &mut telling).await {
                Ok(()) => telling.end(),
                Err(failure) => telling.stopped(&failure),
            });
        };
    }
    step!(
        "a",
        "监管部门发布摸底表和不合格名单；填错的表被逐格指出",
        "a regulator publishes its workbooks; a bad one is refused cell by cell",
        publishing::publish
    );
    step!(
        "b",
        "海关订阅：重试、拒收、重投、断线续传、逐条确认",
        "customs receives: retries, rejects, redrives, is cut off, resumes, acknowledges all",
        consume::consume
    );
    step!(
        "c",
        "商务部门按信用代码调取一企一档，并发布白名单",
        "commerce pulls an enterprise by credit code and publishes an allow-list entry",
        publishing::commerce
    );
    step!("d", "海关筛查四票申报", "customs screens four declarations", screening::screen);
    step!(
        "e",
        "未登记的证书和没有权限的系统被拒绝，并留下证据",
        "an unregistered certificate and one without the right are refused, on the record",
        refuse::refuse
    );
    step!(
        "f",
        "证明一次投递，离线核验全部日志；改动一个字节即被发现",
        "one delivery is proved, the whole log verified offline; one changed byte is found",
        prove::prove
    );
    stage.latencies.sort_unstable();
    let at = |share: f64| {
        let index = ((stage.latencies.len() as f64) * share) as usize;
        stage.latencies.get(index.min(stage.latencies.len().saturating_sub(1))).copied().unwrap_or(0)
    };
    let percentiles = Percentiles { samples: stage.latencies.len(), p50: at(0.5), p99: at(0.99) };
    Told {
        ok: steps.iter().all(|step| step.ok),
        folder: house.folder().to_owned(),
        address: house.address().to_string(),
        counts: stage.counts,
        published_to_acknowledged_us: percentiles,
        steps,
    }
}

fn summary(context: &Context, told: &Told) -> String {
    let head = [context.say("步骤", "step"), context.say("内容", "what"), context.say("结果", "held"), "ms"];
    let rows = told.steps.iter().map(|step| {
        let held = if step.ok { "✓" } else { "✗" };
        [step.id.to_owned(), step.title.clone(), held.to_owned(), step.took_ms.to_string()]
    });
    let table = super::output::table(head, rows);
    let counts = &told.counts;
    let latency = &told.published_to_acknowledged_us;
    let (p50, p99) = (latency.p50 as f64 / 1000.0, latency.p99 as f64 / 1000.0);
    let words = context.say(
        &format!(
            "摸底 {} 家 · 不合格 {} 条 · 投递 {} · 确认 {} · 重试 {} · 死信 {} · 重投 {} · 连接 {} 次 · 筛查 {} · 拒绝 {} · 证据 {} 条\n发布→确认 p50 {p50:.1} ms，p99 {p99:.1} ms（{} 次）",
            counts.surveys, counts.nonconformities, counts.delivered, counts.acknowledged, counts.retried, counts.dead_lettered,
            counts.redriven, counts.streams, counts.screenings, counts.refusals, counts.evidence_entries, latency.samples
        ),
        &format!(
            "{} surveys · {} nonconformities · {} delivered · {} acknowledged · {} retried · {} dead-lettered · {} redriven · {} streams · {} screenings · {} refusals · {} evidence entries\npublished → acknowledged p50 {p50:.1} ms, p99 {p99:.1} ms ({} samples)",
            counts.surveys, counts.nonconformities, counts.delivered, counts.acknowledged, counts.retried, counts.dead_lettered,
            counts.redriven, counts.streams, counts.screenings, counts.refusals, counts.evidence_entries, latency.samples
        ),
    )
    .to_owned();
    format!("\n{table}\n{words}\n")
}

fn next_commands(context: &Context, house: &House) -> String {
    let program = std::env::current_exe().map_or_else(|_| "tongbao".to_owned(), |path| path.display().to_string());
    let profile = |participant: &str| house.profile_file(participant).display().to_string();
    let heading = context.say(
        "网关继续运行，可另开终端试试（Ctrl-C 结束）：",
        "The gateway keeps serving; try in another terminal (Ctrl-C ends):",
    );
    format!(
        "\n{heading}\n  {program} --profile {} pull 91440300PDY001012N --purpose demo\n  {program} --profile {} subscriptions list\n  \
         {program} --profile {} subscribe customs-demo --to stdout\n  {program} --profile {} evidence search --kind disclose\n  \
         {program} --profile {} doctor\n",
        profile("mofcom"),
        profile("gacc"),
        profile("gacc"),
        profile("samr"),
        profile("gacc"),
    )
}
