//! Order per enterprise and total, blocking, catching up.

use super::*;

use SettleResult::{Ok, Stale};

#[test]
fn a_retry_takes_back_what_is_behind_it_and_only_that() {
    let mut host = Host::with(spec(), &["a", "b", "a", "a", "b"]);
    host.sent_now();
    let behind = [host.inbox[&3].token, host.inbox[&4].token];
    assert_eq!(host.say(&[(1, retry("no"))]), [Ok]);
    assert_eq!(
        host.lost.iter().map(|l| (l.position, l.reason)).collect::<Vec<_>>(),
        [(3, LossReason::TakenBack), (4, LossReason::TakenBack)]
    );
    assert_eq!(host.out(), [2, 5]);
    let key = OrderKey("a".into());
    assert_eq!((host.stored.blocked[&key].blocked_by, host.stored.blocked[&key].resume_after), (1, 1));
    assert_eq!(host.ack(&[2, 5]), [Ok, Ok]);
    assert_eq!(host.stored.floor, 5, "a blocked enterprise pins nothing");
    // A settle of what was taken back is void, although its position counts as passed; also after a restart.
    for _ in 0..2 {
        let items = [3, 4].into_iter().zip(behind).map(|(position, token)| Settlement { position, token, verb: Verb::Ack });
        let request = host.settle_with(items.collect());
        assert!(host.answers[&request].iter().all(|item| item.result == Stale));
        let request = host.settle_with(vec![Settlement { position: 2, token: behind[0], verb: Verb::Ack }]);
        assert_eq!(host.answers[&request][0].result, Ok, "while an ack that stands is OK");
        host.crash();
        host.attach(TWO, WIDE, false);
    }
    host.publish(&["a"]);
    host.sent_now();
    host.wait(2);
    assert_eq!(host.sent_now(), [1]);
    host.ack(&[1]);
    assert_eq!(host.sent_now(), [3, 4, 6], "in order after it");
    assert!(host.inbox.values().all(|delivery| delivery.attempt == 1), "and not counted");
    host.publish(&["a"]);
    assert_eq!(host.sent_now(), [7]);
    assert_eq!(host.ack(&[3, 4, 6, 7]), [Ok; 4]);
    assert!(host.is_finished());
}

#[test]
fn catching_up_fails_in_the_middle_and_survives_restarts() {
    let mut host = Host::with(spec(), &["a"; 6]);
    host.say(&[(1, retry("no"))]);
    host.wait(2);
    host.ack(&[1]);
    assert_eq!(host.ack(&[2, 3]), [Ok, Ok]);
    host.say(&[(4, retry("no"))]);
    assert_eq!(host.stored.blocked[&OrderKey("a".into())].resume_after, 4);
    host.crash();
    host.publish(&["a", "b"]);
    host.attach(TWO, WIDE, false);
    host.sent_now();
    host.wait(2);
    assert_eq!(host.sent_now(), [4]);
    host.ack(&[4, 8]);
    assert_eq!(host.sent_now(), [5, 6, 7]);
    host.ack(&[5]);
    host.crash();
    host.attach(ONE, WIDE, false);
    assert_eq!(host.sent_now(), [6, 7]);
    host.ack(&[6, 7]);
    assert!(host.is_finished());
    host.crash();
    host.attach(TWO, WIDE, false);
    assert!(host.sent_now().is_empty());
}

#[test]
fn dead_letters_block_the_enterprise_if_asked() {
    let mut block = spec();
    block.on_dead_letter = OnDeadLetter::Block;
    let mut host = Host::with(block, &["a", "b", "a"]);
    host.say(&[(1, reject("no"))]);
    host.ack(&[2]);
    assert_eq!(host.out(), Vec::<Position>::new());
    assert_eq!(host.engine.status().pause, Some(PauseReason::KeyBlocked));
    host.crash();
    host.attach(TWO, WIDE, false);
    host.publish(&["a", "b"]);
    assert_eq!(host.out(), [5]);
    host.discard(&[1]);
    host.run();
    assert_eq!(host.out(), [3, 4, 5]);
    host.say(&[(3, reject("no"))]);
    let letter = host.letters[&3].clone();
    host.engine.redrive(host.now, vec![letter]);
    host.run();
    assert_eq!(host.out(), [3, 4, 5], "redriving frees it too");
    assert_eq!(host.ack(&[4, 5, 3]), [Ok; 3]);
    assert!(host.is_finished());
}

#[test]
fn continue_lets_the_enterprise_go_on() {
    let mut host = Host::with(spec(), &["a", "a"]);
    assert_eq!(host.say(&[(1, reject("no"))]), [Ok]);
    assert_eq!(host.ack(&[2]), [Ok], "what was pipelined stays out");
    assert!(host.lost.is_empty() && host.is_finished());
}

