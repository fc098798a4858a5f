//! The written forms of evidence outside the gateway: one line of an exported log, and the file of a single proof.
//!
//! Invariant: a line has exactly one form for given canonical bytes. A reader writes it again and compares, so that what a person reads
//! in the line and what the tree holds can never differ. The form of a format version never changes.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{
    canonical::{Entry, EntryError, read_entry},
    checkpoint::{Checkpoint, verify_checkpoint},
    merkle::leaf_hash,
    note::{NoteError, VerifierKey},
    proof::verify_inclusion,
};
use crate::domain::digest::{Digest, hex};

/// Name of the form of a proof file.
pub const PROOF_FORMAT: &str = "tongbao-inclusion-proof/1";

#[derive(Serialize)]
struct Line<'a> {
    index: u64,
    entry: String,
    says: &'a Entry,
}

#[derive(Deserialize)]
struct EncodedLine {
    entry: String,
}

/// Why a line of an exported log was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not JSON, or without the field `entry`.
    #[error("not one JSON object with a field `entry`")]
    NotJson,
    /// `entry` is no canonical base64.
    #[error("`entry` is not base64")]
    NotBase64,
    /// The bytes are no entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The bytes say something else than the rest of the line.
    #[error("the line does not say what its bytes say")]
    Disagrees,
}

/// Writes one line, without its newline: index, canonical bytes in base64, and what they say.
///
/// # Errors
/// When the bytes are no entry.
pub fn write_line(bytes: &[u8]) -> Result<String, LineError> {
    let entry = read_entry(bytes)?;
    line_of(bytes, &entry)
}

fn line_of(bytes: &[u8], entry: &Entry) -> Result<String, LineError> {
    let line = Line { index: entry.index, entry: STANDARD.encode(bytes), says: entry };
    serde_json::to_string(&line).map_err(|_| LineError::NotJson)
}

/// Reads one line, without its newline: the entry and its canonical bytes.
///
/// # Errors
/// Unless it is exactly what [`write_line`] writes for the bytes in it.
pub fn read_line(line: &str) -> Result<(Entry, Vec<u8>), LineError> {
    let encoded: EncodedLine = serde_json::from_str(line).map_err(|_| LineError::NotJson)?;
    let bytes = STANDARD.decode(&encoded.entry).map_err(|_| LineError::NotBase64)?;
    let entry = read_entry(&bytes)?;
    if line_of(&bytes, &entry)? != line {
        return Err(LineError::Disagrees);
    }
    Ok((entry, bytes))
}

/// The proof that one entry is in the log, as a file that stands for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofFile {
    /// [`PROOF_FORMAT`].
    pub format: String,
    /// Index of the entry.
    pub index: u64,
    /// Size of the tree, which is that of the checkpoint.
    pub tree_size: u64,
    /// Canonical bytes of the entry, base64.
    pub entry: String,
    /// What they say.
    pub says: serde_json::Value,
    /// Hashes from the leaf's sibling up, lower-case hexadecimal.
    pub hashes: Vec<String>,
    /// Signed checkpoint.
    pub checkpoint: String,
    /// Verifier key. Trust it only after comparing it with one that came another way.
    pub verifier_key: String,
}

/// Why a proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not of the form.
    #[error("not a proof file: {0}")]
    Malformed(String),
    /// The checkpoint or the key is not good.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] NoteError),
    /// The key in the file is not the one asked for.
    #[error("the file carries the key {found}, and {pinned} is trusted")]
    OtherKey {
        /// In the file.
        found: String,
        /// Asked for.
        pinned: String,
    },
    /// The entry's bytes are not good.
    #[error("entry {index}: {error}")]
    Entry {
        /// Index claimed.
        index: u64,
        /// What is wrong.
        error: LineError,
    },
    /// The hashes do not lead from the entry to the root of the checkpoint.
    #[error("entry {0} is not in the tree of the checkpoint: the entry, its index or the hashes were changed")]
    NotIncluded(u64),
}

/// What a proof proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvedEntry {
    /// The entry.
    pub entry: Entry,
    /// The head of the log it is in.
    pub checkpoint: Checkpoint,
}

