//! Overrides by the environment: `TONGBAO__LIMITS__MAX_CONNECTIONS=50`.

use toml::{Table, Value};

use super::{Config, Fault};
use crate::domain::violation::Text;

const PREFIX: &str = "TONGBAO__";

/// Applies every variable that begins with `TONGBAO__`; others are none of ours.
pub(super) fn apply(config: Config, environment: impl IntoIterator<Item = (String, String)>) -> Result<Config, Vec<Fault>> {
    let mut variables: Vec<_> =
        environment.into_iter().filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_owned(), value))).collect();
    if variables.is_empty() {
        return Ok(config);
    }
    variables.sort();
    let mut tree = Table::try_from(&config).map_err(|error| vec![broken(PREFIX, &error.to_string())])?;
    let mut faults = Vec::new();
    for (path, value) in &variables {
        let name = format!("{PREFIX}{path}");
        let applied = set(&mut tree, &name, path, value).and_then(|before| {
            // One at a time, so that what does not fit is blamed on its own variable.
            let fits = Config::try_from_tree(&tree);
            if fits.is_err() {
                tree = before;
            }
            fits.map(drop).map_err(|why| broken(&name, &why))
        });
        faults.extend(applied.err());
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Config::try_from_tree(&tree).map_err(|why| vec![broken(PREFIX, &why)])
}

impl Config {
    fn try_from_tree(tree: &Table) -> Result<Self, String> {
        tree.clone().try_into().map_err(|error: toml::de::Error| error.message().to_owned())
    }
}

/// Sets the value at a path and returns the tree as it was.
fn set(tree: &mut Table, name: &str, path: &str, value: &str) -> Result<Table, Fault> {
    let before = tree.clone();
    let mut segments = path.split("__").peekable();
    let mut table = tree;
    while let Some(segment) = segments.next() {
        let wanted = segment.to_ascii_lowercase();
        // Names of variables have no hyphens.
        let Some(key) = table.keys().find(|key| key.replace('-', "_") == wanted).cloned() else {
            let known: Vec<_> = table.keys().map(String::as_str).collect();
            return Err(Fault::unknown_key(name, &wanted, &known));
        };
        let slot = table.entry(key).or_insert(Value::Boolean(false));
        if segments.peek().is_none() {
            *slot = read_like(slot, value).ok_or_else(|| broken(name, &format!("`{value}` is not {}", article(slot))))?;
            return Ok(before);
        }
        match slot {
            Value::Table(inner) => table = inner,
            other => return Err(broken(name, &format!("`{segment}` is {}, not a section", article(other)))),
        }
    }
    Err(broken(name, "names no key"))
}

/// Reads a value of the same type as the one that stands.
fn read_like(standing: &Value, text: &str) -> Option<Value> {
    let parsed = || format!("value = {text}").parse::<Table>().ok()?.remove("value");
    match standing {
        Value::String(_) => Some(Value::String(text.to_owned())),
        Value::Table(_) => None,
        other => parsed().filter(|value| value.same_type(other)),
    }
}

fn article(value: &Value) -> String {
    let name = value.type_str();
    let article = if name.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {name}")
}

fn broken(name: &str, why: &str) -> Fault {
    let text = Text::new(format!("环境变量 {name} 不可用：{why}"), format!("the variable {name} cannot be used: {why}"));
    Fault { place: None, key: name.to_owned(), reason: "BAD_VARIABLE", text }
}
