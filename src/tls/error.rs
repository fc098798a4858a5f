//! Why certificates, keys or lists could not be used.

use std::{io, path::PathBuf};

use crate::domain::violation::Text;

/// Why certificates, keys or lists could not be used. Each names the file and the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.text().en)]
pub enum TlsError {
    /// A file cannot be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds nothing of the sort that was expected.
    Nothing {
        /// Which.
        path: PathBuf,
        /// What was expected in it, e.g. `CERTIFICATE`.
        what: &'static str,
    },
    /// A file does not parse.
    Malformed {
        /// Which.
        path: PathBuf,
        /// What the parser said.
        why: String,
    },
    /// A private key can be read or written by group or others.
    KeyOpenToOthers {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Certificate and key do not belong together, or the chain cannot be used.
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The certificate is not valid now.
    NotValidNow {
        /// Which.
        path: PathBuf,
        /// Valid from and to, as UTC dates.
        span: String,
    },
    /// Revocation must be checked, and there is no list.
    NoRevocationList,
    /// An authority whose clients could not be checked, since no list is of it.
    AuthorityWithoutList {
        /// Its subject.
        authority: String,
    },
    /// A list that none of the authorities signed.
    ListOfStranger {
        /// Which.
        path: PathBuf,
        /// Who it says it is from.
        issuer: String,
    },
    /// A list past its date.
    ListExpired {
        /// Which.
        path: PathBuf,
        /// Its date.
        next_update: String,
    },
    /// The authorities cannot be used.
    Authorities {
        /// Their file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl TlsError {
    /// Stable token.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Read { .. } => "FILE_UNREADABLE",
            Self::Nothing { .. } => "NOTHING_IN_FILE",
            Self::Malformed { .. } => "FILE_MALFORMED",
            Self::KeyOpenToOthers { .. } => "KEY_OPEN_TO_OTHERS",
            Self::Unusable { .. } => "CERTIFICATE_UNUSABLE",
            Self::NotValidNow { .. } => "CERTIFICATE_NOT_VALID",
            Self::NoRevocationList => "NO_REVOCATION_LIST",
            Self::AuthorityWithoutList { .. } => "AUTHORITY_WITHOUT_LIST",
            Self::ListOfStranger { .. } => "LIST_OF_STRANGER",
            Self::ListExpired { .. } => "REVOCATION_LIST_EXPIRED",
            Self::Authorities { .. } => "AUTHORITIES_UNUSABLE",
        }
    }

    /// What, why, and what to do.
    pub fn text(&self) -> Text {
        match self {
            Self::Read { path, source } => Text::new(
                format!("无法读取 {}：{source}；请检查路径和权限", path.display()),
                format!("{} cannot be read: {source}; check the path and its permissions", path.display()),
            ),
            Self::Nothing { path, what } => Text::new(
                format!("{} 中没有 {what}；请提供 PEM 文件", path.display()),
                format!("{} holds no {what}; give a PEM file", path.display()),
            ),
            Self::Malformed { path, why } => Text::new(
                format!("{} 的内容无法解析：{why}", path.display()),
                format!("{} does not parse: {why}", path.display()),
            ),
            Self::KeyOpenToOthers { path, mode } => Text::new(
                format!("私钥 {0} 可被他人读写（权限 {mode:04o}）；请执行 chmod 600 {0}", path.display()),
                format!("the private key {0} is open to others (mode {mode:04o}); run chmod 600 {0}", path.display()),
            ),
            Self::Unusable { path, source } => Text::new(
                format!("证书 {} 不能使用（与私钥不配对或证书链有误）：{source}", path.display()),
                format!("the certificate {} cannot be used (another key, or a broken chain): {source}", path.display()),
            ),
            Self::NotValidNow { path, span } => Text::new(
                format!("证书 {} 现在无效（有效期 {span}）；请换发证书或校准时钟", path.display()),
                format!("the certificate {} is not valid now ({span}); renew it, or set the clock", path.display()),
            ),
            Self::NoRevocationList => Text::new(
                "要求核对吊销，却没有吊销列表；请设置 tls.crls，或明确设 tls.require_crl = false",
                "revocation must be checked and there is no list; set tls.crls, or say tls.require_crl = false",
            ),
            Self::AuthorityWithoutList { authority } => Text::new(
                format!("签发机构「{authority}」没有吊销列表，其客户端将全部被拒；请在 tls.crls 中补上"),
                format!(
                    "no revocation list is of the authority `{authority}`: all its clients would be refused; add it to tls.crls"
                ),
            ),
            Self::ListOfStranger { path, issuer } => Text::new(
                format!("吊销列表 {}（签发者「{issuer}」）不是由 tls.client_authorities 中的机构签发的", path.display()),
                format!("the revocation list {} (of `{issuer}`) is signed by none of tls.client_authorities", path.display()),
            ),
            Self::ListExpired { path, next_update } => Text::new(
                format!("吊销列表 {} 已于 {next_update} 过期；请取得新的列表", path.display()),
                format!("the revocation list {} expired at {next_update}; fetch the new one", path.display()),
            ),
            Self::Authorities { path, why } => Text::new(
                format!("{} 中的签发机构不能使用：{why}", path.display()),
                format!("the authorities in {} cannot be used: {why}", path.display()),
            ),
        }
    }
}
