//! The steps of an act: admit → permit → act → commit → answer. Knows the store's trait, never a home of it.

mod caller;
pub mod committer;
pub mod evidence;
pub mod pages;
pub mod refusals;
mod refused;
pub mod tail;

pub use caller::{Caller, Operator, OperatorRole};
pub use refused::{Class, Refused};
