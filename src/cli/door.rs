//! Makes the parts of the gRPC door out of the configuration: what `serve`, `demo` and `config check` share.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use super::Failure;
use crate::{
    clock::Clock,
    config::{Config, LimitsSection, LogForm, TelemetrySection},
    domain::violation::Text,
    rpc::{
        Limits,
        token::{TokenPolicy, TokenVerifier},
    },
    telemetry::{LogFormat, LogSettings},
    tls::{ServerFiles, ServerTls, TlsError, authority::AuthorityError},
};

/// Loads the gateway's certificates.
///
/// # Errors
/// When they cannot be used.
pub fn server_tls(config: &Config, clock: Arc<dyn Clock>) -> Result<ServerTls, Failure> {
    let tls = &config.tls;
    let files = ServerFiles {
        certificate: tls.certificate.clone(),
        key: tls.key.clone(),
        client_authorities: tls.client_authorities.clone(),
        crls: tls.crls.clone(),
        require_crl: tls.require_crl,
    };
    Ok(ServerTls::load(files, clock)?)
}

/// The verifier of operators' tokens; `None` = no public key is configured.
///
/// # Errors
/// When a key cannot be read or used.
pub fn token_verifier(config: &Config) -> Result<Option<TokenVerifier>, Failure> {
    let tokens = &config.tokens;
    if tokens.public_keys.is_empty() {
        return Ok(None);
    }
    let policy = TokenPolicy {
        issuer: tokens.issuer.clone(),
        audience: tokens.audience.clone(),
        max_ttl: Duration::from_secs(tokens.max_ttl_seconds),
    };
    let read = |path: &std::path::PathBuf| fs::read(path).map_err(|error| unreadable(path, &error));
    let keys = tokens.public_keys.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    TokenVerifier::new(&policy, &keys).map(Some).map_err(|error| {
        let zh = format!("tokens.public_keys 中有不能使用的公钥：{error}");
        Failure::usage("TOKEN_KEY", zh, format!("a key of tokens.public_keys cannot be used: {error}"))
    })
}

/// The limits as the server has them.
pub fn limits(section: &LimitsSection) -> Limits {
    let seconds = Duration::from_secs;
    Limits {
        max_message_bytes: section.max_message_bytes,
        streams_per_connection: section.streams_per_connection,
        max_connections: section.max_connections,
        handshake_timeout: seconds(section.handshake_timeout_seconds),
        request_timeout: seconds(section.request_timeout_seconds),
        max_connection_age: Some(section.max_connection_age_seconds).filter(|age| *age > 0).map(seconds),
        connection_age_grace: seconds(section.connection_age_grace_seconds),
        max_stream_age: Some(section.max_stream_age_seconds).filter(|age| *age > 0).map(seconds),
        stream_age_grace: seconds(section.stream_age_grace_seconds),
        keepalive_interval: seconds(section.keepalive_seconds),
        keepalive_timeout: seconds(section.keepalive_seconds),
    }
}

/// How to log.
pub fn log_settings(section: &TelemetrySection) -> LogSettings {
    let format = match section.log_format {
        LogForm::Human => LogFormat::Human,
        LogForm::Json => LogFormat::Json,
    };
    LogSettings { format, level: section.level.clone() }
}

/// Checks that the folder of the store is there.
///
/// # Errors
/// When it is not.
pub fn folder_of_store(config: &Config) -> Result<(), Failure> {
    let folder = config.store.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() {
        return Ok(());
    }
    let shown = folder.display();
    Err(Failure::usage(
        "NO_FOLDER",
        format!("存储目录 {shown} 不存在；请先建立（store.path）"),
        format!("the folder {shown} of the store is not there; make it first (store.path)"),
    ))
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let shown = path.display();
    Failure::usage("FILE_UNREADABLE", format!("无法读取 {shown}：{error}"), format!("{shown} cannot be read: {error}"))
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        of_text(error.reason(), error.text())
    }
}

impl From<AuthorityError> for Failure {
    fn from(error: AuthorityError) -> Self {
        of_text(error.reason(), error.text())
    }
}

fn of_text(reason: &str, text: Text) -> Failure {
    Failure { text, ..Failure::usage(reason, "", "") }
}
