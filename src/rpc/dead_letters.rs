//! `FeedService`: dead letters. A run ends with its stream, after the chunk under way: who comes back under its request id goes on.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{answer::refuse, feed_requests};
use crate::{
    domain::{
        delivery::{Attempt, Criteria, DeadLetter, Ended, LetterAct, Selector},
        draft::OrderKey,
        evidence::PositionRange,
        ids::RecordId,
    },
    gateway::{
        Caller, Gateway, Refused,
        dead_letters::{LetterChange, Preview, Progress, Run},
    },
    proto::{self, dead_letter_update::Update},
};

/// Characters of a reason.
const MAX_REASON: usize = 500;
/// Characters of a request id.
const MAX_REQUEST_ID: usize = 64;

/// What a run says.
pub(super) type Updates = ReceiverStream<Result<proto::DeadLetterUpdate, Status>>;

pub(super) async fn list(
    gateway: &Gateway,
    caller: &Caller,
    request: &proto::ListDeadLettersRequest,
) -> Result<proto::ListDeadLettersResponse, Refused> {
    let limit = feed_requests::page_size(request.page_size)?;
    let selector = match &request.selector {
        None => Selector::all(),
        Some(said) => selector(Some(said))?,
    };
    let after = feed_requests::position_token(&request.page_token)?;
    let (letters, next) = gateway.letters.list(caller, &request.subscription, selector, after, limit).await?;
    Ok(proto::ListDeadLettersResponse {
        dead_letters: letters.into_iter().map(letter).collect(),
        next_page_token: next.map(|position| position.to_string()).unwrap_or_default(),
    })
}

pub(super) async fn redrive(
    gateway: &Arc<Gateway>,
    caller: &Arc<Caller>,
    request: &proto::RedriveDeadLettersRequest,
) -> Result<Updates, Refused> {
    let change = LetterChange {
        act: LetterAct::Redrive,
        selector: selector(request.selector.as_ref())?,
        request_id: request_id(&request.request_id)?,
        reason: reason(&request.reason)?,
        limit: request.limit,
    };
    open(gateway, caller, &request.subscription, change, request.dry_run).await
}

pub(super) async fn discard(
    gateway: &Arc<Gateway>,
    caller: &Arc<Caller>,
    request: &proto::DiscardDeadLettersRequest,
) -> Result<Updates, Refused> {
    let reason = reason(&request.reason)?;
    if reason.is_empty() {
        return Err(Refused::field(
            "reason",
            "REASON_REQUIRED",
            "丢弃死信须说明原因，1 至 500 字",
            "discarding needs a reason of 1 to 500 characters",
        ));
    }
    let selector = selector(request.selector.as_ref())?;
    let request_id = request_id(&request.request_id)?;
    let change = LetterChange { act: LetterAct::Discard, selector, request_id, reason, limit: request.limit };
    open(gateway, caller, &request.subscription, change, request.dry_run).await
}

async fn open(
    gateway: &Arc<Gateway>,
    caller: &Arc<Caller>,
    subscription: &str,
    change: LetterChange,
    dry_run: bool,
) -> Result<Updates, Refused> {
    let (say, out) = mpsc::channel(1);
    if dry_run {
        let preview = gateway.letters.preview(caller, subscription, change.selector).await?;
        // The channel has room for it.
        let _ = say.try_send(Ok(update(Update::Preview(shown(preview)))));
    } else {
        let run = gateway.letters.open(caller.clone(), subscription, change).await?;
        tokio::spawn(serve(gateway.clone(), caller.clone(), run, say));
    }
    Ok(ReceiverStream::new(out))
}

async fn serve(
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    mut run: Run,
    say: mpsc::Sender<Result<proto::DeadLetterUpdate, Status>>,
) {
    loop {
        // Room first: who has gone away gets no more chunks.
        let Ok(place) = say.reserve().await else { return };
        match run.next().await {
            Ok(Some(made)) => place.send(Ok(update(Update::Progress(progress(made))))),
            Ok(None) => return,
            Err(refused) => return place.send(Err(refuse(&gateway, &caller, &refused))),
        }
    }
}

fn update(update: Update) -> proto::DeadLetterUpdate {
    proto::DeadLetterUpdate { update: Some(update) }
}

fn progress(progress: Progress) -> proto::DeadLetterProgress {
    let Progress { run, resumed, paused, finished, reason_salt } = progress;
    let left = run.selected.saturating_sub(run.done);
    let (remaining, gone) = if finished { (0, left) } else { (left, 0) };
    proto::DeadLetterProgress {
        request_id: run.request_id,
        selected: run.selected,
        done: run.done,
        remaining,
        gone,
        head: run.head,
        evidence_size: run.entries,
        resumed,
        paused,
        finished,
        reason_salt: reason_salt.map(|salt| salt.to_vec().into()).unwrap_or_default(),
    }
}

