//! One row of the survey of producers (摸底), after the annex of notice 市监质监〔2020〕51号.

use super::{
    Party,
    check::{self, CheckContext},
    token::tokens,
};
use crate::domain::{
    dates::CivilDate,
    products::ProductKind,
    standards::Standard,
    violation::{Findings, Text},
};

tokens! {
    /// What the enterprise makes.
    pub enum Role {
        /// (masks)
        MaskMaker = "mask_maker", "口罩生产";
        /// (important raw materials: meltblown cloth)
        RawMaterialMaker = "raw_material_maker", "重要原材料生产";
    }
}

/// One row of the survey.
#[derive(Debug, Clone, PartialEq)]
pub struct EnterpriseSurvey {
    /// Filing unit (填报单位).
    pub filing_unit: String,
    /// Day of filing (填报日期).
    pub filed_on: Option<CivilDate>,
    /// The producer; name and code are required.
    pub enterprise: Party,
    /// What it makes, at least one.
    pub roles: Vec<Role>,
    /// Product kinds; at least one for a mask maker.
    pub product_kinds: Vec<ProductKind>,
    /// Standards worked to.
    pub standards: Vec<Standard>,
    /// Converted to, or started, mask making for the epidemic.
    pub converted: Option<bool>,
    /// Exports.
    pub exports: Option<bool>,
    /// Also makes medical masks.
    pub makes_medical: Option<bool>,
    /// Restricted: suppliers of meltblown cloth.
    pub meltblown_suppliers: Vec<Party>,
    /// Restricted: non-medical masks a day, pieces.
    pub daily_output: Option<u64>,
}

/// More masks a day than any enterprise makes; probably a figure for a year, or in another unit.
const IMPLAUSIBLE_DAILY_OUTPUT: u64 = 200_000_000;

impl EnterpriseSurvey {
    /// Checks everything that can be said of it alone.
    pub fn check(&self, context: &CheckContext, findings: &mut Findings) {
        check::text(findings, "filing_unit", &self.filing_unit);
        check::happened(findings, context, "filed_on", self.filed_on);
        findings.within("enterprise", |findings| {
            self.enterprise.check(context, findings);
            self.enterprise.check_has_code(findings);
        });
        check::within_own_region(findings, context, "enterprise.region", self.enterprise.known_region());
        check::list(findings, "roles", self.roles.len());
        if self.roles.is_empty() {
            check::missing(findings, "roles");
        }
        self.check_product_kinds(findings);
        check::standards(findings, "standards", &self.standards);
        check::list(findings, "meltblown_suppliers", self.meltblown_suppliers.len());
        for (index, supplier) in self.meltblown_suppliers.iter().enumerate().take(check::LIST_LIMIT) {
            findings.within_index("meltblown_suppliers", index, |findings| supplier.check(context, findings));
        }
        if self.daily_output.is_some_and(|output| output > IMPLAUSIBLE_DAILY_OUTPUT) {
            let text = Text::new(
                "日产量大得不合常理；请核对单位（只/日）",
                "is more than any enterprise makes in a day; check the unit (pieces a day)",
            );
            findings.remark("daily_output", "IMPLAUSIBLE", text);
        }
    }

    fn check_product_kinds(&self, findings: &mut Findings) {
        check::product_kinds(findings, "product_kinds", &self.product_kinds);
        if self.product_kinds.is_empty() && self.roles.contains(&Role::MaskMaker) {
            check::missing(findings, "product_kinds");
        }
        for (index, _) in self.product_kinds.iter().enumerate().filter(|(_, kind)| **kind == ProductKind::Medical) {
            findings.within_index("product_kinds", index, |findings| {
                findings.refuse(
                    "",
                    "MEDICAL_KIND",
                    Text::new(
                        "本表只摸底非医用口罩；医用口罩请用“是否生产医用口罩”一项说明",
                        "the survey is of non-medical masks; say in `makes_medical` that medical masks are made too",
                    ),
                );
            });
        }
    }
}
