//! The settings as the file has them. Units stand in the names; bounds and meaning in `tongbao.default.toml`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::entries::{GrantEntry, ParticipantEntry};

use crate::domain::{feeds::Feed, ids::Micros};

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The gRPC listener.
    pub server: ServerSection,
    /// Certificates and revocation.
    pub tls: TlsSection,
    /// The embedded store.
    pub store: StoreSection,
    /// The evidence log.
    pub evidence: EvidenceSection,
    /// Operators' tokens.
    pub tokens: TokensSection,
    /// How much a client may ask for.
    pub limits: LimitsSection,
    /// Log, metrics, readiness.
    pub telemetry: TelemetrySection,
    /// Rules of records.
    pub domain: DomainSection,
    /// How long each duty may take.
    pub deadlines: DeadlinesSection,
    /// Policy of each feed.
    pub feeds: FeedsSection,
    /// How declarations are screened.
    pub screening: ScreeningSection,
    /// Who takes part.
    pub participants: Vec<ParticipantEntry>,
    /// Rights beside those of the roles.
    pub grants: Vec<GrantEntry>,
}

/// The gRPC listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSection {
    /// Address and port.
    pub listen: SocketAddr,
    /// Seconds that open streams have to end.
    pub shutdown_grace_seconds: u64,
}

impl Default for ServerSection {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 7443).into(), shutdown_grace_seconds: 15 }
    }
}

/// Certificates and revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSection {
    /// The gateway's certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities of clients' certificates.
    pub client_authorities: PathBuf,
    /// Revocation lists.
    pub crls: Vec<PathBuf>,
    /// Refuse to run without a list of each authority.
    pub require_crl: bool,
    /// Trust domain of URIs in certificates.
    pub trust_domain: String,
    /// Seconds between looks at the files.
    pub reload_seconds: u64,
}

impl Default for TlsSection {
    fn default() -> Self {
        Self {
            certificate: "certs/gateway/main.pem".into(),
            key: "certs/gateway/main.key".into(),
            client_authorities: "certs/ca.pem".into(),
            crls: vec!["certs/crl.pem".into()],
            require_crl: true,
            trust_domain: "tongbao.example".to_owned(),
            reload_seconds: 15,
        }
    }
}

/// The embedded store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// The database file.
    pub path: PathBuf,
    /// Connections that read.
    pub readers: u32,
    /// Memory for shared pages, MiB.
    pub page_cache_mib: u64,
    /// The ledger's file grows to this many MiB, then the store is full; 0 = as far as the disk allows.
    pub limit_mib: u64,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self { path: "data/tongbao.sqlite".into(), readers: 4, page_cache_mib: 16, limit_mib: 0 }
    }
}

/// The evidence log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvidenceSection {
    /// Name of the log in checkpoints.
    pub origin: String,
    /// Private key that signs checkpoints.
    pub key: PathBuf,
    /// Seconds between checkpoints.
    pub checkpoint_seconds: u64,
}

impl Default for EvidenceSection {
    fn default() -> Self {
        Self { origin: "tongbao.example/ledger".to_owned(), key: "data/evidence.key".into(), checkpoint_seconds: 60 }
    }
}

/// Operators' tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokensSection {
    /// Who issues them.
    pub issuer: String,
    /// This gateway's name in them.
    pub audience: String,
    /// Public keys of the issuer.
    pub public_keys: Vec<PathBuf>,
    /// Longest life, seconds.
    pub max_ttl_seconds: u64,
}

impl Default for TokensSection {
    fn default() -> Self {
        Self {
            issuer: "tongbao".to_owned(),
            audience: "tongbao-gateway".to_owned(),
            public_keys: Vec::new(),
            max_ttl_seconds: 3600,
        }
    }
}

