//! The rooms of the house and the doors between them: reads the `use` lines and fails on a forbidden edge.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Module → modules it may use (docs/architecture.md). `cli` may use everything; `lib` and `main` only wire things up.
const EDGES: &[(&str, &[&str])] = &[
    ("domain", &["proto"]),
    ("wire", &["domain", "proto"]),
    ("store", &["domain"]),
    ("gateway", &["domain", "clock", "store"]),
    ("tasks", &["gateway", "domain", "clock"]),
    ("rpc", &["gateway", "domain", "wire", "proto", "tls", "telemetry", "clock"]),
    ("client", &["domain", "wire", "proto", "tls", "clock"]),
    ("intake", &["domain"]),
    ("config", &["domain"]),
    ("clock", &["domain"]),
    ("tls", &["domain", "clock"]),
    ("telemetry", &["domain", "clock"]),
    ("proto", &[]),
    (
        "cli",
        &[
            "domain",
            "wire",
            "store",
            "gateway",
            "tasks",
            "rpc",
            "client",
            "intake",
            "config",
            "clock",
            "tls",
            "telemetry",
            "proto",
        ],
    ),
];

/// Crates that live in certain rooms only.
const CRATES: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("tonic", &["rpc", "client", "proto"]),
    ("axum", &["telemetry"]),
    ("backoff", &["client"]),
    ("calamine", &["intake"]),
    ("rust_xlsxwriter", &["intake"]),
    ("rcgen", &["tls"]),
    ("clap", &["cli"]),
    ("tokio", &["gateway", "store", "tasks", "rpc", "client", "cli", "tls", "telemetry"]),
];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable source folder") {
        let path = entry.expect("a readable entry").path();
        let is_test = path.file_stem().is_some_and(|name| name == "tests" || name.to_string_lossy().ends_with("_tests"));
        if is_test {
            continue;
        }
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The room a file belongs to: the first folder under src, or the file's own name.
fn room(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("a file under src");
    let first = inside.components().next().expect("a file name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Production code of a file: what stands before its unit tests, without comments.
fn production(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..end].lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// Names of modules of this crate that the code mentions as `crate::name` or inside `use crate::{name…}`.
fn modules_used(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => used.push(std::mem::take(&mut word)),
                    _ if depth == 0 => word.push(character),
                    _ => {}
                }
            }
            used.push(word);
        } else {
            used.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    used.into_iter()
        .map(|word| word.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>())
        .filter(|word| !word.is_empty())
        .collect()
}

fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 20, "the source folder was not found");
    files
}

#[test]
fn rooms_use_only_their_allowed_neighbours() {
    let edges: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut forbidden = Vec::new();
    for path in files() {
        let here = room(&path);
        if here == "lib" || here == "main" {
            continue;
        }
        let allowed = edges.get(here.as_str()).unwrap_or_else(|| panic!("room `{here}` is not in the table of edges"));
        let code = production(&fs::read_to_string(&path).expect("a readable file"));
        for used in modules_used(&code) {
            let is_room = edges.contains_key(used.as_str());
            if is_room && used != here && !allowed.contains(&used.as_str()) {
                forbidden.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(forbidden.is_empty(), "forbidden edges:\n{}", forbidden.join("\n"));
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut forbidden = Vec::new();
    for path in files() {
        let here = room(&path);
        let code = production(&fs::read_to_string(&path).expect("a readable file"));
        for (name, rooms) in CRATES {
            let is_used = code.contains(&format!("use {name}::")) || code.contains(&format!("{name}::"));
            if is_used && !rooms.contains(&here.as_str()) && here != "lib" && here != "main" {
                let other_word = !code.match_indices(&format!("{name}::")).any(|(at, _)| {
                    let before = code[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                });
                if !other_word {
                    forbidden.push(format!("{} uses {name}", path.display()));
                }
            }
        }
    }
    assert!(forbidden.is_empty(), "crates outside their rooms:\n{}", forbidden.join("\n"));
}

#[test]
fn the_gateway_knows_the_store_by_its_trait_alone() {
    let named: Vec<_> = files()
        .into_iter()
        .filter(|path| room(path) == "gateway")
        .filter(|path| production(&fs::read_to_string(path).expect("a readable file")).contains("store::sqlite"))
        .collect();
    assert!(named.is_empty(), "a home of the store is named in {named:?}");
}

#[test]
fn one_cryptography_provider_in_the_tree() {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).expect("the lock file");
    for other in ["openssl-sys", "native-tls", "ed25519-dalek", "p256"] {
        assert!(!lock.contains(&format!("name = \"{other}\"\n")), "`{other}` is in the tree beside aws-lc-rs");
    }
}

/// Paths outside `src` that production code takes in at compile time, from the folder of the manifest.
fn taken_in() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for file in files() {
        let code = production(&fs::read_to_string(&file).expect("a readable file"));
        let folder = file.parent().expect("a folder");
        let named = ["include_str!(\"", "include_bytes!(\""]
            .into_iter()
            .flat_map(|opening| code.match_indices(opening).map(|(at, opening)| &code[at + opening.len()..]).collect::<Vec<_>>());
        for rest in named {
            let path = folder.join(rest.split('"').next().expect("a path"));
            let path = path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            paths.push(path.strip_prefix(root.canonicalize().expect("the root")).expect("a file of the project").to_owned());
        }
    }
    paths
}

#[test]
fn the_container_is_built_from_all_that_the_build_reads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let recipe = fs::read_to_string(root.join("deploy/Containerfile")).expect("the recipe");
    let copied: Vec<&Path> = recipe
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|line| !line.starts_with("--from"))
        .flat_map(|line| line.split_whitespace().rev().skip(1).map(Path::new))
        .collect();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("the manifest");
    // A target that the manifest names has to be there, whatever is built.
    let benches = manifest.contains("[[bench]]").then(|| PathBuf::from("benches"));
    let needed = taken_in().into_iter().chain(benches);
    let left_out: Vec<_> = needed.filter(|path| !copied.iter().any(|copied| path.starts_with(copied))).collect();
    assert!(copied.len() > 5 && left_out.is_empty(), "deploy/Containerfile does not copy {left_out:?}");
}
