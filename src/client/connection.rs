//! The connection: one HTTP/2 channel over our own TLS 1.3, which opens itself again when it breaks.

use std::{sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

use super::{ClientError, Place, Profile, error::chain};
use crate::{
    clock::Clock,
    domain::violation::{Lang, Text},
    tls::{ClientFiles, ProbeFailure, ProbeReport, TlsError, client_config, probe},
};

/// A channel whose requests carry language and token.
pub type Signed = InterceptedService<Channel, Headers>;

/// How long connecting may take, TCP and TLS each.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A silent connection is asked this often whether it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long a unary call may take.
const CALL_WITHIN: Duration = Duration::from_secs(30);
/// How much may be on the way unread: the product of a fast line's bandwidth and delay.
const STREAM_WINDOW: u32 = 4 << 20;
/// Largest message read: a batch of deliveries of the largest window.
pub(super) const LARGEST_MESSAGE: usize = 64 << 20;

/// How to reach the gateway.
struct Way {
    place: Place,
    server_name: String,
    tls: Arc<ClientConfig>,
}

impl Way {
    async fn connect(&self, name: ServerName<'static>) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect((self.place.host.as_str(), self.place.port)).await?;
        socket.set_nodelay(true)?;
        TlsConnector::from(Arc::clone(&self.tls)).connect(name, socket).await
    }
}

/// Puts language and token on each request.
#[derive(Clone)]
pub struct Headers {
    language: MetadataValue<Ascii>,
    authorization: Option<MetadataValue<Ascii>>,
}

impl Interceptor for Headers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("accept-language", self.language.clone());
        if let Some(token) = &self.authorization {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// A connection to a gateway; cheap to clone, shared by everything that uses it.
#[derive(Clone)]
pub struct Connection {
    channel: Channel,
    headers: Headers,
    way: Arc<Way>,
}

impl Connection {
    /// Makes a connection with a profile, inside a tokio runtime. It reaches out with the first call; whether the gateway is
    /// there and accepts our certificate is known then, or by [`Connection::greet`].
    ///
    /// # Errors
    /// When a file of the profile cannot be used.
    pub fn open(profile: &Profile, lang: Lang, clock: Arc<dyn Clock>) -> Result<Self, ClientError> {
        let files = ClientFiles { authorities: profile.ca.clone(), certificate: profile.cert.clone(), key: profile.key.clone() };
        let way = Arc::new(Way {
            place: profile.place.clone(),
            server_name: profile.server_name.clone(),
            tls: client_config(&files, clock)?,
        });
        let headers = Headers {
            language: MetadataValue::from_static(lang.tag()),
            authorization: profile.token_file.as_deref().map(bearer).transpose()?,
        };
        Ok(Self { channel: channel(&way)?, headers, way })
    }

    /// Where the gateway is.
    pub fn place(&self) -> String {
        self.way.place.to_string()
    }

    /// The channel with language and token, for the generated clients.
    pub fn signed(&self) -> Signed {
        InterceptedService::new(self.channel.clone(), self.headers.clone())
    }

    /// Shakes hands on a connection of its own and waits for the gateway's first words: the only sure way to learn whether
    /// it accepts our certificate.
    ///
    /// # Errors
    /// Naming the step that failed.
    pub async fn greet(&self) -> Result<ProbeReport, ClientError> {
        let way = &self.way;
        probe(&way.place.authority(), &way.server_name, Arc::clone(&way.tls), CONNECT_WITHIN)
            .await
            .map_err(|failure| ClientError::from_probe(&failure, &self.place()))
    }

    /// Understands why a call failed. A connection that broke is looked into with [`Connection::greet`], because the
    /// channel loses the alert that says why.
    pub async fn understand(&self, status: &Status) -> ClientError {
        let error = ClientError::from_status(status, &self.place());
        if !matches!(error, ClientError::Unreachable { .. }) {
            return error;
        }
        match self.greet().await {
            Err(cause @ (ClientError::CertificateRefused { .. } | ClientError::GatewayNotTrusted { .. })) => cause,
            _ => error,
        }
    }

    /// Unwraps the answer of a unary call, or understands why there is none.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn answer<T>(&self, result: Result<Response<T>, Status>) -> Result<T, ClientError> {
        match result {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(self.understand(&status).await),
        }
    }
}

/// A request with the deadline of a unary call.
pub(super) fn unary<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_WITHIN);
    request
}

/// Scheme `http` in the endpoint, since the connector does the TLS; `https` in the origin, since that is what it is.
fn channel(way: &Arc<Way>) -> Result<Channel, ClientError> {
    let broken = |error: &(dyn std::error::Error + 'static)| ClientError::Broken(chain(error));
    let authority = way.place.authority();
    let name = ServerName::try_from(way.server_name.clone())
        .map_err(|_| ClientError::from_probe(&ProbeFailure::Name(way.server_name.clone()), &authority))?;
    let origin: http::Uri = format!("https://{authority}").parse().map_err(|error: http::uri::InvalidUri| broken(&error))?;
    let endpoint = Endpoint::from_shared(format!("http://{authority}"))
        .map_err(|error| broken(&error))?
        .origin(origin)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW * 4);
    let way = Arc::clone(way);
    Ok(endpoint.connect_with_connector_lazy(tower::service_fn(move |_: http::Uri| {
        let (way, name) = (Arc::clone(&way), name.clone());
        async move {
            let connected = timeout(CONNECT_WITHIN, way.connect(name)).await;
            connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).map(TokioIo::new)
        }
    })))
}

/// A token may be open to others, unlike a key: it is of no use without the certificate that it is bound to.
fn bearer(path: &std::path::Path) -> Result<MetadataValue<Ascii>, ClientError> {
    let unreadable = |source| TlsError::Read { path: path.to_owned(), source };
    let token = String::from_utf8(std::fs::read(path).map_err(unreadable)?).unwrap_or_default();
    let no_token = || ClientError::Identity {
        reason: "NOT_A_TOKEN",
        text: Text::new(
            format!("{} 的内容不是令牌；请用 tongbao token issue 签发", path.display()),
            format!("{} does not hold a token; issue one with `tongbao token issue`", path.display()),
        ),
    };
    if token.trim().is_empty() {
        return Err(no_token());
    }
    let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.trim()).parse().map_err(|_| no_token())?;
    value.set_sensitive(true);
    Ok(value)
}
