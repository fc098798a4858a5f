//! How far behind a subscription says it is, against what is true.

use std::collections::BTreeSet;

use super::*;

/// A number from 0 to `below - 1`; the same for the same seed.
fn throw(seed: &mut u64, below: u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed % below
}

/// Positions for this subscription that are neither acknowledged nor dead.
fn unsettled(host: &Host, acked: &BTreeSet<Position>) -> BTreeSet<Position> {
    (1..=host.ledger.len() as u64)
        .filter(|position| host.candidate(*position).is_some())
        .filter(|position| !acked.contains(position) && !host.stored.dead.contains(*position))
        .collect()
}

fn check(host: &Host, acked: &BTreeSet<Position>, step: &str) {
    let unsettled = unsettled(host, acked);
    let status = host.engine.status();
    let truth = unsettled.len() as u64 - status.in_flight;
    let lag = status.behind;
    let bounds = lag.undelivered.at_least..=lag.undelivered.at_most;
    assert!(bounds.contains(&truth), "{step}: {truth} is not within {bounds:?}");
    let oldest = unsettled.first().copied();
    match lag.oldest {
        None => assert_eq!(oldest, None, "{step}"),
        Some(Oldest { position, is_exact: true }) => assert_eq!(oldest, Some(position), "{step}"),
        Some(Oldest { position, .. }) => assert!(oldest.is_none_or(|oldest| position <= oldest), "{step}: {position} {oldest:?}"),
    }
    assert!(lag.span <= host.ledger.len() as u64, "{step}");
}

fn walk(seed: u64, spec: SubscriptionSpec) {
    let keys = ["a", "b", "c", "-", "-"];
    let mut seed = seed;
    let mut host = Host::new(SubscriptionSpec { max_span: 60, ..spec });
    host.page = 7;
    let mut acked = BTreeSet::new();
    for step in 0..300 {
        let out = host.out();
        let chosen = |seed: &mut u64| out.get(throw(seed, out.len().max(1) as u64) as usize).copied();
        let what = throw(&mut seed, 10);
        match (what, chosen(&mut seed)) {
            (0..=1, _) => {
                let more: Vec<_> = (0..throw(&mut seed, 20)).map(|_| keys[throw(&mut seed, 5) as usize]).collect();
                host.publish(&more);
            }
            (2..=4, Some(position)) => {
                if host.ack(&[position]) == [SettleResult::Ok] {
                    acked.insert(position);
                }
            }
            (5, Some(position)) => drop(host.say(&[(position, retry("no"))])),
            (6, Some(position)) => drop(host.say(&[(position, reject("never"))])),
            (7, _) => host.attach(TWO, Window { records: 1 + throw(&mut seed, 30) as u32, bytes: 1 << 30 }, true),
            (8, _) => host.crash(),
            _ => host.wait(1 + throw(&mut seed, 40) as i64),
        }
        check(&host, &acked, &format!("step {step}: {what}"));
    }
}

#[test]
fn the_truth_lies_within_the_bounds() {
    for seed in 1..=40 {
        walk(seed, spec());
        walk(seed, SubscriptionSpec { on_dead_letter: OnDeadLetter::Block, ..spec() });
        walk(seed, SubscriptionSpec { ordering: Ordering::Total, ..spec() });
    }
}

#[test]
fn at_the_head_it_is_exact_asleep_too() {
    let mut host = Host::with(spec(), &["a", "-", "b", "-", "-", "c"]);
    let lag = host.engine.lag();
    assert_eq!(lag.undelivered, Backlog { at_least: 0, at_most: 0 }, "all of it is in flight");
    assert_eq!(lag.oldest, Some(Oldest { position: 1, is_exact: true }));
    host.ack(&[1, 3, 6]);
    assert_eq!(host.engine.lag(), Lag::default());
    host.wait(20);
    let mut asleep = Engine::load(host.stored.clone(), 0);
    asleep.appended(6);
    assert_eq!(asleep.lag(), Lag::default());
    // What comes while it sleeps may be for it or not.
    asleep.appended(10);
    assert_eq!(asleep.lag().undelivered, Backlog { at_least: 0, at_most: 4 });
    assert_eq!(asleep.lag().oldest, Some(Oldest { position: 7, is_exact: false }));
    let mut before = Engine::load(host.stored.clone(), 0);
    before.appended(6);
    assert_eq!(before.status().at_head(10), asleep.status(), "what is remembered moves on with the head alone");
}

#[test]
fn what_was_acknowledged_above_a_gap_is_not_counted_again() {
    let mut host = Host::with(spec(), &["a", "b", "c", "d", "e"]);
    host.ack(&[2, 3, 5]);
    let mut asleep = Engine::load(host.stored.clone(), 0);
    asleep.appended(5);
    let lag = asleep.lag();
    assert_eq!(lag.undelivered, Backlog { at_least: 0, at_most: 2 });
    assert_eq!((lag.oldest, lag.span), (Some(Oldest { position: 1, is_exact: false }), 5));
}

#[test]
fn a_retry_is_waited_for_and_expired_leases_are_told_apart() {
    let mut host = Host::with(SubscriptionSpec { lease_ms: 5_000, ..spec() }, &["a", "b"]);
    host.say(&[(1, retry("no"))]);
    assert_eq!(host.engine.lag().undelivered, Backlog { at_least: 1, at_most: 1 });
    host.wait(6);
    let expired: Vec<_> = host.persists.iter().flat_map(|persist| persist.tally.expired.clone()).collect();
    let retried: Vec<_> = host.persists.iter().flat_map(|persist| persist.tally.retried.clone()).collect();
    assert!(expired.contains(&2) && !expired.is_empty(), "{expired:?}");
    assert!(retried.contains(&1) && retried.contains(&2), "{retried:?}");
}
