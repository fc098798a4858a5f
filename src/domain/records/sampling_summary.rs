//! What a campaign sampled and found in one region (抽查汇总): the denominators that single nonconformities lack.

use super::{
    SamplingField,
    check::{self, CheckContext},
};
use crate::domain::{
    dates::CivilDate,
    products::ProductKind,
    regions::Region,
    violation::{Findings, Text},
};

/// Numbers of one campaign, region, product kind and field.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingSummary {
    /// Name of the campaign.
    pub campaign: String,
    /// Region.
    pub region: Region,
    /// Kind of the product.
    pub product_kind: ProductKind,
    /// Where it was sampled.
    pub field: SamplingField,
    /// Batches sampled.
    pub sampled: u64,
    /// Batches that failed.
    pub failed: u64,
    /// Producers whose goods were sampled; `None` = not stated.
    pub producers: Option<u64>,
    /// Last day the numbers take in.
    pub complete_to: CivilDate,
}

impl SamplingSummary {
    /// Checks everything that can be said of it alone.
    pub fn check(&self, context: &CheckContext, findings: &mut Findings) {
        check::required_text(findings, "campaign", &self.campaign);
        check::region(findings, "region", self.region);
        check::within_own_region(findings, context, "region", Some(self.region));
        check::required_text(findings, "product_kind", self.product_kind.token());
        check::happened(findings, context, "complete_to", Some(self.complete_to));
        let part = |findings: &mut Findings, field: &str, part: u64| {
            if part > self.sampled {
                let text = Text::new("大于抽样批次数；请核对", "is more than was sampled; check both");
                findings.refuse(field, "QUANTITIES_DIFFER", text);
            }
        };
        part(findings, "failed", self.failed);
        part(findings, "producers", self.producers.unwrap_or_default());
    }
}
