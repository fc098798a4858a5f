//! SHA-256, the one digest of the project, behind one name so that another algorithm can be put in its place.

use aws_lc_rs::digest::{self, Context, SHA256};

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// Digest over several parts, one after the other, without separators: callers fix the lengths or put lengths in.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> Digest {
    let mut short = [0; SHORT];
    if let Some(length) = joined(parts, &mut short) {
        return digest_of(&digest::digest(&SHA256, &short[..length]));
    }
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    digest_of(&context.finish())
}

/// What is not longer is digested in one step: keeping a context costs more than its hashing.
const SHORT: usize = 192;

/// Puts the parts one after the other; `None` when there is no room for them.
fn joined(parts: &[&[u8]], into: &mut [u8; SHORT]) -> Option<usize> {
    let mut length = 0;
    for part in parts {
        into.get_mut(length..length + part.len())?.copy_from_slice(part);
        length += part.len();
    }
    Some(length)
}

fn digest_of(digest: &digest::Digest) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
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

/// The bytes of lower-case hexadecimal; `None` when it is none.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_and_many_give_the_same() {
        let text: Vec<u8> = (0..=255).cycle().take(3 * SHORT).collect();
        for length in [0, 1, 33, 65, SHORT - 1, SHORT, SHORT + 1, 3 * SHORT] {
            let (first, second) = text[..length].split_at(length / 3);
            let mut context = Context::new(&SHA256);
            context.update(&text[..length]);
            assert_eq!(sha256(&[first, second]).as_slice(), context.finish().as_ref(), "{length} bytes");
        }
        assert_eq!(hex(&sha256(&[b"abc"])), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
