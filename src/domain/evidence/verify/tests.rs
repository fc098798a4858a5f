use proptest::prelude::*;

use super::{
    super::{
        checkpoint::CheckpointSigner,
        entry::{ActKind, Actor, EvidenceDraft},
        export::{
            tests::{log, signed, signer},
            write_line,
        },
    },
    *,
};

/// An export in memory.
#[derive(Clone)]
struct Export {
    key: String,
    checkpoint: String,
    leaf_hashes: String,
    entries: Vec<u8>,
}

fn export_of(entries: &[Vec<u8>]) -> Export {
    let lines: Vec<String> = entries.iter().map(|entry| write_line(entry).expect("an entry") + "\n").collect();
    Export {
        key: signer().verifier().to_string(),
        checkpoint: signed(entries),
        leaf_hashes: entries.iter().map(|entry| hex(&leaf_hash(entry)) + "\n").collect(),
        entries: lines.concat().into_bytes(),
    }
}

fn verify(export: &Export, pinned: Option<&VerifierKey>) -> Report {
    let mut verifier = LogVerifier::begin(&export.key, pinned, &export.checkpoint, &export.leaf_hashes);
    if let Some(lines) = export.entries.strip_suffix(b"\n") {
        lines.split(|byte| *byte == b'\n').for_each(|line| verifier.line(line));
    }
    verifier.finish()
}

fn reasons(report: &Report) -> Vec<(&str, &str)> {
    report.problems.iter().map(|problem| (problem.field.as_str(), problem.reason)).collect()
}

#[test]
fn a_true_export_is_sound() {
    for size in [0, 1, 2, 7, 300] {
        let report = verify(&export_of(&log(size)), Some(signer().verifier()));
        assert!(report.is_sound(), "{:?}", report.problems);
        assert_eq!((report.size, report.entries, report.key_is_pinned), (size, size, true));
    }
}

#[test]
fn an_entry_changed_in_good_form_is_named() {
    let original = log(20);
    let mut export = export_of(&original);
    let mut forged = original.clone();
    let draft = EvidenceDraft::new(ActKind::Attest, Actor::default(), "tongbao.v1.PublishService/Attest");
    forged[13] = draft.seal(13, 1_700_000_000_000_013, 14);
    export.entries = export_of(&forged).entries;
    let report = verify(&export, None);
    assert_eq!(report.damaged_entries, [13]);
    assert_eq!(reasons(&report), [("entries[13]", "ENTRY_CHANGED")]);
    // With its leaf hash forged too, the root still tells that something is wrong.
    export.leaf_hashes = export_of(&forged).leaf_hashes;
    assert_eq!(reasons(&verify(&export, None)), [("leaf-hashes", "ROOT_MISMATCH")]);
    // With all of it signed by another, the pinned key tells.
    export.checkpoint = signed(&forged);
    assert!(verify(&export, Some(signer().verifier())).is_sound());
    let trusted = CheckpointSigner::from_seed("tongbao/00ff", &[8; 32]).expect("a key");
    assert_eq!(reasons(&verify(&export, Some(trusted.verifier()))), [("verifier-key", "OTHER_KEY")]);
}

#[test]
fn a_changed_leaf_hash_is_told_from_a_changed_entry() {
    let mut export = export_of(&log(9));
    export.leaf_hashes = export.leaf_hashes.replacen(&hex(&leaf_hash(&log(9)[4])), &hex(&[0; 32]), 1);
    let report = verify(&export, None);
    assert!(report.damaged_entries.is_empty());
    assert_eq!(reasons(&report), [("leaf-hashes", "LEAF_HASH_CHANGED"), ("leaf-hashes", "ROOT_MISMATCH")]);
    export.leaf_hashes = "xyz\n".to_owned();
    assert_eq!(reasons(&verify(&export, None))[0], ("leaf-hashes", "BAD_LEAF_HASH"));
}

