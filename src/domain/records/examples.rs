//! Example values for documentation, demonstrations and tests.
//!
//! Everything here is invented: the codes are the bodies that GB 11714 reserves for internal use, so that no failure is ever
//! attached to a real enterprise. Equal numbers give equal values. Every value passes its `check` where synthetic codes are allowed.

use super::{
    Attribution, CustomsAction, Disposition, EnterpriseSurvey, ExportAction, ExportQualification, InspectionResult, Level,
    Nonconformity, Party, RecordReference, Role, SamplingField, Severity, UrgentNotice,
};
use crate::domain::{
    credit_code::CreditCode, dates::CivilDate, ids::RecordId, items::InspectionItem, life_cycle::State, products::ProductKind,
    regions::Region, standards::Standard,
};

/// Regions of the examples, in turn.
const REGIONS: [u32; 5] = [330_600, 370_200, 420_500, 440_300, 410_700];
/// 2020-05-15T02:00:00Z, the day of the notice.
const ISSUED_AT: i64 = 1_589_508_000_000_000;

fn day(month: u8, day: u8) -> Option<CivilDate> {
    CivilDate::day(2020, month, day)
}

/// The region of the `n`-th enterprise.
pub fn region(n: u64) -> Option<Region> {
    Region::from_number(REGIONS[(n % 5) as usize])
}

/// The code of the `n`-th enterprise; distinct for every `n` up to three million.
pub fn credit_code(n: u64) -> CreditCode {
    CreditCode::synthetic(REGIONS[(n % 5) as usize], (n % 3_000_000) as u32 + 1)
}

/// The `n`-th enterprise.
pub fn enterprise(n: u64) -> Party {
    Party {
        name: format!("示例{n}号防护用品有限公司"),
        credit_code: Some(credit_code(n)),
        legacy_identifier: None,
        address: format!("示例路{}号", n % 900 + 1),
        region: region(n),
    }
}

/// A failed inspection of the `n`-th enterprise, confirmed and published.
pub fn nonconformity(n: u64) -> Nonconformity {
    Nonconformity {
        campaign: "2020年非医用口罩专项监督抽查".into(),
        level: Some(Level::Province),
        field: Some(SamplingField::Production),
        sampling_number: format!("CC2020-{n:06}"),
        report_number: format!("BG2020-{n:06}"),
        sampled_on: day(4, 20),
        reported_on: day(4, 27),
        notified_on: day(4, 28),
        published_on: day(5, 20),
        organiser: "示例省市场监督管理局".into(),
        handler: "示例市市场监督管理局".into(),
        producer: enterprise(n),
        attribution: Attribution::SampledAtProducer,
        sampled_party: None,
        product_name: "日常防护型口罩".into(),
        product_kind: Some(ProductKind::DailyProtective),
        brand: format!("示例牌{}", n % 1_000),
        model: "M-95".into(),
        grade: "A级".into(),
        specification: "17.5cm×9.5cm".into(),
        produced_on: day(4, 9),
        batch: format!("B{n:07}"),
        date_and_batch_raw: format!("2020年4月9日/B{n:07}"),
        claimed_standards: vec![Standard::parse("GB/T 32610-2016")],
        laboratory: "示例检验中心".into(),
        batch_quantity: Some(20_000),
        sample_quantity: Some(60),
        items: vec![failed_filtration()],
        initial_state: State::Confirmed,
        handling_raw: "责令改正".into(),
    }
}

/// A failed filtration efficiency, with salt.
pub fn failed_filtration() -> InspectionResult {
    InspectionResult {
        item: InspectionItem::parse("filtration_efficiency"),
        medium: "salt".into(),
        clause: "5.3".into(),
        measured: "82.4".into(),
        comparator: ">=".into(),
        limit: "90".into(),
        unit: "%".into(),
        failed: true,
    }
}

/// A survey row of the `n`-th enterprise, a mask maker that exports.
pub fn survey(n: u64) -> EnterpriseSurvey {
    EnterpriseSurvey {
        filing_unit: "示例市市场监督管理局".into(),
        filed_on: day(5, 25),
        enterprise: enterprise(n),
        roles: vec![Role::MaskMaker],
        product_kinds: vec![ProductKind::DailyProtective, ProductKind::Children],
        standards: vec![Standard::parse("GB/T 32610-2016"), Standard::parse("GB/T 38880-2020")],
        converted: Some(true),
        exports: Some(true),
        makes_medical: Some(false),
        meltblown_suppliers: vec![enterprise(n + 1_000_000)],
        daily_output: Some(50_000 + n % 1_000),
    }
}

/// An entry of the allow-list for the `n`-th enterprise, open-ended.
pub fn qualification(n: u64) -> ExportQualification {
    ExportQualification {
        enterprise: enterprise(n),
        certificate_number: format!("EX-{n:06}"),
        certifier: "Example Notified Body".into(),
        scheme: "EN 149".into(),
        product_kinds: vec![ProductKind::DailyProtective],
        countries: vec!["DE".into(), "FR".into()],
        valid_from: day(4, 26).unwrap_or(CivilDate::of_instant(ISSUED_AT)),
        valid_to: None,
    }
}

/// A step of the state of a nonconformity, with its reason.
pub fn disposition(of: RecordId, from: State, to: State) -> Disposition {
    Disposition {
        nonconformity: of,
        change: Some((from, to)),
        track: None,
        measure: to.name_zh().into(),
        authority: "示例市市场监督管理局".into(),
        document_number: "示市监责改〔2020〕1号".into(),
        legal_basis: "产品质量法".into(),
        taken_on: day(5, 22).unwrap_or(CivilDate::of_instant(ISSUED_AT)),
        due_on: day(7, 21),
        reason: if to.is_recall() { "re_test".into() } else { String::new() },
        quantity_made: Some(20_000),
        quantity_sold: Some(12_000),
        quantity_recovered: None,
        case_detail: String::new(),
        consignees: Vec::new(),
    }
}

/// What customs did with the first item of the `n`-th declaration.
pub fn export_action(n: u64, acted_on: Vec<RecordReference>) -> ExportAction {
    ExportAction {
        declaration_number: format!("220120200{:09}", n % 1_000_000_000),
        item_number: 1,
        office: "2201".into(),
        screening_id: String::new(),
        records: acted_on,
        action: CustomsAction::Held,
        quantity: Some(10_000),
        acted_at: ISSUED_AT,
        maker: Some(credit_code(n)),
        remark: "布控查验".into(),
    }
}

/// The `n`-th urgent notice, to all.
pub fn notice(n: u64) -> UrgentNotice {
    UrgentNotice {
        title: format!("示例紧急通报第{n}号"),
        text: "示例：某批次口罩过滤效率严重不合格，请各单位协查。".into(),
        severity: Severity::MajorProblem,
        regions: region(n).into_iter().collect(),
        product_kinds: vec![ProductKind::DailyProtective],
        records: Vec::new(),
        issued_at: ISSUED_AT,
        enterprise: Some(enterprise(n)),
    }
}