impl ProofFile {
    /// Puts a proof together. What goes in is not verified here: use [`ProofFile::verify`].
    ///
    /// # Errors
    /// When the bytes are no entry.
    pub fn new(bytes: &[u8], tree_size: u64, hashes: &[Digest], checkpoint: &str, verifier_key: &str) -> Result<Self, LineError> {
        let entry = read_entry(bytes)?;
        Ok(Self {
            format: PROOF_FORMAT.to_owned(),
            index: entry.index,
            tree_size,
            entry: STANDARD.encode(bytes),
            says: serde_json::to_value(&entry).map_err(|_| LineError::NotJson)?,
            hashes: hashes.iter().map(|hash| hex(hash)).collect(),
            checkpoint: checkpoint.to_owned(),
            verifier_key: verifier_key.to_owned(),
        })
    }

    /// Reads the text of a proof file.
    ///
    /// # Errors
    /// When it is not JSON of the form.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let read: Self = serde_json::from_str(text).map_err(|error| ProofError::Malformed(error.to_string()))?;
        if read.format != PROOF_FORMAT {
            return Err(ProofError::Malformed(format!("format `{}`, and this program knows `{PROOF_FORMAT}`", read.format)));
        }
        Ok(read)
    }

    /// Verifies everything in it: the signature, the entry's form, and the way from the entry to the root. Without a pinned key it is
    /// only proved that the file agrees with itself.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify(&self, pinned: Option<&VerifierKey>) -> Result<ProvedEntry, ProofError> {
        let key = VerifierKey::parse(&self.verifier_key)?;
        if let Some(pinned) = pinned
            && *pinned != key
        {
            return Err(ProofError::OtherKey { found: key.to_string(), pinned: pinned.to_string() });
        }
        let checkpoint = verify_checkpoint(&self.checkpoint, &key)?;
        if checkpoint.size != self.tree_size {
            return Err(ProofError::Malformed("tree_size is not the size of the checkpoint".to_owned()));
        }
        let wrong = |error| ProofError::Entry { index: self.index, error };
        let bytes = STANDARD.decode(&self.entry).map_err(|_| wrong(LineError::NotBase64))?;
        let entry = read_entry(&bytes).map_err(|error| wrong(error.into()))?;
        let says = serde_json::to_value(&entry).map_err(|_| wrong(LineError::NotJson))?;
        if says != self.says || entry.index != self.index {
            return Err(wrong(LineError::Disagrees));
        }
        let hashes: Option<Vec<Digest>> = self.hashes.iter().map(|text| parse_digest(text)).collect();
        let hashes =
            hashes.ok_or_else(|| ProofError::Malformed("hashes are 64 lower-case hexadecimal digits each".to_owned()))?;
        if verify_inclusion(&leaf_hash(&bytes), self.index, self.tree_size, &hashes, &checkpoint.root) {
            return Ok(ProvedEntry { entry, checkpoint });
        }
        Err(ProofError::NotIncluded(self.index))
    }
}

