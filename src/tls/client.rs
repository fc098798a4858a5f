//! The client's side.

use std::{path::PathBuf, sync::Arc};

use rustls::{ClientConfig, RootCertStore};

use super::{ALPN_HTTP2, ClockTime, TlsError, pem, provider};
use crate::clock::Clock;

/// The files a client's TLS is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFiles {
    /// The authorities that the gateway's certificate must come from, PEM.
    pub authorities: PathBuf,
    /// The client's certificate with its intermediates, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM; readable by its owner alone.
    pub key: PathBuf,
}

/// Loads a client's TLS: TLS 1.3, HTTP/2, its own certificate.
///
/// # Errors
/// When a file cannot be used.
pub fn client_config(files: &ClientFiles, clock: Arc<dyn Clock>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in pem::certificates(&files.authorities)? {
        roots
            .add(authority)
            .map_err(|error| TlsError::Authorities { path: files.authorities.clone(), why: error.to_string() })?;
    }
    let unusable = |source| TlsError::Unusable { path: files.certificate.clone(), source };
    let mut config = ClientConfig::builder_with_details(provider(), Arc::new(ClockTime(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .with_root_certificates(roots)
        .with_client_auth_cert(pem::certificates(&files.certificate)?, pem::private_key(&files.key)?)
        .map_err(unusable)?;
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
    Ok(Arc::new(config))
}
