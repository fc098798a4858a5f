//! Verifies a whole exported log, with nothing but the files and a public key.
//!
//! A changed byte must fail *and name the entry*. A root alone says only that something differs, so an export carries the leaf hashes
//! too. They are not trusted: they are vouched for by the root that is signed, and then tell which entry is not what it was. When
//! entry and leaf hash were changed together the root fits neither, and that is said.

use serde::Serialize;

use super::{
    canonical::Entry,
    checkpoint::verify_checkpoint,
    export::{LineError, parse_digest, read_line},
    merkle::{Frontier, leaf_hash, tree_root},
    note::VerifierKey,
};
use crate::domain::{
    digest::{Digest, hex},
    ids::{Micros, Position},
    violation::{Text, Violation},
};

/// Problems told one by one; more are counted.
const MAX_PROBLEMS: usize = 100;

/// What an offline verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Report {
    /// Name of the log; empty when the checkpoint is not good.
    pub origin: String,
    /// Entries by the checkpoint.
    pub size: u64,
    /// Root by the checkpoint, hexadecimal.
    pub root: String,
    /// The key that the checkpoint was verified with.
    pub verifier_key: String,
    /// True when that key was given by the one who verifies; else the log is only proved to agree with itself.
    pub key_is_pinned: bool,
    /// Entries read.
    pub entries: u64,
    /// Time of the first entry, microseconds since 1970-01-01T00:00:00Z.
    pub first_time_us: Option<Micros>,
    /// Time of the last entry.
    pub last_time_us: Option<Micros>,
    /// Indexes of the entries that something is wrong with, ascending, at most 100.
    pub damaged_entries: Vec<u64>,
    /// Everything found: `field` is `entries[<index>]` or the name of a file.
    #[serde(skip)]
    pub problems: Vec<Violation>,
    /// Problems beyond the first 100.
    pub more_problems: u64,
}

impl Report {
    /// True when everything holds.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn file(&mut self, name: &str, reason: &'static str, zh: String, en: String) {
        self.push(Violation { field: name.to_owned(), reason, text: Text::new(zh, en) });
    }

    fn entry(&mut self, index: u64, reason: &'static str, zh: &str, en: &str) {
        if self.damaged_entries.len() < MAX_PROBLEMS && !self.damaged_entries.contains(&index) {
            self.damaged_entries.push(index);
            self.damaged_entries.sort_unstable();
        }
        let text = Text::new(format!("第 {index} 条：{zh}"), format!("entry {index}: {en}"));
        self.push(Violation { field: format!("entries[{index}]"), reason, text });
    }

    fn push(&mut self, problem: Violation) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.more_problems += 1;
        }
    }
}

/// Verifies a log line by line: memory is 32 bytes an entry.
pub struct LogVerifier {
    report: Report,
    /// Root by the checkpoint; `None` when the checkpoint is not good.
    root: Option<Digest>,
    listed: Vec<Digest>,
    /// The leaf hashes give the signed root: what differs from them was changed.
    listed_is_vouched: bool,
    /// Of the entries as they are; meaningless once one of them could not be read.
    computed: Frontier,
    all_read: bool,
    next: u64,
    time: Micros,
    head: Position,
    /// Entries whose hash is not the listed one.
    differing: Vec<u64>,
}

impl LogVerifier {
    /// Begins with what vouches for the rest: the key in the export, the key trusted (if one came another way), the signed checkpoint,
    /// and the leaf hashes, 64 hexadecimal digits a line.
    #[must_use]
    pub fn begin(exported_key: &str, pinned: Option<&VerifierKey>, checkpoint: &str, leaf_hashes: &str) -> Self {
        let mut report = Report { key_is_pinned: pinned.is_some(), ..Report::default() };
        let root = read_checkpoint(&mut report, exported_key, pinned, checkpoint);
        let listed = read_leaf_hashes(&mut report, leaf_hashes);
        let listed_is_vouched = root.is_some_and(|root| tree_root(listed.iter().copied()) == root);
        Self {
            report,
            root,
            listed,
            listed_is_vouched,
            computed: Frontier::default(),
            all_read: true,
            next: 0,
            time: 0,
            head: 0,
            differing: Vec::new(),
        }
    }

    /// Takes the next line, without its newline.
    pub fn line(&mut self, line: &[u8]) {
        self.report.entries += 1;
        let read = std::str::from_utf8(line).map_err(|_| LineError::NotJson).and_then(read_line);
        match read {
            Ok((entry, bytes)) => self.entry(&entry, &bytes),
            Err(error) => {
                let en = error.to_string();
                self.report.entry(
                    self.next,
                    "ENTRY_CHANGED",
                    &format!("内容已被改动或损坏（{en}）"),
                    &format!("it was changed or damaged: {en}"),
                );
                self.all_read = false;
                self.next += 1;
            }
        }
    }

    fn entry(&mut self, entry: &Entry, bytes: &[u8]) {
        if entry.index != self.next {
            self.out_of_place(entry.index);
        }
        let hash = leaf_hash(bytes);
        self.computed.append(hash);
        if self.listed.get(entry.index as usize).is_some_and(|listed| *listed != hash) {
            self.differing.push(entry.index);
        }
        if entry.time_us < self.time {
            self.report.entry(entry.index, "TIME_GOES_BACK", "时间早于前一条", "its time is before that of the entry before it");
        }
        if entry.head < self.head {
            self.report.entry(
                entry.index,
                "HEAD_GOES_BACK",
                "台账位置小于前一条",
                "its ledger head is below that of the entry before it",
            );
        }
        (self.time, self.head) = (entry.time_us, entry.head);
        self.report.first_time_us.get_or_insert(entry.time_us);
        self.report.last_time_us = Some(entry.time_us);
        self.next = entry.index.saturating_add(1);
    }

