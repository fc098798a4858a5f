//! An export declaration as far as it matters here (domain.md §2 and §6).
//!
//! Two sorts of bad input are kept apart. What breaks the form (a declaration number of 17 digits) is a violation: the
//! request is refused, and its sender can mend it. What the declarant wrote and nobody can use (a credit code with a wrong
//! check character) is kept as it is and judged UNKNOWN: customs still needs an answer for the goods in front of it.

use crate::domain::{
    credit_code::{CreditCode, Identifier, read_identifier},
    customs::is_office_code,
    dates::{CivilDate, Precision},
    products::ProductKind,
    records::Token,
    regions::Region,
    standards::Standard,
    violation::{Findings, Text},
};

/// Most items of one declaration.
pub const MAX_ITEMS: usize = 50;

/// Most characters of one text field.
pub const MAX_TEXT: usize = 500;

/// The credit code field of a declared party.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeclaredCode {
    /// Blank, the literal `NO`, or an identifier from before the unified code, which no list is kept by.
    #[default]
    Absent,
    /// A well-formed code.
    Code(CreditCode),
    /// Something that is no code.
    Unusable {
        /// What was read.
        read: String,
        /// Why it is none, and what may have been meant.
        why: Text,
    },
}

impl DeclaredCode {
    /// Reads the field; never fails, since what cannot be used is judged and not refused.
    #[must_use]
    pub fn read(text: &str) -> Self {
        if text.trim().eq_ignore_ascii_case("NO") {
            return Self::Absent;
        }
        match read_identifier(text) {
            Identifier::Absent | Identifier::Legacy(_) => Self::Absent,
            Identifier::Code { code, .. } => Self::Code(code),
            Identifier::Invalid(error) => Self::Unusable { read: text.to_owned(), why: error.text() },
        }
    }

    /// The code, if it can be used.
    #[must_use]
    pub const fn code(&self) -> Option<CreditCode> {
        match self {
            Self::Code(code) => Some(*code),
            Self::Absent | Self::Unusable { .. } => None,
        }
    }
}

/// A party as the declaration names it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeclaredParty {
    /// Name as written; empty = not given.
    pub name: String,
    /// Credit code.
    pub code: DeclaredCode,
    /// Region, where stated.
    pub region: Option<Region>,
}

impl DeclaredParty {
    /// True when nothing can be compared.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.name.trim().is_empty() && self.code == DeclaredCode::Absent
    }
}

/// Joint declaration of exporter and importer (announcement 12/2020).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JointDeclaration {
    /// It goes with the goods.
    Present,
    /// It does not.
    Absent,
    /// Not said.
    #[default]
    Unknown,
}

impl Token for JointDeclaration {
    const ALL: &'static [Self] = &[Self::Present, Self::Absent, Self::Unknown];

    fn token(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        }
    }

    fn name_zh(self) -> &'static str {
        match self {
            Self::Present => "有",
            Self::Absent => "无",
            Self::Unknown => "不明",
        }
    }
}

/// Which standards the goods are said to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClaimedStandard {
    /// Chinese ones: the maker must not be on the deny-list.
    Chinese,
    /// Foreign ones: the maker must be on the allow-list.
    Foreign,
    /// Not said.
    #[default]
    Unstated,
}

impl Token for ClaimedStandard {
    const ALL: &'static [Self] = &[Self::Chinese, Self::Foreign, Self::Unstated];

    fn token(self) -> &'static str {
        match self {
            Self::Chinese => "chinese",
            Self::Foreign => "foreign",
            Self::Unstated => "unstated",
        }
    }

    fn name_zh(self) -> &'static str {
        match self {
            Self::Chinese => "国内标准",
            Self::Foreign => "国外标准",
            Self::Unstated => "未声明",
        }
    }
}

/// One item of a declaration. Empty strings mean "not given".
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeclarationItem {
    /// Goods name.
    pub goods_name: String,
    /// HS code, digits only.
    pub hs_code: String,
    /// Brand.
    pub brand: String,
    /// Model.
    pub model: String,
    /// Specification.
    pub specification: String,
    /// Batch.
    pub batch: String,
    /// Production date.
    pub produced_on: Option<CivilDate>,
    /// Which standards are claimed.
    pub claimed_standard: ClaimedStandard,
    /// Standard named.
    pub standard: Option<Standard>,
    /// Kind of product, if known.
    pub product_kind: Option<ProductKind>,
    /// Pieces.
    pub quantity: Option<u64>,
}

/// An export declaration. The declaring agent is left out on purpose: it is never matched.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Declaration {
    /// Number (EntryId), 18 digits; empty = not yet given.
    pub number: String,
    /// Exporter (境内发货人).
    pub exporter: DeclaredParty,
    /// Producing or selling unit (生产销售单位).
    pub producing_or_selling_unit: DeclaredParty,
    /// Maker's registration and stated maker (生产单位).
    pub maker: DeclaredParty,
    /// Joint declaration.
    pub joint_declaration: JointDeclaration,
    /// Day of the declaration; `None` = the day of the question.
    pub declared_on: Option<CivilDate>,
    /// Day of expected departure.
    pub departs_on: Option<CivilDate>,
    /// Customs district, 4 digits; empty = not given.
    pub office: String,
    /// 1 to [`MAX_ITEMS`].
    pub items: Vec<DeclarationItem>,
}

