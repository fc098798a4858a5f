//! Settings of subscriptions, both ways. 0 and absent always mean the default, and the answer says which that was.

use crate::{
    domain::{
        credit_code::CreditCode,
        delivery::{Filter, OnDeadLetter, Ordering, RetryPolicy, SettingsUpdate, StartAt, SubscriptionSpec},
        feeds::Feed,
        items::InspectionItem,
        life_cycle::State,
        products::ProductKind,
        records::Kind,
        violation::{Findings, Text},
    },
    proto,
};

/// Most values in one list of a filter.
const MAX_LIST: usize = 1_000;

/// Reads settings and start, filling in defaults; everything wrong is found at once.
pub fn read_spec(
    settings: Option<&proto::SubscriptionSettings>,
    start: Option<&proto::StartAt>,
    findings: &mut Findings,
) -> SubscriptionSpec {
    let default = proto::SubscriptionSettings::default();
    let settings = settings.unwrap_or(&default);
    let spec = findings.within("settings", |findings| read_settings(settings, findings));
    SubscriptionSpec { start: read_start(start, findings), ..spec }
}

/// Reads settings that replace standing ones.
pub fn read_update(settings: Option<&proto::SubscriptionSettings>, findings: &mut Findings) -> SettingsUpdate {
    let default = proto::SubscriptionSettings::default();
    let settings = settings.unwrap_or(&default);
    let spec = findings.within("settings", |findings| read_settings(settings, findings));
    let ordering = (settings.ordering() != proto::Ordering::Unspecified).then_some(spec.ordering);
    let purpose = (!settings.purpose.is_empty()).then(|| settings.purpose.clone());
    SettingsUpdate { spec, ordering, purpose }
}

fn read_settings(settings: &proto::SubscriptionSettings, findings: &mut Findings) -> SubscriptionSpec {
    let filter = findings.within("filter", |findings| read_filter(settings.filter.as_ref(), findings));
    let lease_s = bounded("lease_seconds", settings.lease_seconds, 30, 5..=43_200, findings);
    let total_default = 3_600.max(lease_s);
    let lease_total_s = bounded("lease_total_seconds", settings.lease_total_seconds, total_default, lease_s..=43_200, findings);
    let initial_ms = bounded("retry_initial_ms", settings.retry_initial_ms, 1_000, 10..=600_000, findings);
    let max_default = 600_000.max(initial_ms);
    if settings.purpose.chars().count() > 200 {
        let text = Text::new("最多 200 个字符", "at most 200 characters");
        findings.refuse("purpose", "TOO_LONG", text);
    }
    if settings.non_retryable_reasons.len() > 100 {
        too_many("non_retryable_reasons", 100, findings);
    }
    SubscriptionSpec {
        filter,
        ordering: match settings.ordering() {
            proto::Ordering::Unspecified | proto::Ordering::PerEnterprise => Ordering::PerEnterprise,
            proto::Ordering::Total => Ordering::Total,
        },
        on_dead_letter: match settings.on_dead_letter() {
            proto::OnDeadLetter::Unspecified | proto::OnDeadLetter::Continue => OnDeadLetter::Continue,
            proto::OnDeadLetter::Block => OnDeadLetter::Block,
        },
        lease_ms: u64::from(lease_s) * 1_000,
        lease_total_ms: u64::from(lease_total_s) * 1_000,
        retry: RetryPolicy {
            max_attempts: bounded("max_attempts", settings.max_attempts, 10, 1..=100, findings),
            initial_ms: u64::from(initial_ms),
            max_ms: u64::from(bounded("retry_max_ms", settings.retry_max_ms, max_default, initial_ms..=86_400_000, findings)),
            non_retryable: settings.non_retryable_reasons.clone(),
            pause_after_failures: settings.pause_after_failures,
            rate_per_second: bounded("retry_rate_per_second", settings.retry_rate_per_second, 100, 1..=100_000, findings),
        },
        max_in_flight: bounded("max_in_flight", settings.max_in_flight, 10_000, 1..=100_000, findings),
        max_span: bounded("max_span", settings.max_span, 1_000_000, 1..=100_000_000, findings),
        purpose: settings.purpose.clone(),
        start: StartAt::Earliest,
    }
}

/// Reads a filter; none selects everything.
pub fn read_filter(filter: Option<&proto::Filter>, findings: &mut Findings) -> Filter {
    let empty = proto::Filter::default();
    let filter = filter.unwrap_or(&empty);
    let mut feeds = each("feeds", &filter.feeds, findings, |name| Feed::parse(name));
    feeds.sort_unstable();
    feeds.dedup();
    let is_prefix = |prefix: &String| (1..=6).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let kinds = each("product_kinds", &filter.product_kinds, findings, |token| known_kind(token));
    let items = each("failed_items", &filter.failed_items, findings, |token| known_item(token));
    Filter {
        feeds,
        kinds: each("kinds", &filter.kinds, findings, |number| u8::try_from(*number).ok().and_then(Kind::from_number)),
        region_prefixes: each("region_prefixes", &filter.region_prefixes, findings, |prefix| {
            is_prefix(prefix).then(|| prefix.clone())
        }),
        product_kinds: kinds.iter().fold(0, |set, kind| set | kind.bit()),
        failed_items: items.iter().fold(0, |set, item| set | item.bit()),
        states: each("states", &filter.states, findings, |token| State::parse(token)),
        credit_codes: each("credit_codes", &filter.credit_codes, findings, |code| CreditCode::parse(code).ok()),
    }
}

