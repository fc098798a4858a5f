//! Bounds of single settings. Each message says what is allowed.

use std::{fmt::Display, ops::RangeInclusive};

use super::{Config, LimitsSection};
use crate::domain::violation::{Findings, Text};

/// A publish of 4 MiB with its envelopes must fit.
const LEAST_MESSAGE_BYTES: usize = (4 << 20) + (64 << 10);

pub(super) fn check(config: &Config, findings: &mut Findings) {
    let hour = 3600;
    findings.within("server", |f| {
        within(f, "shutdown_grace_seconds", config.server.shutdown_grace_seconds, 0..=600);
    });
    findings.within("tls", |f| {
        within(f, "reload_seconds", config.tls.reload_seconds, 1..=hour);
        if !is_domain(&config.tls.trust_domain) {
            let text = Text::new(
                format!("「{}」不是信任域；只能使用小写字母、数字、点和连字符", config.tls.trust_domain),
                format!("`{}` is no trust domain: use lower-case letters, digits, dots and hyphens", config.tls.trust_domain),
            );
            f.refuse("trust_domain", "NOT_A_NAME", text);
        }
        if config.tls.require_crl && config.tls.crls.is_empty() {
            let text = Text::new(
                "要求核对吊销，却没有吊销列表；请列出 crls，或明确设 require_crl = false",
                "revocation must be checked and there is no list: name crls, or say require_crl = false",
            );
            f.refuse("crls", "NO_REVOCATION_LIST", text);
        }
    });
    findings.within("store", |f| {
        within(f, "readers", config.store.readers, 1..=64);
        within(f, "page_cache_mib", config.store.page_cache_mib, 1..=4096);
        within(f, "limit_mib", config.store.limit_mib, 0..=1 << 30);
    });
    findings.within("evidence", |f| {
        within(f, "checkpoint_seconds", config.evidence.checkpoint_seconds, 1..=24 * hour);
        let origin = &config.evidence.origin;
        // C2SP signed notes: a key name is non-empty and has neither white space nor plus.
        if origin.is_empty() || origin.chars().any(|c| c.is_whitespace() || c == '+') {
            let text = Text::new(
                format!("「{origin}」不能作为日志名称：不得为空，不得含空白或 +"),
                format!("`{origin}` is no name of a log: not empty, no white space, no +"),
            );
            f.refuse("origin", "NOT_A_NAME", text);
        }
    });
    findings.within("tokens", |f| {
        within(f, "max_ttl_seconds", config.tokens.max_ttl_seconds, 60..=24 * hour);
        present(f, "issuer", &config.tokens.issuer);
        present(f, "audience", &config.tokens.audience);
    });
    findings.within("limits", |f| limits(&config.limits, f));
    findings.within("telemetry", |f| present(f, "level", &config.telemetry.level));
    for (feed, section) in config.feeds.each() {
        findings.within(&format!("feeds.{}", feed.name()), |f| {
            within(f, "freshness_hours", section.freshness_hours, 1..=8760);
        });
    }
}

fn limits(limits: &LimitsSection, f: &mut Findings) {
    within(f, "max_message_bytes", limits.max_message_bytes, LEAST_MESSAGE_BYTES..=64 << 20);
    within(f, "streams_per_connection", limits.streams_per_connection, 1..=10_000);
    within(f, "max_connections", limits.max_connections, 1..=100_000);
    within(f, "handshake_timeout_seconds", limits.handshake_timeout_seconds, 1..=120);
    within(f, "request_timeout_seconds", limits.request_timeout_seconds, 1..=3600);
    within(f, "connection_age_grace_seconds", limits.connection_age_grace_seconds, 1..=3600);
    within(f, "max_stream_age_seconds", limits.max_stream_age_seconds, 0..=604_800);
    within(f, "stream_age_grace_seconds", limits.stream_age_grace_seconds, 1..=3600);
    within(f, "keepalive_seconds", limits.keepalive_seconds, 1..=3600);
}

pub(super) fn within<N: PartialOrd + Display + Copy>(f: &mut Findings, key: &str, value: N, allowed: RangeInclusive<N>) {
    if !allowed.contains(&value) {
        let (least, most) = (allowed.start(), allowed.end());
        let text = Text::new(
            format!("{value} 超出范围；允许 {least} 至 {most}"),
            format!("{value} is out of bounds: {least} to {most} are allowed"),
        );
        f.refuse(key, "OUT_OF_BOUNDS", text);
    }
}

fn present(f: &mut Findings, key: &str, value: &str) {
    if value.trim().is_empty() {
        f.refuse(key, "MISSING", Text::new("不得为空", "must not be empty"));
    }
}

fn is_domain(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
}
