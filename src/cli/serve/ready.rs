//! Readiness: store writable, certificate and revocation lists valid, clock sane.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    clock::World,
    store::Store,
    telemetry::{Check, Readiness},
    tls::ServerTls,
};

/// A probe waits no longer than this for the store.
const PATIENCE: Duration = Duration::from_secs(5);

/// What readiness looks at.
pub(super) struct Ready {
    pub(super) store: Arc<dyn Store>,
    pub(super) tls: Arc<ServerTls>,
    pub(super) world: World,
}

#[async_trait]
impl Readiness for Ready {
    async fn checks(&self) -> Vec<Check> {
        let now = self.world.clock.now();
        let is_writable = tokio::time::timeout(PATIENCE, self.store.is_writable()).await.unwrap_or(false);
        let detail = if is_writable { "accepts writes" } else { "does not accept writes" };
        let mut checks = vec![
            Check::new("store", is_writable, detail),
            Check::certificate(self.tls.certificate_not_after(), now),
            Check::revocation_list(self.tls.crl_next_update(), now),
        ];
        checks.push(match tokio::time::timeout(PATIENCE, self.store.head()).await {
            Ok(Ok(head)) => Check::clock(now, head.committed_at),
            _ => Check::new("clock", false, "the store does not say when the last commit was"),
        });
        checks
    }
}
