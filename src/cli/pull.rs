//! `tongbao pull`: the files of enterprises by credit code, now or as they were known.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::{
    Context, Exit, Failure,
    attest::moment,
    connect::connect,
    output::{content_lines, json_of, kind_name, show_moment, table},
};
use crate::{
    client::Records,
    domain::{credit_code::CreditCode, violation::Lang},
    proto::{AnswerBasis, AsOf, BatchGetEnterprisesRequest, EnterpriseFile, as_of::At},
};

/// Most codes in one request.
const AT_ONCE: usize = 100;

const EXAMPLES: &str = "\
Examples:
  tongbao pull 91330600PDY00001XP
  tongbao pull 91330600PDY00001XP --as-of 2020-05-15
      What was known of it at the end of that day (Asia/Shanghai).
  tongbao pull CODE CODE CODE --as-of 120000 --json
      What stood at ledger position 120,000.

Every answer is a disclosure and stands in the evidence log.";

/// 按统一社会信用代码查询企业档案 · Read the files of enterprises by credit code.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Unified social credit codes.
    #[arg(required = true, value_name = "CODE")]
    codes: Vec<String>,
    /// As of a ledger position, or a time: a day (all of it), `2020-05-15 08:30` (Asia/Shanghai), or RFC 3339.
    #[arg(long, value_name = "POSITION|TIME")]
    as_of: Option<String>,
    /// Purpose of the reading, where a feed asks for one.
    #[arg(long, default_value = "")]
    purpose: String,
    /// Answer only when the ledger has reached this position (read your own writes).
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    min_position: u64,
}

/// Runs it.
///
/// # Errors
/// When a code is wrong, nothing is known of any of them, or the gateway refuses or is not reached.
pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let codes = codes(&arguments.codes)?;
    let mut as_of = arguments.as_of.as_deref().map(|text| as_of(text, context)).transpose()?;
    let (connection, context) = connect(context)?;
    let records = Records::new(&connection);
    let (mut found, mut not_found, mut basis) = (Vec::new(), Vec::new(), None);
    for codes in codes.chunks(AT_ONCE) {
        let request = BatchGetEnterprisesRequest {
            credit_codes: codes.to_vec(),
            as_of,
            min_position: arguments.min_position,
            purpose: arguments.purpose.clone(),
        };
        let answer = records.enterprises(request).await?;
        found.extend(answer.enterprises);
        not_found.extend(answer.not_found);
        let said = answer.basis.unwrap_or_default();
        // The later requests speak of the same moment as the first.
        as_of = as_of.or(Some(AsOf { at: Some(At::Position(said.position)) }));
        basis.get_or_insert(said);
    }
    let basis = basis.unwrap_or_default();
    if found.is_empty() {
        let known = not_found.join(", ");
        return Err(Failure::new(
            Exit::Refused,
            "NOT_FOUND",
            format!("没有本单位有权查看的资料：{known}"),
            format!("nothing that we may see is known of {known}"),
        ));
    }
    let value = json!({
        "enterprises": found.iter().map(|file| json_of("EnterpriseFile", file)).collect::<Vec<_>>(),
        "not_found": not_found,
        "basis": json_of("AnswerBasis", &basis),
    });
    context.answer(&value, || as_text(&found, &not_found, &basis, &context))
}

fn codes(given: &[String]) -> Result<Vec<String>, Failure> {
    let mut wrong = Vec::new();
    let mut good = Vec::new();
    for text in given {
        match CreditCode::parse(text) {
            Ok(code) => good.push(code.as_str().to_owned()),
            Err(error) => {
                wrong.push(super::Complaint { field: text.clone(), reason: error.reason().to_owned(), text: error.text() });
            }
        }
    }
    if wrong.is_empty() {
        return Ok(good);
    }
    Err(Failure::usage("NOT_A_CREDIT_CODE", "统一社会信用代码有误", "not a unified social credit code").with(wrong))
}

/// Digits alone are a position.
pub(super) fn as_of(text: &str, context: &Context) -> Result<AsOf, Failure> {
    let at = match text.parse() {
        Ok(position) => At::Position(position),
        Err(_) => At::TimeUs(moment(text, context)?),
    };
    Ok(AsOf { at: Some(at) })
}

