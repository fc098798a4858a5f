//! What users of feeds and queues suffer elsewhere: 21 pitfalls, each a test with its number. Here are those that the engine has
//! to avoid; those that are also shown over the whole gateway say where.
//!
//! | pitfall | also, or instead |
//! |---|---|
//! | 1 handler slower than its lease while the client buffers | |
//! | 2 stream dropped with 1,000 unsettled | `tests/client_line.rs` |
//! | 3 a deploy must not count attempts | `tests/end_to_end.rs`, a stop says go away |
//! | 4 crash loop with a window of 100 and one poison record | |
//! | 5 a retry keeps order per enterprise | `tests/end_to_end.rs` |
//! | 6 a stuck enterprise blocks only itself | |
//! | 7 storm of consumers joining and leaving | `tests/end_to_end.rs`, taking over |
//! | 8 acks out of order 100,000 wide, then killed | `tests/kill.rs` |
//! | 9 redrive killed half way | `tests/kill.rs` |
//! | 10 seek during delivery: old tokens are stale | |
//! | 11 start or cursor outside of what is kept | `tests/end_to_end.rs` alone: the gateway resolves it |
//! | 12 sparse filter over 10 million records | |
//! | 13 a client that never reads | |
//! | 14 a client that never settles | |
//! | 15 two publishers, one in a long transaction | `tests/commit_path/pitfalls.rs` alone: the store has it |
//! | 16 publish repeated after a lost response | `tests/commit_path/pitfalls.rs` alone; `tests/client_line.rs` |
//! | 17 settle confirmed, then killed | `tests/kill.rs` |
//! | 18 `max_attempts` lowered below the current count | |
//! | 19 the window slot returns after a retry of a full window | |
//! | 20 a storage error on one settle | `tests/bad_input.rs`, a full store |
//! | 21 both sides' windows full | |

use super::*;

use SettleResult::{Ok, Retryable, Stale};

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("k{n}")).collect()
}

fn host_with(spec: SubscriptionSpec, count: usize) -> Host {
    Host::with(spec, &keys(count).iter().map(String::as_str).collect::<Vec<_>>())
}

fn retry_now() -> Verb {
    Verb::Retry { delay_ms: 1, reason: "busy".into() }
}

#[test]
fn pitfall_01_handler_slower_than_its_lease_while_the_client_buffers() {
    let mut host = Host::new(spec());
    host.publish(&["a"; 100]);
    host.engine.attach(host.now, ONE, "gacc/1".into(), WIDE, true, false).expect("attached");
    host.run();
    // Each takes 25 s of a 30 s lease; the rest is buffered. Heartbeats keep all of them.
    for position in 1..=100 {
        for _ in 0..3 {
            host.wait(8);
            host.engine.heartbeat(host.now);
        }
        assert_eq!(host.ack(&[position]), [Ok]);
    }
    assert!(host.lost.is_empty());
    assert_eq!(host.sent.len(), 100);
    // Without heartbeats too, within one enterprise: what waits behind another does not run out.
    let mut host = Host::with(spec(), &["a"; 20]);
    for position in 1..=20 {
        host.wait(29);
        assert_eq!(host.ack(&[position]), [Ok]);
    }
    assert_eq!(host.sent.len(), 20);
}

#[test]
fn pitfall_02_stream_dropped_with_a_thousand_unsettled() {
    let mut host = host_with(spec(), 1_000);
    assert_eq!(host.sent_now().len(), 1_000);
    host.detach(ONE, false);
    host.wait(5);
    let before = host.inbox.clone();
    host.attach(ONE, WIDE, false);
    assert_eq!(host.sent_now().len(), 1_000, "what the broken stream may have lost is sent once more");
    assert_eq!(host.inbox, before, "under the tokens it had");
    assert_eq!(host.ack(&(1..=500).collect::<Vec<_>>()), vec![Ok; 500]);
    host.detach(ONE, false);
    host.wait(11);
    host.attach(TWO, WIDE, false);
    let mut again = Vec::new();
    while let Some(position) = host.out().first().copied() {
        assert_eq!(host.inbox[&position].attempt, 1, "none is counted");
        again.push(position);
        host.ack(&[position]);
    }
    assert_eq!(again, (501..=1_000).collect::<Vec<_>>());
    host.wait(10);
    assert!(host.is_finished());
}