/// Reads 64 lower-case hexadecimal digits.
pub(super) fn parse_digest(text: &str) -> Option<Digest> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != 32 {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut digest = [0; 32];
    for (place, [high, low]) in digest.iter_mut().zip(pairs) {
        *place = digit(*high)? << 4 | digit(*low)?;
    }
    Some(digest)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::{
        super::{
            checkpoint::CheckpointSigner,
            entry::{ActKind, Actor, EvidenceDraft, PositionRange},
            merkle::tree_root,
            proof::inclusion_plan,
        },
        *,
    };

    /// The canonical bytes of a small log.
    pub fn log(size: u64) -> Vec<Vec<u8>> {
        (0..size)
            .map(|index| {
                let draft = EvidenceDraft {
                    positions: vec![PositionRange { first: index + 1, last: index + 1 }],
                    subjects: vec![format!("amr-330000/{index}")],
                    ..EvidenceDraft::new(ActKind::Publish, Actor::default(), "tongbao.v1.PublishService/Publish")
                };
                draft.seal(index, 1_700_000_000_000_000 + index as i64, index + 1)
            })
            .collect()
    }

    pub fn signer() -> CheckpointSigner {
        CheckpointSigner::from_seed("tongbao/00ff", &[9; 32]).expect("a key")
    }

    pub fn signed(entries: &[Vec<u8>]) -> String {
        let root = tree_root(entries.iter().map(|entry| leaf_hash(entry)));
        signer().sign(entries.len() as u64, root).expect("signed").to_string()
    }

    fn proof(size: u64, index: u64) -> ProofFile {
        let entries = log(size);
        let plan = inclusion_plan(index, size).expect("inside");
        let subtree = |&(level, at): &(u8, u64)| {
            let range = (at << level) as usize..((at + 1) << level) as usize;
            tree_root(entries[range].iter().map(|entry| leaf_hash(entry)))
        };
        let hashes = plan.assemble(&plan.nodes().iter().map(subtree).collect::<Vec<_>>()).expect("all read");
        ProofFile::new(&entries[index as usize], size, &hashes, &signed(&entries), &signer().verifier().to_string())
            .expect("an entry")
    }

    #[test]
    fn a_line_is_read_back_and_says_what_its_bytes_say() {
        let bytes = &log(4)[3];
        let line = write_line(bytes).expect("an entry");
        assert!(line.starts_with(r#"{"index":3,"entry":""#), "{line}");
        assert!(line.contains(r#""kind":"publish""#) && line.contains(r#""positions":[{"first":4,"last":4}]"#), "{line}");
        let (entry, read) = read_line(&line).expect("own line");
        assert_eq!((entry.index, &read), (3, bytes));
        assert_eq!(read_line(&line.replace("publish\"", "attest\"")), Err(LineError::Disagrees));
        assert_eq!(read_line(&line.replace(r#"{"index":3"#, r#"{"index":4"#)), Err(LineError::Disagrees));
        assert_eq!(read_line(&format!("{line} ")), Err(LineError::Disagrees));
        assert_eq!(read_line("{}"), Err(LineError::NotJson));
    }

    #[test]
    fn a_proof_file_proves_its_entry() {
        let file = proof(11, 6);
        let text = serde_json::to_string_pretty(&file).expect("json");
        let proved = ProofFile::parse(&text).expect("own file").verify(Some(signer().verifier())).expect("holds");
        assert_eq!((proved.entry.index, proved.checkpoint.size), (6, 11));
        let other = CheckpointSigner::from_seed("tongbao/00ff", &[8; 32]).expect("a key");
        assert!(matches!(file.verify(Some(other.verifier())), Err(ProofError::OtherKey { .. })));
    }

    #[test]
    fn a_changed_proof_file_proves_nothing() {
        type Change = fn(&mut ProofFile, &[Vec<u8>]);
        let good = proof(11, 6);
        let entries = log(11);
        let changes: [Change; 9] = [
            |file, _| file.index = 7,
            |file, _| file.tree_size = 12,
            |file, entries| file.entry = STANDARD.encode(&entries[7]),
            |file, _| file.says["outcome"] = "DENIED".into(),
            |file, _| file.hashes.swap(0, 1),
            |file, _| file.hashes[0].make_ascii_uppercase(),
            |file, _| drop(file.hashes.pop()),
            |file, _| file.checkpoint = file.checkpoint.replacen("11", "12", 1),
            |file, _| file.verifier_key = file.verifier_key.replacen("00ff", "00fe", 1),
        ];
        assert!(good.verify(None).is_ok());
        for (number, change) in changes.into_iter().enumerate() {
            let mut file = good.clone();
            change(&mut file, &entries);
            assert!(file.verify(None).is_err(), "change {number}");
        }
        let mut swapped = good.clone();
        let other = proof(11, 7);
        (swapped.index, swapped.entry, swapped.says) = (other.index, other.entry, other.says);
        assert_eq!(swapped.verify(None), Err(ProofError::NotIncluded(7)));
        assert!(matches!(ProofFile::parse("{}"), Err(ProofError::Malformed(_))));
        let later = ProofFile { format: "tongbao-inclusion-proof/2".to_owned(), ..good };
        assert!(ProofFile::parse(&serde_json::to_string(&later).expect("json")).is_err());
    }

    proptest! {
        #[test]
        fn any_changed_byte_of_a_line_is_refused(at in any::<prop::sample::Index>(), change in 1u8..) {
            let mut line = write_line(&log(4)[3]).expect("an entry").into_bytes();
            let place = at.index(line.len());
            line[place] ^= change;
            if let Ok(text) = String::from_utf8(line) {
                // A changed digit inside the entry's bytes can be a well-formed other entry only if the rest of the line agrees.
                prop_assert!(read_line(&text).is_err());
            }
        }

        #[test]
        fn any_text_is_no_line_and_no_proof(text in "\\PC{0,80}") {
            prop_assert!(read_line(&text).is_err());
            prop_assert!(ProofFile::parse(&text).is_err());
        }

        #[test]
        fn digests_survive_their_text(digest in any::<[u8; 32]>()) {
            prop_assert_eq!(parse_digest(&hex(&digest)), Some(digest));
        }
    }
}
