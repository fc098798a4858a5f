//! Standards as claimed by a product or worked to by a producer.

use std::{collections::HashMap, fmt, sync::LazyLock};

use super::{names::normalise_text, products::ProductKind, tables::rows};

const TABLE: &str = include_str!("../../data/standards.csv");

/// A standard, normalised, e.g. `GB/T 32610-2016`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Standard(String);

static KNOWN: LazyLock<HashMap<String, ProductKind>> =
    LazyLock::new(|| rows::<8>(TABLE).map(|[standard, category, ..]| (standard, ProductKind::parse(&category))).collect());

impl Standard {
    /// Normalises a designation: width, case, dashes, one space between body and number, no title in 《》.
    /// `ｇｂ／ｔ32610—2016` becomes `GB/T 32610-2016`. What is no designation is kept as folded.
    pub fn parse(text: &str) -> Self {
        let mut folded = normalise_text(text);
        if let Some(title_at) = folded.find('《').filter(|at| *at > 0) {
            folded.truncate(title_at);
        }
        let Some(number_at) = number_at(&folded) else { return Self(folded) };
        let (body, number) = folded.split_at(number_at);
        let body = match body {
            "GBT" => "GB/T",
            "FZT" => "FZ/T",
            "YYT" => "YY/T",
            other => other,
        };
        Self(format!("{body} {number}"))
    }

    /// The normalised designation.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True when the register of standards has it. An unknown one is accepted with a remark: enterprise standards are many.
    pub fn is_known(&self) -> bool {
        KNOWN.contains_key(&self.0)
    }

    /// What the standard is about, where the register has it.
    pub fn category(&self) -> Option<ProductKind> {
        KNOWN.get(&self.0).cloned()
    }
}

/// Where the number begins: at the first digit after the letters of the last part that has both, e.g. `T` in `DB44/T123-2020`.
fn number_at(folded: &str) -> Option<usize> {
    let mut end = folded.len();
    loop {
        let start = folded[..end].rfind('/').map_or(0, |slash| slash + 1);
        let part = &folded[start..end];
        let letters = part.bytes().take_while(u8::is_ascii_alphabetic).count();
        if letters > 0 && part.as_bytes().get(letters).is_some_and(u8::is_ascii_digit) {
            return Some(start + letters);
        }
        if start == 0 {
            return None;
        }
        end = start - 1;
    }
}

impl fmt::Display for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_row_is_known_as_written() {
        let mut count = 0;
        for [standard, category, ..] in rows::<8>(TABLE) {
            let parsed = Standard::parse(&standard);
            assert_eq!(parsed.as_str(), standard);
            assert_eq!(parsed.category(), Some(ProductKind::parse(&category)));
            assert!(parsed.is_known() && parsed.category().is_some_and(|kind| kind.is_known()));
            count += 1;
        }
        assert_eq!(count, 42);
    }

    #[test]
    fn designations_are_normalised() {
        for (written, normalised) in [
            ("ｇｂ／ｔ32610—2016", "GB/T 32610-2016"),
            ("GBT32610-2016", "GB/T 32610-2016"),
            ("GB2626-2006", "GB 2626-2006"),
            ("T/CNTAC55-2020", "T/CNTAC 55-2020"),
            ("GB/T 32610-2016《日常防护型口罩技术规范》", "GB/T 32610-2016"),
            ("DB44/T123-2020", "DB44/T 123-2020"),
            ("EN 149:2001+A1:2009", "EN 149:2001+A1:2009"),
            ("Q/ABC 001-2020", "Q/ABC 001-2020"),
            ("企业标准", "企业标准"),
            ("", ""),
        ] {
            assert_eq!(Standard::parse(written).as_str(), normalised, "{written}");
        }
        assert!(!Standard::parse("GB/T 99999-2020").is_known());
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in "\\PC{0,24}") {
            let once = Standard::parse(&text);
            prop_assert_eq!(Standard::parse(once.as_str()), once);
        }
    }
}
