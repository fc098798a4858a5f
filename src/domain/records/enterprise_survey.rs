//! One row of the survey of producers (摸底), after the annex of notice 市监质监〔2020〕51号.

use super::{Party, token::tokens};
use crate::domain::{dates::CivilDate, products::ProductKind, standards::Standard};

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
