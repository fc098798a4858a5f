//! The one cell in which published lists write production date and batch (生产日期/批号).

use unicode_normalization::UnicodeNormalization as _;

use super::{CivilDate, written};
use crate::domain::{names::is_empty_mark, violation::Text};

/// Why a cell was kept raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateWarning {
    /// There is no date in it.
    NotADate,
    /// It is written like a date, but there is no such day.
    ImpossibleDate,
}

impl DateWarning {
    /// Stable token.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotADate => "NOT_A_DATE",
            Self::ImpossibleDate => "IMPOSSIBLE_DATE",
        }
    }

    /// In words, naming the cell.
    pub fn text(self, raw: &str) -> Text {
        let raw: String = raw.chars().take(60).collect();
        match self {
            Self::NotADate => Text::new(
                format!("“{raw}”中读不出生产日期，按原文保留；如有日期请写成 2020-04-09"),
                format!(
                    "no production date can be read from `{raw}`; kept as written; if there is a date, write it as 2020-04-09"
                ),
            ),
            Self::ImpossibleDate => Text::new(
                format!("“{raw}”不是存在的日期，按原文保留；请核对"),
                format!("`{raw}` is no day that exists; kept as written; check it"),
            ),
        }
    }
}

/// What a cell of date and batch says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DateAndBatch {
    /// The date, where one could be read.
    pub date: Option<CivilDate>,
    /// The batch, where there is one.
    pub batch: String,
    /// The cell exactly as written.
    pub raw: String,
    /// Why it was kept raw.
    pub warning: Option<DateWarning>,
}

/// Reads a cell that holds a production date, a batch, both or neither. Where both could be dates, the first is the date.
pub fn read_date_and_batch(cell: &str) -> DateAndBatch {
    let mut read = DateAndBatch { raw: cell.to_owned(), ..DateAndBatch::default() };
    let text: String = cell.nfkc().collect();
    let pieces: Vec<&str> = text.split(['/', ';', '\n', '、', ',']).map(str::trim).collect();
    if pieces.iter().all(|piece| is_empty_mark(piece)) {
        return read;
    }
    let mut impossible = false;
    // A date written with slashes spans up to three pieces; the longest reading is tried first, from the left, then from the right.
    for length in (1..=pieces.len().min(3)).rev() {
        for from_right in [false, true] {
            let start = if from_right { pieces.len() - length } else { 0 };
            let date = pieces.get(start..start + length).unwrap_or_default().join("/");
            match written::read(without_label(&date, &["生产日期", "日期"])) {
                written::Read::Date(date) => {
                    let others = pieces.iter().take(start).chain(pieces.iter().skip(start + length));
                    read.date = Some(date);
                    read.batch = batch_of(others.copied());
                    return read;
                }
                written::Read::Impossible => impossible = true,
                written::Read::Other => {}
            }
        }
    }
    if let Some(batch) = pieces.iter().find(|piece| without_label(piece, BATCH_LABELS).len() < piece.len()) {
        read.batch = batch_of([*batch].into_iter());
    } else {
        read.warning = Some(if impossible { DateWarning::ImpossibleDate } else { DateWarning::NotADate });
    }
    read
}

const BATCH_LABELS: &[&str] = &["生产批号", "产品批号", "生产批次", "批号", "批次", "LOT", "Lot", "lot"];

/// The pieces that say something, without their labels.
fn batch_of<'a>(pieces: impl Iterator<Item = &'a str>) -> String {
    let said: Vec<&str> = pieces.map(|piece| without_label(piece, BATCH_LABELS)).filter(|piece| !is_empty_mark(piece)).collect();
    said.join("/")
}

/// The text after one of the labels and its colon.
fn without_label<'a>(text: &'a str, labels: &[&str]) -> &'a str {
    labels.iter().find_map(|label| text.strip_prefix(label)).map_or(text, |rest| rest.trim_start_matches([':', ' ', '.'])).trim()
}
