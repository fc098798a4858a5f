//! A row of a failed-product list (domain.md §3) → a nonconformity.

use std::collections::HashMap;

use crate::domain::{
    ids::RecordId,
    life_cycle::State,
    names::strict_key,
    records::{Attribution, InspectionResult, Level, Nonconformity, Party, SamplingField},
    standards::Standard,
    violation::Text,
};

use super::{columns::Meaning, header::Header, items, product, row::Fields, values::standards};

use unicode_normalization::UnicodeNormalization as _;

/// Where a number was first read: sheet and cell.
pub type SeenNumbers = HashMap<String, (String, String)>;

/// Where a row stands.
pub struct Place<'a> {
    /// The sheet.
    pub sheet: &'a str,
    /// Its place in the workbook, from 0.
    pub index: usize,
}

/// True when the list has numbers of its own.
pub fn has_numbers(header: &Header) -> bool {
    header.has(Meaning::SamplingNumber) || header.has(Meaning::ReportNumber)
}

/// Reads one row; `None` when its conclusion is that the product passed.
pub fn read(fields: &mut Fields<'_>, place: &Place<'_>, seen: &mut SeenNumbers) -> Option<(Option<RecordId>, Nonconformity)> {
    let conclusion: String = fields.text(Meaning::Conclusion).unwrap_or_default().nfkc().filter(|c| !c.is_whitespace()).collect();
    let passed = matches!(conclusion.as_str(), "合格" | "符合" | "符合要求" | "未发现不合格" | "所检项目合格" | "所检项目符合");
    let items = items(fields, passed)?;
    let record_id = record_id(fields, place, seen);
    let (producer, attribution, sampled_party) = parties(fields);
    let (model, grade, specification) = product::identity(fields);
    let mut failure = Nonconformity {
        campaign: fields.text_or_empty(Meaning::Campaign),
        level: level(fields),
        field: sampling_field(fields),
        sampling_number: fields.text_or_empty(Meaning::SamplingNumber),
        report_number: fields.text_or_empty(Meaning::ReportNumber),
        sampled_on: fields.date(Meaning::SampledOn),
        reported_on: fields.date(Meaning::ReportedOn),
        notified_on: fields.date(Meaning::NotifiedOn),
        published_on: fields.date(Meaning::PublishedOn),
        organiser: fields.text_or_empty(Meaning::Organiser),
        handler: fields.text_or_empty(Meaning::Handler),
        producer,
        attribution,
        sampled_party,
        product_name: product::product_name(fields),
        product_kind: None,
        brand: fields.text_or_empty(Meaning::Brand),
        model,
        grade,
        specification,
        produced_on: None,
        batch: String::new(),
        date_and_batch_raw: String::new(),
        claimed_standards: claimed_standards(fields),
        laboratory: fields.text_or_empty(Meaning::Laboratory),
        batch_quantity: quantity(fields, Meaning::BatchQuantity),
        sample_quantity: quantity(fields, Meaning::SampleQuantity),
        items,
        initial_state: initial_state(fields),
        handling_raw: fields.text_or_empty(Meaning::Handling),
    };
    failure.product_kind = product::product_kind(fields, &failure);
    product::date_and_batch(fields, &mut failure);
    Some((record_id, failure))
}

/// The failed items; `None` when the row says that the product passed.
fn items(fields: &mut Fields<'_>, passed: bool) -> Option<Vec<InspectionResult>> {
    let mut items = fields.own_text(Meaning::Items).map(items::read).unwrap_or_default();
    if passed {
        if items.is_empty() {
            return None;
        }
        let text = Text::new(
            "结论为合格，却列出了不合格项目；请核对",
            "the conclusion is that it passed, yet items are listed as failed; check it",
        );
        fields.refuse(Meaning::Conclusion, "CONTRADICTION", text);
    }
    if items.is_empty() {
        let text = Text::new("缺少不合格项目；请填写，如 过滤效率", "no failed item; give at least one, e.g. 过滤效率");
        fields.refuse(Meaning::Items, "ITEM_MISSING", text);
    }
    let others: Vec<&str> = items.iter().filter(|item| !item.item.is_known()).map(|item| item.item.name_zh()).collect();
    if !others.is_empty() {
        let list = others.join("、");
        let text = Text::new(
            format!("“{list}”不在项目表内，按原文保留"),
            format!("`{list}` is not in the table of items; kept as worded"),
        );
        fields.note(Meaning::Items, "OTHER_ITEM", text);
    }
    for (meaning, is_limit) in [(Meaning::Measured, false), (Meaning::Limit, true)] {
        if let Some(text) = fields.text(meaning)
            && !items.is_empty()
            && !items::add_column(&mut items, text, is_limit)
        {
            let text = Text::new(
                "数值个数与不合格项目个数不同，未读取",
                "there are not as many values as failed items; they were not taken",
            );
            fields.warn(meaning, "VALUES_DO_NOT_FIT", text);
        }
    }
    Some(items)
}

