//! One row of data, its cells by meaning, and the findings made while reading them.

use calamine::{ExcelDateTime, ExcelDateTimeType};

use crate::domain::{
    credit_code::{CreditCode, Identifier, LegacyIdentifier, read_identifier},
    dates::CivilDate,
    names::region_in_name,
    regions::Region,
    violation::Text,
};

use super::{
    Options,
    book::{Cell, Row, Value, cell_name},
    columns::Meaning,
    header::Header,
    reading::{CellFinding, Severity},
    values::{CountError, Tick, count, stated, tick},
};

/// Serial numbers of the days from 2000 to 2100: a bare number in a column of dates within them is a day.
const SERIAL_DAYS: std::ops::Range<f64> = 36_526.0..73_051.0;

/// One row of data being read.
pub struct Fields<'a> {
    row: &'a Row,
    header: &'a Header,
    /// What the reader must know beside the file.
    pub options: &'a Options,
    /// What was found so far.
    pub findings: Vec<CellFinding>,
}

impl<'a> Fields<'a> {
    /// Begins to read a row; formula errors are found at once.
    pub fn new(row: &'a Row, header: &'a Header, options: &'a Options) -> Self {
        let mut fields = Self { row, header, options, findings: Vec::new() };
        for column in header.columns.iter().filter(|column| column.meaning.is_some_and(|meaning| !meaning.is_not_read())) {
            let Some(cell) = row.get(column.column) else { continue };
            if cell.value == Value::Error {
                fields.report(
                    Severity::Error,
                    column.column,
                    "FORMULA_ERROR",
                    Text::new("公式出错，没有值；请改为填写的值", "the formula has no value; write the value itself"),
                );
            }
        }
        fields
    }

    /// The row's number, from 1.
    pub const fn row_number(&self) -> u32 {
        self.row.number
    }

