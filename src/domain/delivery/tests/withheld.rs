//! A narrowed grant: what it does not admit is passed, and said.

use super::{super::withheld::MOST_UNSAID, *};

use SettleResult::Ok;

/// Nothing of `x` is admitted.
fn narrowed(spec: SubscriptionSpec, keys: &[&str]) -> Host {
    let mut host = Host::new(spec);
    host.denied.insert("x".to_owned());
    host.publish(keys);
    host.attach(ONE, WIDE, false);
    host
}

#[test]
fn what_the_grant_does_not_admit_is_passed_by_a_change_that_names_it() {
    let mut host = narrowed(spec(), &["a", "x", "x", "b", "-"]);
    assert_eq!(host.out(), [1, 4]);
    assert_eq!(host.ack(&[1, 4]), [Ok, Ok]);
    assert_eq!((host.stored.floor, host.said().len()), (1, 0), "nothing is passed before it is said");
    assert!(!host.stored.is_passed(2) && !host.stored.is_passed(3));
    host.wait(10);
    assert_eq!(host.said(), [[2, 3]]);
    assert!(host.is_finished());
    host.crash();
    host.attach(TWO, WIDE, false);
    host.wait(20);
    assert_eq!((host.said().len(), host.out().len()), (1, 0), "it is said once");
}

#[test]
fn what_is_not_for_the_subscription_is_passed_without_a_word() {
    let mut host = narrowed(spec(), &["-", "-", "a"]);
    host.ack(&[3]);
    host.wait(10);
    assert!(host.is_finished() && host.said().is_empty());
}

#[test]
fn what_was_not_said_yet_is_delivered_when_the_grant_admits_it_again() {
    let mut host = narrowed(spec(), &["x", "a"]);
    host.deny(&[]);
    assert_eq!(host.out(), [1, 2]);
    let mut host = narrowed(spec(), &["x", "a"]);
    host.crash();
    host.denied.clear();
    host.attach(TWO, WIDE, false);
    assert_eq!((host.out(), host.said().len()), (vec![1, 2], 0));
}

#[test]
fn a_grant_that_is_narrowed_takes_back_what_was_read_and_says_so() {
    let mut host = Host::with(spec(), &["x", "a"]);
    host.deny(&["x"]);
    assert_eq!(host.lost.iter().map(|lost| lost.reason).collect::<Vec<_>>(), [LossReason::NotPermitted; 2]);
    assert_eq!(host.out(), [2]);
    host.ack(&[2]);
    host.wait(10);
    assert_eq!(host.said(), [[1]]);
    assert!(host.is_finished());
}

#[test]
fn a_failed_commit_leaves_it_unsaid_and_it_is_said_again() {
    let mut host = narrowed(spec(), &["x"]);
    host.hold = true;
    host.wait(10);
    host.let_go(false);
    assert_eq!(host.stored.floor, 0);
    host.hold = false;
    host.wait(11);
    assert_eq!((host.said(), host.stored.floor), (vec![vec![1]], 1));
}

#[test]
fn a_span_that_it_pins_is_freed_at_once() {
    let mut narrow = spec();
    narrow.max_span = 2;
    let mut host = narrowed(narrow, &["x", "x", "x", "x", "a"]);
    assert_eq!(host.out(), [5]);
    assert_eq!(host.said().concat(), [1, 2, 3, 4]);
    host.ack(&[5]);
    assert!(host.is_finished());
}

#[test]
fn long_stretches_are_said_in_pieces_each_position_once() {
    let host = narrowed(spec(), &vec!["x"; 3 * MOST_UNSAID]);
    let said = host.said();
    assert!(said.len() >= 2 && said.iter().all(|piece| piece.len() < 2 * MOST_UNSAID));
    let positions: BTreeSet<_> = said.concat().into_iter().collect();
    assert_eq!(positions.len(), said.concat().len());
    assert!(host.engine.status().scanned >= 3 * MOST_UNSAID as u64 - 50);
}

#[test]
fn what_waited_behind_a_blocked_enterprise_is_said_before_it_is_forgotten() {
    let mut blocks = spec();
    blocks.on_dead_letter = OnDeadLetter::Block;
    let mut host = Host::with(blocks, &["x", "x", "x", "b"]);
    host.say(&[(1, reject("no"))]);
    host.ack(&[4]);
    host.deny(&["x"]);
    assert!(host.said().is_empty(), "they wait behind the dead letter");
    host.hold = true;
    host.discard(&[1]);
    host.run();
    host.let_go(true);
    assert!(host.stored.blocked.contains_key(&OrderKey("x".into())), "it stays until they are said");
    host.hold = false;
    while host.let_go(true) {}
    host.wait(11);
    assert_eq!(host.said(), [[2, 3]]);
    assert!(host.is_finished());
}

#[test]
fn what_was_reserved_under_the_grant_before_is_not_sent_behind_an_attach_that_waits_for_it() {
    let mut host = Host::with(spec(), &[]);
    host.hold = true;
    host.publish(&["x"]);
    host.engine.attach(host.now, ONE, "gacc/1".into(), WIDE, false, false).expect("attached");
    host.deny(&["x"]);
    host.let_go(true);
    assert!(host.sent.is_empty());
}