#[test]
fn total_order_waits_for_every_earlier_one() {
    let mut total = spec();
    total.ordering = Ordering::Total;
    let mut host = Host::with(total, &["a", "b", "-", "c"]);
    assert_eq!(host.sent_now(), [1, 2, 4]);
    assert_eq!(host.ack(&[2]), [SettleResult::OutOfOrder]);
    assert_eq!(host.ack(&[1]), [Ok]);
    host.say(&[(2, retry("no"))]);
    assert_eq!(host.lost.iter().map(|lost| lost.position).collect::<Vec<_>>(), [4]);
    assert_eq!(host.engine.status().pause, Some(PauseReason::KeyBlocked));
    assert_eq!(host.stored.blocked[&OrderKey("*".into())].blocked_by, 2);
    host.crash();
    host.attach(TWO, WIDE, false);
    host.publish(&["d"]);
    assert!(host.sent_now().is_empty());
    host.wait(2);
    assert_eq!(host.sent_now(), [2]);
    host.ack(&[2]);
    assert_eq!(host.sent_now(), [4, 5]);
    host.say(&[(4, reject("no"))]);
    assert_eq!(host.ack(&[5]), [Ok]);
    assert!(host.is_finished());
}

#[test]
fn only_the_front_of_an_enterprise_can_run_out() {
    let mut host = Host::with(spec(), &["a", "a", "a"]);
    host.wait(20);
    host.ack(&[1]);
    host.wait(20);
    assert!(host.lost.is_empty(), "2 has its whole lease since 1 settled");
    host.wait(10);
    assert_eq!(
        host.lost.iter().map(|l| (l.position, l.reason)).collect::<Vec<_>>(),
        [(2, LossReason::Expired), (3, LossReason::TakenBack)]
    );
    assert_eq!(host.stored.retrying.len(), 1);
}

#[test]
fn giving_back_one_gives_back_those_behind_it() {
    let mut host = Host::with(spec(), &["a", "a", "a"]);
    host.sent_now();
    host.say(&[(2, Verb::Release)]);
    assert_eq!(host.lost.iter().map(|lost| lost.position).collect::<Vec<_>>(), [3]);
    host.wait(1);
    assert_eq!(host.sent_now(), [2, 3]);
    assert_eq!(host.ack(&[1, 2, 3]), [Ok; 3]);
}

#[test]
fn rows_passed_over_during_a_commit_are_not_lost() {
    let mut host = Host::with(spec(), &["a", "b"]);
    host.say(&[(1, retry("no"))]);
    host.wait(2);
    host.hold = true;
    let request = host.settle(&[(1, Verb::Ack), (2, Verb::Ack)]);
    host.publish(&["a", "a"]);
    host.let_go(true);
    assert_eq!(host.answers[&request][0].result, Ok);
    host.hold = false;
    host.inbox.clear();
    while host.let_go(true) {}
    assert_eq!(host.out(), [3, 4]);
    host.crash();
    host.attach(TWO, WIDE, false);
    assert_eq!(host.out(), [3, 4]);
    host.ack(&[3, 4]);
    host.wait(11);
    assert!(host.is_finished());
}

#[test]
fn a_grant_that_changes_while_rows_are_passed_over_loses_none() {
    let mut host = Host::with(spec(), &["a", "b"]);
    host.say(&[(1, retry("no"))]);
    host.wait(2);
    host.hold = true;
    host.settle(&[(1, Verb::Ack), (2, Verb::Ack)]);
    host.publish(&["a", "a"]);
    host.let_go(true);
    host.hold = false;
    host.held.clear();
    host.engine.permit(host.now, false);
    host.engine.permit(host.now, true);
    host.inbox.clear();
    host.run();
    assert_eq!(host.out(), [3, 4]);
    assert_eq!(host.ack(&[3, 4]), [Ok; 2]);
    host.wait(11);
    assert!(host.is_finished());
}

#[test]
fn catching_up_goes_on_after_a_restart_although_scanning_begins_far_below() {
    let mut keys = vec!["x", "a", "a"];
    keys.extend(std::iter::repeat_n("-", 5_000));
    let mut host = Host::with(spec(), &keys);
    host.say(&[(2, retry("no"))]);
    host.wait(10);
    assert!(host.stored.is_passed(3) && host.stored.floor == 0, "3 is passed over for good, and 1 pins the floor");
    host.ack(&[2]);
    assert_eq!(host.out(), [1, 3]);
    host.crash();
    host.attach(TWO, WIDE, false);
    assert_eq!(host.out(), [1, 3]);
    assert_eq!(host.ack(&[1, 3]), [Ok; 2]);
    host.wait(11);
    assert!(host.is_finished());
}
