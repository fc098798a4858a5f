//! What happens when the disk fails under the real gateway, and when consumers are slow or deaf.

mod consumers;
mod disk;
#[path = "../exchange/mod.rs"]
mod exchange;
mod full;
#[path = "../history/mod.rs"]
mod history;
mod stall;
mod storm;
mod sync;
mod ward;
