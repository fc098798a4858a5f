//! One entry of the allow-list of commerce (出口资质).

use super::Party;
use crate::domain::{dates::CivilDate, products::ProductKind};

/// A producer with foreign certification or registration (joint announcement 12/2020).
#[derive(Debug, Clone, PartialEq)]
pub struct ExportQualification {
    /// The producer; code required.
    pub enterprise: Party,
    /// Certificate or registration number.
    pub certificate_number: String,
    /// Who issued it.
    pub certifier: String,
    /// Foreign standard or scheme.
    pub scheme: String,
    /// Product kinds covered; empty = all.
    pub product_kinds: Vec<ProductKind>,
    /// Countries, ISO 3166 alpha-2, upper case; empty = all.
    pub countries: Vec<String>,
    /// First day of validity (day precision).
    pub valid_from: CivilDate,
    /// Last day of validity; `None` = open.
    pub valid_to: Option<CivilDate>,
}
