//! `tongbao subscribe`: receives a subscription and acknowledges what was handed on safely.

mod exec;
pub(super) mod settings;
mod sink;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Context, Exit, Failure, connect::connect, output::spinner, signals::Signals, subscriptions::pause};
use crate::{
    client::{Feeds, Handler, Happening, Settle, SubscribeOptions, Subscriber, Summary, Taken, Watch},
    domain::violation::Lang,
    proto::{Ordering, PauseReason},
};
use settings::Settings;
use sink::{Sink, SinkName};

/// How often `--once` looks whether everything was delivered.
const LOOK: Duration = Duration::from_millis(250);
/// With `--once` the gateway may be away for so long.
const GIVE_UP_ONCE: Duration = Duration::from_mins(2);
/// Most deliveries written before they are acknowledged together.
const BATCH: usize = 256;

const EXAMPLES: &str = "\
Examples:
  tongbao subscribe customs-risk --create --feed failed-products --start snapshot
      Make the subscription if it is not there, and print what comes, one line a delivery.
  tongbao subscribe customs-risk --to dir:/var/spool/tongbao
      One JSON file a delivery, on disk before it is acknowledged; the name is the ledger position, so that a delivery that
      comes twice overwrites itself.
  tongbao subscribe customs-risk --to 'exec:/usr/local/bin/take-over' --concurrency 4
      Pipe each delivery as JSON to a command of its own, four at a time, never two of one enterprise. Exit code 0 = done,
      75 = try again later, 65 = never again (the first line on standard error is the reason), any other = try again.
  tongbao subscribe customs-risk --once --json > today.jsonl
      Take everything there is, as JSON lines, and end.

Stop with Ctrl-C: what was handed on is acknowledged and confirmed first.";

/// 接收订阅 · Receive a subscription.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Name of the subscription: a-z, 0-9 and -, at most 64 characters.
    name: String,
    /// Make it if it is not there; with other settings than the standing one it is refused.
    #[arg(long)]
    create: bool,
    #[command(flatten)]
    settings: Settings,
    /// Where deliveries go: `stdout`, `dir:PATH`, or `exec:CMD`: a command line for `/bin/sh`, run once a delivery.
    #[arg(long, value_name = "stdout|dir:PATH|exec:CMD", default_value = "stdout")]
    to: SinkName,
    /// Commands that run beside each other (with `--to exec:CMD`), never two for one enterprise: 1 to 256.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// End after this many deliveries.
    #[arg(long, value_name = "N")]
    max: Option<u64>,
    /// End when everything was delivered.
    #[arg(long)]
    once: bool,
    /// End when the gateway has not answered for so long: 90s, 15m, 1h. By default never; with `--once` after 2 minutes.
    #[arg(long, value_name = "TIME", value_parser = super::token::parse_time)]
    give_up_after: Option<Duration>,
    /// Take over from a session that is attached.
    #[arg(long)]
    take_over: bool,
    /// Most deliveries held at once.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    window: u32,
}

/// Runs it.
///
/// # Errors
/// When the arguments are wrong, the sink cannot be written, or the gateway refuses or is not reached.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let create = arguments.settings.request(&arguments.name, arguments.create, context)?;
    let sink = Sink::open(&arguments.to, context)?;
    if arguments.concurrency > 1 && !sink.is_command() {
        return Err(Failure::usage(
            "CONCURRENCY_OF_COMMANDS",
            "--concurrency 只能与 --to exec:命令 一起使用",
            "--concurrency goes with --to exec:CMD only",
        ));
    }
    let (connection, context) = connect(context)?;
    let feeds = Feeds::new(&connection);
    if let Some(create) = create {
        feeds.create(create).await?;
    }
    let mut options = SubscribeOptions::new(&arguments.name, context.world.random());
    options.take_over = arguments.take_over;
    // Whoever waits for its end is told that the gateway does not answer.
    options.retry.give_up_after = arguments.give_up_after.or(arguments.once.then_some(GIVE_UP_ONCE));
    options.window_records =
        arguments.max.map_or(arguments.window, |max| arguments.window.min(u32::try_from(max).unwrap_or(u32::MAX)).max(1));
    if sink.is_command() {
        options.concurrency = arguments.concurrency.into();
        let settings = feeds.subscription(&arguments.name).await?.settings.unwrap_or_default();
        options.total_order = settings.ordering() == Ordering::Total;
    } else {
        options.batch = BATCH;
    }
    let teller = context.clone();
    let subscriber = Subscriber::telling(&connection, options, move |happening| tell(&happening, &teller));
    let watch = subscriber.watch();
    let stop = CancellationToken::new();
    let receiver = Arc::new(Receiver {
        sink,
        left: Mutex::new(arguments.max.unwrap_or(u64::MAX)),
        failure: Mutex::default(),
        stop: stop.clone(),
        bar: spinner(&context, context.say("已接收", "received")),
    });
    let caught_up = caught_up(feeds, arguments.name, watch, stop.clone());
    let running = subscriber.run(receiver.clone(), stop.clone());
    let summary = tokio::select! {
        summary = drive(running, caught_up, arguments.once, &receiver) => summary?,
        failure = interrupted(&stop) => return Err(failure?),
    };
    receiver.bar.finish_and_clear();
    if let Some(failure) = receiver.failed() {
        return Err(failure);
    }
    finish(&summary, &context)
}

