//! The evidence desk: searching the log and proving from it, for operators with the role `audit`.
//!
//! Reading the log is itself an act: it is recorded before the answer leaves (design guarantee 2). Checkpoints are not: they disclose
//! no entry, must be answered with a full disk, and a witness that asks each minute must not make the log grow by asking.

use std::sync::Arc;

use super::{Caller, Class, OperatorRole, Refused, committer::Committer};
pub use crate::store::EvidenceQuery;
use crate::{
    domain::{
        digest::Digest,
        evidence::{ActKind, CheckpointSigner, EvidenceDraft, NoteError, Plan, consistency_plan, inclusion_plan, root_plan},
        ledger::{Act, Change},
    },
    store::{Store, StoreError},
};

/// Most entries of one answer.
pub const MAX_PAGE: usize = 1_000;
/// An answer ends after this many bytes of entries: clients bound their messages at 4 MiB.
const MAX_PAGE_BYTES: usize = 3 << 20;
/// Longest value of a search term; terms are recorded, so they are bounded.
const MAX_TERM: usize = 200;

/// Reads and proves the evidence log.
#[derive(Clone)]
pub struct EvidenceDesk {
    store: Arc<dyn Store>,
    committer: Committer,
    signer: Arc<CheckpointSigner>,
}

/// Where a search goes on: after an entry, and never past the size that the log had when the search began, so that the entries about
/// the search itself do not keep it going for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchFrom {
    /// Index of the last entry seen.
    pub after: u64,
    /// Size of the log at the first page.
    pub upto: u64,
}

/// A page of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundEntries {
    /// Index and canonical bytes, by index.
    pub entries: Vec<(u64, Vec<u8>)>,
    /// Where to go on; `None` = there are no more.
    pub next: Option<SearchFrom>,
    /// Size of the log.
    pub size: u64,
}

/// A signed head of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// Entries.
    pub size: u64,
    /// Signed note.
    pub checkpoint: String,
    /// Key that verifies it.
    pub verifier_key: String,
}

/// Proof that an entry is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// Index of the entry.
    pub index: u64,
    /// Its canonical bytes.
    pub entry: Vec<u8>,
    /// Hashes from the leaf's sibling up.
    pub hashes: Vec<Digest>,
    /// The head it is proved against, of exactly that size.
    pub head: SignedHead,
}

/// Proof that the log only grew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    /// Earlier size.
    pub first: u64,
    /// Hashes.
    pub hashes: Vec<Digest>,
    /// The later head.
    pub head: SignedHead,
}

impl EvidenceDesk {
    /// Opens it.
    pub fn new(store: Arc<dyn Store>, committer: Committer, signer: Arc<CheckpointSigner>) -> Self {
        Self { store, committer, signer }
    }

