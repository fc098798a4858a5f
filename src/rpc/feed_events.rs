//! Events of a subscription as the protocol says them.

use crate::{
    domain::delivery::{PauseReason, SettleResult, SettledItem, Status, Token},
    gateway::{
        administer_subscription::Sought,
        subscribe::{Blocked, Event, Outgoing, Overview},
    },
    proto::{self, subscribe_response::Message},
    wire,
};

/// Deliveries of one message: few enough that its bytes are made, encrypted and sent while they are in the processor's cache.
const DELIVERIES_OF_A_MESSAGE: usize = 64;

/// One event as messages of the stream. Those of a batch are made one after the other as they leave; it keeps its place until the last.
pub(super) fn messages(event: Event) -> impl Iterator<Item = proto::SubscribeResponse> + Send {
    let (batch, other) = match event {
        Event::Deliveries(batch) => (Some(batch), None),
        other => (None, message(other)),
    };
    let mut sent = 0;
    let of_batch = std::iter::from_fn(move || {
        let rest = batch.as_ref()?.deliveries.get(sent..)?;
        let deliveries = &rest[..rest.len().min(DELIVERIES_OF_A_MESSAGE)];
        sent += deliveries.len();
        let encoded: Vec<_> = deliveries.iter().map(encoded_delivery).collect();
        let message = Message::Deliveries(proto::Deliveries { deliveries: Vec::new(), encoded });
        (!deliveries.is_empty()).then_some(proto::SubscribeResponse { message: Some(message) })
    });
    of_batch.chain(other)
}

/// `None` for deliveries.
fn message(event: Event) -> Option<proto::SubscribeResponse> {
    let message = match event {
        Event::Deliveries(_) => return None,
        Event::Opened { epoch, ledger_id, generation, status: numbers } => {
            Message::Opened(proto::Opened { epoch, ledger_id, generation, status: Some(status(&numbers)) })
        }
        Event::Settled { request_id, items } => Message::Settled(settled(request_id, items)),
        Event::LeaseLost(leases) => Message::LeaseLost(proto::LeaseLost {
            leases: leases
                .into_iter()
                .map(|lost| proto::LostLease {
                    position: lost.position,
                    token: Some(token(lost.token)),
                    reason: lost.reason.token().to_owned(),
                })
                .collect(),
        }),
        Event::Heartbeat(numbers) => Message::Heartbeat(proto::ServerHeartbeat { status: Some(status(&numbers)) }),
        Event::State(numbers) => {
            Message::State(proto::State { pause_reason: pause_reason(numbers.pause).into(), message: pause_words(numbers.pause) })
        }
        Event::GoAway { reason, reconnect_after_ms } => return Some(go_away(reason, reconnect_after_ms)),
    };
    Some(proto::SubscribeResponse { message: Some(message) })
}

/// The word before a planned close.
pub(super) fn go_away(reason: &'static str, reconnect_after_ms: u64) -> proto::SubscribeResponse {
    let message = Message::GoAway(proto::GoAway { reason: reason.to_owned(), reconnect_after_ms });
    proto::SubscribeResponse { message: Some(message) }
}

/// One delivery, its record encoded once for all who receive it.
fn encoded_delivery(out: &Outgoing) -> proto::EncodedDelivery {
    let record = out.record.encoded(out.show_restricted, |record| wire::encoded_record(record, out.show_restricted));
    let marks = proto::DeliveryMarks {
        attempt: out.attempt,
        token: Some(token(out.token)),
        lease_expires_at_us: out.lease_expires_at,
        recall: out.recall,
        redriven: out.redriven,
        current_revision: out.current_revision,
        left_filter: out.left_filter,
        order_key: out.record.order_key.0.as_ref().to_owned(),
    };
    proto::EncodedDelivery { record, marks }
}

/// One delivery.
pub(super) fn delivery(out: &Outgoing) -> proto::Delivery {
    proto::Delivery {
        record: Some(wire::record(&out.record, out.show_restricted)),
        attempt: out.attempt,
        token: Some(token(out.token)),
        lease_expires_at_us: out.lease_expires_at,
        recall: out.recall,
        redriven: out.redriven,
        current_revision: out.current_revision,
        left_filter: out.left_filter,
        order_key: out.record.order_key.0.as_ref().to_owned(),
    }
}

