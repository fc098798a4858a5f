//! Rights: participant × feed × action × filter × sections × purpose, with expiry. Deny by default (design guarantee 7).
//!
//! The register knows who takes part, with which systems, and what each may do. It is built from configuration, swapped whole, and
//! asked anew for each batch, so that a change reaches open streams. A [`Permit`] is a value that only [`Register::permit`] makes: who
//! holds one was checked.

mod catalogue;
mod participants;
mod permit;
mod register;

pub use catalogue::{Disclosure, FeedPolicy, Grant, Scope, is_open_to_all};
pub use participants::{Participant, ParticipantRole, System};
pub use permit::{Action, Denied, Permit};
pub use register::{Register, RegisterError};
