//! Verbs, attempts, leases, sessions, windows.

use super::*;

use SettleResult::{Ok, OutOfOrder, Retryable, Stale, Unknown};

#[test]
fn everything_is_sent_once_and_acks_move_the_floor() {
    let mut host = Host::with(spec(), &["a", "b", "-", "c"]);
    assert_eq!(host.sent_now(), [1, 2, 4]);
    assert_eq!(host.ack(&[2]), [Ok]);
    assert_eq!(host.stored.floor, 0);
    assert!(host.stored.is_passed(2) && !host.stored.is_passed(1));
    assert_eq!(host.ack(&[1, 4]), [Ok, Ok]);
    assert_eq!(host.stored.floor, 4);
    assert!(host.stored.chunks.is_empty() || host.stored.highest_passed() <= 4);
    assert!(host.sent_now().is_empty());
    assert!(host.is_finished());
}

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
fn a_retry_counts_and_comes_back_after_the_backoff() {
    let mut host = Host::with(spec(), &["a"]);
    assert_eq!(host.say(&[(1, retry("db down"))]), [Ok]);
    assert_eq!(host.stored.retrying[&1].failures, 1);
    assert_eq!(host.stored.retrying[&1].history[0].reason, "db down");
    assert_eq!(host.stored.retrying[&1].history[0].consumer, "gacc/1");
    assert_eq!(host.stored.floor, 1, "a retry pins nothing");
    let due = host.stored.retrying[&1].due - host.now;
    assert!((800_000..=1_200_000).contains(&due));
    assert_eq!(host.engine.next_deadline(), Some(host.now + due));
    host.sent_now();
    host.now += due - 1;
    host.run();
    assert!(host.sent.is_empty());
    host.now += 1;
    host.run();
    assert_eq!(host.sent[0].attempt, 2);
    assert_eq!(host.ack(&[1]), [Ok]);
    assert!(host.is_finished());
}

#[test]
fn a_delay_asked_for_overrides_the_backoff() {
    let mut host = Host::with(spec(), &["a"]);
    host.say(&[(1, Verb::Retry { delay_ms: 77_000, reason: "later".into() })]);
    assert_eq!(host.stored.retrying[&1].due, host.now + 77 * SECOND);
}

#[test]
fn attempts_used_up_and_non_retryable_reasons_go_to_the_dead_letters() {
    let mut spec = spec();
    spec.retry.max_attempts = 3;
    let mut host = Host::with(spec, &["a", "b"]);
    host.say(&[(2, retry("bad_data"))]);
    assert_eq!(host.letters[&2].reason, "bad_data");
    for attempt in 1..=3 {
        assert_eq!(host.inbox[&1].attempt, attempt);
        host.say(&[(1, retry("no"))]);
        host.wait(700);
    }
    let letter = &host.letters[&1];
    assert_eq!((letter.reason.as_str(), letter.history.len(), letter.record_id.as_str()), ("max_attempts", 3, "samr/1"));
    assert!(host.is_finished());
}

#[test]
fn a_rejection_is_a_dead_letter_with_its_history() {
    let mut host = Host::with(spec(), &["a"]);
    assert_eq!(host.say(&[(1, reject("unreadable"))]), [Ok]);
    assert_eq!((host.letters[&1].reason.as_str(), host.letters[&1].history.len()), ("unreadable", 1));
    assert!(host.is_finished());
}

#[test]
fn a_release_is_not_counted_and_comes_again() {
    let mut host = Host::with(spec(), &["a", "a", "a"]);
    host.sent_now();
    let old = host.inbox[&2];
    host.say(&[(1, Verb::Release), (2, Verb::Release), (3, Verb::Release)]);
    assert!(host.lost.is_empty(), "what was given back is not lost");
    assert_eq!(host.sent.iter().map(|d| (d.position, d.attempt)).collect::<Vec<_>>(), [(1, 1), (2, 1), (3, 1)]);
    assert_ne!(host.inbox[&2].token, old.token);
    let stale = Settlement { position: 2, token: old.token, verb: Verb::Release };
    let request = host.settle_with(vec![stale]);
    assert_eq!(host.answers[&request][0].result, Stale);
}

