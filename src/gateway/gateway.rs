//! What every step of an act works with. Built once by the composition root.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::{
    Caller, Class, Refused,
    committer::{Committer, Done, Tail},
    evidence::EvidenceDesk,
    pages::Pages,
    policy::Policy,
    pull::PullDesk,
    refusals::RefusalLog,
    screen::ScreeningDesk,
    subscribe::{Hosts, UnarySessions},
};
use crate::{
    clock::World,
    domain::{
        draft::Codec,
        evidence::{ActKind, EvidenceDraft},
        feeds::Feed,
        grants::{Action, Permit, Register},
        ledger::{Act, Change, Outcome},
    },
    store::Store,
};

/// The parts a gateway is built from.
pub struct Gateway {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// The one writer.
    pub committer: Committer,
    /// "Committed up to n".
    pub tail: Tail,
    /// Pages of the ledger, shared by all readers.
    pub pages: Arc<Pages>,
    /// Who may do what; swapped whole on reload.
    pub register: Arc<ArcSwap<Register>>,
    /// Domain settings; swapped whole on reload.
    pub policy: Arc<ArcSwap<Policy>>,
    /// Reads content out of sealed bytes.
    pub codec: Arc<dyn Codec>,
    /// Time and randomness.
    pub world: World,
    /// Refusals on their way into the evidence log.
    pub refusals: RefusalLog,
    /// Subscriptions that are awake.
    pub hosts: Hosts,
    /// Sessions of unary consumers.
    pub unary: UnarySessions,
    /// Looking up.
    pub pull: PullDesk,
    /// Screening.
    pub screening: ScreeningDesk,
    /// The evidence log.
    pub evidence: EvidenceDesk,
    /// Cancelled when the gateway is to stop.
    pub stop: CancellationToken,
}

impl Gateway {
    /// The permit of a caller for an action on a feed, evaluated now.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` when there is no grant, or it has lapsed.
    pub fn permit(&self, caller: &Caller, action: Action, feed: Feed) -> Result<Permit, Refused> {
        let today = self.policy.load().today(&self.world);
        self.register
            .load()
            .permit(caller.participant(), action, feed, today)
            .map_err(|denied| Refused { text: denied.text, ..Refused::new(Class::PermissionDenied, denied.reason, "", "") })
    }

    /// Commits one act and answers after it is on disk.
    pub(super) async fn act(&self, change: Change, evidence: EvidenceDraft) -> Result<Done, Refused> {
        self.committer.commit(Act { change, evidence }).await
    }

    /// An evidence draft of a caller's request.
    pub(super) fn evidence_of(caller: &Caller, kind: ActKind) -> EvidenceDraft {
        EvidenceDraft { request_id: caller.request_id.clone(), ..EvidenceDraft::new(kind, caller.actor(), caller.method) }
    }

    /// Records an act of the gateway itself: started, stopped, register loaded.
    ///
    /// # Errors
    /// When it cannot be recorded; then it must not be done.
    pub async fn administer(&self, what: &str, subjects: Vec<String>) -> Result<(), Refused> {
        let actor = crate::domain::evidence::Actor::default();
        let evidence = EvidenceDraft { subjects, ..EvidenceDraft::new(ActKind::Administer, actor, what) };
        match self.act(Change::Record, evidence).await?.outcome {
            Outcome::Done { .. } => Ok(()),
            other => Err(unexpected("administer", &other)),
        }
    }
}

/// An outcome that the act cannot have: a defect of the gateway, said as such.
pub(super) fn unexpected(act: &str, outcome: &Outcome) -> Refused {
    Refused::new(
        Class::Internal,
        "INTERNAL",
        format!("内部错误：{act} 得到了不应出现的结果"),
        format!("defect: {act} had the impossible outcome {outcome:?}"),
    )
}
