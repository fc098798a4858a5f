//! The reference can tell: one true story, corrupted in one place each time, and the promise that it names.
//!
//! Each of these is what a fault of the engine looks like from outside: a retry that is lost, an answer before the commit, a retry
//! behind what it was to come before, a second sending after the ack, a lease that outlives a takeover, an attempt counted for a crash
//! of the gateway, a position passed over, a gap in the snapshot, and so on.

use std::collections::BTreeSet;

use super::{
    checker::{Breach, Checker},
    driver::Driver,
    history::{Op, Shape},
    seen::{Rules, Seen, Standing},
    *,
};

type Story = Vec<Seen>;
type Corruption = (Breach, fn(&mut Story));

/// A snapshot at 3 (1 is superseded by 2), then five more; a retry that takes one back, a release, a kill, a takeover.
fn story() -> (Rules, Story) {
    let shape = Shape {
        total: false,
        block: false,
        max_attempts: 3,
        circuit: 0,
        max_in_flight: 4,
        max_span: 1_000_000,
        rate: 1_000,
        look_ahead: 1_000,
        batch: 10,
        before: vec![(0, 0), (0, 0), (3, 0)],
    };
    let mut driver = Driver::new(&shape);
    for op in [Op::Publish(vec![0, 1, 2, 0, 1]), Op::Attach { who: 1, take_over: false }] {
        driver.apply(&op);
    }
    driver.let_all_go();
    driver.say(2, retry("busy"));
    driver.say(3, Verb::Ack);
    driver.say(5, Verb::Release);
    driver.apply(&Op::Wait(2));
    driver.let_all_go();
    driver.apply(&Op::Wait(2));
    driver.let_all_go();
    driver.apply(&Op::Crash { committed: false });
    driver.apply(&Op::Attach { who: 2, take_over: false });
    driver.let_all_go();
    driver.apply(&Op::Attach { who: 3, take_over: true });
    driver.let_all_go();
    driver.finish();
    (driver.rules, driver.seen)
}

fn place(story: &Story, what: impl Fn(&Seen) -> bool) -> usize {
    story.iter().position(what).expect("the story has it")
}

fn last(story: &Story, what: impl Fn(&Seen) -> bool) -> usize {
    story.iter().rposition(what).expect("the story has it")
}

fn is_sent(position: Position) -> impl Fn(&Seen) -> bool {
    move |seen| matches!(seen, Seen::Sent { delivery, .. } if delivery.position == position)
}

fn is_kept(list: impl Fn(&Tally) -> &Vec<Position>, position: Position) -> impl Fn(&Seen) -> bool {
    move |seen| matches!(seen, Seen::Kept { tally, .. } if list(tally).contains(&position))
}

fn is_acked(position: Position) -> impl Fn(&Seen) -> bool {
    is_kept(|tally| &tally.acked, position)
}

fn is_answered(position: Position) -> impl Fn(&Seen) -> bool {
    move |seen| matches!(seen, Seen::Answered { item, .. } if item.position == position)
}

fn change(story: &mut Story, at: usize, change: impl FnOnce(&mut Delivery)) {
    if let Some(Seen::Sent { delivery, .. }) = story.get_mut(at) {
        change(delivery);
    }
}

fn change_kept(story: &mut Story, at: usize, change: impl FnOnce(&mut Tally, &mut Vec<RetryRow>)) {
    if let Some(Seen::Kept { tally, rows, .. }) = story.get_mut(at) {
        change(tally, rows);
    }
}

fn token_of(story: &Story, at: usize) -> Token {
    let Seen::Sent { delivery, .. } = &story[at] else { panic!("{:?} is no sending", story[at]) };
    delivery.token
}

/// Another sending of what was sent at `at`, under a token of its own, put in at `to`.
fn send_again(story: &mut Story, at: usize, to: usize) {
    let again = story[at].clone();
    story.insert(to, again);
    change(story, to, |delivery| delivery.token.send_number += 1_000);
}

/// A settle under a token that was given out, and its answer, put in at `to`.
fn settle_at(story: &mut Story, to: usize, position: Position, token: Token, result: SettleResult) {
    let request = 1_000;
    story.insert(to, Seen::Asked { request, item: Settlement { position, token, verb: Verb::Ack } });
    story.insert(to + 1, Seen::Answered { request, item: SettledItem { position, result } });
}

/// The same with a change that keeps the ack.
fn keep_ack_at(story: &mut Story, to: usize, position: Position, token: Token) {
    settle_at(story, to, position, token, SettleResult::Ok);
    let kept = last(&story[..to].to_vec(), |seen| matches!(seen, Seen::Kept { .. }));
    let mut kept = vec![story[kept].clone()];
    change_kept(&mut kept, 0, |tally, rows| {
        *tally = Tally { acked: vec![position], ..Tally::default() };
        rows.clear();
    });
    story.insert(to + 1, kept.remove(0));
}

