//! Sessions, leases, windows, pauses.

use super::*;

use SettleResult::{Ok, Stale};

#[test]
fn nothing_is_sent_before_the_epoch_is_durable() {
    let mut host = Host::new(spec());
    host.hold = true;
    host.publish(&["a"]);
    host.attach(ONE, WIDE, false);
    assert!(host.sent.is_empty() && host.attached.is_empty());
    assert_eq!(host.held.len(), 1);
    host.let_go(true);
    assert_eq!(host.attached, [(ONE, 1, false)]);
    host.let_go(true);
    assert_eq!(host.sent[0].token.epoch, 1);
}

#[test]
fn a_disclosure_that_fails_sends_nothing_and_counts_nothing() {
    let mut host = Host::with(spec(), &[]);
    host.hold = true;
    host.publish(&["a", "a", "b"]);
    host.let_go(false);
    assert!(host.sent.is_empty());
    host.let_go(true);
    assert_eq!(host.sent.iter().map(|d| (d.position, d.attempt)).collect::<Vec<_>>(), [(1, 1), (2, 1), (3, 1)]);
}

#[test]
fn batches_are_sent_in_the_order_reserved() {
    let mut host = Host::with(spec(), &[]);
    host.hold = true;
    host.publish(&["a"]);
    host.publish(&["a"]);
    let second = host.held.pop_back().expect("two batches");
    assert!(matches!(second, Output::Reserve { batch_id: 2, .. }));
    host.engine.committed(2, host.now);
    host.run();
    assert!(host.sent.is_empty(), "the first is not committed");
    host.let_go(false);
    host.let_go(true);
    assert_eq!(host.sent_now(), [1, 2], "2 was not sent ahead of 1");
}

#[test]
fn a_lease_that_runs_out_counts_and_is_told() {
    let mut host = Host::with(spec(), &["a"]);
    let token = host.inbox[&1].token;
    host.wait(29);
    assert!(host.lost.is_empty());
    host.wait(1);
    assert_eq!(host.lost, [LostLease { position: 1, token, reason: LossReason::Expired }]);
    assert_eq!(host.stored.retrying[&1].failures, 1);
    assert_eq!(host.persists.last().expect("a change").kind, PersistKind::Failures);
    let late = host.settle_with(vec![Settlement { position: 1, token, verb: Verb::Ack }]);
    assert_eq!(host.answers[&late][0].result, Stale);
    host.wait(2);
    assert_eq!(host.inbox[&1].attempt, 2);
}

#[test]
fn extending_is_bounded_by_the_total() {
    let mut spec = spec();
    spec.lease_total_ms = 60_000;
    let mut host = Host::with(spec, &["a"]);
    host.wait(20);
    assert_eq!(host.say(&[(1, Verb::Extend { ms: 30_000 })]), [Ok]);
    host.wait(29);
    assert_eq!(host.say(&[(1, Verb::Extend { ms: 3_000_000 })]), [Ok]);
    host.wait(10);
    assert!(host.lost.is_empty());
    host.wait(1);
    assert_eq!(host.lost.len(), 1);
}

#[test]
fn no_lease_runs_out_while_its_settle_waits_or_the_store_is_stalled() {
    let mut host = Host::with(spec(), &["a", "b"]);
    host.hold = true;
    let request = host.settle(&[(1, Verb::Ack)]);
    host.engine.store_stalled(host.now, true);
    host.wait(100);
    assert!(host.lost.is_empty());
    assert_eq!(host.engine.next_deadline(), None, "a commit is under way");
    host.let_go(false);
    assert_eq!(host.answers[&request][0].result, SettleResult::Retryable);
    for _ in 0..50 {
        host.wait(20);
        assert!(host.lost.is_empty(), "both are past their time, but nothing can be committed");
        while host.let_go(false) {}
    }
    host.engine.store_stalled(host.now, false);
    host.wait(29);
    assert!(host.lost.is_empty(), "the leases start anew");
    host.wait(1);
    host.let_go(true);
    assert_eq!(host.lost.len(), 2, "they run out then");
}

#[test]
fn after_a_stall_an_idle_subscription_finds_out_that_the_store_is_back() {
    // The consumer hangs: it settles nothing and there is nothing to send, so no other commit would show it.
    let mut host = Host::with(spec(), &["a"]);
    host.engine.store_stalled(host.now, true);
    let deadline = host.engine.next_deadline().expect("the store is tried when the lease is over");
    assert_eq!(deadline, host.now + 30 * SECOND);
    host.wait(30);
    let tried = host.persists.last().expect("it is tried");
    assert_eq!((tried.kind.clone(), tried.tally.clone()), (PersistKind::Skips, Tally::default()));
    assert!(host.lost.is_empty(), "while it was stalled nothing ran out");
    host.wait(30);
    assert_eq!(host.lost.iter().map(|lost| lost.reason).collect::<Vec<_>>(), [LossReason::Expired]);
}

