//! Who has the file open, and the log made sure of before the first of them reads it.
//!
//! A process that died after a sync had failed leaves a log whose last frames the file system shows and the disk may not have: pages
//! whose writing failed are marked clean. Read as they are, they would be taken for committed, answered for, and gone with the next loss
//! of power. So whoever opens the file first writes the log once more, byte for byte, and syncs it; a disk that still cannot
//! is found out here.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use crate::store::StoreError;

/// Bytes written again at once.
const CHUNK: usize = 1 << 20;

/// Held while the file is open: a lock on a file beside it, shared by all processes that have it open.
pub(super) struct Tenure {
    _lock: File,
}

impl Tenure {
    /// Waits while another process makes sure of the log, or does so if nobody else has the file open.
    ///
    /// # Errors
    /// `Unavailable` when the files beside it cannot be opened, or the log cannot be written again.
    pub(super) async fn begin(path: &Path) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let begun = tokio::task::spawn_blocking(move || begin(&path)).await;
        begun.map_err(io::Error::other).flatten().map_err(|error| StoreError::Unavailable(format!("the log: {error}")))
    }
}

fn begin(path: &Path) -> io::Result<Tenure> {
    let lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(beside(path, "-lock"))?;
    match lock.try_lock() {
        Ok(()) => {
            write_again(&beside(path, "-wal"))?;
            lock.unlock()?;
        }
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Whoever comes in between makes sure of the log too: nobody writes to it yet.
    lock.lock_shared()?;
    Ok(Tenure { _lock: lock })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn write_again(log: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().read(true).write(true).open(log) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; CHUNK];
    let mut at = 0;
    loop {
        file.seek(SeekFrom::Start(at))?;
        let read = file.read(&mut bytes)?;
        if read == 0 {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&bytes[..read])?;
        at += read as u64;
    }
    if at > 0 { file.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_the_same_afterwards() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.db");
        begin(&path).expect("no log is no trouble");
        let log: Vec<u8> = (0..3 * CHUNK / 2 + 7).map(|n| (n % 251) as u8).collect();
        std::fs::write(beside(&path, "-wal"), &log).expect("written");
        drop(begin(&path).expect("written again"));
        assert_eq!(std::fs::read(beside(&path, "-wal")).expect("there"), log);
    }

    #[test]
    fn nobody_touches_the_log_while_another_has_it_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.db");
        let first = begin(&path).expect("open");
        // A log that cannot be opened would be found out.
        std::fs::create_dir(beside(&path, "-wal")).expect("made");
        let second = begin(&path).expect("open");
        drop((first, second));
        assert!(begin(&path).is_err(), "now it is the first again");
    }
}
