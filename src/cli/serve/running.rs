//! A running gateway: put together here, stopped here.
//!
//! It stops in this order: nothing new is accepted and streams are told to go → subscriptions settle what is in flight → the last
//! refusals and a last checkpoint are recorded → the committer and the store close.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{keys, measure::measure, ready::Ready};
use crate::{
    cli::{Failure, door},
    clock::World,
    config::{Checked, Competence, Config},
    domain::{
        dates::CivilDate,
        deadlines::Deadlines,
        digest::{hex, sha256},
        grants::Register,
        ledger::{Act, Change},
        screening::ScreeningPolicy,
    },
    gateway::{
        Gateway, Parts,
        committer::{Bounds, Committer},
        policy::Policy,
        refusals::{RefusalLog, RefusalRecorder},
    },
    rpc::{self, ServeError, Server, Shutdown, TrustKeeper},
    store::{
        Store,
        sqlite::{Options, SqliteStore},
    },
    tasks,
    telemetry::{Listener, Metrics},
    wire::WireCodec,
};

/// A gateway that runs.
pub struct Running {
    gateway: Arc<Gateway>,
    store: Arc<SqliteStore>,
    committer: Committer,
    screening: Arc<ArcSwap<ScreeningPolicy>>,
    trust: Arc<TrustKeeper>,
    address: SocketAddr,
    telemetry: SocketAddr,
    stop: CancellationToken,
    finish: CancellationToken,
    serving: JoinHandle<Result<(), ServeError>>,
    tasks: TaskTracker,
}

/// Starts a gateway. It serves when this returns.
///
/// # Errors
/// When a file cannot be used, a port is taken, the store cannot be opened, or the start cannot be recorded.
pub async fn start(checked: Checked, world: World) -> Result<Running, Failure> {
    let policy = policy_of(&checked);
    let Checked { config, register, screening, .. } = checked;
    let tls = Arc::new(door::server_tls(&config, world.clock.clone())?);
    let tokens = door::token_verifier(&config)?;
    let signer = Arc::new(keys::signer(&config.evidence)?);
    let tcp = listen(config.server.listen).await?;
    let store = open_store(&config, &world).await?;
    let shared: Arc<dyn Store> = store.clone();
    let metrics = Arc::new(Metrics::new());
    let readiness = Arc::new(Ready { store: shared.clone(), tls: tls.clone(), world: world.clone() });
    let telemetry = Listener::open(config.telemetry.listen, metrics.clone(), readiness).await?;
    let bounds = Bounds { page_bytes: usize::try_from(config.store.page_cache_mib).unwrap_or(16) << 20, ..Bounds::default() };
    let committer = Committer::start(shared.clone(), world.clone(), bounds).await?;
    let (refusals, recorder) = RefusalLog::new(world.clone());
    let (stop, finish, tasks) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
    let register_digest = digest_of(&config);
    let register = Arc::new(ArcSwap::from_pointee(register));
    let screening = Arc::new(ArcSwap::from_pointee(screening));
    let gateway = Arc::new(Gateway::new(Parts {
        store: shared.clone(),
        committer: committer.clone(),
        signer,
        register: register.clone(),
        policy: Arc::new(ArcSwap::from_pointee(policy)),
        screening: screening.clone(),
        codec: Arc::new(WireCodec),
        refusals: refusals.clone(),
        world: world.clone(),
        stop: stop.clone(),
    }));
    warn_of_unknown_years(&gateway.policy.load().deadlines, &world);
    gateway.administer("gateway.start", vec![format!("register:{register_digest}")]).await?;
    let limits = door::limits(&config.limits);
    let services = rpc::routes(&gateway, &limits);
    let server = Server::new(rpc::Parts {
        tls,
        reload_interval: Duration::from_secs(config.tls.reload_seconds),
        register,
        trust_domain: config.tls.trust_domain.clone(),
        tokens,
        limits,
        world,
        metrics: metrics.clone(),
        refusals: Arc::new(refusals),
    });
    let (trust, address) = (server.trust(), tcp.local_addr()?);
    let telemetry_address = telemetry.address()?;
    let shutdown = Shutdown { draining: stop.clone(), grace: Duration::from_secs(config.server.shutdown_grace_seconds) };
    let serving = tokio::spawn(server.serve(tcp, services, shutdown));
    tasks.spawn(record_refusals(recorder, committer.clone(), finish.clone()));
    let interval = Duration::from_secs(config.evidence.checkpoint_seconds);
    tasks.spawn(tasks::sign_checkpoints(gateway.clone(), interval, finish.clone()));
    tasks.spawn(tasks::keep_docket(gateway.clone(), Duration::from_secs(config.deadlines.check_seconds), finish.clone()));
    tasks.spawn(measure(gateway.clone(), shared, committer.clone(), metrics, finish.clone()));
    tasks.spawn(tell(telemetry, finish.clone()));
    Ok(Running {
        gateway,
        store,
        committer,
        screening,
        trust,
        address,
        telemetry: telemetry_address,
        stop,
        finish,
        serving,
        tasks,
    })
}

