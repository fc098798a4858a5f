//! Attestations in memory: every answer names how far the data is complete, and they change seldom.
//!
//! They change through the one writer alone, and a group that attests says so before it is written. While one is under way, and
//! after one whose end is not known, nothing is kept: readers then read the file.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    domain::ledger::{Act, Attestation, Change},
    store::StoreError,
};

/// What was read last, for as long as it stands.
#[derive(Default)]
pub(super) struct Attested(Mutex<State>);

#[derive(Default)]
struct State {
    kept: Option<Arc<[Attestation]>>,
    /// Groups under way that attest.
    changing: u32,
    /// Groups ended that attested: what was read across one may be older than it.
    changed: u64,
}

impl Attested {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What stands: as kept, else as `read` finds it.
    pub(super) async fn get(
        &self,
        read: impl Future<Output = Result<Vec<Attestation>, StoreError>>,
    ) -> Result<Arc<[Attestation]>, StoreError> {
        let changed = {
            let state = self.state();
            if let Some(kept) = &state.kept {
                return Ok(kept.clone());
            }
            state.changed
        };
        let found: Arc<[Attestation]> = read.await?.into();
        let mut state = self.state();
        if state.changing == 0 && state.changed == changed {
            state.kept = Some(found.clone());
        }
        Ok(found)
    }

    /// To be called before the acts are written; ended by [`Changing::end`].
    pub(super) fn begin(&self, acts: &[Act]) -> Changing<'_> {
        let attests = acts.iter().any(|act| matches!(act.change, Change::Attest(_)));
        if attests {
            let mut state = self.state();
            state.changing += 1;
            state.kept = None;
        }
        Changing { attested: self, attests }
    }
}

/// A group under way. Dropped without an end, it is under way for ever: whether it is on disk is not known then, and nothing is
/// kept in memory any more.
pub(super) struct Changing<'a> {
    attested: &'a Attested,
    attests: bool,
}

impl Changing<'_> {
    /// The group is on disk, or nothing of it ever will be. To be called before anybody is told.
    pub(super) fn end(self) {
        if self.attests {
            let mut state = self.attested.state();
            state.changing -= 1;
            state.changed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;
    use crate::domain::{
        evidence::{ActKind, Actor, EvidenceDraft},
        feeds::Feed,
        ids::{Micros, ParticipantId},
    };

    fn attestation(complete_to: Micros) -> Attestation {
        let publisher = ParticipantId::parse("amr-330000").expect("a participant");
        Attestation { publisher, feed: Feed::Notices, region: None, complete_to }
    }

    fn attest() -> [Act; 1] {
        [Act { change: Change::Attest(attestation(1)), evidence: EvidenceDraft::new(ActKind::Attest, Actor::default(), "test") }]
    }

    async fn seen(attested: &Attested, in_file: Micros) -> Micros {
        attested.get(ready(Ok(vec![attestation(in_file)]))).await.expect("read")[0].complete_to
    }

    #[tokio::test]
    async fn what_was_read_stands_until_a_group_attests() {
        let attested = Attested::default();
        assert_eq!(seen(&attested, 1).await, 1);
        assert_eq!(seen(&attested, 2).await, 1, "from memory");
        attested.begin(&[]).end();
        assert_eq!(seen(&attested, 2).await, 1, "nobody attested");
        let changing = attested.begin(&attest());
        assert_eq!(seen(&attested, 2).await, 2, "under way: from the file");
        assert_eq!(seen(&attested, 3).await, 3, "under way: not kept");
        changing.end();
        assert_eq!(seen(&attested, 4).await, 4);
        assert_eq!(seen(&attested, 5).await, 4, "from memory again");
    }

    #[tokio::test]
    async fn what_was_read_across_a_change_is_not_kept() {
        let attested = Attested::default();
        let across = async {
            attested.begin(&attest()).end();
            Ok(vec![attestation(1)])
        };
        assert_eq!(attested.get(across).await.expect("read")[0].complete_to, 1);
        assert_eq!(seen(&attested, 2).await, 2);
    }

    #[tokio::test]
    async fn nothing_is_kept_after_a_group_whose_end_is_not_known() {
        let attested = Attested::default();
        assert_eq!(seen(&attested, 1).await, 1);
        let _never_ended = attested.begin(&attest());
        assert_eq!(seen(&attested, 2).await, 2);
        assert_eq!(seen(&attested, 3).await, 3);
    }
}
