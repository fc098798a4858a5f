//! What is recorded of a disclosure before its first byte leaves (design guarantee 2). Readers hold this and not the committer
//! itself: they can record, and change nothing.

use super::{Caller, Class, Refused, committer::Committer};
use crate::{
    clock::World,
    domain::{
        digest::Digest,
        evidence::{ActKind, EvidenceDraft, PositionRange, commitment, records_root},
        feeds::Feed,
        ids::Position,
        ledger::{Act, Change, Outcome},
    },
};

/// Longest purpose, characters.
pub const MAX_PURPOSE: usize = 500;

/// What is about to leave.
#[derive(Debug, Default)]
pub(super) struct Disclosure {
    /// Feeds drawn on.
    pub(super) feeds: Vec<Feed>,
    /// Position and digest of every revision disclosed or rested on.
    pub(super) revisions: Vec<(Position, Digest)>,
    /// What was asked for.
    pub(super) subjects: Vec<String>,
    /// Purpose as stated; empty = none.
    pub(super) purpose: String,
    /// Named numbers.
    pub(super) counts: Vec<(&'static str, u64)>,
}

/// A disclosure on disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recorded {
    pub(super) evidence_index: u64,
    pub(super) purpose_salt: Option<[u8; 16]>,
}

/// Records disclosures.
#[derive(Clone)]
pub(super) struct DisclosureLog {
    pub(super) committer: Committer,
    pub(super) world: World,
}

impl DisclosureLog {
    /// Records it and returns after it is on disk. What cannot be recorded must not be disclosed.
    pub(super) async fn record(&self, kind: ActKind, caller: &Caller, mut disclosure: Disclosure) -> Result<Recorded, Refused> {
        let purpose_salt = (!disclosure.purpose.is_empty()).then(|| self.world.random::<16>());
        disclosure.revisions.sort_unstable_by_key(|(position, _)| *position);
        disclosure.revisions.dedup_by_key(|(position, _)| *position);
        let (positions, digests): (Vec<Position>, Vec<Digest>) = disclosure.revisions.into_iter().unzip();
        let evidence = EvidenceDraft {
            request_id: caller.request_id.clone(),
            feeds: disclosure.feeds,
            records_root: (!digests.is_empty()).then(|| records_root(&digests)),
            positions: ranges(&positions),
            subjects: disclosure.subjects,
            commitment: purpose_salt.map(|salt| commitment(&salt, &disclosure.purpose)),
            counts: disclosure.counts,
            ..EvidenceDraft::new(kind, caller.actor(), caller.method)
        };
        let done = self.committer.commit(Act { change: Change::Record, evidence }).await?;
        match done.outcome {
            Outcome::Done { evidence_index } => Ok(Recorded { evidence_index, purpose_salt }),
            other => Err(Refused::new(
                Class::Internal,
                "INTERNAL",
                "内部错误：留证得到了不应出现的结果",
                format!("defect: recording a disclosure had the impossible outcome {other:?}"),
            )),
        }
    }
}

/// Ascending positions as ranges that do not touch.
fn ranges(positions: &[Position]) -> Vec<PositionRange> {
    let mut ranges: Vec<PositionRange> = Vec::new();
    for &position in positions {
        match ranges.last_mut() {
            Some(range) if range.last + 1 == position => range.last = position,
            _ => ranges.push(PositionRange { first: position, last: position }),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_one_range() {
        let range = |first, last| PositionRange { first, last };
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), [range(1, 3), range(7, 7), range(9, 10)]);
        assert_eq!(ranges(&[]), []);
    }
}
