//! The server's side: loads certificate, key, authorities and revocation lists, and exchanges them while connections are open.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, CertificateRevocationListDer},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};

use super::{ALPN_HTTP2, ClockTime, Distrust, Peer, TlsError, pem, provider, unix_time};
use crate::{clock::Clock, domain::ids::Micros};

/// The files a gateway's TLS is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// The gateway's certificate with its intermediates, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM; readable by its owner alone.
    pub key: PathBuf,
    /// The authorities that clients' certificates must come from, PEM.
    pub client_authorities: PathBuf,
    /// Revocation lists, PEM or DER.
    pub crls: Vec<PathBuf>,
    /// Refuse to run without a list of each authority.
    pub require_crl: bool,
}

/// Trust as loaded at one moment; never changed, only replaced.
struct Trust {
    config: Arc<ServerConfig>,
    verifier: Arc<dyn ClientCertVerifier>,
    certificate_not_after: Micros,
    crl_next_update: Option<Micros>,
    stamps: Vec<Stamp>,
}

/// Tells whether a file was replaced, without reading it: time of change, length, and the file itself, since two renames may fall
/// into one tick of the file system's clock.
#[derive(Debug, PartialEq, Eq)]
struct Stamp(PathBuf, Option<(SystemTime, u64, u64)>);

/// The gateway's TLS: the current trust, and how to replace it.
pub struct ServerTls {
    files: ServerFiles,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Trust>,
}

impl ServerTls {
    /// Loads the files.
    ///
    /// # Errors
    /// When a file cannot be used, the certificate is not valid now, or revocation must be checked and cannot be.
    pub fn load(files: ServerFiles, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let trust = Trust::load(&files, &clock)?;
        Ok(Self { files, clock, current: ArcSwap::from_pointee(trust) })
    }

    /// Accepts connections with the current trust.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load().config.clone())
    }

    /// Replaces the trust when a file was replaced since it was loaded; says whether it was.
    ///
    /// # Errors
    /// When the new files cannot be used: the old trust stands, and its revocation list still ends at its own date.
    pub fn refresh(&self) -> Result<bool, TlsError> {
        if stamps(&self.files) == self.current.load().stamps {
            return Ok(false);
        }
        self.reload()?;
        Ok(true)
    }

    /// Replaces the trust by what the files say now.
    ///
    /// # Errors
    /// As [`ServerTls::refresh`].
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(Trust::load(&self.files, &self.clock)?));
        Ok(())
    }

    /// Verifies an open connection again, by the same verifier as a new one, and withdraws trust where it fails.
    pub fn verify_again(&self, peer: &Peer) -> Option<Distrust> {
        let now = self.clock.now();
        if let Some(distrust) = peer.distrust(now) {
            return Some(distrust);
        }
        let (leaf, intermediates) = peer.chain.split_first()?;
        match self.current.load().verifier.verify_client_cert(leaf, intermediates, unix_time(now)) {
            Ok(_) => None,
            Err(error) => {
                peer.withdraw(Distrust::from(&error));
                peer.distrust(now)
            }
        }
    }

    /// The last moment of the gateway's own certificate.
    pub fn certificate_not_after(&self) -> Micros {
        self.current.load().certificate_not_after
    }

    /// When the first of the revocation lists must be replaced; `None` = there is no list.
    pub fn crl_next_update(&self) -> Option<Micros> {
        self.current.load().crl_next_update
    }
}

impl Trust {
    fn load(files: &ServerFiles, clock: &Arc<dyn Clock>) -> Result<Self, TlsError> {
        let now = clock.now();
        let stamps = stamps(files);
        let chain = pem::certificates(&files.certificate)?;
        let certificate_not_after = valid_now(&files.certificate, &chain, now)?;
        let authorities = pem::certificates(&files.client_authorities)?;
        let lists = lists(files, &authorities, now)?;
        let crl_next_update = lists.iter().map(|list| list.next_update).min();
        let verifier = verifier(files, authorities, lists)?;
        let mut config = ServerConfig::builder_with_details(provider(), Arc::new(ClockTime(clock.clone())))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|source| TlsError::Unusable { path: files.certificate.clone(), source })?
            .with_client_cert_verifier(verifier.clone())
            .with_single_cert(chain, pem::private_key(&files.key)?)
            .map_err(|source| TlsError::Unusable { path: files.certificate.clone(), source })?;
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
        // A resumed session would skip the check of the client's certificate, and so its revocation.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config), verifier, certificate_not_after, crl_next_update, stamps })
    }
}

