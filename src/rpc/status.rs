//! Refusals as gRPC statuses: the one place where a class becomes a code.
//!
//! A status carries `google.rpc` details: `ErrorInfo` (the stable reason, domain `tongbao`), `BadRequest` with a reason for each
//! field, `RetryInfo`, and `RequestInfo` where the request is known. Message and descriptions are in the caller's language;
//! `LocalizedMessage` is the message in the other one, for who keeps both.

use std::{collections::HashMap, fmt::Write as _};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::{
    domain::violation::{Lang, Text, Violation},
    gateway::{Caller, Class, Refused},
};

/// Domain of the reasons in `ErrorInfo`.
pub const REASON_DOMAIN: &str = "tongbao";

/// Most violations listed in one status: the details travel in a trailer, whose size clients bound.
const MAX_VIOLATIONS: usize = 50;

/// The code of a class.
pub const fn code(class: Class) -> Code {
    match class {
        Class::InvalidArgument => Code::InvalidArgument,
        Class::NotFound => Code::NotFound,
        Class::AlreadyExists => Code::AlreadyExists,
        Class::Aborted => Code::Aborted,
        Class::FailedPrecondition => Code::FailedPrecondition,
        Class::PermissionDenied => Code::PermissionDenied,
        Class::Unauthenticated => Code::Unauthenticated,
        Class::ResourceExhausted => Code::ResourceExhausted,
        Class::Unavailable => Code::Unavailable,
        Class::OutOfRange => Code::OutOfRange,
        Class::Internal => Code::Internal,
    }
}

/// A refusal as a status, in one language.
pub fn status(refused: &Refused, lang: Lang) -> Status {
    compose(refused, lang, None)
}

/// A refusal as the status for a caller: in its language, with its request id.
pub fn status_for(refused: &Refused, caller: &Caller) -> Status {
    compose(refused, caller.lang, Some(&caller.request_id))
}

/// A refusal as a status, in one language, naming the request where its id is known.
pub(super) fn compose(refused: &Refused, lang: Lang, request_id: Option<&str>) -> Status {
    let mut details = ErrorDetails::with_error_info(refused.reason, REASON_DOMAIN, HashMap::new());
    if !refused.violations.is_empty() {
        let violations = listed(refused).map(|violation| FieldViolation {
            field: violation.field.clone(),
            description: violation.text.get(lang).to_owned(),
            reason: violation.reason.to_owned(),
            localized_message: None,
        });
        details.set_bad_request(violations.collect::<Vec<_>>());
    }
    if let Some(delay) = refused.retry_after {
        details.set_retry_info(Some(delay));
    }
    if let Some(id) = request_id {
        details.set_request_info(id, "");
    }
    details.set_localized_message(lang.other().tag(), words(refused, lang.other()));
    Status::with_error_details(code(refused.class), words(refused, lang), details)
}

/// The violations that are listed.
pub(super) fn listed(refused: &Refused) -> impl Iterator<Item = &Violation> {
    refused.violations.iter().take(MAX_VIOLATIONS)
}

/// A refusal in words, which say how many violations are not listed.
pub(super) fn words(refused: &Refused, lang: Lang) -> String {
    let mut message = refused.text.get(lang).to_owned();
    let left_out = refused.violations.len().saturating_sub(MAX_VIOLATIONS);
    if left_out > 0 {
        // Writing into a string does not fail.
        let _ = match lang {
            Lang::Zh => write!(message, "（另有 {left_out} 处未列出）"),
            Lang::En => write!(message, " ({left_out} more are not listed)"),
        };
    }
    message
}

/// A method that is not in the access table.
pub(super) fn unknown_method(path: &str, lang: Lang) -> Status {
    let path: String = path.chars().take(120).collect();
    let text = Text::new(
        format!("没有方法 {path}；请核对接口版本"),
        format!("there is no method {path}; check the version of the interface"),
    );
    let details = ErrorDetails::with_error_info("UNKNOWN_METHOD", REASON_DOMAIN, HashMap::new());
    Status::with_error_details(Code::Unimplemented, text.get(lang), details)
}