impl Running {
    /// Where the gRPC listener is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where metrics and readiness are told.
    pub fn telemetry_address(&self) -> SocketAddr {
        self.telemetry
    }

    /// Takes over a new configuration as far as it can change in flight: certificates, revocation lists, the limit on the store's
    /// size, register, screening. The register is taken over only when that could be recorded.
    pub async fn reload(&self, checked: Checked) {
        if let Err(error) = self.trust.refresh() {
            tracing::error!(%error, "certificates were not loaded anew; the old ones stand");
        }
        // First: in a store that is full, nothing else can be recorded.
        if let Err(error) = self.store.set_size_limit(size_limit(&checked.config)).await {
            tracing::error!(%error, "the limit on the store's size stays as it was");
        }
        let digest = digest_of(&checked.config);
        match self.gateway.administer("register.load", vec![format!("register:{digest}")]).await {
            Ok(()) => {
                let policy = policy_of(&checked);
                warn_of_unknown_years(&policy.deadlines, &self.gateway.world);
                self.take_over(checked.register, checked.screening, policy);
                tracing::info!(%digest, "the register was loaded anew");
            }
            Err(refused) => {
                tracing::error!(reason = refused.reason, "the register was not loaded anew: it could not be recorded");
            }
        }
    }

    fn take_over(&self, register: Register, screening: ScreeningPolicy, policy: Policy) {
        self.gateway.register.store(Arc::new(register));
        self.gateway.policy.store(Arc::new(policy));
        self.screening.store(Arc::new(screening));
        self.trust.register_changed();
    }

    /// Stops in good order.
    ///
    /// # Errors
    /// When the server had failed.
    pub async fn stop(self) -> Result<(), Failure> {
        self.stop.cancel();
        self.gateway.hosts.closed().await;
        let served = self.serving.await;
        if let Err(refused) = self.gateway.administer("gateway.stop", Vec::new()).await {
            tracing::warn!(reason = refused.reason, "the stop could not be recorded");
        }
        self.finish.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.committer.close().await;
        self.store.close().await;
        match served {
            Ok(served) => served.map_err(|error| Failure::from(std::io::Error::other(error))),
            Err(error) => Err(Failure::from(std::io::Error::other(error))),
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::usage(
            "LISTEN",
            format!("无法监听 {address}：{error}；检查 [server] listen，或是否已有进程占用"),
            format!("cannot listen on {address}: {error}; check [server] listen, or whether another process holds it"),
        )
    })
}

async fn open_store(config: &Config, world: &World) -> Result<Arc<SqliteStore>, Failure> {
    door::folder_of_store(config)?;
    let store = SqliteStore::open(&config.store.path, world.random_u128(), &Options { size_limit: size_limit(config) }).await?;
    Ok(Arc::new(store))
}

/// The limit on the ledger's file, bytes.
fn size_limit(config: &Config) -> Option<u64> {
    Some(config.store.limit_mib << 20).filter(|bytes| *bytes > 0)
}

fn policy_of(checked: &Checked) -> Policy {
    Policy {
        allow_synthetic: checked.config.domain.allow_synthetic,
        any_regulator_disposes: checked.config.domain.competence == Competence::AnyPublisher,
        deadlines: checked.deadlines.clone(),
    }
}

/// Says which of this year and the next the calendar does not know.
fn warn_of_unknown_years(deadlines: &Deadlines, world: &World) {
    let this = CivilDate::of_instant(world.clock.now()).first_day().year();
    for year in [this, this + 1].into_iter().filter(|year| !deadlines.calendar.knows(*year)) {
        tracing::warn!(
            year,
            "no holidays of this year are known: working days are counted by weekends alone; see [deadlines] calendar"
        );
    }
}

/// Digest of what the register was made from, so that the log says which one was in force.
fn digest_of(config: &Config) -> String {
    let said = format!("{:?}{:?}{:?}", config.participants, config.grants, config.feeds);
    hex(&sha256(&[said.as_bytes()]))
}

async fn record_refusals(recorder: RefusalRecorder, committer: Committer, finish: CancellationToken) {
    let commit = |evidence| {
        let committer = committer.clone();
        async move { committer.commit(Act { change: Change::Record, evidence }).await.is_ok() }
    };
    recorder.run(commit, finish).await;
}

async fn tell(telemetry: Listener, finish: CancellationToken) {
    if let Err(error) = telemetry.serve(finish).await {
        tracing::error!(%error, "the telemetry listener failed");
    }
}
