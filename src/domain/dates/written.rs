//! The forms in which dates are written.

use unicode_normalization::UnicodeNormalization as _;

use super::CivilDate;

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// A date.
    Date(CivilDate),
    /// Written like a date, but there is no such day.
    Impossible,
    /// Something else.
    Other,
}

/// Reads a text that should be a date and nothing else.
pub(super) fn read(text: &str) -> Read {
    let text: String = text.nfkc().collect();
    let text = without_midnight(text.trim());
    let Some(numbers) = numbers(text) else { return Read::Other };
    let date = match *numbers.as_slice() {
        [(digits, 8)] => CivilDate::of_parts(digits / 10_000, digits / 100 % 100, digits % 100).filter(|date| date.day.is_some()),
        [(digits, 6)] => CivilDate::of_parts(digits / 100, digits % 100, 0).filter(|date| date.month.is_some()),
        [(year, 4)] => CivilDate::of_parts(year, 0, 0),
        [(year, 4), (month, 1..=2)] if month > 0 => CivilDate::of_parts(year, month, 0),
        [(year, 4), (month, 1..=2), (day, 1..=2)] if month > 0 && day > 0 => CivilDate::of_parts(year, month, day),
        [(_, 4), (_, 1..=2)] | [(_, 4), (_, 1..=2), (_, 1..=2)] => None,
        _ => return Read::Other,
    };
    date.map_or(Read::Impossible, Read::Date)
}

/// Spreadsheets print a date with the hour 00:00:00.
fn without_midnight(text: &str) -> &str {
    text.strip_suffix("00:00:00").map_or(text, |date| date.trim_end_matches(['T', ' ']))
}

/// One to three numbers with the number of their digits, between separators of dates; `None` when anything else stands there.
fn numbers(text: &str) -> Option<Vec<(u32, usize)>> {
    let mut numbers = Vec::with_capacity(3);
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 || length > 8 || numbers.len() == 3 {
            return None;
        }
        let (digits, after) = rest.split_at(length);
        numbers.push((digits.parse().ok()?, length));
        rest = separator(after.trim_start(), numbers.len())?.trim_start();
    }
    (!numbers.is_empty()).then_some(numbers)
}

/// What follows the separator after the `place`-th number.
fn separator(text: &str, place: usize) -> Option<&str> {
    let own = ["年", "月", "日"].get(place - 1)?;
    if let Some(rest) = text.strip_prefix(own) {
        return Some(rest);
    }
    if place == 3
        && let Some(rest) = text.strip_prefix('号')
    {
        return Some(rest);
    }
    let mut characters = text.chars();
    match characters.next() {
        None => Some(""),
        // A separator must separate: nothing may end with one.
        Some('-' | '.' | '/' | '–' | '—' | '‐' | '−') if place < 3 => {
            Some(characters.as_str()).filter(|rest| !rest.trim().is_empty())
        }
        Some(_) => None,
    }
}
