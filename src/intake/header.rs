//! Finding the one header of a sheet and understanding its columns, also over several merged rows.

use std::{
    collections::{BTreeSet, HashMap},
    ops::RangeInclusive,
};

use crate::domain::violation::Text;

use super::{
    book::{Merge, Row, column_letter},
    columns::{Meaning, Understood, header_key, is_header_word},
    file_error::{FileError, NearestHeader},
    mapping::{Mapping, Meant},
    reading::FormKind,
    values::{Tick, tick},
};

/// Rows from the top among which the header must begin.
pub const SEARCHED: usize = 60;
/// Rows a header may have.
const MAX_HEIGHT: usize = 4;
/// Merged cells among the upper rows that are looked at.
const MAX_MERGED_CELLS: usize = 100_000;
/// Header words in one row that make it look like another header.
const LOOKS_LIKE_HEADER: usize = 3;

/// How a column was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The header is a known wording.
    Wording,
    /// It is one without what stands in brackets.
    WithoutBrackets,
    /// It is one together with the header above it.
    UnderGroup,
    /// It is a yes or no below a question.
    TickBelowQuestion,
    /// By the office's own mapping.
    Mapping,
    /// The office's own mapping says that nothing is read from it.
    NotRead,
    /// It is not understood; nothing is read from it.
    Unknown,
}

impl How {
    /// In words.
    pub fn text(self) -> Text {
        match self {
            Self::Wording => Text::new("表头用语", "a known wording"),
            Self::WithoutBrackets => Text::new("去掉括号后的表头用语", "a known wording without the brackets"),
            Self::UnderGroup => Text::new("与上级表头合读", "read together with the header above"),
            Self::TickBelowQuestion => Text::new("问题下的“是/否”栏", "the yes or no below a question"),
            Self::Mapping => Text::new("按本单位的列名对照", "by our own mapping"),
            Self::NotRead => Text::new("按本单位的列名对照不读取", "not read, by our own mapping"),
            Self::Unknown => Text::new("未识别，不读取", "not understood, not read"),
        }
    }
}

/// How one column was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnReading {
    /// Column, from 0.
    pub column: u32,
    /// Its letter.
    pub letter: String,
    /// Its header as written; levels from top to bottom, joined by ` › `.
    pub header: String,
    /// What it means; `None` = not understood.
    pub meaning: Option<Meaning>,
    /// For one of two tick columns: the answer that a tick here gives.
    pub answer: Option<bool>,
    /// What numbers are multiplied by: 10,000 where the header says 万.
    pub factor: u64,
    /// How it was understood.
    pub how: How,
}

/// The header of a sheet.
#[derive(Debug, Clone)]
pub struct Header {
    /// First and last row, from 1.
    pub rows: RangeInclusive<u32>,
    /// Which form it makes the sheet.
    pub kind: FormKind,
    /// Its columns, ascending.
    pub columns: Vec<ColumnReading>,
}

impl Header {
    /// The column of a meaning that is not one of two tick columns.
    pub fn column(&self, meaning: Meaning) -> Option<u32> {
        self.columns.iter().find(|column| column.meaning == Some(meaning) && column.answer.is_none()).map(|column| column.column)
    }

    /// The tick columns of a question, with the answer each gives.
    pub fn tick_columns(&self, meaning: Meaning) -> impl Iterator<Item = (u32, Option<bool>)> {
        self.columns.iter().filter(move |column| column.meaning == Some(meaning)).map(|column| (column.column, column.answer))
    }

    /// What numbers in the column of a meaning are multiplied by.
    pub fn factor(&self, meaning: Meaning) -> u64 {
        self.columns.iter().find(|column| column.meaning == Some(meaning)).map_or(1, |column| column.factor)
    }

    /// True when the header has the meaning.
    pub fn has(&self, meaning: Meaning) -> bool {
        self.columns.iter().any(|column| column.meaning == Some(meaning))
    }
}

