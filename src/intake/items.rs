//! The cell of failed items: `过滤效率(盐性介质)：实测85.3%，标准值≥90%；呼气阀气密性`.

use unicode_normalization::UnicodeNormalization as _;

use crate::domain::{items::InspectionItem, records::InspectionResult};

use super::values::values;

/// Beginnings of a part that belongs to the item before it.
const CONTINUES: [&str; 14] =
    ["标准值", "标准要求", "标准", "技术要求", "要求", "实测", "检验结果", "检测值", "检测结果", "限值", "≥", "≤", "<", ">"];
/// Media that filtration is tested with (GB/T 32610-2016).
const MEDIA: [&str; 8] = ["介质", "盐", "油", "氯化钠", "NaCl", "NACL", "DOP", "石蜡"];
/// Comparators, the longer first.
const COMPARATORS: [(&str, &str); 14] = [
    (">=", ">="),
    ("<=", "<="),
    ("≥", ">="),
    ("≧", ">="),
    ("≤", "<="),
    ("≦", "<="),
    ("不小于", ">="),
    ("不低于", ">="),
    ("不少于", ">="),
    ("不大于", "<="),
    ("不高于", "<="),
    ("不超过", "<="),
    (">", ">"),
    ("<", "<"),
];

/// Reads the failed items of a cell.
pub fn read(text: &str) -> Vec<InspectionResult> {
    let mut parts: Vec<String> = Vec::new();
    for part in values(text, true) {
        let part: String = part.nfkc().collect();
        match parts.last_mut() {
            Some(before) if CONTINUES.iter().any(|word| part.starts_with(word)) => {
                before.push(',');
                before.push_str(&part);
            }
            _ => parts.push(part),
        }
    }
    parts.iter().map(|part| read_one(part)).collect()
}

fn read_one(part: &str) -> InspectionResult {
    let (item, values) = match part.split_once(':') {
        Some((item, values)) if !item.trim().is_empty() => (item, values),
        _ => (part, ""),
    };
    let (name, aside) = split_aside(numbering_removed(item));
    let (measured, comparator, limit, unit) = read_values(values);
    let is_medium = MEDIA.iter().any(|word| aside.contains(word));
    InspectionResult {
        item: InspectionItem::parse(name),
        medium: if is_medium { aside.to_owned() } else { String::new() },
        clause: if is_medium { String::new() } else { aside.to_owned() },
        measured,
        comparator,
        limit,
        unit,
        failed: true,
    }
}

/// `1.过滤效率` → `过滤效率`
fn numbering_removed(item: &str) -> &str {
    let item = item.trim();
    let rest = item.trim_start_matches(|c: char| c.is_ascii_digit());
    if rest.len() < item.len() { rest.strip_prefix(['.', ')']).map_or(item, str::trim_start) } else { item }
}

/// What stands in brackets at the end of an item: the medium, or which part of the standard is meant.
fn split_aside(item: &str) -> (&str, &str) {
    let bare = item.trim();
    let Some(inside) = bare.strip_suffix(')') else { return (bare, "") };
    match inside.split_once('(') {
        Some((name, aside)) if !name.trim().is_empty() => (name.trim(), aside.trim()),
        _ => (bare, ""),
    }
}

/// Measured value, comparator, limit and unit, each as written.
fn read_values(text: &str) -> (String, String, String, String) {
    let (mut measured, mut comparator, mut limit, mut unit) = (String::new(), String::new(), String::new(), String::new());
    for part in text.split([',', '(', ')']) {
        let found = COMPARATORS
            .iter()
            .filter_map(|(word, sign)| part.find(word).map(|at| (at, *word, *sign)))
            .min_by_key(|(at, word, _)| (*at, usize::MAX - word.len()));
        let (value, is_limit) = match found {
            Some((at, word, sign)) => {
                sign.clone_into(&mut comparator);
                (part.get(at + word.len()..).unwrap_or_default(), true)
            }
            None => (part, part.contains("标准") || part.contains("要求") || part.contains("限值")),
        };
        let (number, its_unit) = number_and_unit(value);
        if number.is_empty() {
            continue;
        }
        let slot = if is_limit { &mut limit } else { &mut measured };
        if slot.is_empty() {
            *slot = number;
        }
        if unit.is_empty() {
            unit = its_unit;
        }
    }
    (measured, comparator, limit, unit)
}

