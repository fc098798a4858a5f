//! Notes, checkpoints and verifier keys: what parses is written back as it was read; no text verifies that was not signed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tongbao::domain::evidence::{Checkpoint, SignedNote, VerifierKey, verify_checkpoint};

fuzz_target!(|text: &str| {
    if let Ok(note) = SignedNote::parse(text) {
        assert_eq!(note.to_string(), text);
    }
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(Checkpoint::parse(&checkpoint.text()), Ok(checkpoint));
    }
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(VerifierKey::parse(&key.to_string()), Ok(key));
    }
    let stranger = VerifierKey::new("tongbao.example/ledger", [9; 32]).expect("a name");
    assert!(verify_checkpoint(text, &stranger).is_err());
});
