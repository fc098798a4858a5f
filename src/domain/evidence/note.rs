//! Signed notes (C2SP signed-note): a text, an empty line, signature lines. Ed25519, type 0x01.
//!
//! Several parties may sign one note, each on a line of its own: cosignatures of witnesses are further lines, and a reader looks only
//! at the lines of keys it knows.

use std::{collections::BTreeSet, fmt};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::domain::digest::{hex, sha256};

/// Signature type Ed25519 of the signed-note form.
const ED25519_TYPE: u8 = 0x01;
/// Begins a signature line: an em dash and a space.
const LINE_START: &str = "— ";
/// No note of ours is near it; foreign ones are not read further.
const MAX_BYTES: usize = 64 * 1024;
const MAX_SIGNATURES: usize = 100;

/// Why a note, key or checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not of the form.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The key name is empty or has white space or `+`.
    #[error("key name `{0}`: not empty, no white space, no `+`")]
    KeyName(String),
    /// No line of this key.
    #[error("no signature by `{0}`")]
    Unsigned(String),
    /// There is a line of this key, and it does not verify.
    #[error("the signature by `{0}` does not verify: the text or the signature was changed, or the key is another")]
    BadSignature(String),
    /// The private key is none of Ed25519.
    #[error("not an Ed25519 private key: {0}")]
    Key(String),
}

fn check_name(name: &str) -> Result<(), NoteError> {
    if name.is_empty() || name.contains('+') || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(NoteError::KeyName(name.to_owned()));
    }
    Ok(())
}

/// A public key with its name: `<name>+<hash>+<key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

impl VerifierKey {
    /// A key by its parts.
    ///
    /// # Errors
    /// When the name is not allowed.
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, NoteError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), public })
    }

    /// Parses the text form; white space around it is allowed, since it is read from files.
    ///
    /// # Errors
    /// When it is not `<name>+<8 hex digits>+<base64>`, of another algorithm, or the hash does not belong to name and key.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Malformed("a verifier key is <name>+<8 lower-case hex digits>+<base64>");
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return Err(malformed) };
        let bytes = STANDARD.decode(key).map_err(|_| malformed.clone())?;
        let Some((&ED25519_TYPE, public)) = bytes.split_first() else {
            return Err(NoteError::Malformed("the key is not of type Ed25519 (0x01)"));
        };
        let public = public.try_into().map_err(|_| NoteError::Malformed("an Ed25519 key has 32 bytes"))?;
        let read = Self::new(name, public)?;
        if hex(&read.key_id()) != hash {
            return Err(NoteError::Malformed("the hash does not belong to this name and key: it was copied wrongly"));
        }
        Ok(read)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// First four bytes of SHA-256 over name, newline, type and key: what signature lines begin with.
    #[must_use]
    pub fn key_id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = sha256(&[self.name.as_bytes(), b"\n", &[ED25519_TYPE], &self.public]);
        [a, b, c, d]
    }

    fn accepts(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(text.as_bytes(), signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[ED25519_TYPE][..], &self.public].concat());
        write!(f, "{}+{}+{key}", self.name, hex(&self.key_id()))
    }
}

/// A private key with its name.
pub struct NoteSigner {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl NoteSigner {
    fn new(name: &str, pair: Ed25519KeyPair) -> Result<Self, NoteError> {
        let public = pair.public_key().as_ref().try_into().map_err(|_| NoteError::Key("no 32-byte public key".to_owned()))?;
        Ok(Self { verifier: VerifierKey::new(name, public)?, pair })
    }

    /// From a PKCS#8 document (v1 or v2), DER.
    ///
    /// # Errors
    /// When it is no Ed25519 key, or the name is not allowed.
    pub fn from_pkcs8(name: &str, der: &[u8]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_pkcs8(der).map_err(|error| NoteError::Key(error.to_string()))?;
        Self::new(name, pair)
    }

