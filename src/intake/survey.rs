//! A row of the survey form (annex of notice 市监质监〔2020〕51号; domain.md §1, §9) → an enterprise survey.

use std::collections::HashMap;

use crate::domain::{
    credit_code::CreditCode,
    dates::CivilDate,
    ids::RecordId,
    products::ProductKind,
    records::{EnterpriseSurvey, Party, Role},
    standards::Standard,
    violation::Text,
};

use super::{
    columns::Meaning,
    row::Fields,
    values::{standards, values},
};

/// Where a credit code was first read: sheet and cell.
pub type SeenCodes = HashMap<CreditCode, (String, String)>;

/// Reads one row. The filing unit and date are filled in by the caller, who knows the lines around the table.
pub fn read(fields: &mut Fields<'_>, sheet: &str, seen: &mut SeenCodes) -> (Option<RecordId>, EnterpriseSurvey) {
    let name = fields.own_text(Meaning::Producer).unwrap_or_default().to_owned();
    if name.is_empty() {
        fields.refuse(
            Meaning::Producer,
            "NAME_MISSING",
            Text::new("缺少生产企业名称；请填写", "the producer's name is missing; fill it in"),
        );
    }
    let credit_code = credit_code(fields, sheet, seen);
    let product_kinds = product_kinds(fields);
    let roles = roles(fields, &product_kinds);
    let standards = claimed_standards(fields);
    let enterprise = Party {
        name,
        credit_code,
        legacy_identifier: None,
        address: fields.text_or_empty(Meaning::Address),
        region: fields.region(Meaning::Region),
    };
    let meltblown_suppliers = suppliers(fields, &enterprise);
    let daily_output = fields.count(Meaning::DailyOutput).unwrap_or_else(|text| {
        fields.refuse(Meaning::DailyOutput, "NOT_A_COUNT", text);
        None
    });
    let survey = EnterpriseSurvey {
        filing_unit: String::new(),
        filed_on: None::<CivilDate>,
        enterprise,
        roles,
        product_kinds,
        standards,
        converted: fields.yes_or_no(Meaning::Converted),
        exports: fields.yes_or_no(Meaning::Exports),
        makes_medical: fields.yes_or_no(Meaning::MakesMedical),
        meltblown_suppliers,
        daily_output,
    };
    let record_id = credit_code.and_then(|code| RecordId::parse(&format!("{}/{code}", fields.options.publisher)).ok());
    (record_id, survey)
}

/// The code is required: it is the record's id.
fn credit_code(fields: &mut Fields<'_>, sheet: &str, seen: &mut SeenCodes) -> Option<CreditCode> {
    let (code, legacy) = fields.identifier(Meaning::CreditCode);
    let Some(code) = code else {
        if let Some(legacy) = legacy {
            let read = legacy.as_str();
            let text = Text::new(
                format!("“{read}”是旧的注册号或组织机构代码；请填写 18 位统一社会信用代码"),
                format!("`{read}` is an old registration number or organisation code; give the 18-character credit code"),
            );
            fields.refuse(Meaning::CreditCode, "LEGACY_IDENTIFIER", text);
        } else {
            let text = Text::new("缺少统一社会信用代码；请填写", "the credit code is missing; fill it in");
            fields.refuse(Meaning::CreditCode, "CODE_MISSING", text);
        }
        return None;
    };
    let here = fields.cell_name(Meaning::CreditCode);
    if let Some((first_sheet, first_cell)) = seen.get(&code) {
        let first = if first_sheet == sheet { first_cell.clone() } else { format!("{first_sheet}!{first_cell}") };
        let text = Text::new(
            format!("统一社会信用代码与 {first} 重复；每家企业只填一行"),
            format!("the credit code repeats that of {first}; give each enterprise one row"),
        );
        fields.refuse(Meaning::CreditCode, "REPEATED_CODE", text);
    } else {
        seen.insert(code, (sheet.to_owned(), here));
    }
    Some(code)
}

