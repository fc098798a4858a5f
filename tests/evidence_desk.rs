//! The evidence desk over the embedded store: what is recorded can be searched, proved, exported, and verified offline.

use std::{fs, path::Path, sync::Arc};

use tempfile::TempDir;
use tongbao::{
    cli::evidence_folder::{FolderWriter, verify_folder},
    clock::World,
    domain::{
        evidence::{
            ActKind, Actor, CheckpointSigner, EvidenceDraft, ProofFile, origin_of, read_entry, verify_checkpoint,
            verify_consistency,
        },
        ids::SystemId,
        ledger::{Act, Change},
        violation::Lang,
    },
    gateway::{
        Caller, Class, Operator, OperatorRole,
        committer::{Bounds, Committer},
        evidence::{EvidenceDesk, SearchFrom},
    },
    store::{
        EvidenceQuery, Store as _,
        sqlite::{Options, SqliteStore},
    },
};

struct Office {
    desk: EvidenceDesk,
    committer: Committer,
    store: Arc<SqliteStore>,
    signer: Arc<CheckpointSigner>,
    _home: TempDir,
}

impl Office {
    async fn open() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::open(&home.path().join("ledger.db"), 0xfeed, &Options::default()).await.expect("a store");
        let store = Arc::new(store);
        let committer = Committer::start(store.clone(), World::real(), Bounds::default()).await.expect("started");
        let origin = origin_of(&store.identity().ledger_id);
        let signer = Arc::new(CheckpointSigner::from_seed(&origin, &[7; 32]).expect("a key"));
        let desk = EvidenceDesk::new(store.clone(), committer.clone(), signer.clone());
        Self { desk, committer, store, signer, _home: home }
    }

    /// Records acts of nobody in particular.
    async fn record(&self, count: u64) {
        for number in 0..count {
            let evidence = EvidenceDraft {
                subjects: vec![format!("amr-330000/{number}")],
                ..EvidenceDraft::new(ActKind::Pull, Actor::default(), "tongbao.v1.RecordService/GetRecord")
            };
            self.committer.commit(Act { change: Change::Record, evidence }).await.expect("committed");
        }
    }

    async fn size(&self) -> u64 {
        self.store.head().await.expect("a head").evidence_size
    }

    /// Reads the whole log as an exporter does, page by page.
    async fn export(&self, folder: &Path) -> u64 {
        let caller = caller(&[OperatorRole::Audit]);
        let head = self.desk.checkpoint(&caller).await.expect("signed");
        let mut writer = FolderWriter::create(folder, &head.verifier_key, &head.checkpoint).expect("begun");
        let mut from = None;
        while writer.wants().is_some() {
            let page = self.desk.search(&caller, &EvidenceQuery::default(), from, 100).await.expect("a page");
            for (index, entry) in &page.entries {
                if writer.wants().is_some() {
                    writer.entry(*index, entry).expect("written");
                }
            }
            from = page.next;
        }
        writer.finish().expect("ended").size
    }
}

fn caller(roles: &[OperatorRole]) -> Caller {
    Caller {
        system: SystemId::parse("samr/audit-desk").expect("a name"),
        certificate_sha256: [3; 32],
        operator: Some(Operator { name: "wang".to_owned(), roles: roles.to_vec() }),
        request_id: "r-1".to_owned(),
        method: "tongbao.v1.EvidenceService/SearchEntries",
        lang: Lang::En,
    }
}

#[tokio::test]
async fn only_auditors_read_the_log() {
    let office = Office::open().await;
    office.record(3).await;
    let stranger = Caller { operator: None, ..caller(&[]) };
    let manager = caller(&[OperatorRole::Manage, OperatorRole::Operate, OperatorRole::Observe]);
    let query = EvidenceQuery::default();
    for (asker, class) in [(stranger, Class::Unauthenticated), (manager, Class::PermissionDenied)] {
        let classes = [
            office.desk.search(&asker, &query, None, 10).await.expect_err("refused").class,
            office.desk.checkpoint(&asker).await.expect_err("refused").class,
            office.desk.prove_inclusion(&asker, 0, 0).await.expect_err("refused").class,
            office.desk.prove_consistency(&asker, 1, 0).await.expect_err("refused").class,
        ];
        assert_eq!(classes, [class; 4]);
    }
    assert_eq!(office.size().await, 3, "a refusal here is recorded by the door, not by the desk");
}

