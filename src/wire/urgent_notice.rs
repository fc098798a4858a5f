//! Urgent notices.

use super::{party, reading};
use crate::{
    domain::{
        records::{Severity, UrgentNotice},
        violation::Findings,
    },
    proto,
};

pub(super) fn read(message: proto::UrgentNotice, findings: &mut Findings) -> UrgentNotice {
    let mut regions = Vec::with_capacity(message.regions.len());
    for (index, region) in message.regions.iter().enumerate() {
        if region.is_empty() {
            findings.within_index("regions", index, |findings| reading::missing("", findings));
        }
        regions.extend(findings.within_index("regions", index, |findings| reading::region("", region, findings)));
    }
    UrgentNotice {
        // Where none is stated that has been said, and the value is dropped.
        severity: reading::required_token("severity", &message.severity, findings).unwrap_or(Severity::MajorProblem),
        regions,
        product_kinds: reading::product_kinds(&message.product_kinds),
        records: party::read_references(message.records, findings),
        enterprise: party::read_optional("enterprise", message.enterprise, findings),
        title: message.title,
        text: message.text,
        issued_at: message.issued_at_us,
    }
}

pub(super) fn write(matter: &UrgentNotice) -> proto::UrgentNotice {
    proto::UrgentNotice {
        title: matter.title.clone(),
        text: matter.text.clone(),
        severity: reading::write_token(Some(matter.severity)),
        regions: matter.regions.iter().map(|region| region.code()).collect(),
        product_kinds: reading::write_product_kinds(&matter.product_kinds),
        records: party::write_references(&matter.records),
        issued_at_us: matter.issued_at,
        enterprise: matter.enterprise.as_ref().map(party::write),
        withdrawal: None,
    }
}
