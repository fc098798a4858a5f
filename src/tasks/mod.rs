//! What runs beside requests.

mod checkpoints;
mod docket;

pub use checkpoints::sign_checkpoints;
pub use docket::{keep_docket, keep_once};
