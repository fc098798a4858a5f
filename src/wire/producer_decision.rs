//! Decisions on producers named without a code.

use super::reading;
use crate::{
    domain::{records::ProducerDecision, violation::Findings},
    proto,
};

/// `None` never happens in practice: a reference that cannot be read is replaced, so that the rest is checked too.
pub(super) fn read(message: proto::ProducerDecision, findings: &mut Findings) -> Option<ProducerDecision> {
    let survey_record_id = match message.survey_record_id.as_str() {
        "" => None,
        text => reading::record_id("survey_record_id", text, findings),
    };
    Some(ProducerDecision {
        nonconformity: reading::record_id("nonconformity", &message.nonconformity, findings).or_else(reading::placeholder_id)?,
        credit_code: reading::credit_code("credit_code", &message.credit_code, findings),
        survey_record_id,
        producer_name: message.producer_name,
        reason: message.reason,
    })
}

pub(super) fn write(matter: &ProducerDecision) -> proto::ProducerDecision {
    proto::ProducerDecision {
        nonconformity: matter.nonconformity.to_string(),
        producer_name: matter.producer_name.clone(),
        credit_code: matter.credit_code.map(|code| code.to_string()).unwrap_or_default(),
        reason: matter.reason.clone(),
        survey_record_id: matter.survey_record_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        withdrawal: None,
    }
}
