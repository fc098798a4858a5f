//! Shakes hands on a raw connection to learn what the channel cannot tell.
//!
//! With TLS 1.3 a client has finished before the server has looked at its certificate; the refusal comes as an alert on the
//! first read, which an HTTP/2 library may lose in a race. So: connect, say the preface, read until the first words.

use std::{error::Error as _, io, time::Duration};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{ClientError, connection::Way, error::chain};

/// Preface of HTTP/2 with an empty SETTINGS frame (RFC 9113 §3.4): a server answers it with its own settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
/// How long to wait for the gateway's first words.
const FIRST_WORDS_WITHIN: Duration = Duration::from_secs(5);

/// What a good handshake says of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Address connected to.
    pub address: String,
    /// Protocol version, e.g. `TLSv1_3`.
    pub protocol: String,
    /// Cipher suite.
    pub cipher_suite: String,
    /// The gateway's certificate, DER.
    pub certificate: Vec<u8>,
}

pub(super) async fn greet(way: &Way) -> Result<Greeting, ClientError> {
    let socket = way.tcp().await.map_err(|error| explain(way, &error))?;
    let address = socket.peer_addr().map(|address| address.to_string()).unwrap_or_default();
    let mut stream = way.tls(socket).await.map_err(|error| explain(way, &error))?;
    let words = async {
        stream.write_all(PREFACE).await?;
        stream.flush().await?;
        let mut first = [0; 1];
        match stream.read(&mut first).await? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            _ => Ok(()),
        }
    };
    tokio::time::timeout(FIRST_WORDS_WITHIN, words)
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
        .map_err(|error| explain(way, &error))?;
    let session = stream.get_ref().1;
    Ok(Greeting {
        address,
        protocol: session.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default(),
        cipher_suite: session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())).unwrap_or_default(),
        certificate: session.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.to_vec()).unwrap_or_default(),
    })
}

fn explain(way: &Way, error: &io::Error) -> ClientError {
    let place = way.place.to_string();
    match tls_error(error) {
        Some(rustls::Error::AlertReceived(alert)) => ClientError::CertificateRefused { place, alert: format!("{alert:?}") },
        Some(rustls::Error::InvalidCertificate(why)) => ClientError::GatewayNotTrusted { place, why: why.to_string() },
        _ => ClientError::Unreachable { place, why: chain(error) },
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref().or_else(|| inner.source()?.downcast_ref())
}

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, CertificateError};

    use super::*;

    #[test]
    fn finds_the_alert_inside_an_io_error() {
        let error =
            io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(AlertDescription::CertificateRevoked));
        assert_eq!(tls_error(&error), Some(&rustls::Error::AlertReceived(AlertDescription::CertificateRevoked)));
        let untrusted = io::Error::other(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        assert!(matches!(tls_error(&untrusted), Some(rustls::Error::InvalidCertificate(_))));
        assert_eq!(tls_error(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
    }
}
