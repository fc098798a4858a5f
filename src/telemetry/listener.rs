//! `/metrics`, `/live` and `/ready` over HTTP.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Metrics, Readiness};

/// The listener cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the telemetry listener cannot open {address}: {source}")]
pub struct ListenerError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// The listener, opened and not yet served: a taken port is known before the gateway starts.
pub struct Listener {
    tcp: TcpListener,
    app: Router,
}

#[derive(Clone)]
struct Told {
    metrics: Arc<Metrics>,
    readiness: Arc<dyn Readiness>,
}

impl Listener {
    /// Opens it.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn open(address: SocketAddr, metrics: Arc<Metrics>, readiness: Arc<dyn Readiness>) -> Result<Self, ListenerError> {
        let tcp = TcpListener::bind(address).await.map_err(|source| ListenerError { address, source })?;
        let app = Router::new()
            .route("/metrics", get(render))
            .route("/live", get(async || "live\n"))
            .route("/ready", get(ready))
            .with_state(Told { metrics, readiness });
        Ok(Self { tcp, app })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until `stop` fires.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn serve(self, stop: CancellationToken) -> io::Result<()> {
        axum::serve(self.tcp, self.app).with_graceful_shutdown(stop.cancelled_owned()).await
    }
}

async fn render(State(told): State<Told>) -> impl IntoResponse {
    let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, form)], told.metrics.render())
}

async fn ready(State(told): State<Told>) -> impl IntoResponse {
    let checks = told.readiness.checks().await;
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({ "ready": ready, "checks": checks }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;
    use crate::telemetry::Check;

    struct Fixed(bool);

    #[async_trait]
    impl Readiness for Fixed {
        async fn checks(&self) -> Vec<Check> {
            vec![Check::new("store", self.0, "as told")]
        }
    }

    async fn fetch(path: &str, ok: bool) -> String {
        let metrics = Arc::new(Metrics::new());
        metrics.head_position.set(42);
        let listener = Listener::open("127.0.0.1:0".parse().expect("address"), metrics, Arc::new(Fixed(ok))).await.expect("open");
        let address = listener.address().expect("address");
        let stop = CancellationToken::new();
        let served = tokio::spawn(listener.serve(stop.clone()));
        let mut io = TcpStream::connect(address).await.expect("connect");
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        io.write_all(request.as_bytes()).await.expect("write");
        let mut answer = String::new();
        io.read_to_string(&mut answer).await.expect("read");
        stop.cancel();
        served.await.expect("joined").expect("served");
        answer
    }

    #[tokio::test]
    async fn tells_numbers_life_and_readiness() {
        assert!(fetch("/metrics", true).await.contains("tongbao_head_position 42"));
        assert!(fetch("/live", false).await.starts_with("HTTP/1.1 200"));
        assert!(fetch("/ready", true).await.starts_with("HTTP/1.1 200"));
        let not = fetch("/ready", false).await;
        assert!(not.starts_with("HTTP/1.1 503") && not.contains(r#""name":"store""#), "{not}");
        assert!(fetch("/records", true).await.starts_with("HTTP/1.1 404"));
    }
}
