//! `tongbao lists export`.

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::{
    cli::{
        Context, Exit, Failure,
        connect::connect,
        output::{json_of, show_moment, spinner},
        pull::{as_of, basis_line},
        replace::replace_file,
    },
    client::Records,
    domain::{evidence::VerifierKey, lists::ListName, records::Token as _},
    intake::{ExportedTable, TableForm},
    proto::{ExportListRequest, ListHeader},
};

use super::verify::{Checked, note_path, text_of, verified};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// deny: failed products; allow: export qualifications.
    #[arg(long, value_name = "LIST")]
    list: Which,
    /// As of a ledger position, or a time: a day (all of it), `2020-05-15 08:30` (Asia/Shanghai), or RFC 3339.
    #[arg(long, value_name = "POSITION|TIME")]
    as_of: Option<String>,
    /// Form of the file.
    #[arg(long, value_enum, default_value_t = Form::Xlsx)]
    format: Form,
    /// File to write; FILE.note beside it. What stands there is replaced at once, or not at all.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Purpose of the reading, where the feed asks for one.
    #[arg(long, default_value = "")]
    purpose: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    Deny,
    Allow,
}

impl Which {
    fn name(self) -> ListName {
        match self {
            Self::Deny => ListName::Deny,
            Self::Allow => ListName::Allow,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    Xlsx,
    Csv,
    Json,
}

impl From<Form> for TableForm {
    fn from(form: Form) -> Self {
        match form {
            Form::Xlsx => Self::Xlsx,
            Form::Csv => Self::Csv,
            Form::Json => Self::Json,
        }
    }
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let as_of = arguments.as_of.as_deref().map(|text| as_of(text, context)).transpose()?;
    let (connection, context) = connect(context)?;
    let request =
        ExportListRequest { list: arguments.list.name().token().to_owned(), as_of, purpose: arguments.purpose, min_position: 0 };
    let bar = spinner(&context, context.say("接收", "receiving"));
    let (header, rows) = Records::new(&connection).list_snapshot(request, |rows| bar.set_position(rows)).await?;
    bar.finish_and_clear();
    let table = ExportedTable {
        columns: header.columns.iter().map(|column| column.token.clone()).collect(),
        names: header.columns.iter().map(|column| column.name_zh.clone()).collect(),
        rows,
    };
    // What we write down we could verify.
    let key = VerifierKey::parse(&header.verifier_key).map_err(|error| not_verified(&error))?;
    let Checked { statement, .. } = verified(&table, &header.statement, &key)?;
    let text = text_of(&header.statement);
    let bytes = table.write(arguments.format.into(), &text).map_err(|error| {
        Failure::new(
            Exit::Failed,
            "LIST_NOT_WRITTEN",
            format!("名单未能写出：{error}"),
            format!("the list was not written: {error}"),
        )
    })?;
    // The note first: a list without its note would be worth less than none.
    replace_file(&note_path(&arguments.out), header.statement.as_bytes())?;
    replace_file(&arguments.out, &bytes)?;
    let value = json!({
        "file": arguments.out,
        "note": note_path(&arguments.out),
        "rows": statement.rows,
        "header": json_of("ListHeader", &header),
    });
    context.answer(&value, || words(&header, statement.rows, &arguments.out.display().to_string(), &context))
}

fn words(header: &ListHeader, rows: u64, file: &str, context: &Context) -> String {
    let list = ListName::parse(&header.list).map_or("", ListName::name_zh);
    let regime = if header.regime_in_force {
        context.say("公告管制：施行中", "the regime is in force")
    } else {
        context.say("公告管制：未施行", "the regime is not in force")
    };
    let mut text = format!(
        "{file}: {} {list} · {rows} {} · {} · {regime}\n",
        header.list,
        context.say("条", "rows"),
        show_moment(header.at_us)
    );
    for one in &header.completeness {
        let until = match one.complete_to_us {
            0 => context.say("从未声明", "never attested").to_owned(),
            at => show_moment(at),
        };
        let stale = if one.stale { context.say("（已过期）", " (STALE)") } else { "" };
        let region = if one.region.is_empty() { "-" } else { &one.region };
        let _ = writeln!(text, "  {} {region} {until}{stale}", one.publisher);
    }
    text.push_str(&header.basis.as_ref().map(|basis| basis_line(basis, context)).unwrap_or_default());
    text
}

fn not_verified(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Failed,
        "LIST_NOT_VERIFIED",
        format!("名单未通过验证：{error}"),
        format!("the list does not verify: {error}"),
    )
}