fn shown(preview: Preview) -> proto::DeadLetterPreview {
    let by_reason = preview.count.by_reason.into_iter().map(|(reason, count)| proto::DeadLetterCount { reason, count });
    proto::DeadLetterPreview {
        selected: preview.count.total,
        by_reason: by_reason.collect(),
        sample: preview.sample.into_iter().map(letter).collect(),
        head: preview.head,
    }
}

/// Which dead letters: something must be said, if only `all`.
fn selector(said: Option<&proto::DeadLetterSelector>) -> Result<Selector, Refused> {
    let said = said.cloned().unwrap_or_default();
    let one = |position: u64| PositionRange { first: position, last: position };
    let ranges = said.ranges.iter().map(|range| PositionRange { first: range.first, last: range.last });
    let record_ids = said.record_ids.iter().map(|id| {
        RecordId::parse(id).map_err(|error| {
            let text = error.to_string();
            Refused::field("selector.record_ids", "MALFORMED_RECORD_ID", format!("记录编号无效：{text}"), text)
        })
    });
    let criteria = Criteria {
        all: said.all,
        positions: said.positions.iter().copied().map(one).chain(ranges).collect(),
        reasons: said.reasons.clone(),
        record_ids: record_ids.collect::<Result<_, _>>()?,
        enterprises: said.enterprises.iter().map(|key| OrderKey(key.as_str().into())).collect(),
        died_from: (said.died_from_us != 0).then_some(said.died_from_us),
        died_before: (said.died_before_us != 0).then_some(said.died_before_us),
    };
    Selector::of(criteria).map_err(|error| {
        let text = error.text();
        Refused::field("selector", error.reason(), text.zh, text.en)
    })
}

fn request_id(id: &str) -> Result<String, Refused> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if id.len() <= MAX_REQUEST_ID && id.chars().all(is_plain) {
        return Ok(id.to_owned());
    }
    Err(Refused::field(
        "request_id",
        "MALFORMED_REQUEST_ID",
        format!("请求编号由字母、数字、“.”“_”“-”组成，最多 {MAX_REQUEST_ID} 个字符"),
        format!("a request id has letters, digits, `.`, `_` and `-`, at most {MAX_REQUEST_ID} characters"),
    ))
}

fn reason(reason: &str) -> Result<String, Refused> {
    let reason = reason.trim();
    if reason.chars().count() <= MAX_REASON {
        return Ok(reason.to_owned());
    }
    Err(Refused::field("reason", "TOO_LONG", "最多 500 个字符", "at most 500 characters"))
}

/// A dead letter as the protocol shows it.
fn letter(letter: DeadLetter) -> proto::DeadLetter {
    proto::DeadLetter {
        position: letter.position,
        record_id: letter.record_id.to_string(),
        revision: letter.revision,
        enterprise: letter.order_key.0.as_ref().to_owned(),
        reason: letter.reason,
        died_at_us: letter.died_at,
        history: letter.history.into_iter().map(attempt).collect(),
        left_out: letter.left_out,
        redrives: letter.redrives,
    }
}

fn attempt(attempt: Attempt) -> proto::Attempt {
    let end = match attempt.ended {
        Ended::Retry => proto::AttemptEnd::Retry,
        Ended::Reject => proto::AttemptEnd::Reject,
        Ended::LeaseExpired => proto::AttemptEnd::LeaseExpired,
        Ended::SessionLost => proto::AttemptEnd::SessionLost,
    };
    proto::Attempt {
        number: attempt.number,
        sent_at_us: attempt.sent_at,
        ended_at_us: attempt.ended_at,
        end: end.into(),
        reason: attempt.reason,
        consumer: attempt.consumer.system,
        client: attempt.consumer.client,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason_of<T: std::fmt::Debug>(result: Result<T, Refused>) -> &'static str {
        result.expect_err("refused").violations[0].reason
    }

    #[test]
    fn a_selector_says_something_that_can_be_meant() {
        assert_eq!(reason_of(selector(None)), "SELECTOR_REQUIRED");
        let wrong = proto::DeadLetterSelector { record_ids: vec!["no id".to_owned()], ..Default::default() };
        assert_eq!(reason_of(selector(Some(&wrong))), "MALFORMED_RECORD_ID");
        let (positions, ranges) = (vec![7], vec![proto::PositionSpan { first: 3, last: 6 }]);
        let both = proto::DeadLetterSelector { positions, ranges, ..Default::default() };
        let joined = selector(Some(&both)).expect("a selector").positions_after(0).collect::<Vec<_>>();
        assert_eq!(joined, [PositionRange { first: 3, last: 7 }]);
    }

    #[test]
    fn a_request_id_is_plain_and_short() {
        assert_eq!(request_id("outage-2020.05_b"), Ok("outage-2020.05_b".to_owned()));
        assert_eq!(request_id(""), Ok(String::new()));
        for wrong in ["a b", "a/b", "编号", &"a".repeat(65)] {
            assert_eq!(reason_of(request_id(wrong)), "MALFORMED_REQUEST_ID", "{wrong}");
        }
    }
}
