//! Cells that may hold a credit code, an older identifier, or a mark that means "none".

use unicode_normalization::UnicodeNormalization as _;

use super::{CreditCode, CreditCodeError, CreditCodeErrorKind, body_check};
use crate::domain::{names::is_empty_mark, regions::Region};

/// Identifier from before the unified code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LegacyIdentifier {
    /// 15-digit registration number (MOD 11,10).
    RegistrationNumber(String),
    /// 9-character organisation code (GB 11714), without hyphen.
    OrganisationCode(String),
}

impl LegacyIdentifier {
    /// Parses either form; full-width characters, spaces and the hyphen are understood.
    pub fn parse(text: &str) -> Option<Self> {
        Self::of_normalised(&normalise(text))
    }

    fn of_normalised(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        match bytes.len() {
            15 if bytes.iter().all(u8::is_ascii_digit) && registration_check(bytes) => {
                Some(Self::RegistrationNumber(text.to_owned()))
            }
            9 if looks_like_organisation_code(bytes) && body_check(&bytes[..8]) == bytes[8] => {
                Some(Self::OrganisationCode(text.to_owned()))
            }
            _ => None,
        }
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        match self {
            Self::RegistrationNumber(text) | Self::OrganisationCode(text) => text,
        }
    }

    /// True when the code contains this organisation code (characters 9 to 17).
    pub fn is_part_of(&self, code: &CreditCode) -> bool {
        matches!(self, Self::OrganisationCode(text) if text == code.organisation_code())
    }
}

/// What a cell for an identifier holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identifier {
    /// Nothing, or a mark that means nothing: `/`, `--`, `NO`, 无.
    Absent,
    /// A unified social credit code.
    Code {
        /// The code.
        code: CreditCode,
        /// True when it was not written canonically (full-width, lower case, spaces, hyphens).
        normalised: bool,
        /// False when its region is not in the register: a warning, never a refusal (development zones, abolished codes).
        region_known: bool,
    },
    /// An identifier from before.
    Legacy(LegacyIdentifier),
    /// Something else.
    Invalid(CreditCodeError),
}

/// Reads a cell that should hold an enterprise's identifier.
pub fn read_identifier(cell: &str) -> Identifier {
    let text = normalise(cell);
    if text.is_empty() || is_empty_mark(&text) || matches!(text.as_str(), "NO" | "NONE" | "N/A" | "NULL" | "无") {
        return Identifier::Absent;
    }
    if let Some(legacy) = LegacyIdentifier::of_normalised(&text) {
        return Identifier::Legacy(legacy);
    }
    match CreditCode::check_written(&text, cell.trim()) {
        Ok(code) => Identifier::Code {
            code,
            normalised: code.as_str() != cell,
            region_known: code.region().is_some_and(Region::is_known),
        },
        Err(error) => {
            let bytes = text.as_bytes();
            let meant_as_legacy = (bytes.len() == 15 && bytes.iter().all(u8::is_ascii_digit))
                || (bytes.len() == 9 && looks_like_organisation_code(bytes));
            let kind = if meant_as_legacy { CreditCodeErrorKind::OrganisationCheck } else { error.kind };
            Identifier::Invalid(CreditCodeError { kind, ..error })
        }
    }
}

/// NFKC, upper case, without white space and hyphens.
pub(super) fn normalise(text: &str) -> String {
    text.nfkc()
        .filter(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '-' | '‐' | '‑' | '‒' | '–' | '—' | '―' | '−'))
        .flat_map(char::to_uppercase)
        .collect()
}

fn looks_like_organisation_code(bytes: &[u8]) -> bool {
    matches!(bytes, [body @ .., check] if body.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        && body.iter().any(u8::is_ascii_digit) && (check.is_ascii_digit() || *check == b'X'))
}

/// MOD 11,10 of ISO 7064 over 15 digits, as for registration numbers of before 2015 (GS 15-2006).
fn registration_check(digits: &[u8]) -> bool {
    let Some((last, body)) = digits.split_last() else { return false };
    let mut product = 10;
    for digit in body {
        let sum = (product + u32::from(digit - b'0')) % 10;
        product = (if sum == 0 { 10 } else { sum }) * 2 % 11;
    }
    (product + u32::from(last - b'0')) % 10 == 1
}
