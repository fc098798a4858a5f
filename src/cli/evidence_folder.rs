//! An exported evidence log as a folder, and the file of a single proof.
//!
//! | file | content |
//! |---|---|
//! | `entries.jsonl` | one line an entry: index, canonical bytes in base64, what they say |
//! | `leaf-hashes` | one line an entry: its leaf hash, hexadecimal |
//! | `checkpoint` | the signed head |
//! | `verifier-key` | the public key that the log says is its own |
//! | `README.txt` | what this is and how to verify it |
//!
//! The checkpoint is written last: a folder without one is an export that did not come to its end.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::{Exit, Failure};
use crate::domain::{
    digest::hex,
    evidence::{
        Checkpoint, Frontier, LogVerifier, ProofFile, ProvedEntry, Report, VerifierKey, leaf_hash, verify_checkpoint, write_line,
    },
};

/// The file of the entries, one JSON line each.
pub const ENTRIES: &str = "entries.jsonl";
const LEAF_HASHES: &str = "leaf-hashes";
const CHECKPOINT: &str = "checkpoint";
const VERIFIER_KEY: &str = "verifier-key";
const README: &str = "README.txt";

/// No line of ours is near it; a longer one is cut, and so refused as changed.
const MAX_LINE: u64 = 64 << 20;
/// Keys, checkpoints and proof files are far shorter.
const MAX_SMALL_FILE: u64 = 16 << 20;

fn failed(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    Failure::new(Exit::Failed, "IO", format!("{path}：{error}"), format!("{path}: {error}"))
}

/// Writes an export, entry by entry.
pub struct FolderWriter {
    folder: PathBuf,
    entries: BufWriter<File>,
    leaf_hashes: BufWriter<File>,
    key: VerifierKey,
    note: String,
    checkpoint: Checkpoint,
    frontier: Frontier,
}

impl FolderWriter {
    /// Begins an export of the log that the checkpoint is the head of, in a new or empty folder.
    ///
    /// # Errors
    /// When the folder is not empty or cannot be written, or key and checkpoint do not belong together.
    pub fn create(folder: &Path, verifier_key: &str, checkpoint: &str) -> Result<Self, Failure> {
        let bad = |error: &dyn std::fmt::Display| {
            let (zh, en) =
                (format!("网关给出的检查点无法验证：{error}"), format!("the gateway's checkpoint does not verify: {error}"));
            Failure::new(Exit::Failed, "BAD_CHECKPOINT", zh, en)
        };
        let key = VerifierKey::parse(verifier_key).map_err(|error| bad(&error))?;
        let read = verify_checkpoint(checkpoint, &key).map_err(|error| bad(&error))?;
        fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        if fs::read_dir(folder).map_err(|error| failed(folder, &error))?.next().is_some() {
            let path = folder.display();
            return Err(Failure::usage(
                "FOLDER_NOT_EMPTY",
                format!("{path} 不是空文件夹：请另指定一个，以免覆盖已有的导出"),
                format!("{path} is not empty: name another folder, so that no export is overwritten"),
            ));
        }
        Ok(Self {
            entries: writer(&folder.join(ENTRIES))?,
            leaf_hashes: writer(&folder.join(LEAF_HASHES))?,
            folder: folder.to_owned(),
            key,
            note: checkpoint.to_owned(),
            checkpoint: read,
            frontier: Frontier::default(),
        })
    }

    /// Index of the entry wanted next; `None` when the export has all that the checkpoint covers.
    pub fn wants(&self) -> Option<u64> {
        (self.frontier.size() < self.checkpoint.size).then(|| self.frontier.size())
    }

