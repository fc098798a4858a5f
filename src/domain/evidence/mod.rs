//! The evidence log: canonical entries, the RFC 6962 tree over them, signed checkpoints, proofs.

mod canonical;
mod checkpoint;
mod entry;
mod export;
mod merkle;
mod note;
mod proof;
mod verify;

pub use canonical::{Entry, EntryError, FORMAT_VERSION, commitment, read_entry};
pub use checkpoint::{Checkpoint, CheckpointSigner, origin_of, verify_checkpoint};
pub use entry::{ActKind, Actor, EvidenceDraft, PositionRange};
pub use export::{LineError, PROOF_FORMAT, ProofError, ProofFile, ProvedEntry, read_line, write_line};
pub use merkle::{
    Completed, DamagedFrontier, Frontier, NodeId, STORED_LEVELS, StoredParts, complete_root, empty_root, leaf_hash, node_hash,
    records_root, stored_parts, tree_root,
};
pub use note::{NoteError, NoteSigner, SignatureLine, SignedNote, VerifierKey};
pub use proof::{Plan, consistency_plan, inclusion_plan, root_plan, verify_consistency, verify_inclusion};
pub use verify::{LogVerifier, Report};
