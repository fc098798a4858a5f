//! The last step of every method: a result becomes a response, a refusal becomes a status and is noted for the evidence log.

use tonic::{Response, Status};

use super::status::status;
use crate::gateway::{Caller, Gateway, Refused};

/// Turns a result into a response. A refusal is noted (never waited for) and becomes a status in the caller's language.
///
/// # Errors
/// The status of the refusal.
pub fn answer<T>(gateway: &Gateway, caller: &Caller, result: Result<T, Refused>) -> Result<Response<T>, Status> {
    match result {
        Ok(body) => Ok(Response::new(body)),
        Err(refused) => Err(refuse(gateway, caller, &refused)),
    }
}

/// Notes a refusal and makes its status.
pub fn refuse(gateway: &Gateway, caller: &Caller, refused: &Refused) -> Status {
    gateway.note_refusal(caller, refused);
    status(refused, caller.lang)
}