    /// Entries in all, for a progress bar.
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// Writes the next entry.
    ///
    /// # Errors
    /// When the bytes are no entry or not the one wanted next, or cannot be written.
    pub fn entry(&mut self, index: u64, bytes: &[u8]) -> Result<(), Failure> {
        if self.wants() != Some(index) {
            let (zh, en) = (format!("网关给出的条目序号不连续：{index}"), format!("the gateway gave entry {index} out of order"));
            return Err(Failure::new(Exit::Failed, "ENTRY_OUT_OF_ORDER", zh, en));
        }
        let line = write_line(bytes).map_err(|error| {
            let (zh, en) = (format!("第 {index} 条无法读取：{error}"), format!("entry {index}: {error}"));
            Failure::new(Exit::Failed, "BAD_ENTRY", zh, en)
        })?;
        let hash = leaf_hash(bytes);
        writeln!(self.entries, "{line}").map_err(|error| failed(&self.folder.join(ENTRIES), &error))?;
        writeln!(self.leaf_hashes, "{}", hex(&hash)).map_err(|error| failed(&self.folder.join(LEAF_HASHES), &error))?;
        self.frontier.append(hash);
        Ok(())
    }

    /// Ends the export: everything on disk, the checkpoint last.
    ///
    /// # Errors
    /// When entries are missing, they do not give the signed root, or something cannot be written.
    pub fn finish(self) -> Result<Checkpoint, Failure> {
        if self.wants().is_some() || self.frontier.root() != self.checkpoint.root {
            return Err(Failure::new(
                Exit::Failed,
                "ROOT_MISMATCH",
                "网关给出的条目与其签名的检查点不符：请保存此文件夹并报告",
                "the entries that the gateway gave are not those it signed for: keep this folder and report it",
            ));
        }
        let Self { folder, entries, leaf_hashes, key, note, checkpoint, .. } = self;
        sync(entries, &folder.join(ENTRIES))?;
        sync(leaf_hashes, &folder.join(LEAF_HASHES))?;
        let readme = readme(&checkpoint, &key);
        for (name, text) in [(README, readme), (VERIFIER_KEY, format!("{key}\n")), (CHECKPOINT, note)] {
            let path = folder.join(name);
            let mut file = writer(&path)?;
            file.write_all(text.as_bytes()).map_err(|error| failed(&path, &error))?;
            sync(file, &path)?;
        }
        Ok(checkpoint)
    }
}

fn writer(path: &Path) -> Result<BufWriter<File>, Failure> {
    File::create_new(path).map(BufWriter::new).map_err(|error| failed(path, &error))
}

fn sync(writer: BufWriter<File>, path: &Path) -> Result<(), Failure> {
    let file = writer.into_inner().map_err(|error| failed(path, error.error()))?;
    file.sync_all().map_err(|error| failed(path, &error))
}

/// Verifies an exported folder with nothing but its files and, if given, a key that came another way. `progress` is told the number of
/// entries read so far.
///
/// # Errors
/// When a file is missing or cannot be read. What is wrong with the evidence is in the report.
pub fn verify_folder(folder: &Path, pinned: Option<&VerifierKey>, mut progress: impl FnMut(u64)) -> Result<Report, Failure> {
    let key = small_file(&folder.join(VERIFIER_KEY), missing)?;
    let checkpoint = small_file(&folder.join(CHECKPOINT), missing)?;
    let path = folder.join(LEAF_HASHES);
    let leaf_hashes = fs::read(&path).map_err(|error| missing(&path, &error))?;
    let mut verifier = LogVerifier::begin(&key, pinned, &checkpoint, &String::from_utf8_lossy(&leaf_hashes));
    drop(leaf_hashes);
    let path = folder.join(ENTRIES);
    let mut file = BufReader::new(File::open(&path).map_err(|error| missing(&path, &error))?);
    let mut line = Vec::new();
    let mut count = 0;
    while file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(|error| failed(&path, &error))? > 0 {
        verifier.line(line.strip_suffix(b"\n").unwrap_or(&line));
        line.clear();
        count += 1;
        progress(count);
    }
    Ok(verifier.finish())
}

/// Verifies the file of a single proof.
///
/// # Errors
/// When it cannot be read or does not hold.
pub fn verify_proof_file(path: &Path, pinned: Option<&VerifierKey>) -> Result<ProvedEntry, Failure> {
    let text = small_file(path, super::door::unreadable)?;
    ProofFile::parse(&text).and_then(|file| file.verify(pinned)).map_err(|error| {
        let path = path.display();
        let (zh, en) = (format!("{path}：证明不成立：{error}"), format!("{path}: the proof does not hold: {error}"));
        Failure::new(Exit::Failed, "PROOF_DOES_NOT_HOLD", zh, en)
    })
}

