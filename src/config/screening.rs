//! The screening section in the domain's terms.

use super::{AnnouncementRow, HsPrefix, ScreeningSection, bounds::within};
use crate::domain::{
    dates::CivilDate,
    ids::Micros,
    screening::{GoodsGate, GoodsPrefix, RegimeRow, Regimes, ScreeningPolicy},
    violation::{Findings, Text},
};

pub(super) fn policy(section: &ScreeningSection, findings: &mut Findings) -> ScreeningPolicy {
    findings.within("screening", |f| {
        within(f, "answer_valid_seconds", section.answer_valid_seconds, 60..=604_800);
        for (index, office) in section.tolerant_offices.iter().enumerate() {
            let is_office = (1..=4).contains(&office.len()) && office.bytes().all(|b| b.is_ascii_digit());
            if !is_office {
                let text = Text::new(
                    format!("「{office}」不是关区代码或其前几位；应为1至4位数字"),
                    format!("`{office}` is no customs district or its first digits: 1 to 4 digits"),
                );
                f.refuse(&format!("tolerant_offices[{index}]"), "NOT_A_DISTRICT", text);
            }
        }
        ScreeningPolicy {
            goods: GoodsGate {
                prefixes: section.hs_prefixes.iter().enumerate().filter_map(|(at, row)| prefix(at, row, f)).collect(),
                words: lower(&section.goods_words),
                medical_words: lower(&section.medical_words),
            },
            regimes: Regimes::new(
                section.announcement_12.iter().enumerate().filter_map(|(at, row)| regime(at, row, f)).collect(),
            ),
            tolerant_offices: section.tolerant_offices.clone(),
            answer_lifetime: Micros::try_from(section.answer_valid_seconds).unwrap_or(0).saturating_mul(1_000_000),
        }
    })
}

fn lower(words: &[String]) -> Vec<String> {
    words.iter().map(|word| word.trim().to_lowercase()).filter(|word| !word.is_empty()).collect()
}

fn prefix(at: usize, row: &HsPrefix, f: &mut Findings) -> Option<GoodsPrefix> {
    f.within_index("hs_prefixes", at, |f| {
        let is_prefix = (2..=13).contains(&row.prefix.len()) && row.prefix.bytes().all(|b| b.is_ascii_digit());
        if !is_prefix {
            let text = Text::new(
                format!("「{}」不是商品编号的前几位；应为2至13位数字", row.prefix),
                format!("`{}` is no beginning of an HS code: 2 to 13 digits", row.prefix),
            );
            f.refuse("prefix", "NOT_AN_HS_CODE", text);
        }
        let (valid_from, valid_to) = days(row.valid_from.as_deref(), row.valid_to.as_deref(), f)?;
        is_prefix.then(|| GoodsPrefix { prefix: row.prefix.clone(), valid_from, valid_to })
    })
}

fn regime(at: usize, row: &AnnouncementRow, f: &mut Findings) -> Option<RegimeRow> {
    f.within_index("announcement_12", at, |f| {
        let (valid_from, valid_to) = days(Some(&row.valid_from), row.valid_to.as_deref(), f)?;
        row.enabled.then_some(RegimeRow { valid_from: valid_from?, valid_to })
    })
}

/// First and last day; `None` when one was refused.
fn days(from: Option<&str>, to: Option<&str>, f: &mut Findings) -> Option<(Option<CivilDate>, Option<CivilDate>)> {
    let first = from.map(|text| day("valid_from", text, f));
    let last = to.map(|text| day("valid_to", text, f));
    if let (Some(Some(first)), Some(Some(last))) = (&first, &last)
        && first.first_day() > last.last_day()
    {
        f.refuse("valid_to", "ENDS_BEFORE_IT_BEGINS", Text::new("早于 valid_from", "is before valid_from"));
        return None;
    }
    let read = |given: Option<Option<CivilDate>>| match given {
        None => Some(None),
        Some(read) => read.map(Some),
    };
    Some((read(first)?, read(last)?))
}

/// A day written as 2020-04-26.
pub(super) fn day(key: &str, text: &str, f: &mut Findings) -> Option<CivilDate> {
    let read = CivilDate::parse(text).filter(|date| date.to_string() == text && text.len() == 10);
    if read.is_none() {
        let words = Text::new(format!("「{text}」不是日期；请写作 2020-04-26"), format!("`{text}` is no day: write 2020-04-26"));
        f.refuse(key, "NOT_A_DAY", words);
    }
    read
}
