//! The words of one office's own forms: a file that says what its headers mean, kept beside the forms and used again.
//!
//! ```toml
//! [columns]
//! "厂商" = "生产企业名称"
//! "检出问题" = "不合格项目"
//! "内部编号" = "-"          # not read
//! ```
//!
//! A header stands on the left as the form has it (width and white space never matter), on the right a header that is known
//! everywhere or the English name of its meaning. The office's own word goes before the known one.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

use serde::Deserialize;
use toml::Spanned;

use super::{
    columns::{self, Meaning, Understood, header_key},
    header::{ColumnReading, How},
    reading::Reading,
};
use crate::domain::violation::Text;

/// Says that nothing is read from a column.
const NOT_READ: &str = "-";
/// Most headers of a file.
const MOST_COLUMNS: usize = 1_000;
/// Longest header, bytes; longer ones are never looked at.
const LONGEST_HEADER: usize = 200;

/// What the headers of an office mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// By header key; `None` = not read.
    own: HashMap<String, Option<Meaning>>,
}

/// Why a mapping cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", line.map(|line| format!("line {line}: ")).unwrap_or_default(), text.en)]
pub struct MappingError {
    /// Line, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub text: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    columns: BTreeMap<Spanned<String>, Spanned<String>>,
}

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// With the line: when it is no TOML of this form, a header stands twice, or a meaning is not known.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let line_of = |at: usize| Some(1 + text.get(..at).unwrap_or_default().matches('\n').count());
        let file: File = toml::from_str(text).map_err(|error| {
            let why = error.message().to_owned();
            let form = "[columns] \"header\" = \"meaning\"";
            MappingError {
                line: error.span().and_then(|span| line_of(span.start)),
                text: Text::new(format!("不是列名对照文件：{why}；格式为 {form}"), format!("not a mapping: {why}; write {form}")),
            }
        })?;
        if file.columns.len() > MOST_COLUMNS {
            let text =
                Text::new(format!("列名过多：最多 {MOST_COLUMNS} 个"), format!("too many headers: {MOST_COLUMNS} at most"));
            return Err(MappingError { line: None, text });
        }
        let mut own = HashMap::new();
        for (header, means) in file.columns {
            let line = line_of(means.span().start);
            let (header, means) = (header.into_inner(), means.into_inner());
            let key = header_key(&header);
            if key.is_empty() || header.len() > LONGEST_HEADER {
                let text = Text::new("列名为空或过长", "a header is empty or too long");
                return Err(MappingError { line, text });
            }
            let meaning = match means.trim() {
                NOT_READ => None,
                means => Some(meaning_of(means).ok_or_else(|| MappingError { line, text: unknown(means) })?),
            };
            if own.insert(key, meaning).is_some() {
                let text = Text::new(format!("列名“{header}”出现两次"), format!("the header `{header}` stands twice"));
                return Err(MappingError { line, text });
            }
        }
        Ok(Self { own })
    }

    /// The columns of a reading as a mapping that can be saved, corrected, and used for the next file of the same form.
    #[must_use]
    pub fn to_text<'a>(readings: impl IntoIterator<Item = &'a Reading>) -> String {
        let mut text = String::from(
            "# 列名对照 · what the headers of our forms mean. Use it: tongbao publish FILE --mapping THIS\n\
             # 左为表头，右为含义（任一通用表头或英文名）；\"-\" 表示不读取 · \"-\" = not read\n[columns]\n",
        );
        let mut written = std::collections::BTreeSet::new();
        for column in readings.into_iter().flat_map(|reading| &reading.sheets).flat_map(|sheet| &sheet.columns) {
            let leaf = leaf(column);
            // What follows from two levels of a header is not the word of one.
            if column.how == How::UnderGroup || column.how == How::TickBelowQuestion || !written.insert(header_key(leaf)) {
                continue;
            }
            let (means, note) = match (column.meaning, column.how) {
                (Some(meaning), _) => (meaning.name().zh, ""),
                (None, How::NotRead) => (NOT_READ.to_owned(), ""),
                (None, _) => (NOT_READ.to_owned(), "  # 未识别：请填写含义 · not understood: say what it means"),
            };
            let _ = writeln!(text, "{} = {}{note}", toml::Value::from(leaf), toml::Value::from(means));
        }
        text
    }

    /// The meaning of one header text.
    pub(super) fn understand(&self, text: &str) -> Meant {
        if self.own.is_empty() || text.len() > LONGEST_HEADER {
            return Meant::Known(columns::understand(text));
        }
        let key = header_key(text);
        match self.own.get(&key) {
            // Brackets tell the unit, whose word the header may be.
            Some(meaning) => Meant::Own(meaning.map(|meaning| {
                let aside = Some(columns::without_brackets(&key).1).filter(|aside| !aside.is_empty());
                Understood { meaning, aside }
            })),
            None => Meant::Known(columns::understand(text)),
        }
    }
}

/// What a header means, and by whose word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meant {
    /// By the office's own; `None` = it is not read.
    Own(Option<Understood>),
    /// By a wording that is known everywhere, if it is one.
    Known(Option<Understood>),
}

impl Meant {
    /// The meaning, if there is one.
    pub(super) fn understood(self) -> Option<Understood> {
        match self {
            Self::Own(found) | Self::Known(found) => found,
        }
    }
}

fn leaf(column: &ColumnReading) -> &str {
    column.header.rsplit(" › ").next().unwrap_or_default()
}

fn meaning_of(text: &str) -> Option<Meaning> {
    columns::understand(text).map(|found| found.meaning).or_else(|| Meaning::of_english(text))
}

fn unknown(means: &str) -> Text {
    let all = Meaning::all().map(Meaning::name);
    let (zh, en): (Vec<_>, Vec<_>) = all.map(|name| (name.zh, name.en)).unzip();
    Text::new(
        format!("含义“{means}”无法识别；可用：{}，或 - 表示不读取", zh.join("、")),
        format!("`{means}` is no meaning; there are {}, and - for a column that is not read", en.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Mapping {
        Mapping::parse(text).expect(text)
    }

    #[test]
    fn own_words_go_before_the_known_ones() {
        let mapping = of("[columns]\n\"厂 商\" = \"生产企业名称\"\n\"备注\" = \"failed items\"\n\"批号\" = \"-\"\n");
        let meaning = |text: &str| mapping.understand(text).understood().map(|found| found.meaning);
        assert_eq!(meaning("厂商"), Some(Meaning::Producer));
        assert_eq!(meaning("备 注："), Some(Meaning::Items));
        assert_eq!((meaning("批号"), mapping.understand("批号")), (None, Meant::Own(None)));
        assert_eq!(meaning("品名"), Some(Meaning::ProductName));
        assert_eq!(Mapping::default().understand("批号").understood().map(|found| found.meaning), Some(Meaning::Batch));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line, says) in [
            ("[columns]\n\"甲\" = \"批号\"\n\"乙\" = \"颜色\"\n", Some(3), "`颜色` is no meaning"),
            ("[columns]\n\"甲\" = \"批号\"\n\"甲 \" = \"-\"\n", Some(3), "stands twice"),
            ("[columns]\n\"\" = \"批号\"\n", Some(2), "empty"),
            ("[columns]\n\"甲\" = 3\n", Some(2), "not a mapping"),
            ("[other]\n", Some(1), "not a mapping"),
            ("", Some(1), "not a mapping"),
        ] {
            let error = Mapping::parse(text).expect_err(text);
            assert!(error.text.en.contains(says), "{error}");
            assert_eq!(error.line, line, "{text}: {error}");
        }
    }
}
