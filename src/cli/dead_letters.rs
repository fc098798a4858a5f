//! `tongbao dead-letters`: deliveries given up, kept with their history until redriven or discarded.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Context, Failure,
    connect::connect,
    output::{json_of, show_moment, table},
};
use crate::{
    client::{ClientError, Feeds},
    proto::{DeadLetter, DeadLetterSelector, DiscardDeadLettersRequest, ListDeadLettersRequest, RedriveDeadLettersRequest},
};

/// Most dead letters asked for at once.
const PAGE: u32 = 1_000;

/// 死信：查看、重投、丢弃 · Dead letters: list, redrive, discard.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tongbao dead-letters list customs-risk
  tongbao dead-letters redrive customs-risk --reason SCHEMA_MISMATCH --dry-run
  tongbao dead-letters redrive customs-risk --all
  tongbao dead-letters discard customs-risk --position 1042 --why \"superseded by r3\"")]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// 列出死信及其经过 · List them with their history.
    List {
        /// Name of the subscription.
        subscription: String,
        #[command(flatten)]
        which: Which,
    },
    /// 重新投递 · Put them back into delivery.
    Redrive {
        /// Name of the subscription.
        subscription: String,
        #[command(flatten)]
        which: Which,
        /// Only count them.
        #[arg(long)]
        dry_run: bool,
    },
    /// 永久丢弃 · Discard them for good.
    Discard {
        /// Name of the subscription.
        subscription: String,
        #[command(flatten)]
        which: Which,
        /// Why, at most 500 characters. It is kept in the evidence log as a commitment.
        #[arg(long, value_name = "TEXT")]
        why: String,
        /// Only count them.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Which dead letters; every given flag must match.
#[derive(Debug, Default, Args)]
struct Which {
    /// At this position; may be repeated.
    #[arg(long = "position", value_name = "POSITION")]
    positions: Vec<u64>,
    /// Given up for this reason.
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Of this enterprise.
    #[arg(long = "code", value_name = "CREDIT_CODE")]
    credit_code: Option<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
}

impl Which {
    fn selector(self) -> DeadLetterSelector {
        DeadLetterSelector {
            positions: self.positions,
            reason: self.reason.unwrap_or_default(),
            credit_code: self.credit_code.unwrap_or_default(),
            all: self.all,
        }
    }

    /// Redriving and discarding need a choice: forgetting a flag must not touch them all.
    fn chosen(self) -> Result<DeadLetterSelector, Failure> {
        let selector = self.selector();
        if selector == DeadLetterSelector::default() {
            return Err(Failure::usage(
                "NOTHING_SELECTED",
                "请指明哪些死信：--position、--reason、--code，或 --all",
                "say which: --position, --reason, --code, or --all",
            ));
        }
        Ok(selector)
    }
}

/// Runs it.
///
/// # Errors
/// When nothing is selected, or the gateway refuses or is not reached.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    match arguments.what {
        What::List { subscription, which } => {
            let (connection, context) = connect(context)?;
            let all = all(&Feeds::new(&connection), &subscription, &which.selector()).await?;
            let value: Vec<_> = all.iter().map(|one| json_of("DeadLetter", one)).collect();
            context.answer(&value, || list(&all, &context))
        }
        What::Redrive { subscription, which, dry_run } => {
            let selector = Some(which.chosen()?);
            let (connection, context) = connect(context)?;
            let request = RedriveDeadLettersRequest { subscription, selector, dry_run };
            let count = Feeds::new(&connection).redrive(request).await?.redriven;
            counted(count, "redriven", context.say("重新投递", "redriven"), dry_run, &context)
        }
        What::Discard { subscription, which, why, dry_run } => {
            let selector = Some(which.chosen()?);
            let (connection, context) = connect(context)?;
            let request = DiscardDeadLettersRequest { subscription, selector, reason: why, dry_run };
            let count = Feeds::new(&connection).discard(request).await?.discarded;
            counted(count, "discarded", context.say("丢弃", "discarded"), dry_run, &context)
        }
    }
}

fn counted(count: u64, key: &str, word: &str, dry_run: bool, context: &Context) -> Result<(), Failure> {
    context.answer(&json!({ key: count, "dry_run": dry_run }), || {
        let would = if dry_run { context.say("（试算，未改动）", " (dry run: nothing was changed)") } else { "" };
        format!("{word}: {count}{would}")
    })
}

async fn all(feeds: &Feeds, subscription: &str, selector: &DeadLetterSelector) -> Result<Vec<DeadLetter>, ClientError> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    let given = (*selector != DeadLetterSelector::default()).then(|| selector.clone());
    loop {
        let request = ListDeadLettersRequest {
            subscription: subscription.to_owned(),
            selector: given.clone(),
            page_size: PAGE,
            page_token,
        };
        let page = feeds.dead_letters(request).await?;
        all.extend(page.dead_letters);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

fn list(all: &[DeadLetter], context: &Context) -> String {
    if all.is_empty() {
        return context.say("没有死信", "no dead letters").to_owned();
    }
    let head = [
        context.say("位置", "position"),
        context.say("记录", "record"),
        context.say("企业", "enterprise"),
        context.say("原因", "reason"),
        context.say("时间", "died"),
        context.say("经过", "history"),
    ];
    let rows = all.iter().map(|one| {
        let history: Vec<_> =
            one.history.iter().map(|failure| format!("{}. {} {}", failure.attempt, failure.reason, failure.consumer)).collect();
        [
            one.position.to_string(),
            format!("{} r{}", one.record_id, one.revision),
            one.enterprise.clone(),
            one.reason.clone(),
            show_moment(one.died_at_us),
            history.join("\n"),
        ]
    });
    table(head, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_touched_without_a_choice() {
        assert_eq!(Which::default().chosen().expect_err("nothing selected").reason, "NOTHING_SELECTED");
        assert!(Which { all: true, ..Which::default() }.chosen().is_ok());
        let one = Which { positions: vec![4], ..Which::default() }.chosen().expect("selected");
        assert_eq!((one.positions, one.all), (vec![4], false));
    }
}
