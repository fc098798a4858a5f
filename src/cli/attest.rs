//! `tongbao attest`: says that a feed is complete for a region up to a time, also when there is nothing new.

use clap::Args;

use super::{
    Context, Failure,
    connect::connect,
    output::{first_moment_in, json_of, latest_moment_in, show_moment},
};
use crate::{
    client::{Publisher, PublisherOptions},
    domain::feeds::Feed,
    proto::AttestRequest,
};

const EXAMPLES: &str = "\
Examples:
  tongbao attest failed-products
      Everything of our region up to now has been published.
  tongbao attest failed-products --region 330000 --to 2020-05-15
      Complete for Zhejiang through the whole of 15 May 2020.

Without attestations a feed grows stale, and screening answers UNKNOWN instead of CLEAR.";

/// 声明数据已报送完整 · Say that a feed is complete up to a time.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Feed: failed-products, enterprises, export-qualifications, export-actions or notices.
    feed: String,
    /// Region we speak for, GB/T 2260; by default our own.
    #[arg(long, value_name = "CODE")]
    region: Option<String>,
    /// Complete to this time: a day (all of it), `2020-05-15 08:30` (Asia/Shanghai), or RFC 3339.
    #[arg(long, value_name = "TIME", default_value = "now")]
    to: String,
}

/// Runs it.
///
/// # Errors
/// When the arguments are wrong, or the gateway refuses or is not reached.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let feed = feed_named(&arguments.feed)?;
    let complete_to_us = moment(&arguments.to, context)?;
    let (connection, context) = connect(context)?;
    let answer = Publisher::new(&connection, PublisherOptions::default())
        .attest(AttestRequest { feed: feed.name().to_owned(), region: arguments.region.unwrap_or_default(), complete_to_us })
        .await?;
    for remark in answer.remarks.iter().filter(|_| !context.json()) {
        context.note(&format!("{}: {} [{}]", context.say("提示", "remark"), remark.message, remark.reason));
    }
    context.answer(&json_of("AttestResponse", &answer), || {
        let until = show_moment(answer.complete_to_us);
        match context.lang {
            crate::domain::violation::Lang::Zh => {
                format!("{} 数据完整至 {until}（存证 #{}）", feed.name(), answer.evidence_index)
            }
            crate::domain::violation::Lang::En => {
                format!("{} is complete to {until} (evidence entry {})", feed.name(), answer.evidence_index)
            }
        }
    })
}

/// The feed of that name.
///
/// # Errors
/// Naming those there are.
pub(super) fn feed_named(name: &str) -> Result<Feed, Failure> {
    Feed::parse(name).ok_or_else(|| {
        let known = Feed::ALL.map(Feed::name).join(", ");
        Failure::usage(
            "UNKNOWN_FEED",
            format!("没有名为“{name}”的目录；可用：{known}"),
            format!("no feed `{name}`; there are {known}"),
        )
    })
}

/// The first moment of what the text names.
///
/// # Errors
/// When it names none.
pub(super) fn first_moment(text: &str, context: &Context) -> Result<i64, Failure> {
    first_moment_in(text, context.world.clock.now()).map_err(|error| {
        let text = error.text();
        Failure::usage("NOT_A_MOMENT", text.zh, text.en)
    })
}

/// The last moment of what the text names.
///
/// # Errors
/// When it names none.
pub(super) fn moment(text: &str, context: &Context) -> Result<i64, Failure> {
    latest_moment_in(text, context.world.clock.now()).map_err(|error| {
        let text = error.text();
        Failure::usage("NOT_A_MOMENT", text.zh, text.en)
    })
}
