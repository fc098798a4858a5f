//! Product kinds: an open list.

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