impl Declaration {
    /// The parties, maker first.
    pub(super) fn parties(&self) -> [(&'static str, &DeclaredParty); 3] {
        [("maker", &self.maker), ("producing_or_selling_unit", &self.producing_or_selling_unit), ("exporter", &self.exporter)]
    }

    /// Collects everything that breaks the form.
    pub fn check(&self, findings: &mut Findings) {
        check_number(&self.number, findings);
        if !self.office.is_empty() && !is_office_code(&self.office) {
            findings.refuse("office", "WRONG_LENGTH", Text::new("关区代码应为4位数字", "a customs district has 4 digits"));
        }
        for (field, date) in [("declared_on", self.declared_on), ("departs_on", self.departs_on)] {
            if date.is_some_and(|date| date.precision() != Precision::Day) {
                findings.refuse(field, "DAY_REQUIRED", Text::new("日期须精确到日", "the date needs its day"));
            }
        }
        for (field, party) in self.parties() {
            findings.within(field, |findings| check_text("name", &party.name, findings));
        }
        if self.items.is_empty() || self.items.len() > MAX_ITEMS {
            let text = Text::new(
                format!("商品项应为1至{MAX_ITEMS}项，现为{}项", self.items.len()),
                format!("a declaration has 1 to {MAX_ITEMS} items, this one has {}", self.items.len()),
            );
            findings.refuse("items", "WRONG_COUNT", text);
        }
        for (index, item) in self.items.iter().take(MAX_ITEMS).enumerate() {
            findings.within_index("items", index, |findings| item.check(findings));
        }
    }
}

impl DeclarationItem {
    fn check(&self, findings: &mut Findings) {
        for (field, text) in [
            ("goods_name", &self.goods_name),
            ("brand", &self.brand),
            ("model", &self.model),
            ("specification", &self.specification),
            ("batch", &self.batch),
        ] {
            check_text(field, text, findings);
        }
        if !self.hs_code.is_empty() && !is_digits(&self.hs_code, 4..=13) {
            let text =
                Text::new("商品编码应为4至13位数字，不含点和空格", "an HS code has 4 to 13 digits, without dots or spaces");
            findings.refuse("hs_code", "WRONG_LENGTH", text);
        }
    }
}

fn is_digits(text: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// 18 digits: 1-4 customs code, 5-8 year, 9 = 0 for export, 10-18 serial (domain.md §2).
fn check_number(number: &str, findings: &mut Findings) {
    if number.is_empty() {
        return;
    }
    if !is_digits(number, 18..=18) {
        let text = Text::new("报关单号应为18位数字", "a declaration number has 18 digits");
        findings.refuse("number", "WRONG_LENGTH", text);
    } else if number.as_bytes().get(8) != Some(&b'0') {
        let text = Text::new(
            "报关单号第9位不是0：这不是出口报关单，本网关只比对出口",
            "digit 9 of the number is not 0: no export declaration, and only exports are screened",
        );
        findings.refuse("number", "NOT_AN_EXPORT", text);
    }
}

fn check_text(field: &str, text: &str, findings: &mut Findings) {
    let length = text.chars().count();
    if length > MAX_TEXT {
        let text = Text::new(
            format!("长度{length}超过上限{MAX_TEXT}个字符，请缩短"),
            format!("{length} characters, at most {MAX_TEXT}: shorten it"),
        );
        findings.refuse(field, "TOO_LONG", text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(declaration: &Declaration) -> Vec<(String, &'static str)> {
        let mut findings = Findings::at("declaration");
        declaration.check(&mut findings);
        findings.violations.into_iter().map(|violation| (violation.field, violation.reason)).collect()
    }

    #[test]
    fn a_plain_declaration_is_well_formed() {
        let declaration = Declaration {
            number: "222920200000000001".into(),
            office: "2229".into(),
            declared_on: CivilDate::day(2020, 5, 20),
            items: vec![DeclarationItem { hs_code: "6307900010".into(), ..DeclarationItem::default() }],
            ..Declaration::default()
        };
        assert_eq!(reasons(&declaration), []);
    }

    #[test]
    fn every_violation_is_listed_with_its_place() {
        let item = DeclarationItem { hs_code: "6307.90".into(), batch: "甲".repeat(MAX_TEXT + 1), ..DeclarationItem::default() };
        let declaration = Declaration {
            number: "222920201000000001".into(),
            office: "22".into(),
            declared_on: CivilDate::month(2020, 5),
            items: vec![item],
            ..Declaration::default()
        };
        assert_eq!(
            reasons(&declaration),
            [
                ("declaration.number".into(), "NOT_AN_EXPORT"),
                ("declaration.office".into(), "WRONG_LENGTH"),
                ("declaration.declared_on".into(), "DAY_REQUIRED"),
                ("declaration.items[0].batch".into(), "TOO_LONG"),
                ("declaration.items[0].hs_code".into(), "WRONG_LENGTH"),
            ]
        );
    }

    #[test]
    fn no_items_and_too_many_are_refused() {
        let mut declaration = Declaration::default();
        assert_eq!(reasons(&declaration), [("declaration.items".into(), "WRONG_COUNT")]);
        declaration.items = vec![DeclarationItem::default(); MAX_ITEMS + 1];
        assert_eq!(reasons(&declaration), [("declaration.items".into(), "WRONG_COUNT")]);
    }

    #[test]
    fn the_literal_no_means_absent_and_a_wrong_code_is_kept() {
        assert_eq!(DeclaredCode::read("NO"), DeclaredCode::Absent);
        assert_eq!(DeclaredCode::read(" no "), DeclaredCode::Absent);
        assert_eq!(DeclaredCode::read(""), DeclaredCode::Absent);
        assert!(matches!(DeclaredCode::read("91330100PDY00001X1"), DeclaredCode::Unusable { .. }));
    }
}