/// The publisher's own number, else list and row (domain.md §9).
fn record_id(fields: &mut Fields<'_>, place: &Place<'_>, seen: &mut SeenNumbers) -> Option<RecordId> {
    let publisher = &fields.options.publisher;
    for meaning in [Meaning::SamplingNumber, Meaning::ReportNumber] {
        let Some(number) = fields.text(meaning) else { continue };
        let number: String = number.nfkc().filter(|c| !c.is_whitespace()).collect();
        let Ok(id) = RecordId::parse(&format!("{publisher}/{number}")) else {
            let text = Text::new("编号过长或含有控制字符；请核对", "the number is too long or has control characters; check it");
            fields.refuse(meaning, "WRONG_NUMBER", text);
            return None;
        };
        if let Some((sheet, cell)) = seen.get(&number) {
            let first = if sheet == place.sheet { cell.clone() } else { format!("{sheet}!{cell}") };
            let text = Text::new(
                format!("编号与 {first} 重复；同一批次的多个不合格项目请写在一个单元格内"),
                format!("the number repeats that of {first}; write several failed items of one batch into one cell"),
            );
            fields.refuse(meaning, "REPEATED_NUMBER", text);
        } else {
            seen.insert(number, (place.sheet.to_owned(), fields.cell_name(meaning)));
        }
        return Some(id);
    }
    let Some(list) = &fields.options.list_name else {
        let text = Text::new(
            "没有抽样编号或报告编号；请填写，或用 --list 给名单命名",
            "no sampling or report number; fill it in, or name the list with --list",
        );
        fields.refuse(Meaning::SamplingNumber, "NUMBER_MISSING", text);
        return None;
    };
    let row = fields.row_number();
    // The first sheet needs no name in the id: most lists have one sheet.
    let id = if place.index == 0 {
        format!("{publisher}/{list}/{row}")
    } else {
        format!("{publisher}/{list}/{}-{row}", place.index + 1)
    };
    RecordId::parse(&id).ok()
}

/// A name without `标称：` before it, and whether that stood there.
fn without_label(name: &str) -> (String, bool) {
    let folded = name.trim();
    if let Some(rest) = folded.strip_prefix("标称").or_else(|| folded.strip_prefix("标示")) {
        let rest = rest.split_once([':', '：']).filter(|(label, _)| label.chars().count() <= 8).map_or(rest, |(_, name)| name);
        return (rest.trim().to_owned(), true);
    }
    for mark in ["(标称)", "（标称）"] {
        if let Some(rest) = folded.strip_prefix(mark).or_else(|| folded.strip_suffix(mark)) {
            return (rest.trim().to_owned(), true);
        }
    }
    (folded.to_owned(), false)
}

/// Who made it, how sure that is, and where it was sampled (domain.md §3).
fn parties(fields: &mut Fields<'_>) -> (Party, Attribution, Option<Party>) {
    let sampled_enterprise = fields.own_text(Meaning::SampledEnterprise);
    let sampled_party = fields.own_text(Meaning::SampledParty);
    let named = fields.own_text(Meaning::NominalProducer).or_else(|| fields.own_text(Meaning::Producer));
    let seller = sampled_party.or(sampled_enterprise);
    let (name, attribution) = match (named, sampled_enterprise) {
        (Some(name), _) => {
            let (name, _) = without_label(name);
            // Sampled at the very enterprise that the label names.
            let at_producer = seller.is_some_and(|seller| strict_key(seller) == strict_key(&name));
            (name, if at_producer { Attribution::SampledAtProducer } else { Attribution::Nominal })
        }
        (None, Some(sampled)) => {
            let (name, labelled) = without_label(sampled);
            (name, if labelled { Attribution::Nominal } else { Attribution::SampledAtProducer })
        }
        (None, None) => (String::new(), Attribution::Nominal),
    };
    if name.is_empty() {
        let column = [Meaning::NominalProducer, Meaning::Producer, Meaning::SampledEnterprise]
            .into_iter()
            .find(|meaning| fields.has(*meaning))
            .unwrap_or(Meaning::SampledParty);
        fields.refuse(
            column,
            "NAME_MISSING",
            Text::new("缺少生产企业名称；请填写", "the producer's name is missing; fill it in"),
        );
    }
    let (credit_code, legacy_identifier) = fields.identifier(Meaning::CreditCode);
    let sampled =
        seller.filter(|seller| attribution != Attribution::SampledAtProducer && strict_key(seller) != strict_key(&name)).map(
            |seller| Party { name: seller.to_owned(), address: fields.text_or_empty(Meaning::SampledPlace), ..Party::default() },
        );
    let producer = Party {
        name,
        credit_code,
        legacy_identifier,
        address: fields.text_or_empty(Meaning::Address),
        region: fields.region(Meaning::Region),
    };
    (producer, attribution, sampled)
}

