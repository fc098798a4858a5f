//! Subscriptions: made once, moved by deltas, fenced by epochs. What a delta does is told by `delivery::apply`, the same function
//! that the delivery engine trusts.

use super::{Home, harness::*};
use crate::domain::{
    delivery::{
        AckChunk, Attempt, BlockedKey, Consumer, DeadLetter, Ended, Pausing, RetryRow, Settings, Sought, SubscriptionDelta,
        SubscriptionKey, SubscriptionState, apply as oracle,
    },
    draft::OrderKey,
    evidence::ActKind,
    ids::Position,
    ledger::{Act, Change, Outcome, Refusal},
};

async fn load(ledger: &Ledger, name: &str) -> SubscriptionState {
    ledger.store.subscription(&subscription_key(name)).await.expect("read").expect("it is there")
}

fn delete(name: &str) -> Act {
    Act { change: Change::DeleteSubscription(subscription_key(name)), evidence: evidence(ActKind::Subscription) }
}

pub(crate) async fn a_subscription_is_made_once(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    assert_eq!(ledger.act(create("risk")).await, Outcome::Done { evidence_index: 0 });
    assert_eq!(ledger.act(create("risk")).await, Outcome::Unchanged);
    let mut other = subscription_row("risk");
    other.spec.lease_ms += 1;
    let act = Act { change: Change::CreateSubscription(Box::new(other)), evidence: evidence(ActKind::Subscription) };
    assert_eq!(ledger.act(act).await, Outcome::Refused(Refusal::AlreadyExists));
    let state = load(&ledger, "risk").await;
    assert_eq!(state.row, subscription_row("risk"));
    assert_eq!((state.epoch, state.floor), (0, 1));
    assert!(ledger.store.subscription(&subscription_key("none")).await.expect("read").is_none());
}

pub(crate) async fn an_old_epoch_is_fenced(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let moved = |expected, epoch, floor| {
        apply(SubscriptionDelta { epoch, floor: Some(floor), ..SubscriptionDelta::empty(subscription_key("risk"), expected) })
    };
    assert_eq!(ledger.act(moved(0, None, 1)).await, Outcome::Refused(Refusal::NotFound));
    ledger.act(create("risk")).await;
    let committed = ledger.commit(&[moved(0, Some(1), 4), moved(0, None, 5), moved(1, None, 6)]).await;
    assert_eq!(committed.outcomes[1], Outcome::Refused(Refusal::Fenced { stands: 1 }));
    let state = load(&ledger, "risk").await;
    assert_eq!((state.epoch, state.floor), (1, 6));
    assert_eq!(ledger.act(moved(0, Some(1), 9)).await, Outcome::Refused(Refusal::Fenced { stands: 1 }));
    assert_eq!(load(&ledger, "risk").await, state, "a fenced move leaves nothing behind");
}

/// Passing over what is not for a subscription is no act: it is kept, and neither the head nor the evidence log moves.
pub(crate) async fn passing_over_is_kept_without_evidence(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish((1..=3).map(nonconformity).collect()).await;
    ledger.act(create("risk")).await;
    let before = ledger.store.head().await.expect("read");
    let delta = SubscriptionDelta { floor: Some(3), ..SubscriptionDelta::empty(subscription_key("risk"), 0) };
    let act = Act { change: Change::PassSubscription(Box::new(delta)), evidence: evidence(ActKind::Settle) };
    let committed = ledger.commit(&[act]).await;
    assert_eq!((committed.outcomes, committed.head), (vec![Outcome::Unchanged], before.clone()));
    assert_eq!(load(&ledger, "risk").await.floor, 3);
    assert_eq!(ledger.store.head().await.expect("read"), before);
    ledger.is_sound().await;
}

pub(crate) async fn a_deleted_subscription_is_gone(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    assert_eq!(ledger.act(delete("risk")).await, Outcome::Refused(Refusal::NotFound));
    ledger.publish((1..=30).map(nonconformity).collect()).await;
    ledger.commit(&[create("risk"), create("other")]).await;
    let mut delta = SubscriptionDelta::empty(subscription_key("risk"), 0);
    let keys: Vec<_> = ledger.everything().await.into_iter().map(|record| (record.record_id, record.order_key)).collect();
    delta.epoch = Some(4);
    delta.put_chunks = vec![(0, AckChunk(Box::new([1; 64])))];
    delta.put_dead = vec![letter(5, "poison", &keys)];
    delta.put_retries = vec![retry(6, 2, &keys)];
    ledger.act(apply(delta.clone())).await;
    let fresh = ledger.commit(&[delete("risk"), create("risk")]).await;
    assert!(matches!(fresh.outcomes[1], Outcome::Done { .. }));
    let state = load(&ledger, "risk").await;
    assert_eq!((state.epoch, state.chunks.len(), state.dead.len(), state.retrying.len()), (0, 0, 0, 0));
    ledger.commit(&[delete("risk"), delete("other"), create("other")]).await;
    assert!(ledger.store.subscription(&subscription_key("risk")).await.expect("read").is_none());
    ledger.is_sound().await;
}

pub(crate) async fn names_are_paged(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let mut acts: Vec<_> = ["c", "a", "b-2", "b"].into_iter().map(create).collect();
    let mut foreign = subscription_row("a");
    foreign.key.participant = participant("gacc-2");
    acts.push(Act { change: Change::CreateSubscription(Box::new(foreign)), evidence: evidence(ActKind::Subscription) });
    ledger.commit(&acts).await;
    let names = async |after, limit| ledger.store.subscription_names(&participant("gacc"), after, limit).await.expect("read");
    assert_eq!(names("", 10).await, ["a", "b", "b-2", "c"]);
    assert_eq!(names("b", 1).await, ["b-2"]);
    assert!(names("c", 10).await.is_empty());
}

