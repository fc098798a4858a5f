//! What clients saw, and whether the gateway's promises (design, "Guarantees") held in it.
//!
//! Clients write down what they ask and what they are answered, in the order in which they see it. Afterwards a pure checker goes
//! through these events and what the store holds at last, and names everything that must not be. What was asked and never
//! answered may have been done or not: the checker allows both, and nothing else.
//!
//! `tests/history_checker.rs` shows that it finds each kind of fault that it is there to find.

#![allow(dead_code, reason = "each test program uses its own part of it")]

mod checker;
mod events;
mod ledger;
mod track;

#[allow(unused_imports, reason = "each test program uses its own part of it")]
pub use self::{
    checker::{Counts, check},
    events::{Asked, Event, History, Placed, Said, Sent, Sought, Token},
    ledger::{Ledger, Place, Stand},
};
