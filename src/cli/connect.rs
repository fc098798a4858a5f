//! From the global flags to a connection, and from the client's errors to failures.

use std::net::Ipv4Addr;

use super::{Complaint, Context, Exit, Failure};
use crate::{
    client::{ClientError, Connection, FailureClass, Profile},
    domain::{ids::SystemId, violation::Text},
    tls::{Peer, pem},
};

/// Reads the profile. The language is that of the flag or the environment, else that of the profile, else of the locale.
///
/// # Errors
/// When there is none, or it is wrong.
pub fn profile(context: &Context) -> Result<(Profile, Context), Failure> {
    let profile = Profile::load(context.global.profile.as_deref()).map_err(ClientError::from)?;
    let mut context = context.clone();
    if context.global.lang.is_none() {
        context.lang = profile.lang.unwrap_or(context.lang);
    }
    Ok((profile, context))
}

/// Makes the connection of the profile.
///
/// # Errors
/// When a file of the profile cannot be used.
pub fn connect(context: &Context) -> Result<(Connection, Context), Failure> {
    let (profile, context) = profile(context)?;
    let connection = Connection::open(&profile, context.lang, context.world.clock.clone())?;
    Ok((connection, context))
}

/// Who we are by our own certificate: the system of its URI `spiffe://<trust domain>/<participant>/<system>`.
///
/// # Errors
/// When the certificate cannot be read, or has no such URI.
pub fn own_system(profile: &Profile) -> Result<SystemId, Failure> {
    let chain = pem::certificates(&profile.cert).map_err(ClientError::from)?;
    let unspecified = (Ipv4Addr::UNSPECIFIED, 0).into();
    let uris = Peer::read(unspecified, &chain).map(|peer| peer.uris).unwrap_or_default();
    let named = |uri: &String| uri.strip_prefix("spiffe://")?.split_once('/').and_then(|(_, path)| SystemId::parse(path).ok());
    uris.iter().find_map(named).ok_or_else(|| {
        let path = profile.cert.display();
        Failure::usage(
            "NO_SYSTEM_IN_CERTIFICATE",
            format!("证书 {path} 中没有系统名（spiffe://…/单位/系统）；请用 --publisher 指明本单位"),
            format!("the certificate {path} names no system (spiffe://…/participant/system); say --publisher"),
        )
    })
}

impl From<FailureClass> for Exit {
    fn from(class: FailureClass) -> Self {
        match class {
            FailureClass::Failed => Self::Failed,
            FailureClass::Usage => Self::Usage,
            FailureClass::Refused => Self::Refused,
            FailureClass::Unreachable => Self::NotReachable,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let text = error.text();
        let failure = Self::new(error.class().into(), error.reason(), text.zh, text.en);
        let ClientError::Refused(refusal) = error else { return failure };
        failure.with(refusal.fields.into_iter().map(|field| Complaint {
            field: field.field,
            reason: field.reason,
            text: Text::new(field.message.clone(), field.message),
        }))
    }
}
