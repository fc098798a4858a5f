//! Names of enterprises and texts on products: keys under which they are compared (domain.md §7).
//!
//! The raw name is always kept; keys are derived. An equal key is a reason to ask, never a proof: only codes identify.

use std::{collections::HashMap, sync::LazyLock};

use unicode_normalization::UnicodeNormalization as _;

use super::{regions::Region, tables::rows};

const TRADITIONAL: &str = include_str!("../../data/traditional.csv");

static SIMPLIFIED: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
    rows::<2>(TRADITIONAL)
        .filter_map(|[traditional, simplified]| Some((traditional.chars().next()?, simplified.chars().next()?)))
        .collect()
});

/// How two names of enterprises compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Similarity {
    /// Strict or form key equal and no contradicting region.
    Same,
    /// A person decides: equal core with compatible regions, equal key with contradicting region, branch and parent.
    Candidate,
    /// Not the same.
    Different,
}

/// Labels that lists put before a name.
const LABELS: [&str; 8] =
    ["标称生产企业名称", "标称生产企业", "标称生产单位名称", "标称生产单位", "标称生产者", "标示生产企业", "标称", "生产企业"];
/// Words of a group that do not distinguish.
const GROUP_WORDS: [&str; 3] = ["(集团)", "集团", "(控股)"];

/// True for an empty cell and for marks that mean "nothing": `/`, `--`, `—`, `\`.
pub fn is_empty_mark(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || matches!(c, '/' | '\\' | '-' | '‐' | '‑' | '–' | '—' | '―' | '−' | '－' | '／'))
}

/// For comparing brand, model, specification and batch: NFKC, upper case, one kind of dash, no white space; marks that mean
/// "nothing" become empty, and empty never equals empty.
pub fn normalise_text(text: &str) -> String {
    if is_empty_mark(text) {
        return String::new();
    }
    fold(text)
}

/// NFKC, upper case, no white space, no label, unified brackets.
pub fn strict_key(name: &str) -> String {
    if is_empty_mark(name) {
        return String::new();
    }
    let folded = fold(name);
    let labelled = LABELS.iter().find_map(|label| folded.strip_prefix(label)?.strip_prefix(':'));
    match labelled {
        Some(rest) => rest.to_owned(),
        None => folded,
    }
}

/// The strict key with one label for each legal form: 有限责任公司 = 有限公司, 股份有限公司 = 股份公司. A limited company never
/// becomes a joint-stock company.
pub fn form_key(name: &str) -> String {
    form_of_strict(&strict_key(name))
}

/// The form key in simplified characters without legal form, group words, region and branch.
pub fn core_key(name: &str) -> String {
    Anatomy::of(&form_key(name)).core
}

/// The region that a name states: a province or city at its beginning or in brackets, or with its kind (市, 省) anywhere; the
/// most specific if there are several. `None` = none, or only ambiguous words.
pub fn region_in_name(name: &str) -> Option<Region> {
    region_in_key(&simplified(&strict_key(name)))
}

/// Compares two names as written. Codes, where both are known, decide before any name does.
pub fn compare(left: &str, right: &str) -> Similarity {
    let (left, right) = (form_key(left), form_key(right));
    if left.is_empty() || right.is_empty() {
        return Similarity::Different;
    }
    if left == right {
        return Similarity::Same;
    }
    let (left, right) = (Anatomy::of(&left), Anatomy::of(&right));
    let regions_agree = match (left.region, right.region) {
        (Some(left), Some(right)) => !left.contradicts(right),
        _ => true,
    };
    if left.core == right.core && !left.core.is_empty() && left.form == right.form && regions_agree {
        Similarity::Candidate
    } else {
        Similarity::Different
    }
}

/// True for the name of a branch, which is written after its parent's: 某某有限公司仙桃分公司.
#[must_use]
pub fn is_branch(name: &str) -> bool {
    form_key(name).split_once("公司").is_some_and(|(_, after)| after.contains("分公司") || after.contains("分厂"))
}

/// Whether a region stated elsewhere (a code, an address) contradicts the name.
pub fn region_contradicts(name: &str, region: Region) -> bool {
    region_in_name(name).is_some_and(|named| named.contradicts(region))
}

fn fold(text: &str) -> String {
    // Most texts are ASCII and common Chinese characters, which the normalising tables leave as they are.
    if text.chars().all(|c| c.is_ascii() || ('\u{4E00}'..='\u{9FFF}').contains(&c)) {
        return text.chars().filter_map(fold_char).map(|c| c.to_ascii_uppercase()).collect();
    }
    // Upper case may decompose what was composed, so that it is normalised once more.
    text.nfkc().filter_map(fold_char).flat_map(char::to_uppercase).nfkc().collect()
}

/// One kind of bracket and dash, no white space.
fn fold_char(c: char) -> Option<char> {
    match c {
        '【' | '〔' | '[' | '{' | '﹝' => Some('('),
        '】' | '〕' | ']' | '}' | '﹞' => Some(')'),
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' => Some('-'),
        c => (!c.is_whitespace() && !c.is_control()).then_some(c),
    }
}

fn form_of_strict(strict: &str) -> String {
    strict.replace("有限责任公司", "有限公司").replace("股份有限公司", "股份公司")
}

fn simplified(text: &str) -> String {
    text.chars().map(|c| SIMPLIFIED.get(&c).copied().unwrap_or(c)).collect()
}

/// Legal form, which separates names whose core is equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Limited,
    JointStock,
    Other,
}

/// The parts of a name.
struct Anatomy {
    core: String,
    form: Form,
    region: Option<Region>,
}

