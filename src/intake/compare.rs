//! What a reading would change (domain.md §9: a dry run shows new, changed, same, missing).

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    digest::Digest,
    ids::{RecordId, Revision},
    names::strict_key,
    records::{Content, Matter, Party},
};

use super::reading::Reading;

/// What stands under a record id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The latest revision.
    pub revision: Revision,
    /// Digest of its content, as the caller's `digest_of` makes it.
    pub digest: Digest,
    /// Strict key of the enterprise's name (`names::strict_key`); empty = not known.
    pub name_key: String,
}

/// What sending a row would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A first revision.
    New,
    /// A further revision after this one.
    Changed(Revision),
    /// Nothing: equal to this revision.
    Same(Revision),
    /// The same `list/row` stands with another producer: refused unless confirmed.
    OtherProducer(Revision),
    /// What stands is not known, as in an offline dry run.
    Unknown,
}

/// What a reading would change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// For each row that can be sent: sheet, row, id, change.
    pub rows: Vec<(String, u32, RecordId, Change)>,
    /// Standing records that the file no longer has; they stay unless withdrawn.
    pub missing: Vec<RecordId>,
}

/// Compares a reading with what stands. `standing` holds the publisher's records of the same list or survey; `None` = not
/// known (offline). `digest_of` is how the caller digests content, so that equal digests mean equal content.
pub fn compare(
    reading: &Reading,
    digest_of: &dyn Fn(&Content) -> Digest,
    standing: Option<&BTreeMap<RecordId, Standing>>,
) -> Comparison {
    let rows: Vec<_> = reading
        .valid()
        .map(|(sheet, row, id, content)| {
            let change = standing.map_or(Change::Unknown, |standing| change_of(content, digest_of, standing.get(id)));
            (sheet.name.clone(), row, id.clone(), change)
        })
        .collect();
    // A row that is in the file with an error is not missing from it.
    let present: BTreeSet<&RecordId> =
        reading.sheets.iter().flat_map(|sheet| &sheet.rows).filter_map(|row| row.record_id.as_ref()).collect();
    let missing = standing.into_iter().flat_map(BTreeMap::keys).filter(|id| !present.contains(id)).cloned().collect();
    Comparison { rows, missing }
}

fn change_of(content: &Content, digest_of: &dyn Fn(&Content) -> Digest, standing: Option<&Standing>) -> Change {
    let Some(standing) = standing else { return Change::New };
    if digest_of(content) == standing.digest {
        return Change::Same(standing.revision);
    }
    let other =
        enterprise(content).is_some_and(|party| !standing.name_key.is_empty() && strict_key(&party.name) != standing.name_key);
    // A survey's id is the enterprise's code, so a new name there is a change of name.
    if other && matches!(content.matter, Matter::Nonconformity(_)) {
        return Change::OtherProducer(standing.revision);
    }
    Change::Changed(standing.revision)
}

fn enterprise(content: &Content) -> Option<&Party> {
    match &content.matter {
        Matter::Nonconformity(failure) => Some(&failure.producer),
        Matter::EnterpriseSurvey(survey) => Some(&survey.enterprise),
        _ => None,
    }
}
