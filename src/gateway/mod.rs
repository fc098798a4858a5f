//! The steps of an act: admit → permit → act → commit → answer. Knows the store's trait, never a home of it.

mod caller;
pub mod committer;
mod disclosure;
pub mod evidence;
pub mod freshness;
pub mod moment;
pub mod pages;
mod paging;
pub mod pull;
#[cfg(test)]
mod pull_tests;
pub mod reader;
#[cfg(test)]
mod reading_house;
pub mod refusals;
mod refused;
pub mod screen;
#[cfg(test)]
mod screen_tests;
pub mod tail;

pub use caller::{Caller, Operator, OperatorRole};
pub use refused::{Class, Refused};