#[test]
fn idempotence_of_the_verbs() {
    let mut host = Host::with(spec(), &["a", "b", "c"]);
    let all: Vec<_> = host.inbox.values().copied().collect();
    host.say(&[(1, Verb::Ack), (2, reject("no")), (3, retry("no"))]);
    let repeat = |host: &mut Host| {
        let verbs = [Verb::Ack, reject("no"), retry("no"), Verb::Release];
        let items =
            all.iter().flat_map(|d| verbs.iter().map(|v| Settlement { position: d.position, token: d.token, verb: v.clone() }));
        let request = host.settle_with(items.collect());
        host.answers[&request].iter().map(|item| item.result).collect::<Vec<_>>()
    };
    let expected = [Ok, Stale, Stale, Stale, Stale, Ok, Stale, Stale, Stale, Stale, Stale, Stale];
    assert_eq!(repeat(&mut host), expected);
    host.crash();
    host.attach(TWO, WIDE, false);
    assert_eq!(repeat(&mut host), expected, "in any epoch");
}

#[test]
fn tokens_never_given_out_are_unknown() {
    let mut host = Host::with(spec(), &["a"]);
    for token in [Token { epoch: 1, send_number: 2 }, Token { epoch: 2, send_number: 1 }, Token { epoch: 0, send_number: 0 }] {
        for position in [0, 1, 99] {
            let request = host.settle_with(vec![Settlement { position, token, verb: Verb::Ack }]);
            assert_eq!(host.answers[&request][0].result, Unknown);
        }
    }
    assert_eq!(host.ack(&[1]), [Ok]);
}

#[test]
fn a_failed_commit_leaves_everything_as_it_was() {
    let mut host = Host::with(spec(), &["a", "a", "b", "c"]);
    host.hold = true;
    let before = host.engine.status();
    let items = [(1, Verb::Ack), (2, retry("no")), (3, reject("no")), (4, Verb::Release)];
    let request = host.settle(&items);
    let later = host.settle(&[(4, Verb::Ack)]);
    assert!(!host.answers.contains_key(&request));
    host.let_go(false);
    assert!(host.answers[&request].iter().all(|item| item.result == Retryable));
    assert!(!host.answers.contains_key(&later), "queued settles go on");
    assert_eq!(host.engine.status(), before);
    host.let_go(true);
    assert_eq!(host.answers[&later][0].result, Ok);
    host.hold = false;
    host.inbox.remove(&4);
    assert_eq!(host.say(&items[..3]), [Ok, Ok, Ok]);
    assert_eq!(host.stored.retrying.len(), 1);
    assert_eq!(host.stored.dead.len(), 1);
}

