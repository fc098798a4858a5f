//! What the engine wants made durable, as acts with their evidence.

use super::{
    super::Caller,
    rows::{Known, Rows},
};
use crate::domain::{
    delivery::{Delivery, Persist, PersistKind, SubscriptionDelta, SubscriptionKey},
    digest::hex,
    evidence::{ActKind, Actor, EvidenceDraft, PositionRange, tree_root},
    feeds::Feed,
    ids::Position,
    ledger::{Act, Change},
};

/// On whose behalf a change is recorded: the consumer, or the gateway itself.
pub(super) fn draft(kind: ActKind, caller: Option<&Caller>, key: &SubscriptionKey) -> EvidenceDraft {
    let mut draft = match caller {
        Some(caller) => {
            EvidenceDraft { request_id: caller.request_id.clone(), ..EvidenceDraft::new(kind, caller.actor(), caller.method) }
        }
        None => EvidenceDraft::new(kind, Actor::default(), "gateway"),
    };
    draft.subscription = format!("{}/{}", key.participant, key.name);
    draft
}

/// Positions as ascending ranges with the root over their digests and the feeds they are of.
fn cover(draft: &mut EvidenceDraft, mut about: Vec<(Position, Option<Known>)>) {
    about.sort_unstable_by_key(|(position, _)| *position);
    about.dedup_by_key(|(position, _)| *position);
    let known = || about.iter().filter_map(|(_, known)| *known);
    if !about.is_empty() && about.iter().all(|(_, known)| known.is_some()) {
        // As `records_root`, whose leaves are known already.
        draft.records_root = Some(tree_root(known().map(|known| known.leaf)));
    }
    draft.feeds = Feed::ALL.into_iter().filter(|feed| known().any(|known| known.feed == *feed)).collect();
    draft.positions = PositionRange::join(about.into_iter().map(|(position, _)| position));
}

/// What is recorded of a disclosure that rides along, but for what is not known yet.
pub(super) fn disclosing(key: &SubscriptionKey, caller: &Caller) -> EvidenceDraft {
    draft(ActKind::Disclose, Some(caller), key)
}

/// The act that records a disclosure. It is fenced: a gateway that lost the subscription discloses nothing.
pub(super) fn disclosure(
    key: &SubscriptionKey,
    epoch: u64,
    caller: Option<&Caller>,
    deliveries: &[Delivery],
    about: Vec<(Position, Option<Known>)>,
) -> Act {
    let mut evidence = draft(ActKind::Disclose, caller, key);
    cover(&mut evidence, about);
    evidence.counts = vec![("delivered", deliveries.len() as u64)];
    let again = deliveries.iter().filter(|delivery| delivery.attempt > 1 || delivery.redriven).count() as u64;
    if again > 0 {
        evidence.counts.push(("again", again));
    }
    let fence = SubscriptionDelta::empty(key.clone(), epoch);
    Act { change: Change::MoveSubscription(Box::new(fence)), evidence }
}

/// The act of a change of state. Skips are no act: they move the place and leave no evidence.
pub(super) fn change(key: &SubscriptionKey, persist: &Persist, caller: Option<&Caller>, rows: &Rows) -> Act {
    let kind = match persist.kind {
        PersistKind::Attach { .. } => ActKind::Attach,
        PersistKind::Settle | PersistKind::Failures | PersistKind::Skips => ActKind::Settle,
        PersistKind::Redrive => ActKind::Redrive,
        PersistKind::Discard => ActKind::Discard,
        PersistKind::Pause | PersistKind::Resume | PersistKind::Update => ActKind::Subscription,
        PersistKind::Seek => ActKind::Seek,
        PersistKind::Withhold => ActKind::Withhold,
    };
    let mut evidence = draft(kind, caller, key);
    let tally = &persist.tally;
    let lists = [
        ("ack", &tally.acked),
        ("retry", &tally.retried),
        ("release", &tally.released),
        ("dead", &tally.dead),
        ("suspect", &tally.suspected),
        ("withheld", &tally.withheld),
        ("redriven", &tally.redriven),
        ("discarded", &tally.discarded),
    ];
    let positions = lists.iter().flat_map(|(_, list)| list.iter().copied());
    cover(&mut evidence, positions.map(|position| (position, rows.known(position))).collect());
    evidence.counts = lists.iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| (*name, list.len() as u64)).collect();
    if let Some(epoch) = persist.delta.epoch {
        evidence.counts.push(("epoch", epoch));
    }
    if let Some(sought) = persist.delta.sought {
        evidence.counts.extend([("to", persist.delta.floor.unwrap_or_default()), ("snapshot", sought.snapshot_at)]);
        evidence.counts.push(("retries_dropped", persist.delta.drop_retries.len() as u64));
    }
    if let Some(settings) = &persist.delta.settings {
        evidence.counts.push(("settings_revision", settings.revision));
        evidence.feeds.clone_from(&settings.spec.filter.feeds);
    }
    if let Some(run) = &persist.delta.letter_run {
        evidence.subjects = vec![format!("run:{}", run.request_id), format!("selector:{}", hex(&run.selector))];
        evidence.counts.extend([("run_selected", run.selected), ("run_done", run.done), ("run_head", run.head)]);
    }
    let verb = match persist.kind {
        PersistKind::Pause => Some("pause"),
        PersistKind::Resume => Some("resume"),
        PersistKind::Update => Some("update"),
        _ => None,
    };
    evidence.subjects.extend(verb.map(str::to_owned));
    let delta = Box::new(persist.delta.clone());
    let change = match persist.kind {
        PersistKind::Skips => Change::PassSubscription(delta),
        _ => Change::MoveSubscription(delta),
    };
    Act { change, evidence }
}
