//! Exchanges certificates, authorities and revocation lists while connections are open, and ends those no longer trusted.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    RefusalSink,
    connections::Connections,
    identity::system_of,
    refusals::{CONNECTION_METHOD, DoorRefusal},
};
use crate::{
    clock::World,
    domain::{evidence::Actor, grants::Register, ids::Micros},
    telemetry::Metrics,
    tls::{ServerTls, TlsError},
};

const DAY_MICROS: f64 = 86_400e6;
const HOUR_MICROS: f64 = 3_600e6;

/// Keeps trust current.
pub struct TrustKeeper {
    pub(super) tls: Arc<ServerTls>,
    pub(super) changes: watch::Sender<()>,
    pub(super) connections: Arc<Connections>,
    pub(super) register: Arc<ArcSwap<Register>>,
    pub(super) trust_domain: String,
    pub(super) metrics: Arc<Metrics>,
    pub(super) refusals: Arc<dyn RefusalSink>,
    pub(super) world: World,
}

impl TrustKeeper {
    /// The register was exchanged: streams of systems that stand in it no longer end.
    pub fn register_changed(&self) {
        self.changes.send_replace(());
    }

    /// Loads the files if they were replaced, verifies every open connection again, and says how many lost trust.
    ///
    /// # Errors
    /// When the new files cannot be used; the old ones stand, and open connections were verified against those.
    pub fn refresh(&self) -> Result<usize, TlsError> {
        let replaced = self.tls.refresh();
        if let Ok(true) = replaced {
            tracing::info!("certificates and revocation lists were loaded anew");
        }
        let withdrawn = self.verify_open();
        // Whoever exchanged the register and forgot to say so is heard here.
        self.register_changed();
        self.measure();
        match replaced {
            Ok(_) => Ok(withdrawn),
            Err(error) => {
                self.metrics.reload_failures.inc();
                tracing::error!(%error, "certificates cannot be loaded: the old ones stand");
                Err(error)
            }
        }
    }

    fn verify_open(&self) -> usize {
        let register = self.register.load();
        let mut withdrawn = 0;
        for peer in self.connections.peers().iter().filter(|peer| !peer.ended().is_cancelled()) {
            let Some(distrust) = self.tls.verify_again(peer) else { continue };
            withdrawn += 1;
            let system = system_of(peer, &self.trust_domain, &register).ok();
            tracing::warn!(address = %peer.address, serial = %peer.serial, reason = distrust.reason(), "trust is withdrawn");
            self.metrics.connections_withdrawn.inc();
            self.refusals.refused(DoorRefusal {
                actor: Actor { system: system.cloned(), certificate_sha256: Some(peer.fingerprint), operator: None },
                method: CONNECTION_METHOD,
                request_id: String::new(),
                reason: distrust.reason(),
            });
        }
        withdrawn
    }

    fn measure(&self) {
        let left = |end: Micros| end.saturating_sub(self.world.clock.now()) as f64;
        self.metrics.certificate_days_left.set(left(self.tls.certificate_not_after()) / DAY_MICROS);
        let hours = self.tls.crl_next_update().map_or(f64::NAN, |end| left(end) / HOUR_MICROS);
        self.metrics.crl_hours_left.set(hours);
    }

    /// Refreshes at each interval until `stop` fires.
    pub(super) async fn keep(self: Arc<Self>, every: Duration, stop: CancellationToken) {
        let mut ticks = interval(every.max(Duration::from_secs(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let keeper = self.clone();
            // Files are read: not on a thread that serves requests. What failed was logged and counted there.
            let _ = tokio::task::spawn_blocking(move || keeper.refresh()).await;
        }
    }
}
