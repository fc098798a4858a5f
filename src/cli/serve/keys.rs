//! Keys of the gateway: the one that signs checkpoints is made at the first start.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use crate::{
    cli::Failure,
    config::{EvidenceSection, TokensSection},
    domain::evidence::CheckpointSigner,
    rpc::token::{TokenPolicy, TokenVerifier},
    tls,
};

/// The signer of checkpoints; its key is made, with mode 0600, if there is none.
pub(super) fn signer(section: &EvidenceSection) -> Result<CheckpointSigner, Failure> {
    if !section.key.exists() {
        make_key(&section.key)?;
    }
    let der = tls::pem::key_der(&section.key)?;
    CheckpointSigner::from_pkcs8(&section.origin, &der).map_err(|error| {
        let path = section.key.display();
        Failure::usage(
            "EVIDENCE_KEY",
            format!("证据签名密钥 {path} 不可用：{error}；应为 Ed25519 私钥（PEM，PKCS#8）"),
            format!("the evidence key {path} cannot be used: {error}; it must be an Ed25519 private key (PEM, PKCS#8)"),
        )
    })
}

fn make_key(path: &Path) -> Result<(), Failure> {
    let text = tls::authority::new_signing_key().map_err(|error| Failure::from(std::io::Error::other(error)))?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    tracing::info!(path = %path.display(), "a key for checkpoints was made");
    Ok(())
}

/// Checks operators' tokens; `None` when no issuer is configured.
pub(super) fn tokens(section: &TokensSection) -> Result<Option<TokenVerifier>, Failure> {
    if section.public_keys.is_empty() {
        return Ok(None);
    }
    let mut keys = Vec::with_capacity(section.public_keys.len());
    for path in &section.public_keys {
        keys.push(fs::read(path).map_err(|error| {
            let path = path.display();
            Failure::usage(
                "TOKEN_KEY",
                format!("令牌公钥 {path} 无法读取：{error}"),
                format!("the token key {path} cannot be read: {error}"),
            )
        })?);
    }
    let policy = TokenPolicy {
        issuer: section.issuer.clone(),
        audience: section.audience.clone(),
        max_ttl: std::time::Duration::from_secs(section.max_ttl_seconds),
    };
    TokenVerifier::new(&policy, &keys).map(Some).map_err(|error| {
        Failure::usage("TOKEN_KEY", format!("令牌公钥不可用：{error}"), format!("a token key cannot be used: {error}"))
    })
}
