//! `tongbao config`: prints the defaults, checks a file.

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, Subcommand};

use super::{Context, Failure, door};
use crate::{
    config::{self, Checked, ConfigError},
    tls::pem,
};

/// What to do with the configuration.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the commented default file, to begin with.
    Defaults,
    /// Check a configuration, its certificates and its keys; nothing is started.
    Check {
        /// The file; by default that of --config, else the defaults alone.
        file: Option<PathBuf>,
    },
}

/// Runs the command.
///
/// # Errors
/// When the configuration cannot be used.
pub fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    match arguments.action {
        Action::Defaults => context.write(config::DEFAULT_FILE),
        Action::Check { file } => check(file, context),
    }
}

/// Loads the configuration of a command: the file of `--config`, or the defaults, and the environment.
///
/// # Errors
/// `CONFIG` with everything that is wrong, each with its place.
pub fn load(file: Option<PathBuf>, context: &Context) -> Result<Checked, Failure> {
    let file = file.or_else(|| context.global.config.clone());
    Ok(config::load(file.as_deref(), std::env::vars())?)
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage("CONFIG", "配置不可用，逐项见下", "the configuration cannot be used; each item is listed")
            .with(error.violations())
    }
}

fn check(file: Option<PathBuf>, context: &Context) -> Result<(), Failure> {
    let checked = load(file, context)?;
    let tls = door::server_tls(&checked.config, context.world.clock.clone())?;
    door::token_verifier(&checked.config)?;
    door::folder_of_store(&checked.config)?;
    if checked.config.evidence.key.exists() {
        pem::secret(&checked.config.evidence.key)?;
    }
    let config = &checked.config;
    let (until, list) = (pem::moment(tls.certificate_not_after()), tls.crl_next_update().map(pem::moment));
    let answer = serde_json::json!({
        "ok": true,
        "certificate_not_after": until,
        "revocation_list_next_update": list,
        "participants": config.participants.len(),
        "systems": config.participants.iter().map(|participant| participant.systems.len()).sum::<usize>(),
        "settings": config,
    });
    context.answer(&answer, || {
        let mut text = format!("{}\n", context.say("配置可用", "the configuration can be used"));
        // Writing into a string does not fail.
        let _ = writeln!(text, "  {}: {}", context.say("监听", "listens at"), config.server.listen);
        let _ = writeln!(text, "  {}: {until}", context.say("证书有效至", "certificate valid until"));
        let list = list.as_deref().unwrap_or(context.say("无（不核对吊销）", "none: revocation is not checked"));
        let _ = writeln!(text, "  {}: {list}", context.say("吊销列表有效至", "revocation list valid until"));
        let _ = writeln!(text, "  {}: {}", context.say("参与单位", "participants"), config.participants.len());
        text
    })
}