#[test]
fn missing_doubled_and_added_entries_are_named() {
    let original = log(9);
    let export = export_of(&original);
    let with = |indexes: &[usize]| {
        let chosen: Vec<Vec<u8>> = indexes.iter().map(|&index| original[index].clone()).collect();
        verify(&Export { entries: export_of(&chosen).entries, ..export.clone() }, None)
    };
    assert_eq!(reasons(&with(&[0, 1, 2, 5, 6, 7, 8])), [("entries[3]", "ENTRY_MISSING")]);
    assert_eq!(reasons(&with(&[0, 1, 2, 3, 4, 5])), [("entries[6]", "ENTRY_MISSING")]);
    assert_eq!(reasons(&with(&[]))[0], ("entries[0]", "ENTRY_MISSING"));
    let doubled = with(&[0, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(reasons(&doubled).contains(&("entries[1]", "ENTRY_OUT_OF_ORDER")), "{:?}", doubled.problems);
    let swapped = with(&[0, 2, 1, 3, 4, 5, 6, 7, 8]);
    assert!(!swapped.is_sound());
    let longer = verify(&Export { entries: export_of(&log(10)).entries, ..export }, None);
    assert!(reasons(&longer).contains(&("entries[9]", "ENTRY_NOT_SIGNED")), "{:?}", longer.problems);
}

#[test]
fn time_and_head_never_go_back() {
    let draft = EvidenceDraft::new(ActKind::Attest, Actor::default(), "m");
    let entries = [draft.seal(0, 10, 5), draft.seal(1, 9, 5), draft.seal(2, 9, 4)];
    let report = verify(&export_of(&entries), None);
    assert_eq!(reasons(&report), [("entries[1]", "TIME_GOES_BACK"), ("entries[2]", "HEAD_GOES_BACK")]);
}

#[test]
fn a_bad_key_or_checkpoint_stops_the_rest() {
    let export = export_of(&log(3));
    let bad = Export { key: "nonsense".to_owned(), ..export.clone() };
    assert_eq!(reasons(&verify(&bad, None)), [("verifier-key", "BAD_KEY")]);
    let bad = Export { checkpoint: export.checkpoint.replacen('3', "4", 1), ..export };
    assert_eq!(reasons(&verify(&bad, None)), [("checkpoint", "BAD_CHECKPOINT")]);
}

#[test]
fn many_problems_are_counted() {
    let export = export_of(&log(300));
    let report = verify(&Export { entries: b"x\n".repeat(300), ..export }, None);
    assert_eq!((report.problems.len(), report.damaged_entries.len(), report.more_problems), (100, 100, 200));
}

proptest! {
    #[test]
    fn one_changed_byte_among_the_entries_names_its_entry(at in any::<prop::sample::Index>(), change in 1u8..) {
        let mut export = export_of(&log(12));
        let place = at.index(export.entries.len());
        let line = export.entries[..place].split(|byte| *byte == b'\n').count() as u64 - 1;
        let was_newline = export.entries[place] == b'\n';
        export.entries[place] ^= change;
        let report = verify(&export, None);
        prop_assert!(!report.is_sound());
        // A newline gained or lost moves the lines; else exactly the entry of that line is named.
        if !was_newline && export.entries[place] != b'\n' {
            prop_assert_eq!(&report.damaged_entries, &[line]);
        } else {
            prop_assert!(report.damaged_entries.contains(&line), "{:?}", report.problems);
        }
    }

    #[test]
    fn one_changed_byte_elsewhere_fails_too(at in any::<prop::sample::Index>(), change in 1u8..128, file in 0..3) {
        let mut export = export_of(&log(12));
        let text = match file { 0 => &mut export.key, 1 => &mut export.checkpoint, _ => &mut export.leaf_hashes };
        let mut bytes = std::mem::take(text).into_bytes();
        let place = at.index(bytes.len());
        bytes[place] ^= change;
        *text = String::from_utf8_lossy(&bytes).into_owned();
        prop_assert!(!verify(&export, None).is_sound());
    }
}
