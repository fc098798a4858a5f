//! Participants, systems, policies and grants as the register has them.

use std::time::Duration;

use super::{Config, GrantEntry, ParticipantEntry, SystemEntry, screening::day};
use crate::domain::{
    digest::Digest,
    feeds::Feed,
    grants::{Action, Disclosure, FeedPolicy, Grant, Participant, ParticipantRole, Register, Scope, System},
    ids::{ParticipantId, SystemId},
    products::ProductKind,
    records::Kind,
    regions::Region,
    violation::{Findings, Text},
};

/// The register; `None` when something was refused.
pub(super) fn register(config: &Config, findings: &mut Findings) -> Option<Register> {
    let (mut participants, mut systems, mut grants) = (Vec::new(), Vec::new(), Vec::new());
    for (index, entry) in config.participants.iter().enumerate() {
        findings.within_index("participants", index, |f| {
            let Some(participant) = participant(entry, f) else { return };
            for (index, system) in entry.systems.iter().enumerate() {
                let read =
                    f.within_index("systems", index, |f| read_system(system, &participant.id, &config.tls.trust_domain, f));
                systems.extend(read);
            }
            participants.push(participant);
        });
    }
    for (index, entry) in config.grants.iter().enumerate() {
        findings.within_index("grants", index, |f| grants.extend(read_grants(entry, f)));
    }
    let policies = policies(config, findings);
    if !findings.is_clean() {
        return None;
    }
    match Register::build(participants, systems, policies, grants) {
        Ok(register) => Some(register),
        Err(errors) => {
            for error in errors {
                let text = Text::new(format!("登记有误：{error}"), error.to_string());
                findings.refuse("participants", "REGISTER", text);
            }
            None
        }
    }
}

fn participant(entry: &ParticipantEntry, f: &mut Findings) -> Option<Participant> {
    let id = participant_id("id", &entry.id, f);
    let role = one_of("role", &entry.role, ParticipantRole::parse, &ParticipantRole::ALL.map(ParticipantRole::token), f);
    let region = entry.region.as_deref().map(|code| region("region", code, f));
    if entry.name_zh.trim().is_empty() {
        f.refuse("name_zh", "MISSING", Text::new("不得为空", "must not be empty"));
    }
    let region = match region {
        None => None,
        Some(read) => Some(read?),
    };
    Some(Participant { id: id?, name_zh: entry.name_zh.trim().to_owned(), role: role?, region })
}

fn region(key: &str, code: &str, f: &mut Findings) -> Option<Region> {
    let read = Region::parse(code);
    if read.is_none() {
        let text = Text::new(
            format!("「{code}」不是行政区划代码；应为6位数字，兵团为 66"),
            format!("`{code}` is no region code: 6 digits, or 66"),
        );
        f.refuse(key, "NOT_A_REGION", text);
    }
    read
}

fn read_system(entry: &SystemEntry, participant: &ParticipantId, trust_domain: &str, f: &mut Findings) -> Option<System> {
    let id = match SystemId::parse(&format!("{participant}/{}", entry.name)) {
        Ok(id) => Some(id),
        Err(error) => {
            let text = Text::new(format!("「{}」不是系统名称；只能使用 a-z、0-9 和 -", entry.name), error.to_string());
            f.refuse("name", "NOT_A_NAME", text);
            None
        }
    };
    let mut fingerprints = Vec::new();
    for (index, text) in entry.fingerprints.iter().enumerate() {
        match digest(text) {
            Some(digest) => fingerprints.push(digest),
            None => f.refuse(
                &format!("fingerprints[{index}]"),
                "NOT_A_FINGERPRINT",
                Text::new(
                    format!("「{text}」不是证书指纹；应为 SHA-256 的64位十六进制数，见 tongbao certs show"),
                    format!("`{text}` is no fingerprint: 64 hexadecimal digits of SHA-256, see `tongbao certs show`"),
                ),
            ),
        }
    }
    if let Some(uri) = &entry.uri
        && !uri
            .strip_prefix("spiffe://")
            .and_then(|rest| rest.strip_prefix(trust_domain))
            .is_some_and(|path| path.starts_with('/'))
    {
        let text = Text::new(
            format!("「{uri}」不属于信任域 {trust_domain}"),
            format!("`{uri}` is not of the trust domain {trust_domain}"),
        );
        f.refuse("uri", "WRONG_TRUST_DOMAIN", text);
    }
    let id = id?;
    // A system that pins its certificates is known by them alone, unless a URI is written beside them.
    let uri = match &entry.uri {
        Some(uri) => Some(uri.clone()),
        None if fingerprints.is_empty() => Some(format!("spiffe://{trust_domain}/{id}")),
        None => None,
    };
    Some(System { id, uri, fingerprints })
}

