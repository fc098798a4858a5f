//! Numbers of sampling campaigns.

use super::reading;
use crate::{
    domain::{
        products::ProductKind,
        records::{SamplingField, SamplingSummary},
        regions::Region,
        violation::Findings,
    },
    proto,
};

pub(super) fn read(message: proto::SamplingSummary, findings: &mut Findings) -> Option<SamplingSummary> {
    if message.region.is_empty() {
        reading::missing("region", findings);
    }
    // Where none can be read that has been said, and the value is dropped.
    let region = reading::region("region", &message.region, findings).or_else(|| Region::from_number(100_000))?;
    Some(SamplingSummary {
        campaign: message.campaign,
        region,
        product_kind: ProductKind::parse(&message.product_kind),
        field: reading::required_token("field", &message.field, findings).unwrap_or(SamplingField::Production),
        sampled: message.sampled,
        failed: message.failed,
        producers: message.producers,
        complete_to: reading::required_date("complete_to", message.complete_to, findings),
    })
}

pub(super) fn write(matter: &SamplingSummary) -> proto::SamplingSummary {
    proto::SamplingSummary {
        campaign: matter.campaign.clone(),
        region: matter.region.code(),
        product_kind: matter.product_kind.token().to_owned(),
        field: reading::write_token(Some(matter.field)),
        sampled: matter.sampled,
        failed: matter.failed,
        producers: matter.producers,
        complete_to: Some(reading::write_date(matter.complete_to)),
        withdrawal: None,
    }
}
