//! How long an answer may take: the client's deadline (`grpc-timeout`) or the gateway's own, whichever is shorter.
//!
//! The transport below keeps the client's deadline too, but its answer names no reason. The door therefore gives up a little
//! earlier, which also leaves the answer the time to arrive.

use std::{collections::HashMap, time::Duration};

use http::HeaderMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::status::REASON_DOMAIN;
use crate::domain::violation::{Lang, Text};

/// Header of the client's deadline.
const TIMEOUT: &str = "grpc-timeout";
/// The share of a deadline that is left for the answer's way back.
const WAY_BACK: u32 = 50;
/// Least time for the way back: the transport's timer has a grain of one millisecond.
const LEAST_WAY_BACK: Duration = Duration::from_millis(2);
/// Most time for the way back.
const MOST_WAY_BACK: Duration = Duration::from_millis(100);

/// Until when a request is to be answered, from its arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadline {
    /// Until the first byte of the answer.
    pub answer: Duration,
    /// Until the last one, where the client set a deadline: a stream ends then.
    pub whole: Option<Duration>,
}

impl Deadline {
    /// Of a request with these headers, where an answer may take `most` at all. A deadline that cannot be read is none.
    pub(super) fn of(headers: &HeaderMap, most: Duration) -> Self {
        let asked = headers.get(TIMEOUT).and_then(|value| value.to_str().ok()).and_then(parse);
        let whole = asked.map(|asked| asked.saturating_sub((asked / WAY_BACK).clamp(LEAST_WAY_BACK, MOST_WAY_BACK)));
        Self { answer: whole.map_or(most, |whole| whole.min(most)), whole }
    }
}

/// Reads at most eight digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// The answer to a request whose time is over.
pub(super) fn too_late(lang: Lang, request_id: &str) -> Status {
    let mut details = ErrorDetails::with_error_info("DEADLINE_EXCEEDED", REASON_DOMAIN, HashMap::new());
    details.set_request_info(request_id, "");
    let text = Text::new(
        "未能在期限内答复；所请求的可能已完成，请用相同的编号再次询问，或放宽期限",
        "there was no answer in time; what was asked may stand all the same: ask again with the same ids, or allow more time",
    );
    Status::with_error_details(Code::DeadlineExceeded, text.get(lang), details)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_mins(1);

    fn of(value: &str) -> Deadline {
        let mut headers = HeaderMap::new();
        headers.insert(TIMEOUT, value.parse().expect("a header"));
        Deadline::of(&headers, MOST)
    }

    #[test]
    fn the_shorter_deadline_counts_and_leaves_time_for_the_way_back() {
        assert_eq!(Deadline::of(&HeaderMap::new(), MOST), Deadline { answer: MOST, whole: None });
        let second = Duration::from_millis(980);
        assert_eq!(of("1S"), Deadline { answer: second, whole: Some(second) });
        assert_eq!(of("1000m"), of("1S"));
        assert_eq!(of("1000000u"), of("1S"));
        assert_eq!(of("2H"), Deadline { answer: MOST, whole: Some(Duration::from_millis(7_199_900)) });
        assert_eq!(of("5m").answer, Duration::from_millis(3));
        assert_eq!(of("99n").answer, Duration::ZERO);
    }

    #[test]
    fn what_is_no_deadline_is_none() {
        for broken in ["", "S", "1", "1s", "-1S", "123456789S", "1.5S", "１S"] {
            assert_eq!(parse(broken), None, "{broken}");
        }
    }
}
