//! JSON of protocol messages, written by their descriptors: a field added to the protocol shows without a line of code here.
//!
//! Names are those of the protocol files (as in the paths of violations), enums by name, bytes in hexadecimal, 64-bit numbers
//! as numbers. Absent messages and unset members of a choice are left out; other fields always stand. The bytes of a record's
//! sections are shown as what they say.

use std::{collections::HashMap, sync::LazyLock};

use bytes::Bytes;
use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use serde_json::{Map, Value};

use crate::{
    domain::{digest::hex, records::Kind},
    proto::{DESCRIPTORS, SectionName},
};

const PACKAGE: &str = "tongbao.v1";
/// Deeper than any message of the protocol nests.
const DEEPEST: usize = 32;

/// JSON of a message of the protocol, by its name in the protocol files.
pub fn json_of(name: &str, message: &impl Message) -> Value {
    walk(&format!(".{PACKAGE}.{name}"), &message.encode_to_vec().into(), None, 0)
}

struct Schema {
    messages: HashMap<String, DescriptorProto>,
    enums: HashMap<String, HashMap<i32, String>>,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let mut schema = Schema { messages: HashMap::new(), enums: HashMap::new() };
    // Our own descriptors, compiled in: a test reads them, so that none can be missing.
    for file in FileDescriptorSet::decode(DESCRIPTORS).map(|set| set.file).unwrap_or_default() {
        let scope = format!(".{}", file.package());
        schema.add(&scope, &file.message_type, &file.enum_type);
    }
    schema
});

impl Schema {
    fn add(&mut self, scope: &str, messages: &[DescriptorProto], enums: &[EnumDescriptorProto]) {
        for one in enums {
            let values = one.value.iter().map(|value| (value.number(), value.name().to_owned())).collect();
            self.enums.insert(format!("{scope}.{}", one.name()), values);
        }
        for message in messages {
            let name = format!("{scope}.{}", message.name());
            self.add(&name, &message.nested_type, &message.enum_type);
            self.messages.insert(name, message.clone());
        }
    }
}