#[test]
fn pitfall_03_a_deploy_does_not_count_attempts() {
    let mut spec = spec();
    spec.retry.max_attempts = 2;
    let mut host = host_with(spec, 50);
    for round in 0..20_u8 {
        host.engine.drain(host.now);
        host.publish(&["late"]);
        // In good order, or broken off after the drain.
        host.detach(SessionId([round.max(1); 16]), round % 2 == 0);
        host.run();
        host.attach(SessionId([round + 1; 16]), WIDE, round == 0);
        assert!(host.inbox.values().all(|delivery| delivery.attempt == 1));
    }
    assert!(host.stored.retrying.is_empty() && host.stored.dead.is_empty());
    assert_eq!(host.out().len(), 70);
}

#[test]
fn pitfall_04_a_crash_loop_dead_letters_the_poison_alone() {
    const POISON: Position = 37;
    let mut spec = spec();
    spec.retry.max_attempts = 3;
    let mut host = host_with(spec, 100);
    let mut attempts: BTreeMap<Position, u32> = BTreeMap::new();
    for session in 1..200_u8 {
        // A consumer that works through what it has and dies of the poison.
        for _ in 0..200 {
            let Some(delivery) = host.inbox.values().next().copied() else { break };
            attempts.insert(delivery.position, delivery.attempt);
            if delivery.position == POISON {
                break;
            }
            assert_eq!(host.ack(&[delivery.position]), [Ok]);
        }
        if host.is_finished() {
            break;
        }
        host.detach(SessionId([session; 16]), false);
        host.wait(11);
        host.attach(SessionId([session + 1; 16]), WIDE, true);
        host.wait(5);
    }
    assert_eq!(host.letters.keys().copied().collect::<Vec<_>>(), [POISON]);
    assert_eq!(host.letters[&POISON].history.len(), 3);
    assert!(attempts.iter().all(|(position, attempt)| *position == POISON || *attempt == 1), "{attempts:?}");
    assert!(host.is_finished());
}

#[test]
fn pitfall_05_a_retry_keeps_order_per_enterprise() {
    let mut host = Host::with(spec(), &["a", "b", "a", "b", "a"]);
    host.say(&[(1, retry_now())]);
    host.ack(&[2, 4]);
    host.sent_now();
    host.wait(1);
    assert_eq!(host.sent_now(), [1]);
    host.say(&[(1, retry_now())]);
    host.wait(1);
    host.ack(&[1]);
    assert_eq!(host.sent_now(), [1, 3, 5]);
    host.say(&[(3, retry_now())]);
    host.wait(1);
    host.ack(&[3]);
    assert_eq!(host.sent_now(), [3, 5]);
}

#[test]
fn pitfall_06_a_stuck_enterprise_blocks_only_itself() {
    let mut block = spec();
    (block.on_dead_letter, block.max_span, block.max_in_flight) = (OnDeadLetter::Block, 10, 5);
    let mut host = Host::with(block, &["stuck", "a"]);
    host.say(&[(1, reject("no"))]);
    host.ack(&[2]);
    // A hundred times the span goes past it.
    for _ in 0..500 {
        host.publish(&["stuck", "a"]);
        let out = host.out();
        assert_eq!(out.len(), 1, "the stuck one does not come");
        assert_eq!(host.ack(&out), [Ok]);
    }
    assert_eq!(host.stored.floor, 1_002, "and it pins nothing");
    assert_eq!((host.stored.blocked.len(), host.stored.chunks.len(), host.stored.retrying.len()), (1, 0, 0));
    host.sent_now();
    host.discard(&[1]);
    host.run();
    let mut came = Vec::new();
    while let Some(position) = host.out().first().copied() {
        came.push(position);
        host.ack(&[position]);
    }
    assert_eq!(came, (3..=1_001).step_by(2).collect::<Vec<_>>());
    assert!(host.is_finished());
}

