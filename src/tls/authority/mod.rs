//! A development authority in a folder: issues certificates for systems and gateways, revokes them, keeps the list.
//!
//! For trials, tests and the demonstration alone: its key lies in a file beside what it signs. Files of keys are made with mode
//! 0600 and nothing is ever overwritten but the revocation list and the register of what was issued.
//!
//! ```text
//! <folder>/ca.pem  ca.key  crl.pem  issued.json
//! <folder>/<participant>/<system>.pem  <system>.key
//! ```

mod files;
mod issued;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SanType, SerialNumber,
};
use time::OffsetDateTime;

use self::{
    files::{create, replace},
    issued::{Entry, Issued as Register},
};
use super::TlsError;
use crate::{
    clock::World,
    domain::{
        digest::{Digest, hex, sha256},
        ids::{Micros, SystemId},
        violation::Text,
    },
};

const DAY: Micros = 86_400_000_000;
/// Days an authority is valid: longer than anything it issues.
const AUTHORITY_DAYS: i64 = 3_660;
/// Certificates begin a little in the past, so that a clock slightly behind accepts them.
const BEGIN_BEFORE: Micros = 300_000_000;

/// Why the authority did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file stands where one would be written.
    #[error("{0} exists already: nothing is overwritten; choose another folder or --out")]
    Exists(PathBuf),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of the authority does not parse.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What the parser said.
        why: String,
    },
    /// A name that a certificate cannot carry.
    #[error("`{0}` cannot stand in a certificate: use lower-case letters, digits, dots and hyphens")]
    Name(String),
    /// Nothing was issued under that serial number or system.
    #[error("nothing was issued under `{0}` that is not revoked already; `issued.json` lists what was")]
    NotIssued(String),
    /// Certificates could not be made.
    #[error("the certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
    /// The authority's key cannot be used.
    #[error(transparent)]
    Key(#[from] TlsError),
}

impl AuthorityError {
    /// Stable token.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Exists(_) => "FILE_EXISTS",
            Self::File { .. } => "FILE_UNUSABLE",
            Self::Damaged { .. } => "FILE_MALFORMED",
            Self::Name(_) => "NOT_A_NAME",
            Self::NotIssued(_) => "NOT_ISSUED",
            Self::Make(_) => "CERTIFICATE_NOT_MADE",
            Self::Key(error) => error.reason(),
        }
    }

    /// What, why, and what to do.
    pub fn text(&self) -> Text {
        let zh = match self {
            Self::Exists(path) => format!("{} 已存在：不会覆盖任何文件；请换一个目录或使用 --out", path.display()),
            Self::File { path, source } => format!("{}：{source}", path.display()),
            Self::Damaged { path, why } => format!("{} 已损坏：{why}", path.display()),
            Self::Name(name) => format!("「{name}」不能写入证书：只能使用小写字母、数字、点和连字符"),
            Self::NotIssued(what) => format!("没有以「{what}」签发且尚未吊销的证书；已签发的见 issued.json"),
            Self::Make(error) => format!("证书未能生成：{error}"),
            Self::Key(error) => error.text().zh,
        };
        Text::new(zh, self.to_string())
    }
}

/// What to issue.
#[derive(Debug, Clone)]
pub struct Order {
    /// For which system; its URI is `spiffe://<trust domain>/<participant>/<system>`.
    pub system: SystemId,
    /// Names and addresses of a gateway; empty = a client's certificate.
    pub servers: Vec<String>,
    /// Days it is valid, at least 1.
    pub days: u32,
    /// Where to write, without the ending; `None` = `<folder>/<participant>/<system>`.
    pub out: Option<PathBuf>,
}

/// A certificate as issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuance {
    /// Its file.
    pub certificate: PathBuf,
    /// Its key's file.
    pub key: PathBuf,
    /// The URI in it.
    pub uri: String,
    /// Its serial number, lower-case hexadecimal.
    pub serial: String,
    /// Its SHA-256.
    pub fingerprint: Digest,
    /// Its last moment.
    pub not_after: Micros,
}

/// A new Ed25519 key for signing tokens or checkpoints: the private part (PKCS #8) and the public part, both PEM.
///
/// # Errors
/// When the cryptography library has no randomness.
pub fn signing_key() -> Result<(String, String), AuthorityError> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    Ok((key.serialize_pem(), key.public_key_pem()))
}

