//! What every step of an act works with. Built once by the composition root.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::{
    Caller, Class, Refused,
    committer::{Committer, Done},
    dead_letters::LetterDesk,
    disclosure::DisclosureLog,
    docket::DocketDesk,
    evidence::EvidenceDesk,
    lists::ListDesk,
    policy::Policy,
    pull::PullDesk,
    read::ReadDesk,
    reader::Reader,
    refusals::RefusalLog,
    resolve::ResolveDesk,
    screen::ScreeningDesk,
    subscribe::{HostParts, Hosts, UnarySessions},
    tail::Tail,
};
use crate::{
    clock::World,
    domain::{
        draft::Codec,
        evidence::{ActKind, CheckpointSigner, EvidenceDraft},
        feeds::Feed,
        grants::{Action, Permit, Register},
        ledger::{Act, Change, Outcome},
        screening::ScreeningPolicy,
    },
    store::Store,
};

/// What a gateway is built from.
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// The one writer.
    pub committer: Committer,
    /// Signs checkpoints.
    pub signer: Arc<CheckpointSigner>,
    /// Who may do what; swapped whole on reload.
    pub register: Arc<ArcSwap<Register>>,
    /// Domain settings; swapped whole on reload.
    pub policy: Arc<ArcSwap<Policy>>,
    /// How declarations are screened; swapped whole on reload.
    pub screening: Arc<ArcSwap<ScreeningPolicy>>,
    /// Reads content out of sealed bytes.
    pub codec: Arc<dyn Codec>,
    /// Takes note of refusals.
    pub refusals: RefusalLog,
    /// Time and randomness.
    pub world: World,
    /// Cancelled when nothing new is to be begun.
    pub stop: CancellationToken,
}

/// The gateway: what the doors call.
pub struct Gateway {
    pub(super) store: Arc<dyn Store>,
    pub(super) committer: Committer,
    pub(super) tail: Tail,
    /// Who may do what.
    pub register: Arc<ArcSwap<Register>>,
    /// Domain settings.
    pub policy: Arc<ArcSwap<Policy>>,
    /// Time and randomness.
    pub world: World,
    refusals: RefusalLog,
    /// Subscriptions that are awake.
    pub hosts: Hosts,
    pub(super) unary: UnarySessions,
    /// Looking up.
    pub pull: PullDesk,
    /// Both lists, whole.
    pub lists: ListDesk,
    /// Resolving producers named without a code.
    pub resolve: ResolveDesk,
    /// Reading by position.
    pub read: ReadDesk,
    /// Dead letters.
    pub letters: LetterDesk,
    /// Screening.
    pub screening: ScreeningDesk,
    /// What waits for somebody.
    pub docket: DocketDesk,
    /// The evidence log.
    pub evidence: EvidenceDesk,
    /// Cancelled when nothing new is to be begun: doors that hold streams say `go_away` then.
    pub stop: CancellationToken,
}

impl Gateway {
    /// Puts it together. Nothing runs yet but the committer.
    pub fn new(parts: Parts) -> Self {
        let Parts { store, committer, signer, register, policy, screening, codec, refusals, world, stop } = parts;
        let tail = committer.tail();
        let hosts = Hosts::new(HostParts {
            store: store.clone(),
            committer: committer.clone(),
            tail: tail.clone(),
            pages: committer.pages(),
            register: register.clone(),
            world: world.clone(),
            stop: stop.clone(),
        });
        let reader = Reader { store: store.clone(), tail: tail.clone(), codec, register: register.clone(), world: world.clone() };
        Self {
            read: ReadDesk::new(
                reader.clone(),
                committer.pages(),
                DisclosureLog { committer: committer.clone(), world: world.clone() },
            ),
            docket: DocketDesk::new(reader.clone(), committer.clone(), policy.clone()),
            pull: PullDesk::new(reader.clone(), committer.clone()),
            lists: ListDesk::new(reader.clone(), committer.clone(), signer.clone(), screening.clone()),
            resolve: ResolveDesk::new(reader.clone(), committer.clone()),
            screening: ScreeningDesk::new(reader, committer.clone(), screening),
            evidence: EvidenceDesk::new(store.clone(), committer.clone(), signer),
            letters: LetterDesk::new(store.clone(), hosts.clone(), world.clone(), stop.clone()),
            unary: UnarySessions::default(),
            store,
            committer,
            tail,
            register,
            policy,
            world,
            refusals,
            hosts,
            stop,
        }
    }

    /// Takes note of a refused request for the evidence log; never waits.
    pub fn note_refusal(&self, caller: &Caller, refused: &Refused) {
        self.refusals.note(caller, refused);
    }

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
