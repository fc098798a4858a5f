//! Where a key stands in a file, and which known key is nearest to an unknown one.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A place in a file; both from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// The place of a byte.
pub(super) fn place_of(text: &str, byte: usize) -> Place {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).map_or(0, |line| line.chars().count()) + 1;
    Place { line: before.matches('\n').count() + 1, column }
}

/// The place of the value at a path such as `participants[2].role`, or of the nearest thing above it that is written.
pub(super) fn locate(text: &str, path: &str) -> Option<Place> {
    let root = DeTable::parse(text).ok()?;
    let mut segments = path.split('.').flat_map(steps);
    let first = segments.next()?;
    let mut at = root.get_ref().get(first.key()?)?;
    for step in segments {
        match child(at, &step) {
            Some(next) => at = next,
            None => break,
        }
    }
    Some(place_of(text, at.span().start))
}

/// The path of the innermost value that holds a byte; empty when none does.
pub(super) fn path_at(text: &str, byte: usize) -> String {
    let Ok(root) = DeTable::parse(text) else { return String::new() };
    let mut path = String::new();
    let mut at =
        root.get_ref().iter().find(|(_, value)| holds(value, byte)).map(|(key, value)| (key.get_ref().to_string(), value));
    while let Some((step, value)) = at {
        if !path.is_empty() && !step.starts_with('[') {
            path.push('.');
        }
        path.push_str(&step);
        at = match value.get_ref() {
            DeValue::Table(table) => {
                table.iter().find(|(_, value)| holds(value, byte)).map(|(key, value)| (key.get_ref().to_string(), value))
            }
            DeValue::Array(array) => {
                array.iter().enumerate().find(|(_, value)| holds(value, byte)).map(|(index, value)| (format!("[{index}]"), value))
            }
            _ => None,
        };
    }
    path
}

/// A table's span is its header alone, so that what is in it is looked at too.
fn holds(value: &Spanned<DeValue<'_>>, byte: usize) -> bool {
    value.span().contains(&byte)
        || match value.get_ref() {
            DeValue::Table(table) => table.values().any(|value| holds(value, byte)),
            DeValue::Array(array) => array.iter().any(|value| holds(value, byte)),
            _ => false,
        }
}

enum Step<'p> {
    Key(&'p str),
    Index(usize),
}

impl<'p> Step<'p> {
    fn key(&self) -> Option<&'p str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Index(_) => None,
        }
    }
}

/// `systems[1]` is the key `systems`, then the index 1.
fn steps(segment: &str) -> impl Iterator<Item = Step<'_>> {
    let (key, index) = segment.split_once('[').map_or((segment, None), |(key, rest)| (key, rest.strip_suffix(']')));
    let index = index.and_then(|index| index.parse().ok()).map(Step::Index);
    std::iter::once(Step::Key(key)).chain(index)
}

fn child<'v, 't>(value: &'v Spanned<DeValue<'t>>, step: &Step<'_>) -> Option<&'v Spanned<DeValue<'t>>> {
    match (value.get_ref(), step) {
        (DeValue::Table(table), Step::Key(key)) => table.get(*key),
        (DeValue::Array(array), Step::Index(index)) => array.get(*index),
        _ => None,
    }
}

/// The known key nearest to an unknown one; `None` when none is near.
pub(super) fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let most = key.chars().count().div_ceil(3).max(1);
    known
        .iter()
        .map(|candidate| (distance(key, candidate), *candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many characters to insert, drop, change or swap with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: [Vec<usize>; 2] = [Vec::new(), (0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        let [older, last] = &rows;
        for (j, y) in b.iter().enumerate() {
            let changed = last[j] + usize::from(x != y);
            let mut best = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(older[j - 1] + 1);
            }
            row.push(best);
        }
        let [_, last] = rows;
        rows = [last, row];
    }
    rows[1][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters() {
        let text = "a = 1\n口罩 = 2\n";
        assert_eq!(place_of(text, 0), Place { line: 1, column: 1 });
        assert_eq!(place_of(text, text.find('2').expect("there")), Place { line: 2, column: 6 });
        assert_eq!(place_of(text, 10_000), Place { line: 3, column: 1 });
    }

    #[test]
    fn a_path_is_found_or_what_is_above_it() {
        let text = "[limits]\nmax_connections = 5\n[[participants]]\nid = \"gacc\"\nsystems = [\n  { name = \"a\" },\n  { name = \"b\" },\n]\n";
        assert_eq!(locate(text, "limits.max_connections").map(|place| place.line), Some(2));
        assert_eq!(locate(text, "participants[0].systems[1].name").map(|place| place.line), Some(7));
        assert_eq!(locate(text, "participants[0].systems[1].uri").map(|place| place.line), Some(7));
        assert_eq!(locate(text, "tls.key"), None);
    }

    #[test]
    fn a_byte_is_found_in_its_value() {
        let text = "[limits]\nmax = 5\n[[participants]]\nsystems = [\n  { name = \"a\" },\n  { name = \"b\" },\n]\n";
        assert_eq!(path_at(text, text.find('5').expect("there")), "limits.max");
        assert_eq!(path_at(text, text.find("\"b\"").expect("there")), "participants[0].systems[1].name");
        assert_eq!(path_at(text, text.len()), "");
    }

    #[test]
    fn the_nearest_key_is_near() {
        let known = ["listen", "shutdown_grace_seconds", "level"];
        assert_eq!(nearest("lisen", &known), Some("listen"));
        assert_eq!(nearest("lsiten", &known), Some("listen"));
        assert_eq!(nearest("shutdown_grace", &known), None);
        assert_eq!(nearest("口罩", &known), None);
    }

    #[test]
    fn distances() {
        for (a, b, d) in [("", "", 0), ("", "ab", 2), ("ab", "ba", 1), ("abc", "adc", 1), ("abc", "ac", 1)] {
            assert_eq!(distance(a, b), d, "{a} {b}");
        }
    }
}
