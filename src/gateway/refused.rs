//! A refusal: class, stable reason, words in both languages. Doors map the class to their own codes in one file each.

use std::time::Duration;

use crate::{
    domain::violation::{Text, Violation},
    store::StoreError,
};

/// Class of a refusal, named after the gRPC code it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The request is malformed; the same request will never succeed.
    InvalidArgument,
    /// The named thing is not there, or not for this caller.
    NotFound,
    /// It stands already with other settings.
    AlreadyExists,
    /// It conflicts with what stands.
    Aborted,
    /// The state does not allow it.
    FailedPrecondition,
    /// The caller has no right.
    PermissionDenied,
    /// The caller is not known.
    Unauthenticated,
    /// A limit is reached; try later.
    ResourceExhausted,
    /// It cannot be done durably now; try later.
    Unavailable,
    /// A cursor or time outside what is kept.
    OutOfRange,
    /// Damage or a defect of the gateway.
    Internal,
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {}", text.en)]
pub struct Refused {
    /// Class.
    pub class: Class,
    /// Stable token from the append-only list in `docs/errors.md`, e.g. `CONTENT_CONFLICT`.
    pub reason: &'static str,
    /// What, why, and what to do.
    pub text: Text,
    /// Every field or item concerned.
    pub violations: Vec<Violation>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

impl Refused {
    /// A refusal without details.
    pub fn new(class: Class, reason: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { class, reason, text: Text::new(zh, en), violations: Vec::new(), retry_after: None }
    }

    /// The request breaks rules of fields.
    pub fn invalid(violations: Vec<Violation>) -> Self {
        Self {
            violations,
            ..Self::new(
                Class::InvalidArgument,
                "INVALID_FIELDS",
                "请求的内容不符合要求，逐项见详情",
                "the request breaks rules of its fields; each is listed",
            )
        }
    }

    /// One field is wrong.
    pub fn field(field: &str, reason: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::invalid(vec![Violation { field: field.to_owned(), reason, text: Text::new(zh, en) }])
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full(_) => Self {
                retry_after: Some(Duration::from_secs(10)),
                ..Self::new(
                    Class::Unavailable,
                    "STORE_FULL",
                    "存储空间已满：无法留证，因此拒绝办理；腾出空间后自动恢复",
                    "the store is full: what cannot be recorded is refused; it recovers by itself when there is room",
                )
            },
            StoreError::Unavailable(why) => Self {
                retry_after: Some(Duration::from_secs(1)),
                ..Self::new(
                    Class::Unavailable,
                    "STORE_UNAVAILABLE",
                    format!("存储暂时不可用：{why}"),
                    format!("the store is not available: {why}"),
                )
            },
            other => Self::new(
                Class::Internal,
                "STORE_DAMAGED",
                format!("存储损坏：{other}"),
                format!("the store cannot be read: {other}"),
            ),
        }
    }
}
