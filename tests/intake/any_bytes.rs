//! No bytes make the reader panic: arbitrary ones, and workbooks that were cut, flipped or spliced. Foreign readers inside may
//! panic on damage; that must come out as an error of the file.

use proptest::prelude::*;

use super::*;

const WORKBOOKS: [&str; 4] =
    ["survey_form_other_order.xlsx", "failed_list_numbers.xlsx", "failed_list_numbers.xls", "survey_form_gb18030.csv"];

/// Reads it and everything that can be made of it.
fn exercise(bytes: &[u8]) {
    if let Ok(reading) = read("f", bytes, &options()) {
        let _ = (render_dry_run(&reading, Lang::En), to_json(&reading));
        write_report(bytes, &reading, Lang::Zh).expect("what was read can be reported on");
    }
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