#[tokio::test]
async fn a_search_is_recorded_before_its_answer_and_comes_to_an_end() {
    let office = Office::open().await;
    office.record(250).await;
    let caller = caller(&[OperatorRole::Audit]);
    let mut indexes = Vec::new();
    let mut from = None;
    let mut pages = 0;
    loop {
        let page = office.desk.search(&caller, &EvidenceQuery::default(), from, 100).await.expect("a page");
        indexes.extend(page.entries.iter().map(|(index, _)| *index));
        pages += 1;
        match page.next {
            Some(next) => from = Some(next),
            None => break,
        }
    }
    assert_eq!(indexes, (0..250).collect::<Vec<u64>>());
    assert_eq!((pages, office.size().await), (3, 253));
    let (_, last) = office.store.evidence(250, 1).await.expect("read").pop().expect("recorded");
    let audit = read_entry(&last).expect("an entry");
    assert_eq!((audit.kind, audit.participant.as_str(), audit.operator.as_str()), (ActKind::Audit, "samr", "wang"));

    let query = EvidenceQuery { kind: Some(ActKind::Pull), subject: "amr-330000/77".to_owned(), ..EvidenceQuery::default() };
    let found = office.desk.search(&caller, &query, None, 10).await.expect("found");
    assert_eq!(found.entries.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [77]);
    let (_, last) = office.store.evidence(253, 1).await.expect("read").pop().expect("recorded");
    assert_eq!(read_entry(&last).expect("an entry").subjects, ["kind=pull", "subject=amr-330000/77"]);
}

#[tokio::test]
async fn searches_out_of_bounds_are_refused_and_not_recorded() {
    let office = Office::open().await;
    office.record(2).await;
    let caller = caller(&[OperatorRole::Audit]);
    let long = EvidenceQuery { subject: "x".repeat(201), ..EvidenceQuery::default() };
    let control = EvidenceQuery { outcome: "a\nb".to_owned(), ..EvidenceQuery::default() };
    for (query, limit) in [(EvidenceQuery::default(), 0), (EvidenceQuery::default(), 1_001), (long, 10), (control, 10)] {
        let refused = office.desk.search(&caller, &query, None, limit).await.expect_err("refused");
        assert_eq!((refused.class, refused.violations[0].reason), (Class::InvalidArgument, "OUT_OF_BOUNDS"));
    }
    for (index, size) in [(2, 0), (0, 3), (1, 1), (u64::MAX, u64::MAX)] {
        let refused = office.desk.prove_inclusion(&caller, index, size).await.expect_err("refused");
        assert_eq!(refused.reason, "BEYOND_LOG", "{index} in {size}");
        let asked = format!("{} = {}", if size == 3 { "tree_size" } else { "index" }, if size == 3 { size } else { index });
        assert!(refused.text.en.starts_with(&asked), "it names what was asked: {}", refused.text.en);
    }
    for (first, second) in [(3, 0), (2, 1), (0, 3)] {
        let refused = office.desk.prove_consistency(&caller, first, second).await.expect_err("refused");
        assert_eq!(refused.reason, "BEYOND_LOG", "{first} to {second}");
    }
    assert_eq!(office.size().await, 2);
    // A position beyond the log finds nothing, and goes on nowhere.
    let from = Some(SearchFrom { after: u64::MAX, upto: u64::MAX });
    let page = office.desk.search(&caller, &EvidenceQuery::default(), from, 10).await.expect("empty");
    assert!(page.entries.is_empty() && page.next.is_none());
}