impl Anatomy {
    fn of(form_key: &str) -> Self {
        let name = simplified(form_key);
        // A branch is written after the parent: 某某有限公司仙桃分公司.
        let parent = name.find("公司").map_or(name.as_str(), |at| &name[..at + "公司".len()]);
        let (stem, form) = if let Some(stem) = parent.strip_suffix("股份公司") {
            (stem, Form::JointStock)
        } else if let Some(stem) = parent.strip_suffix("有限公司") {
            (stem, Form::Limited)
        } else {
            (parent, Form::Other)
        };
        let mut core = GROUP_WORDS.iter().fold(stem.to_owned(), |core, word| core.replace(word, ""));
        core = without_regions(&core);
        Self { core, form, region: region_in_key(parent) }
    }
}

/// Places where a region may be named: byte range of the word in the key.
fn mentions(key: &str) -> impl Iterator<Item = (Region, std::ops::Range<usize>)> {
    Region::that_may_be_in(key).filter_map(|named| {
        if let Some(at) = key.find(named.name.as_str()) {
            return Some((named.region, at..at + named.name.len()));
        }
        let short = named.short.as_str();
        let at = (!short.is_empty()).then(|| key.find(short)).flatten()?;
        let before = &key[..at];
        let in_place =
            before.is_empty() || before.ends_with('(') || (before.chars().count() <= 3 && starts_with_province(before));
        in_place.then_some((named.region, at..at + short.len()))
    })
}

fn starts_with_province(text: &str) -> bool {
    Region::named().iter().any(|named| named.region.province() == named.region && (text == named.name || text == named.short))
}

fn region_in_key(key: &str) -> Option<Region> {
    // A later match with another province would contradict; the most specific of the first province wins.
    let mut found: Option<Region> = None;
    for (region, _) in mentions(key) {
        if found.is_none_or(|known| known.covers(region)) {
            found = Some(region);
        }
    }
    found
}

fn without_regions(stem: &str) -> String {
    let mut core = stem.to_owned();
    // A name states few regions; each round removes one word.
    for _ in 0..4 {
        let Some((_, range)) = mentions(&core).max_by_key(|(_, range)| range.len()) else { break };
        core.replace_range(range, "");
        core = core.replace("()", "").replace("(中国)", "");
    }
    core.replace("(中国)", "").trim_start_matches(['省', '市']).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VECTORS: &str = include_str!("../../tests/data/vectors/enterprise_name_pairs.csv");

    #[test]
    fn every_pair_compares_as_expected_both_ways() {
        let mut count = 0;
        for row in csv::Reader::from_reader(VECTORS.as_bytes()).records() {
            let row = row.expect("a readable row");
            let expected = match &row[2] {
                "same" => Similarity::Same,
                "candidate" => Similarity::Candidate,
                _ => Similarity::Different,
            };
            assert_eq!(compare(&row[0], &row[1]), expected, "{}", &row[3]);
            assert_eq!(compare(&row[1], &row[0]), expected, "{}", &row[3]);
            count += 1;
        }
        assert_eq!(count, 9);
    }

    #[test]
    fn regions_are_found_where_names_state_them() {
        for (name, code) in [
            ("深圳示例防护用品有限公司", Some("440300")),
            ("示例防护（上海）有限公司", Some("310000")),
            ("浙江省杭州市示例有限公司", Some("330100")),
            ("浙江杭州示例有限公司", Some("330100")),
            ("浙江示例有限公司", Some("330000")),
            ("浙江", Some("330000")),
            ("湖北仙桃", Some("429004")),
            ("广东省东莞市", Some("441900")),
            ("东方示例有限公司", None),
            ("示例深圳湾防护用品有限公司", None),
            ("", None),
        ] {
            assert_eq!(region_in_name(name).map(Region::code).as_deref(), code, "{name}");
        }
        let shanghai = Region::parse("310000").expect("a region");
        assert!(region_contradicts("深圳示例防护用品有限公司", shanghai));
        assert!(!region_contradicts("示例防护用品有限公司", shanghai));
    }

    #[test]
    fn keys_fold_what_does_not_distinguish() {
        assert_eq!(strict_key(" 标称：Ｅｘａｍｐｌｅ〔中国】公司 "), "EXAMPLE(中国)公司");
        assert_eq!(form_key("示例有限责任公司"), "示例有限公司");
        assert_eq!(form_key("示例股份有限公司"), "示例股份公司");
        assert_eq!(core_key("浙江示例集团（绍兴）有限公司"), "示例");
        assert_eq!(normalise_text(" ｋｎ９５—１ "), "KN95-1");
        assert_eq!(normalise_text("--"), "");
        assert_eq!(strict_key("/"), "");
    }

    #[test]
    fn two_empty_names_are_not_the_same() {
        assert_eq!(compare("", "--"), Similarity::Different);
    }

    proptest! {
        #[test]
        fn comparing_is_symmetric_and_reflexive(left in "[浙江深圳示例防护(（）)集团有限责任股份公司A ]{0,14}", right in "[浙江深圳示例防护集团有限公司分]{0,12}") {
            prop_assert_eq!(compare(&left, &right), compare(&right, &left));
            if !strict_key(&left).is_empty() {
                prop_assert_eq!(compare(&left, &left), Similarity::Same);
            }
        }

        #[test]
        fn keys_are_stable_under_themselves(name in "\\PC{0,24}") {
            let key = normalise_text(&name);
            prop_assert_eq!(normalise_text(&key), key);
        }
    }
}