/// An opened authority.
pub struct Authority {
    folder: PathBuf,
    world: World,
    issuer: Issuer<'static, KeyPair>,
    register: Register,
}

impl Authority {
    /// Makes a new authority in a folder (made if missing), valid for ten years, with an empty revocation list.
    ///
    /// # Errors
    /// When one stands there already, the trust domain is no name, or files cannot be written.
    pub fn init(folder: &Path, trust_domain: &str, crl_days: u32, world: World) -> Result<Self, AuthorityError> {
        if !is_name(trust_domain) {
            return Err(AuthorityError::Name(trust_domain.to_owned()));
        }
        files::make_folder(folder)?;
        let certificate = folder.join("ca.pem");
        let key_file = folder.join("ca.key");
        for path in [&certificate, &key_file] {
            if path.exists() {
                return Err(AuthorityError::Exists(path.clone()));
            }
        }
        let now = world.clock.now();
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = params(&world, &format!("{trust_domain} development authority"), now, AUTHORITY_DAYS)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        create(&key_file, key.serialize_pem().as_bytes(), 0o600)?;
        create(&certificate, params.self_signed(&key)?.pem().as_bytes(), 0o644)?;
        let register = Register::new(trust_domain, crl_days.max(1));
        let mut authority = Self { folder: folder.to_owned(), world, issuer: Issuer::new(params, key), register };
        authority.write_list()?;
        Ok(authority)
    }

    /// Opens the authority of a folder.
    ///
    /// # Errors
    /// When its files cannot be read, are damaged, or its key is open to others.
    pub fn open(folder: &Path, world: World) -> Result<Self, AuthorityError> {
        let certificate = folder.join("ca.pem");
        let read = |source| AuthorityError::File { path: certificate.clone(), source };
        let pem = fs::read_to_string(&certificate).map_err(read)?;
        let key_file = folder.join("ca.key");
        let damaged = |path: &Path, why: String| AuthorityError::Damaged { path: path.to_owned(), why };
        let key = String::from_utf8(super::pem::secret(&key_file)?).map_err(|error| damaged(&key_file, error.to_string()))?;
        let key = KeyPair::from_pem(&key).map_err(|error| damaged(&key_file, error.to_string()))?;
        let issuer = Issuer::from_ca_cert_pem(&pem, key).map_err(|error| damaged(&certificate, error.to_string()))?;
        let register = Register::read(&folder.join("issued.json"))?;
        Ok(Self { folder: folder.to_owned(), world, issuer, register })
    }

    /// Opens the authority of a folder, or makes it.
    ///
    /// # Errors
    /// As [`Authority::init`] and [`Authority::open`].
    pub fn open_or_init(folder: &Path, trust_domain: &str, crl_days: u32, world: World) -> Result<Self, AuthorityError> {
        if folder.join("ca.pem").exists() { Self::open(folder, world) } else { Self::init(folder, trust_domain, crl_days, world) }
    }

    /// The authority's certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The revocation list.
    pub fn list(&self) -> PathBuf {
        self.folder.join("crl.pem")
    }

    /// The trust domain it issues for.
    pub fn trust_domain(&self) -> &str {
        &self.register.trust_domain
    }

    /// Issues a certificate with a new key.
    ///
    /// # Errors
    /// When a file stands there already, a name cannot stand in a certificate, or files cannot be written.
    pub fn issue(&mut self, order: &Order) -> Result<Issuance, AuthorityError> {
        let now = self.world.clock.now();
        let stem = order.out.clone().unwrap_or_else(|| self.folder.join(order.system.to_string()));
        let (certificate, key_file) = (with_ending(&stem, "pem"), with_ending(&stem, "key"));
        for path in [&certificate, &key_file] {
            if path.exists() {
                return Err(AuthorityError::Exists(path.clone()));
            }
        }
        let uri = format!("spiffe://{}/{}", self.register.trust_domain, order.system);
        let serial = serial(&self.world);
        let mut params = params(&self.world, &order.system.to_string(), now, i64::from(order.days.max(1)))?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.subject_alt_names = alternative_names(&order.servers, &uri)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // A gateway's certificate is of no use to a client, and the other way round.
        params.extended_key_usages = vec![if order.servers.is_empty() {
            ExtendedKeyUsagePurpose::ClientAuth
        } else {
            ExtendedKeyUsagePurpose::ServerAuth
        }];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let made = params.signed_by(&key, &self.issuer)?;
        if let Some(parent) = stem.parent() {
            files::make_folder(parent)?;
        }
        let not_after = micros(params.not_after);
        // The register comes first: what stands in a file can always be revoked.
        self.register.entries.push(Entry::new(hex(&serial), &order.system, not_after));
        self.write_list()?;
        create(&key_file, key.serialize_pem().as_bytes(), 0o600)?;
        create(&certificate, made.pem().as_bytes(), 0o644)?;
        let fingerprint = sha256(&[made.der()]);
        Ok(Issuance { certificate, key: key_file, uri, serial: hex(&serial), fingerprint, not_after })
    }

