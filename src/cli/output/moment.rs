//! Moments of time as people write and read them: Asia/Shanghai, unless a zone is given.

use time::{
    Date, Duration, OffsetDateTime, PrimitiveDateTime, UtcOffset,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

use crate::domain::{ids::Micros, violation::Text};

/// China Standard Time has no summer time.
const SHANGHAI_HOURS: i8 = 8;
const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
const MINUTE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] [hour]:[minute]");
const SECOND: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");

/// A text that is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no moment; write 2020-05-15, `2020-05-15 08:30` (Asia/Shanghai), 2020-05-15T00:30:00Z or now")]
pub struct MomentError(String);

impl MomentError {
    /// In both languages.
    pub fn text(&self) -> Text {
        Text::new(
            format!("“{}”不是时刻；请写作 2020-05-15、“2020-05-15 08:30”（北京时间）、2020-05-15T00:30:00Z 或 now", self.0),
            self.to_string(),
        )
    }
}

fn shanghai() -> UtcOffset {
    UtcOffset::from_hms(SHANGHAI_HOURS, 0, 0).unwrap_or(UtcOffset::UTC)
}

/// The last moment of what the text names: a day, a minute, a second, or an instant with its zone; `now` is `now`. "As of a
/// day" and "complete to a day" take the whole day in.
///
/// # Errors
/// When the text is none of these.
pub fn latest_moment_in(text: &str, now: Micros) -> Result<Micros, MomentError> {
    moments_in(text, now).map(|(_, last)| last)
}

/// The first moment of what the text names: "since a day" takes the whole day in.
///
/// # Errors
/// As [`latest_moment_in`].
pub fn first_moment_in(text: &str, now: Micros) -> Result<Micros, MomentError> {
    moments_in(text, now).map(|(first, _)| first)
}

fn moments_in(text: &str, now: Micros) -> Result<(Micros, Micros), MomentError> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("now") {
        return Ok((now, now));
    }
    let spaced = text.replacen('T', " ", 1);
    let local = |moment: PrimitiveDateTime, takes: Duration| {
        let first = moment.assume_offset(shanghai());
        let last = first.checked_add(takes)?.checked_sub(Duration::microseconds(1))?;
        micros(first).zip(micros(last))
    };
    let found = if let Ok(day) = Date::parse(text, DAY) {
        local(day.midnight(), Duration::days(1))
    } else if let Ok(minute) = PrimitiveDateTime::parse(&spaced, MINUTE) {
        local(minute, Duration::minutes(1))
    } else if let Ok(second) = PrimitiveDateTime::parse(&spaced, SECOND) {
        local(second, Duration::seconds(1))
    } else {
        OffsetDateTime::parse(text, &Rfc3339).ok().and_then(micros).map(|at| (at, at))
    };
    found.ok_or_else(|| MomentError(text.to_owned()))
}

fn micros(moment: OffsetDateTime) -> Option<Micros> {
    Micros::try_from(moment.unix_timestamp_nanos().div_euclid(1_000)).ok()
}

/// A moment for people, Asia/Shanghai; `-` for 0, which stands for "never".
pub fn show_moment(at: Micros) -> String {
    if at == 0 {
        return "-".to_owned();
    }
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000)
        .ok()
        .and_then(|moment| moment.checked_to_offset(shanghai()))
        .and_then(|moment| moment.format(SECOND).ok())
        .unwrap_or_else(|| at.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_day_reaches_to_its_end_in_china() {
        // 2020-05-15T16:00:00Z is midnight after 15 May in China.
        let end = 1_589_558_400_000_000;
        assert_eq!(latest_moment_in("2020-05-15", 0), Ok(end - 1));
        assert_eq!(latest_moment_in("2020-05-15 23:59", 0), Ok(end - 1));
        assert_eq!(latest_moment_in("2020-05-15T23:59:59", 0), Ok(end - 1));
        assert_eq!(latest_moment_in("2020-05-15T16:00:00Z", 0), Ok(end));
        assert_eq!(latest_moment_in("2020-05-16T00:00:00+08:00", 0), Ok(end));
        assert_eq!(latest_moment_in("now", 7), Ok(7));
        assert_eq!(first_moment_in("2020-05-16", 0), Ok(end));
        assert_eq!(first_moment_in("2020-05-16 00:01", 0), Ok(end + 60_000_000));
        assert_eq!(first_moment_in("2020-05-15T16:00:00Z", 0), Ok(end));
        assert_eq!(show_moment(end), "2020-05-16 00:00:00");
    }

    #[test]
    fn refuses_what_is_no_moment() {
        for bad in ["", "2020-02-30", "15.5.2020", "2020", "2020-05-15 25:00", "9999999999"] {
            assert!(latest_moment_in(bad, 0).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_written(at in 1_i64..4_000_000_000_000_000) {
            let second = at - at.rem_euclid(1_000_000);
            prop_assert_eq!(latest_moment_in(&show_moment(at), 0), Ok(second + 999_999));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = latest_moment_in(&text, 0);
        }
    }
}
