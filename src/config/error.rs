//! What is wrong with a configuration, and where.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use super::place::{Place, locate, nearest, path_at, place_of};
use crate::domain::violation::{Text, Violation};

/// One thing wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line and column, from 1; `None` = the key stands in no file (a default, or the environment).
    pub place: Option<Place>,
    /// The key, e.g. `limits.max_connections`, or the variable.
    pub key: String,
    /// Stable token.
    pub reason: &'static str,
    /// What was read, why it is wrong, what to do.
    pub text: Text,
}

/// Everything wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file; `None` = there is none.
    pub path: Option<PathBuf>,
    /// What is wrong; at least one.
    pub faults: Vec<Fault>,
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    pub(super) fn unreadable(path: &Path, source: &io::Error) -> Self {
        let text = Text::new(
            format!("无法读取配置文件：{source}；可用 tongbao config defaults 生成一份"),
            format!("the configuration cannot be read: {source}; `tongbao config defaults` prints one to begin with"),
        );
        let fault = Fault { place: None, key: String::new(), reason: "FILE_UNREADABLE", text };
        Self { path: Some(path.to_owned()), faults: vec![fault] }
    }

    /// Where a fault is, for people: `tongbao.toml:12:8`.
    pub fn place_of(&self, fault: &Fault) -> String {
        let file = self.path.as_ref().map_or_else(String::new, |path| path.display().to_string());
        match fault.place {
            Some(Place { line, column }) => format!("{file}:{line}:{column}"),
            None => file,
        }
    }

    /// As violations whose field is place and key.
    pub fn violations(&self) -> Vec<Violation> {
        let field = |fault: &Fault| match (self.place_of(fault), &fault.key) {
            (place, key) if place.is_empty() => key.clone(),
            (place, key) if key.is_empty() => place,
            (place, key) => format!("{place} {key}"),
        };
        let violation = |fault: &Fault| Violation { field: field(fault), reason: fault.reason, text: fault.text.clone() };
        self.faults.iter().map(violation).collect()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.violations().iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}: {}", violation.field, violation.text.en)?;
        }
        Ok(())
    }
}

impl Fault {
    /// What the TOML reader said, in our words where it is about a key.
    pub(super) fn of_toml(text: &str, error: &toml::de::Error) -> Self {
        let place = error.span().map(|span| place_of(text, span.start));
        let message = error.message().lines().next().unwrap_or_default();
        match unknown_field(message) {
            Some((key, known)) => Self { place, ..Self::unknown_key(key, key, &known) },
            None => Self {
                place,
                key: error.span().map(|span| path_at(text, span.start)).unwrap_or_default(),
                reason: "MALFORMED",
                text: Text::new(format!("无法解析：{message}"), format!("does not parse: {message}")),
            },
        }
    }

    pub(super) fn of_violation(text: &str, violation: Violation) -> Self {
        let Violation { field, reason, text: words } = violation;
        Self { place: locate(text, &field), key: field, reason, text: words }
    }

    /// A key that does not exist, with the nearest that does.
    pub(super) fn unknown_key(shown: &str, key: &str, known: &[&str]) -> Self {
        let text = match nearest(key, known) {
            Some(near) => Text::new(
                format!("没有「{key}」这一项；是否指「{near}」？"),
                format!("there is no key `{key}`; did you mean `{near}`?"),
            ),
            None => Text::new(
                format!("没有「{key}」这一项；这里可用：{}", known.join("、")),
                format!("there is no key `{key}`; here stand {}", known.join(", ")),
            ),
        };
        Self { place: None, key: shown.to_owned(), reason: "UNKNOWN_KEY", text }
    }
}

/// Key and known keys of serde's message ``unknown field `a`, expected one of `b`, `c` ``.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    Some((key, rest.split('`').skip(1).step_by(2).collect()))
}