fn stamps(files: &ServerFiles) -> Vec<Stamp> {
    [&files.certificate, &files.key, &files.client_authorities]
        .into_iter()
        .chain(&files.crls)
        .map(|path| {
            let seen = fs::metadata(path).ok().and_then(|meta| Some((meta.modified().ok()?, meta.len(), meta.ino())));
            Stamp(path.clone(), seen)
        })
        .collect()
}

fn valid_now(path: &Path, chain: &[CertificateDer<'_>], now: Micros) -> Result<Micros, TlsError> {
    let leaf = chain.first().ok_or_else(|| TlsError::Nothing { path: path.to_owned(), what: "CERTIFICATE" })?;
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|error| pem::malformed(path, &error))?;
    let (from, to) = (pem::micros(leaf.validity().not_before), pem::micros(leaf.validity().not_after));
    if now < from || now > to {
        let span = format!("{} – {}", pem::moment(from), pem::moment(to));
        return Err(TlsError::NotValidNow { path: path.to_owned(), span });
    }
    Ok(to)
}

/// A revocation list that one of the authorities signed, with its date and that authority's subject.
struct CheckedList {
    der: CertificateRevocationListDer<'static>,
    next_update: Micros,
    issuer: Vec<u8>,
}

fn lists(files: &ServerFiles, authorities: &[CertificateDer<'_>], now: Micros) -> Result<Vec<CheckedList>, TlsError> {
    let mut signers = Vec::with_capacity(authorities.len());
    for der in authorities {
        let (_, parsed) = X509Certificate::from_der(der).map_err(|error| pem::malformed(&files.client_authorities, &error))?;
        signers.push(parsed);
    }
    let mut checked = Vec::new();
    for path in &files.crls {
        for der in pem::revocation_lists(path)? {
            checked.push(check_list(path, der, &signers, now)?);
        }
    }
    if files.require_crl {
        if checked.is_empty() {
            return Err(TlsError::NoRevocationList);
        }
        if let Some(bare) = signers.iter().find(|ca| checked.iter().all(|list| list.issuer != ca.subject().as_raw())) {
            return Err(TlsError::AuthorityWithoutList { authority: bare.subject().to_string() });
        }
    }
    Ok(checked)
}

fn check_list(
    path: &Path,
    der: CertificateRevocationListDer<'static>,
    signers: &[X509Certificate<'_>],
    now: Micros,
) -> Result<CheckedList, TlsError> {
    let (next_update, issuer) = {
        let (_, list) = CertificateRevocationList::from_der(&der).map_err(|error| pem::malformed(path, &error))?;
        let signed = |ca: &X509Certificate<'_>| {
            ca.subject().as_raw() == list.issuer().as_raw() && list.verify_signature(ca.public_key()).is_ok()
        };
        if !signers.iter().any(signed) {
            return Err(TlsError::ListOfStranger { path: path.to_owned(), issuer: list.issuer().to_string() });
        }
        let next_update = list.next_update().map(pem::micros);
        (next_update.ok_or_else(|| pem::malformed(path, &"no nextUpdate"))?, list.issuer().as_raw().to_vec())
    };
    if next_update < now {
        return Err(TlsError::ListExpired { path: path.to_owned(), next_update: pem::moment(next_update) });
    }
    Ok(CheckedList { der, next_update, issuer })
}

fn verifier(
    files: &ServerFiles,
    authorities: Vec<CertificateDer<'static>>,
    lists: Vec<CheckedList>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let unusable = |why: String| TlsError::Authorities { path: files.client_authorities.clone(), why };
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(|error| unusable(error.to_string()))?;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    // With an empty set of lists the verifier would check nothing and say nothing: `lists` has refused that already where
    // revocation is required. Once one list is given, a client of an authority without a list is refused.
    if !lists.is_empty() {
        builder = builder
            .with_crls(lists.into_iter().map(|list| list.der))
            .enforce_revocation_expiration()
            .only_check_end_entity_revocation();
    }
    builder.build().map_err(|error| unusable(error.to_string()))
}
