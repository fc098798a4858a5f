//! Requests of the feed service read into domain values.

use crate::{
    domain::{
        credit_code::CreditCode,
        delivery::{DeadLetter, SessionId, Settlement, Token, Verb, Window},
        draft::OrderKey,
        ids::Position,
        regions::Region,
    },
    gateway::{Refused, dead_letters::DeadLetterQuery, feeds::FeedOverview, subscribe::AttachRequest},
    proto::{self, settlement as said},
};

/// Most items of one settle request.
const MAX_SETTLE_ITEMS: usize = 100_000;

/// Size of a page: 0 = 100, at most 1,000.
pub(super) fn page_size(asked: u32) -> Result<usize, Refused> {
    match asked {
        0 => Ok(100),
        1..=1_000 => Ok(asked as usize),
        _ => Err(Refused::field("page_size", "OUT_OF_BOUNDS", "每页最多 1000 条", "a page has at most 1,000 entries")),
    }
}

/// A page token that is a position.
pub(super) fn position_token(token: &str) -> Result<Position, Refused> {
    if token.is_empty() {
        return Ok(0);
    }
    token.parse().map_err(|_| {
        Refused::field(
            "page_token",
            "MALFORMED_PAGE_TOKEN",
            "翻页标记无效：使用上一页返回的 next_page_token",
            "the page token is not ours: use next_page_token of the last answer",
        )
    })
}

/// The id of a session: 16 random bytes.
pub(super) fn session_id(bytes: &[u8]) -> Result<SessionId, Refused> {
    <[u8; 16]>::try_from(bytes).map(SessionId).map_err(|_| {
        Refused::field(
            "session_id",
            "MALFORMED_SESSION_ID",
            "session_id 须为 16 个随机字节",
            "session_id must be 16 random bytes",
        )
    })
}

/// A window: 0 means the default.
pub(super) fn window(window: Option<&proto::Window>) -> Result<Window, Refused> {
    let asked = window.copied().unwrap_or_default();
    let records = if asked.records == 0 { 1_000 } else { asked.records };
    let bytes = if asked.bytes == 0 { 16 << 20 } else { asked.bytes };
    if records > 100_000 || bytes > 1 << 30 {
        return Err(Refused::field(
            "window",
            "OUT_OF_BOUNDS",
            "窗口最多 100000 条、1 GiB",
            "a window has at most 100,000 records and 1 GiB",
        ));
    }
    Ok(Window { records, bytes })
}

/// How a stream wants to attach.
pub(super) fn attach(open: &proto::Open) -> Result<AttachRequest, Refused> {
    Ok(AttachRequest {
        session: session_id(&open.session_id)?,
        window: window(open.window.as_ref())?,
        auto_extend: open.auto_extend,
        take_over: open.take_over,
    })
}

/// Settlements. An item without a verb or token is a malformed request.
pub(super) fn settlements(request: &proto::Settlements) -> Result<Vec<Settlement>, Refused> {
    if request.items.len() > MAX_SETTLE_ITEMS {
        return Err(Refused::field(
            "settle.items",
            "TOO_MANY",
            format!("一次最多 {MAX_SETTLE_ITEMS} 项"),
            format!("at most {MAX_SETTLE_ITEMS} items at once"),
        ));
    }
    request.items.iter().enumerate().map(|(index, item)| settlement(index, item)).collect()
}

fn settlement(index: usize, item: &proto::Settlement) -> Result<Settlement, Refused> {
    let malformed =
        |field: &str, zh: &str, en: &str| Refused::field(&format!("settle.items[{index}].{field}"), "MISSING", zh, en);
    let token = item
        .token
        .ok_or_else(|| malformed("token", "缺少 token：使用投递时给出的", "the token is missing: use the delivery's"))?;
    let clip = |reason: &str| reason.chars().take(200).collect::<String>();
    let verb = match &item.verb {
        Some(said::Verb::Ack(_)) => Verb::Ack,
        Some(said::Verb::Retry(retry)) => Verb::Retry { delay_ms: retry.delay_ms, reason: clip(&retry.reason) },
        Some(said::Verb::Release(_)) => Verb::Release,
        Some(said::Verb::Reject(reject)) => {
            if reject.reason.trim().is_empty() {
                return Err(malformed("reject.reason", "拒收须说明原因", "a reject needs a reason"));
            }
            Verb::Reject { reason: clip(&reject.reason) }
        }
        Some(said::Verb::Extend(extend)) => Verb::Extend { ms: u64::from(extend.seconds.clamp(5, 43_200)) * 1_000 },
        None => {
            return Err(malformed(
                "verb",
                "缺少处理方式（ack、retry、release、reject、extend）",
                "one of ack, retry, release, reject, extend is missing",
            ));
        }
    };
    Ok(Settlement { position: item.position, token: Token { epoch: token.epoch, send_number: token.send_number }, verb })
}

