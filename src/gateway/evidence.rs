//! temporary
pub struct EvidenceDesk;
