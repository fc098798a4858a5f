//! What can be seen without the network: files, permissions, dates, the clock, the token.

use std::{net::Ipv4Addr, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::{Sign, Step};
use crate::{
    cli::{Context, output::show_moment},
    client::Profile,
    domain::{
        ids::{Micros, ParticipantId},
        violation::Text,
    },
    tls::{ClientFiles, Peer, TlsError, client_config, pem},
};

/// A certificate is to be renewed this long before it ends (design §7).
const RENEW_BEFORE: Micros = 14 * 86_400 * 1_000_000;
/// 2024-01-01T00:00:00Z: no machine that runs this program is older.
const NO_EARLIER: Micros = 1_704_067_200_000_000;

pub(super) fn steps(profile: &Profile, context: &Context) -> Vec<Step> {
    let now = context.world.clock.now();
    let mut steps = vec![clock(now), certificates(("签发机构证书", "authorities"), &profile.ca, now)];
    steps.push(certificates(("本端证书", "our certificate"), &profile.cert, now));
    steps.push(identity(&profile.cert));
    steps.push(key(profile, context));
    if let Some(path) = &profile.token_file {
        steps.push(token(path, now));
    }
    steps
}

fn clock(now: Micros) -> Step {
    let name = ("时钟", "clock");
    if now >= NO_EARLIER {
        return Step::good(name, show_moment(now));
    }
    let shown = show_moment(now);
    Step::new(
        Sign::Bad,
        name,
        Text::new(format!("{shown}：时钟明显不对，请校时"), format!("{shown}: the clock is plainly wrong; set it")),
    )
}

fn certificates(name: (&str, &str), path: &Path, now: Micros) -> Step {
    let chain = match pem::certificates(path) {
        Ok(chain) => chain,
        Err(error) => return Step::new(Sign::Bad, name, error.text()),
    };
    let ends = chain.iter().filter_map(|one| Peer::read((Ipv4Addr::UNSPECIFIED, 0).into(), std::slice::from_ref(one)).ok());
    let Some(end) = ends.map(|peer| peer.not_after).min() else {
        let shown = path.display();
        return Step::new(Sign::Bad, name, Text::new(format!("{shown} 无法解析"), format!("{shown} does not parse")));
    };
    until(name, &path.display().to_string(), end, now)
}

/// Judges the end of something.
pub(super) fn until(name: (&str, &str), what: &str, end: Micros, now: Micros) -> Step {
    let (shown, left) = (show_moment(end), end.saturating_sub(now));
    match left {
        ..=0 => Step::new(
            Sign::Bad,
            name,
            Text::new(format!("{what}：已于 {shown} 到期，请更换"), format!("{what}: expired at {shown}; renew it")),
        ),
        _ if left < RENEW_BEFORE => Step::new(
            Sign::Warning,
            name,
            Text::new(format!("{what}：将于 {shown} 到期，请尽快更换"), format!("{what}: ends at {shown}; renew it soon")),
        ),
        _ => Step::new(Sign::Good, name, Text::new(format!("{what}，有效至 {shown}"), format!("{what}, valid until {shown}"))),
    }
}

fn identity(path: &Path) -> Step {
    let name = ("本端身份", "who we are");
    let chain = pem::certificates(path).unwrap_or_default();
    let uris = Peer::read((Ipv4Addr::UNSPECIFIED, 0).into(), &chain).map(|peer| peer.uris).unwrap_or_default();
    let is_system = |uri: &&String| {
        let path = uri.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/')).map(|(_, path)| path);
        path.and_then(|path| path.split_once('/')).is_some_and(|(participant, _)| ParticipantId::parse(participant).is_ok())
    };
    match uris.iter().find(is_system) {
        Some(uri) => Step::good(name, uri.clone()),
        None => Step::new(
            Sign::Warning,
            name,
            Text::new(
                "证书中没有系统 URI；除非网关登记了证书指纹，否则会被拒绝",
                "the certificate names no system; it is refused unless the gateway has its fingerprint",
            ),
        ),
    }
}

fn key(profile: &Profile, context: &Context) -> Step {
    let name = ("私钥", "private key");
    let files = ClientFiles { authorities: profile.ca.clone(), certificate: profile.cert.clone(), key: profile.key.clone() };
    match client_config(&files, context.world.clock.clone()) {
        Ok(_) => Step::good(name, profile.key.display().to_string()),
        Err(error) => Step::new(Sign::Bad, name, error.text()),
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    #[serde(default)]
    roles: Vec<String>,
}

/// Looks into a token without verifying it: that is the gateway's part.
fn token(path: &Path, now: Micros) -> Step {
    let name = ("操作员令牌", "operator token");
    let text = match std::fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).unwrap_or_default(),
        Err(source) => return Step::new(Sign::Bad, name, TlsError::Read { path: path.to_owned(), source }.text()),
    };
    let claims = text.trim().split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let Some(claims) = claims.and_then(|json| serde_json::from_slice::<Claims>(&json).ok()) else {
        let shown = path.display();
        return Step::new(
            Sign::Bad,
            name,
            Text::new(
                format!("{shown} 不是令牌；请用 tongbao token issue 签发"),
                format!("{shown} is no token; issue one with `tongbao token issue`"),
            ),
        );
    };
    let (end, who) = (claims.exp.saturating_mul(1_000_000), format!("{} ({})", claims.sub, claims.roles.join(", ")));
    if end > now {
        let shown = show_moment(end);
        return Step::new(Sign::Good, name, Text::new(format!("{who}，有效至 {shown}"), format!("{who}, valid until {shown}")));
    }
    // Tokens are short-lived and only some commands need one.
    Step::new(
        Sign::Warning,
        name,
        Text::new(
            format!("{who}：已于 {} 到期；存证与管理类命令需要新的令牌", show_moment(end)),
            format!("{who}: expired at {}; commands on evidence and administration need a new one", show_moment(end)),
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_judged_by_what_is_left() {
        let sign = |end| until(("a", "b"), "x", end, 1_000).sign;
        assert_eq!((sign(1_000), sign(1_001), sign(1_000 + RENEW_BEFORE)), (Sign::Bad, Sign::Warning, Sign::Good));
        assert_eq!(clock(0).sign, Sign::Bad);
    }

    #[test]
    fn a_token_is_looked_into() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("token");
        let write = |text: &str| std::fs::write(&path, text).expect("written");
        write("not a token");
        assert_eq!(token(&path, 0).sign, Sign::Bad);
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"li","exp":10,"roles":["audit"]}"#);
        write(&format!("e30.{claims}.c2ln\n"));
        assert_eq!(token(&path, 9_999_999).sign, Sign::Good);
        let late = token(&path, 10_000_000);
        assert_eq!(late.sign, Sign::Warning);
        assert!(late.found.en.contains("li (audit)"));
    }
}