/// Gives a status that the library made a reason and words of our own; `None` = it has them already.
pub(super) fn complete(made: &Status, max_message_bytes: usize, lang: Lang, request_id: &str) -> Option<Status> {
    if !made.details().is_empty() {
        return None;
    }
    let said = made.message();
    let refused = match made.code() {
        Code::OutOfRange if said.contains("message length too large") => Refused::new(
            Class::ResourceExhausted,
            "MESSAGE_TOO_LARGE",
            format!("消息超过上限 {max_message_bytes} 字节；请分批提交"),
            format!("the message is larger than {max_message_bytes} bytes; send it in smaller batches"),
        ),
        Code::Internal if said.contains("decode") || said.contains("Missing request message") => Refused::new(
            Class::InvalidArgument,
            "MALFORMED_MESSAGE",
            format!("消息不是该方法的 protobuf 消息：{said}"),
            format!("the message is not this method's protobuf message: {said}"),
        ),
        Code::Internal | Code::Unknown => Refused::new(
            Class::Internal,
            "INTERNAL",
            format!("网关内部错误，请附请求编号报告：{said}"),
            format!("a defect of the gateway; report it with the request id: {said}"),
        ),
        Code::Unimplemented => {
            return Some(plainly_refused(made, "NOT_SUPPORTED", lang, request_id));
        }
        _ => return Some(plainly_refused(made, "TRANSPORT", lang, request_id)),
    };
    Some(compose(&refused, lang, Some(request_id)))
}

/// The code as the library gave it, with a reason and its words.
fn plainly_refused(made: &Status, reason: &'static str, lang: Lang, request_id: &str) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, REASON_DOMAIN, HashMap::new());
    details.set_request_info(request_id, "");
    let said = made.message();
    let text = Text::new(format!("传输层拒绝了请求：{said}"), format!("the transport refused the request: {said}"));
    Status::with_error_details(made.code(), text.get(lang), details)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn refused() -> Refused {
        Refused {
            retry_after: Some(Duration::from_secs(3)),
            violations: vec![Violation {
                field: "records[3].record_id".to_owned(),
                reason: "NOT_OWN_NAMESPACE",
                text: Text::new("不属于本单位", "not your own"),
            }],
            ..Refused::new(Class::Aborted, "CONTENT_CONFLICT", "内容冲突", "the content conflicts")
        }
    }

    #[test]
    fn carries_reason_fields_delay_and_request_in_the_callers_language() {
        let status = compose(&refused(), Lang::Zh, Some("r-1"));
        assert_eq!((status.code(), status.message()), (Code::Aborted, "内容冲突"));
        let details = status.get_error_details();
        let info = details.error_info().expect("error info");
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("CONTENT_CONFLICT", "tongbao"));
        let bad = details.bad_request().expect("bad request");
        let field = bad.field_violations.first().expect("one");
        assert_eq!(
            (field.field.as_str(), field.reason.as_str(), field.description.as_str()),
            ("records[3].record_id", "NOT_OWN_NAMESPACE", "不属于本单位")
        );
        assert_eq!(details.retry_info().and_then(|retry| retry.retry_delay), Some(Duration::from_secs(3)));
        assert_eq!(details.request_info().map(|request| request.request_id.as_str()), Some("r-1"));
        assert_eq!(super::status(&refused(), Lang::En).message(), "the content conflicts");
    }

    #[test]
    fn lists_no_more_violations_than_a_trailer_holds_and_says_so() {
        let mut many = refused();
        many.violations = vec![many.violations.remove(0); 60];
        let status = super::status(&many, Lang::En);
        assert_eq!(status.get_error_details().bad_request().map(|bad| bad.field_violations.len()), Some(50));
        assert!(status.message().ends_with("(10 more are not listed)"), "{}", status.message());
    }

    #[test]
    fn every_status_of_the_library_gets_a_reason_and_ours_are_left_alone() {
        assert!(complete(&status(&refused(), Lang::En), 8, Lang::En, "r").is_none());
        let cases = [
            (Status::out_of_range("decoded message length too large"), Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
            (Status::internal("failed to decode Protobuf message"), Code::InvalidArgument, "MALFORMED_MESSAGE"),
            (Status::internal("Missing request message."), Code::InvalidArgument, "MALFORMED_MESSAGE"),
            (Status::internal("boom"), Code::Internal, "INTERNAL"),
            (Status::unknown("boom"), Code::Internal, "INTERNAL"),
            (Status::unimplemented("Content is compressed with `br`"), Code::Unimplemented, "NOT_SUPPORTED"),
            (Status::cancelled("h2 protocol error"), Code::Cancelled, "TRANSPORT"),
        ];
        for (made, code, reason) in cases {
            let completed = complete(&made, 8, Lang::En, "r").expect("completed");
            let details = completed.get_error_details();
            let info = details.error_info().expect("error info");
            assert_eq!((completed.code(), info.reason.as_str()), (code, reason), "{made:?}");
            assert_eq!(details.request_info().map(|request| request.request_id.as_str()), Some("r"));
        }
    }
}
