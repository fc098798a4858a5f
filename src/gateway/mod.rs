//! The steps of an act: admit → permit → act → commit → answer. Knows the store's trait, never a home of it.

pub mod administer_subscription;
mod caller;
pub mod committer;
pub mod dead_letters;
mod disclosure;
pub mod docket;
pub mod evidence;
pub mod feeds;
pub mod freshness;
#[expect(clippy::module_inception, reason = "the thing that the room is named after")]
mod gateway;
pub mod list;
pub mod lists;
pub mod moment;
pub mod pages;
mod paging;
pub mod policy;
pub mod publish;
pub mod pull;
pub mod read;
pub mod reader;
pub mod refusals;
mod refused;
mod replies;
pub mod resolve;
mod riders;
pub mod screen;
pub mod shared;
mod standing;
pub mod statistics;
pub mod subscribe;
pub mod subscriptions;
pub mod tail;

pub use caller::{Caller, Operator, OperatorRole};
pub use gateway::{Gateway, Parts};
pub use refused::{Class, Refused};