    /// True when no finding is an error.
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }

    /// True when the header has the meaning.
    pub fn has(&self, meaning: Meaning) -> bool {
        self.header.has(meaning)
    }

    fn cell(&self, meaning: Meaning) -> Option<(u32, &'a Cell)> {
        let column = self.header.column(meaning)?;
        self.row.get(column).filter(|cell| cell.value != Value::Error).map(|cell| (column, cell))
    }

    /// The text of a cell, if it says anything.
    pub fn text(&self, meaning: Meaning) -> Option<&'a str> {
        self.cell(meaning).and_then(|(_, cell)| stated(&cell.text))
    }

    /// The text of a cell or the empty string, as records keep it.
    pub fn text_or_empty(&self, meaning: Meaning) -> String {
        self.text(meaning).unwrap_or_default().to_owned()
    }

    /// The text of a cell exactly as written, also where it says nothing.
    pub fn raw(&self, meaning: Meaning) -> &'a str {
        self.cell(meaning).map_or("", |(_, cell)| cell.text.as_str())
    }

    /// The column that findings about a meaning point at; without such a column the first that is read.
    fn column_of(&self, meaning: Meaning) -> u32 {
        self.header
            .tick_columns(meaning)
            .map(|(column, _)| column)
            .next()
            .or_else(|| {
                self.header.columns.iter().find(|column| column.meaning.is_some_and(|m| !m.is_not_read())).map(|c| c.column)
            })
            .unwrap_or(0)
    }

    /// The cell that findings about a meaning name.
    pub fn cell_name(&self, meaning: Meaning) -> String {
        cell_name(self.column_of(meaning), self.row.number)
    }

    fn report(&mut self, severity: Severity, column: u32, reason: &'static str, text: Text) {
        let cell = cell_name(column, self.row.number);
        // One error a cell: what follows from it is no news.
        let known =
            self.findings.iter().any(|found| found.cell == cell && (found.severity == Severity::Error || found.reason == reason));
        if !known {
            let read = self.row.get(column).map(|cell| cell.text.clone()).unwrap_or_default();
            self.findings.push(CellFinding { cell, severity, reason, read, text });
        }
    }

    /// Says that a cell is wrong; the row is then not taken.
    pub fn refuse(&mut self, meaning: Meaning, reason: &'static str, text: Text) {
        self.report(Severity::Error, self.column_of(meaning), reason, text);
    }

    /// Says that something in a cell was not understood.
    pub fn warn(&mut self, meaning: Meaning, reason: &'static str, text: Text) {
        self.report(Severity::Warning, self.column_of(meaning), reason, text);
    }

    /// Says how a cell was read.
    pub fn note(&mut self, meaning: Meaning, reason: &'static str, text: Text) {
        self.report(Severity::Note, self.column_of(meaning), reason, text);
    }

    /// The text of a cell that must say something itself: 同上 is refused, since rows are sorted and split.
    pub fn own_text(&mut self, meaning: Meaning) -> Option<&'a str> {
        let text = self.text(meaning)?;
        if matches!(text, "同上" | "〃" | "″" | "\"" | "同前") {
            self.refuse(
                meaning,
                "DITTO",
                Text::new(format!("“{text}”不能单独成立；请写出内容"), format!("`{text}` does not stand alone; write it out")),
            );
            return None;
        }
        Some(text)
    }

    /// A yes or no, from one column or from two tick columns.
    pub fn yes_or_no(&mut self, meaning: Meaning) -> Option<bool> {
        let mut said: Option<bool> = None;
        let columns: Vec<_> = self.header.tick_columns(meaning).collect();
        let first = columns.first()?.0;
        for (column, answer) in columns {
            let Some(cell) = self.row.get(column).filter(|cell| cell.value != Value::Error) else { continue };
            let says = match tick(&cell.text) {
                Some(Tick::Blank) => continue,
                Some(Tick::Yes) => answer.unwrap_or(true),
                Some(Tick::No) => !answer.unwrap_or(true),
                None => {
                    self.report(Severity::Error, column, "NOT_A_TICK", not_a_tick(&cell.text));
                    continue;
                }
            };
            if said.is_some_and(|before| before != says) {
                self.report(
                    Severity::Error,
                    first,
                    "TWO_ANSWERS",
                    Text::new("“是”和“否”都选了；只保留一个", "both yes and no are ticked; keep one"),
                );
                return None;
            }
            said = Some(says);
        }
        if said.is_none() {
            let name = meaning.name();
            let text = Text::new(
                format!("“{}”没有填写；按“未说明”读取", name.zh),
                format!("`{}` is not answered; read as not stated", name.en),
            );
            self.report(Severity::Warning, first, "NOT_ANSWERED", text);
        }
        said
    }

    /// A day in a column of dates.
    pub fn date(&mut self, meaning: Meaning) -> Option<CivilDate> {
        let (_, cell) = self.cell(meaning)?;
        let text = stated(&cell.text)?;
        let date = match cell.value {
            Value::Date(date) => Some(date),
            Value::Number(number) if SERIAL_DAYS.contains(&number) => self.serial_day(meaning, number),
            _ => CivilDate::parse(text),
        };
        let Some(date) = date else {
            self.warn(
                meaning,
                "NOT_A_DATE",
                Text::new(
                    format!("“{text}”不是日期，未读取；应如 2020-05-20"),
                    format!("`{text}` is not a date and was not taken; write e.g. 2020-05-20"),
                ),
            );
            return None;
        };
        Some(date)
    }

    /// Says that a production date lies after today: labels are post-dated, so that it may be true.
    pub fn warn_future(&mut self, meaning: Meaning, date: CivilDate) {
        let today = self.options.today;
        if date.is_certainly_after(today) {
            let text = Text::new(
                format!("日期 {date} 晚于今天（{today}）；请核对"),
                format!("{date} lies after today ({today}); check it"),
            );
            self.warn(meaning, "FUTURE_DATE", text);
        }
    }

    fn serial_day(&mut self, meaning: Meaning, serial: f64) -> Option<CivilDate> {
        let (year, month, day, ..) = ExcelDateTime::new(serial, ExcelDateTimeType::DateTime, false).to_ymd_hms_milli();
        let date = CivilDate::day(year, month, day)?;
        let text = Text::new(
            format!("数字 {serial} 按日期序号读作 {date}；若不是日期，请改为文本格式"),
            format!("the number {serial} was read as the day {date}; if it is none, store it as text"),
        );
        self.warn(meaning, "SERIAL_DATE", text);
        Some(date)
    }

    /// A day that the cell holds as such, not as text.
    pub fn true_date(&mut self, meaning: Meaning) -> Option<CivilDate> {
        match self.cell(meaning)?.1.value {
            Value::Date(date) => Some(date),
            Value::Number(number) if SERIAL_DAYS.contains(&number) => self.serial_day(meaning, number),
            _ => None,
        }
    }

    /// A count of pieces; `Err` when something is written that is none.
    pub fn count(&self, meaning: Meaning) -> Result<Option<u64>, Text> {
        let Some(text) = self.text(meaning) else { return Ok(None) };
        // A cell that says 万 itself does not mean the header's 万 as well.
        let factor = if text.contains(['万', '亿', '萬']) { 1 } else { self.header.factor(meaning) };
        count(text, factor).map(Some).map_err(|error| not_a_count(text, error))
    }

    /// An enterprise's identifier. Invented codes are refused unless they are admitted.
    pub fn identifier(&mut self, meaning: Meaning) -> (Option<CreditCode>, Option<LegacyIdentifier>) {
        let Some((_, cell)) = self.cell(meaning) else { return (None, None) };
        match read_identifier(&cell.text) {
            Identifier::Absent => (None, None),
            Identifier::Legacy(legacy) => (None, Some(legacy)),
            Identifier::Invalid(error) => {
                let text = if matches!(cell.value, Value::Number(_)) { digits_lost() } else { error.text() };
                self.refuse(meaning, error.reason(), text);
                (None, None)
            }
            Identifier::Code { code, normalised, region_known } => {
                self.remark_code(meaning, code, normalised, region_known);
                (Some(code), None)
            }
        }
    }

    fn remark_code(&mut self, meaning: Meaning, code: CreditCode, normalised: bool, region_known: bool) {
        if code.is_synthetic() && !self.options.allow_synthetic {
            let text = Text::new(
                format!("代码“{code}”使用保留号段 PDY，仅供示例；请填写真实代码"),
                format!("the code `{code}` is in the range reserved for examples (PDY); give the real one"),
            );
            self.refuse(meaning, "SYNTHETIC_CODE", text);
        }
        if normalised {
            let text = Text::new(format!("已按规范形式读作 {code}"), format!("read as its canonical form {code}"));
            self.note(meaning, "CODE_NORMALISED", text);
        }
        if !region_known {
            let region = code.region_prefix();
            let text = Text::new(
                format!("代码中的行政区划 {region} 不在表内；请核对"),
                format!("the region {region} in the code is not in the table; check it"),
            );
            self.warn(meaning, "UNKNOWN_REGION", text);
        }
    }

    /// A region by code or name.
    pub fn region(&mut self, meaning: Meaning) -> Option<Region> {
        let text = self.text(meaning)?;
        let province = || {
            Region::reporters()
                .find(|region| text.chars().count() >= 2 && region.name_zh().is_some_and(|name| name.starts_with(text)))
        };
        let region = Region::parse(text).or_else(province).or_else(|| region_in_name(text));
        if region.is_none() {
            let text =
                Text::new(format!("“{text}”不是已知地区，未读取"), format!("`{text}` is not a known region and was not taken"));
            self.warn(meaning, "UNKNOWN_REGION", text);
        }
        region
    }
}

