//! Keys that records are found by, as they are filed.
//!
//! Cut into segments by the position of the revision that files them: see the table `record_key`. The names of survey rows stand
//! apart, in one piece, because publishing reads them.

use super::int;
use crate::domain::{
    attributes::SubjectKey,
    draft::{OrderKey, StoredRecord},
    ids::Position,
    ledger::{NewRevision, WritePlan, register_keys},
    records::Kind,
};

/// Positions of a segment, as a power of two; statements of `records` say the same number.
pub(super) const SEGMENT_BITS: u32 = 14;

/// The segment that a revision at this position files its keys in.
pub(super) fn segment_of(position: Position) -> u64 {
    position >> SEGMENT_BITS
}

/// The key under which revisions are filed for their order. An enterprise's code is the same key as for finding it, so that one
/// row serves both; all other order keys begin with their publisher and a slash.
pub(super) fn order_subject(key: &OrderKey) -> SubjectKey {
    SubjectKey::of(if key.0.contains('/') { "order" } else { "code" }, &key.0)
}

/// The keys of its name, if it is a survey row.
pub(super) fn names(stored: &StoredRecord) -> Vec<SubjectKey> {
    let is_named = stored.attributes.kind == Kind::EnterpriseSurvey && !stored.attributes.name_key.is_empty();
    if is_named { register_keys(&stored.attributes.name_key).to_vec() } else { Vec::new() }
}

/// What a group files: (segment, key, position) and, for survey rows, (key, position), both in the order of their tables, so that
/// neighbours are written together.
pub(super) fn filed(plan: &WritePlan) -> (Vec<[i64; 3]>, Vec<[i64; 2]>) {
    let mut keys = Vec::new();
    let mut register = Vec::new();
    for NewRevision { stored, first_position, subjects } in &plan.revisions {
        let (segment, first) = (int(segment_of(stored.position)), int(*first_position));
        let names = names(stored);
        keys.extend(subjects.iter().filter(|key| !names.contains(key)).map(|key| [segment, key.0, first]));
        keys.push([segment, order_subject(&stored.order_key).0, int(stored.position)]);
        register.extend(names.iter().map(|key| [key.0, first]));
    }
    keys.sort_unstable();
    keys.dedup();
    register.sort_unstable();
    register.dedup();
    (keys, register)
}
