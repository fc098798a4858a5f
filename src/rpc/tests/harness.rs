//! A gateway's door with two small services behind it, its own authority, and a clock that is set by hand.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status,
    service::Routes,
    transport::{Channel, Endpoint},
};

use crate::{
    clock::{Clock, SystemEntropy, World},
    domain::{
        grants::{Participant, ParticipantRole, Register, System},
        ids::{Micros, ParticipantId, SystemId},
    },
    gateway::Caller,
    proto::{
        self,
        evidence_service_server::{EvidenceService, EvidenceServiceServer},
        screening_service_server::{ScreeningService, ScreeningServiceServer},
    },
    rpc::{
        DoorRefusal, Limits, Parts, RefusalSink, ServeError, Server, Shutdown, TrustKeeper, caller,
        token::{TokenPolicy, TokenVerifier},
    },
    telemetry::Metrics,
    tls::{
        ClientFiles, ServerFiles, ServerTls,
        authority::{Authority, Order},
        client_config,
    },
};

pub(super) const TRUST_DOMAIN: &str = "tongbao.example";
pub(super) const DAY: Micros = 86_400_000_000;
/// 2026-01-01.
const BEGIN: Micros = 1_767_225_600_000_000;

/// A clock that stands until it is moved.
pub(super) struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Micros {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.now().unsigned_abs())
    }
}

/// What the door reported.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    Refused(DoorRefusal),
    TurnedAway(&'static str),
}

struct Sink(mpsc::UnboundedSender<Report>);

impl RefusalSink for Sink {
    fn refused(&self, refusal: DoorRefusal) {
        let _ = self.0.send(Report::Refused(refusal));
    }

    fn turned_away(&self, reason: &'static str) {
        let _ = self.0.send(Report::TurnedAway(reason));
    }
}

/// Answers every question, and keeps who asked last.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Option<Arc<Caller>>>>);

impl Seen {
    fn note<T>(&self, request: &Request<T>) -> Result<(), Status> {
        *self.0.lock().expect("lock") = Some(caller(request)?);
        Ok(())
    }

    pub(super) fn last(&self) -> Option<Arc<Caller>> {
        self.0.lock().expect("lock").clone()
    }
}

#[tonic::async_trait]
impl ScreeningService for Seen {
    async fn screen(&self, request: Request<proto::ScreenRequest>) -> Result<Response<proto::ScreenResponse>, Status> {
        self.note(&request)?;
        if request.metadata().contains_key("x-never") {
            std::future::pending::<()>().await;
        }
        Ok(Response::new(proto::ScreenResponse::default()))
    }
}

#[tonic::async_trait]
impl EvidenceService for Seen {
    async fn search_entries(
        &self,
        request: Request<proto::SearchEntriesRequest>,
    ) -> Result<Response<proto::SearchEntriesResponse>, Status> {
        self.note(&request)?;
        Ok(Response::new(proto::SearchEntriesResponse::default()))
    }

    async fn get_checkpoint(
        &self,
        request: Request<proto::GetCheckpointRequest>,
    ) -> Result<Response<proto::GetCheckpointResponse>, Status> {
        self.note(&request)?;
        Ok(Response::new(proto::GetCheckpointResponse::default()))
    }

    async fn prove_inclusion(
        &self,
        request: Request<proto::ProveInclusionRequest>,
    ) -> Result<Response<proto::ProveInclusionResponse>, Status> {
        self.note(&request)?;
        Ok(Response::new(proto::ProveInclusionResponse::default()))
    }

    async fn prove_consistency(
        &self,
        request: Request<proto::ProveConsistencyRequest>,
    ) -> Result<Response<proto::ProveConsistencyResponse>, Status> {
        self.note(&request)?;
        Ok(Response::new(proto::ProveConsistencyResponse::default()))
    }
}

/// What differs from the usual.
pub(super) struct Setting {
    pub limits: Limits,
    pub trust_domain: &'static str,
    pub grace: Duration,
}

impl Default for Setting {
    fn default() -> Self {
        Self { limits: Limits::default(), trust_domain: TRUST_DOMAIN, grace: Duration::from_mins(1) }
    }
}

/// A running door.
pub(super) struct Gateway {
    _folder: TempDir,
    pub clock: Arc<SetClock>,
    pub authority: Authority,
    pub address: SocketAddr,
    pub seen: Seen,
    pub metrics: Arc<Metrics>,
    pub trust: Arc<TrustKeeper>,
    pub reports: mpsc::UnboundedReceiver<Report>,
    pub draining: CancellationToken,
    pub served: JoinHandle<Result<(), ServeError>>,
    pub token_key: String,
}

pub(super) fn world(clock: &Arc<SetClock>) -> World {
    World { clock: clock.clone(), entropy: Arc::new(SystemEntropy::new()) }
}

