//! No bytes make the reader panic: arbitrary ones, and workbooks that were cut, flipped or spliced. Foreign readers inside may
//! panic on damage; that must come out as an error of the file.

use std::{
    io::{Cursor, Read as _, Write as _},
    sync::LazyLock,
};

use proptest::prelude::*;
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::*;

const WORKBOOKS: [&str; 4] =
    ["survey_form_other_order.xlsx", "failed_list_numbers.xlsx", "failed_list_numbers.xls", "survey_form_gb18030.csv"];

/// Reads it and everything that can be made of it.
fn exercise(bytes: &[u8]) {
    if let Ok(reading) = read("f", bytes, &options()) {
        let _ = (render_dry_run(&reading, Lang::En), serde_json::to_value(Shown(&reading)).expect("JSON"));
        write_report(bytes, &reading, Lang::Zh).expect("what was read can be reported on");
    }
}

/// A workbook whose parts were changed inside the package.
fn repacked(package: Vec<u8>, mut change: impl FnMut(&str, &mut Vec<u8>)) -> Vec<u8> {
    let mut from = ZipArchive::new(Cursor::new(package)).expect("a package");
    let mut to = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..from.len() {
        let mut entry = from.by_index(index).expect("an entry");
        let part = entry.name().expect("a name").into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("readable");
        change(&part, &mut content);
        to.start_file(part, SimpleFileOptions::default()).expect("an entry");
        to.write_all(&content).expect("written");
    }
    to.finish().expect("a package").into_inner()
}

/// A workbook whose texts stand in a table of shared strings, as Excel writes them; the example files hold them in the cells.
static WITH_SHARED_STRINGS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let original = bytes("failed_list_numbers.xlsx");
    write_report(&original, &read("f.xlsx", &original, &options()).expect("read"), Lang::En).expect("a report")
});

#[test]
fn a_false_count_of_strings_costs_nothing() {
    for count in ["4000000000", "99999999999999999999", "100000000000"] {
        let mut changed = false;
        let package = repacked(WITH_SHARED_STRINGS.clone(), |part, content| {
            if part.ends_with("sharedStrings.xml") {
                changed = true;
                let text = String::from_utf8(content.clone()).expect("UTF-8");
                let (before, after) = text.split_once("uniqueCount=\"").expect("a count");
                let rest = after.split_once('"').expect("a quotation mark").1;
                *content = format!("{before}uniqueCount=\"{count}\"{rest}").into_bytes();
            }
        });
        assert!(changed);
        let error = read("f.xlsx", &package, &options()).err().map(|error| error.reason());
        // A number that no machine can hold is not believed by anyone.
        assert!(error == Some("FILE_DAMAGED") || count.len() > 19, "{count}: {error:?}");
    }
}

#[test]
fn a_directory_that_lies_about_sizes_is_refused() {
    let mut package = repacked(bytes("survey_form.xlsx"), |part, content| {
        if part.ends_with("sheet1.xml") {
            content.extend(vec![b' '; 20 << 20]);
        }
    });
    // The size as the central directory states it, replaced by a small one.
    let size = package_size_of_sheet(&package).to_le_bytes();
    let places: Vec<usize> = package.windows(4).enumerate().filter(|(_, window)| *window == size).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        package[at..at + 4].copy_from_slice(&4_096_u32.to_le_bytes());
    }
    assert_eq!(read("f.xlsx", &package, &options()).err().map(|error| error.reason()), Some("FILE_DAMAGED"));
}

fn package_size_of_sheet(package: &[u8]) -> u32 {
    let mut archive = ZipArchive::new(Cursor::new(package)).expect("a package");
    let size = archive.by_name("xl/worksheets/sheet1.xml").expect("a sheet").size();
    u32::try_from(size).expect("small")
}

/// The reader catches foreign panics; their messages are no news here.
fn quietly(run: impl FnOnce()) {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.location().is_some_and(|place| place.file().contains("calamine")) {
                loud(info);
            }
        }));
    });
    run();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn arbitrary_bytes(start in prop::sample::select(vec![&b""[..], b"PK\x03\x04", b"PK\x05\x06", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"]), rest in prop::collection::vec(any::<u8>(), 0..2_000)) {
        quietly(|| exercise(&[start, &rest].concat()));
    }

    #[test]
    fn arbitrary_text(rows in prop::collection::vec("(序号|企业名称|产品名称|不合格项目|统一社会信用代码|产品品种|是|否|√|约5万|2020-02-30|\"|,|;|\t|\n|/|（|注：|合计|[a-z0-9]){0,30}", 0..12)) {
        exercise(rows.join("\n").as_bytes());
    }

    #[test]
    fn workbooks_cut_short(which in prop::sample::select(WORKBOOKS.to_vec()), keep in 0.0..1.0_f64) {
        let whole = bytes(which);
        let keep = (whole.len() as f64 * keep) as usize;
        quietly(|| exercise(&whole[..keep]));
    }

    #[test]
    fn workbooks_with_wrong_bytes(which in prop::sample::select(WORKBOOKS.to_vec()), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
        let mut damaged = bytes(which);
        for (at, byte) in changes {
            let at = at.index(damaged.len());
            damaged[at] = byte;
        }
        quietly(|| exercise(&damaged));
    }

    /// The tables inside a new workbook, past the package's own checks.
    #[test]
    fn parts_with_wrong_bytes(
        part in prop::sample::select(vec!["sheet1.xml", "sharedStrings.xml", "workbook.xml", "styles.xml", "workbook.xml.rels"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"<>/\"=09Az &;\xFF".to_vec())), 1..12),
    ) {
        let damaged = repacked(WITH_SHARED_STRINGS.clone(), |name, content| {
            if name.ends_with(part) {
                for (at, byte) in &changes {
                    let at = at.index(content.len());
                    content[at] = *byte;
                }
            }
        });
        quietly(|| exercise(&damaged));
    }

    /// The tables of an old workbook's container: where a wrong number costs memory or time.
    #[test]
    fn containers_with_wrong_tables(changes in prop::collection::vec((0_usize..2_400, prop::sample::select(vec![0_u8, 1, 2, 0x7F, 0x80, 0xFE, 0xFF])), 1..12)) {
        let mut damaged = bytes("failed_list_numbers.xls");
        for (at, byte) in changes {
            damaged[at] = byte;
        }
        quietly(|| exercise(&damaged));
    }
}
