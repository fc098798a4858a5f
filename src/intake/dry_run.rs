//! A reading as text for people: how each column was understood, the rows, the findings.

use std::fmt::Write as _;

use comfy_table::{Table, presets};

use crate::domain::{
    records::{Content, Matter, Nonconformity},
    standards::Standard,
    violation::{Lang, Text},
};

use super::{
    compare::{Change, Comparison},
    json::change_words,
    reading::{Counts, Reading, RowReading, SheetReading},
};

/// Rows and findings shown of a sheet; `--json` and the report show all.
const SHOWN: usize = 200;

/// The reading in one language.
#[must_use]
pub fn render_dry_run(reading: &Reading, lang: Lang) -> String {
    let say = |zh: &'static str, en: &'static str| if lang == Lang::Zh { zh } else { en };
    let Counts { rows, valid, errors, warnings, notes } = reading.counts();
    let mut out = String::new();
    let _ = writeln!(out, "{}  {}  sha256:{}", reading.file_name, reading.format.name(), reading.file_digest_hex());
    for (name, why) in &reading.ignored_sheets {
        let _ = writeln!(out, "{} {name}: {}", say("工作表", "sheet"), why.get(lang));
    }
    for sheet in &reading.sheets {
        render_sheet(&mut out, sheet, lang);
    }
    let _ = match lang {
        Lang::Zh => writeln!(out, "共 {rows} 行，可发送 {valid} 行；错误 {errors}，警告 {warnings}，提示 {notes}。"),
        Lang::En => writeln!(out, "{rows} rows, {valid} can be sent; {errors} errors, {warnings} warnings, {notes} notes."),
    };
    out
}

/// What the reading would change, in one language.
#[must_use]
pub fn render_comparison(comparison: &Comparison, lang: Lang) -> String {
    let mut table = table(&match lang {
        Lang::Zh => ["工作表", "行", "记录编号", "变化"],
        Lang::En => ["sheet", "row", "record id", "change"],
    });
    for (sheet, row, id, change) in comparison.rows.iter().take(SHOWN) {
        table.add_row([sheet.clone(), row.to_string(), id.to_string(), change_text(*change).get(lang).to_owned()]);
    }
    let mut out = format!("{table}\n");
    more(&mut out, comparison.rows.len(), lang);
    let mut counts = std::collections::BTreeMap::new();
    for (.., change) in &comparison.rows {
        *counts.entry(change_words(*change).0).or_insert(0_usize) += 1;
    }
    counts.insert("missing", comparison.missing.len());
    let summary: Vec<String> = counts.iter().map(|(change, count)| format!("{change} {count}")).collect();
    let _ = writeln!(out, "{}", summary.join(", "));
    for id in comparison.missing.iter().take(SHOWN) {
        let _ = match lang {
            Lang::Zh => writeln!(out, "文件中已没有：{id}（不加 --withdraw-missing 则保持不变）"),
            Lang::En => writeln!(out, "no longer in the file: {id} (stays unless --withdraw-missing is given)"),
        };
    }
    out
}

fn change_text(change: Change) -> Text {
    match change {
        Change::New => Text::new("新增", "new"),
        Change::Changed(revision) => {
            Text::new(format!("修订（现为第 {revision} 版）"), format!("changed (revision {revision} stands)"))
        }
        Change::Same(revision) => Text::new(format!("相同（第 {revision} 版）"), format!("same (revision {revision})")),
        Change::OtherProducer(revision) => Text::new(
            format!("同一行号现为另一家企业（第 {revision} 版），须确认"),
            format!("this row stands with another producer (revision {revision}): to be confirmed"),
        ),
        Change::Unknown => Text::new("未知（离线）", "unknown (offline)"),
    }
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.force_no_tty().load_style(presets::UTF8_FULL_CONDENSED).set_header(head.iter().copied());
    table
}

fn more(out: &mut String, all: usize, lang: Lang) {
    if all > SHOWN {
        let rest = all - SHOWN;
        let _ = match lang {
            Lang::Zh => writeln!(out, "…… 另有 {rest} 条，见 --json 或 --report"),
            Lang::En => writeln!(out, "… and {rest} more, see --json or --report"),
        };
    }
}