    /// From a seed of 32 random bytes.
    ///
    /// # Errors
    /// When the name is not allowed.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|error| NoteError::Key(error.to_string()))?;
        Self::new(name, pair)
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Adds a signature line of this key to a note.
    ///
    /// # Errors
    /// When the cryptography fails.
    pub fn sign(&self, note: &mut SignedNote) -> Result<(), NoteError> {
        let signature = self
            .pair
            .try_sign(note.text.as_bytes())
            .map_err(|_| NoteError::Key("the cryptography refused to sign".to_owned()))?;
        note.signatures.push(SignatureLine {
            name: self.verifier.name.clone(),
            key_id: self.verifier.key_id(),
            signature: signature.as_ref().to_vec(),
        });
        Ok(())
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({})", self.verifier)
    }
}

/// One signature of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    /// Name of the key.
    pub name: String,
    /// Its id.
    pub key_id: [u8; 4],
    /// The signature; of other types than Ed25519 it may be of any length.
    pub signature: Vec<u8>,
}

/// A text with signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl SignedNote {
    /// A note without signatures yet.
    ///
    /// # Errors
    /// When the text does not end with a newline or has control characters.
    pub fn new(text: String) -> Result<Self, NoteError> {
        if !text.ends_with('\n') {
            return Err(NoteError::Malformed("the text ends with a newline"));
        }
        if text.chars().any(|c| c != '\n' && c.is_control()) {
            return Err(NoteError::Malformed("no control characters but newlines"));
        }
        Ok(Self { text, signatures: Vec::new() })
    }

    /// Parses a note. Signatures are only read, not verified.
    ///
    /// # Errors
    /// When it is not of the form, has no signature line, or more than 100.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_BYTES {
            return Err(NoteError::Malformed("longer than 64 KiB"));
        }
        let end = note.rfind("\n\n").ok_or(NoteError::Malformed("an empty line parts text and signatures"))?;
        let (text, lines) = (&note[..=end], &note[end + 2..]);
        let mut read = Self::new(text.to_owned())?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed("the last signature line ends with a newline"))?;
        for line in lines.split('\n') {
            if read.signatures.len() == MAX_SIGNATURES {
                return Err(NoteError::Malformed("more than 100 signatures"));
            }
            read.signatures.push(signature_line(line)?);
        }
        Ok(read)
    }

    /// What is signed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, verified or not.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Adds the line of another signer, e.g. the cosignature of a witness; the same line twice is kept once.
    pub fn add(&mut self, line: SignatureLine) {
        if !self.signatures.contains(&line) {
            self.signatures.push(line);
        }
    }

    /// Verifies the signature by one key. Lines of other keys are passed over.
    ///
    /// # Errors
    /// When there is no line of this key, or one that does not verify.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        let key_id = key.key_id();
        let mut own = self.signatures.iter().filter(|line| line.name == key.name && line.key_id == key_id).peekable();
        if own.peek().is_none() {
            return Err(NoteError::Unsigned(key.name.clone()));
        }
        if own.all(|line| key.accepts(&self.text, &line.signature)) {
            return Ok(());
        }
        Err(NoteError::BadSignature(key.name.clone()))
    }

    /// Names of those of `keys` whose signature verifies, each once: how many witnesses stand behind a note.
    #[must_use]
    pub fn verified_by<'k>(&self, keys: &'k [VerifierKey]) -> BTreeSet<&'k str> {
        keys.iter().filter(|key| self.verify(key).is_ok()).map(VerifierKey::name).collect()
    }
}

