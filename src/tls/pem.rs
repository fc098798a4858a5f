//! Reads certificates, keys and revocation lists from files.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject};
use time::{OffsetDateTime, macros::format_description};
use x509_parser::time::ASN1Time;

use super::TlsError;
use crate::domain::ids::Micros;

/// The certificates of a file, in its order; at least one.
///
/// # Errors
/// When the file cannot be read, does not parse, or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let found = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>().map_err(|error| malformed(path, &error))?;
    if found.is_empty() {
        return Err(TlsError::Nothing { path: path.to_owned(), what: "CERTIFICATE" });
    }
    Ok(found)
}

/// The private key of a file that only its owner can read.
///
/// # Errors
/// When the file is open to others, cannot be read, does not parse, or holds no key.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = secret(path)?;
    match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => Ok(key),
        Err(rustls::pki_types::pem::Error::NoItemsFound) => Err(TlsError::Nothing { path: path.to_owned(), what: "PRIVATE KEY" }),
        Err(error) => Err(malformed(path, &error)),
    }
}

/// The bytes of a file that only its owner can read.
///
/// # Errors
/// When it is open to others or cannot be read.
pub fn secret(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Read { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(TlsError::KeyOpenToOthers { path: path.to_owned(), mode });
    }
    read(path)
}

/// The revocation lists of a file: one in DER, or any number in PEM.
///
/// # Errors
/// When the file cannot be read, does not parse, or holds none.
pub fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let bytes = read(path)?;
    // DER begins with the tag of a sequence, which no text does.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![CertificateRevocationListDer::from(bytes)]);
    }
    let found = CertificateRevocationListDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| malformed(path, &error))?;
    if found.is_empty() {
        return Err(TlsError::Nothing { path: path.to_owned(), what: "X509 CRL" });
    }
    Ok(found)
}

/// A moment of a certificate.
pub(super) fn micros(time: ASN1Time) -> Micros {
    time.timestamp().saturating_mul(1_000_000)
}

/// A moment for people, to the second, UTC.
pub fn moment(at: Micros) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    OffsetDateTime::from_unix_timestamp(at.div_euclid(1_000_000))
        .ok()
        .and_then(|time| time.format(&format).ok())
        .unwrap_or_else(|| at.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

pub(super) fn malformed(path: &Path, why: &dyn std::fmt::Display) -> TlsError {
    TlsError::Malformed { path: path.to_owned(), why: why.to_string() }
}