fn known_kind(token: &str) -> Option<ProductKind> {
    match ProductKind::parse(token) {
        ProductKind::Other(_) if token != "other" => None,
        kind => Some(kind),
    }
}

fn known_item(token: &str) -> Option<InspectionItem> {
    match InspectionItem::parse(token) {
        InspectionItem::Other(_) if token != "other" => None,
        item => Some(item),
    }
}

fn read_start(start: Option<&proto::StartAt>, findings: &mut Findings) -> StartAt {
    use proto::start_at::At;
    match start.and_then(|start| start.at) {
        None | Some(At::Earliest(_)) => StartAt::Earliest,
        Some(At::Latest(_)) => StartAt::Latest,
        Some(At::Snapshot(_)) => StartAt::Snapshot,
        Some(At::Position(position)) => StartAt::Position(position),
        Some(At::TimeUs(time)) if time > 0 => StartAt::Time(time),
        Some(At::TimeUs(time)) => {
            unknown("start.time_us", &time.to_string(), findings);
            StartAt::Earliest
        }
    }
}

fn each<V: ToString, T>(name: &str, values: &[V], findings: &mut Findings, parse: impl Fn(&V) -> Option<T>) -> Vec<T> {
    if values.len() > MAX_LIST {
        too_many(name, MAX_LIST, findings);
        return Vec::new();
    }
    let mut parsed = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        match parse(value) {
            Some(value) => parsed.push(value),
            None => unknown(&format!("{name}[{index}]"), &value.to_string(), findings),
        }
    }
    parsed
}

fn bounded(field: &str, value: u32, default: u32, bounds: std::ops::RangeInclusive<u32>, findings: &mut Findings) -> u32 {
    let (low, high) = (*bounds.start(), *bounds.end());
    match value {
        0 => default,
        value if bounds.contains(&value) => value,
        value => {
            let text = Text::new(
                format!("{value} 超出范围：应在 {low} 与 {high} 之间，0 表示默认值 {default}"),
                format!("{value} is out of bounds: {low} to {high}, 0 means the default {default}"),
            );
            findings.refuse(field, "OUT_OF_BOUNDS", text);
            default
        }
    }
}

fn unknown(field: &str, read: &str, findings: &mut Findings) {
    let text = Text::new(format!("无法识别“{read}”"), format!("`{read}` is not a known value"));
    findings.refuse(field, "UNKNOWN_VALUE", text);
}

fn too_many(field: &str, limit: usize, findings: &mut Findings) {
    findings.refuse(field, "TOO_MANY", Text::new(format!("最多 {limit} 项"), format!("at most {limit} values")));
}

/// Settings as the protocol shows them, all defaults filled in.
pub fn settings(spec: &SubscriptionSpec) -> proto::SubscriptionSettings {
    let seconds = |ms: u64| u32::try_from(ms / 1_000).unwrap_or(u32::MAX);
    let millis = |ms: u64| u32::try_from(ms).unwrap_or(u32::MAX);
    proto::SubscriptionSettings {
        filter: Some(filter(&spec.filter)),
        ordering: match spec.ordering {
            Ordering::PerEnterprise => proto::Ordering::PerEnterprise,
            Ordering::Total => proto::Ordering::Total,
        }
        .into(),
        on_dead_letter: match spec.on_dead_letter {
            OnDeadLetter::Continue => proto::OnDeadLetter::Continue,
            OnDeadLetter::Block => proto::OnDeadLetter::Block,
        }
        .into(),
        lease_seconds: seconds(spec.lease_ms),
        lease_total_seconds: seconds(spec.lease_total_ms),
        max_attempts: spec.retry.max_attempts,
        retry_initial_ms: millis(spec.retry.initial_ms),
        retry_max_ms: millis(spec.retry.max_ms),
        non_retryable_reasons: spec.retry.non_retryable.clone(),
        max_in_flight: spec.max_in_flight,
        max_span: spec.max_span,
        pause_after_failures: spec.retry.pause_after_failures,
        retry_rate_per_second: spec.retry.rate_per_second,
        purpose: spec.purpose.clone(),
    }
}

fn filter(filter: &Filter) -> proto::Filter {
    let kinds = ProductKind::KNOWN.iter().filter(|kind| filter.product_kinds & kind.bit() != 0);
    let items = InspectionItem::all_known().filter(|item| filter.failed_items & item.bit() != 0);
    proto::Filter {
        feeds: filter.feeds.iter().map(|feed| feed.name().to_owned()).collect(),
        kinds: filter.kinds.iter().map(|kind| i32::from(kind.number())).collect(),
        region_prefixes: filter.region_prefixes.clone(),
        product_kinds: kinds.map(|kind| kind.token().to_owned()).collect(),
        failed_items: items.map(|item| item.token().to_owned()).collect(),
        states: filter.states.iter().map(|state| state.token().to_owned()).collect(),
        credit_codes: filter.credit_codes.iter().map(ToString::to_string).collect(),
    }
}
