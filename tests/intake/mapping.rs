//! An office's own words for its columns.

use tongbao::intake::Mapping;

use super::*;

const OWN: &str = "流水,厂商,货品,检出问题,经手\n1,示例甲防护用品有限公司,口罩,过滤效率,张三\n";

fn read_own(mapping: Mapping) -> Result<Reading, FileError> {
    read("own.csv", OWN.as_bytes(), &Options { mapping, ..options() })
}

#[test]
fn a_form_of_their_own_is_read_by_a_mapping() {
    assert!(matches!(read_own(Mapping::default()), Err(FileError::NoKnownHeader { .. })));
    let mapping = Mapping::parse(
        r#"
        [columns]
        "厂商" = "生产企业名称"
        "货 品" = "product name"
        "检出问题" = "不合格项目"
        "经手" = "-"
        "#,
    )
    .expect("a mapping");
    let reading = read_own(mapping).expect("read");
    let sheet = &reading.sheets[0];
    let Some(Matter::Nonconformity(failure)) = sheet.rows[0].content.as_ref().map(|content| &content.matter) else {
        panic!("{:?}", sheet.rows[0].findings)
    };
    assert_eq!((failure.producer.name.as_str(), failure.product_name.as_str()), ("示例甲防护用品有限公司", "口罩"));
    let understood: Vec<_> = sheet.columns.iter().map(|column| column.how.text().en).collect();
    assert_eq!(
        understood,
        [
            "not understood, not read",
            "by our own mapping",
            "by our own mapping",
            "by our own mapping",
            "not read, by our own mapping"
        ]
    );
}

#[test]
fn what_was_understood_can_be_saved_and_reads_the_same() {
    for name in ["failed_list_market.xlsx", "failed_list_shandong.xlsx", "survey_form.xlsx", "survey_form_other_order.xlsx"] {
        let before = read_file(name);
        let saved = Mapping::to_text([&before]);
        let mapping = Mapping::parse(&saved).unwrap_or_else(|error| panic!("{name}: {error}\n{saved}"));
        let after = read(name, &bytes(name), &Options { mapping, ..options() }).expect("read again");
        let rows = |reading: &Reading| -> Vec<_> {
            reading.valid().map(|(_, row, id, content)| (row, id.clone(), content.clone())).collect()
        };
        assert_eq!(rows(&before), rows(&after), "{name}\n{saved}");
    }
}
