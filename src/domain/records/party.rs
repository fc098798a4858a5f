//! An enterprise as a record names it.

use super::check::{self, CheckContext};
use crate::domain::{
    credit_code::{CreditCode, LegacyIdentifier},
    regions::Region,
    violation::{Findings, Text},
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

impl Party {
    /// Checks what holds for every enterprise that a record names: it has a name, and its identifiers agree.
    pub fn check(&self, context: &CheckContext, findings: &mut Findings) {
        check::required_text(findings, "name", &self.name);
        check::text(findings, "address", &self.address);
        if let Some(code) = self.credit_code {
            check::code(findings, context, "credit_code", code);
        }
        if let Some(region) = self.region {
            check::region(findings, "region", region);
        }
        if let (Some(code), Some(legacy @ LegacyIdentifier::OrganisationCode(_))) = (&self.credit_code, &self.legacy_identifier)
            && !legacy.is_part_of(code)
        {
            findings.remark(
                "legacy_identifier",
                "IDENTIFIERS_DIFFER",
                Text::new(
                    format!("组织机构代码{}与统一社会信用代码{code}中的不一致；请核对", legacy.as_str()),
                    format!("the organisation code {} is not the one inside the credit code {code}; check both", legacy.as_str()),
                ),
            );
        }
    }

    /// Where the enterprise is: as stated, else where its code was registered.
    pub(super) fn known_region(&self) -> Option<Region> {
        self.region.or_else(|| self.credit_code?.region()).filter(|region| region.is_known())
    }

    /// Says that the code is missing where the kind of record cannot do without.
    pub(super) fn check_has_code(&self, findings: &mut Findings) {
        if self.credit_code.is_none() {
            check::missing(findings, "credit_code");
        }
    }
}
