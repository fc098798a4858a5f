//! A sheet, row by row: the upper rows are kept until the header is found, every row after it is read and let go.

use std::collections::{HashMap, HashSet};

use crate::domain::{
    records::{Content, Matter},
    violation::Text,
};

use super::{
    MAX_ROWS, Options,
    book::{Book, Cell, Merge, Row},
    failed_list::{self, SeenNumbers},
    file_error::{FileError, NearestHeader},
    header::{self, Header, SEARCHED, Search},
    notes::{Around, why_ignored},
    reading::{FormKind, Ignored, RowReading, SheetReading},
    row::Fields,
    rules,
    survey::{self, SeenCodes},
};

/// What the sheets of a file have in common.
#[derive(Default)]
struct Shared {
    codes: SeenCodes,
    numbers: SeenNumbers,
    rows: usize,
}

/// The sheets that were read, and those that were left out with the reason.
pub type Sheets = (Vec<SheetReading>, Vec<(String, Text)>);

/// Reads every sheet with a known header; the others are named with the reason.
pub fn read_all(book: &mut Book<'_>, options: &Options) -> Result<Sheets, FileError> {
    let (mut sheets, mut ignored, mut nearest) = (Vec::new(), Vec::new(), Vec::new());
    let mut shared = Shared::default();
    for (index, sheet) in book.sheets().into_iter().enumerate() {
        if sheet.hidden {
            ignored.push((sheet.name, Text::new("隐藏的工作表，未读取", "a hidden sheet, not read")));
            continue;
        }
        let merges = book.merges(&sheet.name)?;
        let mut reader = Reader::new(sheet.name.clone(), index, merges, options, &mut shared);
        book.rows(&sheet.name, &mut |row| reader.push(row))?;
        match reader.finish()? {
            Ok(reading) => sheets.push(reading),
            Err(found) => {
                ignored.push((sheet.name, why_unknown(&found)));
                nearest.push(found);
            }
        }
    }
    if sheets.is_empty() {
        return Err(FileError::NoKnownHeader { found: nearest });
    }
    if shared.rows == 0 {
        return Err(FileError::NoRows { sheets: sheets.into_iter().map(|sheet| sheet.name).collect() });
    }
    Ok((sheets, ignored))
}

/// Why a sheet beside one that was read was left out.
fn why_unknown(nearest: &NearestHeader) -> Text {
    match (&nearest.row, &nearest.missing) {
        (Some((row, _)), Some(missing)) => Text::new(
            format!("没有可识别的表头，未读取（第 {row} 行最接近，缺少：{}）", missing.zh),
            format!("no known header, not read (row {row} comes nearest, missing: {})", missing.en),
        ),
        _ => Text::new("没有可识别的表头，未读取", "no known header, not read"),
    }
}

/// How far the reading of a sheet is.
enum Stage {
    /// The header may still come.
    Searching(Vec<Row>),
    /// It was found.
    Reading(Box<Table>),
    /// There is none.
    Unknown(NearestHeader),
}

struct Table {
    header: Header,
    around: Around,
    rows: Vec<RowReading>,
    ignored: Vec<Ignored>,
}

struct Reader<'a> {
    sheet: String,
    /// Place in the workbook, from 0.
    index: usize,
    merges: Vec<Merge>,
    /// Rows in which a merged area of three columns or more begins.
    wide: HashSet<u32>,
    /// By column: a vertical merge that is being read, its last row and its text.
    falling: HashMap<u32, (u32, Cell)>,
    options: &'a Options,
    shared: &'a mut Shared,
    stage: Stage,
}

impl<'a> Reader<'a> {
    fn new(sheet: String, index: usize, mut merges: Vec<Merge>, options: &'a Options, shared: &'a mut Shared) -> Self {
        merges.sort_by_key(|area| area.top);
        let wide = merges.iter().filter(|area| area.right - area.left >= 2).map(|area| area.top).collect();
        Self { sheet, index, merges, wide, falling: HashMap::new(), options, shared, stage: Stage::Searching(Vec::new()) }
    }

    fn push(&mut self, row: Row) -> Result<(), FileError> {
        match &mut self.stage {
            Stage::Unknown(_) => Ok(()),
            Stage::Reading(_) => self.read(row),
            Stage::Searching(rows) => {
                rows.push(row);
                if rows.len() < SEARCHED { Ok(()) } else { self.search() }
            }
        }
    }

    /// Looks for the header in the rows kept so far and reads those below it.
    fn search(&mut self) -> Result<(), FileError> {
        let Stage::Searching(rows) = &mut self.stage else { return Ok(()) };
        let rows = std::mem::take(rows);
        let header = match header::find(&self.sheet, &rows, &self.merges, &self.options.mapping)? {
            Search::Found(header) => header,
            Search::Nearest(nearest) => {
                self.stage = Stage::Unknown(nearest);
                return Ok(());
            }
        };
        let mut around = Around::default();
        for row in rows.iter().filter(|row| row.number < *header.rows.start()) {
            around.read(row, self.options.today);
        }
        let last = *header.rows.end();
        if header.kind == FormKind::FailedList && self.options.list_name.is_none() && !failed_list::has_numbers(&header) {
            return Err(FileError::ListNameRequired);
        }
        self.stage = Stage::Reading(Box::new(Table { header, around, rows: Vec::new(), ignored: Vec::new() }));
        rows.into_iter().filter(|row| row.number > last).try_for_each(|row| self.read(row))
    }