impl Gateway {
    pub(super) async fn start(setting: Setting) -> Self {
        let folder = TempDir::new().expect("folder");
        let clock = Arc::new(SetClock(AtomicI64::new(BEGIN)));
        let mut authority = Authority::init(&folder.path().join("ca"), TRUST_DOMAIN, 30, world(&clock)).expect("authority");
        let order = Order { system: system("gateway/main"), servers: vec!["localhost".into()], days: 60, out: None };
        let own = authority.issue(&order).expect("issued");
        let tls = ServerTls::load(server_files(&authority, &own.certificate, &own.key), clock.clone()).expect("tls");
        let token_key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("key");
        let policy = TokenPolicy { issuer: "tongbao".into(), audience: "gateway".into(), max_ttl: Duration::from_hours(1) };
        let (sink, reports) = mpsc::unbounded_channel();
        let metrics = Arc::new(Metrics::new());
        let max_message_bytes = setting.limits.max_message_bytes;
        let door = Server::new(Parts {
            tls: Arc::new(tls),
            reload_interval: Duration::from_hours(1),
            register: Arc::new(ArcSwap::from_pointee(register())),
            trust_domain: setting.trust_domain.to_owned(),
            tokens: Some(TokenVerifier::new(&policy, &[token_key.public_key_pem()]).expect("verifier")),
            limits: setting.limits,
            world: world(&clock),
            metrics: metrics.clone(),
            refusals: Arc::new(Sink(sink)),
        });
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let address = tcp.local_addr().expect("address");
        let seen = Seen::default();
        let services = Routes::new(ScreeningServiceServer::new(seen.clone()).max_decoding_message_size(max_message_bytes))
            .add_service(EvidenceServiceServer::new(seen.clone()));
        let draining = CancellationToken::new();
        let trust = door.trust();
        let shutdown = Shutdown { draining: draining.clone(), grace: setting.grace };
        let served = tokio::spawn(door.serve(tcp, services, shutdown));
        let token_key = token_key.serialize_pem();
        Self { _folder: folder, clock, authority, address, seen, metrics, trust, reports, draining, served, token_key }
    }

    pub(super) fn advance(&self, by: Micros) {
        self.clock.0.fetch_add(by, Ordering::SeqCst);
    }

    /// A client's TLS with a certificate of the gateway's authority.
    pub(super) fn client_of(&mut self, name: &str, days: u32) -> (Arc<ClientConfig>, PathBuf) {
        let order = Order { system: system(name), servers: Vec::new(), days, out: None };
        let issued = self.authority.issue(&order).expect("issued");
        let files =
            ClientFiles { authorities: self.authority.certificate(), certificate: issued.certificate.clone(), key: issued.key };
        (client_config(&files, self.clock.clone()).expect("client"), issued.certificate)
    }

    pub(super) async fn connect(&self, config: Arc<ClientConfig>) -> Channel {
        connect(self.address, config).await.expect("connected")
    }

    /// The next report of the door.
    pub(super) async fn report(&mut self) -> Report {
        self.reports.recv().await.expect("a report")
    }

    /// Ends it, and holds that it ends well.
    pub(super) async fn stop(self) {
        self.draining.cancel();
        self.served.await.expect("joined").expect("served");
    }
}

pub(super) async fn connect(address: SocketAddr, config: Arc<ClientConfig>) -> Result<Channel, tonic::transport::Error> {
    let origin = format!("https://localhost:{}", address.port()).parse().expect("origin");
    Endpoint::from_shared(format!("http://localhost:{}", address.port()))
        .expect("endpoint")
        .origin(origin)
        .connect_with_connector(tower::service_fn(move |_: http::Uri| {
            let config = config.clone();
            async move {
                let tcp = TcpStream::connect(address).await?;
                let name = ServerName::try_from("localhost").expect("name");
                let io = TlsConnector::from(config).connect(name, tcp).await?;
                Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(io))
            }
        }))
        .await
}

pub(super) fn system(name: &str) -> SystemId {
    SystemId::parse(name).expect("a system")
}

pub(super) fn server_files(authority: &Authority, certificate: &Path, key: &Path) -> ServerFiles {
    ServerFiles {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        client_authorities: authority.certificate(),
        crls: vec![authority.list()],
        require_crl: true,
    }
}

/// `gacc/risk-control` and `gacc/archive`; others are unknown.
fn register() -> Register {
    let participant = Participant {
        id: ParticipantId::parse("gacc").expect("a participant"),
        name_zh: "海关".into(),
        role: ParticipantRole::Customs,
        region: None,
    };
    let known =
        |name: &str| System { id: system(name), uri: Some(format!("spiffe://{TRUST_DOMAIN}/{name}")), fingerprints: Vec::new() };
    let systems = vec![known("gacc/risk-control"), known("gacc/archive")];
    Register::build(vec![participant], systems, Vec::new(), Vec::new()).expect("a register")
}

/// Code and stable reason of a refusal.
pub(super) fn reason(status: &Status) -> (tonic::Code, String) {
    use tonic_types::StatusExt as _;
    let details = status.get_error_details();
    (status.code(), details.error_info().map(|info| info.reason.clone()).unwrap_or_default())
}
