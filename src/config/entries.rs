//! The lists of the file: who takes part, and rights beside those of the roles.

use serde::{Deserialize, Serialize};

/// A participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParticipantEntry {
    /// Its name in record ids and evidence.
    pub id: String,
    /// Its name in Chinese.
    pub name_zh: String,
    /// Token of its role.
    pub role: String,
    /// Region it is competent for; absent = nationwide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its systems.
    #[serde(default)]
    pub systems: Vec<SystemEntry>,
}

/// A system of a participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemEntry {
    /// Its name.
    pub name: String,
    /// URI in its certificates; absent = `spiffe://<trust domain>/<participant>/<name>`, or none when fingerprints are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// SHA-256 of pinned certificates.
    #[serde(default)]
    pub fingerprints: Vec<String>,
}

/// A right beside those of the role.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantEntry {
    /// To whom.
    pub participant: String,
    /// To do what.
    pub actions: Vec<String>,
    /// With which feeds.
    pub feeds: Vec<String>,
    /// The restricted sections too.
    #[serde(default)]
    pub restricted: bool,
    /// What was detected and not notified yet, too.
    #[serde(default)]
    pub detected: bool,
    /// Steps of cases and transfers too.
    #[serde(default)]
    pub cases: bool,
    /// Only these kinds.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Only these regions.
    #[serde(default)]
    pub region_prefixes: Vec<String>,
    /// Only these products.
    #[serde(default)]
    pub product_kinds: Vec<String>,
    /// Last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_on: Option<String>,
}