    /// Searches entries, oldest first. `limit` is 1 to [`MAX_PAGE`].
    ///
    /// # Errors
    /// Without the role `audit`; for a limit or term out of bounds; when the search cannot be recorded.
    pub async fn search(
        &self,
        caller: &Caller,
        query: &EvidenceQuery,
        from: Option<SearchFrom>,
        limit: usize,
    ) -> Result<FoundEntries, Refused> {
        require_audit(caller)?;
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(out_of_bounds("page_size", "page_size 应为 1 至 1000", "page_size is 1 to 1,000"));
        }
        let terms = search_terms(query)?;
        let before = self.store.head().await?.evidence_size;
        let upto = from.map_or(before, |from| from.upto.min(before));
        self.record(caller, terms, Vec::new()).await?;
        let found = self.store.search_evidence(query, from.map(|from| from.after), limit + 1).await?;
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut next = None;
        for (index, entry) in found.into_iter().filter(|(index, _)| *index < upto) {
            if entries.len() == limit || (bytes > 0 && bytes + entry.len() > MAX_PAGE_BYTES) {
                next = entries.last().map(|&(after, _)| SearchFrom { after, upto });
                break;
            }
            bytes += entry.len();
            entries.push((index, entry));
        }
        Ok(FoundEntries { entries, next, size: self.store.head().await?.evidence_size })
    }

    /// The signed head as it is now. Answers with a full disk too.
    ///
    /// # Errors
    /// Without the role `audit`; when the head cannot be read.
    pub async fn checkpoint(&self, caller: &Caller) -> Result<SignedHead, Refused> {
        require_audit(caller)?;
        self.sign_head().await
    }

    /// Signs the head and keeps it. For the gateway itself: at stopping, and before anything is handed to a witness.
    ///
    /// # Errors
    /// When the head cannot be read.
    pub async fn sign_head(&self) -> Result<SignedHead, Refused> {
        let head = self.store.head().await?;
        let signed = self.sign(head.evidence_size, head.evidence_root)?;
        // Kept so that a fork can be proved later; the store passes over it when the disk is full.
        self.store.keep_checkpoint(signed.size, &signed.checkpoint).await?;
        Ok(signed)
    }

    /// Proves that entry `index` is in the tree of `size`; 0 = as it is now.
    ///
    /// # Errors
    /// Without the role `audit`; `OUT_OF_RANGE` when there is no such entry or size; when it cannot be recorded.
    pub async fn prove_inclusion(&self, caller: &Caller, index: u64, size: u64) -> Result<Inclusion, Refused> {
        require_audit(caller)?;
        let stands = self.store.head().await?.evidence_size;
        if index >= stands {
            return Err(beyond("index", index, stands));
        }
        self.check_size("tree_size", size).await?;
        if size != 0 && index >= size {
            return Err(beyond("index", index, size));
        }
        self.record(caller, Vec::new(), vec![("index", index), ("tree_size", size)]).await?;
        let head = self.head_at(size).await?;
        let plan = inclusion_plan(index, head.size).ok_or_else(|| beyond("index", index, head.size))?;
        let hashes = self.hashes_of(&plan).await?;
        let found = self.store.evidence(index, 1).await?.pop().filter(|(found, _)| *found == index);
        let (_, entry) = found.ok_or_else(|| damaged(format!("entry {index} of the evidence log is missing")))?;
        Ok(Inclusion { index, entry, hashes, head })
    }

    /// Proves that the tree of `second` (0 = as it is now) extends that of `first`.
    ///
    /// # Errors
    /// Without the role `audit`; `OUT_OF_RANGE` when a size is beyond the log or they are in the wrong order; when it cannot be recorded.
    pub async fn prove_consistency(&self, caller: &Caller, first: u64, second: u64) -> Result<Consistency, Refused> {
        require_audit(caller)?;
        self.check_size("first", first).await?;
        self.check_size("second", second).await?;
        if second != 0 && first > second {
            return Err(beyond("first", first, second));
        }
        self.record(caller, Vec::new(), vec![("first", first), ("second", second)]).await?;
        let head = self.head_at(second).await?;
        let plan = consistency_plan(first, head.size).ok_or_else(|| beyond("first", first, head.size))?;
        Ok(Consistency { first, hashes: self.hashes_of(&plan).await?, head })
    }

    /// Refuses what can be known to be beyond the log before anything is recorded.
    async fn check_size(&self, field: &'static str, size: u64) -> Result<(), Refused> {
        let stands = self.store.head().await?.evidence_size;
        if size > stands { Err(beyond(field, size, stands)) } else { Ok(()) }
    }

    /// A head of exactly that size, signed; 0 = as it is now. Signing an earlier size again is the same statement about the same log.
    async fn head_at(&self, size: u64) -> Result<SignedHead, Refused> {
        if size == 0 {
            return self.sign_head().await;
        }
        let root = self.hashes_of(&root_plan(size)).await?;
        let root = root.first().ok_or_else(|| damaged(format!("no root at size {size}")))?;
        self.sign(size, *root)
    }

    async fn hashes_of(&self, plan: &Plan) -> Result<Vec<Digest>, Refused> {
        let nodes = self.store.evidence_nodes(plan.nodes()).await?;
        plan.assemble(&nodes).ok_or_else(|| damaged("hashes of the evidence tree are missing".to_owned()))
    }

    fn sign(&self, size: u64, root: Digest) -> Result<SignedHead, Refused> {
        let note = self.signer.sign(size, root).map_err(|error| cannot_sign(&error))?;
        Ok(SignedHead { size, checkpoint: note.to_string(), verifier_key: self.signer.verifier().to_string() })
    }

    /// Records that the log is read. What cannot be recorded is refused.
    async fn record(&self, caller: &Caller, subjects: Vec<String>, counts: Vec<(&'static str, u64)>) -> Result<(), Refused> {
        let evidence = EvidenceDraft {
            request_id: caller.request_id.clone(),
            subjects,
            counts,
            ..EvidenceDraft::new(ActKind::Audit, caller.actor(), caller.method)
        };
        self.committer.commit(Act { change: Change::Record, evidence }).await.map(drop)
    }
}