fn render_sheet(out: &mut String, sheet: &SheetReading, lang: Lang) {
    let (first, last) = sheet.header_rows;
    let kind = sheet.kind.name(lang);
    let _ = match lang {
        Lang::Zh => writeln!(out, "\n工作表“{}”：{kind}，表头第 {first}–{last} 行", sheet.name),
        Lang::En => writeln!(out, "\nSheet “{}”: {kind}, header in rows {first}–{last}", sheet.name),
    };
    render_columns(out, sheet, lang);
    let mut rows = table(&match lang {
        Lang::Zh => ["行", "记录编号", "企业", "内容", "结果"],
        Lang::En => ["row", "record id", "enterprise", "content", "result"],
    });
    for row in sheet.rows.iter().take(SHOWN) {
        rows.add_row(row_cells(row, lang));
    }
    let _ = writeln!(out, "{rows}");
    more(out, sheet.rows.len(), lang);
    render_findings(out, sheet, lang);
    for ignored in sheet.ignored.iter().take(SHOWN) {
        let _ = match lang {
            Lang::Zh => writeln!(out, "第 {} 行未读取：{}（{}）", ignored.row, ignored.why.zh, ignored.read),
            Lang::En => writeln!(out, "row {} was left out: {} ({})", ignored.row, ignored.why.en, ignored.read),
        };
    }
}

fn render_columns(out: &mut String, sheet: &SheetReading, lang: Lang) {
    let mut columns = table(&match lang {
        Lang::Zh => ["列", "表头", "含义", "依据"],
        Lang::En => ["column", "header", "meaning", "understood by"],
    });
    for column in &sheet.columns {
        let mut meaning = column.meaning.map_or_else(|| "–".to_owned(), |meaning| meaning.name().get(lang).to_owned());
        match (column.answer, lang) {
            (Some(true), Lang::Zh) => meaning.push_str(" = 是"),
            (Some(false), Lang::Zh) => meaning.push_str(" = 否"),
            (Some(answer), Lang::En) => meaning.push_str(if answer { " = yes" } else { " = no" }),
            (None, _) => {}
        }
        if column.factor > 1 {
            let _ = write!(meaning, " ×{}", column.factor);
        }
        columns.add_row([column.letter.clone(), column.header.clone(), meaning, column.how.text().get(lang).to_owned()]);
    }
    let _ = writeln!(out, "{columns}");
}

fn render_findings(out: &mut String, sheet: &SheetReading, lang: Lang) {
    let all: Vec<_> = sheet.findings.iter().chain(sheet.rows.iter().flat_map(|row| &row.findings)).collect();
    if all.is_empty() {
        return;
    }
    let mut findings = table(&match lang {
        Lang::Zh => ["单元格", "程度", "读到", "问题和处理"],
        Lang::En => ["cell", "severity", "read", "what is wrong, what to do"],
    });
    for finding in all.iter().take(SHOWN) {
        let severity = finding.severity.name(lang).to_owned();
        findings.add_row([finding.cell.clone(), severity, shortened(&finding.read), finding.text.get(lang).to_owned()]);
    }
    let _ = writeln!(out, "{findings}");
    more(out, all.len(), lang);
}

fn shortened(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match one_line.char_indices().nth(40) {
        Some((cut, _)) => format!("{}…", one_line.get(..cut).unwrap_or_default()),
        None => one_line,
    }
}

fn row_cells(row: &RowReading, lang: Lang) -> [String; 5] {
    let (enterprise, content) = row.content.as_ref().map(|content| summary(content, lang)).unwrap_or_default();
    let result = match (row.content.is_some(), lang) {
        (true, Lang::Zh) => "可发送",
        (true, Lang::En) => "can be sent",
        (false, Lang::Zh) => "有错误",
        (false, Lang::En) => "has errors",
    };
    [
        row.row.to_string(),
        row.record_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        enterprise,
        content,
        result.to_owned(),
    ]
}

/// The enterprise and the gist of a record.
fn summary(content: &Content, lang: Lang) -> (String, String) {
    match &content.matter {
        Matter::EnterpriseSurvey(survey) => {
            let kinds = survey.product_kinds.iter().map(|kind| if lang == Lang::Zh { kind.name_zh() } else { kind.token() });
            let standards = survey.standards.iter().map(Standard::as_str);
            let output = survey.daily_output.map(|output| format!("{output}/d"));
            let parts: Vec<String> = kinds.chain(standards).map(str::to_owned).chain(output).collect();
            (survey.enterprise.name.clone(), parts.join(" · "))
        }
        Matter::Nonconformity(failure) => (failure.producer.name.clone(), failure_summary(failure, lang)),
        _ => (String::new(), String::new()),
    }
}

fn failure_summary(failure: &Nonconformity, lang: Lang) -> String {
    let items = failure.items.iter().map(|item| if lang == Lang::Zh { item.item.name_zh() } else { item.item.token() });
    let state = if lang == Lang::Zh { failure.initial_state.name_zh() } else { failure.initial_state.token() };
    let date = failure.produced_on.map(|date| date.to_string()).unwrap_or_default();
    [failure.product_name.as_str(), &failure.specification, &date, &failure.batch]
        .into_iter()
        .chain(items)
        .chain([state])
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" · ")
}
