//! Civil dates with precision, Asia/Shanghai.

/// A civil date; month and day may be unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CivilDate {
    year: u16,
    month: Option<u8>,
    day: Option<u8>,
}
