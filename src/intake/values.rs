//! What single cells say: ticks, counts, several values, nothing.

use unicode_normalization::UnicodeNormalization as _;

/// True for a cell that says "nothing": blank, `/`, `--`, dashes.
pub fn is_nothing(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || matches!(c, '/' | '\\' | '-' | '－' | '—' | '–' | '―' | '─' | '_' | '／' | '＼'))
}

/// Text without white space at the ends; `None` when it says nothing.
pub fn stated(text: &str) -> Option<&str> {
    let text = text.trim();
    (!is_nothing(text)).then_some(text)
}

/// What a tick says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// Nothing.
    Blank,
    /// √ ✓ ✔ 是 有 Y 1 …
    Yes,
    /// × 否 无 N 0 …
    No,
}

/// Reads a tick; `None` when it is neither yes nor no.
pub fn tick(text: &str) -> Option<Tick> {
    let key: String = text.nfkc().filter(|c| !c.is_whitespace() && *c != '\u{fe0f}').collect::<String>().to_uppercase();
    if is_nothing(&key) {
        return Some(Tick::Blank);
    }
    match key.as_str() {
        "√" | "✓" | "✔" | "☑" | "✅" | "是" | "有" | "Y" | "YES" | "1" | "TRUE" | "T" | "对" | "V" | "∨" | "●" | "■" | "是√"
        | "√是" => Some(Tick::Yes),
        "×" | "✗" | "✘" | "✕" | "✖" | "☒" | "❌" | "X" | "否" | "无" | "没有" | "不" | "N" | "NO" | "0" | "FALSE" | "F"
        | "错" => Some(Tick::No),
        "□" | "☐" | "○" => Some(Tick::Blank),
        _ => None,
    }
}

/// Why a count was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountError {
    /// 约, 左右, 以上 …: a guess is no count.
    Approximate,
    /// Below zero.
    Negative,
    /// Not a whole number of pieces.
    Fraction,
    /// More than a million million.
    TooLarge,
    /// Anything else.
    NotANumber,
}

/// The largest count that makes sense.
const MAX_COUNT: u128 = 1_000_000_000_000;

/// Reads a count of pieces: full-width digits, thousands separators, 万 and 亿, units such as 只/日. The header may say that it
/// is in units of `factor`.
pub fn count(text: &str, factor: u64) -> Result<u64, CountError> {
    let text: String = text.nfkc().filter(|c| !c.is_whitespace()).collect();
    if text.contains(['约', '近', '余', '多', '≈', '~', '～', '±'])
        || ["左右", "上下", "以上", "以下", "大概", "不足", "超过"].iter().any(|w| text.contains(w))
    {
        return Err(CountError::Approximate);
    }
    let bare = without_units(&text);
    let (number, multiplier) = [("万", 10_000), ("亿", 100_000_000), ("千", 1_000), ("百", 100)]
        .iter()
        .find_map(|(word, times)| bare.strip_suffix(word).map(|number| (number, *times)))
        .unwrap_or((bare, 1));
    let (negative, digits) = match number.strip_prefix(['-', '−']) {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let value = decimal(digits, u128::from(factor) * multiplier)?;
    match value {
        0 => Ok(0),
        _ if negative => Err(CountError::Negative),
        value if value > MAX_COUNT => Err(CountError::TooLarge),
        value => Ok(value as u64),
    }
}

/// Takes `日产` before and `只/日` and its kin after a number away.
fn without_units(text: &str) -> &str {
    let mut text = text;
    for prefix in ["日产量", "日产", "每日", "每天", "产量"] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    text = text.trim_start_matches([':', '：']);
    loop {
        let shorter = ["/日", "/天", "每日", "每天", "只", "个", "片", "枚", "件", "pcs", "PCS", "."]
            .iter()
            .find_map(|unit| text.strip_suffix(unit))
            .filter(|rest| !rest.is_empty());
        match shorter {
            Some(rest) => text = rest,
            None => return text,
        }
    }
}

/// A decimal number times a multiplier, which must come out whole.
fn decimal(digits: &str, multiplier: u128) -> Result<u128, CountError> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = without_thousands(whole).ok_or(CountError::NotANumber)?;
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(&whole) || !all_digits(fraction) || (digits.contains('.') && fraction.is_empty()) {
        return Err(CountError::NotANumber);
    }
    let fraction = fraction.trim_end_matches('0');
    if whole.len() + fraction.len() > 24 {
        return Err(if whole.trim_start_matches('0').len() > 13 { CountError::TooLarge } else { CountError::Fraction });
    }
    let mantissa: u128 = format!("{whole}{fraction}").parse().map_err(|_| CountError::NotANumber)?;
    let scale = 10_u128.pow(fraction.len() as u32);
    let scaled = mantissa * multiplier;
    if scaled.is_multiple_of(scale) { Ok(scaled / scale) } else { Err(CountError::Fraction) }
}

/// `1,200,000` without its commas; `None` when they do not stand at thousands.
fn without_thousands(whole: &str) -> Option<String> {
    if !whole.contains([',', '，']) {
        return Some(whole.to_owned());
    }
    let groups: Vec<&str> = whole.split([',', '，']).collect();
    let well_formed =
        groups.iter().enumerate().all(|(i, group)| if i == 0 { (1..=3).contains(&group.len()) } else { group.len() == 3 });
    well_formed.then(|| groups.concat())
}