#[test]
fn pitfall_07_a_storm_of_consumers_joining_and_leaving() {
    let mut spec = spec();
    spec.retry.max_attempts = 2;
    let mut host = host_with(spec, 400);
    let mut settled: Vec<Position> = Vec::new();
    for session in 2..202_u8 {
        let old: Vec<_> = host.inbox.values().copied().collect();
        let epoch = host.stored.epoch;
        host.attach(SessionId([session; 16]), Window { records: 7, bytes: 1 << 20 }, true);
        assert_eq!(host.stored.epoch, epoch + 1);
        let zombie = old.iter().map(|d| Settlement { position: d.position, token: d.token, verb: Verb::Ack });
        let request = host.settle_with(zombie.collect());
        assert!(host.answers[&request].iter().all(|item| item.result == Stale));
        for _ in 0..3 {
            if let Some(position) = host.out().first().copied() {
                assert_eq!(host.inbox[&position].attempt, 1, "being replaced is no failure");
                assert_eq!(host.ack(&[position]), [Ok]);
                settled.push(position);
            }
        }
        if session % 3 == 0 {
            host.detach(SessionId([session; 16]), session % 2 == 0);
            host.run();
            host.attach(SessionId([session; 16]), Window { records: 7, bytes: 1 << 20 }, false);
        }
    }
    settled.sort_unstable();
    assert_eq!(settled, (1..=400).collect::<Vec<_>>(), "each once");
    assert!(host.is_finished() && host.stored.dead.is_empty());
}

#[test]
fn pitfall_08_acks_out_of_order_a_hundred_thousand_wide_then_killed() {
    const WIDTH: u64 = 100_000;
    let mut wide = spec();
    wide.max_in_flight = 200_000;
    let mut host = host_with(wide, WIDTH as usize);
    assert_eq!(host.out().len(), WIDTH as usize);
    let evens: Vec<_> = (1..=WIDTH / 2).rev().map(|half| half * 2).collect();
    for chunk in evens.chunks(5_000) {
        assert!(host.ack(chunk).iter().all(|result| *result == Ok));
        let touched = host.persists.last().expect("a change").delta.put_chunks.len();
        assert!(touched <= 4, "{touched} chunks for one stretch of 10,000 positions");
    }
    assert_eq!(host.stored.floor, 0);
    host.sent_now();
    host.crash();
    host.attach(TWO, WIDE, false);
    assert_eq!(host.sent_now(), (1..=WIDTH).step_by(2).collect::<Vec<_>>());
    host.ack(&host.out());
    assert_eq!(host.stored.floor, WIDTH);
    assert!(host.is_finished());
}

#[test]
fn pitfall_09_redrive_killed_half_way() {
    for committed in [false, true] {
        let mut host = host_with(spec(), 10);
        host.say(&(1..=10).map(|position| (position, reject("no"))).collect::<Vec<_>>());
        let letters: Vec<_> = host.letters.values().cloned().collect();
        host.hold = true;
        host.engine.redrive(host.now, letters[..5].to_vec());
        host.engine.redrive(host.now, letters[5..].to_vec());
        host.run();
        host.let_go(true);
        if let (true, Some(Output::Persist(persist))) = (committed, host.held.iter().find(|o| matches!(o, Output::Persist(_)))) {
            let persist = persist.clone();
            host.keep(&persist);
        }
        host.hold = false;
        host.crash();
        let expected = if committed { 10 } else { 5 };
        assert_eq!((host.stored.retrying.len(), host.stored.dead.len()), (expected, 10 - expected as u64));
        host.engine.redrive(host.now, letters);
        host.run();
        host.attach(TWO, WIDE, false);
        host.sent_now();
        assert_eq!(host.out(), (1..=10).collect::<Vec<_>>(), "none lost, none doubled");
        assert_eq!(host.ack(&host.out()), vec![Ok; 10]);
        assert!(host.is_finished() && host.stored.dead.is_empty());
    }
}

