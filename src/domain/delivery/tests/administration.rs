//! Pausing, seeking, and settings that change.

use super::*;

fn seek(host: &mut Host, floor: Position) {
    host.engine.seek(host.now, Target { floor, snapshot_at: 0 });
    host.run();
}

fn update(host: &mut Host, revision: u64, change: impl FnOnce(&mut SubscriptionSpec)) {
    let mut spec = host.stored.row.spec.clone();
    change(&mut spec);
    host.engine.update(host.now, revision, spec);
    host.run();
}

fn reasons(host: &Host) -> Vec<(Position, LossReason)> {
    host.lost.iter().map(|lost| (lost.position, lost.reason)).collect()
}

#[test]
fn a_pause_outlives_a_crash_and_ends_only_when_asked() {
    let mut host = Host::with(spec(), &["a", "b"]);
    host.engine.pause(host.now, true);
    host.run();
    assert!(host.stored.paused_since.is_some());
    host.publish(&["c"]);
    assert_eq!((host.out(), host.engine.status().pause), (vec![1, 2], Some(PauseReason::Paused)));
    assert_eq!(host.ack(&[1]), [SettleResult::Ok], "what is out may be settled");
    host.crash();
    assert_eq!(host.engine.status().pause, Some(PauseReason::Paused), "said although nobody is attached");
    host.attach(TWO, WIDE, false);
    assert!(host.out().is_empty());
    host.engine.pause(host.now, false);
    host.run();
    assert_eq!((host.out(), host.engine.status().pause), (vec![2, 3], None));
    assert_eq!(host.stored.paused_since, None);
}

#[test]
fn asked_twice_it_is_done_once() {
    let mut host = Host::with(spec(), &["a"]);
    let before = host.persists.len();
    for paused in [false, true, true, false, false] {
        host.engine.pause(host.now, paused);
        host.run();
    }
    let kinds: Vec<_> = host.persists[before..].iter().map(|persist| persist.kind.clone()).collect();
    assert_eq!(kinds, [PersistKind::Pause, PersistKind::Resume]);
    assert_eq!(host.uncommitted, [(PersistKind::Resume, None), (PersistKind::Pause, None), (PersistKind::Resume, None)]);
}

#[test]
fn going_on_closes_an_open_circuit() {
    let mut spec = spec();
    spec.retry.pause_after_failures = 2;
    let mut host = Host::with(spec, &["a", "b", "c"]);
    host.say(&[(1, retry("down")), (2, retry("down"))]);
    assert_eq!(host.engine.status().pause, Some(PauseReason::CircuitOpen));
    host.engine.pause(host.now, false);
    host.run();
    assert_eq!((host.stored.circuit_open_since, host.stored.consecutive_failures), (None, 0));
    host.wait(5);
    assert_eq!(host.out(), [1, 2, 3]);
}

#[test]
fn a_pause_that_is_not_stored_is_none() {
    let mut host = Host::with(spec(), &["a"]);
    host.hold = true;
    host.engine.pause(host.now, true);
    host.run();
    assert!(host.let_go(false));
    assert_eq!(host.engine.status().pause, None);
    assert_eq!(host.stored.paused_since, None);
}

#[test]
fn a_seek_back_sends_again_what_was_settled_but_no_dead_letter() {
    let mut host = Host::with(spec(), &["a", "b", "a", "c", "d"]);
    host.ack(&[1, 3]);
    host.say(&[(2, reject("no")), (4, retry("busy"))]);
    host.sent_now();
    let epoch = host.stored.epoch;
    seek(&mut host, 0);
    assert_eq!(reasons(&host), [(5, LossReason::Sought)]);
    assert_eq!(host.sent_now(), [1, 3, 4, 5], "the dead letter stays where it is");
    assert!(host.inbox.values().all(|delivery| delivery.attempt == 1 && delivery.token.epoch == epoch + 1));
    assert_eq!((host.stored.floor, host.stored.retrying.len(), host.stored.dead.len()), (0, 0, 1));
    host.ack(&[1, 3, 4, 5]);
    assert!(host.is_finished());
    host.crash();
    host.attach(TWO, WIDE, false);
    assert!(host.sent_now().is_empty());
}

