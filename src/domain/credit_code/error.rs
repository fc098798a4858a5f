//! Why a text is not a credit code.

use crate::domain::violation::Text;

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreditCodeErrorKind {
    /// Not 18 characters; this many were read.
    Length(usize),
    /// A character outside the alphabet, or a letter in the region.
    Character {
        /// Place, from 1.
        place: usize,
        /// What stands there.
        found: char,
    },
    /// The last character does not fit the others.
    CheckCharacter,
    /// The 17th character does not fit the organisation code; or an old identifier's check digit does not.
    OrganisationCheck,
    /// All zeros: fits the formula and means nothing.
    Placeholder,
}

/// Why a text is not a credit code, and what it may have been meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{read}` is not a credit code: {}", self.text().en)]
pub struct CreditCodeError {
    /// What is wrong.
    pub kind: CreditCodeErrorKind,
    /// What was read, at most 40 characters.
    pub read: String,
    /// A valid code that differs only in letters that resemble digits; for a person to decide.
    pub suggestion: Option<String>,
}

impl CreditCodeError {
    pub(super) fn new(kind: CreditCodeErrorKind, read: &str, suggestion: Option<String>) -> Self {
        Self { kind, read: read.chars().take(40).collect(), suggestion }
    }

    /// Stable token.
    pub const fn reason(&self) -> &'static str {
        match self.kind {
            CreditCodeErrorKind::Length(_) => "WRONG_LENGTH",
            CreditCodeErrorKind::Character { .. } => "WRONG_CHARACTER",
            CreditCodeErrorKind::CheckCharacter | CreditCodeErrorKind::OrganisationCheck => "WRONG_CHECK_CHARACTER",
            CreditCodeErrorKind::Placeholder => "PLACEHOLDER_CODE",
        }
    }

    /// What was read, why it is wrong and what to do.
    pub fn text(&self) -> Text {
        let read = &self.read;
        let (mut zh, mut en) = match self.kind {
            CreditCodeErrorKind::Length(found) => (
                format!("统一社会信用代码“{read}”有{found}位，应为18位；请按营业执照核对"),
                format!("the credit code `{read}` has {found} characters instead of 18; compare it with the business licence"),
            ),
            CreditCodeErrorKind::Character { place, found } => (
                format!(
                    "统一社会信用代码“{read}”第{place}位“{found}”不在允许的字符内（不用 I、O、S、V、Z；第3至8位只能是数字）；请核对"
                ),
                format!(
                    "character {place} of the credit code `{read}` is `{found}`, which is not allowed there (no I, O, S, V, Z; digits \
                     only at places 3 to 8); compare it with the business licence"
                ),
            ),
            CreditCodeErrorKind::CheckCharacter => (
                format!("统一社会信用代码“{read}”的校验码（末位）不符；请按营业执照核对"),
                format!(
                    "the last (check) character of the credit code `{read}` does not fit; compare it with the business licence"
                ),
            ),
            CreditCodeErrorKind::OrganisationCheck => (
                format!("代码“{read}”中组织机构代码或注册号的校验位不符；请按营业执照核对"),
                format!(
                    "the check character of the organisation code or registration number `{read}` does not fit; compare it with the business licence"
                ),
            ),
            CreditCodeErrorKind::Placeholder => (
                "统一社会信用代码全为0，只是占位；没有代码时请留空".to_owned(),
                "a credit code of zeros is a placeholder; leave the field empty where there is no code".to_owned(),
            ),
        };
        if let Some(suggestion) = &self.suggestion {
            zh.push_str("；是否为");
            zh.push_str(suggestion);
            zh.push('？');
            en.push_str("; was it meant to be ");
            en.push_str(suggestion);
            en.push('?');
        }
        Text::new(zh, en)
    }
}
