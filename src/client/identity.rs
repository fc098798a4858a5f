//! Reads our certificate, key and trusted authorities, and makes the TLS settings of a client.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};

use super::Profile;
use crate::domain::violation::Text;

/// A file of the profile that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {}: {why}", path.display())]
pub struct IdentityError {
    /// What the file was meant to be: `ca`, `cert`, `key`, `token_file` or `server_name`.
    pub what: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl IdentityError {
    pub(super) fn new(what: &'static str, path: &Path, why: impl ToString) -> Self {
        Self { what, path: path.to_owned(), why: why.to_string() }
    }

    /// What is wrong and what to do.
    pub fn text(&self) -> Text {
        let (path, why) = (self.path.display(), &self.why);
        Text::new(
            format!("配置档中 {} 所指的 {path} 无法使用：{why}。请核对该项", self.what),
            format!("`{}` of the profile, {path}, cannot be used: {why}. Check that entry", self.what),
        )
    }
}

/// Reads the PEM certificates of a file: at least one.
///
/// # Errors
/// When the file cannot be read, is not PEM, or holds no certificate.
pub(super) fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let fail = |why: String| IdentityError::new(what, path, why);
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(|error| fail(error.to_string()))?
        .collect::<Result<_, _>>()
        .map_err(|error| fail(error.to_string()))?;
    if found.is_empty() {
        return Err(fail("it holds no certificate in PEM form".to_owned()));
    }
    Ok(found)
}

/// The TLS settings of the profile: TLS 1.3, HTTP/2, our certificate, its authorities alone.
///
/// # Errors
/// Naming the file that cannot be used.
pub(super) fn tls_settings(profile: &Profile) -> Result<Arc<ClientConfig>, IdentityError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca", &profile.ca)? {
        roots.add(certificate).map_err(|error| IdentityError::new("ca", &profile.ca, error))?;
    }
    let chain = certificates("cert", &profile.cert)?;
    let key = PrivateKeyDer::from_pem_file(&profile.key).map_err(|error| IdentityError::new("key", &profile.key, error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut settings = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| IdentityError::new("cert", &profile.cert, error))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|error| IdentityError::new("key", &profile.key, error))?;
    settings.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(settings))
}

/// The name that the gateway's certificate must carry.
///
/// # Errors
/// When it is neither a host name nor an address.
pub(super) fn server_name(profile: &Profile) -> Result<ServerName<'static>, IdentityError> {
    ServerName::try_from(profile.server_name.clone())
        .map_err(|error| IdentityError::new("server_name", &profile.source, format!("`{}`: {error}", profile.server_name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Place;

    fn profile(folder: &Path) -> Profile {
        Profile {
            source: folder.join("p.toml"),
            place: Place { host: "localhost".into(), port: 1 },
            server_name: "localhost".into(),
            ca: folder.join("ca.pem"),
            cert: folder.join("cert.pem"),
            key: folder.join("key.pem"),
            token_file: None,
            lang: None,
        }
    }

    #[test]
    fn names_the_file_that_cannot_be_used() {
        let folder = tempfile::tempdir().expect("folder");
        let profile = profile(folder.path());
        assert_eq!(tls_settings(&profile).expect_err("nothing there").what, "ca");
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("certificate");
        std::fs::write(&profile.ca, made.cert.pem()).expect("write");
        assert_eq!(tls_settings(&profile).expect_err("no certificate").what, "cert");
        std::fs::write(&profile.cert, "no pem at all").expect("write");
        assert_eq!(tls_settings(&profile).expect_err("empty certificate").what, "cert");
        std::fs::write(&profile.cert, made.cert.pem()).expect("write");
        assert_eq!(tls_settings(&profile).expect_err("no key").what, "key");
        std::fs::write(&profile.key, rcgen::KeyPair::generate().expect("key").serialize_pem()).expect("write");
        assert_eq!(tls_settings(&profile).expect_err("another key").what, "key");
        std::fs::write(&profile.key, made.signing_key.serialize_pem()).expect("write");
        let settings = tls_settings(&profile).expect("all there");
        assert_eq!(settings.alpn_protocols, vec![b"h2".to_vec()]);
    }
}