fn missing(path: &Path, error: &io::Error) -> Failure {
    if error.kind() != io::ErrorKind::NotFound {
        return failed(path, error);
    }
    let path = path.display();
    Failure::usage(
        "NOT_AN_EXPORT",
        format!("缺少 {path}：这不是证据导出文件夹，或导出没有完成"),
        format!("{path} is missing: this is no exported evidence log, or the export did not come to its end"),
    )
}

fn small_file(path: &Path, not_opened: fn(&Path, &io::Error) -> Failure) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| not_opened(path, &error))?;
    file.take(MAX_SMALL_FILE).read_to_end(&mut bytes).map_err(|error| failed(path, &error))?;
    // Bytes that are no text become characters that no form allows: they are refused as changed, not as unreadable.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn readme(checkpoint: &Checkpoint, key: &VerifierKey) -> String {
    let Checkpoint { origin, size, root } = checkpoint;
    let root = hex(root);
    format!(
        "证据日志导出 · An exported evidence log
==========================================

日志 / log           {origin}
条数 / entries       {size}
根哈希 / root        {root}
公钥 / verifier key  {key}

验证 · How to verify
--------------------
    tongbao evidence verify <本文件夹 / this folder> --key '<公钥 / verifier key>'

请使用从其他渠道取得的公钥（例如接入时书面交换的公钥），不要只信任本文件夹中的 verifier-key。
Give the key that you received another way, e.g. on paper when you joined; do not trust the one in this folder alone.

不用本程序也可验证 · Without this program
----------------------------------------
1. `checkpoint` 是 C2SP signed-note：第 1 行日志名，第 2 行条数，第 3 行根哈希（base64），空行后为 Ed25519 签名
   （base64 前 4 字节是公钥编号，其余 64 字节是对空行之前全部文本的签名）。
   `checkpoint` is a C2SP signed note: name of the log, number of entries, root in base64; after the empty line the Ed25519
   signature of the text before it (the first 4 bytes name the key, the other 64 are the signature).
2. `entries.jsonl` 每行一条；字段 entry 是规范字节（base64），says 是其内容。叶哈希 = SHA-256(0x00 ‖ 规范字节)，
   应与 `leaf-hashes` 同一行相同。
   `entries.jsonl` has one entry a line: `entry` is its canonical bytes in base64, `says` what they say. Its leaf hash is
   SHA-256(0x00 ‖ bytes) and stands in the same line of `leaf-hashes`.
3. 按 RFC 6962 第 2.1 节由叶哈希算出根：节点 = SHA-256(0x01 ‖ 左 ‖ 右)。应与检查点的根相同。
   The root over the leaf hashes by RFC 6962 section 2.1, nodes being SHA-256(0x01 ‖ left ‖ right), is that of the checkpoint.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::{ActKind, Actor, CheckpointSigner, EvidenceDraft, inclusion_plan, tree_root};

    fn entries(size: u64) -> Vec<Vec<u8>> {
        let draft = EvidenceDraft::new(ActKind::Attest, Actor::default(), "tongbao.v1.PublishService/Attest");
        (0..size).map(|index| draft.seal(index, 1_700_000_000_000_000 + index as i64, index)).collect()
    }

    fn signer() -> CheckpointSigner {
        CheckpointSigner::from_seed("tongbao/00ff", &[9; 32]).expect("a key")
    }

    fn note(entries: &[Vec<u8>]) -> String {
        let root = tree_root(entries.iter().map(|entry| leaf_hash(entry)));
        signer().sign(entries.len() as u64, root).expect("signed").to_string()
    }

    fn export(folder: &Path, entries: &[Vec<u8>]) {
        let mut writer = FolderWriter::create(folder, &signer().verifier().to_string(), &note(entries)).expect("begun");
        for (index, entry) in entries.iter().enumerate() {
            assert_eq!(writer.wants(), Some(index as u64));
            writer.entry(index as u64, entry).expect("written");
        }
        assert_eq!(writer.finish().expect("ended").size, entries.len() as u64);
    }

    #[test]
    fn an_export_verifies_and_one_changed_byte_names_its_entry() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("export");
        export(&folder, &entries(40));
        let mut seen = 0;
        let report = verify_folder(&folder, Some(signer().verifier()), |count| seen = count).expect("readable");
        assert!(report.is_sound(), "{:?}", report.problems);
        assert_eq!((seen, report.size), (40, 40));

        let path = folder.join(ENTRIES);
        let mut bytes = fs::read(&path).expect("readable");
        let start = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(16).expect("17 lines").0;
        bytes[start + 60] ^= 1;
        fs::write(&path, bytes).expect("writable");
        let report = verify_folder(&folder, Some(signer().verifier()), |_| ()).expect("readable");
        assert_eq!(report.damaged_entries, [17]);
        assert_eq!(report.problems[0].field, "entries[17]");
    }

    #[test]
    fn an_empty_log_is_exported_too() {
        let home = tempfile::tempdir().expect("a folder");
        export(home.path(), &[]);
        assert!(verify_folder(home.path(), None, |_| ()).expect("readable").is_sound());
    }

    #[test]
    fn an_export_that_did_not_end_is_none() {
        let home = tempfile::tempdir().expect("a folder");
        let all = entries(3);
        let mut writer = FolderWriter::create(home.path(), &signer().verifier().to_string(), &note(&all)).expect("begun");
        writer.entry(0, &all[0]).expect("written");
        assert_eq!(writer.entry(2, &all[2]).expect_err("a gap").reason, "ENTRY_OUT_OF_ORDER");
        assert_eq!(writer.finish().expect_err("incomplete").reason, "ROOT_MISMATCH");
        assert_eq!(verify_folder(home.path(), None, |_| ()).expect_err("no checkpoint").reason, "NOT_AN_EXPORT");
        let again = FolderWriter::create(home.path(), &signer().verifier().to_string(), &note(&all));
        assert_eq!(again.err().expect("not empty").reason, "FOLDER_NOT_EMPTY");
    }

    #[test]
    fn entries_that_were_not_signed_for_are_not_exported() {
        let home = tempfile::tempdir().expect("a folder");
        let mut all = entries(3);
        let note = note(&all);
        all[1] = EvidenceDraft::new(ActKind::Settle, Actor::default(), "m").seal(1, 1_700_000_000_000_001, 1);
        let mut writer = FolderWriter::create(home.path(), &signer().verifier().to_string(), &note).expect("begun");
        for (index, entry) in all.iter().enumerate() {
            writer.entry(index as u64, entry).expect("written");
        }
        assert_eq!(writer.finish().expect_err("another log").reason, "ROOT_MISMATCH");
    }

    #[test]
    fn the_file_of_a_proof_is_verified() {
        let home = tempfile::tempdir().expect("a folder");
        let all = entries(2);
        assert_eq!(inclusion_plan(1, 2).expect("inside").nodes(), [(0, 0)]);
        let hashes = [leaf_hash(&all[0])];
        let file = ProofFile::new(&all[1], 2, &hashes, &note(&all), &signer().verifier().to_string()).expect("an entry");
        let path = home.path().join("proof.json");
        let text = serde_json::to_string_pretty(&file).expect("json");
        fs::write(&path, &text).expect("writable");
        assert_eq!(verify_proof_file(&path, Some(signer().verifier())).expect("holds").entry.index, 1);
        fs::write(&path, text.replace("attest", "settle")).expect("writable");
        assert_eq!(verify_proof_file(&path, None).expect_err("changed").reason, "PROOF_DOES_NOT_HOLD");
        assert_eq!(verify_proof_file(&home.path().join("none"), None).expect_err("missing").reason, "FILE_UNREADABLE");
    }
}
