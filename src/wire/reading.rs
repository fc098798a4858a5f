//! Reading single fields: what is wrong is said under the field's path, and reading goes on.

use crate::{
    domain::{
        credit_code::CreditCode,
        dates::CivilDate,
        ids::RecordId,
        products::ProductKind,
        records::Token,
        regions::Region,
        standards::Standard,
        violation::{Findings, Text},
    },
    proto,
};

/// Stands in for a required value that could not be read, so that the other fields are still checked. Never leaves the wire: a
/// violation has been said, and what has one is dropped.
pub(super) fn placeholder_id() -> Option<RecordId> {
    RecordId::parse("placeholder/0").ok()
}

/// See [`placeholder_id`].
pub(super) fn placeholder_day() -> CivilDate {
    CivilDate::of_instant(0)
}

pub(super) fn missing(field: &str, findings: &mut Findings) {
    findings.refuse(field, "REQUIRED", Text::new("必填，但没有内容", "is required and missing"));
}

/// At most 40 characters of what was read, for messages.
pub(super) fn excerpt(text: &str) -> &str {
    text.char_indices().nth(40).map_or(text, |(end, _)| &text[..end])
}

/// A value of a closed set; empty = not stated.
pub(super) fn token<T: Token>(field: &str, text: &str, findings: &mut Findings) -> Option<T> {
    if text.is_empty() {
        return None;
    }
    let value = T::parse(text);
    if value.is_none() {
        let allowed = T::ALL.iter().map(|value| value.token()).collect::<Vec<_>>().join(", ");
        let read = excerpt(text);
        findings.refuse(
            field,
            "UNKNOWN_VALUE",
            Text::new(format!("不认识“{read}”；可用的值：{allowed}"), format!("`{read}` is not known; one of: {allowed}")),
        );
    }
    value
}

/// A value of a closed set that must be stated.
pub(super) fn required_token<T: Token>(field: &str, text: &str, findings: &mut Findings) -> Option<T> {
    if text.is_empty() {
        missing(field, findings);
    }
    token(field, text, findings)
}

/// A civil date; absent = not stated.
pub(super) fn date(field: &str, date: Option<proto::CivilDate>, findings: &mut Findings) -> Option<CivilDate> {
    let proto::CivilDate { year, month, day } = date?;
    let read = CivilDate::of_parts(year, month, day);
    if read.is_none() {
        findings.refuse(
            field,
            "WRONG_DATE",
            Text::new(
                format!("{year}-{month}-{day}不是1900至2100年间的日期"),
                format!("{year}-{month}-{day} is no date between 1900 and 2100"),
            ),
        );
    }
    read
}

/// A civil date that must be stated.
pub(super) fn required_date(field: &str, value: Option<proto::CivilDate>, findings: &mut Findings) -> CivilDate {
    if value.is_none() {
        missing(field, findings);
    }
    date(field, value, findings).unwrap_or_else(placeholder_day)
}

/// A credit code, written canonically; empty = not given. Stored bytes are read by others, so they hold the canonical form alone.
pub(super) fn credit_code(field: &str, text: &str, findings: &mut Findings) -> Option<CreditCode> {
    if text.is_empty() {
        return None;
    }
    match CreditCode::parse(text) {
        Ok(code) => {
            if code.as_str() != text {
                not_normalised(field, code.as_str(), findings);
            }
            Some(code)
        }
        Err(error) => {
            findings.refuse(field, error.reason(), error.text());
            None
        }
    }
}

pub(super) fn not_normalised(field: &str, canonical: &str, findings: &mut Findings) {
    findings.refuse(
        field,
        "NOT_NORMALISED",
        Text::new(format!("不是规范写法；请写作{canonical}"), format!("is not written canonically; write {canonical}")),
    );
}

/// A region; empty = not known.
pub(super) fn region(field: &str, text: &str, findings: &mut Findings) -> Option<Region> {
    if text.is_empty() {
        return None;
    }
    let region = Region::parse(text).filter(|region| region.code() == text);
    if region.is_none() {
        let read = excerpt(text);
        findings.refuse(
            field,
            "WRONG_REGION",
            Text::new(
                format!("“{read}”不是行政区划代码：应为6位数字（GB/T 2260）或66"),
                format!("`{read}` is no region code: six digits of GB/T 2260, or 66"),
            ),
        );
    }
    region
}

/// A record id; must be given.
pub(super) fn record_id(field: &str, text: &str, findings: &mut Findings) -> Option<RecordId> {
    if text.is_empty() {
        missing(field, findings);
        return None;
    }
    match RecordId::parse(text) {
        Ok(id) => Some(id),
        Err(error) => {
            let read = excerpt(text);
            findings.refuse(
                field,
                "WRONG_RECORD_ID",
                Text::new(
                    format!("“{read}”不是记录编号：应以发布单位代号和“/”开头，不超过200个字符，无空白"),
                    format!("`{read}` is no record id: {}", error.rule),
                ),
            );
            None
        }
    }
}

/// Kinds by token or wording.
pub(super) fn product_kinds(texts: &[String]) -> Vec<ProductKind> {
    texts.iter().map(|text| ProductKind::parse(text)).collect()
}

/// Standards, normalised.
pub(super) fn standards(texts: &[String]) -> Vec<Standard> {
    texts.iter().map(|text| Standard::parse(text)).collect()
}

/// A date for the wire.
pub(super) fn write_date(date: CivilDate) -> proto::CivilDate {
    let (year, month, day) = date.parts();
    proto::CivilDate { year, month, day }
}

/// Tokens of kinds for the wire.
pub(super) fn write_product_kinds(kinds: &[ProductKind]) -> Vec<String> {
    kinds.iter().map(|kind| kind.token().to_owned()).collect()
}

/// Designations for the wire.
pub(super) fn write_standards(standards: &[Standard]) -> Vec<String> {
    standards.iter().map(|standard| standard.as_str().to_owned()).collect()
}

/// Token for the wire; not stated = empty.
pub(super) fn write_token<T: Token>(value: Option<T>) -> String {
    value.map(Token::token).unwrap_or_default().to_owned()
}