/// Answers to settlements.
pub(super) fn settled(request_id: u64, items: Vec<SettledItem>) -> proto::Settled {
    let items = items
        .into_iter()
        .map(|item| {
            let result = match item.result {
                SettleResult::Ok => proto::SettleResult::Ok,
                SettleResult::Stale => proto::SettleResult::Stale,
                SettleResult::OutOfOrder => proto::SettleResult::OutOfOrder,
                SettleResult::Unknown => proto::SettleResult::Unknown,
                SettleResult::Retryable => proto::SettleResult::Retryable,
            };
            proto::SettledItem { position: item.position, result: result.into() }
        })
        .collect();
    proto::Settled { request_id, items }
}

fn token(token: Token) -> proto::Token {
    proto::Token { epoch: token.epoch, send_number: token.send_number }
}

/// A subscription.
pub(super) fn subscription(overview: &Overview) -> proto::Subscription {
    proto::Subscription {
        name: overview.key.name.clone(),
        settings: Some(wire::subscription::settings(&overview.spec)),
        created_at_us: overview.created_at,
        status: Some(status(&overview.status)),
        dead_letters_by_reason: overview
            .dead_letters_by_reason
            .iter()
            .map(|(reason, count)| proto::DeadLetterCount { reason: reason.clone(), count: *count })
            .collect(),
        blocked: overview.blocked.iter().map(blocked).collect(),
        settings_revision: overview.settings_revision,
        paused_since_us: overview.paused_since.unwrap_or_default(),
        place: Some(proto::Cursor {
            ledger_id: overview.ledger_id.clone(),
            generation: overview.generation,
            position: overview.floor,
        }),
        withheld: overview
            .withheld
            .iter()
            .map(|range| proto::WithheldPositions { first: range.first, last: range.last })
            .collect(),
    }
}

/// What a seek came to.
pub(super) fn sought(sought: &Sought) -> proto::SeekResponse {
    proto::SeekResponse {
        from_floor: sought.from_floor,
        to_floor: sought.to_floor,
        snapshot_at: sought.snapshot_at,
        subscription: Some(subscription(&sought.overview)),
    }
}

fn blocked(blocked: &Blocked) -> proto::BlockedEnterprise {
    let cause = match (blocked.retrying, blocked.dead) {
        (true, _) => proto::BlockCause::Retry,
        (false, true) => proto::BlockCause::DeadLetter,
        (false, false) => proto::BlockCause::Unspecified,
    };
    proto::BlockedEnterprise {
        enterprise: blocked.row.order_key.0.as_ref().to_owned(),
        blocked_by: blocked.row.blocked_by,
        cause: cause.into(),
        since_us: blocked.row.since,
    }
}

/// Numbers of a subscription.
pub(super) fn status(status: &Status) -> proto::SubscriptionStatus {
    let (behind, observed) = (&status.behind, &status.observed);
    proto::SubscriptionStatus {
        head: status.head,
        floor: status.floor,
        scanned: status.scanned,
        in_flight: status.in_flight,
        retrying: status.retrying,
        dead_letters: status.dead_letters,
        blocked_enterprises: status.blocked,
        epoch: status.epoch,
        pause_reason: pause_reason(status.pause).into(),
        attached: status.attached,
        lag: status.lag,
        undelivered: Some(proto::Backlog {
            at_least: behind.undelivered.at_least,
            at_most: behind.undelivered.at_most,
            exact: behind.undelivered.is_exact(),
        }),
        oldest_unsettled: behind.oldest.map(|oldest| proto::OldestUnsettled {
            position: oldest.position,
            exact: oldest.is_exact,
            committed_at_us: observed.oldest_committed_at,
            age_seconds: observed.oldest_age_seconds(),
        }),
        span: behind.span,
        retries: observed.retries,
        expired_leases: observed.expired_leases,
        withheld: observed.withheld,
        counted_since_us: observed.counted_since,
        complete_to_us: observed.complete_to,
    }
}

