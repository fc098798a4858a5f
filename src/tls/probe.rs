//! A look at a gateway with bare TLS: shows the true alert of a refusal, which a gRPC client often loses.
//!
//! In TLS 1.3 the client finishes first: a refused certificate is heard of only by the next read. So the probe connects, says
//! hello in HTTP/2, and reads once.

use std::{io, sync::Arc, time::Duration};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::pem::micros;
use crate::domain::{
    digest::{Digest, sha256},
    ids::Micros,
    violation::Text,
};

/// HTTP/2's connection preface and an empty SETTINGS frame (RFC 9113 §3.4).
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// What a gateway that accepted us showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeReport {
    /// SHA-256 of its certificate.
    pub fingerprint: Digest,
    /// Its subject.
    pub subject: String,
    /// Its last moment.
    pub not_after: Micros,
}

/// At which step a probe failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFailure {
    /// The name is not one that a certificate can have.
    #[error("`{0}` is not the name of a server")]
    Name(String),
    /// Nobody answers there.
    #[error("{address} cannot be reached: {source}")]
    Connect {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// We do not trust the gateway, or it speaks no TLS 1.3.
    #[error("the handshake failed: {0}")]
    Handshake(#[source] io::Error),
    /// The gateway does not accept our certificate; the alert says why.
    #[error("the gateway refused our certificate: {0}")]
    Refused(#[source] io::Error),
    /// The gateway does not answer in time.
    #[error("no answer within {0:?}")]
    Silent(Duration),
}

impl ProbeFailure {
    /// Stable token.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Name(_) => "NOT_A_SERVER_NAME",
            Self::Connect { .. } => "NOT_REACHABLE",
            Self::Handshake(_) => "HANDSHAKE_FAILED",
            Self::Refused(_) => "CERTIFICATE_REFUSED",
            Self::Silent(_) => "NO_ANSWER",
        }
    }

    /// What, why, and what to do.
    pub fn text(&self) -> Text {
        let zh = match self {
            Self::Name(name) => format!("「{name}」不是服务器名称；请检查配置档案中的地址"),
            Self::Connect { address, source } => format!("无法连接 {address}：{source}；请检查地址、防火墙和网关是否在运行"),
            Self::Handshake(error) => format!("TLS 握手失败：{error}；请检查签发机构证书和服务器名称"),
            Self::Refused(error) => format!("网关不接受本端证书：{error}；请检查证书是否过期、被吊销或由其他机构签发"),
            Self::Silent(limit) => format!("{limit:?} 内没有答复；请检查对端是否为通报网关"),
        };
        let remedy = match self {
            Self::Name(_) => "check the address in the profile",
            Self::Connect { .. } => "check the address, firewalls, and whether the gateway runs",
            Self::Handshake(_) => "check the authority's certificate and the server's name",
            Self::Refused(_) => "check whether the certificate is expired, revoked, or of another authority",
            Self::Silent(_) => "check whether a gateway listens there",
        };
        Text::new(zh, format!("{self}; {remedy}"))
    }
}

/// Connects to `address` (`host:port`) expecting a certificate for `server_name`, and reads once.
///
/// # Errors
/// Says at which step it failed, with the alert where there was one.
pub async fn probe(
    address: &str,
    server_name: &str,
    config: Arc<ClientConfig>,
    limit: Duration,
) -> Result<ProbeReport, ProbeFailure> {
    timeout(limit, probe_unbounded(address, server_name, config)).await.unwrap_or(Err(ProbeFailure::Silent(limit)))
}

async fn probe_unbounded(address: &str, server_name: &str, config: Arc<ClientConfig>) -> Result<ProbeReport, ProbeFailure> {
    let name = ServerName::try_from(server_name.to_owned()).map_err(|_| ProbeFailure::Name(server_name.to_owned()))?;
    let tcp =
        TcpStream::connect(address).await.map_err(|source| ProbeFailure::Connect { address: address.to_owned(), source })?;
    let mut io = TlsConnector::from(config).connect(name, tcp).await.map_err(ProbeFailure::Handshake)?;
    let report = report(&io).ok_or_else(|| ProbeFailure::Handshake(io::Error::other("no certificate")))?;
    // A gateway that refuses may close before it reads this; then the read below tells the alert.
    let _ = io.write_all(HELLO).await;
    let _ = io.flush().await;
    match io.read(&mut [0; 64]).await {
        Ok(0) => Err(ProbeFailure::Refused(io::ErrorKind::UnexpectedEof.into())),
        Ok(_) => Ok(report),
        Err(error) => Err(ProbeFailure::Refused(error)),
    }
}

fn report(io: &tokio_rustls::client::TlsStream<TcpStream>) -> Option<ProbeReport> {
    let leaf = io.get_ref().1.peer_certificates()?.first()?;
    let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
    Some(ProbeReport {
        fingerprint: sha256(&[leaf]),
        subject: parsed.subject().to_string(),
        not_after: micros(parsed.validity().not_after),
    })
}
