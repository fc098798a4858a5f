//! Doubts, their answers, acknowledgements.

use super::reading;
use crate::{
    domain::{
        records::{Doubt, DoubtAnswer, DoubtOutcome, NoticeAcknowledgement, RecordReference},
        violation::Findings,
    },
    proto,
};

pub(super) fn read_doubt(message: proto::Doubt, findings: &mut Findings) -> Option<Doubt> {
    let about = message.about.unwrap_or_default();
    let record_id = findings.within("about", |findings| reading::record_id("record_id", &about.record_id, findings));
    let record_id = record_id.or_else(reading::placeholder_id)?;
    Some(Doubt { about: RecordReference { record_id, revision: about.revision, position: about.position }, text: message.text })
}

pub(super) fn write_doubt(matter: &Doubt) -> proto::Doubt {
    let RecordReference { record_id, revision, position } = &matter.about;
    let about = proto::RecordReference { record_id: record_id.to_string(), revision: *revision, position: *position };
    proto::Doubt { about: Some(about), text: matter.text.clone(), withdrawal: None }
}

pub(super) fn read_answer(message: proto::DoubtAnswer, findings: &mut Findings) -> Option<DoubtAnswer> {
    let doubt = reading::record_id("doubt", &message.doubt, findings).or_else(reading::placeholder_id)?;
    // Where none is stated that has been said, and the value is dropped.
    let outcome = reading::required_token("outcome", &message.outcome, findings).unwrap_or(DoubtOutcome::Upheld);
    Some(DoubtAnswer { doubt, outcome, text: message.text })
}

pub(super) fn write_answer(matter: &DoubtAnswer) -> proto::DoubtAnswer {
    proto::DoubtAnswer {
        doubt: matter.doubt.to_string(),
        outcome: reading::write_token(Some(matter.outcome)),
        text: matter.text.clone(),
        withdrawal: None,
    }
}

pub(super) fn read_acknowledgement(
    message: proto::NoticeAcknowledgement,
    findings: &mut Findings,
) -> Option<NoticeAcknowledgement> {
    let notice = reading::record_id("notice", &message.notice, findings).or_else(reading::placeholder_id)?;
    Some(NoticeAcknowledgement { notice, remark: message.remark })
}

pub(super) fn write_acknowledgement(matter: &NoticeAcknowledgement) -> proto::NoticeAcknowledgement {
    proto::NoticeAcknowledgement { notice: matter.notice.to_string(), remark: matter.remark.clone(), withdrawal: None }
}