fn as_text(found: &[EnterpriseFile], not_found: &[String], basis: &AnswerBasis, context: &Context) -> String {
    let mut text = String::new();
    for file in found {
        let _ = writeln!(text, "{} {}", file.credit_code, file.names.join(" / "));
        let deny = if file.on_deny_list {
            context.say("不合格名单：在列", "on the deny-list")
        } else {
            context.say("不合格名单：不在列", "not on the deny-list")
        };
        let allow = if file.on_allow_list {
            context.say("出口资质：有效", "qualified for export")
        } else {
            context.say("出口资质：无", "not qualified for export")
        };
        let _ = writeln!(text, "{deny}; {allow}");
        if !file.nonconformities.is_empty() {
            let head = [
                context.say("不合格记录", "nonconformity"),
                context.say("状态", "state"),
                context.say("自位置", "since position"),
                context.say("未结措施", "open tracks"),
            ];
            let rows = file.nonconformities.iter().map(|one| {
                let state = format!("{} {}", one.state, one.state_zh);
                [one.record_id.clone(), state, one.since_position.to_string(), one.open_tracks.join(", ")]
            });
            let _ = writeln!(text, "{}", table(head, rows));
            for (one, flow) in file.nonconformities.iter().filter_map(|one| Some((one, one.flow.as_ref()?))) {
                let differences = match context.lang {
                    Lang::Zh => &flow.differences_zh,
                    Lang::En => &flow.differences_en,
                };
                for difference in differences {
                    let _ = writeln!(text, "! {}: {difference}", one.record_id);
                }
            }
        }
        let head = [
            context.say("位置", "position"),
            context.say("类别", "kind"),
            context.say("记录", "record"),
            context.say("时间", "committed"),
            context.say("内容", "content"),
        ];
        let rows = file.records.iter().map(|record| {
            [
                record.position.to_string(),
                kind_name(record, context.lang).to_owned(),
                format!("{} r{}", record.record_id, record.revision),
                show_moment(record.committed_at_us),
                content_lines(record),
            ]
        });
        let _ = writeln!(text, "{}\n", table(head, rows));
    }
    if !not_found.is_empty() {
        let _ = writeln!(text, "{}: {}", context.say("没有资料", "nothing known of"), not_found.join(", "));
    }
    text.push_str(&basis_line(basis, context));
    text
}

/// How far an answer is good, in a line.
pub(super) fn basis_line(basis: &AnswerBasis, context: &Context) -> String {
    let complete = match basis.complete_to_us {
        0 => context.say("从未声明完整", "never attested complete").to_owned(),
        at => format!("{} {}", context.say("数据完整至", "complete to"), show_moment(at)),
    };
    let stale = if basis.stale { context.say("（已过期）", " (STALE)") } else { "" };
    let (position, evidence) = (context.say("截至位置", "as of position"), context.say("存证", "evidence entry"));
    format!("{position} {} · {complete}{stale} · {evidence} #{}", basis.position, basis.evidence_index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Global;

    #[test]
    fn digits_are_a_position_and_the_rest_a_time() {
        let context = Context::new(Global::default());
        assert_eq!(as_of("42", &context).expect("position").at, Some(At::Position(42)));
        assert!(matches!(as_of("2020-05-15", &context).expect("time").at, Some(At::TimeUs(_))));
        assert_eq!(as_of("yesterday", &context).expect_err("neither").exit, Exit::Usage);
    }

    #[test]
    fn every_wrong_code_is_named() {
        let given = ["91330600PDY00001X".to_owned(), "??".to_owned()];
        let failure = codes(&given).expect_err("both are wrong");
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(failure.violations.iter().map(|one| one.field.as_str()).collect::<Vec<_>>(), ["91330600PDY00001X", "??"]);
        let good = CreditCode::synthetic(330_600, 1);
        assert_eq!(codes(&[format!(" {} ", good.as_str().to_lowercase())]).expect("good"), [good.as_str()]);
    }
}