/// Which dead letters; for a change something must be said, if only `all`.
pub(super) fn letters(selector: Option<&proto::DeadLetterSelector>, is_change: bool) -> Result<DeadLetterQuery, Refused> {
    let empty = proto::DeadLetterSelector::default();
    let selector = selector.unwrap_or(&empty);
    let says_nothing = selector.positions.is_empty() && selector.reason.is_empty() && selector.credit_code.is_empty();
    if is_change && says_nothing && !selector.all {
        return Err(Refused::field(
            "selector",
            "SELECTOR_REQUIRED",
            "须指明哪些死信：给出位置、原因、企业之一，或 all",
            "say which dead letters: positions, a reason, an enterprise, or `all`",
        ));
    }
    if selector.positions.len() > 10_000 {
        return Err(Refused::field(
            "selector.positions",
            "TOO_MANY",
            "一次最多 10000 个位置",
            "at most 10,000 positions at once",
        ));
    }
    let order_key = match selector.credit_code.as_str() {
        "" => None,
        code => Some(CreditCode::parse(code).map_err(|error| {
            let text = error.text();
            Refused::field("selector.credit_code", error.reason(), text.zh, text.en)
        })?),
    };
    Ok(DeadLetterQuery {
        positions: selector.positions.clone(),
        reason: (!selector.reason.is_empty()).then(|| selector.reason.clone()),
        order_key: order_key.map(|code| OrderKey(code.as_str().into())),
    })
}

/// Why dead letters are discarded.
pub(super) fn discard_reason(reason: &str) -> Result<&str, Refused> {
    let length = reason.trim().chars().count();
    if (1..=500).contains(&length) {
        return Ok(reason);
    }
    Err(Refused::field(
        "reason",
        "REASON_REQUIRED",
        "丢弃死信须说明原因，1 至 500 字",
        "discarding needs a reason of 1 to 500 characters",
    ))
}

/// A dead letter as the protocol shows it.
pub(super) fn dead_letter(letter: DeadLetter) -> proto::DeadLetter {
    proto::DeadLetter {
        position: letter.position,
        record_id: letter.record_id.to_string(),
        revision: letter.revision,
        enterprise: letter.order_key.0.as_ref().to_owned(),
        reason: letter.reason,
        died_at_us: letter.died_at,
        history: letter
            .history
            .into_iter()
            .map(|failure| proto::Failure {
                at_us: failure.at,
                attempt: failure.attempt,
                reason: failure.reason,
                consumer: failure.consumer,
            })
            .collect(),
        redrives: letter.redrives,
    }
}

/// The feeds that a caller may read.
pub(super) fn feeds(feeds: &[FeedOverview]) -> proto::ListFeedsResponse {
    let feeds = feeds
        .iter()
        .map(|overview| proto::Feed {
            name: overview.feed.name().to_owned(),
            kinds: overview.feed.kinds().iter().map(|kind| i32::from(kind.number())).collect(),
            completeness: overview
                .completeness
                .iter()
                .map(|entry| proto::Completeness {
                    publisher: entry.publisher.to_string(),
                    region: entry.region.map(Region::code).unwrap_or_default(),
                    complete_to_us: entry.complete_to,
                    stale: entry.stale,
                })
                .collect(),
            freshness_limit_seconds: overview.freshness_limit_seconds,
        })
        .collect();
    proto::ListFeedsResponse { feeds }
}
