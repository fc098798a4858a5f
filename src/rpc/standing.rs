//! A system's place in the register while a stream of it is open: admitted once, it stays only as long as it stands there.

use std::sync::Arc;

use tokio::sync::watch;

use super::{admission::Door, identity::system_of};
use crate::{
    domain::ids::SystemId,
    gateway::{Class, Refused},
    tls::Peer,
};

/// What a stream was admitted as.
#[derive(Clone)]
pub(super) struct Standing {
    pub door: Arc<Door>,
    pub system: SystemId,
    /// Heard from since before the system was looked up, so that no change is missed.
    pub changes: watch::Receiver<()>,
}

impl Standing {
    /// Answers when the certificate stands for that system no longer, with what a new request of it would be told.
    pub(super) async fn lost(mut self, peer: Arc<Peer>) -> Refused {
        loop {
            if self.changes.changed().await.is_err() {
                // The server is going; so is this stream.
                std::future::pending::<()>().await;
            }
            match system_of(&peer, &self.door.trust_domain, &self.door.register.load()) {
                Ok(system) if *system == self.system => {}
                Ok(system) => {
                    return Refused::new(
                        Class::Unauthenticated,
                        "UNKNOWN_SYSTEM",
                        format!("证书现属于系统 {system}；请重新连接"),
                        format!("the certificate now stands for the system {system}; connect again"),
                    );
                }
                Err(refused) => return refused,
            }
        }
    }
}
