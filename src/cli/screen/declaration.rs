//! A declaration as JSON: the names of the protocol, dates as text.

use serde::{Deserialize, Deserializer, de::Error as _};

use super::files::Mistake;
use crate::{
    domain::{dates::CivilDate, violation::Text},
    proto,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    number: String,
    exporter: Option<Party>,
    producing_or_selling_unit: Option<Party>,
    maker: Option<Party>,
    #[serde(default)]
    joint_declaration: String,
    #[serde(default, deserialize_with = "date")]
    declared_on: Option<proto::CivilDate>,
    #[serde(default, deserialize_with = "date")]
    departs_on: Option<proto::CivilDate>,
    #[serde(default)]
    office: String,
    items: Vec<Item>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Party {
    name: String,
    credit_code: String,
    legacy_identifier: String,
    address: String,
    region: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Item {
    goods_name: String,
    hs_code: String,
    brand: String,
    model: String,
    specification: String,
    batch: String,
    #[serde(deserialize_with = "date")]
    produced_on: Option<proto::CivilDate>,
    claimed_standard: String,
    standard: String,
    product_kind: String,
    quantity: Option<u64>,
}

fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<proto::CivilDate>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let date = civil_date(&text);
    date.map(Some).ok_or_else(|| D::Error::custom(format!("`{text}` is no date (不是日期); write 2020-05-20")))
}

/// A date, to the day, the month or the year.
pub(super) fn civil_date(text: &str) -> Option<proto::CivilDate> {
    let (year, month, day) = CivilDate::parse(text)?.parts();
    Some(proto::CivilDate { year, month, day })
}

/// Reads a declaration, or a list of them; answers whether it is a list.
///
/// # Errors
/// With line and column.
pub(super) fn read(text: &str) -> Result<(bool, Vec<proto::Declaration>), Mistake> {
    let is_list = text.trim_start_matches('\u{feff}').trim_start().starts_with('[');
    let written: Result<Vec<Written>, _> =
        if is_list { serde_json::from_str(text) } else { serde_json::from_str(text).map(|one| vec![one]) };
    match written {
        Ok(written) => Ok((is_list, written.into_iter().map(Into::into).collect())),
        Err(error) => {
            let said = Text::new(format!("不是报关单：{error}"), format!("no declaration: {error}"));
            Err(Mistake::at(error.line() as u64, error.column() as u64, said))
        }
    }
}

impl From<Written> for proto::Declaration {
    fn from(written: Written) -> Self {
        Self {
            number: written.number,
            exporter: written.exporter.map(Into::into),
            producing_or_selling_unit: written.producing_or_selling_unit.map(Into::into),
            maker: written.maker.map(Into::into),
            joint_declaration: written.joint_declaration,
            declared_on: written.declared_on,
            departs_on: written.departs_on,
            office: written.office,
            items: written.items.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Party> for proto::Party {
    fn from(party: Party) -> Self {
        let Party { name, credit_code, legacy_identifier, address, region } = party;
        Self { name, credit_code, legacy_identifier, address, region }
    }
}

impl From<Item> for proto::DeclarationItem {
    fn from(item: Item) -> Self {
        Self {
            goods_name: item.goods_name,
            hs_code: item.hs_code,
            brand: item.brand,
            model: item.model,
            specification: item.specification,
            batch: item.batch,
            produced_on: item.produced_on,
            claimed_standard: item.claimed_standard,
            standard: item.standard,
            product_kind: item.product_kind,
            quantity: item.quantity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dates_with_their_precision() {
        let (_, read) =
            read(r#"{"items":[{"goods_name":"口罩","produced_on":"2020-04"}],"declared_on":"2020-05-20"}"#).expect("good");
        assert_eq!(read[0].items[0].produced_on, Some(proto::CivilDate { year: 2020, month: 4, day: 0 }));
        assert_eq!(read[0].declared_on, Some(proto::CivilDate { year: 2020, month: 5, day: 20 }));
    }

    #[test]
    fn names_line_and_field_of_what_is_wrong() {
        for (text, said) in [
            ("{}", "items"),
            ("{\"items\":[],\n\"colour\":1}", "colour"),
            (r#"{"items":[{"produced_on":"spring"}]}"#, "spring"),
            ("", "EOF"),
        ] {
            let why = read(text).expect_err(text);
            assert!(why.text.en.contains(said), "{why:?}");
        }
        let why = read("{\"items\":[],\n\"colour\":1}").expect_err("no such field");
        assert_eq!((why.line, why.column), (2, 8));
    }

    #[test]
    fn reads_a_list() {
        let (is_list, read) = read("\n[{\"items\":[]},{\"number\":\"2\",\"items\":[]}]").expect("a list");
        assert_eq!((is_list, read.len(), read[1].number.as_str()), (true, 2, "2"));
    }
}
