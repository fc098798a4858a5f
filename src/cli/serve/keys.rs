//! The key that signs checkpoints: made at the first start, never replaced.

use crate::{
    cli::{Failure, token::make_key},
    config::EvidenceSection,
    domain::evidence::CheckpointSigner,
    tls::pem,
};

/// The signer of checkpoints; its key is made, with mode 0600, if there is none.
pub(super) fn signer(section: &EvidenceSection) -> Result<CheckpointSigner, Failure> {
    if !section.key.exists() {
        make_key(&section.key)?;
        tracing::info!(path = %section.key.display(), "a key for checkpoints was made");
    }
    let key = pem::private_key(&section.key)?;
    CheckpointSigner::from_pkcs8(&section.origin, key.secret_der()).map_err(|error| {
        let path = section.key.display();
        Failure::usage(
            "EVIDENCE_KEY",
            format!("证据签名密钥 {path} 不可用：{error}；应为 Ed25519 私钥（PEM，PKCS#8）"),
            format!("the evidence key {path} cannot be used: {error}; it must be an Ed25519 private key (PEM, PKCS#8)"),
        )
    })
}
