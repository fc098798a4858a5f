//! A small gateway for tests of the desks: a real store in a fresh folder, a clock that is set, records of example enterprises.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;

use tongbao::{
    clock::{Clock, SystemEntropy, World},
    domain::{
        attributes::{attributes_of, subjects_of},
        digest::Digest,
        draft::{Codec, DamagedBytes, Draft, SealedSection, Sections},
        evidence::{ActKind, Actor, CheckpointSigner, Entry, EvidenceDraft, read_entry},
        feeds::Feed,
        grants::{FeedPolicy, Participant, ParticipantRole, Register},
        ids::{Micros, ParticipantId, Position, RecordId, SystemId},
        ledger::{Act, Attestation, Change, Outcome, Publish},
        life_cycle::Authority,
        records::{Content, Kind, Matter},
        regions::Region,
        screening::{RegimeRow, Regimes, ScreeningPolicy},
        violation::Lang,
    },
    gateway::{
        Caller, Refused,
        committer::{Bounds, Committer},
        docket::DocketDesk,
        lists::ListDesk,
        moment::Asking,
        policy::Policy,
        pull::PullDesk,
        reader::Reader,
        resolve::{Deciding, ResolveDesk},
        screen::ScreeningDesk,
    },
    store::{
        Store,
        sqlite::{Options, SqliteStore},
    },
};

/// 2020-06-01T02:00:00Z.
pub const NOW: Micros = 1_590_976_800_000_000;
pub const HOUR: Micros = 3_600_000_000;

struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Micros {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.now().unsigned_abs())
    }
}

/// Sealed bytes are the number of a content kept here: what the wire does is not tested in this room.
#[derive(Default)]
struct Shelf(Mutex<Vec<Content>>);

impl Shelf {
    fn put(&self, content: &Content) -> Sections {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = kept.iter().position(|one| one == content).unwrap_or_else(|| {
            kept.push(content.clone());
            kept.len() - 1
        });
        let section = |mark: u8| {
            let bytes = [&[mark][..], &(number as u64).to_be_bytes()].concat();
            SealedSection { content: Bytes::from(bytes), salt: [mark; 16] }
        };
        let restricted = matches!(content.matter.kind(), Kind::EnterpriseSurvey | Kind::Disposition).then(|| section(1));
        Sections { open: section(0), restricted }
    }
}

impl Codec for Shelf {
    fn decode(&self, kind: Kind, sections: &Sections) -> Result<Content, DamagedBytes> {
        let damaged = || DamagedBytes { kind, why: "not on the shelf".into() };
        let number: [u8; 8] = sections.open.content.get(1..).and_then(|bytes| bytes.try_into().ok()).ok_or_else(damaged)?;
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(u64::from_be_bytes(number) as usize).cloned().ok_or_else(damaged)
    }
}

pub struct House {
    pub pull: PullDesk,
    pub resolve: ResolveDesk,
    pub lists: ListDesk,
    pub screening: ScreeningDesk,
    pub docket: DocketDesk,
    pub committer: Committer,
    store: Arc<dyn Store>,
    clock: Arc<SetClock>,
    shelf: Arc<Shelf>,
    policy: Arc<ArcSwap<ScreeningPolicy>>,
    reader: Reader,
    _folder: tempfile::TempDir,
}

pub fn participant(name: &str) -> ParticipantId {
    ParticipantId::parse(name).expect("a participant")
}

pub fn id(text: &str) -> RecordId {
    RecordId::parse(text).expect("a record id")
}

pub fn caller(name: &str) -> Caller {
    Caller {
        system: SystemId::parse(&format!("{name}/system")).expect("a system"),
        certificate_sha256: Digest::default(),
        operator: None,
        request_id: "request-1".into(),
        method: "tongbao.v1.RecordService/GetEnterprise",
        lang: Lang::En,
    }
}

pub fn asking() -> Asking {
    Asking { purpose: "出口检验".into(), ..Asking::default() }
}

fn register() -> Register {
    let participants = [
        ("amr-330000", ParticipantRole::Regulator, "330000"),
        ("gacc", ParticipantRole::Customs, ""),
        ("mofcom", ParticipantRole::Commerce, ""),
        ("ndrc", ParticipantRole::DevelopmentReform, ""),
    ];
    let participants = participants.map(|(name, role, region)| Participant {
        id: participant(name),
        name_zh: name.to_owned(),
        role,
        region: Region::parse(region),
    });
    let policies = Feed::ALL.map(FeedPolicy::standard);
    Register::build(participants.into(), Vec::new(), policies.into(), Vec::new()).expect("a register")
}

