//! `tongbao stats`: what was sampled of what is produced, what failed, how long it took, what is overdue.

use std::fmt::Write as _;

use clap::Args;

use super::{
    Context, Failure,
    connect::connect,
    output::{json_of, table},
};
use crate::{
    client::Docket,
    domain::{regions::Region, violation::Lang},
    proto::{GetStatisticsRequest, GetStatisticsResponse},
};

/// 统计：抽查、覆盖、不合格率、用时、逾期 · Statistics: sampling, coverage, failure rates, times, what is overdue.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tongbao stats
  tongbao stats --json

Numbers below 5 are withheld (shown as <5) from participants without the right to restricted sections.")]
pub struct Arguments {}

/// Runs it.
///
/// # Errors
/// When the gateway refuses or is not reached.
pub async fn run(_: Arguments, context: &Context) -> Result<(), Failure> {
    let (connection, context) = connect(context)?;
    let answer = Docket::new(&connection).statistics(GetStatisticsRequest {}).await?;
    context.answer(&json_of("GetStatisticsResponse", &answer), || text(&answer, &context))
}

fn told(number: Option<u64>) -> String {
    number.map_or_else(|| "<5".to_owned(), |number| number.to_string())
}

/// With its denominator, or not at all.
fn rate(part: Option<u64>, whole: Option<u64>) -> String {
    match (part, whole) {
        (Some(part), Some(whole)) if whole > 0 => format!("{:.1} % ({part}/{whole})", part as f64 * 100.0 / whole as f64),
        _ => "—".to_owned(),
    }
}

fn region(code: &str, lang: Lang) -> String {
    let name = Region::parse(code).and_then(Region::name_zh).filter(|_| lang == Lang::Zh);
    name.map_or_else(|| code.to_owned(), str::to_owned)
}

fn text(answer: &GetStatisticsResponse, context: &Context) -> String {
    let mut text = String::new();
    let (place, kind) = (context.say("地区", "region"), context.say("产品", "product"));
    let head = [
        place,
        kind,
        context.say("领域", "field"),
        context.say("抽样批次", "sampled"),
        context.say("不合格", "failed"),
        context.say("不合格率", "rate"),
    ];
    let rows = answer.sampling.iter().map(|cell| {
        let place = region(&cell.region, context.lang);
        [
            place,
            cell.product_kind.clone(),
            cell.field.clone(),
            told(cell.sampled),
            told(cell.failed),
            rate(cell.failed, cell.sampled),
        ]
    });
    let _ = writeln!(text, "{}", table(head, rows));
    let head = [
        place,
        kind,
        context.say("摸底企业", "surveyed"),
        context.say("抽到企业", "producers sampled"),
        context.say("覆盖率", "coverage"),
    ];
    let rows = answer.coverage.iter().map(|cell| {
        let place = region(&cell.region, context.lang);
        [place, cell.product_kind.clone(), told(cell.surveyed), told(cell.sampled), rate(cell.sampled, cell.surveyed)]
    });
    let _ = writeln!(text, "{}", table(head, rows));
    let head = [context.say("环节", "span"), context.say("件数", "measured"), context.say("平均天数", "mean days")];
    let rows = answer.spans.iter().map(|span| {
        let mean = if span.measured == 0 { 0.0 } else { span.days as f64 / span.measured as f64 };
        [span.span.clone(), span.measured.to_string(), format!("{mean:.1}")]
    });
    let _ = writeln!(text, "{}", table(head, rows));
    let head = [context.say("复检复查结果", "outcome of re-tests and rechecks"), context.say("件数", "count")];
    let rows = answer.outcomes.iter().map(|outcome| [outcome.outcome.clone(), told(outcome.count)]);
    let _ = writeln!(text, "{}", table(head, rows));
    let head = [
        context.say("待办", "duty"),
        context.say("未了", "open"),
        context.say("逾期", "overdue"),
        context.say("最早起算", "oldest since"),
    ];
    let rows = answer
        .duties
        .iter()
        .map(|duty| [duty.duty.clone(), duty.open.to_string(), duty.overdue.to_string(), duty.oldest.clone()]);
    let _ = writeln!(text, "{}", table(head, rows));
    let _ = write!(
        text,
        "{} {} · {} #{}",
        context.say("截至位置", "as of position"),
        answer.position,
        context.say("存证", "evidence entry"),
        answer.evidence_index
    );
    text
}
