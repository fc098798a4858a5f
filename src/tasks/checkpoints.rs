//! Signs the head of the evidence log at intervals, so that it is fixed even when nobody asks.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::gateway::Gateway;

/// Signs a checkpoint every `interval` when entries were added, and a last one when told to stop.
pub async fn sign_checkpoints(gateway: Arc<Gateway>, interval: Duration, stop: CancellationToken) {
    let mut signed = None;
    loop {
        let stopping = tokio::select! {
            () = tokio::time::sleep(interval) => false,
            () = stop.cancelled() => true,
        };
        match gateway.evidence.sign_head().await {
            Ok(head) if signed != Some(head.size) => {
                tracing::debug!(size = head.size, "checkpoint signed");
                signed = Some(head.size);
            }
            Ok(_) => {}
            Err(refused) => tracing::warn!(reason = refused.reason, "no checkpoint could be signed; trying again"),
        }
        if stopping {
            return;
        }
    }
}
