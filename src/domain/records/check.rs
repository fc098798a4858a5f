//! The rules that span fields, and the small rules that every kind shares.
//!
//! A check collects everything that is wrong, never the first alone. What cannot be true is refused; what is merely unlikely is a
//! remark, since reality has post-dated labels and late reports.

use crate::domain::{
    credit_code::CreditCode,
    dates::{CivilDate, Precision},
    products::ProductKind,
    regions::Region,
    standards::Standard,
    violation::{Findings, Text},
};

/// Longest text of a field, characters.
pub const TEXT_LIMIT: usize = 500;
/// Longest body of a notice, characters.
pub const BODY_LIMIT: usize = 10_000;
/// Longest list.
pub const LIST_LIMIT: usize = 100;

/// What a check needs to know of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckContext {
    /// Today, Asia/Shanghai.
    pub today: CivilDate,
    /// Whether reserved example codes are accepted: never in production.
    pub allow_synthetic: bool,
    /// Region of the publisher; outside of it publishing warns. `None` = nationwide.
    pub publisher_region: Option<Region>,
}

/// A text may be empty, but neither long nor with control characters other than line breaks and tabs.
pub(super) fn text(findings: &mut Findings, field: &str, value: &str) {
    bounded_text(findings, field, value, TEXT_LIMIT);
}

/// Several texts at once.
pub(super) fn texts(findings: &mut Findings, fields: &[(&str, &str)]) {
    for (field, value) in fields {
        text(findings, field, value);
    }
}

/// A text that must say something.
pub(super) fn required_text(findings: &mut Findings, field: &str, value: &str) {
    if value.trim().is_empty() {
        missing(findings, field);
    } else {
        text(findings, field, value);
    }
}

pub(super) fn bounded_text(findings: &mut Findings, field: &str, value: &str, limit: usize) {
    // Bytes are never fewer than characters, so that most texts need no counting.
    if value.len() > limit && value.chars().count() > limit {
        findings.refuse(
            field,
            "TOO_LONG",
            Text::new(
                format!("有{}个字符，最多{limit}个；请缩短", value.chars().count()),
                format!("has {} characters, at most {limit} are allowed; shorten it", value.chars().count()),
            ),
        );
    }
    if value.bytes().any(|b| b < 0x20 && !matches!(b, b'\n' | b'\r' | b'\t') || b == 0x7F) {
        findings.refuse(
            field,
            "CONTROL_CHARACTER",
            Text::new("含有控制字符；请删除", "contains control characters; remove them"),
        );
    }
}

/// Says that a field is missing.
pub(super) fn missing(findings: &mut Findings, field: &str) {
    findings.refuse(field, "REQUIRED", Text::new("必填，但没有内容", "is required and missing"));
}

/// A list may be empty, but not long.
pub(super) fn list(findings: &mut Findings, field: &str, length: usize) {
    list_of(findings, field, length, LIST_LIMIT);
}

pub(super) fn list_of(findings: &mut Findings, field: &str, length: usize, limit: usize) {
    if length > limit {
        findings.refuse(
            field,
            "LIST_TOO_LONG",
            Text::new(format!("有{length}项，最多{limit}项"), format!("has {length} entries, at most {limit} are allowed")),
        );
    }
}

/// A date of something that has happened: not after today.
pub(super) fn happened(findings: &mut Findings, context: &CheckContext, field: &str, date: Option<CivilDate>) {
    if let Some(date) = date
        && date.is_certainly_after(context.today)
    {
        findings.refuse(
            field,
            "FUTURE_DATE",
            Text::new(
                format!("{date}晚于今天（{}）；请核对", context.today),
                format!("{date} is after today ({}); check it", context.today),
            ),
        );
    }
}

/// A date that must be known to the day.
pub(super) fn to_the_day(findings: &mut Findings, field: &str, date: CivilDate) {
    if date.precision() != Precision::Day {
        findings.refuse(
            field,
            "DAY_REQUIRED",
            Text::new(format!("{date}没有精确到日；请补全"), format!("{date} is not precise to the day; complete it")),
        );
    }
}

/// True when both are known and `later` lies certainly before `earlier`.
pub(super) fn reversed(earlier: Option<CivilDate>, later: Option<CivilDate>) -> bool {
    matches!((earlier, later), (Some(earlier), Some(later)) if earlier.is_certainly_after(later))
}

/// In words, for a date that lies before the one it should follow.
pub(super) fn order_text(later: Option<CivilDate>, zh: &str, en: &str) -> Text {
    let later = later.map(|date| date.to_string()).unwrap_or_default();
    Text::new(format!("{later}早于{zh}；请核对"), format!("{later} is before {en}; check it"))
}

/// Reserved codes only where allowed; an unknown region is only worth knowing.
pub(super) fn code(findings: &mut Findings, context: &CheckContext, field: &str, code: CreditCode) {
    if code.is_synthetic() && !context.allow_synthetic {
        findings.refuse(
            field,
            "SYNTHETIC_CODE",
            Text::new(
                format!("{code}是 GB 11714 保留的内部编码，不属于任何企业；仅可用于演示和测试"),
                format!("{code} is a code that GB 11714 reserves for internal use; it belongs to no enterprise and is accepted only for demonstrations and tests"),
            ),
        );
    }
    if !code.region().is_some_and(Region::is_known) {
        unknown_region(findings, field, code.region_prefix());
    }
}

/// A region that the register does not have is only worth knowing.
pub(super) fn region(findings: &mut Findings, field: &str, region: Region) {
    if !region.is_known() {
        unknown_region(findings, field, &region.code());
    }
}

fn unknown_region(findings: &mut Findings, field: &str, code: &str) {
    findings.remark(
        field,
        "UNKNOWN_REGION",
        Text::new(
            format!("行政区划代码{code}不在登记表中；照原样接收"),
            format!("the region {code} is not in the register; accepted as it is"),
        ),
    );
}

/// A bureau may file for others, so that a producer elsewhere is only worth knowing.
pub(super) fn within_own_region(findings: &mut Findings, context: &CheckContext, field: &str, region: Option<Region>) {
    if let (Some(own), Some(region)) = (context.publisher_region, region)
        && own.contradicts(region)
    {
        findings.remark(
            field,
            "OUTSIDE_REGION",
            Text::new(
                format!("{}不在发布单位所辖{}之内；照原样接收", region.code(), own.code()),
                format!("{region} is outside the publisher's region {own}; accepted as it is"),
            ),
        );
    }
}

/// Standards must be named; one that the register does not have is only worth knowing.
pub(super) fn standards(findings: &mut Findings, field: &str, standards: &[Standard]) {
    list(findings, field, standards.len());
    for (index, standard) in standards.iter().enumerate().take(LIST_LIMIT) {
        if standard.as_str().is_empty() {
            findings.within_index(field, index, |findings| missing(findings, ""));
        } else if !standard.is_known() {
            findings.within_index(field, index, |findings| {
                text(findings, "", standard.as_str());
                findings.remark(
                    "",
                    "UNKNOWN_STANDARD",
                    Text::new(
                        format!("标准{standard}不在登记表中；照原样接收"),
                        format!("the standard {standard} is not in the register; accepted as it is"),
                    ),
                );
            });
        }
    }
}

/// Kinds must be named.
pub(super) fn product_kinds(findings: &mut Findings, field: &str, kinds: &[ProductKind]) {
    list(findings, field, kinds.len());
    for (index, kind) in kinds.iter().enumerate().take(LIST_LIMIT).filter(|(_, kind)| !kind.is_known()) {
        findings.within_index(field, index, |findings| required_text(findings, "", kind.token()));
    }
}
