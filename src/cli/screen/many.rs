//! Many declarations: each is answered for itself, what is wrong with one does not keep the others.

use std::{collections::BTreeMap, fmt::Write as _};

use futures_util::{StreamExt as _, stream};
use serde_json::json;

use super::{
    files::{Declared, Found, Mistake},
    verdict,
};
use crate::{
    cli::{
        Complaint, Context, Exit, Failure,
        output::{json_of, progress, table},
    },
    client::{ClientError, Refusal, Screening},
    domain::violation::Lang,
    proto::{Declaration, ScreenRequest, ScreenResponse},
};

/// Declarations on their way at once.
const IN_FLIGHT: usize = 64;

/// What became of a declaration.
struct Asked {
    file: String,
    place: u64,
    number: String,
    outcome: Result<ScreenResponse, Box<Refusal>>,
}

/// Screens them in order, and says of all of them what came out.
///
/// # Errors
/// When files are wrong or declarations refused, after the others were answered; at once when the gateway is not reached or
/// screens nothing for us.
pub(super) async fn screen(
    screening: &Screening,
    found: Found,
    asked: impl Fn(Declaration) -> ScreenRequest,
    explain: bool,
    context: &Context,
) -> Result<(), Failure> {
    let bar = progress(context, found.declared.len() as u64, context.say("审单", "screening"));
    let mut answers = stream::iter(found.declared)
        .map(|Declared { file, place, declaration }| {
            let number = declaration.number.clone();
            let answer = screening.screen(asked(declaration));
            async move { (file, place, number, answer.await) }
        })
        .buffered(IN_FLIGHT);
    let mut all = Vec::new();
    while let Some((file, place, number, answer)) = answers.next().await {
        let outcome = match answer {
            Ok(answer) => Ok(answer),
            // Of this declaration alone; anything else would be said of the others too.
            Err(ClientError::Refused(refusal)) if !refusal.fields.is_empty() => Err(refusal),
            Err(error) => return Err(error.into()),
        };
        all.push(Asked { file, place, number, outcome });
        bar.inc(1);
    }
    bar.finish_and_clear();
    context.answer(&as_json(&all, &found.mistakes), || as_text(&all, explain, context))?;
    let refused: Vec<Complaint> = all.iter().flat_map(complaints).collect();
    if !found.mistakes.is_empty() {
        let failure = wrong(&found.mistakes);
        return Err(with_more(failure, refused, context));
    }
    if refused.is_empty() {
        return Ok(());
    }
    let failure = Failure::new(Exit::Refused, "NOT_ALL_SCREENED", "有报关单未被受理，逐条如下", "declarations were refused");
    Err(with_more(failure, refused, context))
}

/// With `--json` there is one document, and it has said this.
fn with_more(mut failure: Failure, more: Vec<Complaint>, context: &Context) -> Failure {
    failure.violations.extend(more);
    if context.json() { failure.told() } else { failure }
}

/// Files that cannot be used.
pub(super) fn wrong(mistakes: &[Mistake]) -> Failure {
    let failure = Failure::usage("NOT_A_DECLARATION", "有文件不是报关单，逐处如下", "not everything is a declaration");
    failure.with(mistakes.iter().map(|mistake| Complaint {
        field: place_of(mistake),
        reason: "NOT_A_DECLARATION".to_owned(),
        text: mistake.text.clone(),
    }))
}

fn place_of(mistake: &Mistake) -> String {
    format!("{}:{}:{}", mistake.file, mistake.line, mistake.column)
}

fn complaints(asked: &Asked) -> Vec<Complaint> {
    let Err(refusal) = &asked.outcome else { return Vec::new() };
    let of_field = |field: &crate::client::FieldComplaint| Complaint {
        field: format!("{}:{}: {}", asked.file, asked.place, field.field),
        reason: field.reason.clone(),
        text: crate::domain::violation::Text::new(field.message.clone(), field.message.clone()),
    };
    refusal.fields.iter().map(of_field).collect()
}

fn as_json(all: &[Asked], mistakes: &[Mistake]) -> serde_json::Value {
    let mut verdicts: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut answers, mut refused) = (Vec::new(), Vec::new());
    for asked in all {
        let named = json!({ "file": asked.file, "place": asked.place, "number": asked.number });
        match &asked.outcome {
            Ok(answer) => {
                *verdicts.entry(verdict(answer.verdict(), Lang::En)).or_default() += 1;
                answers.push(json!({ "of": named, "answer": json_of("ScreenResponse", answer) }));
            }
            Err(refusal) => {
                let fields = refusal.fields.iter();
                let fields: Vec<_> = fields
                    .map(|field| json!({ "field": field.field, "reason": field.reason, "message": field.message }))
                    .collect();
                refused.push(json!({ "of": named, "reason": refusal.reason, "message": refusal.message, "fields": fields }));
            }
        }
    }
    let mistakes: Vec<_> = mistakes
        .iter()
        .map(|one| json!({ "file": one.file, "line": one.line, "column": one.column, "zh": one.text.zh, "en": one.text.en }))
        .collect();
    json!({ "answers": answers, "refused": refused, "mistakes": mistakes, "verdicts": verdicts })
}

fn as_text(all: &[Asked], explain: bool, context: &Context) -> String {
    let head = [
        context.say("文件", "file"),
        context.say("报关单号", "declaration"),
        context.say("结论", "verdict"),
        context.say("规则", "rule"),
        context.say("理由", "reason"),
    ];
    let mut verdicts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rows = Vec::new();
    for asked in all {
        let Ok(answer) = &asked.outcome else { continue };
        let said = verdict(answer.verdict(), context.lang);
        *verdicts.entry(said).or_default() += 1;
        let place = format!("{}:{}", asked.file, asked.place);
        let mut reasons: Vec<_> = answer.items.iter().flat_map(|item| &item.reasons).collect();
        // The decisive one first, whichever item it is of.
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.verdict));
        let shown = if explain { reasons.len() } else { 1 };
        let words = |reason: &crate::proto::Reason| match context.lang {
            Lang::Zh => reason.text_zh.clone(),
            Lang::En => reason.text_en.clone(),
        };
        let row = |rule: &str, words: String| [place.clone(), asked.number.clone(), said.to_owned(), rule.to_owned(), words];
        if reasons.is_empty() {
            rows.push(row("", String::new()));
        }
        rows.extend(reasons.into_iter().take(shown).map(|reason| row(&reason.rule_id, words(reason))));
    }
    let mut text = format!("{}\n", table(head, rows));
    for (said, count) in verdicts {
        let _ = write!(text, "{said} {count}  ");
    }
    text
}
