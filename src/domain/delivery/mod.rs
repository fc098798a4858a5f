//! The delivery engine: a pure state machine of one subscription, and what of it is kept in the store.
//!
//! `engine` is the entrance. A delivery is read (`read`), queued in its lane (`order`), reserved and sent (`pump`) under a lease
//! (`lease`), settled (`settle`) or lost (`session`, `failure`), tried again (`retry`) or given up (`redrive`). Everything that
//! changes what is kept goes through one door (`change`), which moves the floor (`ack`). Administrators pause it, move its place and
//! change its settings (`administer`, `settings`).

mod ack;
mod administer;
mod block;
mod change;
mod engine;
mod failure;
mod filter;
mod finish;
mod lag;
mod lease;
mod letters;
mod messages;
mod order;
mod plan;
mod pump;
mod read;
mod redrive;
mod restart;
mod retry;
mod ride;
mod session;
mod settings;
mod settle;
mod state;
mod status;
mod subscription;
#[cfg(test)]
mod tests;
mod withheld;

pub use administer::Target;
pub use block::{BLOCK_POSITIONS, BlockSummary, DamagedSummary, block_of, last_of_block};
pub use engine::{Bounds, Engine};
pub use filter::{Marks, is_recall};
pub use lag::{Backlog, Lag, Oldest};
pub use lease::ByPosition;
pub use letters::{Criteria, LetterAct, LetterRun, MAX_CRITERIA, Selector, SelectorError};
pub use messages::{
    AttachRefused, Candidate, Delivery, LossReason, LostLease, Observed, Output, PauseReason, Persist, PersistKind, SessionId,
    SettleResult, SettledItem, Settlement, Status, Tally, Token, Verb, Want, Window,
};
pub use ride::RideRoom;
pub use settings::{Settings, SettingsUpdate, changed_parts};
pub use state::{
    AckChunk, Attempt, BlockedKey, CHUNK_POSITIONS, Consumer, DeadLetter, Ended, Pausing, RetryRow, Sought, SubscriptionDelta,
    SubscriptionState, apply,
};
pub use subscription::{
    Filter, OnDeadLetter, Ordering, RetryPolicy, StartAt, SubscriptionKey, SubscriptionRow, SubscriptionSpec,
};
