//! `tongbao subscriptions`: what our participant subscribes to, with state and lag.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Context, Failure,
    connect::connect,
    output::{json_of, show_moment, table},
};
use crate::{
    client::{ClientError, Feeds},
    domain::violation::Lang,
    proto::{Filter, ListSubscriptionsRequest, PauseReason, Subscription},
};

/// Most subscriptions asked for at once.
const PAGE: u32 = 1_000;

/// 订阅一览、查看与删除 · List, show and delete subscriptions.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tongbao subscriptions list
  tongbao subscriptions show customs-risk --json
  tongbao subscriptions delete customs-risk --yes
      Its place in the ledger and its dead letters are gone for good.")]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// 列出全部订阅 · List all of our participant.
    List,
    /// 查看一个订阅 · Show one, with settings and state.
    Show {
        /// Name of the subscription.
        name: String,
    },
    /// 删除订阅及其死信 · Delete one with its dead letters.
    Delete {
        /// Name of the subscription.
        name: String,
        /// Yes, delete it.
        #[arg(long)]
        yes: bool,
    },
}

/// Runs it.
///
/// # Errors
/// When the gateway refuses or is not reached, or a deletion is not confirmed.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let (connection, context) = connect(context)?;
    let feeds = Feeds::new(&connection);
    match arguments.what {
        What::List => {
            let all = all(&feeds).await?;
            let value: Vec<_> = all.iter().map(|one| json_of("Subscription", one)).collect();
            context.answer(&value, || list(&all, &context))
        }
        What::Show { name } => {
            let one = feeds.subscription(&name).await?;
            context.answer(&json_of("Subscription", &one), || show(&one, &context))
        }
        What::Delete { name, yes } => {
            if !yes {
                return Err(Failure::usage(
                    "NOT_CONFIRMED",
                    format!("将永久删除订阅“{name}”的进度与死信；确认请加 --yes"),
                    format!("this deletes the place and the dead letters of `{name}` for good; say --yes"),
                ));
            }
            feeds.delete(&name).await?;
            context.answer(&json!({ "deleted": name }), || format!("{} {name}", context.say("已删除", "deleted")))
        }
    }
}

async fn all(feeds: &Feeds) -> Result<Vec<Subscription>, ClientError> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = feeds.subscriptions(ListSubscriptionsRequest { page_size: PAGE, page_token }).await?;
        all.extend(page.subscriptions);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

fn list(all: &[Subscription], context: &Context) -> String {
    if all.is_empty() {
        return context.say("没有订阅", "no subscriptions").to_owned();
    }
    let head = [
        context.say("名称", "name"),
        context.say("范围", "filter"),
        context.say("未读", "lag"),
        context.say("在途", "in flight"),
        context.say("待重试", "retrying"),
        context.say("死信", "dead letters"),
        context.say("状态", "state"),
    ];
    let rows = all.iter().map(|one| {
        let status = one.status.unwrap_or_default();
        [
            one.name.clone(),
            filter(one.settings.as_ref().and_then(|settings| settings.filter.as_ref()), context),
            status.lag.to_string(),
            status.in_flight.to_string(),
            status.retrying.to_string(),
            status.dead_letters.to_string(),
            pause(status.pause_reason(), context.lang).to_owned(),
        ]
    });
    table(head, rows)
}

fn show(one: &Subscription, context: &Context) -> String {
    let status = one.status.unwrap_or_default();
    let settings = one.settings.clone().unwrap_or_default();
    let mut text = String::new();
    let mut line = |zh: &str, en: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "{}: {value}", context.say(zh, en));
    };
    line("名称", "name", &one.name);
    line("创建于", "created", &show_moment(one.created_at_us));
    line("范围", "filter", &filter(settings.filter.as_ref(), context));
    line("状态", "state", &pause(status.pause_reason(), context.lang));
    line("账本位置", "head", &status.head);
    line("已读至", "read to", &status.scanned);
    line("已结至", "settled to", &status.floor);
    line("在途", "in flight", &status.in_flight);
    line("待重试", "retrying", &status.retrying);
    line("死信", "dead letters", &status.dead_letters);
    line("受阻企业", "blocked enterprises", &status.blocked_enterprises);
    line("租约秒数", "lease, seconds", &settings.lease_seconds);
    line("最多尝试", "attempts at most", &settings.max_attempts);
    text
}

fn filter(filter: Option<&Filter>, context: &Context) -> String {
    let Some(filter) = filter else { return context.say("全部", "everything granted").to_owned() };
    let Value::Object(fields) = json_of("Filter", filter) else { return String::new() };
    let said: Vec<_> = fields
        .iter()
        .filter_map(|(name, values)| {
            let values: Vec<_> = values.as_array()?.iter().map(|value| value.as_str().unwrap_or_default()).collect();
            (!values.is_empty()).then(|| format!("{name}={}", values.join(",")))
        })
        .collect();
    if said.is_empty() { context.say("全部", "everything granted").to_owned() } else { said.join(" ") }
}

/// Why nothing is being delivered, in words.
pub(super) fn pause(reason: PauseReason, lang: Lang) -> &'static str {
    let (zh, en) = match reason {
        PauseReason::Unspecified => ("投递中", "delivering"),
        PauseReason::Window => ("消费端窗口已满", "the consumer's window is full"),
        PauseReason::MaxInFlight => ("在途数已达上限", "max_in_flight is reached"),
        PauseReason::MaxSpan => ("跨度已达上限：有较早的投递未了结", "max_span is reached: an early delivery is not settled"),
        PauseReason::KeyBlocked => ("其余均等待受阻企业", "all that is left waits for a blocked enterprise"),
        PauseReason::Paused => ("已由管理员暂停", "paused by an operator"),
        PauseReason::CircuitOpen => ("连续失败过多，已熔断", "too many failures in a row"),
        PauseReason::NotPermitted => ("没有授权或授权已过期", "the grant is missing or has lapsed"),
        PauseReason::NoConsumer => ("没有消费端", "nobody is attached"),
    };
    match lang {
        Lang::Zh => zh,
        Lang::En => en,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Global;

    #[test]
    fn a_filter_is_shown_by_its_lists() {
        let context = Context { lang: Lang::En, ..Context::new(Global::default()) };
        assert_eq!(filter(None, &context), "everything granted");
        assert_eq!(filter(Some(&Filter::default()), &context), "everything granted");
        let some = Filter {
            feeds: vec!["failed-products".into()],
            region_prefixes: vec!["33".into(), "44".into()],
            ..Filter::default()
        };
        let shown = filter(Some(&some), &context);
        assert!(shown.contains("feeds=failed-products") && shown.contains("region_prefixes=33,44"), "{shown}");
    }
}