#[test]
fn what_was_given_out_before_a_seek_settles_nothing() {
    let mut host = Host::with(spec(), &["a", "b", "c"]);
    host.ack(&[3]);
    let old: Vec<_> = host.inbox.values().map(|delivery| (delivery.position, delivery.token)).collect();
    let third = host.sent.iter().find(|delivery| delivery.position == 3).map(|delivery| (3, delivery.token));
    let items = |verb: &Verb| -> Vec<Settlement> {
        let all = old.iter().copied().chain(third);
        all.map(|(position, token)| Settlement { position, token, verb: verb.clone() }).collect()
    };
    for floor in [0, 3] {
        seek(&mut host, floor);
        for verb in [Verb::Ack, Verb::Release, retry("x"), reject("x"), Verb::Extend { ms: 9_000 }] {
            let request = host.settle_with(items(&verb));
            let results: Vec<_> = host.answers[&request].iter().map(|item| item.result).collect();
            assert_eq!(results, [SettleResult::Stale; 3], "{verb:?} after a seek to {floor}");
        }
        assert_eq!(host.stored.floor, floor, "nothing was settled");
    }
    host.crash();
    let request = host.settle_with(items(&Verb::Ack));
    assert!(host.answers[&request].iter().all(|item| item.result == SettleResult::Stale), "after a start just as before");
}

#[test]
fn a_seek_forward_passes_everything_below_and_frees_what_was_blocked() {
    let mut blocking = spec();
    blocking.on_dead_letter = OnDeadLetter::Block;
    let mut host = Host::with(blocking, &["a", "a", "b", "b", "a", "c"]);
    host.say(&[(1, reject("no")), (3, retry("busy"))]);
    assert_eq!((host.stored.blocked.len(), host.stored.retrying.len()), (2, 1));
    host.sent_now();
    seek(&mut host, 4);
    assert_eq!(host.sent_now(), [5, 6]);
    assert!(host.stored.blocked.is_empty() && host.stored.retrying.is_empty());
    assert_eq!(host.stored.dead.iter().collect::<Vec<_>>(), [1]);
    host.ack(&[5, 6]);
    let letters = host.letters.values().cloned().collect();
    host.engine.redrive(host.now, letters);
    host.run();
    assert_eq!(host.out(), [1], "the letter can still be redriven");
    host.ack(&[1]);
    assert!(host.is_finished());
}

#[test]
fn settles_before_a_seek_stand_and_those_behind_it_do_not() {
    let mut host = Host::with(spec(), &["a", "b"]);
    let tokens: Vec<_> = host.inbox.values().map(|delivery| delivery.token).collect();
    let ack = |position: Position| Settlement { position, token: tokens[position as usize - 1], verb: Verb::Ack };
    host.hold = true;
    host.engine.settle(host.now, 1, vec![ack(1)]);
    host.engine.seek(host.now, Target { floor: 0, snapshot_at: 0 });
    host.engine.settle(host.now, 2, vec![ack(2)]);
    host.run();
    while host.let_go(true) {}
    assert_eq!(host.answers[&1][0].result, SettleResult::Ok);
    assert_eq!(host.answers[&2][0].result, SettleResult::Stale);
    assert_eq!(host.out(), [1, 2]);
}

#[test]
fn a_seek_waits_for_the_disclosures_under_way() {
    let mut host = Host::new(spec());
    host.publish(&["a", "b"]);
    host.attach(ONE, Window { records: 1, bytes: 1 << 20 }, false);
    host.ack(&[1]);
    host.sent_now();
    host.hold = true;
    host.engine.window(host.now, WIDE);
    host.publish(&["c"]);
    assert!(host.held.iter().any(|output| matches!(output, Output::Reserve { .. })));
    host.engine.seek(host.now, Target { floor: 1, snapshot_at: 0 });
    host.publish(&["d"]);
    // Its epoch would fence them, and what is recorded as disclosed would never have been sent.
    assert_eq!(host.held.len(), 1, "nothing more is reserved");
    assert!(host.held.iter().all(|output| matches!(output, Output::Reserve { .. })), "{:?}", host.held);
    while host.let_go(true) {}
    assert_eq!(reasons(&host), [(2, LossReason::Sought), (3, LossReason::Sought)]);
    let epochs: Vec<_> = host.inbox.values().map(|delivery| (delivery.position, delivery.token.epoch)).collect();
    assert_eq!(epochs, [(2, host.stored.epoch), (3, host.stored.epoch), (4, host.stored.epoch)]);
}

