//! A failed inspection of one batch (不合格).

use super::{Party, token::tokens};
use crate::domain::{dates::CivilDate, items::InspectionItem, life_cycle::State, products::ProductKind, standards::Standard};

tokens! {
    /// Level of the organiser (级别).
    pub enum Level {
        National = "national", "国家";
        Province = "province", "省";
        City = "city", "市";
        County = "county", "县";
    }
}

tokens! {
    /// Where the sample was taken (领域).
    pub enum SamplingField {
        Production = "production", "生产领域";
        Market = "market", "流通领域";
        Online = "online", "网络";
    }
}

tokens! {
    /// How sure it is that the named producer made the goods (domain.md §3).
    #[derive(Default)]
    pub enum Attribution {
        /// (sampled at the producer itself)
        SampledAtProducer = "sampled_at_producer", "在生产者处抽样";
        /// (as labelled; also where nothing is stated)
        #[default]
        Nominal = "nominal", "标称";
        /// (by the producer or its authority)
        Confirmed = "confirmed", "已确认";
        /// (by the named producer)
        Denied = "denied", "被否认";
    }
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
