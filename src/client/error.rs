//! What can go wrong for a client, by who is at fault: our settings, the way there, the gateway's refusal, a broken promise.

use std::{error::Error as _, io, time::Duration};

use tonic::{Code, Status};
use tonic_types::{LocalizedMessage, StatusExt as _};

use super::ProfileError;
use crate::{
    domain::violation::{Lang, Text},
    tls::{ProbeFailure, TlsError},
};

/// Who is at fault, and so what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// Something failed that should not.
    Failed,
    /// Our own settings or arguments.
    Usage,
    /// The gateway refused: the same request will be refused again.
    Refused,
    /// The gateway was not reached, or cannot now: the same request may succeed later.
    Unreachable,
}

/// One field that a refusal complains of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldComplaint {
    /// Path, e.g. `records[3].nonconformity.producer.credit_code`.
    pub field: String,
    /// Stable token; may be empty.
    pub reason: String,
    /// In words, in the language asked for.
    pub message: String,
}

/// A refusal by the gateway, with its `google.rpc` details.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Refusal {
    /// Code of the protocol.
    pub code: Code,
    /// Stable token of `ErrorInfo.reason`, else the name of the code.
    pub reason: String,
    /// In words, in the language asked for.
    pub message: String,
    /// The same in both languages, where the gateway said it in both.
    pub text: Text,
    /// Every field or item concerned.
    pub fields: Vec<FieldComplaint>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// No usable profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A file that the profile names cannot be used.
    #[error("{}", text.en)]
    Identity {
        /// Stable token.
        reason: &'static str,
        /// Which file, why, and what to do.
        text: Text,
    },
    /// The gateway was not reached, or the connection broke: the outcome of what was under way is not known.
    #[error("{place} cannot be reached: {why}")]
    Unreachable {
        /// Where.
        place: String,
        /// What the system said, cause by cause.
        why: String,
    },
    /// We do not trust the gateway's certificate.
    #[error("the certificate of {place} is not trusted: {why}")]
    GatewayNotTrusted {
        /// Where.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// The gateway does not accept our certificate.
    #[error("{place} does not accept our certificate: {alert}")]
    CertificateRefused {
        /// Where.
        place: String,
        /// The TLS alert it sent, e.g. `CertificateRevoked`.
        alert: String,
    },
    /// The gateway refused.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// The gateway answered what the protocol does not allow.
    #[error("the gateway broke the protocol: {0}")]
    Broken(String),
}

impl ClientError {
    /// Understands a status. `place` is where the gateway is.
    pub(super) fn from_status(status: &Status, place: &str) -> Self {
        // A status with a source was made on this side: the connection broke, nobody refused anything.
        if status.source().is_some() {
            return Self::Unreachable { place: place.to_owned(), why: chain(status) };
        }
        Self::Refused(Box::new(Refusal::from(status)))
    }

    /// Understands a look at the gateway with bare TLS.
    pub(super) fn from_probe(failure: &ProbeFailure, place: &str) -> Self {
        let place = place.to_owned();
        match failure {
            ProbeFailure::Name(_) => Self::Identity { reason: failure.reason(), text: failure.text() },
            ProbeFailure::Refused(error) => match tls_error(error) {
                Some(rustls::Error::AlertReceived(alert)) => Self::CertificateRefused { place, alert: format!("{alert:?}") },
                // Without an alert it may as well have been stopped.
                _ => Self::Unreachable { place, why: chain(failure) },
            },
            ProbeFailure::Handshake(error) => match tls_error(error) {
                Some(why @ (rustls::Error::InvalidCertificate(_) | rustls::Error::PeerIncompatible(_))) => {
                    Self::GatewayNotTrusted { place, why: why.to_string() }
                }
                Some(rustls::Error::AlertReceived(alert)) => Self::CertificateRefused { place, alert: format!("{alert:?}") },
                _ => Self::Unreachable { place, why: chain(failure) },
            },
            ProbeFailure::Connect { .. } | ProbeFailure::Silent(_) => Self::Unreachable { place, why: chain(failure) },
        }
    }