    /// Revokes everything issued under a serial number or for a system, and writes the list. Returns the serial numbers.
    ///
    /// # Errors
    /// When nothing unrevoked was issued under that name, or files cannot be written.
    pub fn revoke(&mut self, what: &str) -> Result<Vec<String>, AuthorityError> {
        let now = self.world.clock.now();
        let wanted = what.to_ascii_lowercase().replace(':', "");
        let mut revoked = Vec::new();
        for entry in self.register.entries.iter_mut().filter(|entry| entry.revoked_at_us.is_none()) {
            if entry.serial == wanted || entry.system == what {
                entry.revoked_at_us = Some(now);
                revoked.push(entry.serial.clone());
            }
        }
        if revoked.is_empty() {
            return Err(AuthorityError::NotIssued(what.to_owned()));
        }
        self.write_list()?;
        Ok(revoked)
    }

    /// Writes the revocation list anew, dated from now; returns when the next one is due.
    ///
    /// # Errors
    /// When files cannot be written.
    pub fn write_list(&mut self) -> Result<Micros, AuthorityError> {
        let now = self.world.clock.now();
        self.register.crl_number += 1;
        let next_update = now + i64::from(self.register.crl_days) * DAY;
        let revoked = |entry: &Entry| {
            Some(RevokedCertParams {
                serial_number: SerialNumber::from_slice(&entry.serial_bytes()),
                revocation_time: moment(entry.revoked_at_us?),
                reason_code: Some(RevocationReason::Unspecified),
                invalidity_date: None,
            })
        };
        let list = CertificateRevocationListParams {
            this_update: moment(now - BEGIN_BEFORE),
            next_update: moment(next_update),
            crl_number: SerialNumber::from(self.register.crl_number),
            issuing_distribution_point: None,
            revoked_certs: self.register.entries.iter().filter_map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let pem = list.signed_by(&self.issuer)?.pem()?;
        self.register.write(&self.folder.join("issued.json"))?;
        replace(&self.list(), pem.as_bytes())?;
        Ok(next_update)
    }
}

fn params(world: &World, name: &str, now: Micros, days: i64) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Tongbao development");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = moment(now - BEGIN_BEFORE);
    params.not_after = moment(now + days * DAY);
    params.serial_number = Some(SerialNumber::from_slice(&serial(world)));
    Ok(params)
}

fn alternative_names(servers: &[String], uri: &str) -> Result<Vec<SanType>, AuthorityError> {
    let no_name = |name: &str| AuthorityError::Name(name.to_owned());
    let mut names = vec![SanType::URI(uri.try_into().map_err(|_| no_name(uri))?)];
    for server in servers {
        names.push(match server.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) if is_name(server) => SanType::DnsName(server.as_str().try_into().map_err(|_| no_name(server))?),
            Err(_) => return Err(no_name(server)),
        });
    }
    Ok(names)
}

/// 126 random bits: never zero, never negative in DER, no leading zero to be dropped (RFC 5280 §4.1.2.2).
fn serial(world: &World) -> [u8; 16] {
    let mut bytes: [u8; 16] = world.random();
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    bytes
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

fn with_ending(stem: &Path, ending: &str) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

/// To the second, as certificates have it; a date beyond the calendar stands for its end.
fn moment(at: Micros) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.div_euclid(1_000_000)).unwrap_or(time::Date::MAX.midnight().assume_utc())
}

fn micros(at: OffsetDateTime) -> Micros {
    at.unix_timestamp().saturating_mul(1_000_000)
}