/// The first number of a text, and the unit after it.
fn number_and_unit(text: &str) -> (String, String) {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let Some(start) = text.find(|c: char| c.is_ascii_digit()) else { return (String::new(), String::new()) };
    let tail = text.get(start..).unwrap_or_default();
    let end = tail.find(|c: char| !is_number(c)).unwrap_or(tail.len());
    let (number, rest) = tail.split_at(end);
    // A range such as 4.0-8.5 is one value.
    let (number, rest) = match rest.strip_prefix(['-', '~']) {
        Some(upper) if upper.starts_with(|c: char| c.is_ascii_digit()) => {
            let upper_end = upper.find(|c: char| !is_number(c)).unwrap_or(upper.len());
            let cut = end + 1 + upper_end;
            (tail.get(..cut).unwrap_or(number), tail.get(cut..).unwrap_or_default())
        }
        _ => (number, rest),
    };
    let unit: String = rest
        .trim_start()
        .chars()
        .take_while(|c| c.is_ascii_alphabetic() || matches!(c, '%' | '/' | 'μ' | '²' | '^'))
        .take(12)
        .collect();
    (number.to_owned(), unit)
}

/// Adds measured values or limits from columns of their own, where their number fits.
pub fn add_column(items: &mut [InspectionResult], text: &str, is_limit: bool) -> bool {
    let parts: Vec<String> = if items.len() == 1 {
        vec![text.nfkc().collect()]
    } else {
        values(text, false).iter().map(|part| part.nfkc().collect()).collect()
    };
    if parts.len() != items.len() {
        return false;
    }
    for (item, part) in items.iter_mut().zip(parts) {
        let part = part.split_once(':').map_or(part.as_str(), |(_, value)| value).to_owned();
        let (measured, comparator, limit, unit) = read_values(&part);
        let number = if measured.is_empty() { limit } else { measured };
        let number = if number.is_empty() { part } else { number };
        if is_limit {
            item.limit = number;
            item.comparator = comparator;
        } else {
            item.measured = number;
        }
        if item.unit.is_empty() {
            item.unit = unit;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<[String; 7]> {
        read(text)
            .into_iter()
            .map(|r| [r.item.token().to_owned(), r.medium, r.clause, r.measured, r.comparator, r.limit, r.unit])
            .collect()
    }

    #[test]
    fn wordings_of_published_lists() {
        assert_eq!(words("过滤效率"), [["filtration_efficiency", "", "", "", "", "", ""]]);
        assert_eq!(words("过滤效率(盐性介质)"), [["filtration_efficiency", "盐性介质", "", "", "", "", ""]]);
        assert_eq!(words("泄漏性(随弃式面罩的TIL,%)"), [["total_inward_leakage", "", "随弃式面罩的TIL,%", "", "", "", ""]]);
        assert_eq!(words("过滤效率、呼气阀气密性").len(), 2);
        assert_eq!(words("1.过滤效率；2.吸气阻力").len(), 2);
    }

    #[test]
    fn values_beside_the_items() {
        assert_eq!(
            words("过滤效率（盐性介质）：实测85.3%，标准值≥90%；吸气阻力:190Pa(标准要求≤175Pa)"),
            [
                ["filtration_efficiency", "盐性介质", "", "85.3", ">=", "90", "%"],
                ["inhalation_resistance", "", "", "190", "<=", "175", "Pa"],
            ]
        );
        assert_eq!(words("pH值：9.1，标准要求4.0-8.5"), [["ph", "", "", "9.1", "", "4.0-8.5", ""]]);
    }

    #[test]
    fn values_in_columns_of_their_own() {
        let mut items = read("过滤效率、吸气阻力");
        assert!(add_column(&mut items, "85.3%；190Pa", false) && add_column(&mut items, "≥90%；≤175Pa", true));
        assert_eq!((items[1].measured.as_str(), items[1].comparator.as_str(), items[1].limit.as_str()), ("190", "<=", "175"));
        assert!(!add_column(&mut items, "85.3%", false));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,60}", other in "[0-9.:：(（)）≥<>-~%过滤效率]{0,40}") {
            let mut items = read(&text);
            add_column(&mut items, &other, true);
            let _ = read(&other);
        }
    }
}