fn signature_line(line: &str) -> Result<SignatureLine, NoteError> {
    let malformed = NoteError::Malformed("a signature line is: em dash, space, key name, space, base64");
    let (name, encoded) = line.strip_prefix(LINE_START).and_then(|rest| rest.split_once(' ')).ok_or(malformed.clone())?;
    check_name(name)?;
    let bytes = STANDARD.decode(encoded).map_err(|_| malformed.clone())?;
    match bytes.split_first_chunk::<4>() {
        Some((key_id, signature)) if !signature.is_empty() => {
            Ok(SignatureLine { name: name.to_owned(), key_id: *key_id, signature: signature.to_vec() })
        }
        _ => Err(malformed),
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for line in &self.signatures {
            let encoded = STANDARD.encode([&line.key_id[..], &line.signature].concat());
            writeln!(f, "{LINE_START}{} {encoded}", line.name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signer(name: &str, seed: u8) -> NoteSigner {
        NoteSigner::from_seed(name, &[seed; 32]).expect("a key")
    }

    /// The example of golang.org/x/mod/sumdb/note, whose form C2SP took over.
    const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn the_published_example_verifies() {
        let key = VerifierKey::parse(GO_KEY).expect("a key");
        assert_eq!(key.to_string(), GO_KEY);
        let note = SignedNote::parse(GO_NOTE).expect("a note");
        assert_eq!(note.to_string(), GO_NOTE);
        assert_eq!(note.verify(&key), Ok(()));
        let changed = SignedNote::parse(&GO_NOTE.replace("answer", "Answer")).expect("still a note");
        assert_eq!(changed.verify(&key), Err(NoteError::BadSignature("PeterNeumann".to_owned())));
    }

    #[test]
    fn several_parties_sign_one_note() {
        let (log, witness, stranger) = (signer("tongbao/log", 1), signer("gacc/witness", 2), signer("tongbao/log", 3));
        let mut note = SignedNote::new("a text\n".to_owned()).expect("a text");
        log.sign(&mut note).expect("signed");
        let before = note.clone();
        witness.sign(&mut note).expect("signed");
        let read = SignedNote::parse(&note.to_string()).expect("own note");
        assert_eq!(read, note);
        assert_eq!(read.verify(log.verifier()), Ok(()));
        assert_eq!(read.verify(witness.verifier()), Ok(()));
        // The same name with another key is another key.
        assert_eq!(read.verify(stranger.verifier()), Err(NoteError::Unsigned("tongbao/log".to_owned())));
        let keys = [log.verifier().clone(), witness.verifier().clone(), stranger.verifier().clone()];
        assert_eq!(read.verified_by(&keys).len(), 2);
        assert_eq!(before.verified_by(&keys).len(), 1);
    }

    #[test]
    fn malformed_notes_are_refused() {
        let mut note = SignedNote::new("a text\n".to_owned()).expect("a text");
        signer("log", 1).sign(&mut note).expect("signed");
        let good = note.to_string();
        assert!(SignedNote::parse(&good).is_ok());
        let line = good.lines().last().expect("a line").to_owned();
        for bad in [
            String::new(),
            "a text\n".to_owned(),
            "a text\n\n".to_owned(),
            good.trim_end().to_owned(),
            good.replace('—', "-"),
            good.replace("— log ", "—  log "),
            good.replace("— log ", "— lo+g "),
            good.replace("text", "te\u{7}xt"),
            good.replace("=\n", "\n"),
            format!("{good}\n"),
            format!("{good}trailing\n"),
            format!("a text\n\n{}", format!("{line}\n").repeat(101)),
            "a text\n\n— log AAAA\n".to_owned(),
        ] {
            assert!(SignedNote::parse(&bad).is_err(), "{bad:?}");
        }
        assert!(SignedNote::new("no newline".to_owned()).is_err());
    }

    #[test]
    fn malformed_keys_are_refused() {
        let key = signer("log", 1).verifier().to_string();
        let (_, encoded) = key.rsplit_once('+').expect("three parts");
        for bad in [
            String::new(),
            "log".to_owned(),
            format!("log+00000000+{encoded}"),
            key.replacen("log", "lag", 1),
            key.replacen("log", "l g", 1),
            key.to_uppercase(),
            key.trim_end_matches('=').to_owned() + "!",
            "log+00000000+AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        ] {
            assert!(VerifierKey::parse(&bad).is_err(), "{bad:?}");
        }
        assert!(NoteSigner::from_seed("a b", &[1; 32]).is_err());
        assert!(NoteSigner::from_pkcs8("log", &[1, 2, 3]).is_err());
    }

    #[test]
    fn a_key_in_pkcs8_signs_as_its_seed_does() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).expect("a seed");
        for document in [pair.to_pkcs8().expect("v2"), pair.to_pkcs8v1().expect("v1")] {
            let read = NoteSigner::from_pkcs8("log", document.as_ref()).expect("a key");
            assert_eq!(read.verifier(), signer("log", 5).verifier());
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_kept_exactly(text in "\\PC{0,40}\n{0,2}(— [a-z]{1,4} [A-Za-z0-9+/=]{0,16}\n){0,3}") {
            if let Ok(note) = SignedNote::parse(&text) {
                prop_assert_eq!(note.to_string(), text);
            }
        }

        #[test]
        fn any_key_text_is_refused_or_kept_exactly(text in "[a-z+]{0,5}[+][0-9a-f]{0,8}[+][A-Za-z0-9+/=]{0,50}") {
            if let Ok(key) = VerifierKey::parse(&text) {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }
}
