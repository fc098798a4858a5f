//! `serve`: runs the gateway until it is told to stop. The composition root is [`running`].

mod keys;
mod measure;
mod ready;
mod running;

use clap::Args;

pub use running::{Running, start};

use super::{Context, Failure, door};
use crate::{config, telemetry::start_log};

/// Runs the gateway until SIGTERM or SIGINT; SIGHUP loads certificates, revocation lists and the register anew.
///
/// Examples:
///   tongbao serve --config /etc/tongbao/tongbao.toml
///   TONGBAO__SERVER__LISTEN=0.0.0.0:7443 tongbao serve --config tongbao.toml
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {}

/// Runs the command.
///
/// # Errors
/// When the configuration is wrong, a file cannot be used, a port is taken, or the store cannot be opened.
pub async fn run(_: Arguments, context: &Context) -> Result<(), Failure> {
    let checked = load(context)?;
    start_log(&door::log_settings(&checked.config.telemetry)).map_err(|why| {
        Failure::usage("LOG_LEVEL", format!("日志级别无效：{why}"), format!("the log level is not usable: {why}"))
    })?;
    let running = start(checked, context.world.clone()).await?;
    context.note(&format!(
        "{} {} · {} http://{}",
        context.say("网关已就绪", "the gateway is ready:"),
        running.address(),
        context.say("遥测", "telemetry"),
        running.telemetry_address(),
    ));
    until_told_to_stop(&running, context).await?;
    running.stop().await
}

/// The configuration named by `--config`, checked.
fn load(context: &Context) -> Result<config::Checked, Failure> {
    Ok(config::load(context.global.config.as_deref(), std::env::vars())?)
}

async fn until_told_to_stop(running: &Running, context: &Context) -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => match load(context) {
                Ok(checked) => running.reload(checked).await,
                Err(failure) => tracing::error!(reason = failure.reason, "the configuration was not loaded anew: {failure}"),
            },
        }
    }
}
