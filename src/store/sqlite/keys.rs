//! Keys that records are found by, as they are filed.
//!
//! Cut into segments by the position of the revision that files them: see the table `record_key`. A commit writes its keys in one row
//! ([`Run`]), since keys are as good as random and each would cost a page of the log; when a segment is full they are filed in order
//! ([`super::settling`]). The names of survey rows stand apart, in one piece, because publishing reads them.

use super::{errors::damaged, int};
use crate::{
    domain::{
        attributes::{SubjectKey, survey_keys},
        draft::{OrderKey, StoredRecord},
        ids::Position,
        ledger::{NewRevision, WritePlan},
        records::Kind,
    },
    store::StoreError,
};

/// Positions of a segment, as a power of two; statements of `lookup` say the same number.
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
    if is_named { survey_keys(&stored.attributes.name_key) } else { Vec::new() }
}

/// Keys that the revisions of a commit file in one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Position of the last of these revisions.
    pub(super) last: Position,
    /// Key, and the position filed under it: the first one of the record, for order keys the revision's own.
    pub(super) keys: Vec<[i64; 2]>,
}

impl Run {
    /// The segment.
    pub(super) fn segment(&self) -> u64 {
        segment_of(self.last)
    }

    /// As it is kept.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.keys.iter().flatten().flat_map(|number| number.to_be_bytes()).collect()
    }

    /// As it was kept.
    pub(super) fn from_bytes(last: Position, bytes: &[u8]) -> Result<Self, StoreError> {
        let (pairs, rest) = bytes.as_chunks::<16>();
        let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)).cast_signed();
        let keys = pairs.iter().map(|pair| [number(&pair[..8]), number(&pair[8..])]).collect();
        if rest.is_empty() { Ok(Self { last, keys }) } else { Err(damaged("key_run.keys", "a wrong length")) }
    }
}

/// What a group files: a run for each segment that it touches, and (key, position) of survey rows in the order of their table, so
/// that neighbours are written together.
pub(super) fn filed(plan: &WritePlan) -> (Vec<Run>, Vec<[i64; 2]>) {
    let mut runs: Vec<Run> = Vec::new();
    let mut register = Vec::new();
    for NewRevision { stored, first_position, subjects } in &plan.revisions {
        let first = int(*first_position);
        let names = names(stored);
        if runs.last().is_none_or(|run| run.segment() != segment_of(stored.position)) {
            runs.push(Run { last: stored.position, keys: Vec::new() });
        }
        if let Some(run) = runs.last_mut() {
            run.last = stored.position;
            run.keys.extend(subjects.iter().filter(|key| !names.contains(key)).map(|key| [key.0, first]));
            run.keys.push([order_subject(&stored.order_key).0, int(stored.position)]);
        }
        register.extend(names.iter().map(|key| [key.0, first]));
    }
    for run in &mut runs {
        run.keys.sort_unstable();
        run.keys.dedup();
    }
    register.sort_unstable();
    register.dedup();
    (runs, register)
}