fn product_kinds(fields: &mut Fields<'_>) -> Vec<ProductKind> {
    let mut kinds = Vec::new();
    let mut medical = Vec::new();
    let mut others = Vec::new();
    for wording in fields.own_text(Meaning::ProductKind).map(|text| values(text, true)).unwrap_or_default() {
        let kind = ProductKind::parse(wording);
        match &kind {
            ProductKind::Medical => medical.push(wording.to_owned()),
            ProductKind::Other(_) => others.push(wording.to_owned()),
            _ => {}
        }
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if !medical.is_empty() {
        let list = medical.join("、");
        let text = Text::new(
            format!("“{list}”是医用口罩，本表只填非医用口罩；请删去，并在“是否生产医用口罩”中选“是”"),
            format!(
                "`{list}` is a medical kind, the form is for non-medical masks; delete it and answer yes under 是否生产医用口罩"
            ),
        );
        fields.refuse(Meaning::ProductKind, "MEDICAL_KIND", text);
    } else if !others.is_empty() {
        let list = others.join("、");
        let text = Text::new(
            format!("“{list}”不在常用品种内，按原文保留"),
            format!("`{list}` is not among the usual kinds; kept as worded"),
        );
        fields.note(Meaning::ProductKind, "OTHER_KIND", text);
    }
    kinds
}

fn roles(fields: &mut Fields<'_>, kinds: &[ProductKind]) -> Vec<Role> {
    let wording = fields.text(Meaning::EnterpriseRole).unwrap_or_default();
    let raw_material =
        ["原料", "原材料", "熔喷", "无纺"].iter().any(|word| wording.contains(word)) || kinds.contains(&ProductKind::Meltblown);
    let masks = wording.contains("口罩") || kinds.iter().any(|kind| *kind != ProductKind::Meltblown);
    if kinds.is_empty() && (masks || !raw_material) {
        let text = Text::new(
            "缺少产品品种；请填写，如 防尘口罩、日常防护型口罩、儿童口罩",
            "no product kind; give at least one, e.g. 防尘口罩",
        );
        fields.refuse(Meaning::ProductKind, "KIND_MISSING", text);
    }
    let mut roles = Vec::new();
    if masks || !raw_material {
        roles.push(Role::MaskMaker);
    }
    if raw_material {
        roles.push(Role::RawMaterialMaker);
    }
    roles
}

fn claimed_standards(fields: &mut Fields<'_>) -> Vec<Standard> {
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    for wording in fields.own_text(Meaning::Standards).map(standards).unwrap_or_default() {
        let standard = Standard::parse(&wording);
        if !standard.is_known() {
            unknown.push(standard.as_str().to_owned());
        }
        if !known.contains(&standard) {
            known.push(standard);
        }
    }
    if !unknown.is_empty() {
        let list = unknown.join("、");
        if fields.options.accept_unknown_standard {
            let text = Text::new(
                format!("标准“{list}”不在表内，已按要求接受"),
                format!("the standard `{list}` is not in the table; accepted as asked"),
            );
            fields.note(Meaning::Standards, "UNKNOWN_STANDARD", text);
        } else {
            let text = Text::new(
                format!("标准“{list}”不在表内；请更正，或确认无误后加 --accept-unknown-standard"),
                format!("the standard `{list}` is not in the table; correct it, or confirm it with --accept-unknown-standard"),
            );
            fields.refuse(Meaning::Standards, "UNKNOWN_STANDARD", text);
        }
    }
    known
}

fn suppliers(fields: &mut Fields<'_>, enterprise: &Party) -> Vec<Party> {
    let mut suppliers: Vec<Party> = Vec::new();
    for name in fields.own_text(Meaning::MeltblownSuppliers).map(|text| values(text, true)).unwrap_or_default() {
        let party = match name {
            "无" => continue,
            "自产" | "自供" | "自产自用" | "本企业" => {
                let text = Text::new("“自产”读作本企业", "read as the enterprise itself");
                fields.note(Meaning::MeltblownSuppliers, "OWN_SUPPLY", text);
                Party { name: enterprise.name.clone(), credit_code: enterprise.credit_code, ..Party::default() }
            }
            name => Party { name: name.to_owned(), ..Party::default() },
        };
        if !suppliers.contains(&party) {
            suppliers.push(party);
        }
    }
    suppliers
}
