//! Producers named without a code on their way out, and decisions on their way in.

use super::{envelope, lookup, party, producer_decision, reading};
use crate::{
    domain::{
        credit_code::CreditCode,
        enterprise_file::{Filed, NonconformityStatus},
        ids::RecordId,
        records::{Content, Matter, Nonconformity, Token as _},
        regions::Region,
        resolution::NameCandidate,
    },
    proto,
};

/// A nonconformity whose producer has no code of its own, with the enterprises it may be.
pub fn unresolved(
    filed: (&crate::domain::draft::StoredRecord, &Nonconformity),
    status: &NonconformityStatus,
    candidates: &[NameCandidate],
    decision: Option<&Filed>,
) -> proto::UnresolvedProducer {
    let (stored, matter) = filed;
    proto::UnresolvedProducer {
        record_id: stored.record_id.to_string(),
        revision: stored.revision,
        position: stored.position,
        publisher: stored.publisher.to_string(),
        producer: Some(party::write(&matter.producer)),
        attribution: reading::write_token(Some(matter.attribution)),
        product_name: matter.product_name.clone(),
        status: Some(lookup::status(status)),
        at_publish: stored.resolution.as_ref().map(envelope::resolution),
        candidates: candidates.iter().map(candidate).collect(),
        decision: decision.map(|decision| event(decision, true)),
    }
}

fn candidate(candidate: &NameCandidate) -> proto::NameCandidate {
    proto::NameCandidate {
        credit_code: candidate.credit_code.to_string(),
        name: candidate.name.clone(),
        region: candidate.region.map(Region::code).unwrap_or_default(),
        ground: candidate.ground.token().to_owned(),
        ground_zh: candidate.ground.name_zh().to_owned(),
        region_contradicts: candidate.region_contradicts,
        survey_record_id: candidate.survey_record_id.to_string(),
        survey_position: candidate.survey_position,
    }
}

/// One revision of a decision.
pub fn event(filed: &Filed, in_force: bool) -> proto::DecisionEvent {
    let Content { matter, withdrawal } = &filed.content;
    let decision = match matter {
        Matter::ProducerDecision(matter) => Some(proto::ProducerDecision {
            withdrawal: withdrawal.as_ref().map(|reason| proto::Withdrawal { reason: reason.clone() }),
            ..producer_decision::write(matter)
        }),
        _ => None,
    };
    proto::DecisionEvent {
        record_id: filed.stored.record_id.to_string(),
        revision: filed.stored.revision,
        position: filed.stored.position,
        committed_at_us: filed.stored.committed_at,
        participant: filed.stored.publisher.to_string(),
        decision,
        in_force,
    }
}

/// One producer with everything that was decided about it.
pub fn producer(
    producer: proto::UnresolvedProducer,
    credit_code: Option<CreditCode>,
    decisions: &[Filed],
    basis: proto::AnswerBasis,
) -> proto::GetProducerResponse {
    let stands = producer.decision.as_ref().map_or(0, |decision| decision.position);
    proto::GetProducerResponse {
        credit_code: credit_code.map(|code| code.to_string()).unwrap_or_default(),
        decisions: decisions.iter().map(|filed| event(filed, filed.stored.position == stands)).collect(),
        producer: Some(producer),
        basis: Some(basis),
    }
}

/// A decision as it is kept: canonical bytes under its record id, without salt, which the gateway draws.
pub fn sealed(record_id: &RecordId, content: &Content) -> proto::Record {
    envelope::publishable(record_id, None, content, None)
}