pub(super) type Keys = [(crate::domain::ids::RecordId, OrderKey)];

fn attempt(number: u32) -> Attempt {
    Attempt {
        number,
        sent_at: START + i64::from(number),
        ended_at: START + 2 * i64::from(number),
        ended: Ended::ALL[number as usize % 4],
        reason: "下游“暂停”".to_owned(),
        consumer: Consumer { system: "gacc/risk".to_owned(), client: "风险 1".to_owned() },
    }
}

pub(super) fn letter(position: Position, reason: &str, keys: &Keys) -> DeadLetter {
    let (record_id, order_key) = keys[position as usize - 1].clone();
    DeadLetter {
        position,
        record_id,
        revision: 1,
        order_key,
        reason: reason.to_owned(),
        died_at: START,
        history: vec![attempt(1), attempt(2)],
        left_out: 3,
        redrives: 1,
    }
}

fn retry(position: Position, failures: u32, keys: &Keys) -> RetryRow {
    RetryRow {
        position,
        order_key: keys[position as usize - 1].1.clone(),
        failures,
        due: START + i64::from(failures),
        suspect: failures.is_multiple_of(2),
        redriven: failures.is_multiple_of(3),
        redrives: failures / 3,
        history: (1..=failures).map(attempt).collect(),
        left_out: failures / 2,
    }
}

/// A delta that touches anything; retries and dead letters never share a position.
fn any_delta(dice: &mut Dice, key: &SubscriptionKey, epoch: u64, keys: &Keys) -> SubscriptionDelta {
    let mut delta = SubscriptionDelta::empty(key.clone(), epoch);
    delta.epoch = (dice.below(5) == 0).then_some(epoch + 1);
    delta.floor = (dice.below(3) == 0).then(|| dice.below(40));
    delta.drop_chunks_below = (dice.below(4) == 0).then(|| dice.below(4));
    let chunk = |dice: &mut Dice| {
        let mut words = [0; 64];
        // Bits up to position 39 only: nothing is passed beyond the head.
        words[0] = dice.below(1 << 31) & ((1 << 40) - 1);
        (0, AckChunk(Box::new(words)))
    };
    delta.put_chunks = (0..dice.below(2)).map(|_| chunk(dice)).collect();
    delta.drop_retries = dice.some(3, 20);
    delta.put_retries = dice.some(3, 20).into_iter().map(|position| retry(position, dice.below(9) as u32, keys)).collect();
    delta.drop_dead = dice.some(3, 20).into_iter().map(|position| position + 20).collect();
    delta.put_dead = dice.some(3, 20).into_iter().map(|position| letter(position + 20, "poison", keys)).collect();
    let blocked = |position: Position| keys[position as usize - 1].1.clone();
    delta.drop_blocked = dice.some(2, 10).into_iter().map(blocked).collect();
    delta.put_blocked = dice
        .some(2, 10)
        .into_iter()
        .map(|position| BlockedKey { order_key: blocked(position), blocked_by: position, resume_after: position, since: START })
        .collect();
    delta.circuit = match dice.below(4) {
        0 => Some((dice.below(7) as u32, None)),
        1 => Some((dice.below(7) as u32, Some(START))),
        _ => None,
    };
    administered(dice, &mut delta);
    delta
}

/// What an administrator may have asked for as well.
fn administered(dice: &mut Dice, delta: &mut SubscriptionDelta) {
    delta.pausing = match dice.below(6) {
        0 => Some(Pausing::Since(START + dice.below(9) as i64)),
        1 => Some(Pausing::Over),
        _ => None,
    };
    if dice.below(6) == 0 {
        let mut spec = subscription_row("any").spec;
        spec.max_in_flight = dice.below(1_000) as u32 + 1;
        delta.settings = Some(Box::new(Settings { revision: dice.below(9) + 2, spec }));
    }
    if let Some(epoch) = delta.epoch.filter(|_| dice.below(2) == 0) {
        delta.sought = Some(Sought { snapshot_at: dice.below(40), epoch });
    }
}

pub(crate) async fn deltas_do_what_the_engine_trusts(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish((1..=40).map(nonconformity).collect()).await;
    let keys: Vec<_> = ledger.everything().await.into_iter().map(|record| (record.record_id, record.order_key)).collect();
    ledger.commit(&[create("one"), create("two")]).await;
    let mut expected = [load(&ledger, "one").await, load(&ledger, "two").await];
    let mut dice = Dice(20_200_515);
    for round in 0..60 {
        // Several deltas of both in one group, so that summing them up is what is compared.
        let acts: Vec<_> = (0..=dice.below(5))
            .map(|_| {
                let state = &mut expected[dice.below(2) as usize];
                let delta = any_delta(&mut dice, &state.row.key.clone(), state.epoch, &keys);
                oracle(state, &delta);
                apply(delta)
            })
            .collect();
        let committed = ledger.commit(&acts).await;
        assert!(committed.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done { .. })));
        assert_eq!(load(&ledger, "one").await, expected[0], "round {round}");
        assert_eq!(load(&ledger, "two").await, expected[1], "round {round}");
    }
    ledger.is_sound().await;
}