#[test]
fn pitfall_10_seek_during_delivery_makes_old_tokens_stale() {
    let mut host = host_with(spec(), 10);
    host.ack(&[1, 2, 3]);
    let old: Vec<_> = host.inbox.values().copied().collect();
    // A seek back to 2: the state begins anew under a higher epoch.
    host.stored = SubscriptionState { epoch: host.stored.epoch + 1, floor: 1, ..fresh_state(spec()) };
    host.crash();
    host.attach(ONE, WIDE, false);
    let items = old.iter().map(|d| Settlement { position: d.position, token: d.token, verb: Verb::Ack });
    let request = host.settle_with(items.collect());
    assert!(host.answers[&request].iter().all(|item| item.result == Stale));
    assert_eq!(host.out(), (2..=10).collect::<Vec<_>>());
}

#[test]
fn pitfall_12_a_sparse_filter_over_millions_resumes_where_it_was() {
    const SKIPPED: Position = 10_000_000;
    let mut sparse = spec();
    sparse.max_span = u32::MAX;
    let mut host = Host::with(sparse.clone(), &["a"]);
    host.ack(&[1]);
    host.engine.appended(SKIPPED);
    host.engine.rows(host.now, 1, SKIPPED, Vec::new());
    host.engine.tick(host.now + 10 * SECOND);
    for output in host.engine.take_outputs() {
        host.on(output);
    }
    let delta = &host.persists.last().expect("skips").delta;
    assert_eq!((delta.floor, delta.put_chunks.len()), (Some(SKIPPED), 0), "one number");
    // With a delivery out at the floor the chunks say what was skipped.
    let mut host = Host::with(sparse, &["a"]);
    host.engine.appended(500_000);
    host.engine.rows(host.now, 1, 500_000, Vec::new());
    host.engine.tick(host.now + 10 * SECOND);
    for output in host.engine.take_outputs() {
        host.on(output);
    }
    let mut engine = Engine::load(host.stored.clone(), 7);
    engine.appended(500_000);
    engine.attach(host.now, TWO, "gacc/2".into(), WIDE, false, false).expect("attached");
    engine.persisted(1, host.now);
    assert_eq!(engine.wants(), Some(Want::Scan { after: 0, upto: 500_000, max: 2_000 }));
    engine.rows(host.now, 0, 1, vec![host.candidate(1).expect("it matches")]);
    assert_eq!((engine.wants(), engine.status().scanned), (None, 500_000), "nothing is read twice");
}

#[test]
fn pitfall_13_a_client_that_never_reads_costs_a_bounded_look_ahead() {
    let mut host = Host::new(spec());
    host.attach(ONE, Window { records: 100, bytes: 1 << 30 }, false);
    host.publish(&keys(20_000).iter().map(String::as_str).collect::<Vec<_>>());
    let status = host.engine.status();
    assert_eq!((status.in_flight, status.pause), (100, Some(PauseReason::Window)));
    assert!(status.scanned <= 100 + 2_000 + 50, "{} read", status.scanned);
    assert_eq!(host.engine.wants(), None);
}

#[test]
fn pitfall_14_a_client_that_never_settles_sees_why_it_gets_nothing() {
    let mut host = Host::new(spec());
    host.attach(ONE, Window { records: 2, bytes: 1 << 30 }, false);
    host.publish(&["a", "b", "c"]);
    assert_eq!(host.engine.status().pause, Some(PauseReason::Window));
    assert_eq!(host.ack(&[1]), [Ok]);
    assert_eq!(host.ack(&[2]), [Ok]);
    assert_eq!(host.engine.status().pause, None);
}

#[test]
fn pitfall_17_settle_confirmed_then_killed() {
    for kill_after in 1..=20 {
        let mut host = host_with(spec(), 20);
        let mut confirmed = Vec::new();
        for position in (1..=kill_after).rev() {
            assert_eq!(host.ack(&[position]), [Ok]);
            confirmed.push(position);
        }
        host.sent_now();
        host.crash();
        host.attach(TWO, WIDE, false);
        assert!(host.sent_now().iter().all(|position| !confirmed.contains(position)));
    }
}

