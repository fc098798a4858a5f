//! docs/errors.md and the sources name the same reasons: what a client may see is documented, and nothing else is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Calls that are given a reason: as one of their first three arguments, where it is the only one wholly in capitals.
const CALLS: &[&str] = &[
    "Refused::new(",
    "Refused::field(",
    "Self::new(",
    "Failure::new(",
    "Failure::usage(",
    "Self::usage(",
    "Settle::retry(",
    "refuse(",
    "refused(",
    "remark(",
    "warn(",
    "warn_unless(",
    ".note(",
    ".report(",
    ".file(",
    ".entry(",
    "self.turn_away(",
    "item(",
    "unknown(",
    "with_error_info(",
];

/// What stands before a reason that is not an argument.
const PLACES: &[&str] = &["reason:"];

/// Sources of other tokens: the reasons of verdicts (docs/screening.md), of the demonstration's consumer, and of the store's own test.
const ELSEWHERE: &[&str] = &["src/domain/screening/rules.rs", "src/cli/demo/consume.rs", "src/store/conformance"];

/// Part of the document whose tokens are given no more.
const RETIRED: &str = "5";

fn is_token(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// The text of a literal that is nothing else.
fn literal(text: &str) -> Option<&str> {
    text.trim().strip_prefix('"')?.strip_suffix('"')
}

/// The first arguments of a call whose parenthesis is open, told apart by the commas that are in no bracket and no literal.
fn arguments(text: &str) -> Vec<&str> {
    let (mut found, mut begin, mut depth) = (Vec::new(), 0, 0_u32);
    let (mut in_literal, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_literal => escaped = true,
            '"' => in_literal = !in_literal,
            _ if in_literal => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => {
                found.push(&text[begin..at]);
                return found;
            }
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&text[begin..at]);
                begin = at + 1;
                if found.len() == 3 {
                    return found;
                }
            }
            _ => {}
        }
    }
    found
}

/// The reasons that a source gives.
fn reasons(source: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for call in CALLS {
        for (at, _) in source.match_indices(call) {
            let given = arguments(&source[at + call.len()..]);
            found.extend(given.into_iter().filter_map(literal).find(|text| is_token(text)));
        }
    }
    for place in PLACES {
        for (at, _) in source.match_indices(place) {
            let rest = source[at + place.len()..].trim_start();
            let given = rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
            found.extend(given.map(|(text, _)| text).filter(|text| is_token(text)));
        }
    }
    // `fn reason(&self)` and its like choose a token by a `match`.
    for (at, _) in source.match_indices("fn reason(") {
        let body = source[at..].split("\n    }\n").next().unwrap_or_default();
        found.extend(quoted(body).into_iter().filter(|text| is_token(text)));
    }
    found
}

/// What stands between quotation marks, as far as that can be told without parsing.
fn quoted(source: &str) -> BTreeSet<&str> {
    source.split('"').filter(|text| is_token(text)).collect()
}

/// A source without its tests.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default()
}

fn sources(folder: &Path, into: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).expect("a readable source folder") {
        let path = entry.expect("a readable entry").path();
        let is_test = path.file_stem().is_some_and(|name| name.to_string_lossy().starts_with("tests"));
        if is_test || ELSEWHERE.iter().any(|elsewhere| path.ends_with(elsewhere)) {
            continue;
        }
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a readable source");
            into.insert(path, production(&text).to_owned());
        }
    }
}

/// Part of the document → its tokens, in their order.
fn documented(document: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut parts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut part = None;
    for line in document.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            part = title.split_once('.').map(|(number, _)| number);
        } else if let Some(part) = part
            && let Some((token, _)) = line.strip_prefix("| `").and_then(|row| row.split_once('`'))
        {
            parts.entry(part).or_default().push(token);
        }
    }
    parts
}

fn document() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md")).expect("docs/errors.md")
}

fn all_sources() -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    all
}

#[test]
fn every_reason_is_documented() {
    let document = document();
    let parts = documented(&document);
    let given_today = parts.iter().filter(|(part, _)| **part != RETIRED);
    let listed: BTreeSet<&str> = given_today.flat_map(|(_, tokens)| tokens.iter().copied()).collect();
    let mut missing = Vec::new();
    for (path, source) in &all_sources() {
        let unlisted = reasons(source).into_iter().filter(|reason| !listed.contains(reason));
        missing.extend(unlisted.map(|reason| format!("{reason} ({})", path.display())));
    }
    assert!(missing.is_empty(), "docs/errors.md does not list:\n{}", missing.join("\n"));
}

#[test]
fn every_documented_reason_is_given() {
    let document = document();
    let all = all_sources();
    let given: BTreeSet<&str> = all.values().flat_map(|source| quoted(source)).collect();
    let parts = documented(&document);
    for (part, tokens) in parts.iter().filter(|(part, _)| **part != RETIRED) {
        let stale: Vec<_> = tokens.iter().filter(|token| !given.contains(**token)).collect();
        assert!(stale.is_empty(), "no source gives these of part {part}; move them to part {RETIRED}: {stale:?}");
    }
    let again: Vec<_> = parts.get(RETIRED).into_iter().flatten().filter(|token| given.contains(**token)).collect();
    assert!(again.is_empty(), "retired reasons are used again: {again:?}");
}

#[test]
fn every_part_is_sorted_and_says_a_thing_once() {
    let document = document();
    let parts = documented(&document);
    for part in ["1", "2", "3", "4"] {
        let tokens = parts.get(part).map_or(&[][..], Vec::as_slice);
        assert!(!tokens.is_empty(), "part {part} lists nothing: was its heading or its table changed?");
        for pair in tokens.windows(2) {
            assert!(pair[0] < pair[1], "part {part}: {} stands before {}", pair[0], pair[1]);
        }
    }
}

#[test]
fn reasons_are_found_in_each_way_they_are_given() {
    let source = production(
        r#"
        Refused::new(
            Class::NotFound,
            "A_CLASS",
            format!("{x}, OR"), "NO_REASON");
        Refused::field(&format!("items[{index}], {}", f(1, 2)), "A_FIELD", "zh", "en");
        findings.refuse("name", "A_REFUSAL", Text::new("\"IN, TEXT\"", ""));
        findings.remark("", "A_REMARK", text);
        Violation { field, reason: "A_PLACE", text };
        refuse(&gateway, &caller, &refused);
    pub fn reason(&self) -> &'static str {
        match self { Self::A => "A_MATCH", Self::B => "ANOTHER" }
    }
    pub fn label(&self) -> &str { "NOT_THIS" }
#[cfg(test)]
mod tests {
    findings.refuse("name", "A_TEST", text);
}
"#,
    );
    let found: Vec<_> = reasons(source).into_iter().collect();
    assert_eq!(found, ["ANOTHER", "A_CLASS", "A_FIELD", "A_MATCH", "A_PLACE", "A_REFUSAL", "A_REMARK"]);
}

#[test]
fn a_list_is_read_by_its_parts() {
    let parts = documented("| `NOWHERE` |\n## 1. One\n| Token |\n|---|\n| `B` | x |\n| `A_1` | y |\n## 5. Gone\n| `C` |\n");
    assert_eq!(parts, BTreeMap::from([("1", vec!["B", "A_1"]), ("5", vec!["C"])]));
}
