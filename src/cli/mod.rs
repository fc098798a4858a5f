//! Door 3: the command line. One file a command: its `Arguments`, and `run(arguments, &context)`.
//!
//! Every command takes `--json` (one JSON document on standard output) and `--lang`, prints its answer to standard output and
//! everything else to standard error, and ends with the exit codes of [`Exit`]. A new command is a `mod` line, a variant of
//! [`Command`] and its arm in [`Command::run`].

mod admin;
mod attest;
pub mod bench;
pub mod certs;
pub mod config;
mod connect;
mod context;
mod dead_letters;
pub mod demo;
mod docket;
mod doctor;
pub mod door;
mod doubt;
mod evidence;
pub mod evidence_folder;
mod failure;
pub mod house;
mod lists;
mod notice;
pub mod output;
mod publish;
mod publish_column;
mod pull;
mod read;
mod replace;
mod reply;
mod sampling;
mod screen;
pub mod serve;
mod signals;
mod stats;
mod subscribe;
mod subscriptions;
pub mod token;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use context::Context;
pub use failure::{Complaint, Exit, Failure};

use crate::domain::violation::Lang;

/// 通报网关：相互认证的不合格口罩信息交换网关 · A mutually authenticated exchange gateway for records of nonconforming masks.
#[derive(Debug, Parser)]
#[command(name = "tongbao", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Above the flags of [`Global`] in every help.
const EVERYWHERE: &str = "Everywhere · 通用";

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// Answer with one JSON document instead of text.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub json: bool,
    /// Language of messages; by default that of the locale, Chinese if it names neither.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_enum, env = "TONGBAO_LANG")]
    pub lang: Option<Language>,
    /// Client profile: the path of a file, or the name of one in the profiles' folder.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "PATH|NAME", env = "TONGBAO_PROFILE")]
    pub profile: Option<String>,
    /// Configuration file of the gateway.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE", env = "TONGBAO_CONFIG")]
    pub config: Option<PathBuf>,
}

/// A language as named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
}

impl From<Language> for Lang {
    fn from(language: Language) -> Self {
        match language {
            Language::Zh => Self::Zh,
            Language::En => Self::En,
        }
    }
}

/// What to do: one variant a command, in the order people meet them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 演示主要业务 · Show the main job end to end.
    Demo(demo::Arguments),
    /// 测算本机能力 · Measure what this machine can do.
    Bench(bench::Arguments),
    /// 运行网关 · Run the gateway.
    Serve(serve::Arguments),
    /// 网关配置：默认值与检查 · Print or check the configuration of the gateway.
    Config(config::Arguments),
    /// 开发用证书 · A development authority, and a look at certificates.
    Certs(certs::Arguments),
    /// 操作员令牌 · Issue operators' tokens.
    Token(token::Arguments),
    /// 报送工作簿或名单 · Publish workbooks and lists.
    Publish(Box<publish::Arguments>),
    /// 声明数据已报送完整 · Say that a feed is complete up to a time.
    Attest(attest::Arguments),
    /// 接收订阅 · Receive a subscription.
    Subscribe(Box<subscribe::Arguments>),
    /// 订阅一览、查看与删除 · List, show and delete subscriptions.
    Subscriptions(subscriptions::Arguments),
    /// 死信：一览、查看、重投、丢弃 · Dead letters: list, show, redrive, discard.
    DeadLetters(dead_letters::Arguments),
    /// 按位置读取台账 · Read the ledger by position.
    Read(Box<read::Arguments>),
    /// 按统一社会信用代码查询企业档案 · Read the files of enterprises by credit code.
    Pull(pull::Arguments),
    /// 两份名单：导出与验证 · Both lists: export and verify.
    Lists(lists::Arguments),
    /// 生成不合格产品公示栏（静态网页） · Write the public column as static pages.
    PublishColumn(publish_column::Arguments),
    /// 审单：比对两份名单 · Screen an export declaration.
    Screen(screen::Arguments),
    /// 报送抽查汇总 · Publish the numbers of a sampling campaign.
    Sampling(sampling::Arguments),
    /// 统计 · Statistics: sampling, coverage, failure rates, times, what is overdue.
    Stats(stats::Arguments),
    /// 疑义：提出、答复、查看 · Doubts about records: raise, answer, list.
    Doubt(doubt::Arguments),
    /// 紧急通报：发出、签收、查看 · Urgent notices: issue, acknowledge, list.
    Notice(notice::Arguments),
    /// 待办与逾期事项 · What waits for somebody, and what is overdue.
    Docket(docket::Arguments),
    /// 管理：认定生产者 · Administration: what operators decide.
    Admin(admin::Arguments),
    /// 存证：检索、证明、导出、离线验证 · Evidence: search, prove, export, verify offline.
    Evidence(evidence::Arguments),
    /// 逐项检查配置、证书、网络与权限 · Check profile, certificates, network and rights.
    Doctor(doctor::Arguments),
}

impl Command {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Demo(arguments) => Box::pin(demo::run(arguments, context)).await,
            Self::Bench(arguments) => Box::pin(bench::run(arguments, context)).await,
            Self::Serve(arguments) => serve::run(arguments, context).await,
            Self::Config(arguments) => config::run(arguments, context),
            Self::Certs(arguments) => certs::run(arguments, context),
            Self::Token(arguments) => token::run(arguments, context),
            Self::Publish(arguments) => Box::pin(publish::run(*arguments, context)).await,
            Self::Attest(arguments) => attest::run(arguments, context).await,
            Self::Subscribe(arguments) => Box::pin(subscribe::run(*arguments, context)).await,
            Self::Subscriptions(arguments) => subscriptions::run(arguments, context).await,
            Self::DeadLetters(arguments) => dead_letters::run(arguments, context).await,
            Self::Read(arguments) => read::run(*arguments, context).await,
            Self::Pull(arguments) => pull::run(arguments, context).await,
            Self::Lists(arguments) => lists::run(arguments, context).await,
            Self::PublishColumn(arguments) => Box::pin(publish_column::run(arguments, context)).await,
            Self::Screen(arguments) => screen::run(arguments, context).await,
            Self::Sampling(arguments) => sampling::run(arguments, context).await,
            Self::Stats(arguments) => stats::run(arguments, context).await,
            Self::Doubt(arguments) => doubt::run(arguments, context).await,
            Self::Notice(arguments) => notice::run(arguments, context).await,
            Self::Docket(arguments) => docket::run(arguments, context).await,
            Self::Admin(arguments) => admin::run(arguments, context).await,
            Self::Evidence(arguments) => evidence::run(arguments, context).await,
            Self::Doctor(arguments) => doctor::run(arguments, context).await,
        }
    }
}

/// Runs the command given on the command line.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            // Nothing is left to tell when standard error itself is closed.
            let _ = error.print();
            return exit.into();
        }
    };
    run(cli).into()
}

/// Runs a parsed command to its end and says how it ended.
pub fn run(cli: Cli) -> Exit {
    let context = Context::new(cli.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return context.fail(&Failure::from(error)),
    };
    match runtime.block_on(cli.command.run(&context)) {
        Ok(()) => Exit::Done,
        Err(failure) => context.fail(&failure),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_tree_of_commands_is_consistent() {
        Cli::command().debug_assert();
    }
}
