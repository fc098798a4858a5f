//! `tongbao subscriptions`: what our participant subscribes to, with state and lag; pausing, seeking, changing, deleting.

mod seek;
mod update;

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::{
    seek::{Place, show_cursor},
    update::Changes,
};
use super::{
    Context, Failure,
    connect::connect,
    output::{json_of, show_moment, table},
};
use crate::{
    client::{ClientError, Feeds},
    domain::violation::Lang,
    proto::{
        Backlog, BlockCause, Filter, ListSubscriptionsRequest, OldestUnsettled, PauseReason, SeekResponse, Subscription,
        UpdateSubscriptionRequest,
    },
};

/// Most subscriptions asked for at once.
const PAGE: u32 = 1_000;

/// 订阅：一览、查看、暂停、定位、更改与删除 · List, show, pause, move, change and delete subscriptions.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tongbao subscriptions list
  tongbao subscriptions show customs-risk --json
  tongbao subscriptions pause customs-risk --reason \"database migration\"
  tongbao subscriptions resume customs-risk
      Also closes a circuit that failures have opened.
  tongbao subscriptions seek customs-risk --time 2020-05-15 --yes
      Sends again what was settled since. Dead letters stay where they are.
  tongbao subscriptions update customs-risk --region 33 --region 44 --max-attempts 5
      What is passed is not sent again: seek for that.
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
    /// 暂停投递，直至恢复 · Pause delivery until it is resumed.
    Pause {
        /// Name of the subscription.
        name: String,
        /// Why, at most 500 characters. It is kept in the evidence log as a commitment.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// 恢复投递，并解除熔断 · Let delivery go on, and close an open circuit.
    Resume {
        /// Name of the subscription.
        name: String,
        /// Why, at most 500 characters. It is kept in the evidence log as a commitment.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// 定位：从别处开始投递 · Move its place: deliver from elsewhere on.
    Seek {
        /// Name of the subscription.
        name: String,
        #[command(flatten)]
        place: Place,
        /// Yes: what waits for a retry is forgotten, what is out is taken back.
        #[arg(long)]
        yes: bool,
        /// Why, at most 500 characters. It is kept in the evidence log as a commitment.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// 更改设置 · Change its settings.
    Update {
        /// Name of the subscription.
        name: String,
        #[command(flatten)]
        changes: Box<Changes>,
        /// Revision of the settings that the change was made for, as `show` prints it; without it the one that stands now.
        #[arg(long, value_name = "N")]
        revision: Option<u64>,
        /// Why, at most 500 characters. It is kept in the evidence log as a commitment.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
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
        What::Pause { name, reason } => {
            let one = feeds.pause(&name, &reason).await?;
            context.answer(&json_of("Subscription", &one), || show(&one, &context))
        }
        What::Resume { name, reason } => {
            let one = feeds.resume(&name, &reason).await?;
            context.answer(&json_of("Subscription", &one), || show(&one, &context))
        }
        What::Seek { name, place, yes, reason } => {
            if !yes {
                return Err(not_confirmed(&name));
            }
            let to = place.target(&feeds.subscription(&name).await?, &context)?;
            let sought = feeds.seek(&name, to, &reason).await?;
            context.answer(&json_of("SeekResponse", &sought), || moved(&sought, &context))
        }
        What::Update { name, changes, revision, reason } => {
            let standing = feeds.subscription(&name).await?;
            let mut settings = standing.settings.unwrap_or_default();
            changes.apply(&mut settings)?;
            let settings_revision = revision.unwrap_or(standing.settings_revision);
            let request = UpdateSubscriptionRequest { name, settings: Some(settings), settings_revision, reason };
            let one = feeds.update(request).await?;
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

fn not_confirmed(name: &str) -> Failure {
    Failure::usage(
        "NOT_CONFIRMED",
        format!("将移动订阅“{name}”的位置：在途投递收回，待重试的作废，已确认的可能再次投递；确认请加 --yes"),
        format!(
            "this moves the place of `{name}`: what is out is taken back, what waits for a retry is forgotten, what was settled may come again; say --yes"
        ),
    )
}

fn moved(sought: &SeekResponse, context: &Context) -> String {
    let SeekResponse { from_floor, to_floor, snapshot_at, .. } = sought;
    let snapshot = match snapshot_at {
        0 => String::new(),
        at => format!("{}{at}", context.say("，快照于 ", ", snapshot at ")),
    };
    format!("{} {from_floor} → {to_floor}{snapshot}", context.say("已定位，已结位置", "moved, passed up to"))
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
        context.say("待投递", "undelivered"),
        context.say("最早未了结", "oldest"),
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
            backlog(status.undelivered.unwrap_or_default(), context),
            status.oldest_unsettled.map(|oldest| age(&oldest, context)).unwrap_or_default(),
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
    line("待投递", "undelivered", &backlog(status.undelivered.unwrap_or_default(), context));
    if let Some(oldest) = status.oldest_unsettled {
        let value = format!("{} ({} {})", age(&oldest, context), context.say("位置", "position"), oldest.position);
        line("最早未了结", "oldest unsettled", &value);
    }
    line("在途", "in flight", &status.in_flight);
    line("跨度", "span", &format!("{} / {}", status.span, settings.max_span));
    line("待重试", "retrying", &status.retrying);
    let since = show_moment(status.counted_since_us);
    line("重试次数", "retries", &format!("{} ({} {since})", status.retries, context.say("自", "since")));
    line("租约过期", "expired leases", &format!("{} ({} {since})", status.expired_leases, context.say("自", "since")));
    line("未获授权而略过", "withheld", &format!("{} ({} {since})", status.withheld, context.say("自", "since")));
    for withheld in &one.withheld {
        line("  位置", "  positions", &format!("{}-{}", withheld.first, withheld.last));
    }
    line("死信", "dead letters", &status.dead_letters);
    for letters in &one.dead_letters_by_reason {
        line("  原因", "  reason", &format!("{} × {}", letters.count, letters.reason));
    }
    line("受阻企业", "blocked enterprises", &status.blocked_enterprises);
    for blocked in &one.blocked {
        let (since, by) = (show_moment(blocked.since_us), blocked.blocked_by);
        let value = format!("{} ({}, {by}, {since})", blocked.enterprise, cause(blocked.cause(), context.lang));
        line("  企业", "  enterprise", &value);
    }
    let complete =
        if status.complete_to_us > 0 { show_moment(status.complete_to_us) } else { context.say("未知", "unknown").to_owned() };
    line("已声明完整至", "attested complete to", &complete);
    line("租约秒数", "lease, seconds", &settings.lease_seconds);
    line("最多尝试", "attempts at most", &settings.max_attempts);
    line("设置版本", "revision of the settings", &one.settings_revision);
    if one.paused_since_us > 0 {
        line("暂停于", "paused since", &show_moment(one.paused_since_us));
    }
    if let Some(place) = &one.place {
        line("游标", "cursor", &show_cursor(place));
    }
    text
}

/// A number that may be known by its bounds alone.
fn backlog(backlog: Backlog, context: &Context) -> String {
    match (backlog.exact, backlog.at_least) {
        (true, _) => backlog.at_most.to_string(),
        (false, 0) => format!("{} {}", context.say("至多", "at most"), backlog.at_most),
        (false, least) => format!("{least} {} {}", context.say("至", "to"), backlog.at_most),
    }
}

/// How long ago the oldest was committed, in its two largest units.
fn age(oldest: &OldestUnsettled, context: &Context) -> String {
    if oldest.committed_at_us == 0 {
        return context.say("未知", "unknown").to_owned();
    }
    let seconds = oldest.age_seconds;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let (d, h, m, s) = (context.say("天", "d"), context.say("时", "h"), context.say("分", "min"), context.say("秒", "s"));
    let text = match seconds {
        86_400.. => format!("{days} {d} {hours} {h}"),
        3_600.. => format!("{hours} {h} {minutes} {m}"),
        60.. => format!("{minutes} {m} {} {s}", seconds % 60),
        _ => format!("{seconds} {s}"),
    };
    if oldest.exact { text } else { format!("≤ {text}") }
}

/// What an enterprise waits for, in words.
fn cause(cause: BlockCause, lang: Lang) -> &'static str {
    let (zh, en) = match cause {
        BlockCause::Unspecified => ("正在补投", "catching up"),
        BlockCause::Retry => ("等待重试", "waits for another attempt"),
        BlockCause::DeadLetter => ("等待处理死信", "waits for a dead letter"),
    };
    match lang {
        Lang::Zh => zh,
        Lang::En => en,
    }
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
    fn a_backlog_says_what_is_not_known() {
        let context = Context { lang: Lang::En, ..Context::new(Global::default()) };
        let of = |at_least, at_most| backlog(Backlog { at_least, at_most, exact: at_least == at_most }, &context);
        assert_eq!((of(0, 0), of(0, 9), of(3, 9)), ("0".into(), "at most 9".into(), "3 to 9".into()));
    }

    #[test]
    fn an_age_has_its_two_largest_units() {
        let context = Context { lang: Lang::En, ..Context::new(Global::default()) };
        let of = |age_seconds, exact| age(&OldestUnsettled { position: 1, exact, committed_at_us: 1, age_seconds }, &context);
        assert_eq!(of(59, true), "59 s");
        assert_eq!(of(61, true), "1 min 1 s");
        assert_eq!(of(7_260, true), "2 h 1 min");
        assert_eq!(of(90_000, false), "≤ 1 d 1 h");
        assert_eq!(age(&OldestUnsettled::default(), &context), "unknown");
    }

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