/// Which form a set of meanings makes; otherwise what is missing to the nearer of the two.
fn form_of(meanings: &BTreeSet<Meaning>) -> Result<FormKind, Vec<Meaning>> {
    let has = |meaning| meanings.contains(&meaning);
    let enterprise = [Meaning::Producer, Meaning::NominalProducer, Meaning::SampledEnterprise, Meaning::SampledParty];
    let of_survey =
        [Meaning::ProductKind, Meaning::MeltblownSuppliers, Meaning::DailyOutput, Meaning::Converted, Meaning::MakesMedical];
    let is_list = has(Meaning::Items) || (has(Meaning::ProductName) && !has(Meaning::CreditCode));
    let mut missing = Vec::new();
    if is_list {
        for needed in [Meaning::ProductName, Meaning::Items] {
            missing.extend((!has(needed)).then_some(needed));
        }
        missing.extend((!enterprise.into_iter().any(has)).then_some(Meaning::Producer));
        return if missing.is_empty() { Ok(FormKind::FailedList) } else { Err(missing) };
    }
    for needed in [Meaning::Producer, Meaning::CreditCode] {
        missing.extend((!has(needed)).then_some(needed));
    }
    missing.extend((!of_survey.into_iter().any(has)).then_some(Meaning::ProductKind));
    if missing.is_empty() { Ok(FormKind::Survey) } else { Err(missing) }
}

/// A possible header.
struct Candidate {
    first: usize,
    height: usize,
    columns: Vec<ColumnReading>,
    form: Result<FormKind, Vec<Meaning>>,
    /// Different things understood.
    score: usize,
}

/// The upper rows of a sheet with their merged areas.
struct Top<'a> {
    rows: &'a [Row],
    /// Cell → the cell whose text it shows.
    shows: HashMap<(u32, u32), (u32, u32)>,
    mapping: &'a Mapping,
}

impl<'a> Top<'a> {
    fn new(rows: &'a [Row], merges: &[Merge], mapping: &'a Mapping) -> Self {
        let last = rows.last().map_or(0, |row| row.number);
        let mut shows = HashMap::new();
        let mut room = MAX_MERGED_CELLS;
        for area in merges.iter().filter(|area| area.top <= last) {
            for row in area.top..=area.bottom.min(last) {
                for column in area.left..=area.right.min(area.left.saturating_add(super::book::MAX_COLUMNS)) {
                    // Areas of real forms do not overlap; made-up ones must not cost time.
                    if room == 0 {
                        return Self { rows, shows, mapping };
                    }
                    room -= 1;
                    shows.insert((row, column), (area.top, area.left));
                }
            }
        }
        Self { rows, shows, mapping }
    }

    fn row(&self, number: u32) -> Option<&'a Row> {
        let at = self.rows.binary_search_by_key(&number, |row| row.number).ok()?;
        self.rows.get(at)
    }

    /// The text shown at a cell, through merges.
    fn shown(&self, row: u32, column: u32) -> Option<&'a str> {
        let (row, column) = self.shows.get(&(row, column)).copied().unwrap_or((row, column));
        self.row(row)?.get(column).map(|cell| cell.text.as_str())
    }

    /// The header texts above a column within a block of rows, top to bottom, each once.
    fn levels(&self, block: &[Row], column: u32) -> Vec<&'a str> {
        let mut levels: Vec<&str> = Vec::new();
        for (at, row) in block.iter().enumerate() {
            let below = block.get(at + 1).and_then(|row| self.shown(row.number, column));
            let shown = self.shown(row.number, column).or_else(|| {
                // Without merges a group's name stands over its first column alone and counts for those to the right
                // that have a header of their own below it.
                let group = below.and_then(|_| (0..column).rev().find_map(|left| self.shown(row.number, left)));
                group.filter(|_| levels.is_empty() || below.is_some_and(tick_word))
            });
            if let Some(text) = shown
                && levels.last() != Some(&text)
            {
                levels.push(text);
            }
        }
        levels
    }
}

/// The words that stand over the two tick columns of a question.
fn tick_word(text: &str) -> bool {
    text.chars().count() <= 3 && matches!(tick(text), Some(Tick::Yes | Tick::No))
}

