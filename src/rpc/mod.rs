//! Door 1: gRPC over mutual TLS.
//!
//! Every request passes, in this order: a trusted certificate that is still trusted now → a row in the access table → a
//! registered system → where the row asks for one, an operator's token bound to that certificate. Only then does a service see
//! it, with its [`Caller`](crate::gateway::Caller); what it may do with which feed is the gateway's own check. Deny by default:
//! what is not in the table does not exist.

pub mod access;
mod admin_service;
mod admission;
mod answer;
mod asking;
mod connections;
mod dead_letters;
mod deadline;
mod docket_service;
mod evidence_service;
mod feed_administration;
mod feed_events;
mod feed_requests;
mod feed_service;
mod feed_stream;
mod guard;
mod identity;
mod limits;
mod list_stream;
mod listener;
mod lookup_service;
mod publish_service;
mod publish_stream;
mod read_stream;
mod refusals;
mod routes;
mod screening_service;
mod server;
mod standard;
mod standing;
pub mod status;
pub mod token;
mod trust;

use std::sync::Arc;

pub use connections::Connections;
pub use limits::Limits;
pub use refusals::{DoorRefusal, RefusalSink};
pub use routes::routes;
pub use server::{Parts, ServeError, Server, Shutdown};
pub use trust::TrustKeeper;

use tonic::{Request, Status};

use crate::gateway::Caller;

/// Who asks, as established at the door.
///
/// # Errors
/// `INTERNAL` when the request did not come through the door: a service mounted in a wrong way.
pub fn caller<T>(request: &Request<T>) -> Result<Arc<Caller>, Status> {
    request.extensions().get::<Arc<Caller>>().cloned().ok_or_else(|| Status::internal("the request came by no door"))
}

#[cfg(test)]
mod tests;