/// How much a client may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Largest message read, bytes.
    pub max_message_bytes: usize,
    /// Requests at once on one connection.
    pub streams_per_connection: u32,
    /// Connections at once.
    pub max_connections: usize,
    /// Time for a handshake.
    pub handshake_timeout_seconds: u64,
    /// Time until the first byte of an answer.
    pub request_timeout_seconds: u64,
    /// Age at which a connection is asked to come again; 0 = never.
    pub max_connection_age_seconds: u64,
    /// Time its streams have to end then.
    pub connection_age_grace_seconds: u64,
    /// Age at which a subscription's stream is asked to come again; 0 = never.
    pub max_stream_age_seconds: u64,
    /// Time it has then to settle what it holds.
    pub stream_age_grace_seconds: u64,
    /// Silence after which a sign of life is asked for.
    pub keepalive_seconds: u64,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            max_message_bytes: 8 << 20,
            streams_per_connection: 256,
            max_connections: 1024,
            handshake_timeout_seconds: 10,
            request_timeout_seconds: 60,
            max_connection_age_seconds: 86_400,
            connection_age_grace_seconds: 60,
            max_stream_age_seconds: 3600,
            stream_age_grace_seconds: 60,
            keepalive_seconds: 20,
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogForm {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Log, metrics, readiness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetrySection {
    /// Address and port of the plain listener.
    pub listen: SocketAddr,
    /// How log lines look.
    pub log_format: LogForm,
    /// Which lines.
    pub level: String,
}

impl Default for TelemetrySection {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 9464).into(), log_format: LogForm::Human, level: "info".to_owned() }
    }
}

/// Rules of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DomainSection {
    /// Accept credit codes reserved for examples.
    pub allow_synthetic: bool,
    /// A failed bacterial filtration triggers the meltblown trace (domain.md §9).
    pub bacterial_filtration_triggers_trace: bool,
    /// Who may take which step of a life cycle.
    pub competence: Competence,
}

/// Who may take which step of a life cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Competence {
    /// The seats of domain.md §5: by who published the nonconformity, by role and by region.
    #[default]
    Table,
    /// Whoever may publish.
    AnyPublisher,
}

impl Default for DomainSection {
    fn default() -> Self {
        Self { allow_synthetic: false, bacterial_filtration_triggers_trace: true, competence: Competence::Table }
    }
}

/// How long each duty may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeadlinesSection {
    /// Holidays and work days that make up for them; absent = the table built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar: Option<PathBuf>,
    /// Objection after the notice, days.
    pub objection_days: u32,
    /// Rectification after the order, days.
    pub rectify_days: u32,
    /// Recheck after the order, days.
    pub recheck_days: u32,
    /// Second recheck after a failed one, days.
    pub second_recheck_days: u32,
    /// Sealing or seizure, days.
    pub seizure_days: u32,
    /// What an extension adds, days.
    pub seizure_extension_days: u32,
    /// Answer to a doubt, working days.
    pub doubt_answer_working_days: u32,
    /// Acknowledgement of an urgent notice, working days.
    pub notice_acknowledgement_working_days: u32,
    /// End of what customs hold, days; 0 = none.
    pub hold_days: u32,
    /// Seconds between looks at what became overdue.
    pub check_seconds: u64,
}

impl Default for DeadlinesSection {
    fn default() -> Self {
        Self {
            calendar: None,
            objection_days: 15,
            rectify_days: 60,
            recheck_days: 75,
            second_recheck_days: 90,
            seizure_days: 30,
            seizure_extension_days: 30,
            doubt_answer_working_days: 10,
            notice_acknowledgement_working_days: 1,
            hold_days: 0,
            check_seconds: 30,
        }
    }
}

/// Policy of one feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeedSection {
    /// Age of an attestation from which the feed is stale, hours.
    pub freshness_hours: u64,
    /// A recipient states its purpose.
    pub purpose_required: bool,
    /// Participants whose attestation a verdict needs; empty = all that may publish.
    pub verdict_publishers: Vec<String>,
}

impl Default for FeedSection {
    fn default() -> Self {
        Self { freshness_hours: 24, purpose_required: false, verdict_publishers: Vec::new() }
    }
}

