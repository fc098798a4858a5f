//! Entries of the allow-list.

use super::{party, reading};
use crate::{
    domain::{records::ExportQualification, violation::Findings},
    proto,
};

pub(super) fn read(message: proto::ExportQualification, findings: &mut Findings) -> ExportQualification {
    ExportQualification {
        enterprise: party::read_required("enterprise", message.enterprise, findings),
        product_kinds: reading::product_kinds(&message.product_kinds),
        valid_from: reading::required_date("valid_from", message.valid_from, findings),
        valid_to: reading::date("valid_to", message.valid_to, findings),
        certificate_number: message.certificate_number,
        certifier: message.certifier,
        scheme: message.scheme,
        countries: message.countries,
    }
}

pub(super) fn write(matter: &ExportQualification) -> proto::ExportQualification {
    proto::ExportQualification {
        enterprise: Some(party::write(&matter.enterprise)),
        certificate_number: matter.certificate_number.clone(),
        certifier: matter.certifier.clone(),
        scheme: matter.scheme.clone(),
        product_kinds: reading::write_product_kinds(&matter.product_kinds),
        countries: matter.countries.clone(),
        valid_from: Some(reading::write_date(matter.valid_from)),
        valid_to: matter.valid_to.map(reading::write_date),
        withdrawal: None,
    }
}
