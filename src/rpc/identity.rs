//! From a certificate to a registered system.

use std::borrow::Cow;

use crate::{
    domain::{grants::Register, ids::SystemId},
    gateway::{Class, Refused},
    tls::Peer,
};

/// The system a certificate stands for: the one that pins it, else the one of its URI.
///
/// # Errors
/// `UNAUTHENTICATED` when it stands for none, for one of another trust domain, or for two.
pub(super) fn system_of<'r>(peer: &Peer, trust_domain: &str, register: &'r Register) -> Result<&'r SystemId, Refused> {
    let pinned = register.system_by_fingerprint(&peer.fingerprint);
    let named = match peer.uris.as_slice() {
        [] => None,
        [uri] => by_uri(uri, trust_domain, register, pinned.is_some())?,
        _ => {
            return Err(refused(
                "AMBIGUOUS_IDENTITY",
                "证书中有多个 URI，无法确定系统；请签发只含一个 URI 的证书",
                "the certificate names several URIs; issue one with a single URI",
            ));
        }
    };
    match (pinned, named) {
        (Some(pinned), Some(named)) if pinned.id != named.id => Err(refused(
            "AMBIGUOUS_IDENTITY",
            format!("证书被 {} 固定，其 URI 却属于 {}；请更正登记", pinned.id, named.id),
            format!("the certificate is pinned by {} and its URI is of {}; correct the register", pinned.id, named.id),
        )),
        (Some(system), _) | (None, Some(system)) => Ok(&system.id),
        (None, None) => {
            let shown = peer.uris.first().map_or(Cow::Borrowed("-"), |uri| uri.chars().take(200).collect());
            Err(refused(
                "UNKNOWN_SYSTEM",
                format!("证书（URI {shown}）没有登记；请由管理员登记该系统"),
                format!("the certificate (URI {shown}) is not registered; ask the administrator to register the system"),
            ))
        }
    }
}

fn by_uri<'r>(
    uri: &str,
    trust_domain: &str,
    register: &'r Register,
    is_pinned: bool,
) -> Result<Option<&'r crate::domain::grants::System>, Refused> {
    let path = uri.strip_prefix("spiffe://").and_then(|rest| rest.strip_prefix(trust_domain));
    match path {
        Some(path) if path.starts_with('/') => Ok(register.system_by_uri(uri)),
        // A pinned certificate may come from elsewhere: the pin is the stronger statement.
        _ if is_pinned => Ok(None),
        _ => Err(refused(
            "WRONG_TRUST_DOMAIN",
            format!("证书的 URI 不属于信任域 {trust_domain}"),
            format!("the certificate's URI is not of the trust domain {trust_domain}"),
        )),
    }
}

fn refused(reason: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Refused {
    Refused::new(Class::Unauthenticated, reason, zh, en)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;
    use crate::domain::{
        digest::Digest,
        grants::{Participant, ParticipantRole, System},
        ids::ParticipantId,
    };

    fn peer(uris: &[&str]) -> Peer {
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().expect("ascii"))).collect();
        let certificate = params.self_signed(&KeyPair::generate().expect("key")).expect("made");
        Peer::read(([127, 0, 0, 1], 1).into(), &[certificate.der().clone()]).expect("read")
    }

    fn register(pinned: Digest) -> Register {
        let participant = Participant {
            id: ParticipantId::parse("gacc").expect("a participant"),
            name_zh: "海关".into(),
            role: ParticipantRole::Customs,
            region: None,
        };
        let id = |name: &str| SystemId::parse(name).expect("a system");
        let systems = vec![
            System { id: id("gacc/a"), uri: Some("spiffe://td/gacc/a".into()), fingerprints: Vec::new() },
            System { id: id("gacc/pinned"), uri: None, fingerprints: vec![pinned] },
        ];
        Register::build(vec![participant], systems, Vec::new(), Vec::new()).expect("a register")
    }

    fn known(peer: &Peer, register: &Register) -> Result<String, &'static str> {
        system_of(peer, "td", register).map(ToString::to_string).map_err(|refused| refused.reason)
    }

    #[test]
    fn a_uri_of_the_trust_domain_names_a_system() {
        let register = register([0; 32]);
        let of = |uris: &[&str]| known(&peer(uris), &register);
        assert_eq!(of(&["spiffe://td/gacc/a"]), Ok("gacc/a".into()));
        assert_eq!(of(&["spiffe://td/gacc/b"]), Err("UNKNOWN_SYSTEM"));
        assert_eq!(of(&[]), Err("UNKNOWN_SYSTEM"));
        for foreign in ["spiffe://td2/gacc/a", "spiffe://tdx", "spiffe://td", "https://td/gacc/a", "SPIFFE://td/gacc/a"] {
            assert_eq!(of(&[foreign]), Err("WRONG_TRUST_DOMAIN"), "{foreign}");
        }
        assert_eq!(of(&["spiffe://td/gacc/a", "spiffe://td/gacc/b"]), Err("AMBIGUOUS_IDENTITY"));
    }

    #[test]
    fn a_pinned_certificate_names_a_system_wherever_it_comes_from() {
        for uris in [&[][..], &["https://elsewhere/x"], &["spiffe://td/gacc/unknown"]] {
            let peer = peer(uris);
            assert_eq!(known(&peer, &register(peer.fingerprint)), Ok("gacc/pinned".into()), "{uris:?}");
        }
        let peer = peer(&["spiffe://td/gacc/a"]);
        assert_eq!(known(&peer, &register(peer.fingerprint)), Err("AMBIGUOUS_IDENTITY"), "pin and URI disagree");
    }
}