impl FeedSection {
    /// The limit as the domain counts time.
    pub fn freshness_micros(&self) -> Micros {
        i64::try_from(self.freshness_hours).unwrap_or(i64::MAX).saturating_mul(3_600_000_000)
    }
}

/// Policy of each feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct FeedsSection {
    /// `failed-products`.
    pub failed_products: FeedSection,
    /// `enterprises`.
    pub enterprises: FeedSection,
    /// `export-qualifications`.
    pub export_qualifications: FeedSection,
    /// `export-actions`.
    pub export_actions: FeedSection,
    /// `notices`.
    pub notices: FeedSection,
    /// `doubts`.
    pub doubts: FeedSection,
}

impl Default for FeedsSection {
    fn default() -> Self {
        Self {
            failed_products: FeedSection::default(),
            enterprises: FeedSection { freshness_hours: 168, purpose_required: true, ..FeedSection::default() },
            export_qualifications: FeedSection::default(),
            export_actions: FeedSection::default(),
            notices: FeedSection::default(),
            doubts: FeedSection::default(),
        }
    }
}

impl FeedsSection {
    /// Each feed with its section, in the order of the catalogue.
    pub fn each(&self) -> [(Feed, &FeedSection); 6] {
        Feed::ALL.map(|feed| {
            let section = match feed {
                Feed::FailedProducts => &self.failed_products,
                Feed::Enterprises => &self.enterprises,
                Feed::ExportQualifications => &self.export_qualifications,
                Feed::ExportActions => &self.export_actions,
                Feed::Notices => &self.notices,
                Feed::Doubts => &self.doubts,
            };
            (feed, section)
        })
    }
}

/// How declarations are screened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScreeningSection {
    /// An answer is good for this long.
    pub answer_valid_seconds: u64,
    /// HS codes of masks.
    pub hs_prefixes: Vec<HsPrefix>,
    /// Words of a goods name that tell masks.
    pub goods_words: Vec<String>,
    /// Words by which medical use is claimed.
    pub medical_words: Vec<String>,
    /// Districts where an unknown maker alone is no reason for a review.
    pub tolerant_offices: Vec<String>,
    /// When joint announcement 12/2020 was in force.
    pub announcement_12: Vec<AnnouncementRow>,
}

impl Default for ScreeningSection {
    fn default() -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let prefix = |prefix: &str| HsPrefix { prefix: prefix.to_owned(), valid_from: None, valid_to: None };
        Self {
            answer_valid_seconds: 3600,
            hs_prefixes: ["6307900010", "6307901010", "6307901090", "9020", "4818909000"].map(prefix).to_vec(),
            goods_words: words(&["口罩", "面罩", "呼吸器", "mask", "respirator"]),
            medical_words: words(&["医用", "医疗", "外科", "手术", "medical", "surgical"]),
            tolerant_offices: Vec::new(),
            announcement_12: vec![AnnouncementRow { valid_from: "2020-04-26".to_owned(), valid_to: None, enabled: true }],
        }
    }
}

/// An HS code, or its beginning, that tells masks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HsPrefix {
    /// Digits.
    pub prefix: String,
    /// First day, `2020-04-26`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    /// Last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<String>,
}

/// Days in which joint announcement 12/2020 was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnouncementRow {
    /// First day, `2020-04-26`.
    pub valid_from: String,
    /// Last day; absent = until further notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<String>,
    /// False = the row is as if it were not there.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

impl Config {
    /// Makes relative paths relative to a folder.
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        let tls = &mut self.tls;
        let single =
            [&mut tls.certificate, &mut tls.key, &mut tls.client_authorities, &mut self.store.path, &mut self.evidence.key];
        let several = tls.crls.iter_mut().chain(&mut self.tokens.public_keys).chain(&mut self.deadlines.calendar);
        for path in single.into_iter().chain(several) {
            *path = folder.join(&path);
        }
    }
}
