//! A disk under the real program that fails as the test tells it to (`shim.c`).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tongbao::{cli::house::House, client::Connection};

use super::exchange::{program::Program, store_path, until};

/// How the disk is.
#[derive(Debug, Clone, Copy)]
pub enum How {
    /// Works.
    Well,
    /// No file can be made longer.
    Full,
    /// Syncs fail; what they should have brought to the disk never gets there unless it is written again.
    Unsynced,
    /// Syncs do not return.
    Stalled,
}

/// The disk under one gateway.
pub struct Disk {
    folder: PathBuf,
    ledger: PathBuf,
}

impl Disk {
    /// A disk that works, under the ledger of a house.
    pub fn under(house: &House) -> Self {
        let folder = house.folder().join("disk");
        fs::create_dir_all(folder.join("platter")).expect("a folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(folder.join("shim.so"))
            .arg(source)
            .args(["-ldl", "-lpthread"])
            .status();
        assert!(built.expect("a C compiler").success(), "the shim compiles");
        let disk = Self { folder, ledger: store_path(house) };
        disk.is(How::Well);
        disk
    }

    /// From now on. The word is put in place whole: nobody reads half of it.
    pub fn is(&self, how: How) {
        let word = match how {
            How::Well => "well",
            How::Full => "full",
            How::Unsynced => "unsynced",
            How::Stalled => "stalled",
        };
        fs::write(self.folder.join("next"), word).expect("written");
        fs::rename(self.folder.join("next"), self.folder.join("control")).expect("renamed");
    }

    /// Calls that met a fault so far.
    pub fn faults(&self) -> u64 {
        fs::metadata(self.folder.join("faults")).map_or(0, |file| file.len())
    }

    /// Waits until a call meets a fault.
    pub async fn met_a_fault(&self, since: u64) {
        until("a fault of the disk", || async { self.faults() > since }).await;
    }

    /// Starts the program on this disk. What stands in its files now has reached the disk.
    pub async fn start(&self, house: &House, probe: &Connection) -> Program {
        self.copy(&self.ledger_folder(), &self.folder.join("platter"));
        self.start_again(house, probe).await
    }

    /// As [`Disk::start`], after the process alone has died: what had not reached the disk has not reached it now.
    pub async fn start_again(&self, house: &House, probe: &Connection) -> Program {
        Program::start_with(house, probe, |command| {
            command
                .env("LD_PRELOAD", self.folder.join("shim.so"))
                .env("DISK_FILES", &self.ledger)
                .env("DISK_CONTROL", self.folder.join("control"))
                .env("DISK_FAULTS", self.folder.join("faults"))
                .env("DISK_PLATTER", self.folder.join("platter"));
        })
        .await
    }

    /// The machine lost its power: the files are what had reached the disk, and nothing else. The program must be dead.
    pub fn lose_power(&self) {
        self.copy(&self.folder.join("platter"), &self.ledger_folder());
    }

    fn ledger_folder(&self) -> PathBuf {
        self.ledger.parent().expect("a folder").to_owned()
    }

    /// The ledger's files, and none beside them that the source does not have. The memory that processes share is no file.
    fn copy(&self, from: &Path, to: &Path) {
        let name = self.ledger.file_name().expect("a name").to_string_lossy().into_owned();
        for suffix in ["", "-wal", "-shm"] {
            let (from, to) = (from.join(format!("{name}{suffix}")), to.join(format!("{name}{suffix}")));
            // It may not be there.
            let _ = fs::remove_file(&to);
            if suffix != "-shm" && from.exists() {
                fs::copy(&from, &to).expect("copied");
            }
        }
    }
}
