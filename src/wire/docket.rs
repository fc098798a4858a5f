//! Duties on their way out.

use super::reading;
use crate::{
    domain::{docket::Entry, records::Token as _, working_days::Counted},
    proto,
};

/// A duty with its last day by the periods in force.
pub fn entry(entry: &Entry, due: Option<Counted>) -> proto::DocketEntry {
    proto::DocketEntry {
        duty: entry.key.duty.token().to_owned(),
        duty_zh: entry.key.duty.name_zh().to_owned(),
        detail: entry.key.detail.clone(),
        record_id: entry.record.to_string(),
        position: entry.position,
        answerable: entry.answerable.to_string(),
        since: Some(reading::write_date(entry.since)),
        due_on: due.map(|due| reading::write_date(due.day)),
        stated: entry.stated.is_some(),
        estimated: due.is_some_and(|due| due.estimated),
        raised_at_us: entry.raised_at.unwrap_or_default(),
    }
}