/// A value as it stands on the wire.
#[derive(Clone)]
enum Raw {
    Number(u64),
    Bytes(Bytes),
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The fields of an encoded message, in order; stops at the first thing that is no field.
fn fields(message: &Bytes) -> Vec<(i32, Raw)> {
    let mut found = Vec::new();
    let mut rest: &[u8] = message;
    while let Some(field) = next_field(message, &mut rest) {
        found.push(field);
    }
    found
}

fn next_field(message: &Bytes, rest: &mut &[u8]) -> Option<(i32, Raw)> {
    let key = number(rest)?;
    let raw = match key & 7 {
        0 => Raw::Number(number(rest)?),
        2 => {
            let length = usize::try_from(number(rest)?).ok()?;
            let (content, after) = rest.split_at_checked(length)?;
            *rest = after;
            Raw::Bytes(message.slice_ref(content))
        }
        _ => return None,
    };
    Some((i32::try_from(key >> 3).ok()?, raw))
}

/// `kind`: of the record around a section.
fn walk(name: &str, bytes: &Bytes, kind: Option<Kind>, depth: usize) -> Value {
    let (Some(descriptor), true) = (SCHEMA.messages.get(name), depth < DEEPEST) else {
        return Value::String(hex(bytes));
    };
    let found = fields(bytes);
    let numbered = |field: &FieldDescriptorProto| -> Vec<&Raw> {
        found.iter().filter(|(number, _)| *number == field.number()).map(|(_, raw)| raw).collect()
    };
    let kind = if descriptor.name() == "Record" {
        descriptor.field.iter().find(|field| field.name() == "kind").and_then(|field| match numbered(field).last() {
            Some(Raw::Number(number)) => Kind::from_number(u8::try_from(*number).ok()?),
            _ => None,
        })
    } else {
        kind
    };
    let section = if descriptor.name() == "Section" { section_message(&found, kind) } else { None };
    let mut object = Map::new();
    for field in &descriptor.field {
        let raws = numbered(field);
        let shown = match (&section, field.name(), raws.last()) {
            (Some(message), "content", Some(Raw::Bytes(content))) => Some(walk(message, content, None, depth + 1)),
            (Some(_), "content", _) => None,
            _ => show(field, &raws, kind, depth),
        };
        if let Some(shown) = shown {
            object.insert(field.name().to_owned(), shown);
        }
    }
    Value::Object(object)
}

/// The message that the content of a section is.
fn section_message(found: &[(i32, Raw)], kind: Option<Kind>) -> Option<String> {
    let kind = kind?;
    let restricted = found
        .iter()
        .any(|(number, raw)| *number == 1 && matches!(raw, Raw::Number(name) if *name == SectionName::Restricted as u64));
    let open = match kind {
        Kind::Nonconformity => "Nonconformity",
        Kind::Disposition => "Disposition",
        Kind::EnterpriseSurvey => "EnterpriseSurvey",
        Kind::ExportQualification => "ExportQualification",
        Kind::ExportAction => "ExportAction",
        Kind::UrgentNotice => "UrgentNotice",
        Kind::Doubt => "Doubt",
        Kind::DoubtAnswer => "DoubtAnswer",
        Kind::NoticeAcknowledgement => "NoticeAcknowledgement",
        Kind::SamplingSummary => "SamplingSummary",
        Kind::ProducerDecision => "ProducerDecision",
    };
    Some(format!(".{PACKAGE}.{open}{}", if restricted { "Restricted" } else { "" }))
}

fn show(field: &FieldDescriptorProto, raws: &[&Raw], kind: Option<Kind>, depth: usize) -> Option<Value> {
    let scalar_is_packed = !matches!(field.r#type(), Type::Message | Type::String | Type::Bytes);
    if field.label() == Label::Repeated {
        let mut values = Vec::with_capacity(raws.len());
        for raw in raws {
            match raw {
                Raw::Bytes(packed) if scalar_is_packed => {
                    let mut rest: &[u8] = packed;
                    while let Some(number) = number(&mut rest) {
                        values.push(one(field, &Raw::Number(number), kind, depth));
                    }
                }
                raw => values.push(one(field, raw, kind, depth)),
            }
        }
        return Some(Value::Array(values));
    }
    match raws.last() {
        Some(raw) => Some(one(field, raw, kind, depth)),
        None if field.r#type() == Type::Message || field.oneof_index.is_some() => None,
        None if scalar_is_packed => Some(one(field, &Raw::Number(0), kind, depth)),
        None => Some(Value::String(String::new())),
    }
}

fn one(field: &FieldDescriptorProto, raw: &Raw, kind: Option<Kind>, depth: usize) -> Value {
    match (field.r#type(), raw) {
        (Type::Message, Raw::Bytes(bytes)) => walk(field.type_name(), bytes, kind, depth + 1),
        (Type::String, Raw::Bytes(bytes)) => Value::String(String::from_utf8_lossy(bytes).into_owned()),
        (_, Raw::Bytes(bytes)) => Value::String(hex(bytes)),
        (Type::Bool, Raw::Number(number)) => Value::Bool(*number != 0),
        (Type::Int64, Raw::Number(number)) => Value::from(number.cast_signed()),
        (Type::Int32, Raw::Number(number)) => Value::from(*number as i32),
        (Type::Enum, Raw::Number(number)) => {
            let value = *number as i32;
            let name = SCHEMA.enums.get(field.type_name()).and_then(|names| names.get(&value));
            name.map_or_else(|| Value::from(value), |name| Value::String(name.clone()))
        }
        (_, Raw::Number(number)) => Value::from(*number),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::proto;

    fn record() -> proto::Record {
        let open = proto::Nonconformity {
            producer: Some(proto::Party { name: "示例口罩厂".into(), ..proto::Party::default() }),
            batch_quantity: Some(0),
            items: vec![proto::InspectionResult { item: "filtration_efficiency".into(), ..Default::default() }],
            ..proto::Nonconformity::default()
        };
        proto::Record {
            record_id: "samr/1".into(),
            revision: 2,
            kind: proto::RecordKind::Nonconformity as i32,
            sections: vec![
                proto::Section { name: 1, content: open.encode_to_vec().into(), salt: vec![7; 2].into(), ..Default::default() },
                proto::Section { name: 2, digest: vec![0xab].into(), ..Default::default() },
            ],
            committed_at_us: -5,
            ..proto::Record::default()
        }
    }

    #[test]
    fn shows_what_the_sections_say() {
        let shown = json_of("Record", &record());
        assert_eq!(shown["kind"], "RECORD_KIND_NONCONFORMITY");
        assert_eq!(shown["committed_at_us"], -5);
        assert_eq!(shown["sections"][0]["content"]["producer"]["name"], "示例口罩厂");
        assert_eq!(shown["sections"][0]["content"]["batch_quantity"], 0);
        assert_eq!(shown["sections"][0]["content"]["items"][0]["item"], "filtration_efficiency");
        assert_eq!(shown["sections"][0]["salt"], "0707");
        assert!(shown["sections"][0]["content"].get("sample_quantity").is_none(), "an absent optional is left out");
        assert_eq!(shown["sections"][1], json!({ "name": "SECTION_NAME_RESTRICTED", "salt": "", "digest": "ab" }));
        let around = json_of("Delivery", &proto::Delivery { record: Some(record()), attempt: 1, ..Default::default() });
        assert_eq!(around["record"], shown);
    }

    #[test]
    fn numbers_lists_and_choices() {
        let selector = proto::DeadLetterSelector { positions: vec![1, 300, u64::MAX], ..Default::default() };
        assert_eq!(
            json_of("DeadLetterSelector", &selector),
            json!({
                "positions": [1, 300, u64::MAX], "ranges": [], "reasons": [], "enterprises": [], "record_ids": [],
                "died_from_us": 0, "died_before_us": 0, "all": false
            })
        );
        let start = proto::StartAt { at: Some(proto::start_at::At::Latest(true)) };
        assert_eq!(json_of("StartAt", &start), json!({ "latest": true }));
        let filter = proto::Filter { kinds: vec![1, 2, 99], ..Default::default() };
        assert_eq!(json_of("Filter", &filter)["kinds"], json!(["RECORD_KIND_NONCONFORMITY", "RECORD_KIND_DISPOSITION", 99]));
    }

    #[test]
    fn every_message_of_the_protocol_is_known() {
        for name in ["Record", "Delivery", "Subscription", "EnterpriseFile", "ScreenResponse", "EvidenceEntry", "DeadLetter"] {
            assert!(SCHEMA.messages.contains_key(&format!(".{PACKAGE}.{name}")), "{name}");
        }
    }

    #[test]
    fn damaged_bytes_show_what_can_be_read() {
        let cut = Bytes::from_static(&[0x0a, 0x03, b'a']);
        assert_eq!(walk(&format!(".{PACKAGE}.Drain"), &cut, None, 0), json!({}));
        let endless = Bytes::from(vec![0xff; 40]);
        assert_eq!(walk(&format!(".{PACKAGE}.Drain"), &endless, None, 0), json!({}));
    }
}
