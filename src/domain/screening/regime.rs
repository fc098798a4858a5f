//! Regimes of export control as dated rows of configuration. Whether one is still in force is for the operator to say: the
//! gateway also runs with none, and its answers are then advice on the facts alone (domain.md §2).

use std::fmt::Write as _;

use crate::domain::dates::CivilDate;

/// Joint announcement 12/2020 of commerce, customs and market regulation, in those days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegimeRow {
    /// First day in force.
    pub valid_from: CivilDate,
    /// Last day in force; `None` = until further notice.
    pub valid_to: Option<CivilDate>,
}

/// The rows of announcement 12/2020. None = the regime is off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Regimes {
    rows: Vec<RegimeRow>,
    version: String,
}

impl Regimes {
    /// Makes the set; its version is derived from the rows, so that equal rows have equal versions everywhere.
    #[must_use]
    pub fn new(rows: Vec<RegimeRow>) -> Self {
        let version = rows.iter().fold(String::new(), |mut version, row| {
            let separator = if version.is_empty() { "announcement-12-2020:" } else { "," };
            let until = row.valid_to.map(|day| day.to_string()).unwrap_or_default();
            let _ = write!(version, "{separator}{}..{until}", row.valid_from);
            version
        });
        Self { rows, version }
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[RegimeRow] {
        &self.rows
    }

    /// True when announcement 12 is in force on that day.
    #[must_use]
    pub fn in_force(&self, day: CivilDate) -> bool {
        self.rows.iter().any(|row| {
            row.valid_from.first_day() <= day.first_day() && row.valid_to.is_none_or(|to| day.first_day() <= to.last_day())
        })
    }

    /// Names the rows; `off` when there are none.
    #[must_use]
    pub fn version(&self) -> &str {
        if self.version.is_empty() { "off" } else { &self.version }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(month: u8, day: u8) -> CivilDate {
        CivilDate::day(2020, month, day).expect("a day")
    }

    #[test]
    fn both_ends_are_in_force() {
        let regimes = Regimes::new(vec![RegimeRow { valid_from: day(4, 26), valid_to: Some(day(12, 31)) }]);
        assert!(!regimes.in_force(day(4, 25)));
        assert!(regimes.in_force(day(4, 26)));
        assert!(regimes.in_force(day(12, 31)));
        assert!(!CivilDate::day(2021, 1, 1).is_some_and(|day| regimes.in_force(day)));
        assert_eq!(regimes.version(), "announcement-12-2020:2020-04-26..2020-12-31");
    }

    #[test]
    fn without_rows_it_is_off() {
        assert!(!Regimes::default().in_force(day(5, 1)));
        assert_eq!(Regimes::default().version(), "off");
        assert_eq!(Regimes::new(Vec::new()), Regimes::default());
    }

    #[test]
    fn an_open_row_lasts() {
        let regimes = Regimes::new(vec![RegimeRow { valid_from: day(4, 26), valid_to: None }]);
        assert!(CivilDate::day(2099, 1, 1).is_some_and(|day| regimes.in_force(day)));
        assert_eq!(regimes.version(), "announcement-12-2020:2020-04-26..");
    }
}
