//! Files that are refused as a whole: each says why and what to do, in both languages.

use super::*;

fn assert_refused(name: &str, reason: &str, says: &[&str]) {
    let error = refused(name);
    assert_eq!(error.reason(), reason, "{name}: {error}");
    let text = error.text();
    for part in says {
        assert!(text.zh.contains(part) || text.en.contains(part), "{name}: {part} in {text:?}");
    }
    assert!(!text.zh.is_empty() && !text.en.is_empty(), "{text:?}");
}

#[test]
fn protected_and_broken_files() {
    assert_refused("encrypted.xlsx", "FILE_ENCRYPTED", &["打开密码", "remove it"]);
    assert_refused("encrypted.xls", "FILE_ENCRYPTED", &["打开密码"]);
    assert_refused("truncated.xlsx", "FILE_TRUNCATED", &["不完整", "fetch it again"]);
    assert_refused("truncated.xls", "FILE_TRUNCATED", &["不完整"]);
    assert_refused("zip_bomb.xlsx", "FILE_EXPANDS_TOO_FAR", &["24 MiB", "not expanded"]);
}

#[test]
fn headers_that_are_missing_or_double() {
    assert_refused("no_header.xlsx", "NO_KNOWN_HEADER", &["姓名", "Sheet2", "统一社会信用代码", "不合格项目"]);
    assert_refused("blank.xlsx", "NO_KNOWN_HEADER", &["没有内容"]);
    assert_refused("two_headers.xlsx", "TWO_HEADERS", &["第 2 行和第 10 行"]);
    assert_refused("same_meaning.xlsx", "SAME_MEANING_TWICE", &["F 列和 H 列", "不合格项目"]);
    assert_refused("no_rows.xlsx", "NO_ROWS", &["没有数据行"]);
}

#[test]
fn other_files() {
    let reason = |bytes: &[u8]| read("x", bytes, &options()).err().map(|error| error.reason());
    assert_eq!(reason(b""), Some("FILE_EMPTY"));
    assert_eq!(reason(b"%PDF-1.4"), Some("NOT_A_WORKBOOK"));
    assert_eq!(reason(b"PK\x03\x04 no more"), Some("FILE_TRUNCATED"));
    assert_eq!(reason(&vec![b'a'; (64 << 20) + 1]), Some("FILE_TOO_LARGE"));
    assert_eq!(reason(b"a,b\n\x00\x01"), Some("NOT_A_WORKBOOK"));
    assert_eq!(reason("姓名,电话".as_bytes()), Some("NO_KNOWN_HEADER"));
}

#[test]
fn a_header_far_below_the_first_is_noticed_too() {
    let mut text = "序号,抽查企业名称,产品名称,不合格项目\n".to_owned();
    text += &"1,示例口罩厂,口罩,过滤效率\n".repeat(199);
    text += "序号,抽查企业名称,产品名称,不合格项目\n1,示例口罩厂,口罩,过滤效率\n";
    let error = read("f.csv", text.as_bytes(), &options()).err();
    assert_eq!(error, Some(FileError::TwoHeaders { sheet: "csv".to_owned(), first: 1, second: 201 }));
}

#[test]
fn more_rows_than_a_hundred_thousand() {
    let header = "抽查企业名称,产品名称,不合格项目\n";
    let row = "示例口罩厂,口罩,过滤效率\n";
    let text = header.to_owned() + &row.repeat(100_001);
    assert_eq!(read("f.csv", text.as_bytes(), &options()).err(), Some(FileError::TooManyRows { limit: 100_000 }));
}

#[test]
fn a_cell_far_to_the_right() {
    let text = "抽查企业名称,产品名称,不合格项目\n".to_owned() + &",".repeat(600) + "x\n";
    assert_eq!(read("f.csv", text.as_bytes(), &options()).err().map(|error| error.reason()), Some("TOO_MANY_COLUMNS"));
}
