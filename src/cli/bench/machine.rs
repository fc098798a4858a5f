//! What it was measured on: figures without it mean little.

use std::{
    fs::{self, File},
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
};

use serde::Serialize;

use super::figures::{enter, histogram};
use crate::{
    cli::Failure,
    clock::{Clock as _, SystemClock},
};

/// Synced writes to learn what one takes.
const SYNCS: u32 = 200;

/// The machine of the load, and the disk of the store where it is ours.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) cores: usize,
    pub(super) memory_mib: u64,
    pub(super) kernel: String,
    /// `None` = the store is elsewhere.
    pub(super) disk: Option<Disk>,
}

/// A disk.
#[derive(Debug, Serialize)]
pub(super) struct Disk {
    /// Kind of the file system; empty where the system does not tell.
    pub(super) file_system: String,
    /// A 4 KiB write followed by `fdatasync`, microseconds.
    pub(super) sync_p50_us: u64,
    pub(super) sync_p99_us: u64,
}

/// This machine, and the disk of that folder.
pub(super) fn here(folder: Option<&Path>) -> Result<Machine, Failure> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    Ok(Machine {
        processor: value_of(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        memory_mib: value_of(&read("/proc/meminfo"), "MemTotal")
            .and_then(|kib| kib.split(' ').next()?.parse::<u64>().ok())
            .unwrap_or(0)
            / 1024,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        disk: folder.map(disk).transpose()?,
    })
}

/// The value behind `key … :` of the first such line.
fn value_of(text: &str, key: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn disk(folder: &Path) -> Result<Disk, Failure> {
    let path = folder.join(format!("tongbao-bench-sync-{}", std::process::id()));
    let measured = File::create_new(&path).map_err(Failure::from).and_then(|file| syncs(&file));
    let removed = fs::remove_file(&path);
    let (sync_p50_us, sync_p99_us) = measured?;
    removed?;
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    Ok(Disk { file_system: file_system(&mounts, &folder.canonicalize()?), sync_p50_us, sync_p99_us })
}

/// Median and 99th percentile, microseconds. The block is written over, as a log that stopped growing is.
fn syncs(mut file: &File) -> Result<(u64, u64), Failure> {
    let (clock, mut took) = (SystemClock::start(), histogram()?);
    for _ in 0..SYNCS {
        let started = clock.monotonic();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[0x5a; 4096])?;
        file.sync_data()?;
        enter(&mut took, clock.monotonic().saturating_sub(started));
    }
    Ok((took.value_at_quantile(0.5), took.value_at_quantile(0.99)))
}

/// Kind of the file system that the path is on: of the longest mount point that leads to it.
fn file_system(mounts: &str, path: &Path) -> String {
    let mounted = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (point, kind) = (fields.next()?, fields.next()?);
        path.starts_with(point).then_some((point.len(), kind))
    });
    mounted.max_by_key(|(length, _)| *length).map_or_else(String::new, |(_, kind)| kind.to_owned())
}

/// The soft limit on open files of this process; `None` where the system does not tell.
pub(super) fn open_files() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_point_decides() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /srv/disk xfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/srv/disk/deep")), "xfs");
        assert_eq!(file_system(mounts, Path::new("/srv/disks")), "ext4");
        assert_eq!(file_system(mounts, Path::new("/tmp/x")), "tmpfs");
        assert_eq!(file_system("", Path::new("/tmp/x")), "");
    }

    #[test]
    fn a_line_gives_its_value() {
        assert_eq!(value_of("a\t: b\nmodel name\t: EPYC 9\n", "model name").as_deref(), Some("EPYC 9"));
        assert_eq!(value_of("", "model name"), None);
    }

    #[test]
    fn the_disk_is_measured_and_left_as_it_was() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disk = disk(folder.path()).expect("measured");
        assert!(disk.sync_p99_us >= disk.sync_p50_us && disk.sync_p50_us > 0);
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0);
    }
}