#[test]
fn a_session_that_could_not_come_back_to_a_stalled_store_is_not_given_up() {
    let mut host = Host::with(spec(), &["a"]);
    let token = host.inbox[&1].token;
    host.detach(ONE, false);
    host.hold = true;
    host.engine.attach(host.now, ONE, "gacc/1".into(), WIDE, false, false).expect("asked");
    host.run();
    host.engine.store_stalled(host.now, true);
    host.let_go(false);
    host.wait(60);
    host.hold = false;
    while host.let_go(true) {}
    host.wait(9);
    host.attach(ONE, WIDE, false);
    assert_eq!(host.attached.last().map(|(_, _, resumed)| *resumed), Some(true));
    assert_eq!((host.inbox[&1].token, host.inbox[&1].attempt), (token, 1));
}

#[test]
fn retries_beyond_the_look_ahead_wake_nobody() {
    let mut host = Host::new(spec());
    host.engine = Engine::load(host.stored.clone(), 7).with_bounds(Bounds { look_ahead: 2, ..Bounds::default() });
    host.attach(ONE, Window { records: 4, bytes: 1 << 30 }, false);
    host.publish(&["a", "b", "c", "d"]);
    let soon = || Verb::Retry { delay_ms: 1, reason: "busy".into() };
    host.say(&[(1, soon()), (2, soon()), (3, soon()), (4, soon())]);
    host.engine.window(host.now, Window { records: 0, bytes: 1 << 30 });
    host.wait(5);
    assert_eq!(host.out(), Vec::<Position>::new());
    assert!(host.engine.next_deadline().is_none_or(|at| at > host.now), "{:?}", host.engine.next_deadline());
    host.engine.window(host.now, WIDE);
    host.wait(1);
    assert_eq!(host.out(), [1, 2, 3, 4]);
}

#[test]
fn another_attach_is_refused_or_takes_over() {
    let mut host = Host::with(spec(), &["a", "b"]);
    let refused = host.engine.attach(host.now, TWO, "gacc/2".into(), WIDE, false, false);
    assert_eq!(refused, Err(AttachRefused { holder: "gacc/1".into() }));
    let old = host.inbox[&1].token;
    host.attach(TWO, WIDE, true);
    assert_eq!(host.displaced, [ONE]);
    assert_eq!(host.lost.iter().map(|l| l.reason).collect::<Vec<_>>(), [LossReason::TakenOver; 2]);
    assert_eq!(host.stored.epoch, 2);
    let request = host.settle_with(vec![Settlement { position: 1, token: old, verb: Verb::Ack }]);
    assert_eq!(host.answers[&request][0].result, Stale);
    assert_eq!(host.inbox[&1].attempt, 1, "being taken over is no failure");
}

#[test]
fn the_same_session_keeps_its_leases() {
    let mut host = Host::with(spec(), &["a", "b"]);
    host.detach(ONE, false);
    host.wait(9);
    host.publish(&["c"]);
    assert_eq!(host.sent_now(), [1, 2], "nothing is sent to a broken stream");
    let token = host.inbox[&1].token;
    host.attach(ONE, WIDE, false);
    assert_eq!(host.attached.last(), Some(&(ONE, 2, true)));
    assert_eq!(host.inbox[&1].token, token);
    assert_eq!(host.sent_now(), [1, 2, 3], "what the broken stream may have lost is sent once more");
    assert!(host.inbox.values().all(|delivery| delivery.attempt == 1), "and counts as no other attempt");
    assert_eq!(host.ack(&[1, 2, 3]), [Ok, Ok, Ok]);
}

#[test]
fn no_disclosure_is_overtaken_by_an_attach() {
    // The session comes back before its broken stream was noticed, while there is something to send.
    for session in [ONE, TWO] {
        let mut host = Host::with(spec(), &[]);
        host.hold = true;
        host.publish(&["a"]);
        let consumer = Consumer::from("gacc/again");
        host.engine.attach(host.now, session, consumer, WIDE, false, true).expect("attached");
        host.publish(&["b"]);
        let is_reserve = |output: &Output| matches!(output, Output::Reserve { .. });
        assert_eq!(host.held.iter().map(is_reserve).collect::<Vec<_>>(), [true], "the attach waits for it");
        host.let_go(true);
        assert_eq!(host.held.iter().map(is_reserve).collect::<Vec<_>>(), [false], "and nothing is reserved under the old epoch");
        host.let_go(true);
        assert_eq!(host.attached.last(), Some(&(session, 2, session == ONE)));
        while host.let_go(true) {}
        assert!(host.out().contains(&2) || session == TWO);
        assert_eq!(host.sent.iter().map(|delivery| delivery.token.epoch).max(), Some(2));
    }
}

