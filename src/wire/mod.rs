//! Between the protocol and the vocabulary, both ways.
//!
//! At the door a record's sections are decoded, re-encoded and compared, so that nothing is dropped in silence; then they are read
//! into checked values, collecting everything that is wrong. From then on the same bytes travel: nobody inside encodes again.
//!
//! Invariants: a [`Draft`](crate::domain::draft::Draft) leaves here only without a violation; reading any bytes never panics.

mod content;
mod disposition;
pub mod docket;
mod draft;
mod enterprise_survey;
mod envelope;
mod export_action;
mod export_qualification;
pub mod lookup;
mod nonconformity;
mod party;
mod producer_decision;
mod reading;
mod received;
mod reply;
pub mod resolving;
mod sampling_summary;
pub mod screening;
mod section;
pub mod subscription;
mod urgent_notice;

pub use content::{WireCodec, seal};
pub use draft::{DraftContext, draft};
pub use envelope::{encoded_record, publishable, record, resolution};
pub use received::{Received, Unreadable, received};
pub use section::SECTION_LIMIT_BYTES;

#[cfg(test)]
mod tests;
