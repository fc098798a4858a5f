//! The vocabulary: pure values and state machines. No async, no clock, no IO.

pub mod attributes;
pub mod credit_code;
pub mod cursor;
pub mod customs;
pub mod dates;
pub mod deadlines;
pub mod delivery;
pub mod digest;
pub mod docket;
pub mod draft;
pub mod enterprise_file;
pub mod evidence;
pub mod feeds;
pub mod grants;
pub mod ids;
pub mod items;
pub mod ledger;
pub mod life_cycle;
pub mod names;
pub mod products;
pub mod records;
pub mod regions;
pub mod screening;
pub mod standards;
mod tables;
pub mod violation;
pub mod working_days;