#[test]
fn a_session_that_came_back_does_not_go_with_its_broken_stream() {
    // The end of the broken stream is noticed while the attach is under way, or when it stands.
    for is_late in [false, true] {
        let mut host = Host::with(spec(), &["a"]);
        host.hold = true;
        host.attach(ONE, WIDE, false);
        if is_late {
            host.let_go(true);
            host.engine.detach(host.now, 1, true);
        } else {
            host.engine.detach(host.now, 1, false);
            host.let_go(true);
        }
        host.hold = false;
        host.publish(&["b"]);
        assert_eq!(host.attached.last(), Some(&(ONE, 2, true)));
        assert_eq!(host.engine.pause_reason(), None, "{is_late}");
        assert_eq!(host.out(), [1, 2], "{is_late}");
    }
}

#[test]
fn a_session_that_could_not_come_back_goes_with_its_broken_stream() {
    let mut host = Host::with(spec(), &["a"]);
    host.hold = true;
    host.attach(ONE, WIDE, false);
    host.engine.detach(host.now, 1, false);
    host.let_go(false);
    host.hold = false;
    host.run();
    assert_eq!(host.engine.pause_reason(), Some(PauseReason::NoConsumer));
    host.wait(11);
    assert!(host.stored.retrying[&1].failures == 1, "it was lost with one out");
}

#[test]
fn a_session_lost_with_one_out_counts_it() {
    let mut host = Host::with(spec(), &["a"]);
    host.detach(ONE, false);
    host.wait(10);
    let row = &host.stored.retrying[&1];
    assert_eq!((row.failures, row.suspect, row.history[0].reason.as_str()), (1, true, "session_lost"));
}

#[test]
fn a_session_lost_with_several_out_counts_none_and_sends_each_alone() {
    let mut host = Host::with(spec(), &["a", "b", "a", "c"]);
    host.sent_now();
    host.detach(ONE, false);
    host.wait(10);
    assert!(host.stored.retrying.values().all(|row| row.suspect && row.failures == 0));
    assert_eq!(host.stored.retrying.len(), 4);
    host.publish(&["d"]);
    host.attach(TWO, WIDE, false);
    for position in 1..=4 {
        assert_eq!(host.out(), [position], "alone");
        assert_eq!(host.engine.status().pause, Some(PauseReason::MaxInFlight));
        assert_eq!(host.inbox[&position].attempt, 1);
        assert_eq!(host.ack(&[position]), [Ok]);
    }
    assert_eq!(host.ack(&[5]), [Ok]);
    assert!(host.is_finished());
}

#[test]
fn windows_in_records_and_bytes() {
    let mut host = Host::new(spec());
    host.ledger = vec![Some(("a".into(), 60)), Some(("b".into(), 60)), Some(("c".into(), 500)), Some(("d".into(), 10))];
    host.attach(ONE, Window { records: 3, bytes: 120 }, false);
    assert_eq!(host.out(), [1, 2]);
    assert_eq!(host.engine.status().pause, Some(PauseReason::Window));
    host.ack(&[1]);
    assert_eq!(host.out(), [2], "500 bytes do not fit");
    host.ack(&[2]);
    assert_eq!(host.out(), [3], "what is larger than the window goes alone");
    host.ack(&[3]);
    assert_eq!(host.out(), [4]);
    host.engine.window(host.now, Window { records: 1, bytes: 120 });
    host.publish(&["e", "f"]);
    assert_eq!(host.out(), [4]);
    host.engine.window(host.now, Window { records: 2, bytes: 120 });
    host.run();
    assert_eq!(host.out(), [4, 5]);
}

#[test]
fn who_has_not_taken_what_was_sent_gets_no_more() {
    let mut host = Host::with(spec(), &["a"]);
    host.engine.session_is_full(true);
    assert!(host.engine.ride().is_none());
    host.publish(&["b", "c"]);
    host.ack(&[1]);
    assert_eq!((host.out(), host.engine.pause_reason()), (vec![], None));
    host.engine.session_is_full(false);
    host.run();
    assert_eq!(host.out(), [2, 3]);
}