    /// Reads one row below the header.
    fn read(&mut self, mut row: Row) -> Result<(), FileError> {
        let Stage::Reading(table) = &mut self.stage else { return Ok(()) };
        header::refuse_second_header(&self.sheet, &table.header, &row)?;
        if let Some(why) = why_ignored(&row, &table.header, self.wide.contains(&row.number)) {
            table.around.read(&row, self.options.today);
            table.ignored.push(ignored(&row, why));
            return Ok(());
        }
        fill_from_merges(&mut row, &self.merges, &mut self.falling);
        self.shared.rows += 1;
        if self.shared.rows > MAX_ROWS {
            return Err(FileError::TooManyRows { limit: MAX_ROWS });
        }
        let mut fields = Fields::new(&row, &table.header, self.options);
        let (record_id, matter) = match table.header.kind {
            FormKind::Survey => {
                let (record_id, survey) = survey::read(&mut fields, &self.sheet, &mut self.shared.codes);
                (record_id, Matter::EnterpriseSurvey(Box::new(survey)))
            }
            FormKind::FailedList => {
                let place = failed_list::Place { sheet: &self.sheet, index: self.index };
                let Some((record_id, failure)) = failed_list::read(&mut fields, &place, &mut self.shared.numbers) else {
                    self.shared.rows -= 1;
                    table.ignored.push(ignored(&row, Text::new("结论为合格", "it passed")));
                    return Ok(());
                };
                (record_id, Matter::Nonconformity(Box::new(failure)))
            }
        };
        let mut content = Content { matter, withdrawal: None };
        complete(&mut content, &table.around, self.options);
        rules::check(&mut fields, &content);
        let content = (fields.is_clean() && record_id.is_some()).then_some(content);
        let mut findings = fields.findings;
        // By column, as a person goes through the row.
        findings.sort_by(|a, b| (a.cell.len(), &a.cell).cmp(&(b.cell.len(), &b.cell)));
        findings.shrink_to_fit();
        table.rows.push(RowReading { row: row.number, record_id, content, findings });
        Ok(())
    }

    fn finish(mut self) -> Result<Result<SheetReading, NearestHeader>, FileError> {
        self.search()?;
        let table = match self.stage {
            Stage::Reading(table) => *table,
            Stage::Unknown(nearest) => return Ok(Err(nearest)),
            Stage::Searching(_) => return Ok(Err(NearestHeader { sheet: self.sheet, row: None, missing: None })),
        };
        let Table { header, around, mut rows, ignored } = table;
        // Once more, since the lines below the table may have said what those above it did not.
        for content in rows.iter_mut().filter_map(|row| row.content.as_mut()) {
            complete(content, &around, self.options);
        }
        Ok(Ok(SheetReading {
            name: self.sheet,
            kind: header.kind,
            header_rows: header.rows.into_inner(),
            columns: header.columns,
            findings: around.findings,
            rows,
            ignored,
        }))
    }
}

/// Fills in what the lines around the table say of every row.
fn complete(content: &mut Content, around: &Around, options: &Options) {
    match &mut content.matter {
        Matter::EnterpriseSurvey(survey) => {
            if survey.filing_unit.is_empty() {
                survey.filing_unit = around.filing_unit.clone().unwrap_or_default();
            }
            survey.filed_on = survey.filed_on.or(around.filed_on);
        }
        Matter::Nonconformity(failure) => {
            failure.published_on = failure.published_on.or(around.published_on).or(options.published_on);
        }
        _ => {}
    }
}

fn ignored(row: &Row, why: Text) -> Ignored {
    let mut read = row.cells.iter().map(|(_, cell)| cell.text.as_str()).collect::<Vec<_>>().join("｜");
    if let Some((cut, _)) = read.char_indices().nth(200) {
        read.truncate(cut);
        read.push('…');
    }
    Ignored { row: row.number, read, why }
}

/// A vertically merged cell holds its text for every row it spans, as a person reads it.
fn fill_from_merges(row: &mut Row, merges: &[Merge], falling: &mut HashMap<u32, (u32, Cell)>) {
    if merges.is_empty() {
        return;
    }
    falling.retain(|_, (bottom, _)| *bottom >= row.number);
    for (column, (_, cell)) in &*falling {
        row.fill(*column, cell.clone());
    }
    let from = merges.partition_point(|area| area.top < row.number);
    for area in merges.iter().skip(from).take_while(|area| area.top == row.number).filter(|area| area.bottom > area.top) {
        if let Some(cell) = row.get(area.left) {
            falling.insert(area.left, (area.bottom, cell.clone()));
        }
    }
}