/// Runs the subscriber and, with `--once`, what ends it.
async fn drive(
    running: impl Future<Output = Result<Summary, crate::client::ClientError>>,
    caught_up: impl Future<Output = Result<(), Failure>>,
    once: bool,
    receiver: &Receiver,
) -> Result<Summary, Failure> {
    let watching = async {
        if once && let Err(failure) = caught_up.await {
            receiver.fail(failure);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        summary = running => Ok(summary?),
        () = watching => Err(Failure::new(Exit::Failed, "UNREACHABLE", "", "")),
    }
}

/// The first signal drains; the second ends at once.
async fn interrupted(stop: &CancellationToken) -> Result<Failure, Failure> {
    let mut signals = Signals::listen()?;
    signals.next().await;
    stop.cancel();
    signals.next().await;
    Ok(Failure::new(
        Exit::Failed,
        "INTERRUPTED",
        "已中断：未确认的投递将重新送达",
        "interrupted: what was not confirmed will be delivered again",
    ))
}

/// Waits until everything was read and settled, then stops the subscriber.
async fn caught_up(feeds: Feeds, name: String, watch: Watch, stop: CancellationToken) -> Result<(), Failure> {
    while !stop.is_cancelled() {
        tokio::time::sleep(LOOK).await;
        if watch.counts().streams == 0 || !watch.is_idle() {
            continue;
        }
        let before = watch.counts().received;
        let status = feeds.subscription(&name).await?.status.unwrap_or_default();
        if status.in_flight > 0 || !watch.is_idle() || watch.counts().received != before {
            continue;
        }
        let reason = status.pause_reason();
        match reason {
            PauseReason::NotPermitted | PauseReason::CircuitOpen | PauseReason::Paused => {
                return Err(Failure::new(
                    Exit::Refused,
                    reason.as_str_name(),
                    format!("投递已暂停：{}", pause(reason, Lang::Zh)),
                    format!("delivery is paused: {}", pause(reason, Lang::En)),
                ));
            }
            PauseReason::KeyBlocked | PauseReason::MaxSpan => stop.cancel(),
            _ if status.lag == 0 => stop.cancel(),
            _ => {}
        }
    }
    Ok(())
}

fn tell(happening: &Happening, context: &Context) {
    let text = match happening {
        Happening::Broken { error, again_after } => format!(
            "{} ({:.1} s): {}",
            context.say("连接中断，稍后重连", "the stream broke, opening it again"),
            again_after.as_secs_f64(),
            error.text().get(context.lang)
        ),
        Happening::State(state) => match state.pause_reason() {
            // A window that is full for a moment is how it goes.
            PauseReason::Unspecified | PauseReason::Window | PauseReason::MaxInFlight => return,
            reason => format!("{}: {}", context.say("投递暂停", "paused"), pause(reason, context.lang)),
        },
        Happening::GoAway(away) => format!("{}: {}", context.say("网关将关闭连接", "the gateway is about to close"), away.reason),
        Happening::LeaseLost(lost) => format!("{}: {}", context.say("租约被收回", "leases lost"), lost.leases.len()),
        Happening::Opened(_) | Happening::Status(_) | Happening::Settled(_) => return,
    };
    context.note(&text);
}

fn finish(summary: &Summary, context: &Context) -> Result<(), Failure> {
    let counts = summary.counts;
    context.note(&match context.lang {
        Lang::Zh => format!(
            "接收 {}，确认 {}，待重试 {}，拒收 {}，重复 {}，退回 {}，连接 {} 次",
            counts.received, counts.acked, counts.retried, counts.rejected, counts.repeated, counts.released, counts.streams
        ),
        Lang::En => format!(
            "received {}, acknowledged {}, to be retried {}, rejected {}, repeated {}, given back {}, streams {}",
            counts.received, counts.acked, counts.retried, counts.rejected, counts.repeated, counts.released, counts.streams
        ),
    });
    if summary.unconfirmed == 0 {
        return Ok(());
    }
    let left = summary.unconfirmed;
    Err(Failure::new(
        Exit::NotReachable,
        "UNCONFIRMED",
        format!("有 {left} 条的确认没有得到答复，可能会重新送达"),
        format!("{left} acknowledgements were not confirmed: these may be delivered again"),
    ))
}

/// Hands deliveries to the sink and acknowledges what it took.
struct Receiver {
    sink: Sink,
    left: Mutex<u64>,
    failure: Mutex<Option<Failure>>,
    stop: CancellationToken,
    bar: indicatif::ProgressBar,
}

impl Receiver {
    fn fail(&self, failure: Failure) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        self.stop.cancel();
    }

    fn failed(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// How many of these are still wanted.
    fn take(&self, count: usize) -> usize {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(count);
        *left -= taken as u64;
        if *left == 0 {
            self.stop.cancel();
        }
        taken
    }
}

#[async_trait::async_trait]
impl Handler for Receiver {
    async fn handle(&self, batch: Vec<Taken>) -> Vec<Settle> {
        let (wanted, unwanted) = batch.split_at(self.take(batch.len()));
        // A sink that fails is our trouble, not the record's: what it did not take is given back uncounted.
        let mut settles = self.sink.take(wanted).await.unwrap_or_else(|failure| {
            self.fail(failure);
            vec![Settle::Release; wanted.len()]
        });
        self.bar.inc(settles.iter().filter(|settle| **settle == Settle::Ack).count() as u64);
        settles.extend(unwanted.iter().map(|_| Settle::Release));
        settles
    }
}