    /// True when the same request may succeed later, and no answer says that it was not done: repeat it with the same ids.
    pub fn is_worth_repeating(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(refusal) => match refusal.code {
                Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => true,
                Code::ResourceExhausted => refusal.retry_after.is_some(),
                _ => false,
            },
            _ => false,
        }
    }

    /// When the gateway asked us to come back.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }

    /// Who is at fault.
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Profile(_) | Self::Identity { .. } => FailureClass::Usage,
            Self::Unreachable { .. } => FailureClass::Unreachable,
            Self::GatewayNotTrusted { .. } | Self::Broken(_) => FailureClass::Failed,
            Self::CertificateRefused { .. } => FailureClass::Refused,
            Self::Refused(refusal) => match refusal.code {
                Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => FailureClass::Unreachable,
                Code::Internal | Code::Unknown | Code::DataLoss | Code::Unimplemented => FailureClass::Failed,
                _ => FailureClass::Refused,
            },
        }
    }

    /// Stable token.
    pub fn reason(&self) -> &str {
        match self {
            Self::Profile(_) => "PROFILE",
            Self::Identity { reason, .. } => reason,
            Self::Unreachable { .. } => "UNREACHABLE",
            Self::GatewayNotTrusted { .. } => "GATEWAY_NOT_TRUSTED",
            Self::CertificateRefused { .. } => "CERTIFICATE_REFUSED",
            Self::Refused(refusal) => &refusal.reason,
            Self::Broken(_) => "PROTOCOL_BROKEN",
        }
    }

    /// What, why, and what to do.
    pub fn text(&self) -> Text {
        match self {
            Self::Profile(error) => error.text(),
            Self::Identity { text, .. } => text.clone(),
            Self::Unreachable { place, why } => Text::new(
                format!("连不上网关 {place}：{why}。请核对地址与网络，确认网关在运行；`tongbao doctor` 可逐项检查"),
                format!(
                    "cannot reach the gateway at {place}: {why}. Check address and network and that it runs; `tongbao doctor` checks step by step"
                ),
            ),
            Self::GatewayNotTrusted { place, why } => Text::new(
                format!("不信任网关 {place} 的证书：{why}。请核对配置档的 ca 与 server_name"),
                format!(
                    "the certificate of the gateway at {place} is not trusted: {why}. Check `ca` and `server_name` of the profile"
                ),
            ),
            Self::CertificateRefused { place, alert } => refused_certificate(place, alert),
            Self::Refused(refusal) => refusal.text.clone(),
            Self::Broken(what) => Text::new(
                format!("网关的回答不符合协议：{what}。请核对两端版本"),
                format!("the gateway's answer breaks the protocol: {what}. Compare the versions of both sides"),
            ),
        }
    }
}

fn refused_certificate(place: &str, alert: &str) -> Text {
    let (zh, en) = match alert {
        "CertificateRevoked" => ("证书已被吊销，请向签发方申请新证书", "it is revoked: ask its issuer for a new one"),
        "CertificateExpired" => ("证书已过期，请换用新证书", "it has expired: install a new one"),
        "CertificateUnknown" | "UnknownCA" => (
            "签发方不受网关信任，请核对 cert 是否由网关认可的机构签发",
            "the gateway does not trust its issuer: check which authority issued `cert`",
        ),
        "CertificateRequired" => {
            ("没有出示证书，请核对配置档的 cert 与 key", "none was presented: check `cert` and `key` of the profile")
        }
        _ => ("请核对 cert 与 key，或询问网关的管理员", "check `cert` and `key`, or ask the gateway's administrator"),
    };
    Text::new(
        format!("网关 {place} 不接受我方证书（{alert}）：{zh}"),
        format!("the gateway at {place} does not accept our certificate ({alert}): {en}"),
    )
}

impl From<TlsError> for ClientError {
    fn from(error: TlsError) -> Self {
        Self::Identity { reason: error.reason(), text: error.text() }
    }
}

/// The TLS error inside an error of reading or writing.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref().or_else(|| inner.source()?.downcast_ref())
}

impl From<&Status> for Refusal {
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        let reason = details.error_info().map(|info| info.reason.clone()).filter(|reason| !reason.is_empty());
        let mut fields: Vec<_> = details
            .bad_request()
            .into_iter()
            .flat_map(|bad| &bad.field_violations)
            .map(|violation| FieldComplaint {
                field: violation.field.clone(),
                reason: violation.reason.clone(),
                message: violation.description.clone(),
            })
            .collect();
        fields.extend(details.precondition_failure().into_iter().flat_map(|failure| &failure.violations).map(|violation| {
            FieldComplaint {
                field: violation.subject.clone(),
                reason: violation.r#type.clone(),
                message: violation.description.clone(),
            }
        }));
        Self {
            code: status.code(),
            reason: reason.unwrap_or_else(|| format!("{:?}", status.code())),
            message: status.message().to_owned(),
            text: both(status.message(), details.localized_message()),
            fields,
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }
}

