//! Unified social credit codes (GB 32100-2015) and the identifiers before them.

/// A checked code, canonical 18 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CreditCode([u8; 18]);

/// Identifier from before the unified code.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LegacyIdentifier {
    /// 15-digit registration number (MOD 11,10).
    RegistrationNumber(String),
    /// 9-character organisation code (GB 11714), without hyphen.
    OrganisationCode(String),
}