/// Understands one column from its header's levels.
fn understand_column(column: u32, levels: &[&str], mapping: &Mapping) -> ColumnReading {
    let mut reading = ColumnReading {
        column,
        letter: column_letter(column),
        header: levels.iter().map(|level| level.split_whitespace().collect::<String>()).collect::<Vec<_>>().join(" › "),
        meaning: None,
        answer: None,
        factor: 1,
        how: How::Unknown,
    };
    let Some((leaf, above)) = levels.split_last() else { return reading };
    let of = |text: &str| mapping.understand(text).understood();
    if let Meant::Own(found) = mapping.understand(leaf) {
        reading.how = if found.is_some() { How::Mapping } else { How::NotRead };
        return with_meaning(reading, found, leaf);
    }
    if tick_word(leaf) {
        let question = above.iter().rev().find_map(|level| of(level)).filter(|found| found.meaning.is_yes_or_no());
        if let Some(found) = question {
            reading.meaning = Some(found.meaning);
            reading.answer = tick(leaf).map(|tick| tick == Tick::Yes);
            reading.how = How::TickBelowQuestion;
        }
        return reading;
    }
    let joined = above.iter().rev().find_map(|level| of(&format!("{level}{leaf}")));
    let (found, how) = match (joined, of(leaf)) {
        (Some(found), _) => (Some(found), How::UnderGroup),
        (None, Some(found)) if found.aside.is_some() => (Some(found), How::WithoutBrackets),
        (None, Some(found)) => (Some(found), How::Wording),
        (None, None) if is_unit(leaf) => (above.last().and_then(|level| of(level)), How::UnderGroup),
        (None, None) => (None, How::Unknown),
    };
    if found.is_some() {
        reading.how = how;
    }
    with_meaning(reading, found, leaf)
}

/// Gives a column its meaning, with the unit that its header names.
fn with_meaning(mut reading: ColumnReading, found: Option<Understood>, leaf: &str) -> ColumnReading {
    let Some(found) = found else { return reading };
    let unit = if is_unit(leaf) { header_key(leaf) } else { found.aside.unwrap_or_default() };
    if found.meaning == Meaning::DailyOutput {
        // Output a month or a year is another number than output a day; guessing the days is not ours to do.
        if unit.contains(['月', '年', '周']) {
            return ColumnReading { how: How::Unknown, ..reading };
        }
        reading.factor = if unit.contains('万') { 10_000 } else { 1 };
    }
    reading.meaning = Some(found.meaning);
    reading
}

fn is_unit(text: &str) -> bool {
    let key = header_key(text);
    let bare = key.trim_matches(['(', ')']);
    matches!(
        bare,
        "只" | "万只" | "个" | "万个" | "只/日" | "万只/日" | "个/日" | "万个/日" | "只/天" | "万只/天" | "单位:只" | "单位:万只"
    )
}

/// The first of several rows of a header has header words of its own, unlike a title or the lines below one.
fn begins_header(row: &Row, mapping: &Mapping) -> bool {
    row.cells.iter().filter(|(_, cell)| mapping.understand(&cell.text).understood().is_some()).nth(1).is_some()
}

/// A row below the first of a header holds header words and ticks, never data.
fn continues_header(top: &Top<'_>, block: &[Row], row: &Row) -> bool {
    let mut known = 0;
    for (column, cell) in &row.cells {
        if !matches!(cell.value, super::book::Value::Text) {
            return false;
        }
        let levels = top.levels(block, *column);
        known += usize::from(understand_column(*column, &levels, top.mapping).meaning.is_some());
    }
    known * 3 >= row.cells.len() * 2
}

fn candidate(top: &Top<'_>, first: usize, height: usize) -> Option<Candidate> {
    let block = top.rows.get(first..first + height)?;
    let numbers = block.first()?.number..=block.last()?.number;
    if (numbers.end() - numbers.start()) as usize >= height + 2 {
        return None;
    }
    if height > 1 && !begins_header(block.first()?, top.mapping)
        || !block.iter().skip(1).all(|row| continues_header(top, block, row))
    {
        return None;
    }
    let merged = top.shows.keys().filter(|(row, _)| numbers.contains(row)).map(|(_, column)| *column);
    let all: BTreeSet<u32> = block.iter().flat_map(|row| row.cells.iter().map(|(column, _)| *column)).chain(merged).collect();
    let columns: Vec<ColumnReading> = all
        .into_iter()
        .map(|column| understand_column(column, &top.levels(block, column), top.mapping))
        .filter(|column| !column.header.is_empty())
        .collect();
    let understood: BTreeSet<_> = columns.iter().filter_map(|column| Some((column.meaning?, column.answer))).collect();
    let meanings = understood.iter().map(|(meaning, _)| *meaning).collect();
    Some(Candidate { first, height, form: form_of(&meanings), score: understood.len(), columns })
}

