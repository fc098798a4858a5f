//! A failed inspection of one batch (不合格).

use super::Party;
use crate::domain::{dates::CivilDate, items::InspectionItem, life_cycle::State, products::ProductKind, standards::Standard};

/// Level of the organiser (级别).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// 国家
    National,
    /// 省
    Province,
    /// 市
    City,
    /// 县
    County,
}

/// Where the sample was taken (领域).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamplingField {
    /// 生产领域
    Production,
    /// 流通领域
    Market,
    /// 网络
    Online,
}

/// How sure it is that the named producer made the goods (domain.md §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Attribution {
    /// Sampled at the producer itself.
    SampledAtProducer,
    /// As labelled (标称).
    #[default]
    Nominal,
    /// Confirmed by the producer or its authority.
    Confirmed,
    /// The named producer denies it.
    Denied,
}

/// One inspected item.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectionResult {
    /// The item.
    pub item: InspectionItem,
    /// Test medium (salt, oil), empty = not stated.
    pub medium: String,
    /// Clause of the standard.
    pub clause: String,
    /// Value measured, as written.
    pub measured: String,
    /// Comparator, as written.
    pub comparator: String,
    /// Limit, as written.
    pub limit: String,
    /// Unit, as written.
    pub unit: String,
    /// True unless the conclusion says that this item passed.
    pub failed: bool,
}

/// A failed inspection of one batch. Empty strings mean "not stated".
#[derive(Debug, Clone, PartialEq)]
pub struct Nonconformity {
    /// Name of the inspection campaign.
    pub campaign: String,
    /// Level of the organiser.
    pub level: Option<Level>,
    /// Where it was sampled.
    pub field: Option<SamplingField>,
    /// The publisher's number of the sampling.
    pub sampling_number: String,
    /// Number of the test report.
    pub report_number: String,
    /// Day of sampling.
    pub sampled_on: Option<CivilDate>,
    /// Day of the report.
    pub reported_on: Option<CivilDate>,
    /// Day the producer was told.
    pub notified_on: Option<CivilDate>,
    /// Day of publication; `None` = not published.
    pub published_on: Option<CivilDate>,
    /// Authority that organised the inspection.
    pub organiser: String,
    /// Authority that handles the producer.
    pub handler: String,
    /// The maker, as labelled or established.
    pub producer: Party,
    /// How sure that is.
    pub attribution: Attribution,
    /// Where the sample was taken, if not at the producer.
    pub sampled_party: Option<Party>,
    /// Name of the product.
    pub product_name: String,
    /// Kind of the product.
    pub product_kind: Option<ProductKind>,
    /// Brand.
    pub brand: String,
    /// Model.
    pub model: String,
    /// Grade.
    pub grade: String,
    /// Specification.
    pub specification: String,
    /// Production date.
    pub produced_on: Option<CivilDate>,
    /// Batch, as written.
    pub batch: String,
    /// The cell of date and batch exactly as written.
    pub date_and_batch_raw: String,
    /// Standards the product claims.
    pub claimed_standards: Vec<Standard>,
    /// Laboratory.
    pub laboratory: String,
    /// Pieces in the batch.
    pub batch_quantity: Option<u64>,
    /// Pieces sampled.
    pub sample_quantity: Option<u64>,
    /// Inspected items, at least one failed.
    pub items: Vec<InspectionResult>,
    /// State it starts in.
    pub initial_state: State,
    /// What the list says of the rectification, exactly as written.
    pub handling_raw: String,
}
