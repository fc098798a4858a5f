//! The other side of a connection: what its certificate says, read once, and whether it is still trusted.

use std::{net::SocketAddr, sync::OnceLock, time::Instant};

use rustls::pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::pem::micros;
use crate::domain::{
    digest::{Digest, hex, sha256},
    ids::Micros,
};

/// Why an open connection is no longer trusted. The tokens are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Distrust {
    /// Its certificate was revoked.
    Revoked,
    /// Its certificate has expired.
    Expired,
    /// The revocation list is past its date: nobody can be checked.
    ListExpired,
    /// Its authority is not trusted any more, or another reason of the verifier.
    NotTrusted,
}

impl Distrust {
    /// Stable token.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Revoked => "CERTIFICATE_REVOKED",
            Self::Expired => "CERTIFICATE_EXPIRED",
            Self::ListExpired => "REVOCATION_LIST_EXPIRED",
            Self::NotTrusted => "CERTIFICATE_NOT_TRUSTED",
        }
    }
}

impl From<&rustls::Error> for Distrust {
    fn from(error: &rustls::Error) -> Self {
        use rustls::CertificateError as E;
        match error {
            rustls::Error::InvalidCertificate(E::Revoked) => Self::Revoked,
            rustls::Error::InvalidCertificate(E::Expired | E::ExpiredContext { .. }) => Self::Expired,
            rustls::Error::InvalidCertificate(E::ExpiredRevocationList | E::ExpiredRevocationListContext { .. }) => {
                Self::ListExpired
            }
            _ => Self::NotTrusted,
        }
    }
}

/// The other side of a connection. Made once a connection; requests share it.
#[derive(Debug)]
pub struct Peer {
    /// Where it connects from.
    pub address: SocketAddr,
    /// SHA-256 of its certificate.
    pub fingerprint: Digest,
    /// URIs among the certificate's alternative names.
    pub uris: Vec<String>,
    /// Serial number, lower-case hexadecimal.
    pub serial: String,
    /// The certificate's last moment.
    pub not_after: Micros,
    /// When its handshake was done, by the monotonic clock.
    pub since: Instant,
    pub(super) chain: Vec<CertificateDer<'static>>,
    ended: CancellationToken,
    distrust: OnceLock<Distrust>,
}

impl Peer {
    /// Reads the chain that was presented and verified, leaf first.
    ///
    /// # Errors
    /// When there is no leaf or it does not parse; the text is for the log.
    pub fn read(address: SocketAddr, chain: &[CertificateDer<'_>]) -> Result<Self, String> {
        let leaf = chain.first().ok_or("no certificate")?;
        let (_, certificate) = X509Certificate::from_der(leaf).map_err(|error| error.to_string())?;
        let names = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
        let uris = names
            .iter()
            .flat_map(|names| &names.value.general_names)
            .filter_map(|name| match name {
                GeneralName::URI(uri) => Some((*uri).to_owned()),
                _ => None,
            })
            .collect();
        Ok(Self {
            address,
            fingerprint: sha256(&[leaf]),
            uris,
            serial: hex(certificate.raw_serial()),
            not_after: micros(certificate.validity().not_after),
            since: Instant::now(),
            chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            ended: CancellationToken::new(),
            distrust: OnceLock::new(),
        })
    }

    /// Withdraws trust: every open and later request of this connection ends. The first reason stands.
    pub fn withdraw(&self, distrust: Distrust) {
        if self.distrust.set(distrust).is_ok() {
            self.ended.cancel();
        }
    }

    /// Why it is not trusted now, if it is not. Cheap: asked for every request.
    pub fn distrust(&self, now: Micros) -> Option<Distrust> {
        if now > self.not_after {
            self.withdraw(Distrust::Expired);
        }
        self.distrust.get().copied()
    }

    /// Fires when trust is withdrawn.
    pub fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}
