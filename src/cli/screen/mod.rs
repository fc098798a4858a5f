//! `tongbao screen`: declarations against both lists.

mod declaration;
mod files;
mod many;
mod sheet;

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;

use super::{
    Context, Failure,
    connect::connect,
    output::{json_of, show_moment, table},
    pull::{as_of, basis_line},
};
use crate::{
    client::Screening,
    domain::violation::Lang,
    proto::{Reason, ScreenRequest, ScreenResponse, Verdict},
};

const EXAMPLES: &str = "\
Examples:
  tongbao screen declaration.json
  tongbao screen - --explain < declaration.json
      Every reason of every item, with the rule and the record it rests on.
  tongbao screen declarations/ late.csv
      Every .json and .csv file of a folder, and a table: one line for each declaration.

A declaration, all but `items` may be left out:
  { \"number\": \"223320200000000001\",
    \"exporter\": { \"name\": \"…\", \"credit_code\": \"…\" },
    \"producing_or_selling_unit\": { \"name\": \"…\", \"credit_code\": \"…\" },
    \"maker\": { \"name\": \"…\" },
    \"joint_declaration\": \"present\", \"declared_on\": \"2020-05-20\", \"departs_on\": \"2020-05-25\", \"office\": \"2233\",
    \"items\": [ { \"goods_name\": \"口罩\", \"hs_code\": \"6307900010\", \"brand\": \"…\", \"model\": \"…\", \"batch\": \"…\",
                 \"produced_on\": \"2020-04\", \"claimed_standard\": \"chinese\", \"standard\": \"GB/T 32610-2016\",
                 \"product_kind\": \"daily_protective\", \"quantity\": 10000 } ] }

A JSON file may also hold a list of declarations. A table (CSV, UTF-8 or GB18030) has a row for each item and a head of these names,
in any order: number, exporter, exporter_code, producing_or_selling_unit, producing_or_selling_unit_code, maker, maker_code,
joint_declaration, declared_on, departs_on, office, and the names of an item as above. Rows that follow each other under one number
are one declaration.

The answer is advice with evidence; customs decides. The verdict does not change the exit code. Of several, what is right is
screened though others are wrong: then the exit code is 2, or 3 when the gateway refused one.";

/// 审单：比对两份名单 · Screen an export declaration.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Files with declarations (JSON or CSV), or folders of such files; `-` = JSON from standard input.
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Show every reason, not the decisive one alone.
    #[arg(long)]
    explain: bool,
    /// As of a ledger position or a time.
    #[arg(long, value_name = "POSITION|TIME")]
    as_of: Option<String>,
    /// Answer only when the ledger has reached this position (read your own writes).
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    min_position: u64,
}

/// Runs it.
///
/// # Errors
/// When the declaration is no such thing, or the gateway refuses or is not reached.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let found = files::read(&arguments.files)?;
    let as_of = arguments.as_of.as_deref().map(|text| as_of(text, context)).transpose()?;
    let asked = |declaration| ScreenRequest { declaration: Some(declaration), as_of, min_position: arguments.min_position };
    if found.many {
        let (connection, context) = connect(context)?;
        return many::screen(&Screening::new(&connection), found, asked, arguments.explain, &context).await;
    }
    let one = found.declared.into_iter().next();
    let Some(files::Declared { declaration, .. }) = one else { return Err(many::wrong(&found.mistakes)) };
    let (connection, context) = connect(context)?;
    let answer = Screening::new(&connection).screen(asked(declaration)).await?;
    context.answer(&json_of("ScreenResponse", &answer), || as_text(&answer, arguments.explain, &context))
}

fn as_text(answer: &ScreenResponse, explain: bool, context: &Context) -> String {
    let mut text = format!("{}\n", verdict(answer.verdict(), context.lang));
    let head = [
        context.say("项", "item"),
        context.say("结论", "verdict"),
        context.say("规则", "rule"),
        context.say("理由", "reason"),
        context.say("依据", "record"),
    ];
    let rows = answer.items.iter().flat_map(|item| {
        let shown = if explain { item.reasons.len() } else { 1 };
        let none = [
            item.item_number.to_string(),
            verdict(item.verdict(), context.lang).to_owned(),
            String::new(),
            String::new(),
            String::new(),
        ];
        let mut rows: Vec<_> = item.reasons.iter().take(shown).map(|one| row(item.item_number, one, context)).collect();
        if rows.is_empty() {
            rows.push(none);
        }
        rows
    });
    let _ = writeln!(text, "{}", table(head, rows));
    let _ = writeln!(
        text,
        "{}: {} · {} {} · {} {} · {} {}",
        context.say("编号", "screening"),
        answer.screening_id,
        context.say("规则版本", "rules"),
        answer.rule_version,
        context.say("制度版本", "regimes"),
        answer.regime_version,
        context.say("有效至", "good until"),
        show_moment(answer.expires_at_us)
    );
    text.push_str(&basis_line(&answer.basis.clone().unwrap_or_default(), context));
    text
}

fn row(item: u32, reason: &Reason, context: &Context) -> [String; 5] {
    let words = if context.lang == Lang::Zh { &reason.text_zh } else { &reason.text_en };
    let record = reason.record.as_ref();
    [
        item.to_string(),
        verdict(reason.verdict(), context.lang).to_owned(),
        reason.rule_id.clone(),
        words.clone(),
        record.map(|record| format!("{} r{} @{}", record.record_id, record.revision, record.position)).unwrap_or_default(),
    ]
}

fn verdict(verdict: Verdict, lang: Lang) -> &'static str {
    let (zh, en) = match verdict {
        Verdict::Hold => ("HOLD 扣留", "HOLD"),
        Verdict::Unknown => ("UNKNOWN 无法判断", "UNKNOWN"),
        Verdict::Review => ("REVIEW 人工复核", "REVIEW"),
        Verdict::Clear => ("CLEAR 未见异常", "CLEAR"),
        Verdict::NotApplicable => ("NOT_APPLICABLE 不适用", "NOT_APPLICABLE"),
        Verdict::Unspecified => ("-", "-"),
    };
    match lang {
        Lang::Zh => zh,
        Lang::En => en,
    }
}
