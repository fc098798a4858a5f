//! `tongbao doctor`: looks at everything between us and the gateway, step by step, with the remedy of what is wrong.

mod local;
mod remote;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{Context, Exit, Failure, connect::profile, output::table};
use crate::domain::violation::Text;

/// 逐项检查配置、证书、网络与权限 · Check profile, certificates, network and rights.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tongbao doctor
  tongbao doctor --profile customs --json

Ends with 1 when something is wrong; warnings do not count.")]
pub struct Arguments {}

/// How a step came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Sign {
    Good,
    Warning,
    Bad,
    /// Not looked at, since an earlier step is bad.
    Skipped,
}

/// One step.
#[derive(Debug, Clone)]
struct Step {
    name: Text,
    sign: Sign,
    /// What was found; with what to do, where something is wrong.
    found: Text,
}

impl Step {
    fn new(sign: Sign, name: (&str, &str), found: Text) -> Self {
        Self { name: Text::new(name.0, name.1), sign, found }
    }

    fn good(name: (&str, &str), found: impl Into<String>) -> Self {
        let found = found.into();
        Self::new(Sign::Good, name, Text::new(found.clone(), found))
    }

    fn skipped(name: (&str, &str)) -> Self {
        Self::new(Sign::Skipped, name, Text::new("未检查：前一步有误", "not looked at: an earlier step is wrong"))
    }
}

/// Runs it.
///
/// # Errors
/// When a step is bad.
pub async fn run(_: Arguments, context: &Context) -> Result<(), Failure> {
    let name = ("配置档", "profile");
    let (mut steps, context) = match profile(context) {
        Err(failure) => (vec![Step::new(Sign::Bad, name, failure.text)], context.clone()),
        Ok((profile, context)) => {
            let mut steps = vec![Step::good(name, profile.source.display().to_string())];
            steps.extend(local::steps(&profile, &context));
            if steps.iter().any(|step| step.sign == Sign::Bad) {
                steps.push(Step::skipped(("网络", "network")));
            } else {
                remote::steps(&profile, &context, &mut steps).await;
            }
            (steps, context)
        }
    };
    let bad = steps.iter().filter(|step| step.sign == Sign::Bad).count();
    steps.retain(|step| !step.found.zh.is_empty());
    let shown: Vec<_> = steps
        .iter()
        .map(|step| json!({ "step": step.name.en, "sign": step.sign, "zh": step.found.zh, "en": step.found.en }))
        .collect();
    if context.json() && bad > 0 {
        // One document alone: the failure carries the steps.
        return Err(failure(bad).with(steps.iter().filter(|step| step.sign == Sign::Bad).map(|step| super::Complaint {
            field: step.name.en.clone(),
            reason: "BAD".to_owned(),
            text: step.found.clone(),
        })));
    }
    context.answer(&json!({ "steps": shown, "bad": bad }), || as_text(&steps, &context))?;
    if bad == 0 { Ok(()) } else { Err(failure(bad)) }
}

fn failure(bad: usize) -> Failure {
    Failure::new(Exit::Failed, "NOT_WELL", format!("有 {bad} 项不正常"), format!("{bad} steps are wrong"))
}

fn as_text(steps: &[Step], context: &Context) -> String {
    let head = ["", context.say("检查", "step"), context.say("结果", "found")];
    let rows = steps.iter().map(|step| {
        let sign = match step.sign {
            Sign::Good => "✓",
            Sign::Warning => "!",
            Sign::Bad => "✗",
            Sign::Skipped => "-",
        };
        [sign.to_owned(), step.name.get(context.lang).to_owned(), step.found.get(context.lang).to_owned()]
    });
    table(head, rows)
}
