//! A failed inspection of one batch (不合格).

use super::{
    Party,
    check::{self, CheckContext},
    token::tokens,
};
use crate::domain::{
    dates::CivilDate,
    items::InspectionItem,
    life_cycle::State,
    products::ProductKind,
    standards::Standard,
    violation::{Findings, Text},
};

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

impl InspectionResult {
    fn check(&self, findings: &mut Findings) {
        check::required_text(findings, "item", self.item.token());
        check::texts(
            findings,
            &[
                ("medium", &self.medium),
                ("clause", &self.clause),
                ("measured", &self.measured),
                ("comparator", &self.comparator),
                ("limit", &self.limit),
                ("unit", &self.unit),
            ],
        );
    }
}

impl Nonconformity {
    /// Checks everything that can be said of it alone.
    pub fn check(&self, context: &CheckContext, findings: &mut Findings) {
        self.check_texts(findings);
        findings.within("producer", |findings| self.producer.check(context, findings));
        if let Some(seller) = &self.sampled_party {
            findings.within("sampled_party", |findings| seller.check(context, findings));
        }
        check::within_own_region(findings, context, "producer.region", self.producer.known_region());
        check::standards(findings, "claimed_standards", &self.claimed_standards);
        self.check_items(findings);
        self.check_dates(context, findings);
        self.check_state(findings);
        if self.sample_quantity > self.batch_quantity && self.batch_quantity.is_some() {
            let text = Text::new("抽样数量大于批量；请核对", "more pieces were sampled than the batch has; check both");
            findings.remark("sample_quantity", "QUANTITIES_DIFFER", text);
        }
    }

    fn check_texts(&self, findings: &mut Findings) {
        check::required_text(findings, "product_name", &self.product_name);
        if let Some(kind) = &self.product_kind {
            check::required_text(findings, "product_kind", kind.token());
        }
        check::texts(
            findings,
            &[
                ("campaign", &self.campaign),
                ("sampling_number", &self.sampling_number),
                ("report_number", &self.report_number),
                ("organiser", &self.organiser),
                ("handler", &self.handler),
                ("brand", &self.brand),
                ("model", &self.model),
                ("grade", &self.grade),
                ("specification", &self.specification),
                ("batch", &self.batch),
                ("date_and_batch_raw", &self.date_and_batch_raw),
                ("laboratory", &self.laboratory),
                ("handling_raw", &self.handling_raw),
            ],
        );
    }

    fn check_items(&self, findings: &mut Findings) {
        check::list(findings, "items", self.items.len());
        for (index, item) in self.items.iter().enumerate().take(check::LIST_LIMIT) {
            findings.within_index("items", index, |findings| item.check(findings));
        }
        if self.items.is_empty() {
            check::missing(findings, "items");
        } else if !self.items.iter().any(|item| item.failed) {
            findings.refuse(
                "items",
                "NO_FAILED_ITEM",
                Text::new("没有不合格项目，不能作为不合格记录发布", "no item failed: this is no nonconformity"),
            );
        }
    }

    fn check_dates(&self, context: &CheckContext, findings: &mut Findings) {
        for (field, date) in [
            ("sampled_on", self.sampled_on),
            ("reported_on", self.reported_on),
            ("notified_on", self.notified_on),
            ("published_on", self.published_on),
        ] {
            check::happened(findings, context, field, date);
        }
        // A report or a publication cannot precede the sample.
        for (field, date) in [("reported_on", self.reported_on), ("published_on", self.published_on)] {
            if check::reversed(self.sampled_on, date) {
                findings.refuse(field, "DATE_ORDER", check::order_text(date, "抽样日期", "the day of sampling"));
            }
        }
        // Producers are told by telephone before the report is printed, and labels are post-dated.
        if check::reversed(self.reported_on, self.notified_on) {
            findings.remark(
                "notified_on",
                "DATE_ORDER",
                check::order_text(self.notified_on, "报告日期", "the day of the report"),
            );
        }
        if check::reversed(self.produced_on, self.sampled_on) {
            findings.remark("sampled_on", "DATE_ORDER", check::order_text(self.sampled_on, "生产日期", "the day of production"));
        }
    }

    fn check_state(&self, findings: &mut Findings) {
        if self.initial_state == State::Detected && self.published_on.is_some() {
            findings.remark(
                "published_on",
                "PUBLISHED_BEFORE_NOTICE",
                Text::new(
                    "已公布，但状态仍为“未告知企业”；请核对",
                    "the result is published, yet the producer has not been told; check the state",
                ),
            );
        }
    }
}
