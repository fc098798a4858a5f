//! `tongbao admin`: what operators decide.

mod resolve;

use clap::{Args, Subcommand};

use super::{Context, Failure};

/// What to administer.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// 认定只有名称的生产者 · Decide who producers are that records name without a code.
    Resolve(resolve::Arguments),
}

/// Runs it.
///
/// # Errors
/// When the gateway refuses or is not reached.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    match arguments.action {
        Action::Resolve(arguments) => resolve::run(arguments, context).await,
    }
}
