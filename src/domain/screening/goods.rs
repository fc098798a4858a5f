//! The gate: are these goods masks at all? HS prefixes and words are configuration, since the tariff changes (domain.md §6).

use unicode_normalization::UnicodeNormalization as _;

use super::declaration::DeclarationItem;
use crate::domain::{dates::CivilDate, products::ProductKind};

/// HS codes that begin so are masks, within those days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoodsPrefix {
    /// Digits.
    pub prefix: String,
    /// First day; `None` = always was.
    pub valid_from: Option<CivilDate>,
    /// Last day; `None` = still is.
    pub valid_to: Option<CivilDate>,
}

/// What counts as masks, and as medical ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoodsGate {
    /// HS prefixes.
    pub prefixes: Vec<GoodsPrefix>,
    /// Words of a goods name, lower case.
    pub words: Vec<String>,
    /// Words by which medical use is claimed, lower case.
    pub medical_words: Vec<String>,
}

impl Default for GoodsGate {
    /// The seed of domain.md §6. Its HS codes are from general knowledge: check them against the tariff in force.
    fn default() -> Self {
        let prefix = |digits: &str| GoodsPrefix { prefix: digits.to_owned(), valid_from: None, valid_to: None };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            prefixes: ["6307900010", "6307901010", "6307901090", "9020", "4818909000"].map(prefix).into(),
            words: words(&["口罩", "面罩", "呼吸器", "mask", "respirator"]),
            medical_words: words(&["医用", "医疗", "外科", "手术", "medical", "surgical"]),
        }
    }
}

/// Whether the goods are masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    Covered,
    NotCovered,
    /// Nothing is given to tell by.
    Unknown,
}

impl GoodsGate {
    pub(super) fn judge(&self, item: &DeclarationItem, day: CivilDate) -> Gate {
        let name = plain(&item.goods_name);
        if name.is_empty() && item.hs_code.is_empty() {
            return Gate::Unknown;
        }
        let by_name = self.words.iter().any(|word| name.contains(word.as_str()));
        if by_name || self.prefixes.iter().any(|prefix| prefix.covers(&item.hs_code, day)) {
            Gate::Covered
        } else {
            Gate::NotCovered
        }
    }

    pub(super) fn claims_medical_use(&self, item: &DeclarationItem) -> bool {
        let name = plain(&item.goods_name);
        item.product_kind == Some(ProductKind::Medical) || self.medical_words.iter().any(|word| name.contains(word.as_str()))
    }
}

impl GoodsPrefix {
    /// A code shorter than the prefix may still be meant by it: in doubt the goods are looked at.
    fn covers(&self, code: &str, day: CivilDate) -> bool {
        let begun = self.valid_from.is_none_or(|from| from.first_day() <= day.last_day());
        let lasting = self.valid_to.is_none_or(|to| to.last_day() >= day.first_day());
        begun && lasting && !code.is_empty() && (code.starts_with(&self.prefix) || self.prefix.starts_with(code))
    }
}

/// Compatibility forms unified, lower case, no white space: `Ｍａｓｋ` is `mask`, `口 罩` is `口罩`.
fn plain(text: &str) -> String {
    text.nfkc().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(goods_name: &str, hs_code: &str) -> Gate {
        let item = DeclarationItem { goods_name: goods_name.into(), hs_code: hs_code.into(), ..DeclarationItem::default() };
        let Some(day) = CivilDate::day(2020, 5, 20) else { return Gate::Unknown };
        GoodsGate::default().judge(&item, day)
    }

    #[test]
    fn by_code_or_by_name() {
        assert_eq!(judge("无纺布制品", "6307900010"), Gate::Covered);
        assert_eq!(judge("KN95 口 罩", "3926909090"), Gate::Covered);
        assert_eq!(judge("FACE MASK", ""), Gate::Covered);
        assert_eq!(judge("Ｒｅｓｐｉｒａｔｏｒ", ""), Gate::Covered);
        assert_eq!(judge("儿童玩具", "9503008900"), Gate::NotCovered);
        assert_eq!(judge("", ""), Gate::Unknown);
        assert_eq!(judge("  ", ""), Gate::Unknown);
    }

    #[test]
    fn a_code_too_short_to_tell_is_looked_at() {
        assert_eq!(judge("制品", "630790"), Gate::Covered);
        assert_eq!(judge("制品", "6307109000"), Gate::NotCovered);
        assert_eq!(judge("制品", "9020000000000"), Gate::Covered);
    }

    #[test]
    fn a_prefix_counts_within_its_days_only() {
        let gate = GoodsGate {
            prefixes: vec![GoodsPrefix { prefix: "6307".into(), valid_from: CivilDate::day(2021, 1, 1), valid_to: None }],
            words: Vec::new(),
            medical_words: Vec::new(),
        };
        let item = DeclarationItem { hs_code: "6307900010".into(), ..DeclarationItem::default() };
        let on = |year| CivilDate::day(year, 6, 1).map(|day| gate.judge(&item, day));
        assert_eq!(on(2020), Some(Gate::NotCovered));
        assert_eq!(on(2021), Some(Gate::Covered));
    }
}