#[test]
fn settles_that_come_during_a_commit_become_one_change() {
    let mut host = Host::with(spec(), &["a", "b", "c", "d"]);
    host.hold = true;
    let requests: Vec<_> = (1..=4).map(|position| host.settle(&[(position, Verb::Ack)])).collect();
    assert_eq!(host.held.len(), 1);
    host.let_go(true);
    assert_eq!(host.held.len(), 1);
    host.let_go(true);
    assert_eq!(host.persists.last().expect("a change").tally.acked, [2, 3, 4]);
    assert!(requests.iter().all(|request| host.answers[request][0].result == Ok));
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
    assert_eq!(host.engine.next_deadline(), None);
    host.engine.store_stalled(host.now, false);
    host.let_go(true);
    assert_eq!(host.answers[&request][0].result, Ok);
    host.wait(29);
    assert!(host.lost.is_empty(), "the lease starts anew");
    host.wait(1);
    assert_eq!(host.held.len(), 1, "2 runs out then");
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
    host.engine.detach(host.now, ONE, false);
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
fn a_session_lost_with_one_out_counts_it() {
    let mut host = Host::with(spec(), &["a"]);
    host.engine.detach(host.now, ONE, false);
    host.wait(10);
    let row = &host.stored.retrying[&1];
    assert_eq!((row.failures, row.suspect, row.history[0].reason.as_str()), (1, true, "session_lost"));
}

#[test]
fn a_session_lost_with_several_out_counts_none_and_sends_each_alone() {
    let mut host = Host::with(spec(), &["a", "b", "a", "c"]);
    host.sent_now();
    host.engine.detach(host.now, ONE, false);
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
fn pauses_have_reasons() {
    let mut small = spec();
    (small.max_in_flight, small.max_span) = (3, 4);
    let mut host = Host::with(small, &["a", "b", "c", "d", "e", "f", "g"]);
    assert_eq!(host.engine.status().pause, Some(PauseReason::MaxInFlight));
    host.ack(&[2, 3]);
    host.ack(&[4]);
    assert_eq!((host.out(), host.engine.status().pause), (vec![1], Some(PauseReason::MaxSpan)));
    host.engine.pause(host.now, true);
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
    host.engine.detach(host.now, ONE, true);
    host.run();
    assert_eq!(host.engine.status().pause, Some(PauseReason::NoConsumer));
}

#[test]
fn the_circuit_opens_and_a_new_attach_closes_it() {
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
    assert_eq!(host.stored.circuit_open_since, None);
    host.wait(10);
    assert_eq!(host.out(), [1, 2, 4, 5, 6]);
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

#[test]
fn redriven_letters_start_again_marked_and_exempt_from_order() {
    let mut host = Host::with(spec(), &["a", "a", "b"]);
    host.say(&[(1, reject("no")), (2, retry("no"))]);
    let letter = host.letters[&1].clone();
    host.engine.redrive(host.now, vec![letter.clone()]);
    host.run();
    let delivery = host.inbox[&1];
    assert!(delivery.redriven && delivery.attempt == 1);
    assert_eq!((host.stored.retrying[&1].redrives, host.stored.retrying[&1].history.len()), (1, 1));
    host.engine.redrive(host.now, vec![letter]);
    host.run();
    assert_eq!(host.stored.retrying.len(), 2, "said again it changes nothing");
    assert_eq!(host.ack(&[1]), [Ok], "although 2 is to come again");
    host.say(&[(3, reject("no"))]);
    host.engine.discard(host.now, vec![3, 4, 5]);
    host.run();
    assert!(host.stored.dead.is_empty());
    assert_eq!(host.persists.last().expect("a change").tally.discarded, [3]);
    host.wait(2);
    host.ack(&[2]);
    assert!(host.is_finished());
}

#[test]
fn what_the_grant_no_longer_admits_is_withheld_from_the_retries() {
    let mut host = Host::with(spec(), &["a", "a"]);
    host.say(&[(1, retry("no"))]);
    host.ledger[0] = None;
    host.wait(2);
    assert_eq!(host.persists.iter().flat_map(|p| p.tally.withheld.clone()).collect::<Vec<_>>(), [1]);
    assert_eq!(host.out(), [2]);
    assert_eq!(host.ack(&[2]), [Ok]);
    assert!(host.is_finished());
}

#[test]
fn an_ack_out_of_turn_is_out_of_order() {
    let mut host = Host::with(spec(), &["a", "a", "a", "b"]);
    assert_eq!(host.ack(&[2]), [OutOfOrder]);
    assert_eq!(host.say(&[(3, retry("no"))]), [OutOfOrder]);
    assert_eq!(host.say(&[(3, reject("no"))]), [OutOfOrder]);
    assert_eq!(host.say(&[(3, Verb::Extend { ms: 60_000 })]), [Ok]);
    assert_eq!(host.ack(&[3, 2, 4, 1]), [Ok; 4], "a request may list them in any order");
}
