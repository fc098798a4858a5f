//! What customs did with a declaration (海关处置).

use super::token::tokens;
use crate::domain::{
    credit_code::CreditCode,
    ids::{Micros, Position, RecordId, Revision},
};

tokens! {
    /// What customs did.
    pub enum CustomsAction {
        Held = "held", "暂扣";
        Examined = "examined", "查验";
        Released = "released", "放行";
        Returned = "returned", "退回";
    }
}

/// A record revision that somebody acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordReference {
    /// Record.
    pub record_id: RecordId,
    /// Revision.
    pub revision: Revision,
    /// Position.
    pub position: Position,
}

/// What customs did with a declaration or one item of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportAction {
    /// Declaration number, 18 digits.
    pub declaration_number: String,
    /// Item, from 1; 0 = the whole declaration.
    pub item_number: u32,
    /// Customs district, 4 digits.
    pub office: String,
    /// Screening answer acted on; empty = none.
    pub screening_id: String,
    /// Records acted on.
    pub records: Vec<RecordReference>,
    /// What was done.
    pub action: CustomsAction,
    /// Pieces; `None` = all.
    pub quantity: Option<u64>,
    /// When.
    pub acted_at: Micros,
    /// Maker, if established.
    pub maker: Option<CreditCode>,
    /// Remark.
    pub remark: String,
}
