//! Declarations in files: JSON (one, or a list of them) and CSV; whole folders of both.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use encoding_rs::{GB18030, UTF_8};

use super::{declaration, sheet};
use crate::{cli::Failure, domain::violation::Text, proto::Declaration};

/// Largest file read, bytes.
const LARGEST: u64 = 64 << 20;

/// A declaration that was read.
pub(super) struct Declared {
    /// File.
    pub(super) file: String,
    /// Line of a table that it begins in, or its place in a list, from 1.
    pub(super) place: u64,
    /// What it says.
    pub(super) declaration: Declaration,
}

/// What is wrong with a file, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// File.
    pub(super) file: String,
    /// Line, from 1; 0 = the file as a whole.
    pub(super) line: u64,
    /// Column: of JSON the character, of a table the cell; from 1.
    pub(super) column: u64,
    /// What is wrong.
    pub(super) text: Text,
}

impl Mistake {
    /// In a file that is named later.
    pub(super) fn at(line: u64, column: u64, text: Text) -> Self {
        Self { file: String::new(), line, column, text }
    }
}

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    /// Declarations, in the order of the files.
    pub(super) declared: Vec<Declared>,
    /// Everything wrong.
    pub(super) mistakes: Vec<Mistake>,
    /// More than one declaration may be meant: a folder, a table, a list, or several files.
    pub(super) many: bool,
}

/// Reads files, and of folders everything in them that ends in `.json` or `.csv`.
///
/// # Errors
/// When a folder or file that was named cannot be read.
pub(super) fn read(given: &[PathBuf]) -> Result<Found, Failure> {
    let mut found = Found { many: given.len() > 1, ..Found::default() };
    for path in given {
        if !path.is_dir() {
            read_one(path, &mut found)?;
            continue;
        }
        found.many = true;
        let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.map_err(|error| unreadable(path, &error))?;
        let mut files: Vec<PathBuf> =
            entries.iter().map(std::fs::DirEntry::path).filter(|file| is(file, "json") || is(file, "csv")).collect();
        files.sort();
        for file in files {
            read_one(&file, &mut found)?;
        }
    }
    Ok(found)
}

fn is(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

fn read_one(path: &Path, found: &mut Found) -> Result<(), Failure> {
    let bytes = bytes(path)?;
    let (mut mistakes, mut declared) = (Vec::new(), Vec::new());
    let text = match str::from_utf8(&bytes) {
        Ok(_) => UTF_8.decode(&bytes).0,
        Err(_) => GB18030.decode(&bytes).0,
    };
    if is(path, "csv") {
        found.many = true;
        declared = sheet::read(&text, &mut mistakes);
    } else {
        match declaration::read(&text) {
            Ok((many, all)) => {
                found.many |= many;
                declared = (1..).zip(all).collect();
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    // Of a file that is wrong somewhere nothing is screened: a declaration must not be judged by half of what it says.
    if !mistakes.is_empty() {
        declared.clear();
    }
    let file = path.display().to_string();
    found.mistakes.extend(mistakes.into_iter().map(|mistake| Mistake { file: file.clone(), ..mistake }));
    found.declared.extend(declared.into_iter().map(|(place, declaration)| Declared { file: file.clone(), place, declaration }));
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    Failure::usage("UNREADABLE", format!("无法读取 {path}：{error}"), format!("{path} cannot be read: {error}"))
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let source: Box<dyn std::io::Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(path).map_err(|error| unreadable(path, &error))?)
    };
    let mut bytes = Vec::new();
    source.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > LARGEST {
        let path = path.display();
        return Err(Failure::usage("TOO_LARGE", format!("{path} 超过 64 MiB"), format!("{path} is larger than 64 MiB")));
    }
    Ok(bytes)
}
