//! A ledger under test and the acts done to it. Time and ids are counted, so that every run is the same.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use super::Home;
use crate::{
    domain::{
        attributes::{attributes_of, subjects_of},
        delivery::{
            Filter, OnDeadLetter, Ordering as DeliveryOrdering, RetryPolicy, StartAt, SubscriptionDelta, SubscriptionKey,
            SubscriptionRow, SubscriptionSpec,
        },
        draft::{Draft, Provenance, SealedSection, Sections, StoredRecord},
        evidence::{ActKind, Actor, EvidenceDraft},
        ids::{Micros, ParticipantId, Position, RecordId, Revision, SystemId},
        ledger::{Act, Change, Committed, Outcome, Publish, PublishedItem, Refusal, RefusedItem},
        life_cycle::{Authority, State},
        records::{Content, Matter, examples},
    },
    store::{PageBounds, Store},
};

/// 2020-05-20T00:00:00Z.
pub(crate) const START: Micros = 1_589_932_800_000_000;

/// Pages as large as they come.
pub(crate) const WHOLE: PageBounds = PageBounds { records: usize::MAX, bytes: usize::MAX };

/// The regulator that publishes in the cases.
pub(crate) fn publisher() -> ParticipantId {
    participant("amr-330000")
}

pub(crate) fn participant(name: &str) -> ParticipantId {
    ParticipantId::parse(name).expect("a participant of the cases")
}

pub(crate) fn record_id(number: &str) -> RecordId {
    RecordId::parse(&format!("amr-330000/{number}")).expect("a record id of the cases")
}

/// A draft under `amr-330000/<number>`. Its bytes stand for the canonical ones: equal matter, equal bytes.
pub(crate) fn draft(number: &str, matter: Matter) -> Draft {
    draft_of(number, Content { matter, withdrawal: None })
}

/// The same, withdrawn.
pub(crate) fn withdrawn(number: &str, matter: Matter) -> Draft {
    draft_of(number, Content { matter, withdrawal: Some("录入有误".to_owned()) })
}

fn draft_of(number: &str, content: Content) -> Draft {
    let bytes = format!("{content:?}").into_bytes();
    let withheld = [b"restricted ", bytes.as_slice()].concat();
    let restricted = content.matter.kind().has_restricted().then(|| SealedSection { content: withheld.into(), salt: [2; 16] });
    let sections = Sections { open: SealedSection { content: bytes.into(), salt: [1; 16] }, restricted };
    Draft {
        record_id: record_id(number),
        revision: None,
        digests: sections.digests(content.matter.kind()),
        sections,
        provenance: None,
        attributes: attributes_of(&content, examples::region(0)),
        subjects: subjects_of(&content),
        remarks: Vec::new(),
        content,
    }
}

pub(crate) fn provenance() -> Provenance {
    Provenance { file_name: "名单.xlsx".to_owned(), file_digest: vec![0xab; 32], sheet: "Sheet1".to_owned(), row: 7 }
}

pub(crate) fn numbered(draft: Draft, revision: Revision) -> Draft {
    Draft { revision: Some(revision), ..draft }
}

/// The `n`-th nonconformity as a draft of its own number.
pub(crate) fn nonconformity(n: u64) -> Draft {
    draft(&format!("n/{n}"), Matter::Nonconformity(Box::new(examples::nonconformity(n))))
}

/// The same with another measured value: new content.
pub(crate) fn corrected(n: u64, laboratory: &str) -> Draft {
    let mut matter = examples::nonconformity(n);
    laboratory.clone_into(&mut matter.laboratory);
    draft(&format!("n/{n}"), Matter::Nonconformity(Box::new(matter)))
}

/// A step of the `n`-th nonconformity.
pub(crate) fn step(number: &str, n: u64, from: State, to: State) -> Draft {
    let matter = examples::disposition(record_id(&format!("n/{n}")), from, to);
    draft(number, Matter::Disposition(Box::new(matter)))
}

/// The `n`-th survey row.
pub(crate) fn survey(n: u64) -> Draft {
    draft(&format!("s/{n}"), Matter::EnterpriseSurvey(Box::new(examples::survey(n))))
}

/// What is recorded of an act in the cases.
pub(crate) fn evidence(kind: ActKind) -> EvidenceDraft {
    let system = SystemId::parse("amr-330000/supervision").expect("a system of the cases");
    EvidenceDraft::new(kind, Actor { system: Some(system), ..Actor::default() }, "case")
}

