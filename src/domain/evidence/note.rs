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
mod tests;
