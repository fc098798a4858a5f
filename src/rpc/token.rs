//! Operators' tokens: short-lived JWTs (EdDSA), bound to the certificate they are presented with.
//!
//! A token is worth nothing without its certificate (`cnf.x5t#S256`, RFC 8705 §3.1), for another gateway (`aud`), or for longer
//! than the gateway allows, whatever its issuer wrote. No one holds `manage` and `audit` together (GB/T 39477-2020).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{digest::Digest, ids::Micros},
    gateway::{Class, Operator, OperatorRole, Refused},
};

/// Clocks may differ by this much, seconds.
const LEEWAY_SECONDS: i64 = 30;
/// Longest name of an operator, characters.
const MAX_NAME_CHARS: usize = 128;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    roles: Vec<String>,
    cnf: Confirmation,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    x5t_s256: String,
}

/// What a gateway asks of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPolicy {
    /// Who must have issued it.
    pub issuer: String,
    /// Whom it must be for: this gateway.
    pub audience: String,
    /// Longest life, from `nbf` to `exp`.
    pub max_ttl: Duration,
}

/// A key that cannot be used for tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 key in PEM: {0}")]
pub struct TokenKeyError(String);

/// Checks tokens.
pub struct TokenVerifier {
    keys: Vec<DecodingKey>,
    validation: Validation,
    max_ttl_seconds: i64,
}

impl TokenVerifier {
    /// A verifier that accepts tokens signed by any of the public keys (PEM, `PUBLIC KEY`).
    ///
    /// # Errors
    /// When a key is not an Ed25519 public key in PEM.
    pub fn new<K: AsRef<[u8]>>(policy: &TokenPolicy, public_keys: &[K]) -> Result<Self, TokenKeyError> {
        let read = |pem: &K| DecodingKey::from_ed_pem(pem.as_ref()).map_err(|error| TokenKeyError(error.to_string()));
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        validation.set_audience(&[&policy.audience]);
        validation.set_issuer(&[&policy.issuer]);
        // Time is asked of our own clock below.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Ok(Self {
            keys: public_keys.iter().map(read).collect::<Result<_, _>>()?,
            validation,
            max_ttl_seconds: i64::try_from(policy.max_ttl.as_secs()).unwrap_or(i64::MAX),
        })
    }

    /// The operator a token speaks for, presented with the certificate of that digest.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` with what is wrong with the token.
    pub fn verify(&self, token: &str, certificate_sha256: &Digest, now: Micros) -> Result<Operator, Refused> {
        let claims = self.signed_claims(token)?;
        let now = now.div_euclid(1_000_000);
        if claims.exp.saturating_add(LEEWAY_SECONDS) <= now {
            return Err(refused("TOKEN_EXPIRED", "令牌已过期；请重新签发", "the token has expired; issue a new one"));
        }
        if claims.nbf.saturating_sub(LEEWAY_SECONDS) > now {
            return Err(refused(
                "TOKEN_NOT_YET_VALID",
                "令牌尚未生效；请核对时钟",
                "the token is not valid yet; check the clocks",
            ));
        }
        if claims.exp.saturating_sub(claims.nbf) > self.max_ttl_seconds {
            return Err(refused(
                "TOKEN_TOO_LONG_LIVED",
                "令牌有效期超过网关允许的上限；请签发较短的令牌",
                "the token lives longer than the gateway allows; issue a shorter one",
            ));
        }
        if claims.cnf.x5t_s256 != URL_SAFE_NO_PAD.encode(certificate_sha256) {
            return Err(refused(
                "TOKEN_OTHER_CERTIFICATE",
                "令牌与所出示的证书不符；令牌只能与签发时绑定的证书一起使用",
                "the token is bound to another certificate than the one presented",
            ));
        }
        Ok(Operator { name: operator_name(claims.sub)?, roles: roles(&claims.roles)? })
    }

    fn signed_claims(&self, token: &str) -> Result<Claims, Refused> {
        let mut last = refused("TOKEN_NOT_ACCEPTED", "网关未配置令牌签发者的公钥", "the gateway knows no issuer of tokens");
        for key in &self.keys {
            match jsonwebtoken::decode::<Claims>(token, key, &self.validation) {
                Ok(decoded) => return Ok(decoded.claims),
                Err(error) => last = of_decoding(error.kind()),
            }
            if last.reason != "TOKEN_SIGNATURE" {
                break;
            }
        }
        Err(last)
    }
}

/// What to issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOrder {
    /// Issuer, as the gateway knows it.
    pub issuer: String,
    /// The gateway it is for.
    pub audience: String,
    /// The operator's name.
    pub operator: String,
    /// Roles.
    pub roles: Vec<OperatorRole>,
    /// SHA-256 of the certificate it will be presented with.
    pub certificate_sha256: Digest,
    /// How long it lives, at least a second.
    pub ttl: Duration,
}