/// As if the position had never been read; `passed`: the store says that it is finished.
fn pass_over(story: &mut Story, skipped: Position, passed: bool) {
    story.retain(|seen| match seen {
        Seen::Sent { delivery, .. } => delivery.position != skipped,
        Seen::Lost { position, .. } => *position != skipped,
        Seen::Asked { item, .. } => item.position != skipped,
        Seen::Answered { item, .. } => item.position != skipped,
        _ => true,
    });
    for seen in story {
        if let Seen::Kept { tally, standing, .. } = seen {
            let lists = [&mut tally.acked, &mut tally.retried, &mut tally.released, &mut tally.suspected];
            for list in lists {
                list.retain(|position| *position != skipped);
            }
            standing.insert(skipped, if passed { Standing::Finished } else { Standing::ToCome });
        }
    }
}

fn is_attached(seen: &Seen) -> bool {
    matches!(seen, Seen::Attached { .. })
}

/// What is handed out wrongly.
fn sendings() -> Vec<Corruption> {
    vec![
        (Breach::SentUnknown, |story| {
            let at = place(story, is_sent(3));
            change(story, at, |delivery| delivery.position = 99);
        }),
        (Breach::SentSuperseded, |story| {
            let at = place(story, is_sent(2));
            send_again(story, at, at);
            change(story, at, |delivery| delivery.position = 1);
        }),
        (Breach::SentAfterSettled, |story| {
            let (at, acked) = (place(story, is_sent(3)), place(story, is_acked(3)));
            send_again(story, at, acked + 1);
        }),
        (Breach::SentTwice, |story| {
            let at = place(story, is_sent(3));
            send_again(story, at, at + 1);
        }),
        (Breach::SentOutOfOrder, |story| {
            // The retry of 2 comes behind 4, which waited for it.
            let retried = place(story, is_kept(|tally| &tally.retried, 2));
            let again = retried + place(&story[retried..].to_vec(), is_sent(2));
            let behind = again + place(&story[again..].to_vec(), is_sent(4));
            story.swap(again, behind);
            let (one, other) = (token_of(story, again), token_of(story, behind));
            change(story, again, |delivery| delivery.token = other);
            change(story, behind, |delivery| delivery.token = one);
        }),
        (Breach::SentBeforeDue, |story| {
            let retried = place(story, is_kept(|tally| &tally.retried, 2));
            let again = retried + place(&story[retried..].to_vec(), is_sent(2));
            if let Seen::Sent { at, .. } = &mut story[again] {
                *at -= SECOND;
            }
        }),
        (Breach::SentBeforeRested, |story| {
            let released = place(story, is_kept(|tally| &tally.released, 5));
            let again = released + place(&story[released..].to_vec(), is_sent(5));
            let Seen::Kept { at: given_back, .. } = story[released] else { return };
            if let Seen::Sent { at, .. } = &mut story[again] {
                *at = given_back;
            }
        }),
        (Breach::SentWithoutPermit, |story| {
            let at = place(story, is_sent(3));
            story.insert(at, Seen::Permitted(false));
        }),
        (Breach::SentUnderOtherEpoch, |story| {
            let at = last(story, is_sent(8));
            change(story, at, |delivery| delivery.token.epoch -= 1);
        }),
        (Breach::SuspectNotAlone, |story| {
            // After the takeover every one that was out is sent alone.
            let taken = place(story, |seen| matches!(seen, Seen::Kept { tally, .. } if tally.suspected.len() > 1));
            let Seen::Kept { tally, .. } = &story[taken] else { return };
            let other = tally.suspected[1];
            let first = taken + place(&story[taken..].to_vec(), |seen| matches!(seen, Seen::Sent { .. }));
            let later = first + place(&story[first..].to_vec(), is_sent(other));
            let epoch = token_of(story, first).epoch;
            send_again(story, later, first + 1);
            change(story, first + 1, |delivery| delivery.token.epoch = epoch);
        }),
    ]
}

/// What is handed out beyond what is allowed, or under a wrong name.
fn bounds_and_names() -> Vec<Corruption> {
    vec![
        (Breach::AboveWindow, |story| {
            let at = place(story, is_attached);
            if let Seen::Attached { window, .. } = &mut story[at] {
                window.records = 1;
            }
        }),
        (Breach::TokenReused, |story| {
            let (one, other) = (token_of(story, place(story, is_sent(2))), place(story, is_sent(3)));
            change(story, other, |delivery| delivery.token = one);
        }),
        (Breach::EpochNotRaised, |story| {
            let at = last(story, is_attached);
            if let Seen::Attached { epoch, .. } = &mut story[at] {
                *epoch -= 1;
            }
        }),
        (Breach::WrongAttempt, |story| {
            let crashed = place(story, |seen| *seen == Seen::Crashed);
            let at = crashed + place(&story[crashed..].to_vec(), |seen| matches!(seen, Seen::Sent { .. }));
            change(story, at, |delivery| delivery.attempt += 1);
        }),
        (Breach::WrongMark, |story| {
            let at = place(story, is_sent(3));
            change(story, at, |delivery| delivery.redriven = true);
        }),
    ]
}