/// Only operators with the role `audit` read the log (GB/T 39477-2020: managing, auditing and operating are three roles). The door
/// checks it too; a desk that is reached another way must not be open.
fn require_audit(caller: &Caller) -> Result<(), Refused> {
    let Some(operator) = &caller.operator else {
        return Err(Refused::new(
            Class::Unauthenticated,
            "OPERATOR_REQUIRED",
            "查阅证据日志须出示审计员令牌：请用 tongbao token issue 签发",
            "the evidence log is read with an operator's token: have one issued with `tongbao token issue`",
        ));
    };
    if operator.roles.contains(&OperatorRole::Audit) {
        return Ok(());
    }
    Err(Refused::new(
        Class::PermissionDenied,
        "ROLE_MISSING",
        format!("{} 不具有审计（audit）角色", operator.name),
        format!("{} does not hold the role audit", operator.name),
    ))
}

/// What was searched for, as it is recorded: `field=value`.
fn search_terms(query: &EvidenceQuery) -> Result<Vec<String>, Refused> {
    let texts = [
        ("participant", &query.participant),
        ("system", &query.system),
        ("subject", &query.subject),
        ("outcome", &query.outcome),
    ];
    let mut terms: Vec<String> = query.kind.map(|kind| format!("kind={}", kind.token())).into_iter().collect();
    for (field, value) in texts {
        if value.chars().count() > MAX_TERM || value.chars().any(char::is_control) {
            return Err(out_of_bounds(
                field,
                "至多 200 个字符，不含控制字符",
                "at most 200 characters, none of them control characters",
            ));
        }
        if !value.is_empty() {
            terms.push(format!("{field}={value}"));
        }
    }
    if query.position > 0 {
        terms.push(format!("position={}", query.position));
    }
    let times = [("from_us", query.from), ("to_us", query.to)];
    terms.extend(times.into_iter().filter_map(|(field, time)| Some(format!("{field}={}", time?))));
    Ok(terms)
}

fn out_of_bounds(field: &str, zh: &str, en: &str) -> Refused {
    Refused::field(field, "OUT_OF_BOUNDS", zh, en)
}

fn beyond(field: &str, asked: u64, stands: u64) -> Refused {
    Refused::new(
        Class::OutOfRange,
        "BEYOND_LOG",
        format!("{field} = {asked} 超出范围：日志共 {stands} 条，序号从 0 起"),
        format!("{field} = {asked} is out of range: the log has {stands} entries, numbered from 0"),
    )
}

fn damaged(what: String) -> Refused {
    StoreError::Damaged(what).into()
}

fn cannot_sign(error: &NoteError) -> Refused {
    Refused::new(
        Class::Internal,
        "CANNOT_SIGN",
        format!("检查点无法签名：{error}"),
        format!("the checkpoint cannot be signed: {error}"),
    )
}