fn pause_reason(reason: Option<PauseReason>) -> proto::PauseReason {
    match reason {
        None => proto::PauseReason::Unspecified,
        Some(PauseReason::Window) => proto::PauseReason::Window,
        Some(PauseReason::MaxInFlight) => proto::PauseReason::MaxInFlight,
        Some(PauseReason::MaxSpan) => proto::PauseReason::MaxSpan,
        Some(PauseReason::KeyBlocked) => proto::PauseReason::KeyBlocked,
        Some(PauseReason::Paused) => proto::PauseReason::Paused,
        Some(PauseReason::CircuitOpen) => proto::PauseReason::CircuitOpen,
        Some(PauseReason::NotPermitted) => proto::PauseReason::NotPermitted,
        Some(PauseReason::NoConsumer) => proto::PauseReason::NoConsumer,
    }
}

fn pause_words(reason: Option<PauseReason>) -> String {
    match reason {
        None => "投递继续 / delivery goes on",
        Some(PauseReason::Window) => "窗口已满：先确认已收到的 / the window is full: settle what was delivered",
        Some(PauseReason::MaxInFlight) => "在途已达上限 / max_in_flight is reached",
        Some(PauseReason::MaxSpan) => "跨度已达上限：最早的一条仍未确认 / max_span is reached: the oldest delivery is unsettled",
        Some(PauseReason::KeyBlocked) => "剩余记录都在等待被阻塞的企业 / all that is left waits for a blocked enterprise",
        Some(PauseReason::Paused) => "已由操作员暂停 / paused by an operator",
        Some(PauseReason::CircuitOpen) => {
            "连续失败过多，已熔断：恢复投递后继续，重新连接无用 / too many failures in a row: resume to go on, attaching again does not"
        }
        Some(PauseReason::NotPermitted) => "授权缺失或已失效 / the grant is missing or has lapsed",
        Some(PauseReason::NoConsumer) => "没有连接的消费者 / nobody is attached",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::{
        domain::{
            attributes::attributes_of,
            draft::{OrderKey, SealedSection, Sections, StoredRecord},
            ids::{ParticipantId, RecordId},
            records::{Content, Matter, examples},
        },
        gateway::{shared::SharedRecord, subscribe::Batch},
    };

    fn outgoing(show_restricted: bool) -> Outgoing {
        let content = Content { matter: Matter::Nonconformity(Box::new(examples::nonconformity(1))), withdrawal: None };
        let section = |fill: u8| SealedSection { content: vec![fill; 300].into(), salt: [fill; 16] };
        let record_id = RecordId::parse("amr-330000/1").expect("an id");
        let sections = Sections { open: section(1), restricted: Some(section(2)) };
        let attributes = attributes_of(&content, None);
        let record = StoredRecord {
            position: 300,
            committed_at: 1,
            publisher: ParticipantId::parse("amr-330000").expect("a participant"),
            digest: sections.record_digest(&record_id, 2, attributes.kind),
            record_id,
            revision: 2,
            order_key: OrderKey("91330600MA00000001".into()),
            attributes,
            previous: None,
            sections,
            provenance: None,
            resolution: None,
        };
        Outgoing {
            record: SharedRecord::new(record),
            show_restricted,
            attempt: 3,
            token: Token { epoch: 7, send_number: 1 << 40 },
            lease_expires_at: 1_589_508_000_000_000,
            recall: true,
            redriven: true,
            current_revision: 4,
            left_filter: true,
        }
    }

    #[test]
    fn what_is_encoded_once_reads_as_the_message_does() {
        let (shown, withheld) = (outgoing(true), outgoing(false));
        let withheld = Outgoing { record: shown.record.clone(), ..withheld };
        for out in [&shown, &withheld, &shown] {
            let (count, first) = (DELIVERIES_OF_A_MESSAGE + 1, DELIVERIES_OF_A_MESSAGE);
            let sent: Vec<_> = messages(Event::Deliveries(Batch::new(vec![out.clone(); count], None))).collect();
            assert_eq!(sent.len(), 2);
            for (message, count) in sent.iter().zip([first, count - first]) {
                let deliveries = vec![delivery(out); count];
                let expected = Message::Deliveries(proto::Deliveries { deliveries, encoded: Vec::new() });
                let read = proto::SubscribeResponse::decode(message.encode_to_vec().as_slice()).expect("it decodes");
                assert_eq!(read.message, Some(expected.clone()));
                assert_eq!(message.encode_to_vec(), proto::SubscribeResponse { message: Some(expected) }.encode_to_vec());
            }
        }
    }
}
