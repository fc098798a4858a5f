//! What every reading request carries, out of message and metadata: moment, patience, purpose.

use std::time::Duration;

use tonic::{Request, metadata::MetadataMap};

use crate::{
    domain::{credit_code::CreditCode, ids::RecordId, violation::Findings},
    gateway::{
        Refused,
        moment::{AsOf, Asking},
    },
    proto::{self, as_of::At},
};

/// How long a request without a deadline waits for a position.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(5);
/// How long any request waits for a position at most.
const MAX_PATIENCE: Duration = Duration::from_secs(30);

/// The moment asked about.
pub(super) fn as_of(message: Option<proto::AsOf>) -> AsOf {
    match message.and_then(|as_of| as_of.at) {
        None => AsOf::Now,
        Some(At::Position(position)) => AsOf::Position(position),
        Some(At::TimeUs(time)) => AsOf::Time(time),
    }
}

/// Everything about how a question is asked.
pub(super) fn asking(patience: Duration, moment: Option<proto::AsOf>, min_position: u64, purpose: String) -> Asking {
    Asking { as_of: as_of(moment), min_position, patience, purpose }
}

/// How long the caller waits for a position: most of its deadline, so that there is time left to say that it was not reached.
pub(super) fn patience<T>(request: &Request<T>) -> Duration {
    deadline(request.metadata()).map_or(DEFAULT_PATIENCE, |deadline| deadline.mul_f64(0.8)).min(MAX_PATIENCE)
}

/// The `grpc-timeout` header: at most eight digits and a unit.
fn deadline(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let unit = text.chars().last()?;
    let number: u64 = text.strip_suffix(unit).filter(|digits| digits.len() <= 8)?.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(number * 3_600)),
        'M' => Some(Duration::from_secs(number * 60)),
        'S' => Some(Duration::from_secs(number)),
        'm' => Some(Duration::from_millis(number)),
        'u' => Some(Duration::from_micros(number)),
        'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// A record id of a request.
pub(super) fn record_id(text: &str) -> Result<RecordId, Refused> {
    RecordId::parse(text).map_err(|error| {
        Refused::field(
            "record_id",
            "WRONG_RECORD_ID",
            "不是记录编号：应以发布单位代号和“/”开头，不超过200个字符，无空白",
            error.to_string(),
        )
    })
}

/// A credit code of a request.
pub(super) fn credit_code(field: &str, text: &str, findings: &mut Findings) -> Option<CreditCode> {
    CreditCode::parse(text).map_err(|error| findings.refuse(field, error.reason(), error.text())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(timeout: Option<&'static str>) -> Duration {
        let mut request = Request::new(());
        if let Some(timeout) = timeout {
            request.metadata_mut().insert("grpc-timeout", tonic::metadata::MetadataValue::from_static(timeout));
        }
        patience(&request)
    }

    #[test]
    fn patience_is_most_of_the_deadline_and_bounded() {
        assert_eq!(with(None), DEFAULT_PATIENCE);
        assert_eq!(with(Some("1S")), Duration::from_millis(800));
        assert_eq!(with(Some("500m")), Duration::from_millis(400));
        assert_eq!(with(Some("99999999H")), MAX_PATIENCE);
    }

    #[test]
    fn a_header_that_is_none_is_as_absent() {
        for text in ["", "S", "1", "1x", "123456789S", "-1S"] {
            assert_eq!(with(Some(text)), DEFAULT_PATIENCE, "{text}");
        }
    }

    #[test]
    fn no_moment_is_now() {
        assert_eq!(as_of(None), AsOf::Now);
        assert_eq!(as_of(Some(proto::AsOf { at: None })), AsOf::Now);
        assert_eq!(as_of(Some(proto::AsOf { at: Some(At::TimeUs(7)) })), AsOf::Time(7));
    }
}