/// The message with its translation; without one it stands for both languages.
fn both(message: &str, translated: Option<&LocalizedMessage>) -> Text {
    match translated {
        Some(zh) if zh.locale == Lang::Zh.tag() => Text::new(&*zh.message, message),
        Some(en) if en.locale == Lang::En.tag() => Text::new(message, &*en.message),
        _ => Text::new(message, message),
    }
}

/// An error and its causes in one line, each said once.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let words = match error.downcast_ref::<Status>() {
            Some(status) => status.message().to_owned(),
            None => error.to_string(),
        };
        if !words.is_empty() && !said.iter().any(|before| before.contains(&words)) {
            said.push(words);
        }
        next = error.source();
    }
    said.join(": ")
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, FieldViolation};

    use super::*;

    fn status(code: Code, reason: &str, retry: Option<Duration>) -> Status {
        let mut details = ErrorDetails::new();
        details.set_error_info(reason, "tongbao", std::collections::HashMap::new());
        details.set_localized_message("zh", "用文字说明");
        details.set_bad_request(vec![FieldViolation::new("records[3].record_id", "OUTSIDE_NAMESPACE: not yours")]);
        if retry.is_some() {
            details.set_retry_info(retry);
        }
        Status::with_error_details(code, "in words", details)
    }

    fn of(code: Code, retry: Option<Duration>) -> ClientError {
        ClientError::from_status(&status(code, "SOME_REASON", retry), "gateway:1")
    }

    #[test]
    fn a_refusal_keeps_its_details() {
        let ClientError::Refused(refusal) = of(Code::InvalidArgument, Some(Duration::from_secs(7))) else { panic!("a refusal") };
        assert_eq!(refusal.reason, "SOME_REASON");
        assert_eq!(refusal.text, Text::new("用文字说明", "in words"));
        assert_eq!(refusal.fields[0].field, "records[3].record_id");
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn without_a_translation_the_message_stands_for_both() {
        assert_eq!(Refusal::from(&Status::not_found("in words")).text, Text::new("in words", "in words"));
    }

    #[test]
    fn only_what_may_pass_is_worth_repeating() {
        for code in [Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled] {
            assert!(of(code, None).is_worth_repeating(), "{code:?}");
            assert_eq!(of(code, None).class(), FailureClass::Unreachable);
        }
        for code in [
            Code::InvalidArgument,
            Code::Aborted,
            Code::PermissionDenied,
            Code::FailedPrecondition,
            Code::Unauthenticated,
            Code::NotFound,
            Code::AlreadyExists,
            Code::OutOfRange,
            Code::ResourceExhausted,
        ] {
            assert!(!of(code, None).is_worth_repeating(), "{code:?}");
            assert_eq!(of(code, None).class(), FailureClass::Refused);
        }
        assert!(of(Code::ResourceExhausted, Some(Duration::from_secs(1))).is_worth_repeating());
        assert!(!of(Code::Internal, None).is_worth_repeating());
    }

    #[test]
    fn a_probe_tells_refusal_from_distrust_from_silence() {
        use rustls::{AlertDescription, CertificateError};
        let of = |failure: ProbeFailure| ClientError::from_probe(&failure, "gateway:1");
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRevoked);
        let revoked = of(ProbeFailure::Refused(io::Error::new(io::ErrorKind::InvalidData, alert)));
        assert_eq!(revoked, ClientError::CertificateRefused { place: "gateway:1".into(), alert: "CertificateRevoked".into() });
        assert_eq!(revoked.class(), FailureClass::Refused);
        assert!(revoked.text().en.contains("revoked"));
        let untrusted = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert!(matches!(of(ProbeFailure::Handshake(io::Error::other(untrusted))), ClientError::GatewayNotTrusted { .. }));
        let closed = of(ProbeFailure::Refused(io::ErrorKind::UnexpectedEof.into()));
        assert_eq!(closed.class(), FailureClass::Unreachable);
    }

    #[test]
    fn a_broken_connection_is_no_refusal() {
        let broken = Status::from_error(Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset)));
        let error = ClientError::from_status(&broken, "gateway:1");
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
        assert!(error.is_worth_repeating());
        assert!(error.text().zh.contains("gateway:1"));
    }
}