fn not_a_tick(read: &str) -> Text {
    Text::new(
        format!("“{read}”不是“是”或“否”；请填 √、是、否 或留空"),
        format!("`{read}` is neither yes nor no; write √, 是 or 否, or leave it blank"),
    )
}

fn digits_lost() -> Text {
    Text::new(
        "代码以数字保存，Excel 只保留 15 位，末几位已丢失；请把单元格设为文本后重新填写",
        "the code is stored as a number, of which Excel keeps 15 digits: the last ones are lost; format the cell as text and write it again",
    )
}

fn not_a_count(read: &str, error: CountError) -> Text {
    match error {
        CountError::Approximate => Text::new(
            format!("“{read}”是约数，不能作为数量；请填写整数，如 50000"),
            format!("`{read}` is approximate (约), not a number; write a whole number, e.g. 50000"),
        ),
        CountError::Negative => Text::new(format!("“{read}”是负数；请核对"), format!("`{read}` is negative; check it")),
        CountError::Fraction => {
            Text::new(format!("“{read}”不是整数；请按只（个）填写"), format!("`{read}` is not a whole number of pieces"))
        }
        CountError::TooLarge => {
            Text::new(format!("“{read}”超出合理范围；请核对单位"), format!("`{read}` is beyond reason; check the unit"))
        }
        CountError::NotANumber => Text::new(
            format!("“{read}”不是数字；请填写整数，如 50000 或 5万"),
            format!("`{read}` is not a number; write a whole number, e.g. 50000 or 5万"),
        ),
    }
}