/// Issues a token, signed with an Ed25519 private key (PEM, PKCS #8).
///
/// # Errors
/// When the key is none.
pub fn issue(order: &TokenOrder, private_key: &[u8], now: Micros) -> Result<String, TokenKeyError> {
    let key = EncodingKey::from_ed_pem(private_key).map_err(|error| TokenKeyError(error.to_string()))?;
    let now = now.div_euclid(1_000_000);
    let ttl = i64::try_from(order.ttl.as_secs()).unwrap_or(i64::MAX).max(1);
    let claims = Claims {
        iss: order.issuer.clone(),
        aud: order.audience.clone(),
        sub: order.operator.clone(),
        iat: now,
        nbf: now,
        exp: now.saturating_add(ttl),
        roles: order.roles.iter().map(|role| role_name(*role).to_owned()).collect(),
        cnf: Confirmation { x5t_s256: URL_SAFE_NO_PAD.encode(order.certificate_sha256) },
    };
    jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &key).map_err(|error| TokenKeyError(error.to_string()))
}

/// The name of a role in tokens and on the command line.
pub const fn role_name(role: OperatorRole) -> &'static str {
    match role {
        OperatorRole::Manage => "manage",
        OperatorRole::Audit => "audit",
        OperatorRole::Operate => "operate",
        OperatorRole::Observe => "observe",
    }
}

/// The role of that name.
pub fn role_named(name: &str) -> Option<OperatorRole> {
    [OperatorRole::Manage, OperatorRole::Audit, OperatorRole::Operate, OperatorRole::Observe]
        .into_iter()
        .find(|role| role_name(*role) == name)
}

/// True when one person may hold these roles together.
pub fn may_be_held_together(roles: &[OperatorRole]) -> bool {
    !(roles.contains(&OperatorRole::Manage) && roles.contains(&OperatorRole::Audit))
}

fn roles(names: &[String]) -> Result<Vec<OperatorRole>, Refused> {
    let known: Option<Vec<_>> = names.iter().map(|name| role_named(name)).collect();
    match known {
        Some(roles) if roles.is_empty() => Err(refused("TOKEN_ROLES", "令牌没有角色", "the token has no role")),
        Some(roles) if may_be_held_together(&roles) => Ok(roles),
        Some(_) => Err(refused(
            "TOKEN_ROLES",
            "管理与审计不得由同一人担任（GB/T 39477-2020）",
            "no one may hold `manage` and `audit` together (GB/T 39477-2020)",
        )),
        None => Err(refused("TOKEN_ROLES", "令牌中有未知的角色", "the token names an unknown role")),
    }
}

fn operator_name(name: String) -> Result<String, Refused> {
    let fits = !name.trim().is_empty() && name.chars().count() <= MAX_NAME_CHARS && !name.chars().any(char::is_control);
    if fits { Ok(name) } else { Err(malformed()) }
}

fn of_decoding(kind: &ErrorKind) -> Refused {
    match kind {
        ErrorKind::InvalidSignature => refused(
            "TOKEN_SIGNATURE",
            "令牌不是由网关认可的签发者签名的",
            "the token is not signed by an issuer the gateway knows",
        ),
        ErrorKind::InvalidAudience => {
            refused("TOKEN_WRONG_AUDIENCE", "令牌不是签发给本网关的", "the token is for another gateway")
        }
        ErrorKind::InvalidIssuer => refused("TOKEN_WRONG_ISSUER", "令牌的签发者不符", "the token is of another issuer"),
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName | ErrorKind::UnsupportedAlgorithm => {
            refused("TOKEN_ALGORITHM", "令牌必须以 EdDSA 签名", "the token must be signed with EdDSA")
        }
        ErrorKind::MissingRequiredClaim(_) => refused(
            "TOKEN_INCOMPLETE",
            "令牌缺少必需的声明（exp、nbf、aud、iss、sub）",
            "the token lacks one of exp, nbf, aud, iss, sub",
        ),
        _ => malformed(),
    }
}

fn malformed() -> Refused {
    refused("TOKEN_MALFORMED", "令牌无法解析", "the token does not parse")
}

