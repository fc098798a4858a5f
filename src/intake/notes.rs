//! Rows without a record: notes, totals, section titles; and what the lines around a table say of the whole.

use unicode_normalization::UnicodeNormalization as _;

use crate::domain::{dates::CivilDate, violation::Text};

use super::{
    book::{Row, Value, cell_name},
    header::Header,
    reading::{CellFinding, Severity},
    values::{is_nothing, stated},
};

/// Words that begin a note or a signature line.
const NOTES: [&str; 24] = [
    "注",
    "备注",
    "附注",
    "说明",
    "填表说明",
    "填报说明",
    "填写说明",
    "审核",
    "审核人",
    "填表人",
    "填报人",
    "制表",
    "制表人",
    "联系人",
    "联系电话",
    "电话",
    "负责人",
    "单位负责人",
    "填报单位",
    "填报日期",
    "填表单位",
    "填表日期",
    "单位(盖章)",
    "盖章",
];
/// Words that begin a line of totals.
const TOTALS: [&str; 6] = ["合计", "总计", "小计", "共计", "总和", "合 计"];

/// Why a row holds no record; `None` when it does.
pub fn why_ignored(row: &Row, header: &Header, merged_wide: bool) -> Option<Text> {
    let said: Vec<(u32, &str)> = row.cells.iter().filter_map(|(column, cell)| Some((*column, stated(&cell.text)?))).collect();
    let Some((first_column, first)) = said.first().copied() else {
        return Some(Text::new("整行没有内容", "nothing is said in it"));
    };
    let is_data = |column: u32| {
        header.columns.iter().any(|known| known.column == column && known.meaning.is_some_and(|meaning| !meaning.is_not_read()))
    };
    let key: String = first.nfkc().filter(|c| !c.is_whitespace()).collect();
    let alone = said.len() == 1;
    let labels = said.iter().skip(1).any(|(_, text)| text.contains([':', '：']));
    if begins_with(&key, &NOTES) && (said.len() <= 2 || labels) {
        return Some(Text::new("说明或签署", "a note or signature"));
    }
    if said.iter().take(3).any(|(_, text)| is_total(text)) {
        return Some(Text::new("合计行", "a line of totals"));
    }
    if alone && (merged_wide || is_numbered_title(&key) || (!is_data(first_column) && !is_count(&key))) {
        return Some(Text::new("分段标题或说明", "a section title or note"));
    }
    if !said.iter().any(|(column, _)| is_data(*column)) {
        return Some(Text::new("只有序号或未识别的列有内容", "only a serial number, or columns that are not read"));
    }
    None
}

fn begins_with(key: &str, words: &[&str]) -> bool {
    words.iter().any(|word| {
        key.strip_prefix(word)
            .is_some_and(|rest| rest.chars().next().is_none_or(|next| matches!(next, ':' | '.' | '、' | ',' | '(' | '1'..='9')))
    })
}

fn is_total(text: &str) -> bool {
    let key: String = text.nfkc().filter(|c| !c.is_whitespace()).collect();
    begins_with(&key, &TOTALS)
}

/// `一、…`, `（二）…`
fn is_numbered_title(key: &str) -> bool {
    let inside = key.trim_start_matches('(');
    let rest = inside.trim_start_matches(['一', '二', '三', '四', '五', '六', '七', '八', '九', '十']);
    rest.len() < inside.len() && rest.starts_with(['、', ')', '.'])
}

fn is_count(key: &str) -> bool {
    key.chars().all(|c| c.is_ascii_digit())
}

/// What the lines around a table say of the whole.
#[derive(Debug, Default)]
pub struct Around {
    /// 填报单位
    pub filing_unit: Option<String>,
    /// 填报日期
    pub filed_on: Option<CivilDate>,
    /// 公告日期
    pub published_on: Option<CivilDate>,
    /// What was found there.
    pub findings: Vec<CellFinding>,
}

const FILING_UNIT: [&str; 6] = ["填报单位", "填表单位", "报送单位", "填报部门", "上报单位", "填报机关"];
const FILED_ON: [&str; 6] = ["填报日期", "填报时间", "填表日期", "报送日期", "填表时间", "上报日期"];
const PUBLISHED_ON: [&str; 6] = ["公告日期", "发布日期", "公布日期", "公示日期", "发布时间", "通报日期"];

