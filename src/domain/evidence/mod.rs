//! The evidence log: canonical entries, the RFC 6962 tree over them, signed checkpoints, proofs.

mod entry;

pub use entry::{ActKind, Actor, EvidenceDraft, PositionRange};