fn refused(reason: &'static str, zh: &str, en: &str) -> Refused {
    Refused::new(Class::Unauthenticated, reason, zh, en)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = 1_590_000_000_000_000;
    const CERTIFICATE: Digest = [7; 32];

    fn keys() -> (String, String) {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("key");
        (key.serialize_pem(), key.public_key_pem())
    }

    fn verifier(public: &str) -> TokenVerifier {
        let policy = TokenPolicy { issuer: "tongbao".into(), audience: "gateway".into(), max_ttl: Duration::from_hours(1) };
        TokenVerifier::new(&policy, &[public]).expect("verifier")
    }

    fn order() -> TokenOrder {
        TokenOrder {
            issuer: "tongbao".into(),
            audience: "gateway".into(),
            operator: "王敏".into(),
            roles: vec![OperatorRole::Audit],
            certificate_sha256: CERTIFICATE,
            ttl: Duration::from_mins(15),
        }
    }

    fn reason_of(order: &TokenOrder, at: Micros) -> Result<Operator, &'static str> {
        let (private, public) = keys();
        let token = issue(order, private.as_bytes(), NOW).expect("issued");
        verifier(&public).verify(&token, &CERTIFICATE, at).map_err(|refused| refused.reason)
    }

    #[test]
    fn a_good_token_names_the_operator_and_the_roles() {
        let operator = reason_of(&order(), NOW).expect("accepted");
        assert_eq!(operator, Operator { name: "王敏".into(), roles: vec![OperatorRole::Audit] });
    }

    #[test]
    fn each_defect_has_its_reason() {
        let second = 1_000_000;
        assert_eq!(reason_of(&TokenOrder { audience: "other".into(), ..order() }, NOW), Err("TOKEN_WRONG_AUDIENCE"));
        assert_eq!(reason_of(&TokenOrder { issuer: "other".into(), ..order() }, NOW), Err("TOKEN_WRONG_ISSUER"));
        assert_eq!(reason_of(&order(), NOW + 930 * second), Err("TOKEN_EXPIRED"));
        assert!(reason_of(&order(), NOW + 929 * second).is_ok(), "within the leeway");
        assert_eq!(reason_of(&order(), NOW - 31 * second), Err("TOKEN_NOT_YET_VALID"));
        let long = TokenOrder { ttl: Duration::from_secs(3601), ..order() };
        assert_eq!(reason_of(&long, NOW), Err("TOKEN_TOO_LONG_LIVED"));
        let other = TokenOrder { certificate_sha256: [8; 32], ..order() };
        assert_eq!(reason_of(&other, NOW), Err("TOKEN_OTHER_CERTIFICATE"));
        let both = TokenOrder { roles: vec![OperatorRole::Manage, OperatorRole::Audit], ..order() };
        assert_eq!(reason_of(&both, NOW), Err("TOKEN_ROLES"));
        assert_eq!(reason_of(&TokenOrder { roles: vec![], ..order() }, NOW), Err("TOKEN_ROLES"));
        assert_eq!(reason_of(&TokenOrder { operator: " ".into(), ..order() }, NOW), Err("TOKEN_MALFORMED"));
    }

    #[test]
    fn unsigned_and_foreign_tokens_are_refused() {
        let (private, public) = keys();
        let token = issue(&order(), private.as_bytes(), NOW).expect("issued");
        let payload = token.split('.').nth(1).expect("payload");
        let none = format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(br#"{"alg":"none","typ":"JWT"}"#));
        let verifier = verifier(&public);
        let reason = |token: &str| verifier.verify(token, &CERTIFICATE, NOW).map_err(|refused| refused.reason);
        assert!(matches!(reason(&none), Err("TOKEN_MALFORMED" | "TOKEN_ALGORITHM")), "{:?}", reason(&none));
        let symmetric = format!("{}.{payload}.AAAA", URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256"}"#));
        assert!(reason(&symmetric).is_err());
        let (stranger, _) = keys();
        let foreign = issue(&order(), stranger.as_bytes(), NOW).expect("issued");
        assert_eq!(reason(&foreign), Err("TOKEN_SIGNATURE"));
        for text in ["", ".", "..", "a.b.c", "Bearer x"] {
            assert_eq!(reason(text), Err("TOKEN_MALFORMED"), "{text}");
        }
    }

    #[test]
    fn any_of_several_keys_will_do() {
        let (private, public) = keys();
        let (_, other) = keys();
        let policy = TokenPolicy { issuer: "tongbao".into(), audience: "gateway".into(), max_ttl: Duration::from_hours(1) };
        let verifier = TokenVerifier::new(&policy, &[other, public]).expect("verifier");
        let token = issue(&order(), private.as_bytes(), NOW).expect("issued");
        assert!(verifier.verify(&token, &CERTIFICATE, NOW).is_ok());
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        assert!(issue(&order(), b"not a key", NOW).is_err());
        let policy = TokenPolicy { issuer: String::new(), audience: String::new(), max_ttl: Duration::ZERO };
        assert!(TokenVerifier::new(&policy, &["-----BEGIN PUBLIC KEY-----"]).is_err());
    }
}
