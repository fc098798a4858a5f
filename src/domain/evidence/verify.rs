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
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{
            checkpoint::CheckpointSigner,
            entry::{ActKind, Actor, EvidenceDraft},
            export::{
                tests::{log, signed, signer},
                write_line,
            },
        },
        *,
    };

    /// An export in memory.
    #[derive(Clone)]
    struct Export {
        key: String,
        checkpoint: String,
        leaf_hashes: String,
        entries: Vec<u8>,
    }

    fn export_of(entries: &[Vec<u8>]) -> Export {
        let lines: Vec<String> = entries.iter().map(|entry| write_line(entry).expect("an entry") + "\n").collect();
        Export {
            key: signer().verifier().to_string(),
            checkpoint: signed(entries),
            leaf_hashes: entries.iter().map(|entry| hex(&leaf_hash(entry)) + "\n").collect(),
            entries: lines.concat().into_bytes(),
        }
    }

    fn verify(export: &Export, pinned: Option<&VerifierKey>) -> Report {
        let mut verifier = LogVerifier::begin(&export.key, pinned, &export.checkpoint, &export.leaf_hashes);
        if let Some(lines) = export.entries.strip_suffix(b"\n") {
            lines.split(|byte| *byte == b'\n').for_each(|line| verifier.line(line));
        }
        verifier.finish()
    }

    fn reasons(report: &Report) -> Vec<(&str, &str)> {
        report.problems.iter().map(|problem| (problem.field.as_str(), problem.reason)).collect()
    }

    #[test]
    fn a_true_export_is_sound() {
        for size in [0, 1, 2, 7, 300] {
            let report = verify(&export_of(&log(size)), Some(signer().verifier()));
            assert!(report.is_sound(), "{:?}", report.problems);
            assert_eq!((report.size, report.entries, report.key_is_pinned), (size, size, true));
        }
    }

    #[test]
    fn an_entry_changed_in_good_form_is_named() {
        let original = log(20);
        let mut export = export_of(&original);
        let mut forged = original.clone();
        let draft = EvidenceDraft::new(ActKind::Attest, Actor::default(), "tongbao.v1.PublishService/Attest");
        forged[13] = draft.seal(13, 1_700_000_000_000_013, 14);
        export.entries = export_of(&forged).entries;
        let report = verify(&export, None);
        assert_eq!(report.damaged_entries, [13]);
        assert_eq!(reasons(&report), [("entries[13]", "ENTRY_CHANGED")]);
        // With its leaf hash forged too, the root still tells that something is wrong.
        export.leaf_hashes = export_of(&forged).leaf_hashes;
        assert_eq!(reasons(&verify(&export, None)), [("leaf-hashes", "ROOT_MISMATCH")]);
        // With all of it signed by another, the pinned key tells.
        export.checkpoint = signed(&forged);
        assert!(verify(&export, Some(signer().verifier())).is_sound());
        let trusted = CheckpointSigner::from_seed("tongbao/00ff", &[8; 32]).expect("a key");
        assert_eq!(reasons(&verify(&export, Some(trusted.verifier()))), [("verifier-key", "OTHER_KEY")]);
    }

    #[test]
    fn a_changed_leaf_hash_is_told_from_a_changed_entry() {
        let mut export = export_of(&log(9));
        export.leaf_hashes = export.leaf_hashes.replacen(&hex(&leaf_hash(&log(9)[4])), &hex(&[0; 32]), 1);
        let report = verify(&export, None);
        assert!(report.damaged_entries.is_empty());
        assert_eq!(reasons(&report), [("leaf-hashes", "LEAF_HASH_CHANGED"), ("leaf-hashes", "ROOT_MISMATCH")]);
        export.leaf_hashes = "xyz\n".to_owned();
        assert_eq!(reasons(&verify(&export, None))[0], ("leaf-hashes", "BAD_LEAF_HASH"));
    }

    #[test]
    fn missing_doubled_and_added_entries_are_named() {
        let original = log(9);
        let export = export_of(&original);
        let with = |indexes: &[usize]| {
            let chosen: Vec<Vec<u8>> = indexes.iter().map(|&index| original[index].clone()).collect();
            verify(&Export { entries: export_of(&chosen).entries, ..export.clone() }, None)
        };
        assert_eq!(reasons(&with(&[0, 1, 2, 5, 6, 7, 8])), [("entries[3]", "ENTRY_MISSING")]);
        assert_eq!(reasons(&with(&[0, 1, 2, 3, 4, 5])), [("entries[6]", "ENTRY_MISSING")]);
        assert_eq!(reasons(&with(&[]))[0], ("entries[0]", "ENTRY_MISSING"));
        let doubled = with(&[0, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(reasons(&doubled).contains(&("entries[1]", "ENTRY_OUT_OF_ORDER")), "{:?}", doubled.problems);
        let swapped = with(&[0, 2, 1, 3, 4, 5, 6, 7, 8]);
        assert!(!swapped.is_sound());
        let longer = verify(&Export { entries: export_of(&log(10)).entries, ..export }, None);
        assert!(reasons(&longer).contains(&("entries[9]", "ENTRY_NOT_SIGNED")), "{:?}", longer.problems);
    }

    #[test]
    fn time_and_head_never_go_back() {
        let draft = EvidenceDraft::new(ActKind::Attest, Actor::default(), "m");
        let entries = [draft.seal(0, 10, 5), draft.seal(1, 9, 5), draft.seal(2, 9, 4)];
        let report = verify(&export_of(&entries), None);
        assert_eq!(reasons(&report), [("entries[1]", "TIME_GOES_BACK"), ("entries[2]", "HEAD_GOES_BACK")]);
    }

    #[test]
    fn a_bad_key_or_checkpoint_stops_the_rest() {
        let export = export_of(&log(3));
        let bad = Export { key: "nonsense".to_owned(), ..export.clone() };
        assert_eq!(reasons(&verify(&bad, None)), [("verifier-key", "BAD_KEY")]);
        let bad = Export { checkpoint: export.checkpoint.replacen('3', "4", 1), ..export };
        assert_eq!(reasons(&verify(&bad, None)), [("checkpoint", "BAD_CHECKPOINT")]);
    }

    #[test]
    fn many_problems_are_counted() {
        let export = export_of(&log(300));
        let report = verify(&Export { entries: b"x\n".repeat(300), ..export }, None);
        assert_eq!((report.problems.len(), report.damaged_entries.len(), report.more_problems), (100, 100, 200));
    }

    proptest! {
        #[test]
        fn one_changed_byte_among_the_entries_names_its_entry(at in any::<prop::sample::Index>(), change in 1u8..) {
            let mut export = export_of(&log(12));
            let place = at.index(export.entries.len());
            let line = export.entries[..place].split(|byte| *byte == b'\n').count() as u64 - 1;
            let was_newline = export.entries[place] == b'\n';
            export.entries[place] ^= change;
            let report = verify(&export, None);
            prop_assert!(!report.is_sound());
            // A newline gained or lost moves the lines; else exactly the entry of that line is named.
            if !was_newline && export.entries[place] != b'\n' {
                prop_assert_eq!(&report.damaged_entries, &[line]);
            } else {
                prop_assert!(report.damaged_entries.contains(&line), "{:?}", report.problems);
            }
        }

        #[test]
        fn one_changed_byte_elsewhere_fails_too(at in any::<prop::sample::Index>(), change in 1u8..128, file in 0..3) {
            let mut export = export_of(&log(12));
            let text = match file { 0 => &mut export.key, 1 => &mut export.checkpoint, _ => &mut export.leaf_hashes };
            let mut bytes = std::mem::take(text).into_bytes();
            let place = at.index(bytes.len());
            bytes[place] ^= change;
            *text = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert!(!verify(&export, None).is_sound());
        }
    }
}
