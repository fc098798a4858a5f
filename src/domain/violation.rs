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

impl Lang {
    /// Its tag by BCP 47.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Zh => Self::En,
            Self::En => Self::Zh,
        }
    }
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

/// Most violations and most remarks that are kept. A batch may break rules a million times; who reads the list does not.
pub const FINDINGS_LIMIT: usize = 2_000;

/// Collects violations (which stop a record) and remarks (which do not) under a path.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Findings {
    path: String,
    counted: usize,
    /// What stops the record; beyond [`FINDINGS_LIMIT`] only counted, and the last entry says so.
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
        self.counted += 1;
        if self.violations.len() < FINDINGS_LIMIT {
            let field = self.path_of(field);
            self.violations.push(Violation { field, reason, text });
        } else if self.violations.len() == FINDINGS_LIMIT {
            let text = Text::new(
                "错误过多，其余不再列出；请先更正以上各项",
                "too many violations, the rest is not listed; correct these first",
            );
            self.violations.push(Violation { field: String::new(), reason: "TOO_MANY_VIOLATIONS", text });
        }
    }

    /// Says something about `field` that does not stop the record.
    pub fn remark(&mut self, field: &str, reason: &'static str, text: Text) {
        if self.remarks.len() < FINDINGS_LIMIT {
            let field = self.path_of(field);
            self.remarks.push(Violation { field, reason, text });
        }
    }

    /// How often something was refused, those included that are only counted.
    #[must_use]
    pub const fn refused(&self) -> usize {
        self.counted
    }

    /// True when nothing stops the record.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_fields() {
        let mut findings = Findings::at("records[3]");
        findings.within("nonconformity", |findings| {
            findings.within_index("items", 2, |findings| findings.refuse("item", "REQUIRED", Text::new("缺", "missing")));
            findings.remark("", "ODD", Text::new("怪", "odd"));
        });
        findings.refuse("kind", "UNKNOWN_KIND", Text::new("种", "kind"));
        let fields: Vec<_> = findings.violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["records[3].nonconformity.items[2].item", "records[3].kind"]);
        assert_eq!(findings.remarks[0].field, "records[3].nonconformity");
    }

    #[test]
    fn what_is_beyond_the_limit_is_counted_and_said() {
        let mut findings = Findings::default();
        for _ in 0..FINDINGS_LIMIT + 10 {
            findings.refuse("x", "REQUIRED", Text::new("缺", "missing"));
            findings.remark("x", "ODD", Text::new("怪", "odd"));
        }
        assert_eq!(findings.refused(), FINDINGS_LIMIT + 10);
        assert_eq!((findings.violations.len(), findings.remarks.len()), (FINDINGS_LIMIT + 1, FINDINGS_LIMIT));
        assert_eq!(findings.violations.last().map(|last| last.reason), Some("TOO_MANY_VIOLATIONS"));
    }
}
