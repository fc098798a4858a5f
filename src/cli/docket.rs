//! `tongbao docket`: what waits for whom, and until when.

use clap::Args;
use serde_json::{Value, json};

use super::{
    Context, Failure,
    connect::connect,
    output::{json_of, show_moment, table},
};
use crate::{
    client::Docket,
    domain::{dates::CivilDate, docket::Duty, records::Token as _, violation::Lang},
    proto::{self, DocketEntry, ListDocketRequest},
};

/// Entries asked for at once.
const PAGE: u32 = 500;

const EXAMPLES: &str = "\
Examples:
  tongbao docket --overdue
      What should have been done by now.
  tongbao docket --of amr-330000
      What one participant has to do.
  tongbao docket --duty hold --json
      What customs hold and have neither released nor returned, with its age.

Duties follow from records: to be rid of one, publish the disposition, answer or action that it waits for.";

/// 待办与逾期事项 · What waits for somebody, and what is overdue.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Only what is overdue.
    #[arg(long)]
    overdue: bool,
    /// Only this duty: objection, rectify, recheck, second_recheck, sealing, seizure, stated, doubt_answer, notice_acknowledgement,
    /// hold …
    #[arg(long, value_name = "DUTY", value_parser = duty)]
    duty: Option<Duty>,
    /// Only what this participant has to do.
    #[arg(long, value_name = "PARTICIPANT", default_value = "")]
    of: String,
    /// Most entries.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
}

impl Arguments {
    /// All of one duty.
    pub(super) fn of_duty(duty: Duty, overdue: bool) -> Self {
        Self { overdue, duty: Some(duty), of: String::new(), limit: 1000 }
    }
}

fn duty(token: &str) -> Result<Duty, String> {
    let known = || Duty::ALL.iter().map(|duty| duty.token()).collect::<Vec<_>>().join(", ");
    Duty::parse(token).ok_or_else(|| format!("there are {}", known()))
}

/// Runs it.
///
/// # Errors
/// When the arguments are wrong, or the gateway refuses or is not reached.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let (connection, context) = connect(context)?;
    let docket = Docket::new(&connection);
    let mut request = ListDocketRequest {
        duty: arguments.duty.map(|duty| duty.token().to_owned()).unwrap_or_default(),
        answerable: arguments.of,
        overdue: arguments.overdue,
        page_size: PAGE,
        page_token: String::new(),
    };
    let mut entries: Vec<DocketEntry> = Vec::new();
    let position = loop {
        let page = docket.list(request.clone()).await?;
        entries.extend(page.entries);
        if page.next_page_token.is_empty() || entries.len() >= arguments.limit {
            break page.position;
        }
        request.page_token = page.next_page_token;
    };
    entries.truncate(arguments.limit);
    let today = CivilDate::of_instant(context.world.clock.now());
    let answer = json!({
        "position": position,
        "entries": entries.iter().map(|entry| json(entry, today)).collect::<Vec<_>>(),
    });
    context.answer(&answer, || text(&entries, position, today, context.lang))
}

fn civil(date: Option<&proto::CivilDate>) -> Option<CivilDate> {
    date.and_then(|date| CivilDate::of_parts(date.year, date.month, date.day))
}

/// Days since a duty began.
fn age(entry: &DocketEntry, today: CivilDate) -> i64 {
    civil(entry.since.as_ref()).map_or(0, |since| (today.first_day() - since.first_day()).whole_days())
}

fn json(entry: &DocketEntry, today: CivilDate) -> Value {
    let mut value = json_of("DocketEntry", entry);
    value["age_days"] = age(entry, today).into();
    value
}

fn text(entries: &[DocketEntry], position: u64, today: CivilDate, lang: Lang) -> String {
    if entries.is_empty() {
        return match lang {
            Lang::Zh => format!("没有符合条件的待办事项（已计入台账至 {position}）"),
            Lang::En => format!("nothing of that sort waits (the ledger is taken in up to {position})"),
        };
    }
    let head = match lang {
        Lang::Zh => ["事项", "记录", "承办", "起算", "期限", "已历天数", "逾期提示"],
        Lang::En => ["duty", "record", "whose", "since", "due", "days", "overdue since"],
    };
    let day = |date: Option<&proto::CivilDate>| civil(date).map_or_else(|| "—".to_owned(), |day| day.to_string());
    let rows = entries.iter().map(|entry| {
        let duty = match lang {
            Lang::Zh => &entry.duty_zh,
            Lang::En => &entry.duty,
        };
        let detail = if entry.detail.is_empty() { String::new() } else { format!(" ({})", entry.detail) };
        let guess = if entry.estimated { " ≈" } else { "" };
        [
            format!("{duty}{detail}"),
            entry.record_id.clone(),
            entry.answerable.clone(),
            day(entry.since.as_ref()),
            format!("{}{guess}", day(entry.due_on.as_ref())),
            age(entry, today).to_string(),
            if entry.raised_at_us == 0 { String::new() } else { show_moment(entry.raised_at_us) },
        ]
    });
    let mut text = table(head, rows);
    if entries.iter().any(|entry| entry.estimated) {
        text.push_str(match lang {
            Lang::Zh => "\n≈ 网关没有相应年度的节假日安排，仅扣除周末计算",
            Lang::En => "\n≈ the gateway knows no holidays of a year on the way: weekends alone were counted",
        });
    }
    text
}
