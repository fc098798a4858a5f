//! SHA-256, the one digest of the project, behind one name so that another algorithm can be put in its place.

use aws_lc_rs::digest::{Context, SHA256};

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// Digest over several parts, one after the other, without separators: callers fix the lengths or put lengths in.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// First eight bytes of the digest of a label and a text, as a number: a compact key for indexes. Equal texts have equal
/// keys; readers compare the texts themselves afterwards, so that a collision is harmless.
#[must_use]
pub fn index_key(label: &str, text: &str) -> i64 {
    let digest = sha256(&[label.as_bytes(), b"\0", text.as_bytes()]);
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