fn policies(config: &Config, findings: &mut Findings) -> Vec<FeedPolicy> {
    let read = |(feed, section): (Feed, &super::FeedSection)| {
        findings.within(&format!("feeds.{}", feed.name()), |f| {
            let named = section.verdict_publishers.iter().enumerate();
            let verdict_publishers =
                named.filter_map(|(at, id)| participant_id(&format!("verdict_publishers[{at}]"), id, f)).collect();
            FeedPolicy {
                freshness_limit: Duration::from_hours(section.freshness_hours),
                purpose_required: section.purpose_required,
                verdict_publishers,
                ..FeedPolicy::standard(feed)
            }
        })
    };
    config.feeds.each().map(read).to_vec()
}

/// One grant an action and feed.
fn read_grants(entry: &GrantEntry, f: &mut Findings) -> Vec<Grant> {
    let participant = participant_id("participant", &entry.participant, f);
    let actions = list("actions", &entry.actions, Action::parse, &Action::ALL.map(Action::token), f);
    let feeds = list("feeds", &entry.feeds, Feed::parse, &Feed::ALL.map(Feed::name), f);
    let kind = |token: &str| Kind::ALL.into_iter().find(|kind| kind.token() == token);
    let kinds = list("kinds", &entry.kinds, kind, &Kind::ALL.map(Kind::token), f);
    for (key, is_empty) in [("actions", entry.actions.is_empty()), ("feeds", entry.feeds.is_empty())] {
        if is_empty {
            f.refuse(key, "MISSING", Text::new("至少列出一项", "name at least one"));
        }
    }
    for (index, prefix) in entry.region_prefixes.iter().enumerate() {
        if !(1..=6).contains(&prefix.len()) || !prefix.bytes().all(|b| b.is_ascii_digit()) {
            let text =
                Text::new(format!("「{prefix}」不是区划代码的前几位"), format!("`{prefix}` is no beginning of a region code"));
            f.refuse(&format!("region_prefixes[{index}]"), "NOT_A_REGION", text);
        }
    }
    let expires_on = entry.expires_on.as_deref().map(|text| day("expires_on", text, f));
    let (Some(participant), None | Some(Some(_))) = (participant, &expires_on) else { return Vec::new() };
    let scope = Scope {
        kinds,
        region_prefixes: entry.region_prefixes.clone(),
        product_kinds: entry.product_kinds.iter().fold(0, |set, kind| set | ProductKind::parse(kind).bit()),
    };
    let disclosure = Disclosure { restricted: entry.restricted, detected: entry.detected, cases: entry.cases };
    let grant = |action: Action, feed: Feed| Grant {
        participant: participant.clone(),
        action,
        feed,
        disclosure,
        scope: scope.clone(),
        expires_on: expires_on.flatten(),
    };
    actions.iter().flat_map(|action| feeds.iter().map(|feed| grant(*action, *feed))).collect()
}

fn participant_id(key: &str, text: &str, f: &mut Findings) -> Option<ParticipantId> {
    match ParticipantId::parse(text) {
        Ok(id) => Some(id),
        Err(error) => {
            let words = Text::new(format!("「{text}」不是参与单位名称；应为2至32个 a-z、0-9 和 -"), error.to_string());
            f.refuse(key, "NOT_A_NAME", words);
            None
        }
    }
}

fn list<T>(key: &str, tokens: &[String], parse: impl Fn(&str) -> Option<T>, known: &[&str], f: &mut Findings) -> Vec<T> {
    let read = |(index, token): (usize, &String)| one_of(&format!("{key}[{index}]"), token, &parse, known, f);
    tokens.iter().enumerate().filter_map(read).collect()
}

fn one_of<T>(key: &str, token: &str, parse: impl Fn(&str) -> Option<T>, known: &[&str], f: &mut Findings) -> Option<T> {
    let read = parse(token);
    if read.is_none() {
        let text = Text::new(
            format!("没有「{token}」；可用：{}", known.join("、")),
            format!("there is no `{token}`; here stand {}", known.join(", ")),
        );
        f.refuse(key, "UNKNOWN_VALUE", text);
    }
    read
}

fn digest(text: &str) -> Option<Digest> {
    let plain: String = text.chars().filter(|c| *c != ':').collect();
    let mut digest = [0; 32];
    if plain.len() != 64 || !plain.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(plain.get(at..at + 2)?, 16).ok()?;
    }
    Some(digest)
}
