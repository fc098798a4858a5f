//! `tongbao lists verify`: a saved list against its signed note, with the public key alone.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use crate::{
    cli::{Context, Exit, Failure, output::show_moment},
    domain::{
        digest::hex,
        evidence::{SignedNote, VerifierKey},
        lists::{ListStatement, digest_of},
        records::Token as _,
    },
    intake::ExportedTable,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The exported list: xlsx, csv or json.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Its signed note; by default FILE.note.
    #[arg(long, value_name = "FILE")]
    note: Option<PathBuf>,
    /// The public key of the gateway's evidence log, received another way: the key itself, or a file that holds it.
    #[arg(long, value_name = "VERIFIER_KEY|FILE")]
    key: String,
}

/// A list that its note speaks of.
pub(super) struct Checked {
    pub(super) statement: ListStatement,
}

/// Where the note of a list stands.
pub(super) fn note_path(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".note");
    path.into()
}

/// The text of a note.
pub(super) fn text_of(note: &str) -> String {
    SignedNote::parse(note).map(|note| note.text().to_owned()).unwrap_or_default()
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let key = key(&arguments.key)?;
    let bytes = read(&arguments.file)?;
    let note = arguments.note.clone().unwrap_or_else(|| note_path(&arguments.file));
    let note = String::from_utf8(read(&note)?).map_err(|_| failed("备注文件不是文本", "the note is no text"))?;
    let table = ExportedTable::read(&bytes)
        .map_err(|error| failed(format!("名单文件无法读取：{error}"), format!("the list cannot be read: {error}")))?;
    let Checked { statement } = verified(&table, &note, &key)?;
    let attested = statement.attested.iter().map(|one| {
        json!({ "feed": one.feed, "publisher": one.publisher.as_str(), "region": one.region, "complete_to_us": one.complete_to, "stale": one.stale })
    });
    let value = json!({
        "list": statement.list.token(),
        "position": statement.position,
        "at_us": statement.at,
        "rows": statement.rows,
        "sha256": hex(&statement.digest),
        "evidence_index": statement.evidence_index,
        "recipient": statement.recipient.as_str(),
        "regime": statement.regime_version,
        "regime_in_force": statement.regime_in_force,
        "complete": attested.collect::<Vec<_>>(),
        "key": key.to_string(),
    });
    context.answer(&value, || {
        let list = format!("{} {}", statement.list.token(), statement.list.name_zh());
        let (position, at, rows) = (statement.position, show_moment(statement.at), statement.rows);
        let holds = context.say("验证通过", "verified");
        let words = context.say("条，截至位置", "rows, as of position");
        let evidence = context.say("存证", "evidence entry");
        format!("{holds}: {list} · {rows} {words} {position} · {at} · {evidence} #{} · {}", statement.evidence_index, key.name())
    })
}

fn key(text: &str) -> Result<VerifierKey, Failure> {
    let from_file = fs::read_to_string(text).ok();
    VerifierKey::parse(from_file.as_deref().unwrap_or(text)).map_err(|error| {
        Failure::usage("NOT_A_KEY", format!("--key 不是公钥：{error}"), format!("--key is no verifier key: {error}"))
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| {
        let shown = path.display();
        Failure::usage("FILE_UNUSABLE", format!("无法读取 {shown}：{error}"), format!("{shown} cannot be read: {error}"))
    })
}

/// The note verifies with the key, is of the key's log, and speaks of these cells.
pub(super) fn verified(table: &ExportedTable, note: &str, key: &VerifierKey) -> Result<Checked, Failure> {
    let note = SignedNote::parse(note).and_then(|note| note.verify(key).map(|()| note));
    let note = note.map_err(|error| failed(format!("签名不成立：{error}"), format!("the signature does not hold: {error}")))?;
    let statement =
        ListStatement::parse(note.text()).map_err(|error| failed(format!("不是名单的签注：{error}"), error.to_string()))?;
    if statement.origin != key.name() {
        return Err(failed("签注属于另一台账", "the note is of another log than the key"));
    }
    let columns = statement.list.columns().iter().map(|(token, _)| *token);
    if !columns.eq(table.columns.iter().map(String::as_str)) {
        return Err(failed("列与名单不符", "the columns are not those of the list"));
    }
    if table.rows.len() as u64 != statement.rows || digest_of(&table.columns, &table.rows) != statement.digest {
        return Err(failed(
            format!("内容与签注不符：文件有{}条，签注为{}条；名单已被改动", table.rows.len(), statement.rows),
            format!(
                "the cells are not those that were signed ({} rows, signed were {}): the list was changed",
                table.rows.len(),
                statement.rows
            ),
        ));
    }
    Ok(Checked { statement })
}

fn failed(zh: impl Into<String>, en: impl Into<String>) -> Failure {
    Failure::new(Exit::Failed, "LIST_NOT_VERIFIED", zh.into(), en.into())
}
