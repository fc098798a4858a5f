//! What stands in certificates and revocation lists, for people.

use std::{fs, net::IpAddr, path::Path};

use x509_parser::prelude::{CertificateRevocationList, FromDer as _, GeneralName, X509Certificate};

use super::{
    TlsError,
    pem::{self, micros},
};
use crate::domain::{
    digest::{Digest, hex, sha256},
    ids::Micros,
};

/// One thing found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inspected {
    /// A certificate.
    Certificate(InspectedCertificate),
    /// A revocation list.
    List(InspectedList),
}

impl Inspected {
    /// Its last moment.
    pub fn ends_at(&self) -> Micros {
        match self {
            Self::Certificate(certificate) => certificate.not_after,
            Self::List(list) => list.next_update,
        }
    }
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedCertificate {
    /// Whose it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// URIs, host names and addresses in it.
    pub names: Vec<String>,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// SHA-256.
    pub fingerprint: Digest,
    /// First moment.
    pub not_before: Micros,
    /// Last moment.
    pub not_after: Micros,
}

/// What a revocation list says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedList {
    /// Who signed it.
    pub issuer: String,
    /// When the next one is due; without a date it ended with its first moment.
    pub next_update: Micros,
    /// Serial numbers, hexadecimal.
    pub revoked: Vec<String>,
}

/// The certificates and lists of a file.
///
/// # Errors
/// When it cannot be read, does not parse, or holds neither.
pub fn inspect(path: &Path) -> Result<Vec<Inspected>, TlsError> {
    let bytes = fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    let is_list = bytes.first() == Some(&0x30) || bytes.windows(LIST_LABEL.len()).any(|window| window == LIST_LABEL);
    if is_list {
        return pem::revocation_lists(path)?.iter().map(|der| list(path, der)).collect();
    }
    pem::certificates(path)?.iter().map(|der| certificate(path, der)).collect()
}

const LIST_LABEL: &[u8] = b"-----BEGIN X509 CRL-----";

fn certificate(path: &Path, der: &[u8]) -> Result<Inspected, TlsError> {
    let (_, parsed) = X509Certificate::from_der(der).map_err(|error| pem::malformed(path, &error))?;
    let alternative = parsed.subject_alternative_name().map_err(|error| pem::malformed(path, &error))?;
    let names = alternative.iter().flat_map(|names| &names.value.general_names).filter_map(name).collect();
    Ok(Inspected::Certificate(InspectedCertificate {
        subject: parsed.subject().to_string(),
        issuer: parsed.issuer().to_string(),
        names,
        serial: hex(parsed.raw_serial()),
        fingerprint: sha256(&[der]),
        not_before: micros(parsed.validity().not_before),
        not_after: micros(parsed.validity().not_after),
    }))
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(text) | GeneralName::DNSName(text) => Some((*text).to_owned()),
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => Some(IpAddr::from([a, b, c, d]).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|octets| IpAddr::from(octets).to_string()),
        },
        _ => None,
    }
}

fn list(path: &Path, der: &[u8]) -> Result<Inspected, TlsError> {
    let (_, parsed) = CertificateRevocationList::from_der(der).map_err(|error| pem::malformed(path, &error))?;
    Ok(Inspected::List(InspectedList {
        issuer: parsed.issuer().to_string(),
        next_update: micros(parsed.next_update().unwrap_or_else(|| parsed.last_update())),
        revoked: parsed.iter_revoked_certificates().map(|revoked| hex(revoked.raw_serial())).collect(),
    }))
}
