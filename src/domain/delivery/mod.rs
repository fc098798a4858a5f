//! The delivery engine: a pure state machine of one subscription, and what of it is kept in the store.

mod state;
mod subscription;

pub use state::{AckChunk, BlockedKey, CHUNK_POSITIONS, DeadLetter, Failure, RetryRow, SubscriptionDelta, SubscriptionState};
pub use subscription::{
    Filter, OnDeadLetter, Ordering, RetryPolicy, StartAt, SubscriptionKey, SubscriptionRow, SubscriptionSpec,
};