fn claimed_standards(fields: &mut Fields<'_>) -> Vec<Standard> {
    let mut out = Vec::new();
    let mut unknown = Vec::new();
    for wording in fields.own_text(Meaning::Standards).map(standards).unwrap_or_default() {
        let standard = Standard::parse(&wording);
        if !standard.is_known() {
            unknown.push(standard.as_str().to_owned());
        }
        if !out.contains(&standard) {
            out.push(standard);
        }
    }
    if !unknown.is_empty() {
        // A failed product may well claim a standard of its own enterprise: that is the finding, not a mistake of the list.
        let list = unknown.join("、");
        let text = Text::new(
            format!("标准“{list}”不在表内，按原文保留"),
            format!("the standard `{list}` is not in the table; kept as written"),
        );
        fields.note(Meaning::Standards, "UNKNOWN_STANDARD", text);
    }
    out
}

fn initial_state(fields: &mut Fields<'_>) -> State {
    let Some(wording) = fields.text(Meaning::Handling) else { return State::Confirmed };
    State::from_wording(wording).unwrap_or_else(|| {
        let text = Text::new(
            format!("“{wording}”没有对应的状态，按“确认不合格”开始，原文保留"),
            format!("`{wording}` maps to no state; the record begins as confirmed, the wording is kept"),
        );
        fields.warn(Meaning::Handling, "UNKNOWN_HANDLING", text);
        State::Confirmed
    })
}

fn level(fields: &mut Fields<'_>) -> Option<Level> {
    let text = fields.text(Meaning::Level)?;
    let found = [
        ("国", Level::National),
        ("省", Level::Province),
        ("自治区", Level::Province),
        ("市", Level::City),
        ("县", Level::County),
        ("区", Level::County),
    ]
    .into_iter()
    .find(|(word, _)| text.contains(word))
    .map(|(_, level)| level);
    warn_unless(fields, found.is_some(), Meaning::Level, "UNKNOWN_LEVEL");
    found
}

fn sampling_field(fields: &mut Fields<'_>) -> Option<SamplingField> {
    let text = fields.text(Meaning::Field)?;
    let found = [
        ("网", SamplingField::Online),
        ("电商", SamplingField::Online),
        ("线上", SamplingField::Online),
        ("电子商务", SamplingField::Online),
        ("生产", SamplingField::Production),
        ("流通", SamplingField::Market),
        ("销售", SamplingField::Market),
        ("市场", SamplingField::Market),
        ("实体", SamplingField::Market),
        ("线下", SamplingField::Market),
        ("经营", SamplingField::Market),
    ]
    .into_iter()
    .find(|(word, _)| text.contains(word))
    .map(|(_, field)| field);
    warn_unless(fields, found.is_some(), Meaning::Field, "UNKNOWN_FIELD");
    found
}

fn warn_unless(fields: &mut Fields<'_>, understood: bool, meaning: Meaning, reason: &'static str) {
    if !understood {
        let read = fields.text(meaning).unwrap_or_default();
        fields.warn(
            meaning,
            reason,
            Text::new(format!("“{read}”不能识别，未读取"), format!("`{read}` was not understood and not taken")),
        );
    }
}

/// Quantities are asked for nowhere, so one that is none is left out with a warning.
fn quantity(fields: &mut Fields<'_>, meaning: Meaning) -> Option<u64> {
    fields.count(meaning).unwrap_or_else(|text| {
        fields.warn(meaning, "NOT_A_COUNT", text);
        None
    })
}
