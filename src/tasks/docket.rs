//! Keeps the docket up to the ledger and raises what became overdue, by the gateway's clock.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{domain::records::Token as _, gateway::Gateway};

/// Takes in the ledger and raises what is overdue every `interval`, at once when started, until told to stop. What cannot be recorded
/// now is raised the next time.
pub async fn keep_docket(gateway: Arc<Gateway>, interval: Duration, stop: CancellationToken) {
    loop {
        if let Err(refused) = keep_once(&gateway).await {
            tracing::warn!(reason = refused.reason, "the docket is not up to date; trying again");
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// One turn.
///
/// # Errors
/// When the store does not answer.
pub async fn keep_once(gateway: &Gateway) -> Result<(), crate::gateway::Refused> {
    gateway.docket.follow().await?;
    for entry in gateway.docket.raise().await? {
        tracing::warn!(
            duty = entry.key.duty.token(),
            record = %entry.record,
            answerable = %entry.answerable,
            since = %entry.since,
            "a duty is overdue"
        );
    }
    Ok(())
}