pub(crate) fn publish(drafts: Vec<Draft>) -> Act {
    let publish = Publish { publisher: publisher(), authority: Authority::Unbounded, drafts, validate_only: false };
    Act { change: Change::Publish(Box::new(publish)), evidence: evidence(ActKind::Publish) }
}

/// An act that is nothing but its entry.
pub(crate) fn note(kind: ActKind, subjects: &[&str]) -> Act {
    let subjects = subjects.iter().map(|&subject| subject.to_owned()).collect();
    Act { change: Change::Record, evidence: EvidenceDraft { subjects, ..evidence(kind) } }
}

/// A store under test.
pub(crate) struct Ledger {
    pub(crate) store: Arc<dyn Store>,
    now: AtomicI64,
    groups: AtomicU64,
}

impl Ledger {
    pub(crate) async fn open(home: &impl Home) -> Self {
        Self { store: home.open().await.expect("the store opens"), now: AtomicI64::new(START), groups: AtomicU64::new(0) }
    }

    /// Commits a group one second after the last.
    pub(crate) async fn commit(&self, acts: &[Act]) -> Committed {
        let now = self.now.fetch_add(1_000_000, Ordering::Relaxed);
        let group = u128::from(self.groups.fetch_add(1, Ordering::Relaxed));
        self.store.commit(group, now, acts).await.expect("the group is committed")
    }

    pub(crate) async fn act(&self, act: Act) -> Outcome {
        self.commit(&[act]).await.outcomes.pop().expect("one outcome an act")
    }

    /// Publishes one batch that is accepted.
    pub(crate) async fn publish(&self, drafts: Vec<Draft>) -> Vec<PublishedItem> {
        match self.act(publish(drafts)).await {
            Outcome::Published { items, .. } => items,
            other => panic!("not published: {other:?}"),
        }
    }

    /// Publishes one batch that is refused.
    pub(crate) async fn refused(&self, drafts: Vec<Draft>) -> Vec<RefusedItem> {
        match self.act(publish(drafts)).await {
            Outcome::Refused(Refusal::Batch(items)) => items,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// All revisions so far.
    pub(crate) async fn everything(&self) -> Vec<StoredRecord> {
        let head = self.store.head().await.expect("a head").position;
        self.store.page(0, head, WHOLE).await.expect("a page")
    }

    pub(crate) async fn head(&self) -> Position {
        self.store.head().await.expect("a head").position
    }

    /// Nothing is wrong with the whole store.
    pub(crate) async fn is_sound(&self) {
        let wrong = self.store.check_everything().await.expect("it can be checked");
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

pub(crate) fn subscription_key(name: &str) -> SubscriptionKey {
    SubscriptionKey { participant: participant("gacc"), name: name.to_owned() }
}

pub(crate) fn subscription_row(name: &str) -> SubscriptionRow {
    let spec = SubscriptionSpec {
        filter: Filter {
            region_prefixes: vec!["33".to_owned()],
            states: vec![State::Confirmed, State::Ordered],
            credit_codes: vec![examples::credit_code(7)],
            failed_items: u64::MAX,
            ..Filter::default()
        },
        ordering: DeliveryOrdering::PerEnterprise,
        on_dead_letter: OnDeadLetter::Block,
        lease_ms: 30_000,
        lease_total_ms: 3_600_000,
        retry: RetryPolicy {
            max_attempts: 10,
            initial_ms: 1000,
            max_ms: 600_000,
            non_retryable: vec!["malformed".to_owned()],
            pause_after_failures: 5,
            rate_per_second: 50,
        },
        max_in_flight: 1000,
        max_span: 100_000,
        purpose: "出口监管".to_owned(),
        start: StartAt::Time(START),
    };
    SubscriptionRow { key: subscription_key(name), spec, created_at: START, start_floor: 1, snapshot_at: 0 }
}

pub(crate) fn create(name: &str) -> Act {
    Act { change: Change::CreateSubscription(Box::new(subscription_row(name))), evidence: evidence(ActKind::Subscription) }
}

pub(crate) fn apply(delta: SubscriptionDelta) -> Act {
    Act { change: Change::MoveSubscription(Box::new(delta)), evidence: evidence(ActKind::Settle) }
}

/// Numbers without a pattern, the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// At most `most` numbers from 1 to `bound`, ascending.
    pub(crate) fn some(&mut self, most: u64, bound: u64) -> Vec<u64> {
        let mut numbers: Vec<_> = (0..self.below(most + 1)).map(|_| self.below(bound) + 1).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}
