//! Dispositions: the open part, and the restricted detail of cases and consignees.

use super::{party, reading};
use crate::{
    domain::{
        life_cycle::State,
        records::{Consignee, Disposition, TrackChange},
        violation::Findings,
    },
    proto,
};

/// `None` never happens in practice: a reference that cannot be read is replaced, so that the rest is checked too.
pub(super) fn read(
    message: proto::Disposition,
    restricted: Option<proto::DispositionRestricted>,
    findings: &mut Findings,
) -> Option<Disposition> {
    let nonconformity = reading::record_id("nonconformity", &message.nonconformity, findings).or_else(reading::placeholder_id)?;
    let restricted = restricted.unwrap_or_default();
    let consignees = restricted.consignees.into_iter().enumerate();
    Some(Disposition {
        nonconformity,
        change: read_change(&message, findings),
        track: read_track(&message, findings),
        taken_on: reading::required_date("taken_on", message.taken_on, findings),
        due_on: reading::date("due_on", message.due_on, findings),
        consignees: consignees
            .map(|(index, consignee)| findings.within_index("consignees", index, |findings| read_consignee(consignee, findings)))
            .collect(),
        measure: message.measure,
        authority: message.authority,
        document_number: message.document_number,
        legal_basis: message.legal_basis,
        reason: message.reason,
        quantity_made: message.quantity_made,
        quantity_sold: message.quantity_sold,
        quantity_recovered: message.quantity_recovered,
        case_detail: restricted.case_detail,
    })
}

/// Both states or neither.
fn read_change(message: &proto::Disposition, findings: &mut Findings) -> Option<(State, State)> {
    if message.from.is_empty() && message.to.is_empty() {
        return None;
    }
    let from = reading::required_token("from", &message.from, findings);
    let to = reading::required_token("to", &message.to, findings);
    from.zip(to)
}

/// A track needs its step; a step or a scope needs its track.
fn read_track(message: &proto::Disposition, findings: &mut Findings) -> Option<TrackChange> {
    if message.track.is_empty() && message.track_step.is_empty() && message.scope.is_empty() {
        return None;
    }
    let track = reading::required_token("track", &message.track, findings);
    let step = reading::required_token("track_step", &message.track_step, findings);
    let scope = reading::token("scope", &message.scope, findings).unwrap_or_default();
    track.zip(step).map(|(track, step)| TrackChange { track, step, scope })
}

fn read_consignee(consignee: proto::Consignee, findings: &mut Findings) -> Consignee {
    Consignee {
        party: party::read_required("party", consignee.party, findings),
        quantity: consignee.quantity,
        delivered_on: reading::date("delivered_on", consignee.delivered_on, findings),
    }
}

pub(super) fn write(matter: &Disposition) -> (proto::Disposition, proto::DispositionRestricted) {
    let (from, to) = matter.change.unzip();
    let open = proto::Disposition {
        nonconformity: matter.nonconformity.as_str().to_owned(),
        from: reading::write_token(from),
        to: reading::write_token(to),
        track: reading::write_token(matter.track.map(|change| change.track)),
        track_step: reading::write_token(matter.track.map(|change| change.step)),
        scope: reading::write_token(matter.track.map(|change| change.scope)),
        measure: matter.measure.clone(),
        authority: matter.authority.clone(),
        document_number: matter.document_number.clone(),
        legal_basis: matter.legal_basis.clone(),
        taken_on: Some(reading::write_date(matter.taken_on)),
        due_on: matter.due_on.map(reading::write_date),
        reason: matter.reason.clone(),
        quantity_made: matter.quantity_made,
        quantity_sold: matter.quantity_sold,
        quantity_recovered: matter.quantity_recovered,
        withdrawal: None,
    };
    let restricted = proto::DispositionRestricted {
        case_detail: matter.case_detail.clone(),
        consignees: matter.consignees.iter().map(write_consignee).collect(),
    };
    (open, restricted)
}

fn write_consignee(consignee: &Consignee) -> proto::Consignee {
    proto::Consignee {
        party: Some(party::write(&consignee.party)),
        quantity: consignee.quantity,
        delivered_on: consignee.delivered_on.map(reading::write_date),
    }
}