    fn out_of_place(&mut self, found: u64) {
        self.all_read = false;
        let expected = self.next;
        if found > expected {
            let last = found - 1;
            self.report.entry(
                expected,
                "ENTRY_MISSING",
                &format!("缺失（至第 {last} 条）"),
                &format!("missing, with all up to {last}"),
            );
        } else {
            let (zh, en) = (format!("此处应为第 {expected} 条"), format!("it stands where entry {expected} belongs"));
            self.report.entry(found, "ENTRY_OUT_OF_ORDER", &zh, &en);
        }
    }

    /// The findings, after the last line.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let Some(root) = self.root else { return self.report };
        if self.next < self.report.size {
            let last = self.report.size - 1;
            self.report.entry(
                self.next,
                "ENTRY_MISSING",
                &format!("缺失（至第 {last} 条）"),
                &format!("missing, with all up to {last}: the file is cut short"),
            );
            self.all_read = false;
        } else if self.next > self.report.size {
            let zh = format!("检查点只涵盖 {} 条，其后的条目没有签名担保", self.report.size);
            let en = format!("the checkpoint covers {} entries: nobody signed for those after", self.report.size);
            self.report.entry(self.report.size, "ENTRY_NOT_SIGNED", &zh, &en);
        }
        let entries_are_sound = self.all_read && self.computed.root() == root;
        if entries_are_sound && self.listed_is_vouched {
            return self.report;
        }
        self.tell_differences(entries_are_sound);
        self.report
    }

    fn tell_differences(&mut self, entries_are_sound: bool) {
        for index in std::mem::take(&mut self.differing) {
            if entries_are_sound {
                let (zh, en) = (
                    format!("第 {index} 条的叶哈希已被改动，条目本身完好"),
                    format!("the leaf hash of entry {index} was changed; the entry itself is sound"),
                );
                self.report.file("leaf-hashes", "LEAF_HASH_CHANGED", zh, en);
            } else {
                self.report.entry(
                    index,
                    "ENTRY_CHANGED",
                    "内容与导出时的叶哈希不符：条目已被改动",
                    "it is not what its leaf hash was made of: it was changed after the export",
                );
            }
        }
        if !self.listed_is_vouched {
            self.report.file(
                "leaf-hashes",
                "ROOT_MISMATCH",
                "叶哈希算出的根与检查点不符：叶哈希被改动、缺失或增多；若条目与叶哈希被同时改动，则无法指出是哪一条".to_owned(),
                "the leaf hashes do not give the signed root: some were changed, lost or added; if an entry was changed together with \
                 its leaf hash, nobody can tell which"
                    .to_owned(),
            );
        } else if self.report.problems.is_empty() {
            self.report.file(
                "entries.jsonl",
                "ROOT_MISMATCH",
                "条目算出的根与检查点不符".to_owned(),
                "the entries do not give the signed root".to_owned(),
            );
        }
    }
}

fn read_checkpoint(report: &mut Report, exported_key: &str, pinned: Option<&VerifierKey>, checkpoint: &str) -> Option<Digest> {
    let exported = match VerifierKey::parse(exported_key) {
        Ok(key) => key,
        Err(error) => {
            report.file("verifier-key", "BAD_KEY", format!("公钥文件有误：{error}"), error.to_string());
            return None;
        }
    };
    report.verifier_key = exported.to_string();
    if let Some(pinned) = pinned
        && *pinned != exported
    {
        report.file(
            "verifier-key",
            "OTHER_KEY",
            format!("导出所带公钥不是所信任的公钥 {pinned}：这不是该台账的日志，或公钥已被替换"),
            format!("the key in the export is not the trusted one, {pinned}: this is another log, or the key was replaced"),
        );
        return None;
    }
    match verify_checkpoint(checkpoint, &exported) {
        Ok(read) => {
            (report.origin, report.size, report.root) = (read.origin, read.size, hex(&read.root));
            Some(read.root)
        }
        Err(error) => {
            report.file("checkpoint", "BAD_CHECKPOINT", format!("检查点有误：{error}"), error.to_string());
            None
        }
    }
}

fn read_leaf_hashes(report: &mut Report, text: &str) -> Vec<Digest> {
    let mut listed = Vec::with_capacity(text.len() / 65);
    let whole = text.strip_suffix('\n').unwrap_or(text);
    if whole.is_empty() {
        return listed;
    }
    for (line, hash) in whole.split('\n').enumerate() {
        let read = parse_digest(hash);
        if read.is_none() {
            report.file(
                "leaf-hashes",
                "BAD_LEAF_HASH",
                format!("第 {} 行不是 64 位小写十六进制数", line + 1),
                format!("line {} is not 64 lower-case hexadecimal digits", line + 1),
            );
        }
        // A placeholder keeps the later ones in their places.
        listed.push(read.unwrap_or_default());
    }
    listed
}

#[cfg(test)]
mod tests;
