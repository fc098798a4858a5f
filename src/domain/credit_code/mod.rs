//! Unified social credit codes (GB 32100-2015) and the identifiers before them.
//!
//! The two check characters prove the form of a code, never who owns it. Nothing is corrected silently: what can only be a slip
//! of the pen is suggested, and a person decides.

mod error;
mod identifier;

pub use error::{CreditCodeError, CreditCodeErrorKind};
pub use identifier::{Identifier, LegacyIdentifier, read_identifier};

use std::{fmt, str};

use super::regions::Region;

/// The 31 characters of a code in the order of their values: no I, O, S, V, Z (GB 32100-2015, 4.2).
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// `3^(i-1) mod 31` for the first 17 characters.
const WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
/// Weights of the organisation code inside (GB 11714).
const BODY_WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

/// A checked code, canonical 18 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CreditCode([u8; 18]);

impl CreditCode {
    /// Parses a code as people write it: full-width or lower-case characters, spaces and hyphens are understood.
    ///
    /// # Errors
    /// When length, alphabet or one of the two check characters is wrong, or it is a placeholder of zeros.
    pub fn parse(text: &str) -> Result<Self, CreditCodeError> {
        if let Ok(bytes) = <[u8; 18]>::try_from(text.as_bytes())
            && let Ok(code) = Self::check(bytes)
        {
            return Ok(code);
        }
        Self::check_written(&identifier::normalise(text), text)
    }

    /// The canonical 18 characters.
    pub fn as_str(&self) -> &str {
        // The alphabet is ASCII, so this never falls back.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// True for the bodies `PDY00001`–`PDY99999` that GB 11714 reserves for internal use: examples and tests, never an enterprise.
    pub fn is_synthetic(&self) -> bool {
        self.0.get(8..11) == Some(b"PDY") && self.0[11..16].iter().all(u8::is_ascii_digit) && self.0[11..16] != *b"00000"
    }

    /// The six digits of the region where it was registered (GB/T 2260).
    pub fn region_prefix(&self) -> &str {
        self.as_str().get(2..8).unwrap_or_default()
    }

    /// The region where it was registered; `None` for prefixes that cannot be a region, such as `000000`.
    pub fn region(&self) -> Option<Region> {
        Region::parse(self.region_prefix())
    }

    /// The organisation code inside (characters 9 to 17).
    pub fn organisation_code(&self) -> &str {
        self.as_str().get(8..17).unwrap_or_default()
    }

    /// The `n`-th reserved code of a region (six digits), for examples and tests: `PDY00001` is number 1. Numbers beyond 99,999
    /// go on in another class character, so that a million codes of one region are distinct.
    pub fn synthetic(region: u32, n: u32) -> Self {
        let index = n.max(1) - 1;
        let class = ALPHABET[(1 + (index / 99_999) as usize) % ALPHABET.len()];
        let mut code = [b'0'; 18];
        code[0] = b'9';
        code[1] = class;
        code[2..8].copy_from_slice(&digits::<6>(region));
        code[8..11].copy_from_slice(b"PDY");
        code[11..16].copy_from_slice(&digits::<5>(index % 99_999 + 1));
        code[16] = body_check(&code[8..16]);
        code[17] = check_character(&code[..17]).unwrap_or(b'0');
        Self(code)
    }

    fn check_written(normalised: &str, read: &str) -> Result<Self, CreditCodeError> {
        let kind = match <[u8; 18]>::try_from(normalised.as_bytes()) {
            Ok(bytes) => match Self::check(bytes) {
                Ok(code) => return Ok(code),
                Err(kind) => kind,
            },
            Err(_) if normalised.chars().count() == 18 => first_foreign(normalised),
            Err(_) => CreditCodeErrorKind::Length(normalised.chars().count()),
        };
        Err(CreditCodeError::new(kind, read, suggest(normalised)))
    }

    fn check(bytes: [u8; 18]) -> Result<Self, CreditCodeErrorKind> {
        let foreign =
            |index: usize, byte: u8| !(if (2..8).contains(&index) { byte.is_ascii_digit() } else { value(byte).is_some() });
        if let Some((index, byte)) = bytes.iter().copied().enumerate().find(|(index, byte)| foreign(*index, *byte)) {
            return Err(CreditCodeErrorKind::Character { place: index + 1, found: char::from(byte) });
        }
        if bytes == [b'0'; 18] {
            return Err(CreditCodeErrorKind::Placeholder);
        }
        if check_character(&bytes[..17]) != Some(bytes[17]) {
            return Err(CreditCodeErrorKind::CheckCharacter);
        }
        if body_check(&bytes[8..16]) != bytes[16] {
            return Err(CreditCodeErrorKind::OrganisationCheck);
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for CreditCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CreditCode({})", self.as_str())
    }
}

impl fmt::Display for CreditCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Decimal digits, the last `N` of them.
fn digits<const N: usize>(mut number: u32) -> [u8; N] {
    let mut out = [b'0'; N];
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out
}

const fn values() -> [u8; 128] {
    let mut table = [u8::MAX; 128];
    let mut index = 0;
    while index < ALPHABET.len() {
        table[ALPHABET[index] as usize] = index as u8;
        index += 1;
    }
    table
}

/// Value of a character in the alphabet.
fn value(byte: u8) -> Option<u32> {
    const VALUES: [u8; 128] = values();
    VALUES.get(usize::from(byte)).copied().filter(|value| *value != u8::MAX).map(u32::from)
}

/// The 18th character over the first 17: `(31 - sum mod 31) mod 31` (GB 32100-2015, annex).
fn check_character(first: &[u8]) -> Option<u8> {
    let mut sum = 0;
    for (byte, weight) in first.iter().zip(WEIGHTS) {
        sum += value(*byte)? * weight;
    }
    ALPHABET.get(((31 - sum % 31) % 31) as usize).copied()
}

/// Check character of an organisation code over its eight characters, letters counting A = 10 … Z = 35 (GB 11714).
fn body_check(body: &[u8]) -> u8 {
    let value = |byte: u8| u32::from(if byte.is_ascii_digit() { byte - b'0' } else { byte.wrapping_sub(b'A').wrapping_add(10) });
    let sum: u32 = body.iter().zip(BODY_WEIGHTS).map(|(byte, weight)| value(*byte) * weight).sum();
    match 11 - sum % 11 {
        10 => b'X',
        11 => b'0',
        digit => b'0' + digit as u8,
    }
}

fn first_foreign(normalised: &str) -> CreditCodeErrorKind {
    let foreign = normalised.chars().enumerate().find(|(_, c)| !c.is_ascii() || value(*c as u8).is_none());
    let (index, found) = foreign.unwrap_or((0, '?'));
    CreditCodeErrorKind::Character { place: index + 1, found }
}

/// The code that results when letters outside the alphabet are read as the digits they resemble, if that is a valid code.
fn suggest(normalised: &str) -> Option<String> {
    let resembled: String = normalised
        .chars()
        .map(|c| match c {
            'I' => '1',
            'O' => '0',
            'S' => '5',
            'V' => 'U',
            'Z' => '2',
            other => other,
        })
        .collect();
    if resembled == normalised {
        return None;
    }
    let bytes = <[u8; 18]>::try_from(resembled.as_bytes()).ok()?;
    CreditCode::check(bytes).ok().map(|code| code.as_str().to_owned())
}

#[cfg(test)]
mod tests;