#[test]
fn pauses_have_reasons() {
    let mut small = spec();
    (small.max_in_flight, small.max_span) = (3, 4);
    let mut host = Host::with(small, &["a", "b", "c", "d", "e", "f", "g"]);
    assert_eq!(host.engine.status().pause, Some(PauseReason::MaxInFlight));
    host.ack(&[2, 3]);
    host.ack(&[4]);
    assert_eq!((host.out(), host.engine.status().pause), (vec![1], Some(PauseReason::MaxSpan)));
    host.engine.pause(host.now, true);
    host.run();
    assert_eq!(host.engine.status().pause, Some(PauseReason::Paused));
    host.engine.pause(host.now, false);
    host.ack(&[1]);
    assert_eq!(host.out(), [5, 6, 7]);
    host.engine.permit(host.now, false);
    host.run();
    assert_eq!(host.engine.status().pause, Some(PauseReason::NotPermitted));
    assert!(host.out().is_empty() && host.lost.iter().all(|lost| lost.reason == LossReason::NotPermitted));
    host.engine.permit(host.now, true);
    host.run();
    assert_eq!(host.out(), [5, 6, 7]);
    assert!(host.inbox.values().all(|delivery| delivery.attempt == 1));
    host.engine.drain(host.now);
    host.detach(ONE, true);
    host.run();
    assert_eq!(host.engine.status().pause, Some(PauseReason::NoConsumer));
}

#[test]
fn the_circuit_opens_and_no_new_attach_closes_it() {
    let mut spec = spec();
    spec.retry.pause_after_failures = 3;
    let mut host = Host::with(spec, &["a", "b", "c", "d", "e"]);
    host.say(&[(1, retry("down")), (2, retry("down"))]);
    host.ack(&[3]);
    assert_eq!(host.stored.consecutive_failures, 0);
    host.say(&[(4, retry("down")), (5, retry("down"))]);
    host.wait(5);
    assert_eq!(host.out(), [1, 2, 4, 5]);
    host.say(&[(1, retry("down"))]);
    assert_eq!(host.engine.status().pause, Some(PauseReason::CircuitOpen));
    assert!(host.stored.circuit_open_since.is_some());
    host.publish(&["f"]);
    host.crash();
    host.attach(TWO, WIDE, false);
    host.attach(ONE, WIDE, true);
    host.wait(10);
    assert_eq!((host.out().len(), host.engine.status().pause), (0, Some(PauseReason::CircuitOpen)));
    host.engine.pause(host.now, false);
    host.run();
    assert_eq!((host.stored.circuit_open_since, host.stored.consecutive_failures), (None, 0));
    host.wait(1);
    assert_eq!(host.out(), [1, 2, 4, 5, 6]);
}

#[test]
fn failures_in_a_row_are_counted_over_sessions() {
    let mut spec = spec();
    spec.retry.pause_after_failures = 3;
    let mut host = Host::with(spec, &["a", "b", "c"]);
    for (session, position) in [(TWO, 1), (ONE, 2), (TWO, 3)] {
        host.say(&[(position, retry("down"))]);
        let others: Vec<_> = host.out();
        host.say(&others.iter().map(|position| (*position, Verb::Release)).collect::<Vec<_>>());
        host.attach(session, WIDE, true);
    }
    assert_eq!((host.stored.consecutive_failures, host.engine.status().pause), (3, Some(PauseReason::CircuitOpen)));
}

#[test]
fn a_seek_closes_the_circuit() {
    let mut spec = spec();
    spec.retry.pause_after_failures = 1;
    let mut host = Host::with(spec, &["a", "b"]);
    host.say(&[(1, retry("down"))]);
    assert_eq!(host.engine.status().pause, Some(PauseReason::CircuitOpen));
    host.engine.seek(host.now, Target { floor: 1, snapshot_at: 0 });
    host.run();
    assert_eq!((host.stored.circuit_open_since, host.out()), (None, vec![2]));
}

#[test]
fn the_retry_rate_is_capped() {
    let mut spec = spec();
    spec.retry.rate_per_second = 10;
    let keys: Vec<_> = (0..100).map(|n| format!("k{n}")).collect();
    let mut host = Host::with(spec, &keys.iter().map(String::as_str).collect::<Vec<_>>());
    let all: Vec<_> = (1..=100).map(|position| (position, Verb::Retry { delay_ms: 1, reason: "x".into() })).collect();
    host.say(&all);
    host.sent_now();
    host.wait(100);
    let mut total = host.sent_now().len();
    assert!(total <= 10, "{total} at once");
    for _ in 0..9 {
        (0..100).for_each(|_| {
            host.now += SECOND / 100;
            host.run();
        });
        let sent = host.sent_now().len();
        assert!(sent <= 10, "{sent} in a second");
        total += sent;
    }
    assert!(total > 70, "{total} in nine seconds");
}

#[test]
fn skips_are_kept_without_an_act_within_ten_seconds() {
    let mut host = Host::with(spec(), &["-", "-", "-"]);
    assert_eq!((host.engine.status().floor, host.stored.floor), (3, 0));
    assert_eq!(host.engine.next_deadline(), Some(host.now + 10 * SECOND));
    host.wait(10);
    assert_eq!(host.stored.floor, 3);
    assert_eq!(host.persists.last().expect("a change").kind, PersistKind::Skips);
    assert_eq!(host.engine.next_deadline(), None);
}
