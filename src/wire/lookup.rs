//! Answers of lookups on their way out.

use super::{envelope, reading};
use crate::{
    domain::{
        enterprise_file::{EnterpriseFile, NonconformityStatus, Shown},
        flow::Flow,
        records::Token as _,
        screening::{AnswerBasis, RegimeRow},
    },
    proto,
};

/// How far an answer is good.
pub fn basis(basis: &AnswerBasis) -> proto::AnswerBasis {
    proto::AnswerBasis {
        position: basis.position,
        complete_to_us: basis.complete_to.unwrap_or(0),
        stale: basis.stale,
        evidence_index: basis.evidence_index,
        purpose_salt: basis.purpose_salt.map(|salt| salt.to_vec().into()).unwrap_or_default(),
    }
}

/// Days on which a regime is in force.
pub fn regime(row: &RegimeRow) -> proto::RegimePeriod {
    proto::RegimePeriod { valid_from: Some(reading::write_date(row.valid_from)), valid_to: row.valid_to.map(reading::write_date) }
}

/// A record as its reader may see it.
pub fn shown(shown: &Shown) -> proto::Record {
    envelope::record(&shown.stored, shown.restricted)
}

/// The file of one enterprise.
pub fn enterprise(file: &EnterpriseFile) -> proto::EnterpriseFile {
    proto::EnterpriseFile {
        credit_code: file.credit_code.as_str().to_owned(),
        names: file.names.clone(),
        records: file.records.iter().map(shown).collect(),
        nonconformities: file.nonconformities.iter().map(status).collect(),
        on_deny_list: file.on_deny_list,
        on_allow_list: file.on_allow_list,
    }
}

/// Where a batch went.
fn flow(flow: Flow) -> proto::Flow {
    let differences = flow.differences();
    proto::Flow {
        made: flow.made,
        sold: flow.sold,
        recovered: flow.recovered,
        consigned: flow.consigned,
        differences_zh: differences.iter().map(|(_, text)| text.zh.clone()).collect(),
        differences_en: differences.into_iter().map(|(_, text)| text.en).collect(),
    }
}

/// Where a nonconformity stands.
pub fn status(status: &NonconformityStatus) -> proto::NonconformityStatus {
    let tracks = status.standing.open_tracks.iter().map(|(track, scope)| format!("{}:{}", track.token(), scope.token()));
    proto::NonconformityStatus {
        record_id: status.record_id.to_string(),
        state: status.standing.state.token().to_owned(),
        state_zh: status.standing.state.name_zh().to_owned(),
        since_position: status.since,
        open_tracks: tracks.collect(),
        flow: (!status.flow.is_empty()).then(|| flow(status.flow)),
    }
}
