//! `tongbao admin resolve`: producers named without a code, and the operator's decision on them.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    cli::{
        Context, Failure,
        connect::connect,
        output::{json_of, show_moment, table},
        pull::{as_of, basis_line},
    },
    client::Administration,
    domain::violation::Lang,
    proto::{
        DecideProducerRequest, DecisionEvent, GetProducerRequest, GetProducerResponse, ListUnresolvedRequest, UnresolvedProducer,
        decide_producer_request::Decision,
    },
};

const EXAMPLES: &str = "\
Examples:
  tongbao admin resolve list --region 33
  tongbao admin resolve show amr-330000/2020-2/17
  tongbao admin resolve decide amr-330000/2020-2/17 --code 91330600PDY00001XP --reason '电话核实'
  tongbao admin resolve decide amr-330000/2020-2/17 --none --reason '登记机关查无此名称'
  tongbao admin resolve revoke amr-330000/2020-2/17 --reason '认定有误'

The profile names the operator's token (role operate). A decision is a record: who receives the nonconformity receives it, answers
about earlier positions do not change, and it can be replaced or revoked; all that was decided stays in the ledger.";

/// Purpose stated where none is given: deciding is the duty itself.
const PURPOSE: &str = "认定生产者 resolving producers";

/// What to do.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// 待认定一览 · List what waits for a decision, with the enterprises it may be.
    List(List),
    /// 查看一条及其历次认定 · Show one, and everything that was decided about it.
    Show(Show),
    /// 认定 · Decide who the producer is, or replace the decision that stands.
    Decide(Decide),
    /// 撤销认定 · Revoke the decision that stands: what was found at publish counts again.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
struct List {
    /// Prefix of the region code of the producer, else of the publisher.
    #[arg(long, value_name = "PREFIX", default_value = "")]
    region: String,
    /// Those too that a decision has settled.
    #[arg(long)]
    all: bool,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// As of a ledger position or time.
    #[arg(long, value_name = "POSITION|TIME")]
    as_of: Option<String>,
    /// Purpose of the reading.
    #[arg(long, default_value = PURPOSE)]
    purpose: String,
}

#[derive(Debug, Args)]
struct Show {
    /// Record id of the nonconformity.
    #[arg(value_name = "RECORD")]
    record: String,
    /// As of a ledger position or time.
    #[arg(long, value_name = "POSITION|TIME")]
    as_of: Option<String>,
    /// Purpose of the reading.
    #[arg(long, default_value = PURPOSE)]
    purpose: String,
}

#[derive(Debug, Args)]
struct Decide {
    /// Record id of the nonconformity.
    #[arg(value_name = "RECORD")]
    record: String,
    /// The producer is the enterprise of this credit code.
    #[arg(long, value_name = "CODE", required_unless_present = "none", conflicts_with = "none")]
    code: Option<String>,
    /// It is none that is known: the name stays a name.
    #[arg(long)]
    none: bool,
    /// Why. Recipients of the record read it.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Position of the decision that it replaces; by default the one that stands when the command asks.
    #[arg(long, value_name = "POSITION")]
    seen: Option<u64>,
}

#[derive(Debug, Args)]
struct Revoke {
    /// Record id of the nonconformity.
    #[arg(value_name = "RECORD")]
    record: String,
    /// Why. Recipients of the record read it.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Position of the decision that is revoked; by default the one that stands when the command asks.
    #[arg(long, value_name = "POSITION")]
    seen: Option<u64>,
}

/// Runs it.
///
/// # Errors
/// When the gateway refuses or is not reached.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    match arguments.action {
        Action::List(arguments) => list(arguments, context).await,
        Action::Show(arguments) => show(arguments, context).await,
        Action::Decide(arguments) => {
            let decision = match arguments.code {
                Some(code) => Decision::CreditCode(code),
                None => Decision::None(true),
            };
            decide(arguments.record, decision, arguments.reason, arguments.seen, context).await
        }
        Action::Revoke(arguments) => {
            decide(arguments.record, Decision::Revoke(true), arguments.reason, arguments.seen, context).await
        }
    }
}