#[tokio::test]
async fn proofs_hold_at_every_size_with_the_key_alone() {
    let office = Office::open().await;
    office.record(300).await;
    let caller = caller(&[OperatorRole::Audit]);
    for (index, size) in [(0, 1), (0, 0), (255, 256), (255, 257), (256, 300), (128, 299), (17, 0), (299, 0)] {
        let proof = office.desk.prove_inclusion(&caller, index, size).await.expect("proved");
        let head = &proof.head;
        let file =
            ProofFile::new(&proof.entry, head.size, &proof.hashes, &head.checkpoint, &head.verifier_key).expect("an entry");
        let proved = file.verify(Some(office.signer.verifier())).expect("holds");
        assert_eq!(proved.entry.index, index);
        assert!(size == 0 || proved.checkpoint.size == size);
    }
    let earlier = office.desk.prove_inclusion(&caller, 0, 100).await.expect("signed").head;
    let earlier = verify_checkpoint(&earlier.checkpoint, office.signer.verifier()).expect("verifies");
    for second in [100, 101, 256, 300, 0] {
        let proof = office.desk.prove_consistency(&caller, 100, second).await.expect("proved");
        let later = verify_checkpoint(&proof.head.checkpoint, office.signer.verifier()).expect("verifies");
        assert!(verify_consistency(100, later.size, &proof.hashes, &earlier.root, &later.root), "100 to {second}");
    }
}

#[tokio::test]
async fn checkpoints_are_kept_and_add_nothing_to_the_log() {
    let office = Office::open().await;
    office.record(5).await;
    let caller = caller(&[OperatorRole::Audit]);
    let first = office.desk.checkpoint(&caller).await.expect("signed");
    let again = office.desk.checkpoint(&caller).await.expect("signed");
    assert_eq!((first.clone(), office.size().await), (again, 5));
    assert_eq!(office.store.checkpoint_at(5).await.expect("read"), Some(first.checkpoint.clone()));
    let read = verify_checkpoint(&first.checkpoint, office.signer.verifier()).expect("verifies");
    assert_eq!(read.root, office.store.head().await.expect("a head").evidence_root);
}

#[tokio::test]
async fn with_a_full_disk_nothing_is_read_but_checkpoints_answer() {
    let office = Office::open().await;
    office.record(20).await;
    let caller = caller(&[OperatorRole::Audit]);
    office.store.set_size_limit(Some(4096)).await.expect("set");
    let mut refused = None;
    for _ in 0..2_000 {
        if let Err(refusal) = office.desk.search(&caller, &EvidenceQuery::default(), None, 1).await {
            refused = Some(refusal);
            break;
        }
    }
    assert_eq!(refused.expect("full at last").reason, "STORE_FULL");
    let size = office.size().await;
    assert_eq!(office.desk.checkpoint(&caller).await.expect("answers").size, size);
    assert_eq!(office.desk.prove_inclusion(&caller, 0, 0).await.expect_err("not recorded").reason, "STORE_FULL");
    office.store.set_size_limit(None).await.expect("set");
    assert_eq!(office.desk.prove_inclusion(&caller, 0, 0).await.expect("room again").index, 0);
}

#[tokio::test]
async fn an_exported_log_verifies_and_one_changed_byte_names_its_entry() {
    let office = Office::open().await;
    office.record(260).await;
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("export");
    assert_eq!(office.export(&folder).await, 260);
    let key = office.signer.verifier();
    let report = verify_folder(&folder, Some(key), |_| ()).expect("readable");
    assert!(report.is_sound(), "{:?}", report.problems);

    let path = folder.join("entries.jsonl");
    let text = fs::read_to_string(&path).expect("readable");
    fs::write(&path, text.replacen("amr-330000/42\"", "amr-330000/43\"", 1)).expect("writable");
    let report = verify_folder(&folder, Some(key), |_| ()).expect("readable");
    assert_eq!(report.damaged_entries, [42]);
}
