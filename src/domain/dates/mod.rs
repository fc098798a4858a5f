//! Civil dates with precision, Asia/Shanghai, and the cells in which lists write them.
//!
//! A date that is only known to the month is not the first of that month: whoever compares asks for `first_day` or `last_day`,
//! and so has to say which end is meant.

mod cell;
mod written;

pub use cell::{DateAndBatch, DateWarning, read_date_and_batch};

use std::fmt;

use time::{Date, Month, OffsetDateTime, UtcOffset};

use super::ids::Micros;

/// China Standard Time, the whole year since 1992.
const SHANGHAI: UtcOffset = match UtcOffset::from_hms(8, 0, 0) {
    Ok(offset) => offset,
    Err(_) => UtcOffset::UTC,
};

/// How much of a date is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Precision {
    /// The year alone.
    Year,
    /// Year and month.
    Month,
    /// The day.
    Day,
}

/// A civil date from 1900 to 2100; month and day may be unknown. Ordered by its first day, the less precise first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CivilDate {
    year: u16,
    month: Option<u8>,
    day: Option<u8>,
}

impl CivilDate {
    /// A day that exists, from 1900 to 2100.
    pub fn day(year: u16, month: u8, day: u8) -> Option<Self> {
        Self::month(year, month)?;
        let length = Month::try_from(month).ok()?.length(i32::from(year));
        (1..=length).contains(&day).then_some(Self { year, month: Some(month), day: Some(day) })
    }

    /// A month.
    pub fn month(year: u16, month: u8) -> Option<Self> {
        Self::year(year)?;
        (1..=12).contains(&month).then_some(Self { year, month: Some(month), day: None })
    }

    /// A year.
    pub fn year(year: u16) -> Option<Self> {
        (1900..=2100).contains(&year).then_some(Self { year, month: None, day: None })
    }

    /// The date in the form of the protocol: 0 = not known.
    pub fn of_parts(year: u32, month: u32, day: u32) -> Option<Self> {
        let (year, month, day) = (u16::try_from(year).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?);
        match (month, day) {
            (0, 0) => Self::year(year),
            (month, 0) => Self::month(year, month),
            (month, day) => Self::day(year, month, day),
        }
    }

    /// Parses any of the written forms: `2020-04-09`, `20200409`, `2020.4.9`, `2020年4月9日`, `202012`, `2020年12月`, `2020`.
    pub fn parse(text: &str) -> Option<Self> {
        match written::read(text) {
            written::Read::Date(date) => Some(date),
            written::Read::Impossible | written::Read::Other => None,
        }
    }

    /// The day of an instant, Asia/Shanghai; years beyond the bounds become the nearest bound.
    pub fn of_instant(instant: Micros) -> Self {
        let seconds = instant.div_euclid(1_000_000);
        let day = OffsetDateTime::from_unix_timestamp(seconds).ok().and_then(|at| {
            let date = at.checked_to_offset(SHANGHAI)?.date();
            Self::of_date(date)
        });
        let bound = if seconds < 0 { (1900, 1, 1) } else { (2100, 12, 31) };
        day.unwrap_or(Self { year: bound.0, month: Some(bound.1), day: Some(bound.2) })
    }

    /// The day of a calendar date, if it is within the bounds.
    pub fn of_date(date: Date) -> Option<Self> {
        Self::day(u16::try_from(date.year()).ok()?, date.month().into(), date.day())
    }

    /// Year, month and day as in the protocol: 0 = not known. The inverse of `of_parts`.
    pub fn parts(self) -> (u32, u32, u32) {
        (self.year.into(), self.month.unwrap_or(0).into(), self.day.unwrap_or(0).into())
    }

    /// How much of it is known.
    pub const fn precision(self) -> Precision {
        match (self.month, self.day) {
            (Some(_), Some(_)) => Precision::Day,
            (Some(_), None) => Precision::Month,
            _ => Precision::Year,
        }
    }

    /// The first day it can be.
    pub fn first_day(self) -> Date {
        let month = self.month.and_then(|month| Month::try_from(month).ok()).unwrap_or(Month::January);
        // Year, month and day were checked when the value was made.
        Date::from_calendar_date(i32::from(self.year), month, self.day.unwrap_or(1)).unwrap_or(Date::MIN)
    }

    /// The last day it can be.
    pub fn last_day(self) -> Date {
        let month = self.month.and_then(|month| Month::try_from(month).ok()).unwrap_or(Month::December);
        let day = self.day.unwrap_or_else(|| month.length(i32::from(self.year)));
        Date::from_calendar_date(i32::from(self.year), month, day).unwrap_or(Date::MAX)
    }

    /// True when every day it can be is after every day that `other` can be.
    pub fn is_certainly_after(self, other: Self) -> bool {
        self.first_day() > other.last_day()
    }

    /// The day `days` later than its first day, within the bounds.
    pub fn plus_days(self, days: i64) -> Option<Self> {
        Self::of_date(self.first_day().checked_add(time::Duration::days(days))?)
    }
}

impl fmt::Display for CivilDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        if let Some(month) = self.month {
            write!(f, "-{month:02}")?;
        }
        if let Some(day) = self.day {
            write!(f, "-{day:02}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
