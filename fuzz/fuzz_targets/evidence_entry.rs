//! Entries of the evidence log: what is read, alone or from a line of an export, is written back as the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tongbao::domain::evidence::{read_entry, read_line, write_line};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = read_entry(bytes) {
        let line = write_line(bytes).expect("an entry has a line");
        let (again, same) = read_line(&line).expect("our own line");
        assert_eq!((again, same.as_slice()), (entry, bytes));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = read_line(text);
    }
});
