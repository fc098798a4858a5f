//! The Rust client of the gateway: connect with a profile, publish, subscribe, read, screen, prove.
//!
//! Invariants:
//! * A publish is repeated with the same record ids when its outcome is not known, and never after a refusal: same id and
//!   same content is the same answer, so a repetition can do no harm.
//! * A delivery whose settle was confirmed is never settled again; a settle whose answer was lost is said again under its request
//!   id once a stream stands, not decided anew ([`Books`] is the pure state machine that holds this).
//! * A handler's error or panic is a retry, never a lost delivery; of one enterprise never two deliveries are handled at once.
//! * Reading a stream never waits for writing it.
//! * Nothing of the server is used here: a consumer elsewhere can do the same with the protocol alone.

mod administration;
mod connection;
mod dead_letters;
mod docket;
mod error;
mod evidence;
mod feeds;
mod health;
mod profile;
mod publish_stream;
mod publisher;
mod reader;
mod records;
mod retry;
mod screening;
mod subscriber;

pub use administration::Administration;
pub use connection::{Connection, Signed};
pub use dead_letters::DeadLetterRun;
pub use docket::Docket;
pub use error::{ClientError, FailureClass, FieldComplaint, Refusal};
pub use evidence::Evidence;
pub use feeds::Feeds;
pub use profile::{Place, Profile, ProfileError};
pub use publish_stream::{Confirmation, PublishStream, StreamOptions};
pub use publisher::{BatchBounds, PublishStopped, Published, Publisher, PublisherOptions, batches};
pub use reader::{Passage, Reader};
pub use records::Records;
pub use retry::{Delays, RetryPolicy};
pub use screening::Screening;
pub use subscriber::{
    Books, Counts, Each, Handler, Happening, InBatches, Lease, Saying, Sending, Settle, Settled, StartOf, SubscribeOptions,
    Subscriber, Summary, Taken, Token, Watch, each, each_leased, in_batches,
};
