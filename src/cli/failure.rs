//! How a command ends, and what it says when it did not work.

use std::{io, process::ExitCode};

use crate::{
    domain::violation::{Text, Violation},
    gateway::{Class, Refused},
    store::StoreError,
    telemetry::ListenerError,
};

/// How a command ended (design §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It was done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// It was called in a wrong way: arguments, configuration, input files.
    Usage = 2,
    /// The gateway refused it.
    Refused = 3,
    /// The gateway could not be reached, or not now.
    NotReachable = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// One field, cell or key that a failure complains of. Its reason may come from the gateway, so it is no constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Path of the field, or the place in a file.
    pub field: String,
    /// Stable token.
    pub reason: String,
    /// What was read, why it is wrong and what to do.
    pub text: Text,
}

impl From<Violation> for Complaint {
    fn from(violation: Violation) -> Self {
        Self { field: violation.field, reason: violation.reason.to_owned(), text: violation.text }
    }
}

/// Why a command did not do what was asked: in words that say what to do next.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}: {}", text.en)]
pub struct Failure {
    /// How the command ends.
    pub exit: Exit,
    /// Stable token, e.g. `FILE_EXISTS`, or the gateway's own reason.
    pub reason: String,
    /// What, why, and what to do.
    pub text: Text,
    /// Every field, cell or key concerned.
    pub violations: Vec<Complaint>,
    /// The answer that was given says it already: only the exit code is left to give.
    pub told: bool,
}

impl Failure {
    /// A failure without details.
    pub fn new(exit: Exit, reason: impl Into<String>, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { exit, reason: reason.into(), text: Text::new(zh, en), violations: Vec::new(), told: false }
    }

    /// It was called in a wrong way.
    pub fn usage(reason: impl Into<String>, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::new(Exit::Usage, reason, zh, en)
    }

    /// The answer that was given says it already: with `--json` there is one document, not two.
    pub fn told(mut self) -> Self {
        self.told = true;
        self
    }

    /// Adds what is concerned.
    pub fn with<C: Into<Complaint>>(mut self, violations: impl IntoIterator<Item = C>) -> Self {
        self.violations = violations.into_iter().map(Into::into).collect();
        self
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Failed, "IO", format!("读写失败：{error}"), format!("reading or writing failed: {error}"))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let en = format!("the store cannot be opened: {error}");
        let StoreError::Newer { found, known } = error else {
            return Self::new(Exit::Failed, "STORE", format!("存储无法打开：{error}"), en);
        };
        let zh = format!("存储无法打开：其结构版本为 {found}，新于本程序的 {known}；请使用较新的程序");
        Self::usage("STORE", zh, en)
    }
}

impl From<ListenerError> for Failure {
    fn from(error: ListenerError) -> Self {
        Self::usage(
            "TELEMETRY_LISTEN",
            format!("遥测端口无法监听：{error}；检查 [telemetry] listen"),
            format!("the telemetry listener cannot be opened: {error}; check [telemetry] listen"),
        )
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let exit = match refused.class {
            Class::Unavailable => Exit::NotReachable,
            Class::Internal => Exit::Failed,
            _ => Exit::Refused,
        };
        Self::new(exit, refused.reason, refused.text.zh, refused.text.en).with(refused.violations)
    }
}
