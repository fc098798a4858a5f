//! Files that are replaced whole: a reader sees the old one or the new one, never a part, and after a crash one of them stands.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use super::Failure;

/// Puts a file into a folder, over what stands there. On disk by itself; its name is when the folder is synced.
///
/// # Errors
/// When it cannot be written; what stood there stands.
pub(super) fn put(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let beside = folder.join(format!(".{name}.part"));
    fs::File::create(&beside)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, folder.join(name)))
}

/// Makes the names in a folder durable.
///
/// # Errors
/// When the folder cannot be synced.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder).and_then(|folder| folder.sync_all())
}

/// Replaces one file.
///
/// # Errors
/// When it cannot be written; what stood there stands.
pub(super) fn replace_file(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = match path.file_name().and_then(|name| name.to_str()) {
        Some(name) => put(folder, name, content).and_then(|()| sync(folder)),
        None => Err(io::Error::from(io::ErrorKind::InvalidFilename)),
    };
    written.map_err(|error| unwritable(path, &error))
}

/// What cannot be written, and why.
pub(super) fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let shown = path.display();
    Failure::usage("FILE_UNUSABLE", format!("无法写入 {shown}：{error}"), format!("{shown} cannot be written: {error}"))
}
