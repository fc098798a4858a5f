//! `tongbao dead-letters`: deliveries given up, kept with their history until redriven or discarded.

mod run;
mod show;
mod which;

use clap::{Args, Subcommand};

use self::{
    run::How,
    which::{Selection, Which},
};
use super::{Context, Failure, connect::connect, output::json_of};
use crate::{
    client::{ClientError, Feeds},
    proto::{
        DeadLetter, DeadLetterSelector, DiscardDeadLettersRequest, ListDeadLettersRequest, PositionSpan,
        RedriveDeadLettersRequest,
    },
};

/// Most dead letters asked for at once.
const PAGE: u32 = 1_000;

/// 死信：一览、查看、重投、丢弃 · Dead letters: list, show, redrive, discard.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tongbao dead-letters list customs-risk --reason SCHEMA_MISMATCH
  tongbao dead-letters show customs-risk 1042
      Every attempt: when it was sent, how and why it ended, and who had it.
  tongbao dead-letters redrive customs-risk --died-from 2020-05-15 --died-to 2020-05-16 --dry-run
      Only counts them by reason and shows the first.
  tongbao dead-letters redrive customs-risk --all --request-id outage-2020-05-15
      In chunks of 500, each durable. Broken off, the same command goes on where it was.
  tongbao dead-letters discard customs-risk --position 1042 --position 1100-1200 --why \"superseded\"")]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// 列出死信 · List them, by position.
    List {
        /// Name of the subscription.
        subscription: String,
        #[command(flatten)]
        which: Which,
        /// Most that are listed.
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
        limit: u64,
    },
    /// 查看一条死信的全部经过 · Show one with its whole history.
    Show {
        /// Name of the subscription.
        subscription: String,
        /// Its position.
        position: u64,
    },
    /// 重新投递 · Put them back into delivery.
    Redrive {
        /// Name of the subscription.
        subscription: String,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        how: How,
        /// Why, at most 500 characters. It is kept in the evidence log as a commitment.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        why: String,
    },
    /// 永久丢弃 · Discard them for good.
    Discard {
        /// Name of the subscription.
        subscription: String,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        how: How,
        /// Why, at most 500 characters. It is kept in the evidence log as a commitment.
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
}

/// Runs it.
///
/// # Errors
/// When nothing is selected, or the gateway refuses or is not reached.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    match arguments.what {
        What::List { subscription, which, limit } => {
            let selector = match which.selection(context)? {
                Selection::Nothing => None,
                Selection::Of(selector) => Some(selector),
            };
            let (connection, context) = connect(context)?;
            let (all, more) = page(&Feeds::new(&connection), &subscription, selector, limit).await?;
            let value: Vec<_> = all.iter().map(|one| json_of("DeadLetter", one)).collect();
            context.answer(&value, || show::list(&all, &context))?;
            if more {
                context.note(context.say("还有更多：加大 --limit，或缩小条件", "there are more: raise --limit, or select fewer"));
            }
            Ok(())
        }
        What::Show { subscription, position } => {
            let (connection, context) = connect(context)?;
            let ranges = vec![PositionSpan { first: position, last: position }];
            let selector = DeadLetterSelector { ranges, ..Default::default() };
            let (found, _) = page(&Feeds::new(&connection), &subscription, Some(selector), 1).await?;
            let Some(letter) = found.first() else {
                return Err(Failure::new(
                    super::Exit::Failed,
                    "NO_DEAD_LETTER",
                    format!("订阅 {subscription} 的死信中没有位置 {position}"),
                    format!("position {position} is not in the dead letters of {subscription}"),
                ));
            };
            context.answer(&json_of("DeadLetter", letter), || show::one(letter, &context))
        }
        What::Redrive { subscription, which, how, why } => {
            let selector = Some(which.chosen(context)?);
            let (connection, context) = connect(context)?;
            let request_id = how.request_id(&context);
            let request = RedriveDeadLettersRequest {
                subscription,
                selector,
                dry_run: how.dry_run,
                request_id,
                reason: why,
                limit: how.limit,
            };
            let feeds = Feeds::new(&connection);
            if how.dry_run {
                return run::preview(&feeds.preview_redrive(request).await?, &context);
            }
            run::finish(feeds.redrive(request), context.say("重新投递", "redriven"), &context).await
        }
        What::Discard { subscription, which, how, why } => {
            let selector = Some(which.chosen(context)?);
            let (connection, context) = connect(context)?;
            let request_id = how.request_id(&context);
            let request = DiscardDeadLettersRequest {
                subscription,
                selector,
                dry_run: how.dry_run,
                request_id,
                reason: why,
                limit: how.limit,
            };
            let feeds = Feeds::new(&connection);
            if how.dry_run {
                return run::preview(&feeds.preview_discard(request).await?, &context);
            }
            run::finish(feeds.discard(request), context.say("丢弃", "discarded"), &context).await
        }
    }
}

/// The first letters of a selection, and whether there are more.
async fn page(
    feeds: &Feeds,
    subscription: &str,
    selector: Option<DeadLetterSelector>,
    limit: u64,
) -> Result<(Vec<DeadLetter>, bool), ClientError> {
    let mut all: Vec<DeadLetter> = Vec::new();
    let mut page_token = String::new();
    loop {
        let left = limit - all.len() as u64;
        let request = ListDeadLettersRequest {
            subscription: subscription.to_owned(),
            selector: selector.clone(),
            page_size: u32::try_from(left).unwrap_or(PAGE).min(PAGE),
            page_token,
        };
        let page = feeds.dead_letters(request).await?;
        all.extend(page.dead_letters);
        page_token = page.next_page_token;
        if page_token.is_empty() || all.len() as u64 >= limit {
            return Ok((all, !page_token.is_empty()));
        }
    }
}
