//! Proof files: any text parses or is refused without a panic, and none proves an entry under a key that signed nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tongbao::domain::evidence::{ProofFile, VerifierKey};

fuzz_target!(|text: &str| {
    let Ok(proof) = ProofFile::parse(text) else { return };
    // Without a pinned key a file can only agree with itself: it must not panic, whatever it claims.
    let _ = proof.verify(None);
    let stranger = VerifierKey::new("tongbao.example/ledger", [9; 32]).expect("a name");
    assert!(proof.verify(Some(&stranger)).is_err());
});