/// What is answered wrongly.
fn answers() -> Vec<Corruption> {
    vec![
        (Breach::AnsweredUnasked, |story| {
            let at = place(story, is_answered(3));
            story.insert(at, story[at].clone());
        }),
        (Breach::AnsweredBeforeKept, |story| {
            let (kept, answered) = (place(story, is_acked(3)), place(story, is_answered(3)));
            let answer = story.remove(answered);
            story.insert(kept, answer);
        }),
        (Breach::RetryLost, |story| {
            let at = place(story, is_kept(|tally| &tally.retried, 2));
            change_kept(story, at, |tally, rows| {
                tally.retried.clear();
                rows.clear();
            });
        }),
        (Breach::ReleaseLost, |story| {
            let at = place(story, is_kept(|tally| &tally.released, 5));
            change_kept(story, at, |tally, _| tally.released.clear());
        }),
        (Breach::AckDenied, |story| {
            let (token, kept) = (token_of(story, place(story, is_sent(3))), place(story, is_answered(3)));
            settle_at(story, kept + 1, 3, token, SettleResult::Stale);
        }),
        (Breach::NewestTokenRefused, |story| {
            let at = place(story, is_sent(3));
            settle_at(story, at + 1, 3, token_of(story, at), SettleResult::Stale);
        }),
        (Breach::FalselyOutOfOrder, |story| {
            let at = place(story, is_sent(3));
            settle_at(story, at + 1, 3, token_of(story, at), SettleResult::OutOfOrder);
        }),
        (Breach::FalselyUnknown, |story| {
            let at = place(story, is_sent(3));
            settle_at(story, at + 1, 3, token_of(story, at), SettleResult::Unknown);
        }),
        (Breach::Unanswered, |story| {
            let at = last(story, |seen| matches!(seen, Seen::Answered { .. }));
            story.remove(at);
        }),
    ]
}

/// What is kept wrongly.
fn changes() -> Vec<Corruption> {
    vec![
        (Breach::SettledWithoutLease, |story| {
            // After the takeover the one before still acknowledges.
            let at = last(story, |seen| matches!(seen, Seen::Attached { resumed: false, .. }));
            let before = last(&story[..at].to_vec(), is_sent(8));
            keep_ack_at(story, at + 1, 8, token_of(story, before));
        }),
        (Breach::SettledOutOfOrder, |story| {
            let at = place(story, is_sent(4));
            let token = token_of(story, at);
            let all_out = at + place(&story[at..].to_vec(), |seen| !matches!(seen, Seen::Sent { .. }));
            keep_ack_at(story, all_out, 4, token);
        }),
        (Breach::CountedWithoutCause, |story| {
            // Nobody said anything of 4, which was out beside 2.
            let at = place(story, is_kept(|tally| &tally.retried, 2));
            change_kept(story, at, |tally, rows| {
                tally.retried.push(4);
                rows.push(RetryRow { position: 4, ..rows[0].clone() });
            });
        }),
        (Breach::DueTooEarly, |story| {
            let at = place(story, is_kept(|tally| &tally.retried, 2));
            change_kept(story, at, |_, rows| rows[0].due -= SECOND / 2);
        }),
        (Breach::DeadTooEarly, |story| {
            let at = place(story, is_kept(|tally| &tally.retried, 2));
            change_kept(story, at, |tally, _| tally.dead = std::mem::take(&mut tally.retried));
        }),
        (Breach::FinishedWouldComeAgain, |story| {
            let at = last(story, |seen| matches!(seen, Seen::Kept { .. }));
            if let Seen::Kept { standing, .. } = &mut story[at] {
                standing.insert(3, Standing::Retrying);
            }
        }),
        (Breach::UnfinishedIsForgotten, |story| pass_over(story, 8, true)),
        (Breach::Skipped, |story| pass_over(story, 8, false)),
        (Breach::SnapshotGap, |story| pass_over(story, 3, false)),
    ]
}

#[test]
fn the_true_story_is_believed() {
    let (rules, story) = story();
    assert_eq!(Checker::check(rules, &story), Ok(()));
    let sent = story.iter().filter(|seen| matches!(seen, Seen::Sent { .. })).count();
    assert!(sent > 15, "a story with something in it: {sent}");
}

#[test]
fn every_corruption_is_found_and_named() {
    let (rules, story) = story();
    let mut found = BTreeSet::new();
    for (breach, corrupt) in [sendings(), bounds_and_names(), answers(), changes()].concat() {
        let mut corrupted = story.clone();
        corrupt(&mut corrupted);
        let judged = Checker::check(rules, &corrupted).map_err(|(breach, ..)| breach);
        assert_eq!(judged, Err(breach), "{breach:?}");
        found.insert(breach);
    }
    let narrow = Rules { max_in_flight: 1, ..rules };
    assert_eq!(Checker::check(narrow, &story).map_err(|(breach, ..)| breach), Err(Breach::AboveMaxInFlight));
    assert_eq!(found.len() + 1, Breach::SnapshotGap as usize + 1, "there is a corruption for each breach");
}