#[test]
fn pitfall_18_max_attempts_lowered_below_the_count_dead_letters_at_once() {
    for on_dead_letter in [OnDeadLetter::Continue, OnDeadLetter::Block] {
        let mut host = Host::with(spec(), &["a", "a", "b"]);
        for _ in 0..4 {
            host.say(&[(1, retry("no"))]);
            host.wait(20);
        }
        host.say(&[(1, retry("no")), (3, retry("no"))]);
        host.stored.row.spec.retry.max_attempts = 5;
        host.stored.row.spec.on_dead_letter = on_dead_letter;
        host.crash();
        assert_eq!(host.letters.keys().copied().collect::<Vec<_>>(), [1], "with nobody attached");
        let letter = &host.letters[&1];
        assert_eq!((letter.reason.as_str(), letter.history.len()), ("max_attempts", 5));
        assert_eq!(host.persists.last().expect("a change").tally.dead, [1]);
        host.attach(TWO, WIDE, false);
        assert_eq!(host.out().contains(&2), on_dead_letter == OnDeadLetter::Continue);
    }
}

#[test]
fn pitfall_19_the_window_slot_returns_after_a_retry_of_a_full_window() {
    let mut host = Host::new(spec());
    host.attach(ONE, Window { records: 3, bytes: 300 }, false);
    host.publish(&["a", "b", "c", "d", "e", "f"]);
    assert_eq!(host.out(), [1, 2, 3]);
    host.say(&[(1, retry("no")), (2, retry("no")), (3, retry("no"))]);
    assert_eq!(host.out(), [4, 5, 6]);
    host.say(&[(4, reject("no")), (5, Verb::Ack), (6, retry("no"))]);
    host.wait(3);
    assert_eq!(host.out(), [1, 2, 3]);
    assert_eq!(host.engine.status().in_flight_bytes, 300);
}

#[test]
fn pitfall_20_a_storage_error_on_one_settle_does_not_stop_later_ones() {
    let mut host = host_with(spec(), 6);
    host.hold = true;
    for _ in 0..3 {
        let first = host.settle(&[(1, Verb::Ack), (2, retry("no"))]);
        let second = host.settle(&[(3, Verb::Ack)]);
        host.let_go(false);
        assert!(host.answers[&first].iter().all(|item| item.result == Retryable));
        host.let_go(false);
        assert_eq!(host.answers[&second][0].result, Retryable);
    }
    host.hold = false;
    assert_eq!(host.ack(&[1, 2, 3, 4, 5, 6]), vec![Ok; 6]);
    assert!(host.is_finished());
}

#[test]
fn pitfall_21_both_windows_full_settles_still_get_through() {
    let mut host = Host::new(spec());
    host.attach(ONE, Window { records: 4, bytes: 1 << 20 }, false);
    host.publish(&["a", "b", "c", "d", "e", "f", "g", "h"]);
    host.hold = true;
    host.engine.window(host.now, Window { records: 6, bytes: 1 << 20 });
    host.run();
    // The disclosure of 5 and 6 hangs; the settle does not wait for it.
    let reserve = host.held.pop_front().expect("a reservation");
    assert!(matches!(reserve, Output::Reserve { .. }));
    let request = host.settle(&[(1, Verb::Ack), (2, Verb::Ack)]);
    host.let_go(true);
    assert!(host.answers[&request].iter().all(|item| item.result == Ok));
    host.held.push_front(reserve);
    host.let_go(true);
    host.let_go(true);
    host.inbox.remove(&1);
    host.inbox.remove(&2);
    assert_eq!(host.out(), (3..=8).collect::<Vec<_>>());
}

#[test]
fn each_pitfall_is_a_named_test_somewhere() {
    let here = include_str!("pitfalls.rs");
    let commit_path = include_str!("../../../../tests/commit_path/pitfalls.rs");
    let end_to_end = include_str!("../../../../tests/end_to_end.rs");
    for number in 1..=21 {
        let name = format!("fn pitfall_{number:02}_");
        assert!([here, commit_path, end_to_end].iter().any(|file| file.contains(&name)), "{name}");
    }
}
