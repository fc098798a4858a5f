//! Working days: weekends, holidays and the work days that make up for them. The latter two are data, announced year by year.

use std::collections::{BTreeMap, BTreeSet};

use time::{Date, Duration, Weekday};

use super::{
    dates::{CivilDate, Precision},
    violation::Text,
};

/// The table built in: from general knowledge, to be replaced by the announcement in force.
pub const BUILT_IN: &str = include_str!("../../data/working_days.csv");

/// Which days are worked. A year of which the table says nothing has its weekends alone, and every answer that rests on it says so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkingDays {
    /// By day: worked (`true`) or not.
    exceptions: BTreeMap<Date, bool>,
    years: BTreeSet<i32>,
}

/// What is wrong with a line of the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {}", text.en)]
pub struct CalendarError {
    /// Line, from 1; the header is the first.
    pub line: usize,
    /// What, and what it should be.
    pub text: Text,
}

/// A day counted out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    /// The day.
    pub day: CivilDate,
    /// Holidays of a year on the way are not known: weekends alone were counted.
    pub estimated: bool,
}

impl WorkingDays {
    /// The table built in.
    #[must_use]
    pub fn built_in() -> Self {
        // A test parses it, so that this is never empty.
        Self::parse(BUILT_IN).unwrap_or_default()
    }

    /// Reads a table `day,kind,note` with `holiday` or `work` as kind.
    ///
    /// # Errors
    /// The first line that is no row of such a table, or a day that stands there twice.
    pub fn parse(table: &str) -> Result<Self, CalendarError> {
        let mut calendar = Self::default();
        let mut lines = (1..).zip(table.trim_start_matches('\u{feff}').lines().map(str::trim));
        if lines.next().is_none_or(|(_, header)| !header.starts_with("day,kind")) {
            return Err(wrong(1, "首行应为 day,kind,note", "the first line must be day,kind,note"));
        }
        for (line, row) in lines.filter(|(_, row)| !row.is_empty()) {
            let mut cells = row.splitn(3, ',').map(str::trim);
            let (day, kind) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
            let date = CivilDate::parse(day).filter(|date| date.precision() == Precision::Day).ok_or_else(|| {
                wrong(line, format!("“{day}”不是日期，应如 2020-10-01"), format!("`{day}` is no day: write 2020-10-01"))
            })?;
            let worked = match kind {
                "work" => true,
                "holiday" => false,
                other => {
                    let (zh, en) = (format!("“{other}”应为 holiday 或 work"), format!("`{other}` must be holiday or work"));
                    return Err(wrong(line, zh, en));
                }
            };
            let date = date.first_day();
            if calendar.exceptions.insert(date, worked).is_some() {
                return Err(wrong(line, format!("{day} 重复出现"), format!("{day} stands there twice")));
            }
            calendar.years.insert(date.year());
        }
        Ok(calendar)
    }

    /// True when the holidays of that year are known.
    #[must_use]
    pub fn knows(&self, year: i32) -> bool {
        self.years.contains(&year)
    }

    /// True when the day is worked.
    #[must_use]
    pub fn is_worked(&self, day: CivilDate) -> bool {
        self.works(day.first_day())
    }

    fn works(&self, date: Date) -> bool {
        let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        self.exceptions.get(&date).copied().unwrap_or(!weekend)
    }

    /// The `days`-th working day after a day; `None` beyond the year 2100.
    #[must_use]
    pub fn after(&self, since: CivilDate, days: u32) -> Option<Counted> {
        let mut date = since.first_day();
        let mut left = days;
        let mut estimated = false;
        while left > 0 {
            date = date.checked_add(Duration::DAY)?;
            estimated |= !self.knows(date.year());
            left -= u32::from(self.works(date));
        }
        Some(Counted { day: CivilDate::of_date(date)?, estimated })
    }
}

fn wrong(line: usize, zh: impl Into<String>, en: impl Into<String>) -> CalendarError {
    CalendarError { line, text: Text::new(zh, en) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> CivilDate {
        CivilDate::parse(text).unwrap_or_else(|| panic!("a day: {text}"))
    }

    fn after(text: &str, days: u32) -> (String, bool) {
        let counted = WorkingDays::built_in().after(day(text), days).expect("within the bounds");
        (counted.day.to_string(), counted.estimated)
    }

    #[test]
    fn the_table_built_in_is_whole() {
        let calendar = WorkingDays::parse(BUILT_IN).expect("the table in data/");
        assert!(calendar.knows(2020) && calendar.knows(2025) && !calendar.knows(2021));
        for (date, worked) in &calendar.exceptions {
            // A work day makes up for a weekend; a holiday may lie on one.
            let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
            assert!(!worked || weekend, "{date} is a work day anyway");
        }
    }

    #[test]
    fn holidays_are_passed_over_and_work_days_made_up_are_counted() {
        // 30 April 2020 was a Thursday; 1 to 5 May were holidays; 6 to 8 May and the Saturday after were worked.
        assert_eq!(after("2020-04-30", 1), ("2020-05-06".to_owned(), false));
        assert_eq!(after("2020-04-30", 4), ("2020-05-09".to_owned(), false));
        assert_eq!(after("2020-04-30", 5), ("2020-05-11".to_owned(), false));
        assert_eq!(after("2020-09-26", 1), ("2020-09-27".to_owned(), false));
    }

    #[test]
    fn a_year_without_data_has_its_weekends_alone_and_says_so() {
        // 1 January 2021 was a holiday, but the table has no such year.
        assert_eq!(after("2020-12-31", 1), ("2021-01-01".to_owned(), true));
        assert_eq!(after("2021-01-01", 1), ("2021-01-04".to_owned(), true));
    }

    #[test]
    fn what_is_no_table_is_refused_with_its_line() {
        let line = |table: &str| WorkingDays::parse(table).expect_err("refused").line;
        assert_eq!(line(""), 1);
        assert_eq!(line("2020-01-01,holiday,元旦\n"), 1);
        assert_eq!(line("day,kind,note\n2020-13-01,holiday,\n"), 2);
        assert_eq!(line("day,kind,note\n2020-01,holiday,\n"), 2);
        assert_eq!(line("day,kind,note\n\n2020-01-01,festive,\n"), 3);
        assert_eq!(line("day,kind,note\n2020-01-01,holiday,\n2020-01-01,work,\n"), 3);
    }

    proptest! {
        #[test]
        fn counting_agrees_with_counting_day_by_day(offset in 0..800_i64, days in 0..60_u32) {
            let calendar = WorkingDays::built_in();
            let since = day("2019-10-01").plus_days(offset).expect("a day");
            let counted = calendar.after(since, days).expect("a day");
            let passed = (1..).map_while(|n| since.plus_days(n).filter(|d| d.first_day() <= counted.day.first_day()));
            prop_assert_eq!(passed.filter(|d| calendar.is_worked(*d)).count(), days as usize);
            prop_assert!(days == 0 || calendar.is_worked(counted.day));
        }
    }
}
