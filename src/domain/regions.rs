//! Region codes GB/T 2260 and the reporter `66`, the Xinjiang Production and Construction Corps.
//!
//! The provinces are verified; the cities (`data/cities.csv`) are general knowledge and serve only to find a region in a name.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::LazyLock,
};

use super::tables::rows;

const PROVINCES: &str = include_str!("../../data/regions.csv");
const CITIES: &str = include_str!("../../data/cities.csv");
const CORPS: u32 = 66;

/// A region: six digits, or `66` for the Corps. Its code may be unknown to the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(u32);

/// A region of the tables with its names.
pub(super) struct NamedRegion {
    pub region: Region,
    pub name: String,
    /// Name without its kind (浙江, 深圳); empty where that is an everyday word or another place too.
    pub short: String,
    /// True when the notice of 2020 asks it to report.
    reports: bool,
}

static NAMED: LazyLock<Vec<NamedRegion>> = LazyLock::new(|| {
    let provinces = rows::<4>(PROVINCES).filter_map(|[code, name, reports, _]| {
        let short = short_province(&name).to_owned();
        Some(NamedRegion { region: Region::parse(&code)?, name, short, reports: reports == "yes" })
    });
    let cities = rows::<4>(CITIES)
        .filter_map(|[code, name, short, _]| Some(NamedRegion { region: Region::parse(&code)?, name, short, reports: false }));
    provinces.chain(cities).collect()
});

/// By the first character of name and short name: places in [`NAMED`]. A name is short and the regions are hundreds.
static BY_INITIAL: LazyLock<HashMap<char, Vec<usize>>> = LazyLock::new(|| {
    let mut places: HashMap<char, Vec<usize>> = HashMap::new();
    for (place, named) in NAMED.iter().enumerate() {
        for initial in [&named.name, &named.short].into_iter().filter_map(|name| name.chars().next()) {
            places.entry(initial).or_default().push(place);
        }
    }
    places
});

fn short_province(name: &str) -> &str {
    ["维吾尔自治区", "回族自治区", "壮族自治区", "生产建设兵团", "特别行政区", "自治区", "省", "市"]
        .iter()
        .find_map(|kind| name.strip_suffix(kind))
        .unwrap_or(name)
}

impl Region {
    /// Parses six digits (not beginning with 0) or `66`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !matches!(text.len(), 2 | 6) || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Self::from_number(text.parse().ok()?)
    }

    /// The region of that number: 100000 to 999999, or 66.
    pub fn from_number(number: u32) -> Option<Self> {
        (number == CORPS || (100_000..1_000_000).contains(&number)).then_some(Self(number))
    }

    /// The code: six digits or `66`.
    pub fn code(self) -> String {
        self.0.to_string()
    }

    /// The code as a number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Its province; the Corps is its own.
    pub const fn province(self) -> Self {
        if self.0 == CORPS { self } else { Self(self.0 / 10_000 * 10_000) }
    }

    /// True when its province is in the register (or it is the Corps). Development zones and abolished codes of a known province
    /// count as known: they differ by year, and nothing hangs on them.
    pub fn is_known(self) -> bool {
        NAMED.iter().any(|named| named.region == self.province())
    }

    /// Its name, where the tables have it.
    pub fn name_zh(self) -> Option<&'static str> {
        NAMED.iter().find(|named| named.region == self).map(|named| named.name.as_str())
    }

    /// True when `other` is this region or lies in it; the Corps has the cities `6590xx` of its own.
    pub const fn covers(self, other: Self) -> bool {
        if self.0 == other.0 {
            return true;
        }
        if self.0 == CORPS {
            return other.0 / 100 == 6_590;
        }
        (self.0.is_multiple_of(10_000) && self.0 / 10_000 == other.0 / 10_000)
            || (self.0.is_multiple_of(100) && self.0 / 100 == other.0 / 100)
    }

    /// True when neither lies in the other, so that they cannot mean the same place.
    pub const fn contradicts(self, other: Self) -> bool {
        !self.covers(other) && !other.covers(self)
    }

    /// The 32 regions whose regulators report under the notice.
    pub fn reporters() -> impl Iterator<Item = Self> {
        NAMED.iter().filter(|named| named.reports).map(|named| named.region)
    }

    /// All regions with names.
    pub(super) fn named() -> &'static [NamedRegion] {
        &NAMED
    }

    /// Those whose name or short name begins with a character of the text, in the order of [`Region::named`]: no other can be in it.
    pub(super) fn that_may_be_in(text: &str) -> impl Iterator<Item = &'static NamedRegion> {
        let places: BTreeSet<usize> = text.chars().filter_map(|c| BY_INITIAL.get(&c)).flatten().copied().collect();
        places.into_iter().filter_map(|place| NAMED.get(place))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(code: &str) -> Region {
        Region::parse(code).expect("a region code")
    }

    #[test]
    fn every_province_is_known_and_32_report() {
        let provinces = rows::<4>(PROVINCES).inspect(|[code, name, ..]| assert_eq!(region(code).name_zh(), Some(name.as_str())));
        assert_eq!(provinces.count(), 35);
        assert_eq!(Region::reporters().count(), 32);
    }

    #[test]
    fn every_city_lies_in_a_known_province() {
        let cities = rows::<4>(CITIES).inspect(|[code, ..]| assert!(region(code).is_known(), "{code}"));
        assert_eq!(cities.count(), 301);
    }

    #[test]
    fn codes_are_six_digits_or_66() {
        for wrong in ["", "0", "33", "3300", "033000", "33000a", "3300000", "３３００００"] {
            assert_eq!(Region::parse(wrong), None, "{wrong}");
        }
        assert_eq!(region("66").code(), "66");
        assert_eq!(Region::from_number(65), None);
    }

    #[test]
    fn unknown_regions_parse_and_say_so() {
        assert!(!region("100000").is_known());
        assert!(region("330691").is_known());
        assert_eq!(region("330691").name_zh(), None);
    }

    #[test]
    fn a_region_covers_what_lies_in_it() {
        assert!(region("330000").covers(region("330106")));
        assert!(region("330100").covers(region("330106")));
        assert!(!region("330106").covers(region("330100")));
        assert!(!region("330100").contradicts(region("330000")));
        assert!(region("440300").contradicts(region("310000")));
        assert!(region("66").covers(region("659001")));
        assert!(!region("66").covers(region("650100")));
        assert_eq!(region("66").province(), region("66"));
        assert_eq!(region("659001").province(), region("650000"));
    }
}
