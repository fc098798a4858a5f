//! What customs did with a declaration (海关处置).

use super::{
    check::{self, CheckContext},
    token::tokens,
};
use crate::domain::{
    credit_code::CreditCode,
    customs::{district_name, is_export_declaration, is_office_code},
    dates::CivilDate,
    ids::{Micros, Position, RecordId, Revision},
    violation::{Findings, Text},
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

impl RecordReference {
    /// A reference names one revision at one position.
    pub(super) fn check_all(references: &[Self], findings: &mut Findings) {
        check::list(findings, "records", references.len());
        for (index, reference) in references.iter().enumerate().take(check::LIST_LIMIT) {
            findings.within_index("records", index, |findings| {
                if reference.revision == 0 {
                    check::missing(findings, "revision");
                }
                if reference.position == 0 {
                    check::missing(findings, "position");
                }
            });
        }
    }
}

/// An instant of something that has happened: after 1970 and not on a later day than today.
pub(super) fn check_instant(context: &CheckContext, field: &str, at: Micros, findings: &mut Findings) {
    if at <= 0 {
        check::missing(findings, field);
    } else {
        check::happened(findings, context, field, Some(CivilDate::of_instant(at)));
    }
}

impl ExportAction {
    /// Checks everything that can be said of it alone.
    pub fn check(&self, context: &CheckContext, findings: &mut Findings) {
        if self.declaration_number.is_empty() {
            check::missing(findings, "declaration_number");
        } else if !is_export_declaration(&self.declaration_number) {
            findings.refuse(
                "declaration_number",
                "WRONG_DECLARATION_NUMBER",
                Text::new(
                    "不是出口报关单号：应为18位数字，第9位为0",
                    "is no number of an export declaration: 18 digits, the ninth being 0",
                ),
            );
        }
        self.check_office(findings);
        check::texts(findings, &[("screening_id", &self.screening_id), ("remark", &self.remark)]);
        RecordReference::check_all(&self.records, findings);
        check_instant(context, "acted_at_us", self.acted_at, findings);
        if let Some(maker) = self.maker {
            check::code(findings, context, "maker_credit_code", maker);
        }
    }

    fn check_office(&self, findings: &mut Findings) {
        if self.office.is_empty() {
            check::missing(findings, "office");
        } else if !is_office_code(&self.office) {
            findings.refuse("office", "WRONG_OFFICE", Text::new("不是关区代码：应为4位数字", "is no customs code: four digits"));
        } else if district_name(&self.office).is_none() {
            findings.remark(
                "office",
                "UNKNOWN_OFFICE",
                Text::new("关区代码不在登记表中；照原样接收", "the customs code is not in the register; accepted as it is"),
            );
        }
    }
}
