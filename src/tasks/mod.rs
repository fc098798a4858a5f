//! What runs beside requests.

mod checkpoints;

pub use checkpoints::sign_checkpoints;
