//! Enterprises as records name them, and references to records.

use super::reading;
use crate::{
    domain::{
        credit_code::LegacyIdentifier,
        records::{Party, RecordReference},
        regions::Region,
        violation::{Findings, Text},
    },
    proto,
};

/// A party that must be there; its name is checked with the record.
pub(super) fn read_required(field: &str, party: Option<proto::Party>, findings: &mut Findings) -> Party {
    findings.within(field, |findings| read(party.unwrap_or_default(), findings))
}

/// A party that may be absent.
pub(super) fn read_optional(field: &str, party: Option<proto::Party>, findings: &mut Findings) -> Option<Party> {
    party.map(|party| findings.within(field, |findings| read(party, findings)))
}

/// Several parties.
pub(super) fn read_all(field: &str, parties: Vec<proto::Party>, findings: &mut Findings) -> Vec<Party> {
    parties
        .into_iter()
        .enumerate()
        .map(|(index, party)| findings.within_index(field, index, |findings| read(party, findings)))
        .collect()
}

fn read(party: proto::Party, findings: &mut Findings) -> Party {
    Party {
        credit_code: reading::credit_code("credit_code", &party.credit_code, findings),
        legacy_identifier: legacy_identifier(&party.legacy_identifier, findings),
        region: reading::region("region", &party.region, findings),
        name: party.name,
        address: party.address,
    }
}

fn legacy_identifier(text: &str, findings: &mut Findings) -> Option<LegacyIdentifier> {
    if text.is_empty() {
        return None;
    }
    let legacy = LegacyIdentifier::parse(text);
    match &legacy {
        Some(legacy) if legacy.as_str() != text => reading::not_normalised("legacy_identifier", legacy.as_str(), findings),
        Some(_) => {}
        None => findings.refuse(
            "legacy_identifier",
            "WRONG_LEGACY_IDENTIFIER",
            Text::new(
                "既不是15位注册号，也不是9位组织机构代码，或校验位不符；请核对",
                "is neither a registration number of 15 digits nor an organisation code of 9 characters, or its check digit is wrong",
            ),
        ),
    }
    legacy
}

pub(super) fn write(party: &Party) -> proto::Party {
    proto::Party {
        name: party.name.clone(),
        credit_code: party.credit_code.map(|code| code.as_str().to_owned()).unwrap_or_default(),
        legacy_identifier: party.legacy_identifier.as_ref().map(|legacy| legacy.as_str().to_owned()).unwrap_or_default(),
        address: party.address.clone(),
        region: party.region.map(Region::code).unwrap_or_default(),
    }
}

/// References to records that somebody acted on.
pub(super) fn read_references(references: Vec<proto::RecordReference>, findings: &mut Findings) -> Vec<RecordReference> {
    references
        .into_iter()
        .enumerate()
        .filter_map(|(index, reference)| {
            let record_id = findings
                .within_index("records", index, |findings| reading::record_id("record_id", &reference.record_id, findings));
            let record_id = record_id.or_else(reading::placeholder_id)?;
            Some(RecordReference { record_id, revision: reference.revision, position: reference.position })
        })
        .collect()
}

pub(super) fn write_references(references: &[RecordReference]) -> Vec<proto::RecordReference> {
    references
        .iter()
        .map(|reference| proto::RecordReference {
            record_id: reference.record_id.as_str().to_owned(),
            revision: reference.revision,
            position: reference.position,
        })
        .collect()
}