#[test]
fn a_seek_that_is_not_stored_changes_nothing() {
    let mut host = Host::with(spec(), &["a", "b"]);
    host.ack(&[1]);
    host.hold = true;
    host.engine.seek(host.now, Target { floor: 0, snapshot_at: 2 });
    host.run();
    let before = host.stored.clone();
    host.let_go(false);
    assert_eq!((&host.stored, host.out()), (&before, vec![2]));
    host.hold = false;
    assert_eq!(host.ack(&[2]), [SettleResult::Ok]);
}

#[test]
fn settings_are_replaced_only_as_they_were_read() {
    let mut host = Host::with(spec(), &["a"]);
    update(&mut host, 1, |spec| spec.max_in_flight = 5);
    assert_eq!((host.stored.settings_revision, host.stored.row.spec.max_in_flight), (2, 5));
    update(&mut host, 1, |spec| spec.max_in_flight = 6);
    assert_eq!(host.uncommitted, [(PersistKind::Update, Some(2))]);
    update(&mut host, 1, |_| {});
    assert_eq!(host.uncommitted[1..], [(PersistKind::Update, None)], "what stands already is no conflict");
    assert_eq!(host.stored.row.spec.max_in_flight, 5);
    assert_eq!(host.out(), [1], "a limit takes nothing back");
}

#[test]
fn another_filter_judges_what_is_not_passed() {
    let mut host = Host::with(spec(), &["a", "-", "b", "-", "c"]);
    host.ack(&[1]);
    host.sent_now();
    // What the filter selects changes with the ledger of the test: 2 and 4 are for this subscription now, 3 is not.
    host.ledger[1] = Some(("x".into(), 10));
    host.ledger[2] = None;
    host.ledger[3] = Some(("y".into(), 10));
    update(&mut host, 1, |spec| spec.filter.product_kinds = 1);
    assert_eq!(reasons(&host), [(3, LossReason::Updated), (5, LossReason::Updated)]);
    assert_eq!(host.sent_now(), [4, 5], "2 was passed over for good, 3 is not wanted any more");
    assert!(host.inbox.values().all(|delivery| delivery.attempt == 1));
    host.ack(&[4, 5]);
    assert!(host.is_finished());
}

#[test]
fn a_limit_below_what_has_failed_buries_at_once() {
    let mut host = Host::with(spec(), &["a", "b", "c"]);
    for _ in 0..3 {
        host.say(&[(1, Verb::Retry { delay_ms: 1, reason: "busy".into() })]);
        host.wait(1);
    }
    host.say(&[(1, retry("busy"))]);
    update(&mut host, 1, |spec| spec.retry.max_attempts = 3);
    host.wait(1);
    assert_eq!(host.stored.dead.iter().collect::<Vec<_>>(), [1]);
    assert!(host.stored.retrying.is_empty());
}

#[test]
fn other_retries_keep_the_times_that_were_set() {
    let mut host = Host::with(spec(), &["a", "b"]);
    host.say(&[(1, Verb::Retry { delay_ms: 60_000, reason: "busy".into() })]);
    let due = host.engine.next_deadline();
    update(&mut host, 1, |spec| spec.retry.rate_per_second = 1);
    assert_eq!((host.out(), host.engine.next_deadline()), (vec![2], due.map(|due| due.min(host.now + 30 * SECOND))));
    host.ack(&[2]);
    host.wait(61);
    assert_eq!(host.out(), [1]);
}

#[test]
fn dead_letters_that_no_longer_block_let_go() {
    let mut blocking = spec();
    blocking.on_dead_letter = OnDeadLetter::Block;
    let mut host = Host::with(blocking, &["a", "a", "a"]);
    host.say(&[(1, reject("no"))]);
    assert!(host.out().is_empty());
    update(&mut host, 1, |spec| spec.on_dead_letter = OnDeadLetter::Continue);
    assert_eq!(host.out(), [2, 3]);
    host.ack(&[2, 3]);
    assert!(host.is_finished());
}
