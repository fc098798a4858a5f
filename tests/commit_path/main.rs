//! The way of an act from the queue to the disk and back to the readers: committer, tail and pages over a real store that can be
//! made to fail, before a commit, after it, or to hang.

mod committer;
mod faulty;
mod pages;
mod pitfalls;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU8, Ordering},
    },
    time::Duration,
};

use tongbao::{
    clock::{Clock, Entropy, World},
    domain::{
        attributes::{attributes_of, subjects_of},
        draft::{Draft, SealedSection, Sections},
        evidence::{ActKind, Actor, EvidenceDraft},
        ids::{Micros, ParticipantId, RecordId},
        ledger::{Act, Change, Publish},
        life_cycle::Authority,
        records::{Content, Matter, examples},
    },
    store::sqlite::{Options, SqliteStore},
};

use faulty::FaultyStore;

/// Time that moves when it is read; randomness that counts.
struct Counted(AtomicI64, AtomicU8);

impl Clock for Counted {
    fn now(&self) -> Micros {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.0.fetch_add(1, Ordering::Relaxed).unsigned_abs())
    }
}

impl Entropy for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.1.fetch_add(1, Ordering::Relaxed));
    }
}

fn world() -> World {
    let counted = Arc::new(Counted(AtomicI64::new(1_589_508_000_000_000), AtomicU8::new(1)));
    World { clock: counted.clone(), entropy: counted }
}

/// A store in a folder that goes away with it.
async fn store() -> (Arc<FaultyStore>, Arc<SqliteStore>, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let inner = SqliteStore::open(&folder.path().join("store.db"), 1, &Options::default()).await.expect("a store");
    let inner = Arc::new(inner);
    (Arc::new(FaultyStore::over(inner.clone())), inner, folder)
}

fn draft(n: u64) -> Draft {
    let content = Content { matter: Matter::Nonconformity(Box::new(examples::nonconformity(n))), withdrawal: None };
    let open = SealedSection { content: format!("{content:?}").into_bytes().into(), salt: [1; 16] };
    let sections = Sections { open, restricted: None };
    Draft {
        record_id: RecordId::parse(&format!("amr-330000/{n}")).expect("a record id"),
        revision: None,
        digests: sections.digests(content.matter.kind()),
        sections,
        provenance: None,
        attributes: attributes_of(&content, None),
        subjects: subjects_of(&content),
        remarks: Vec::new(),
        content,
    }
}

fn publish(numbers: impl IntoIterator<Item = u64>) -> Act {
    let publisher = ParticipantId::parse("amr-330000").expect("a participant");
    let publish = Publish {
        publisher,
        authority: Authority::Unbounded,
        drafts: numbers.into_iter().map(draft).collect(),
        validate_only: false,
    };
    Act { change: Change::Publish(Box::new(publish)), evidence: EvidenceDraft::new(ActKind::Publish, Actor::default(), "case") }
}
