//! Product kinds: an open list (notice of 2020, annex: "mainly" dust, daily protective, children's masks).

use std::{collections::HashMap, sync::LazyLock};

use super::{
    names::normalise_text,
    tables::{parts, rows},
};

const TABLE: &str = include_str!("../../data/product_kinds.csv");

/// Kind of product.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProductKind {
    /// 防尘口罩
    Dust,
    /// 日常防护型口罩
    DailyProtective,
    /// 儿童口罩
    Children,
    /// 民用卫生口罩
    CivilHygienic,
    /// 医用口罩
    Medical,
    /// 熔喷布
    Meltblown,
    /// Any other, as worded.
    Other(String),
}

static WORDINGS: LazyLock<HashMap<String, ProductKind>> = LazyLock::new(|| {
    let mut wordings = HashMap::new();
    for [token, name, also] in rows::<3>(TABLE) {
        let Some(kind) = ProductKind::KNOWN.iter().find(|kind| kind.token() == token) else { continue };
        for wording in [token.as_str(), name.as_str()].into_iter().chain(parts(&also)) {
            wordings.insert(normalise_text(wording), kind.clone());
        }
    }
    wordings
});

impl ProductKind {
    /// The kinds that have a token.
    pub const KNOWN: &[Self] =
        &[Self::Dust, Self::DailyProtective, Self::Children, Self::CivilHygienic, Self::Medical, Self::Meltblown];

    /// The kind of that token or wording; an unknown wording is kept, without white space around it.
    pub fn parse(text: &str) -> Self {
        if let Some(kind) = Self::KNOWN.iter().find(|kind| kind.token() == text) {
            return kind.clone();
        }
        WORDINGS.get(&normalise_text(text)).cloned().unwrap_or_else(|| Self::Other(text.trim().to_owned()))
    }

    /// Token, e.g. `daily_protective`; of an unknown kind its wording.
    pub fn token(&self) -> &str {
        match self {
            Self::Dust => "dust",
            Self::DailyProtective => "daily_protective",
            Self::Children => "children",
            Self::CivilHygienic => "civil_hygienic",
            Self::Medical => "medical",
            Self::Meltblown => "meltblown",
            Self::Other(wording) => wording,
        }
    }

    /// Chinese name; of an unknown kind its wording.
    pub fn name_zh(&self) -> &str {
        match self {
            Self::Dust => "防尘口罩",
            Self::DailyProtective => "日常防护型口罩",
            Self::Children => "儿童口罩",
            Self::CivilHygienic => "民用卫生口罩",
            Self::Medical => "医用口罩",
            Self::Meltblown => "熔喷布",
            Self::Other(wording) => wording,
        }
    }

    /// One bit for sets of kinds; all unknown kinds share one, so that a filter may select too much, never too little.
    pub const fn bit(&self) -> u32 {
        match self {
            Self::Dust => 1,
            Self::DailyProtective => 1 << 1,
            Self::Children => 1 << 2,
            Self::CivilHygienic => 1 << 3,
            Self::Medical => 1 << 4,
            Self::Meltblown => 1 << 5,
            Self::Other(_) => 1 << 31,
        }
    }

    /// True for kinds with a token.
    pub const fn is_known(&self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tokens_names_and_wordings_are_understood() {
        for kind in ProductKind::KNOWN {
            assert_eq!(&ProductKind::parse(kind.token()), kind);
            assert_eq!(&ProductKind::parse(kind.name_zh()), kind);
        }
        assert_eq!(ProductKind::parse(" 一次性使用医用口罩 "), ProductKind::Medical);
        assert_eq!(ProductKind::parse(" 滑雪面罩 "), ProductKind::Other("滑雪面罩".into()));
    }

    #[test]
    fn the_table_has_every_known_kind() {
        let tokens: Vec<_> = rows::<3>(TABLE).map(|[token, name, _]| (token, name)).collect();
        let known: Vec<_> = ProductKind::KNOWN.iter().map(|kind| (kind.token().to_owned(), kind.name_zh().to_owned())).collect();
        assert_eq!(tokens, known);
    }

    #[test]
    fn bits_are_distinct() {
        let others = ProductKind::Other("甲".into());
        let bits: HashSet<_> = ProductKind::KNOWN.iter().chain([&others]).map(ProductKind::bit).collect();
        assert_eq!(bits.len(), ProductKind::KNOWN.len() + 1);
        assert_eq!(others.bit(), ProductKind::Other("乙".into()).bit());
    }
}
