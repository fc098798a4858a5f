//! Checkpoints (C2SP tlog-checkpoint): the signed head of the evidence log.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::note::{NoteError, NoteSigner, SignedNote, VerifierKey};
use crate::domain::digest::Digest;

/// Name of the log of a ledger, which is also the name of its key: `tongbao/<ledger id>`.
#[must_use]
pub fn origin_of(ledger_id: &str) -> String {
    format!("tongbao/{ledger_id}")
}

/// The head of a log: origin, size, root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Digest,
}

impl Checkpoint {
    /// The text that is signed: three lines.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Parses the text of a checkpoint.
    ///
    /// # Errors
    /// Unless it is exactly three lines in canonical form. Extension lines are refused: this log has none, and a checkpoint that says
    /// more than is checked would be trusted for it.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let lines = text.strip_suffix('\n').ok_or(NoteError::Malformed("a checkpoint ends with a newline"))?;
        let lines: Vec<&str> = lines.split('\n').collect();
        let [origin, size, root] = lines[..] else {
            return Err(NoteError::Malformed("a checkpoint has three lines: origin, size, root"));
        };
        if origin.is_empty() {
            return Err(NoteError::Malformed("the origin is empty"));
        }
        let size = size.parse().map_err(|_| NoteError::Malformed("the size is a decimal number"))?;
        let root = STANDARD
            .decode(root)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(NoteError::Malformed("the root is 32 bytes in base64"))?;
        let read = Self { origin: origin.to_owned(), size, root };
        // Leading zeros and plus signs parse as numbers; the form has one text for one checkpoint.
        if read.text() != text {
            return Err(NoteError::Malformed("the size has a sign or leading zeros"));
        }
        Ok(read)
    }
}

/// Signs checkpoints of one log.
#[derive(Debug)]
pub struct CheckpointSigner(NoteSigner);

impl CheckpointSigner {
    /// From an Ed25519 key in PKCS#8, DER. The key is named as the log.
    ///
    /// # Errors
    /// When it is no such key, or the origin cannot name a key.
    pub fn from_pkcs8(origin: &str, der: &[u8]) -> Result<Self, NoteError> {
        NoteSigner::from_pkcs8(origin, der).map(Self)
    }

    /// From a seed of 32 random bytes.
    ///
    /// # Errors
    /// When the origin cannot name a key.
    pub fn from_seed(origin: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        NoteSigner::from_seed(origin, seed).map(Self)
    }

    /// Name of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.0.verifier().name()
    }

    /// The public key that verifies what is signed here.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        self.0.verifier()
    }

    /// Signs a statement about what was handed out. Its first line names its form, so that it can never be taken for a checkpoint,
    /// whose first line is the name of the log.
    ///
    /// # Errors
    /// When the text cannot be a note's, begins as a checkpoint does, or the cryptography fails.
    pub fn sign_statement(&self, text: &str) -> Result<SignedNote, NoteError> {
        if text.lines().next().is_none_or(|line| line == self.origin()) {
            return Err(NoteError::Malformed("a statement does not begin as a checkpoint does"));
        }
        let mut note = SignedNote::new(text.to_owned())?;
        self.0.sign(&mut note)?;
        Ok(note)
    }

    /// Signs the head of the log.
    ///
    /// # Errors
    /// When the cryptography fails.
    pub fn sign(&self, size: u64, root: Digest) -> Result<SignedNote, NoteError> {
        let checkpoint = Checkpoint { origin: self.origin().to_owned(), size, root };
        let mut note = SignedNote::new(checkpoint.text())?;
        self.0.sign(&mut note)?;
        Ok(note)
    }
}

/// Reads a signed checkpoint and verifies that the log of that key signed it.
///
/// # Errors
/// When it is malformed, not signed by the key, or of another log than the key's.
pub fn verify_checkpoint(note: &str, key: &VerifierKey) -> Result<Checkpoint, NoteError> {
    let note = SignedNote::parse(note)?;
    note.verify(key)?;
    let checkpoint = Checkpoint::parse(note.text())?;
    if checkpoint.origin != key.name() {
        return Err(NoteError::Malformed("the origin is not the name of the key that signed"));
    }
    Ok(checkpoint)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signer() -> CheckpointSigner {
        CheckpointSigner::from_seed(&origin_of("00ff"), &[9; 32]).expect("a key")
    }

    #[test]
    fn a_signed_checkpoint_verifies_with_its_key_alone() {
        let signer = signer();
        let note = signer.sign(41, [3; 32]).expect("signed").to_string();
        assert!(note.starts_with("tongbao/00ff\n41\nAwMD"), "{note}");
        let checkpoint = verify_checkpoint(&note, signer.verifier()).expect("verifies");
        assert_eq!(checkpoint, Checkpoint { origin: "tongbao/00ff".to_owned(), size: 41, root: [3; 32] });
        let other = CheckpointSigner::from_seed("tongbao/00ff", &[8; 32]).expect("a key");
        assert!(matches!(verify_checkpoint(&note, other.verifier()), Err(NoteError::Unsigned(_))));
        let changed = note.replacen("41", "42", 1);
        assert!(matches!(verify_checkpoint(&changed, signer.verifier()), Err(NoteError::BadSignature(_))));
    }

    #[test]
    fn a_key_of_another_name_cannot_speak_for_the_log() {
        let key = NoteSigner::from_seed("tongbao/other", &[9; 32]).expect("a key");
        let text = Checkpoint { origin: "tongbao/00ff".to_owned(), size: 1, root: [0; 32] }.text();
        let mut note = SignedNote::new(text).expect("a text");
        key.sign(&mut note).expect("signed");
        assert!(verify_checkpoint(&note.to_string(), key.verifier()).is_err());
    }

    #[test]
    fn only_the_canonical_three_lines_are_a_checkpoint() {
        let good = Checkpoint { origin: "log".to_owned(), size: 7, root: [1; 32] }.text();
        assert!(Checkpoint::parse(&good).is_ok());
        for bad in [
            String::new(),
            good.trim_end().to_owned(),
            format!("{good}extension\n"),
            format!("{good}\n"),
            good.replace("\n7\n", "\n07\n"),
            good.replace("\n7\n", "\n+7\n"),
            good.replace("\n7\n", "\n-7\n"),
            good.replace("\n7\n", "\n18446744073709551616\n"),
            good.replace("log\n", "\n"),
            good.replace('=', ""),
        ] {
            assert!(Checkpoint::parse(&bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_checkpoint_survives_its_text(size in any::<u64>(), root in any::<[u8; 32]>()) {
            let checkpoint = Checkpoint { origin: "tongbao/a1".to_owned(), size, root };
            prop_assert_eq!(Checkpoint::parse(&checkpoint.text()), Ok(checkpoint));
        }

        #[test]
        fn any_text_is_refused_or_kept_exactly(text in "[a-z\n]{0,4}\n[+0-9]{0,4}\n[A-Za-z0-9+/=\n]{0,50}") {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.text(), text);
            }
        }
    }
}
