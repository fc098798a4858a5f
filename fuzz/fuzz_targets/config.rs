//! Any text is read as a configuration without a panic; a refusal names at least one fault, and its place is within the text.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tongbao::config;

fuzz_target!(|text: &str| {
    if let Err(faults) = config::parse(text, Path::new("/etc/tongbao"), []) {
        assert!(!faults.is_empty());
        let lines = text.split('\n').count();
        assert!(faults.iter().filter_map(|fault| fault.place).all(|place| (1..=lines).contains(&place.line)));
    }
});
