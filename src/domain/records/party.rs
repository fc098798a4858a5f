//! An enterprise as a record names it.

use crate::domain::{
    credit_code::{CreditCode, LegacyIdentifier},
    regions::Region,
};

/// An enterprise as a record names it. The raw name is kept; keys for comparison are derived (`domain::names`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Party {
    /// The name as written.
    pub name: String,
    /// Unified social credit code.
    pub credit_code: Option<CreditCode>,
    /// Old registration number or organisation code.
    pub legacy_identifier: Option<LegacyIdentifier>,
    /// Address as written.
    pub address: String,
    /// Region, where stated.
    pub region: Option<Region>,
}
