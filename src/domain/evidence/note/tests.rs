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