/// What a search for a header came to.
pub enum Search {
    /// The one header.
    Found(Header),
    /// None; this came nearest.
    Nearest(NearestHeader),
}

/// Finds the header among the upper rows of a sheet.
pub fn find(sheet: &str, rows: &[Row], merges: &[Merge], mapping: &Mapping) -> Result<Search, FileError> {
    let top = Top::new(rows, merges, mapping);
    let mut best: Option<Candidate> = None;
    for first in 0..rows.len() {
        for height in 1..=MAX_HEIGHT {
            let Some(found) = candidate(&top, first, height) else { continue };
            let better = best.as_ref().is_none_or(|best| {
                // A known form, then more understood; of equals the first that was found: higher up, with fewer rows.
                (found.form.is_ok(), found.score) > (best.form.is_ok(), best.score)
            });
            if better {
                best = Some(found);
            }
        }
    }
    let Some(best) = best else { return Ok(Search::Nearest(nearest(sheet, rows, None))) };
    let Ok(kind) = best.form else { return Ok(Search::Nearest(nearest(sheet, rows, Some(&best)))) };
    let block = rows.get(best.first..best.first + best.height).unwrap_or_default();
    let (Some(top_row), Some(bottom_row)) = (block.first(), block.last()) else {
        return Ok(Search::Nearest(nearest(sheet, rows, None)));
    };
    // A vertical merge that begins in the header belongs to it to its end.
    let bottom = merges
        .iter()
        .filter(|area| {
            (top_row.number..=bottom_row.number).contains(&area.top) && area.bottom <= bottom_row.number.saturating_add(3)
        })
        .filter(|area| best.columns.iter().any(|column| column.column == area.left && column.meaning.is_some()))
        .map(|area| area.bottom)
        .fold(bottom_row.number, u32::max);
    let header = Header { rows: top_row.number..=bottom, kind, columns: best.columns };
    refuse_same_meaning(sheet, &header)?;
    let others = rows.iter().filter(|row| !header.rows.contains(&row.number));
    for row in others {
        refuse_second_header(sheet, &header, row)?;
    }
    Ok(Search::Found(header))
}

/// Refuses a row, outside the header, that is a header too.
pub fn refuse_second_header(sheet: &str, header: &Header, row: &Row) -> Result<(), FileError> {
    if row.cells.iter().filter(|(_, cell)| is_header_word(&cell.text)).count() < LOOKS_LIKE_HEADER {
        return Ok(());
    }
    let other = row.number;
    let own = *header.rows.start();
    Err(FileError::TwoHeaders { sheet: sheet.to_owned(), first: own.min(other), second: own.max(other) })
}

fn refuse_same_meaning(sheet: &str, header: &Header) -> Result<(), FileError> {
    let mut seen: HashMap<(Meaning, Option<bool>), &str> = HashMap::new();
    for column in &header.columns {
        let Some(meaning) = column.meaning.filter(|meaning| !meaning.is_not_read()) else { continue };
        if let Some(first) = seen.insert((meaning, column.answer), &column.letter) {
            return Err(FileError::SameMeaning {
                sheet: sheet.to_owned(),
                meaning: meaning.name(),
                columns: [first.to_owned(), column.letter.clone()],
            });
        }
    }
    Ok(())
}

fn nearest(sheet: &str, rows: &[Row], best: Option<&Candidate>) -> NearestHeader {
    let best = best.filter(|candidate| candidate.score > 0);
    let row = best.and_then(|candidate| rows.get(candidate.first)).or_else(|| rows.first());
    let cells = row.map(|row| {
        let mut text = row.cells.iter().take(12).map(|(_, cell)| cell.text.as_str()).collect::<Vec<_>>().join("｜");
        if let Some((cut, _)) = text.char_indices().nth(120) {
            text.truncate(cut);
            text.push('…');
        }
        (row.number, text)
    });
    let missing = best.and_then(|candidate| candidate.form.as_ref().err()).map(|missing| {
        let names: Vec<Text> = missing.iter().map(|meaning| meaning.name()).collect();
        let join = |get: fn(&Text) -> &str, separator: &str| names.iter().map(get).collect::<Vec<_>>().join(separator);
        Text::new(join(|text| &text.zh, "、"), join(|text| &text.en, ", "))
    });
    NearestHeader { sheet: sheet.to_owned(), row: cells, missing }
}
