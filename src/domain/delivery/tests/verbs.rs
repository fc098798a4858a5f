//! Verbs, attempts, dead letters.

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
fn a_retry_counts_and_comes_back_after_the_backoff() {
    let mut host = Host::with(spec(), &["a"]);
    assert_eq!(host.say(&[(1, retry("db down"))]), [Ok]);
    assert_eq!(host.stored.retrying[&1].failures, 1);
    assert_eq!(host.stored.retrying[&1].history[0].reason, "db down");
    assert_eq!(host.stored.retrying[&1].history[0].consumer.system, "gacc/1");
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
    host.wait(1);
    assert_eq!(host.sent.iter().map(|d| (d.position, d.attempt)).collect::<Vec<_>>(), [(1, 1), (2, 1), (3, 1)]);
    assert_ne!(host.inbox[&2].token, old.token);
    let stale = Settlement { position: 2, token: old.token, verb: Verb::Release };
    let request = host.settle_with(vec![stale]);
    assert_eq!(host.answers[&request][0].result, Stale);
}

#[test]
fn who_gives_back_all_it_gets_does_not_get_it_back_at_once_for_ever() {
    let mut host = Host::with(spec(), &["a", "a", "b"]);
    host.ack(&[3]);
    host.sent_now();
    let mut rests = Vec::new();
    for _ in 0..11 {
        host.say(&[(1, Verb::Release)]);
        assert!(host.sent_now().is_empty(), "it comes back at once");
        assert_eq!(host.engine.pause_reason(), None);
        let rested = host.engine.next_deadline().expect("it comes again");
        rests.push((rested - host.now) / 1_000);
        host.now = rested;
        host.run();
        assert_eq!(host.sent_now(), [1, 2]);
        assert_eq!(host.inbox[&1].attempt, 1, "giving back counts as no attempt");
    }
    assert_eq!(rests, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
    assert!(host.stored.retrying.is_empty());
}

#[test]
fn what_rests_holds_up_nobody_else_and_another_session_gets_it_at_once() {
    let mut host = Host::with(spec(), &["a"]);
    host.say(&[(1, Verb::Release)]);
    host.sent_now();
    host.publish(&["b"]);
    assert_eq!(host.sent_now(), [2]);
    host.ack(&[2]);
    host.attach(TWO, WIDE, true);
    assert_eq!(host.sent_now(), [1]);
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
    host.discard(&[3, 4, 5]);
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
