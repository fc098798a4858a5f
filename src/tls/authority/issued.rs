//! The register of what a development authority issued: what its revocation list is made from.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use super::{AuthorityError, files::replace};
use crate::domain::ids::{Micros, SystemId};

/// Everything issued.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Issued {
    /// Trust domain of the URIs.
    pub trust_domain: String,
    /// Number of the last revocation list.
    pub crl_number: u64,
    /// Days a revocation list is valid.
    pub crl_days: u32,
    /// One entry a certificate.
    pub entries: Vec<Entry>,
}

/// One certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// Serial number, lower-case hexadecimal.
    pub serial: String,
    /// For which system.
    pub system: String,
    /// Its last moment, microseconds.
    pub not_after_us: Micros,
    /// When it was revoked, microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at_us: Option<Micros>,
}

impl Issued {
    pub(super) fn new(trust_domain: &str, crl_days: u32) -> Self {
        Self { trust_domain: trust_domain.to_owned(), crl_number: 0, crl_days, entries: Vec::new() }
    }

    pub(super) fn read(path: &Path) -> Result<Self, AuthorityError> {
        let bytes = fs::read(path).map_err(|source| AuthorityError::File { path: path.to_owned(), source })?;
        let register: Self = serde_json::from_slice(&bytes)
            .map_err(|error| AuthorityError::Damaged { path: path.to_owned(), why: error.to_string() })?;
        match register.entries.iter().find(|entry| entry.serial_bytes().is_empty()) {
            None => Ok(register),
            Some(entry) => {
                let why = format!("`{}` is no serial number", entry.serial);
                Err(AuthorityError::Damaged { path: path.to_owned(), why })
            }
        }
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), AuthorityError> {
        let json = serde_json::to_vec_pretty(self)
            .map_err(|error| AuthorityError::Damaged { path: path.to_owned(), why: error.to_string() })?;
        replace(path, &json)
    }
}

impl Entry {
    pub(super) fn new(serial: String, system: &SystemId, not_after_us: Micros) -> Self {
        Self { serial, system: system.to_string(), not_after_us, revoked_at_us: None }
    }

    /// The serial number; empty when it is none.
    pub(super) fn serial_bytes(&self) -> Vec<u8> {
        if !self.serial.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Vec::new();
        }
        let pair = |at: usize| u8::from_str_radix(self.serial.get(at..at + 2)?, 16).ok();
        (0..self.serial.len()).step_by(2).map(pair).collect::<Option<_>>().unwrap_or_default()
    }
}