impl House {
    pub async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::open(&folder.path().join("store.db"), 7, &Options::default()).await.expect("a store");
        let store: Arc<dyn Store> = Arc::new(store);
        let clock = Arc::new(SetClock(AtomicI64::new(NOW)));
        let world = World { clock: clock.clone(), entropy: Arc::new(SystemEntropy::new()) };
        let committer = Committer::start(store.clone(), world.clone(), Bounds::default()).await.expect("a committer");
        let shelf = Arc::new(Shelf::default());
        let reader = Reader {
            store: store.clone(),
            tail: committer.tail(),
            codec: shelf.clone(),
            register: Arc::new(ArcSwap::from_pointee(register())),
            world,
        };
        let policy = Arc::new(ArcSwap::from_pointee(ScreeningPolicy::default()));
        let signer = Arc::new(CheckpointSigner::from_seed("tongbao/00ff", &[7; 32]).expect("a key"));
        Self {
            docket: DocketDesk::new(reader.clone(), committer.clone(), Arc::default()),
            pull: PullDesk::new(reader.clone(), committer.clone()),
            resolve: ResolveDesk::new(reader.clone(), committer.clone()),
            lists: ListDesk::new(reader.clone(), committer.clone(), signer, policy.clone()),
            screening: ScreeningDesk::new(reader.clone(), committer.clone(), policy.clone()),
            committer,
            store,
            clock,
            shelf,
            policy,
            reader,
            _folder: folder,
        }
    }

    pub fn pass(&self, time: Micros) {
        self.clock.0.fetch_add(time, Ordering::SeqCst);
    }

    pub fn put_regime_in_force(&self) {
        let row = RegimeRow { valid_from: tongbao::domain::dates::CivilDate::day(2020, 4, 26).expect("a day"), valid_to: None };
        self.policy.store(Arc::new(ScreeningPolicy { regimes: Regimes::new(vec![row]), ..ScreeningPolicy::default() }));
    }

    /// A second desk over the same ledger, as after a restart, under another policy.
    pub fn docket_under(&self, policy: Policy) -> DocketDesk {
        DocketDesk::new(self.reader.clone(), self.committer.clone(), Arc::new(ArcSwap::from_pointee(policy)))
    }

    pub async fn publish(&self, record_id: &str, matter: Matter) -> Position {
        self.publish_content(record_id, Content { matter, withdrawal: None }).await
    }

    fn draft(&self, record_id: RecordId, content: Content) -> Draft {
        let sections = self.shelf.put(&content);
        Draft {
            record_id,
            revision: None,
            attributes: attributes_of(&content, None),
            subjects: subjects_of(&content),
            digests: sections.digests(content.matter.kind()),
            sections,
            content,
            provenance: None,
            remarks: Vec::new(),
        }
    }

    /// Position of the decision, and its evidence entry if it is a new one.
    pub async fn decide(&self, caller: &Caller, deciding: &Deciding) -> Result<(Position, Option<u64>), Refused> {
        let seal = |record_id, content| Ok(self.draft(record_id, content));
        let (decision, evidence_index) = self.resolve.decide(caller, deciding, &seal).await?;
        Ok((decision.stored.position, evidence_index))
    }

    pub async fn publish_content(&self, record_id: &str, content: Content) -> Position {
        let record_id = id(record_id);
        let publisher = participant(record_id.namespace());
        let draft = self.draft(record_id, content);
        let evidence = EvidenceDraft::new(ActKind::Publish, Actor::default(), "test");
        let publish = Publish { publisher, authority: Authority::Unbounded, drafts: vec![draft], validate_only: false };
        let act = Act { change: Change::Publish(Box::new(publish)), evidence };
        match self.committer.commit(act).await.expect("a commit").outcome {
            Outcome::Published { items, .. } => items[0].position,
            other => panic!("not published: {other:?}"),
        }
    }

    /// Both lists are complete to now.
    pub async fn attest(&self) {
        for (publisher, feed, region) in [
            ("amr-330000", Feed::FailedProducts, "330000"),
            ("amr-330000", Feed::Enterprises, "330000"),
            ("mofcom", Feed::ExportQualifications, ""),
        ] {
            let complete_to = self.clock.now();
            let attestation = Attestation { publisher: participant(publisher), feed, region: Region::parse(region), complete_to };
            let evidence = EvidenceDraft::new(ActKind::Attest, Actor::default(), "test");
            self.committer.commit(Act { change: Change::Attest(attestation), evidence }).await.expect("a commit");
        }
    }

    pub async fn evidence(&self, index: u64) -> Entry {
        let entries = self.store.evidence(index, 1).await.expect("the log");
        read_entry(&entries.first().expect("an entry").1).expect("an entry that reads")
    }

    pub async fn evidence_size(&self) -> u64 {
        self.store.head().await.expect("the head").evidence_size
    }
}