impl Around {
    /// Reads a line above or below the table.
    pub fn read(&mut self, row: &Row, today: CivilDate) {
        for at in 0..row.cells.len() {
            if let Some((_, text)) = labelled(row, at, &FILING_UNIT)
                && self.filing_unit.is_none()
            {
                self.filing_unit = Some(text);
            }
            for (labels, is_filing) in [(&FILED_ON, true), (&PUBLISHED_ON, false)] {
                if let Some((column, text)) = labelled(row, at, labels) {
                    self.read_date(row, column, &text, is_filing, today);
                }
            }
        }
    }

    fn read_date(&mut self, row: &Row, column: u32, text: &str, is_filing: bool, today: CivilDate) {
        let held = row.get(column).and_then(|cell| if let Value::Date(date) = cell.value { Some(date) } else { None });
        let date = held.or_else(|| CivilDate::parse(text));
        let wrong = match date {
            None => Some((
                "NOT_A_DATE",
                Text::new(
                    format!("“{text}”不是日期，未读取；应如 2020年5月20日"),
                    format!("`{text}` is not a date and was not taken; write e.g. 2020-05-20"),
                ),
            )),
            Some(date) if date.is_certainly_after(today) => Some((
                "FUTURE_DATE",
                Text::new(
                    format!("日期 {date} 晚于今天（{today}），未读取；请核对"),
                    format!("{date} lies after today ({today}) and was not taken; check it"),
                ),
            )),
            Some(_) => None,
        };
        if let Some((reason, text_of_finding)) = wrong {
            self.findings.push(CellFinding {
                cell: cell_name(column, row.number),
                severity: Severity::Warning,
                reason,
                read: text.to_owned(),
                text: text_of_finding,
            });
            return;
        }
        let slot = if is_filing { &mut self.filed_on } else { &mut self.published_on };
        if slot.is_none() {
            *slot = date;
        }
    }
}

/// The text after a label, in the same cell or in the next one, with the column it stands in.
fn labelled(row: &Row, at: usize, labels: &[&str]) -> Option<(u32, String)> {
    let (column, cell) = row.cells.get(at)?;
    let text = cell.text.as_str();
    let (start, label) = labels.iter().find_map(|label| text.find(label).map(|start| (start, *label)))?;
    let after = text.get(start + label.len()..)?;
    // A note in brackets, as in `填报单位（盖章）：`, is no part of the value.
    let after = match after.trim_start().strip_prefix(['(', '（']) {
        Some(rest) => rest.split_once([')', '）']).map_or(after, |(_, rest)| rest),
        None => after,
    };
    let value = after.trim_start().strip_prefix([':', '：'])?.trim_start();
    // Another label may follow in the same cell, after white space.
    let value = FILING_UNIT
        .iter()
        .chain(&FILED_ON)
        .chain(&PUBLISHED_ON)
        .filter_map(|other| value.find(other))
        .min()
        .map_or(value, |end| value.get(..end).unwrap_or(value));
    let value = value.trim();
    if !is_nothing(value) {
        return Some((*column, value.to_owned()));
    }
    let (next_column, next) = row.cells.get(at + 1)?;
    stated(&next.text).filter(|next| !next.contains([':', '：'])).map(|next| (*next_column, next.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{super::book::Cell, *};

    fn row(cells: &[(u32, &str)]) -> Row {
        let cells = cells.iter().map(|(column, text)| (*column, Cell { text: (*text).to_owned(), value: Value::Text })).collect();
        Row { number: 2, cells }
    }

    fn around(cells: &[(u32, &str)]) -> Around {
        let mut around = Around::default();
        around.read(&row(cells), CivilDate::day(2026, 1, 1).expect("a day"));
        around
    }

    #[test]
    fn labels_are_read_from_one_cell_or_two() {
        let day = CivilDate::day(2020, 5, 20);
        for cells in [
            &[(0, "填报单位：甲局"), (8, "填报日期：2020年5月20日")][..],
            &[(0, "填报单位（盖章）："), (1, "甲局"), (4, "填报日期:"), (5, "2020-05-20")],
            &[(0, "填报单位：甲局      填报日期：2020.5.20")],
        ] {
            let read = around(cells);
            assert_eq!((read.filing_unit.as_deref(), read.filed_on), (Some("甲局"), day), "{cells:?}");
        }
    }

    #[test]
    fn a_date_that_is_none_or_to_come_is_said() {
        assert_eq!(around(&[(3, "填报日期：待定")]).findings[0].reason, "NOT_A_DATE");
        let read = around(&[(3, "填报日期：2027-01-01")]);
        assert_eq!((read.findings[0].reason, read.findings[0].cell.as_str(), read.filed_on), ("FUTURE_DATE", "D2", None));
    }
}
