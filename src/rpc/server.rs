//! Puts the door together and serves.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::{
    Connections, Limits, RefusalSink, TrustKeeper,
    admission::{Door, DoorLayer},
    limits::{CONNECTION_WINDOW_BYTES, HEADER_BYTES, STREAM_WINDOW_BYTES},
    listener::Listener,
    standard,
    token::TokenVerifier,
};
use crate::{clock::World, domain::grants::Register, telemetry::Metrics, tls::ServerTls};

/// Handshakes that succeeded and wait for the server to take them; it takes them at once.
const READY_CONNECTIONS: usize = 64;

/// What a server is made of.
pub struct Parts {
    /// Certificates and revocation.
    pub tls: Arc<ServerTls>,
    /// Files of certificates are looked at this often; at least a second.
    pub reload_interval: Duration,
    /// Who takes part; replaced whole.
    pub register: Arc<ArcSwap<Register>>,
    /// Trust domain of the URIs in certificates, e.g. `tongbao.example`.
    pub trust_domain: String,
    /// Checks operators' tokens; `None` = none is accepted.
    pub tokens: Option<TokenVerifier>,
    /// Limits.
    pub limits: Limits,
    /// Time and randomness.
    pub world: World,
    /// Numbers.
    pub metrics: Arc<Metrics>,
    /// Keeps account of refusals.
    pub refusals: Arc<dyn RefusalSink>,
}

/// How a server ends.
#[derive(Debug, Clone)]
pub struct Shutdown {
    /// Fires when nothing new is to be begun; services that hold streams watch it to say `go_away`.
    pub draining: CancellationToken,
    /// Time for open streams to end after that; then they are cut.
    pub grace: Duration,
}

/// The server could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The descriptors of the protocol do not decode: a defect of the build.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("transport: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// A gRPC server with its door.
pub struct Server {
    door: Arc<Door>,
    trust: Arc<TrustKeeper>,
    limits: Limits,
    reload_interval: Duration,
}

impl Server {
    /// Puts it together; nothing is opened yet.
    pub fn new(parts: Parts) -> Self {
        let Parts { tls, reload_interval, register, trust_domain, tokens, limits, world, metrics, refusals } = parts;
        let changes = watch::Sender::new(());
        let trust = TrustKeeper {
            tls,
            changes: changes.clone(),
            connections: Connections::new(limits.max_connections, metrics.clone()),
            register: register.clone(),
            trust_domain: trust_domain.clone(),
            metrics: metrics.clone(),
            refusals: refusals.clone(),
            world: world.clone(),
        };
        let door = Door {
            register,
            trust_domain,
            tokens,
            max_message_bytes: limits.max_message_bytes,
            request_timeout: limits.request_timeout,
            changes,
            world,
            metrics,
            refusals,
        };
        Self { door: Arc::new(door), trust: Arc::new(trust), limits, reload_interval }
    }

    /// Keeps trust current; for a reload asked for by a signal.
    pub fn trust(&self) -> Arc<TrustKeeper> {
        self.trust.clone()
    }

    /// Serves the services, with health and reflection, until `shutdown`.
    ///
    /// After `draining` fires: nothing is accepted any more, health says so, clients are told to go (GOAWAY), open streams have
    /// `grace` to end, then they are cut.
    ///
    /// # Errors
    /// When the transport fails.
    pub async fn serve(self, tcp: TcpListener, services: Routes, shutdown: Shutdown) -> Result<(), ServeError> {
        let (routes, health) = standard::add(services).await?;
        let (ready, connections) = mpsc::channel(READY_CONNECTIONS);
        let listener = Listener {
            tls: self.trust.tls.clone(),
            connections: self.trust.connections.clone(),
            handshake_timeout: self.limits.handshake_timeout,
            metrics: self.door.metrics.clone(),
            refusals: self.door.refusals.clone(),
        };
        let draining = &shutdown.draining;
        let accepting = tokio::spawn(listener.run(tcp, ready, draining.clone()));
        let keeping = tokio::spawn(self.trust.clone().keep(self.reload_interval, draining.clone()));
        let serving = self
            .transport()
            .layer(DoorLayer(self.door.clone()))
            .add_routes(routes.prepare())
            .serve_with_incoming_shutdown(ReceiverStream::new(connections), draining.clone().cancelled_owned());
        let mut serving = std::pin::pin!(serving);
        let served = tokio::select! {
            served = &mut serving => served,
            () = async {
                draining.cancelled().await;
                standard::drain(&health).await;
                sleep(shutdown.grace).await;
            } => {
                self.trust.connections.cut_all();
                serving.await
            }
        };
        // Both end by the same token; a server that failed ends them here.
        accepting.abort();
        keeping.abort();
        Ok(served?)
    }

    fn transport(&self) -> tonic::transport::Server {
        let limits = &self.limits;
        let mut server = tonic::transport::Server::builder()
            .max_concurrent_streams(limits.streams_per_connection)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_max_header_list_size(HEADER_BYTES)
            .http2_keepalive_interval(Some(limits.keepalive_interval))
            .http2_keepalive_timeout(Some(limits.keepalive_timeout))
            .max_connection_age_grace(limits.connection_age_grace);
        if let Some(age) = limits.max_connection_age {
            server = server.max_connection_age(age);
        }
        server
    }
}
