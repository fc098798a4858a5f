//! The zip around an `.xlsx`, measured before anything in it is read.
//!
//! The zip library stops an entry at the size its directory declares, so the declared sizes bound what a reader can ever
//! expand; this file adds them up first.

use std::io::{Cursor, Read as _};

use zip::{ZipArchive, result::ZipError};

use super::{FileError, MAX_EXPANDED, damaged, guarded};
use crate::domain::violation::Text;

/// Entries a workbook may have.
const MAX_ENTRIES: usize = 4_096;
/// Above this size an entry must not be packed tighter than `MAX_RATIO`: cells never are, padding is.
const RATIO_FROM: u64 = 16 << 20;
/// How many times smaller than its content a packed entry may be; sheets reach about 40.
const MAX_RATIO: u64 = 250;
/// The beginning of the shared strings in which their count must stand.
const HEAD: u64 = 16 << 10;

/// Refuses a package that is truncated, expands beyond reason, or is no `.xlsx`.
pub fn check(bytes: &[u8]) -> Result<(), FileError> {
    let mut archive = guarded(|| ZipArchive::new(Cursor::new(bytes)).map_err(|error| no_directory(&error)))?;
    if archive.len() > MAX_ENTRIES {
        return Err(FileError::Damaged { detail: format!("{} entries in the package", archive.len()) });
    }
    let names: Vec<String> = archive
        .file_names()
        .map(|name| name.map_or_else(|_| String::new(), |name| name.to_ascii_lowercase().replace('\\', "/")))
        .collect();
    let mut expanded = 0_u64;
    for index in 0..archive.len() {
        let entry = guarded(|| archive.by_index_raw(index).map_err(|error| damaged(&error)))?;
        if entry.encrypted() {
            return Err(FileError::Encrypted);
        }
        expanded = expanded.saturating_add(entry.size());
        let by_ratio = RATIO_FROM.max(entry.compressed_size().saturating_mul(MAX_RATIO));
        if entry.size() > by_ratio {
            return Err(FileError::ZipBomb { expanded: entry.size(), limit: by_ratio });
        }
        if expanded > MAX_EXPANDED {
            return Err(FileError::ZipBomb { expanded, limit: MAX_EXPANDED });
        }
    }
    refuse_other_packages(&names)?;
    for (index, name) in names.iter().enumerate() {
        if name.ends_with("sharedstrings.xml") {
            check_shared_strings(&mut archive, index)?;
        }
    }
    Ok(())
}

/// A package without a directory at its end was cut off.
fn no_directory(error: &ZipError) -> FileError {
    match error {
        ZipError::InvalidArchive(_) | ZipError::Io(_) => FileError::Truncated,
        other => damaged(other),
    }
}

/// Names packages that are no `.xlsx`.
fn refuse_other_packages(names: &[String]) -> Result<(), FileError> {
    let has = |start: &str| names.iter().any(|name| name.starts_with(start));
    let found = if has("xl/workbook.bin") {
        Text::new("二进制工作簿（.xlsb）", "a binary workbook (.xlsb)")
    } else if has("xl/") || has("[content_types].xml") && !has("word/") && !has("ppt/") {
        return Ok(());
    } else if has("word/") {
        Text::new("Word 文档", "a Word document")
    } else if has("ppt/") {
        Text::new("PowerPoint 演示文稿", "a PowerPoint presentation")
    } else if has("content.xml") {
        Text::new("OpenDocument 表格（.ods）", "an OpenDocument file (.ods)")
    } else {
        Text::new("压缩包（.zip），请先解压", "a zip archive: unpack it first")
    };
    Err(FileError::NotAWorkbook { found })
}

/// The reader sets memory aside for as many strings as the file claims to have, so the claim must fit the entry's size.
fn check_shared_strings(archive: &mut ZipArchive<Cursor<&[u8]>>, index: usize) -> Result<(), FileError> {
    let damage = || FileError::Damaged { detail: "shared strings".to_owned() };
    let entry = guarded(|| archive.by_index(index).map_err(|error| damaged(&error)))?;
    let size = entry.size();
    let mut head = Vec::new();
    guarded(|| entry.take(HEAD).read_to_end(&mut head).map_err(|_| damage()))?;
    let head = String::from_utf8_lossy(&head);
    if head.is_empty() {
        return Ok(());
    }
    let tag = head.find("sst").and_then(|at| head.get(at..)).ok_or_else(damage)?;
    let tag = tag.split_once('>').map(|(tag, _)| tag).ok_or_else(damage)?;
    for claim in tag.split("uniqueCount").skip(1) {
        let digits: String = claim.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
        if digits.parse::<u64>().is_ok_and(|count| count > size) {
            return Err(damage());
        }
    }
    Ok(())
}
