//! One entry of the allow-list of commerce (出口资质).

use super::{
    Party,
    check::{self, CheckContext},
};
use crate::domain::{
    dates::CivilDate,
    products::ProductKind,
    violation::{Findings, Text},
};

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

/// There are 249 country codes.
const COUNTRIES_LIMIT: usize = 250;

impl ExportQualification {
    /// Checks everything that can be said of it alone.
    pub fn check(&self, context: &CheckContext, findings: &mut Findings) {
        findings.within("enterprise", |findings| {
            self.enterprise.check(context, findings);
            self.enterprise.check_has_code(findings);
        });
        check::required_text(findings, "certificate_number", &self.certificate_number);
        check::texts(findings, &[("certifier", &self.certifier), ("scheme", &self.scheme)]);
        check::product_kinds(findings, "product_kinds", &self.product_kinds);
        self.check_countries(findings);
        check::to_the_day(findings, "valid_from", self.valid_from);
        if let Some(valid_to) = self.valid_to {
            check::to_the_day(findings, "valid_to", valid_to);
            if check::reversed(Some(self.valid_from), Some(valid_to)) {
                findings.refuse(
                    "valid_to",
                    "DATE_ORDER",
                    check::order_text(Some(valid_to), "生效日期", "the first day of validity"),
                );
            }
        }
    }

    fn check_countries(&self, findings: &mut Findings) {
        check::list_of(findings, "countries", self.countries.len(), COUNTRIES_LIMIT);
        let wrong = |country: &str| country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase());
        for (index, country) in self.countries.iter().enumerate().take(COUNTRIES_LIMIT).filter(|(_, country)| wrong(country)) {
            let read: String = country.chars().take(20).collect();
            findings.within_index("countries", index, |findings| {
                findings.refuse(
                    "",
                    "WRONG_COUNTRY",
                    Text::new(
                        format!("“{read}”不是国家代码；请用 ISO 3166 两位大写字母"),
                        format!("`{read}` is no country code; use two capital letters of ISO 3166"),
                    ),
                );
            });
        }
    }
}
