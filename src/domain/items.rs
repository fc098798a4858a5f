//! Inspection items.

use std::{collections::HashMap, sync::LazyLock};

use super::{
    names::normalise_text,
    tables::{parts, rows},
};

const TABLE: &str = include_str!("../../data/inspection_items.csv");

/// An inspection item; unknown ones keep their wording.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InspectionItem {
    /// Index into the table of known items.
    Known(u8),
    /// As worded.
    Other(String),
}

/// Whether a failure triggers the trace of the meltblown cloth (notice of 2020, §3: filtration efficiency alone).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trace {
    Yes,
    No,
    /// Bacterial filtration: configuration decides.
    Configured,
}

struct Known {
    token: String,
    name: String,
    trace: Trace,
}

struct Items {
    known: Vec<Known>,
    wordings: HashMap<String, u8>,
}

static ITEMS: LazyLock<Items> = LazyLock::new(|| {
    let mut items = Items { known: Vec::new(), wordings: HashMap::new() };
    // The last bit is that of unknown items, so 63 known ones have room.
    for (index, [token, name, _, trace, also]) in (0_u8..63).zip(rows::<5>(TABLE)) {
        for wording in [token.as_str(), name.as_str()].into_iter().chain(parts(&also)) {
            items.wordings.entry(normalise_text(wording)).or_insert(index);
        }
        let trace = match trace.as_str() {
            "yes" => Trace::Yes,
            "configurable" => Trace::Configured,
            _ => Trace::No,
        };
        items.known.push(Known { token, name, trace });
    }
    items
});

impl InspectionItem {
    /// The item of that token or wording. A note in brackets after a known wording (`过滤效率（盐性）`) does not make it unknown.
    pub fn parse(text: &str) -> Self {
        let key = normalise_text(text);
        let known = |key: &str| ITEMS.wordings.get(key).copied().map(Self::Known);
        known(&key)
            .or_else(|| known(key.strip_suffix(')')?.rsplit_once('(')?.0))
            .unwrap_or_else(|| Self::Other(text.trim().to_owned()))
    }

    /// All known items in the order of the table.
    pub fn all_known() -> impl Iterator<Item = Self> {
        (0_u8..).zip(&ITEMS.known).map(|(index, _)| Self::Known(index))
    }

    fn entry(&self) -> Result<&'static Known, &str> {
        match self {
            Self::Known(index) => ITEMS.known.get(usize::from(*index)).ok_or(""),
            Self::Other(wording) => Err(wording),
        }
    }

    /// Token, e.g. `filtration_efficiency`; of an unknown item its wording.
    pub fn token(&self) -> &str {
        self.entry().map_or_else(|wording| wording, |known| &known.token)
    }

    /// Chinese name; of an unknown item its wording.
    pub fn name_zh(&self) -> &str {
        self.entry().map_or_else(|wording| wording, |known| &known.name)
    }

    /// One bit for sets of items; all unknown ones share one, so that a filter may select too much, never too little.
    pub const fn bit(&self) -> u64 {
        match self {
            Self::Known(index) if *index < 63 => 1 << *index,
            _ => 1 << 63,
        }
    }

    /// True for items with a token.
    pub const fn is_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }

    /// True when its failure triggers the trace of the meltblown cloth; for bacterial filtration as configured.
    pub fn triggers_meltblown_trace(&self, bacterial_filtration_default: bool) -> bool {
        match self.entry().map(|known| known.trace) {
            Ok(Trace::Yes) => true,
            Ok(Trace::Configured) => bacterial_filtration_default,
            Ok(Trace::No) | Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_understood_by_token_and_name() {
        let mut count = 0;
        for (index, [token, name, ..]) in rows::<5>(TABLE).enumerate() {
            let item = InspectionItem::parse(&token);
            assert_eq!(item, InspectionItem::Known(u8::try_from(index).expect("few rows")));
            assert_eq!(InspectionItem::parse(&name), item);
            assert_eq!((item.token(), item.name_zh()), (token.as_str(), name.as_str()));
            assert_eq!(item.bit(), 1 << index);
            count += 1;
        }
        assert_eq!((count, InspectionItem::all_known().count()), (24, 24));
    }

    #[test]
    fn filtration_alone_triggers_the_trace() {
        let triggers = |default| {
            InspectionItem::all_known()
                .filter(|item| item.triggers_meltblown_trace(default))
                .map(|item| item.token().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(triggers(false), ["filtration_efficiency", "particle_filtration_efficiency"]);
        assert_eq!(triggers(true).len(), 3);
    }

    #[test]
    fn wordings_of_lists() {
        for (wording, token) in [
            ("过滤效率（氯化钠颗粒物）", "filtration_efficiency"),
            ("细菌过滤效率（ＢＦＥ）", "bacterial_filtration_efficiency"),
            ("ｐＨ", "ph"),
            ("口罩带", "strap_breaking_strength"),
            ("外观", "外观"),
        ] {
            assert_eq!(InspectionItem::parse(wording).token(), token, "{wording}");
        }
        assert_eq!(InspectionItem::parse("外观").bit(), 1 << 63);
    }
}