async fn list(arguments: List, context: &Context) -> Result<(), Failure> {
    let mut as_of = arguments.as_of.as_deref().map(|text| as_of(text, context)).transpose()?;
    let (connection, context) = connect(context)?;
    let desk = Administration::new(&connection);
    let (mut producers, mut token, mut basis, mut more) = (Vec::new(), String::new(), None, false);
    loop {
        let room = arguments.limit.saturating_sub(producers.len());
        if room == 0 {
            more = !token.is_empty();
            break;
        }
        let request = ListUnresolvedRequest {
            region_prefix: arguments.region.clone(),
            include_decided: arguments.all,
            as_of: as_of.take(),
            page_size: u32::try_from(room.min(100)).unwrap_or(100),
            page_token: std::mem::take(&mut token),
            purpose: arguments.purpose.clone(),
            ..ListUnresolvedRequest::default()
        };
        let page = desk.unresolved(request).await?;
        producers.extend(page.producers);
        basis = basis.or(page.basis);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let basis = basis.unwrap_or_default();
    let value = json!({
        "producers": producers.iter().map(|one| json_of("UnresolvedProducer", one)).collect::<Vec<_>>(),
        "more": more,
        "basis": json_of("AnswerBasis", &basis),
    });
    context.answer(&value, || {
        let mut text = String::new();
        for one in &producers {
            text.push_str(&one_producer(one, &context));
        }
        let waiting = context.say("条", "records");
        let and_more = if more { context.say("，另有更多（--limit）", ", and there are more (--limit)") } else { "" };
        let _ = writeln!(text, "{} {waiting}{and_more}", producers.len());
        text.push_str(&basis_line(&basis, &context));
        text
    })
}

async fn show(arguments: Show, context: &Context) -> Result<(), Failure> {
    let as_of = arguments.as_of.as_deref().map(|text| as_of(text, context)).transpose()?;
    let (connection, context) = connect(context)?;
    let request = GetProducerRequest { record_id: arguments.record, as_of, purpose: arguments.purpose, min_position: 0 };
    let answer = Administration::new(&connection).producer(request).await?;
    context.answer(&json_of("GetProducerResponse", &answer), || shown(&answer, &context))
}

async fn decide(record: String, decision: Decision, reason: String, seen: Option<u64>, context: &Context) -> Result<(), Failure> {
    let (connection, context) = connect(context)?;
    let desk = Administration::new(&connection);
    let seen_position = if let Some(seen) = seen {
        seen
    } else {
        let request =
            GetProducerRequest { record_id: record.clone(), purpose: PURPOSE.to_owned(), ..GetProducerRequest::default() };
        let stands = desk.producer(request).await?.producer.and_then(|producer| producer.decision);
        stands.map_or(0, |decision| decision.position)
    };
    let request = DecideProducerRequest { record_id: record, decision: Some(decision), reason, seen_position };
    let answer = desk.decide(request).await?;
    context.answer(&json_of("DecideProducerResponse", &answer), || {
        let said = answer.decision.as_ref().map(|event| event_line(event, &context)).unwrap_or_default();
        let evidence = match answer.evidence_index {
            0 => context.say("相同的认定已在", "the same decision stood already").to_owned(),
            index => format!("{} #{index}", context.say("存证", "evidence entry")),
        };
        format!("{said}\n{evidence}")
    })
}

fn shown(answer: &GetProducerResponse, context: &Context) -> String {
    let mut text = answer.producer.as_ref().map(|one| one_producer(one, context)).unwrap_or_default();
    let none = context.say("未认定", "none");
    let code = if answer.credit_code.is_empty() { none } else { &answer.credit_code };
    let _ = writeln!(text, "{}: {code}", context.say("生效代码", "code that counts"));
    for event in &answer.decisions {
        let _ = writeln!(text, "{}", event_line(event, context));
    }
    text.push_str(&answer.basis.as_ref().map(|basis| basis_line(basis, context)).unwrap_or_default());
    text
}

fn one_producer(one: &UnresolvedProducer, context: &Context) -> String {
    let party = one.producer.clone().unwrap_or_default();
    let state = one.status.as_ref().map(|status| match context.lang {
        Lang::Zh => status.state_zh.as_str(),
        Lang::En => status.state.as_str(),
    });
    let mut text = format!(
        "{} r{} @{}  {}  [{}] {} · {}\n",
        one.record_id,
        one.revision,
        one.position,
        party.name,
        one.attribution,
        one.product_name,
        state.unwrap_or_default()
    );
    if let Some(resolution) = &one.at_publish {
        let at_publish = context.say("报送时识别", "found at publish");
        let _ = writeln!(text, "  {at_publish}: {} ({})", resolution.credit_code, resolution.survey_record_id);
    }
    if let Some(decision) = &one.decision {
        let _ = writeln!(text, "  {}", event_line(decision, context));
    }
    if one.candidates.is_empty() {
        let _ = writeln!(text, "  {}", context.say("摸底名册中没有近似企业", "the survey knows no enterprise like it"));
        return text;
    }
    let head = [
        context.say("候选代码", "candidate"),
        context.say("名称", "name"),
        context.say("地区", "region"),
        context.say("理由", "ground"),
        context.say("摸底记录", "survey record"),
    ];
    let rows = one.candidates.iter().map(|candidate| {
        let ground = if context.lang == Lang::Zh { &candidate.ground_zh } else { &candidate.ground };
        let contradicts = if candidate.region_contradicts { context.say("；地区矛盾", "; region contradicts") } else { "" };
        [
            candidate.credit_code.clone(),
            candidate.name.clone(),
            candidate.region.clone(),
            format!("{ground}{contradicts}"),
            candidate.survey_record_id.clone(),
        ]
    });
    let _ = writeln!(text, "{}", table(head, rows));
    text
}

fn event_line(event: &DecisionEvent, context: &Context) -> String {
    let decision = event.decision.clone().unwrap_or_default();
    let (what, why) = match &decision.withdrawal {
        Some(withdrawal) => (context.say("撤销认定", "revoked").to_owned(), withdrawal.reason.clone()),
        None if decision.credit_code.is_empty() => {
            (context.say("认定：非已知企业", "decided: none that is known").to_owned(), decision.reason)
        }
        None => (format!("{} {}", context.say("认定：", "decided:"), decision.credit_code), decision.reason),
    };
    let in_force = if event.in_force { context.say("（有效）", " (in force)") } else { "" };
    format!("@{} {} {} {what}{in_force} · {why}", event.position, show_moment(event.committed_at_us), event.participant)
}
