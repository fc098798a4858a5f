//! Accepts connections: a place, a handshake within its time, a peer. What fails is counted, never answered.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, mpsc},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    RefusalSink,
    connections::{Connections, PeerIo},
};
use crate::{
    telemetry::Metrics,
    tls::{Peer, ServerTls},
};

/// Pause after the system refused a connection (mostly: no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the listener needs.
#[derive(Clone)]
pub(super) struct Listener {
    pub tls: Arc<ServerTls>,
    pub connections: Arc<Connections>,
    pub handshake_timeout: Duration,
    pub metrics: Arc<Metrics>,
    pub refusals: Arc<dyn RefusalSink>,
}

impl Listener {
    /// Accepts until `stop` fires; connections come out of `ready`.
    pub(super) async fn run(self, tcp: TcpListener, ready: mpsc::Sender<io::Result<PeerIo>>, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = tcp.accept() => accepted,
            };
            let (socket, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(place) = self.connections.place() else {
                self.turn_away("CONNECTION_LIMIT", address, "all places are taken");
                continue;
            };
            let (listener, ready, stop) = (self.clone(), ready.clone(), stop.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    entered = listener.shake_hands(socket, address, place) => {
                        if let Some(io) = entered {
                            // A closed channel means that the server has ended: the connection ends with it.
                            let _ = ready.send(Ok(io)).await;
                        }
                    }
                }
            });
        }
    }

    async fn shake_hands(&self, socket: TcpStream, address: SocketAddr, place: OwnedSemaphorePermit) -> Option<PeerIo> {
        // Without it small answers wait for the client's acknowledgement.
        let _ = socket.set_nodelay(true);
        match timeout(self.handshake_timeout, self.tls.acceptor().accept(socket)).await {
            Ok(Ok(io)) => {
                let chain = io.get_ref().1.peer_certificates().unwrap_or_default();
                match Peer::read(address, chain) {
                    Ok(peer) => Some(self.connections.enter(io, peer, place)),
                    Err(error) => {
                        self.turn_away("HANDSHAKE_FAILED", address, &error);
                        None
                    }
                }
            }
            Ok(Err(error)) => {
                self.turn_away("HANDSHAKE_FAILED", address, &error.to_string());
                None
            }
            Err(_) => {
                self.turn_away("HANDSHAKE_TIMEOUT", address, "no handshake in time");
                None
            }
        }
    }

    fn turn_away(&self, reason: &'static str, address: SocketAddr, why: &str) {
        // Anybody can cause these, so that they are no more than a line for who looks; the counters tell.
        tracing::debug!(%address, reason, why, "connection turned away");
        self.metrics.turned_away(reason);
        self.refusals.turned_away(reason);
    }
}
