//! Requests of the feed service read into domain values.

use crate::{
    domain::{
        delivery::{SessionId, Settlement, Token, Verb, Window},
        ids::Position,
        regions::Region,
    },
    gateway::{
        Refused,
        feeds::{CompletenessOverview, FeedOverview},
        subscribe::AttachRequest,
    },
    proto::{self, settlement as said},
};

/// Characters of what a consumer calls itself.
const MAX_CLIENT: usize = 64;

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

/// What a consumer calls itself.
pub(super) fn client(name: &str) -> Result<String, Refused> {
    let name = name.trim();
    if name.chars().count() <= MAX_CLIENT && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(Refused::field(
        "client",
        "MALFORMED_CLIENT",
        format!("客户端名称最多 {MAX_CLIENT} 个字符，不含控制字符"),
        format!("the client's name has at most {MAX_CLIENT} characters and no control characters"),
    ))
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
        client: client(&open.client)?,
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

/// How far one publisher attested a feed for one region.
pub(super) fn completeness(entry: &CompletenessOverview) -> proto::Completeness {
    proto::Completeness {
        publisher: entry.publisher.to_string(),
        region: entry.region.map(Region::code).unwrap_or_default(),
        complete_to_us: entry.complete_to,
        stale: entry.stale,
    }
}

/// The feeds that a caller may read.
pub(super) fn feeds(feeds: &[FeedOverview]) -> proto::ListFeedsResponse {
    let feeds = feeds
        .iter()
        .map(|overview| proto::Feed {
            name: overview.feed.name().to_owned(),
            kinds: overview.feed.kinds().iter().map(|kind| i32::from(kind.number())).collect(),
            completeness: overview.completeness.iter().map(completeness).collect(),
            freshness_limit_seconds: overview.freshness_limit_seconds,
        })
        .collect();
    proto::ListFeedsResponse { feeds }
}