/// The values of a cell: separated by 、 ， , ； ; newline and, if `slash`, `/`; never inside brackets.
pub fn values(text: &str, slash: bool) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut depth, mut start) = (0_u32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '（' | '【' | '[' | '《' => depth += 1,
            ')' | '）' | '】' | ']' | '》' => depth = depth.saturating_sub(1),
            '、' | '，' | ',' | '；' | ';' | '﹑' | '､' if depth == 0 => {
                out.extend(text.get(start..at));
                start = at + c.len_utf8();
            }
            '/' | '／' if depth == 0 && slash => {
                out.extend(text.get(start..at));
                start = at + c.len_utf8();
            }
            // A line ends everything, also a bracket that was never closed.
            '\n' | '\r' => {
                depth = 0;
                out.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    out.extend(text.get(start..));
    out.into_iter().filter_map(stated).collect()
}

/// The standards of a cell: no slash separates, but a year ends a standard where another begins, as in
/// `GB 2626-2006 GB/T 32610-2016`.
pub fn standards(text: &str) -> Vec<String> {
    values(text, false).into_iter().flat_map(|value| split_after_years(&without_titles(value))).collect()
}

/// A standard's title in 《》 is no part of its number.
fn without_titles(text: &str) -> String {
    let mut depth = 0_u32;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '《' => depth += 1,
            '》' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

fn split_after_years(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.nfkc().collect();
    let mut parts = vec![String::new()];
    let is_year_end = |at: usize| {
        at >= 5
            && chars.get(at - 4..at).is_some_and(|year| year.iter().all(char::is_ascii_digit))
            && chars.get(at - 5).is_some_and(|c| matches!(c, '-' | '—' | '–' | '－'))
    };
    for (at, c) in chars.iter().enumerate() {
        let last = parts.len() - 1;
        let between = c.is_whitespace() || matches!(c, '/' | '和' | '及' | '与');
        if is_year_end(at) && (between || c.is_ascii_alphabetic()) {
            parts.push(if between { String::new() } else { c.to_string() });
        } else if let Some(part) = parts.get_mut(last)
            && !(part.is_empty() && between)
        {
            part.push(*c);
        }
    }
    parts.iter().filter_map(|part| stated(part)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks() {
        for yes in ["√", "✓", "✔", "是", "Y", "ｙ", "有", "1", "１", " √ ", "yes"] {
            assert_eq!(tick(yes), Some(Tick::Yes), "{yes}");
        }
        for no in ["×", "否", "N", "无", "0", "x", "✗"] {
            assert_eq!(tick(no), Some(Tick::No), "{no}");
        }
        for blank in ["", " ", "/", "--", "□"] {
            assert_eq!(tick(blank), Some(Tick::Blank), "{blank}");
        }
        assert_eq!(tick("部分"), None);
    }

    #[test]
    fn counts() {
        for (text, value) in [
            ("80000", 80_000),
            ("８００００", 80_000),
            ("1,200,000", 1_200_000),
            ("12万", 120_000),
            ("1.5万只/日", 15_000),
            ("日产3万片", 30_000),
            ("0.00012亿", 12_000),
            ("2 000 只", 2_000),
            ("-0", 0),
            ("5e", 0),
        ] {
            if text == "5e" {
                assert_eq!(count(text, 1), Err(CountError::NotANumber));
            } else {
                assert_eq!(count(text, 1), Ok(value), "{text}");
            }
        }
        for (text, error) in [
            ("约5万", CountError::Approximate),
            ("5万左右", CountError::Approximate),
            ("-3", CountError::Negative),
            ("1.5", CountError::Fraction),
            ("5-8万", CountError::NotANumber),
            ("1,2000", CountError::NotANumber),
            ("十万", CountError::NotANumber),
            ("", CountError::NotANumber),
            ("万", CountError::NotANumber),
            ("99999999999999", CountError::TooLarge),
            ("9".repeat(60).as_str(), CountError::TooLarge),
        ] {
            assert_eq!(count(text, 1), Err(error), "{text}");
        }
        assert_eq!(count("1.25", 10_000), Ok(12_500));
    }

    #[test]
    fn several_values() {
        assert_eq!(values("甲、乙，丙,丁；戊;己\n庚", false).len(), 7);
        assert_eq!(values("过滤效率(盐性,油性)；泄漏性(随弃式面罩的TIL,%)", true).len(), 2);
        assert_eq!(values("甲/乙", true), ["甲", "乙"]);
        assert_eq!(values("甲/乙", false), ["甲/乙"]);
        assert_eq!(values("、/、--", true), Vec::<&str>::new());
    }

    #[test]
    fn several_standards() {
        for text in [
            "GB/T 32610-2016、GB 2626-2006",
            "GB/T 32610-2016 GB 2626-2006",
            "GB/T 32610-2016/GB 2626-2006",
            "GB/T 32610-2016《日常防护型口罩技术规范》,GB 2626-2006",
            "GB/T 32610-2016GB 2626-2006",
            "GB/T 32610-2016和GB 2626-2006",
        ] {
            assert_eq!(standards(text), ["GB/T 32610-2016", "GB 2626-2006"], "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,40}") {
            let _ = (tick(&text), count(&text, 1), values(&text, true), standards(&text), is_nothing(&text));
        }

        #[test]
        fn a_written_number_is_read_back(value in 0_u64..=1_000_000_000_000) {
            prop_assert_eq!(count(&value.to_string(), 1), Ok(value));
            prop_assert_eq!(count(&format!("{value}只/日"), 1), Ok(value));
        }

        #[test]
        fn ten_thousands_are_exact(value in 0_u64..100_000_000) {
            let text = format!("{}.{:04}万", value / 10_000, value % 10_000);
            prop_assert_eq!(count(&text, 1), Ok(value));
        }
    }
}
