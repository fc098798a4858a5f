//! What is wrong with an input: place, reason, remedy, in Chinese and English. All of it at once, never the first alone.

use std::fmt::Write as _;

/// The language a message is given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// Chinese, the default: clerks read it.
    #[default]
    Zh,
    /// English.
    En,
}

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Text {
    /// Both wordings.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }

    /// The wording in one language.
    #[must_use]
    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::Zh => &self.zh,
            Lang::En => &self.en,
        }
    }
}

/// One thing wrong (or worth knowing) about one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, e.g. `nonconformity.producer.credit_code`.
    pub field: String,
    /// Stable token, e.g. `WRONG_CHECK_CHARACTER`.
    pub reason: &'static str,
    /// What was read, why it is wrong and what to do.
    pub text: Text,
}

/// Collects violations (which stop a record) and remarks (which do not) under a path.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Findings {
    path: String,
    /// What stops the record.
    pub violations: Vec<Violation>,
    /// What does not, but should be known.
    pub remarks: Vec<Violation>,
}

impl Findings {
    /// An empty collection whose paths begin with `root` (may be empty).
    #[must_use]
    pub fn at(root: &str) -> Self {
        Self { path: root.to_owned(), ..Self::default() }
    }

    /// Runs `inside` with `segment` appended to the path.
    pub fn within<R>(&mut self, segment: &str, inside: impl FnOnce(&mut Self) -> R) -> R {
        let before = self.path.len();
        if before > 0 {
            self.path.push('.');
        }
        self.path.push_str(segment);
        let result = inside(self);
        self.path.truncate(before);
        result
    }

    /// Runs `inside` with `segment[index]` appended to the path.
    pub fn within_index<R>(&mut self, segment: &str, index: usize, inside: impl FnOnce(&mut Self) -> R) -> R {
        let mut indexed = String::with_capacity(segment.len() + 6);
        let _ = write!(indexed, "{segment}[{index}]");
        self.within(&indexed, inside)
    }

    fn path_of(&self, field: &str) -> String {
        match (self.path.is_empty(), field.is_empty()) {
            (true, _) => field.to_owned(),
            (false, true) => self.path.clone(),
            (false, false) => format!("{}.{field}", self.path),
        }
    }

    /// Says that `field` is wrong.
    pub fn refuse(&mut self, field: &str, reason: &'static str, text: Text) {
        let field = self.path_of(field);
        self.violations.push(Violation { field, reason, text });
    }

    /// Says something about `field` that does not stop the record.
    pub fn remark(&mut self, field: &str, reason: &'static str, text: Text) {
        let field = self.path_of(field);
        self.remarks.push(Violation { field, reason, text });
    }

    /// True when nothing stops the record.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}
