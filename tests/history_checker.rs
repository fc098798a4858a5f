//! The history checker finds what it is there to find: each promise that a gateway could break is broken in a planted history.

mod history;

use history::{Asked, Event, Ledger, Place, Placed, Said, Sent, Sought, Stand, Token, check};
use tongbao::proto::SettleResult::{self, Ok, OutOfOrder, Retryable, Stale};

const MAX_ATTEMPTS: u32 = 3;

fn place(position: u64, order_key: &str, stand: Stand) -> Place {
    Place { position, record_id: format!("r{position}"), order_key: order_key.to_owned(), stand }
}

/// One record an enterprise, all of them settled for good.
fn ledger(count: u64) -> Ledger {
    Ledger((1..=count).map(|n| place(n, &format!("e{n}"), Stand::Done)).collect())
}

fn stands(mut ledger: Ledger, position: usize, stand: Stand) -> Ledger {
    ledger.0[position - 1].stand = stand;
    ledger
}

/// Two records of one enterprise.
fn pair() -> Ledger {
    Ledger(vec![place(1, "e", Stand::Done), place(2, "e", Stand::Done)])
}

fn published(positions: &[u64]) -> Vec<Event> {
    let ids = positions.iter().map(|n| format!("r{n}"));
    let placed = positions.iter().map(|n| Placed { record_id: format!("r{n}"), position: *n });
    vec![Event::PublishAsked(ids.collect()), Event::Published(placed.collect()), Event::Opened]
}

fn sent(position: u64, attempt: u32, token: Token) -> Event {
    Event::Delivered(Sent { position, record_id: format!("r{position}"), attempt, token, redriven: false })
}

fn redriven(position: u64, attempt: u32, token: Token) -> Event {
    Event::Delivered(Sent { position, record_id: format!("r{position}"), attempt, token, redriven: true })
}

/// A settle request of one item; the request is numbered by the token, so that each is another.
fn asked(position: u64, token: Token, said: Said) -> Event {
    Event::SettleAsked { request: token.0 * 1_000 + token.1, items: vec![Asked { position, token, said }] }
}

fn answered(token: Token, result: SettleResult) -> Event {
    Event::Settled { request: token.0 * 1_000 + token.1, results: vec![result] }
}

fn settled(position: u64, token: Token, said: Said) -> [Event; 2] {
    [asked(position, token, said), answered(token, Ok)]
}

fn history(parts: impl IntoIterator<Item = Vec<Event>>) -> Vec<Event> {
    parts.into_iter().flatten().collect()
}

#[track_caller]
fn holds(events: &[Event], ledger: &Ledger) {
    let (wrong, _) = check(events, ledger, MAX_ATTEMPTS);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[track_caller]
fn fails(events: &[Event], ledger: &Ledger, with: &str) {
    let (wrong, _) = check(events, ledger, MAX_ATTEMPTS);
    assert!(wrong.iter().any(|line| line.contains(with)), "{with:?} is not among {wrong:?}");
}

/// Acknowledged as it should be.
fn acknowledged(position: u64, token: Token) -> Vec<Event> {
    let [ask, answer] = settled(position, token, Said::Ack);
    vec![sent(position, 1, token), ask, answer]
}

#[test]
fn a_good_history_holds_whatever_was_left_unanswered() {
    let good = history([
        published(&[1, 2, 3]),
        acknowledged(1, (1, 1)),
        // Its answer is lost, and it was done.
        vec![sent(2, 1, (1, 2)), asked(2, (1, 2), Said::Ack)],
        // Its answer is lost; it was not done, so it comes again.
        vec![sent(3, 1, (1, 3)), asked(3, (1, 3), Said::Ack), Event::Opened],
        acknowledged(3, (2, 1)),
    ]);
    let (wrong, counts) = check(&good, &ledger(3), MAX_ATTEMPTS);
    assert_eq!(wrong, [""; 0]);
    assert_eq!((counts.published, counts.deliveries, counts.acks, counts.unknown), (3, 4, 2, 2));
}

#[test]
fn a_retry_that_was_left_unanswered_may_count_or_not() {
    for attempt in [1, 2] {
        let good = history([
            published(&[1]),
            vec![sent(1, 1, (1, 1)), asked(1, (1, 1), Said::Retry), Event::Opened, sent(1, attempt, (2, 1))],
            settled(1, (2, 1), Said::Ack).to_vec(),
        ]);
        holds(&good, &ledger(1));
    }
    let bad = history([published(&[1]), vec![sent(1, 1, (1, 1)), asked(1, (1, 1), Said::Retry), sent(1, 3, (2, 1))]]);
    fails(&bad, &stands(ledger(1), 1, Stand::Waiting { attempt: 3 }), "as attempt 3, it is 1 (at most 2)");
}

#[test]
fn answer_before_commit() {
    let bad = history([published(&[1, 2]), acknowledged(1, (1, 1))]);
    fails(&bad, &ledger(1), "r2 was answered at 2, where nothing stands");
    let mut moved = ledger(2);
    moved.0[1].record_id = "r9".to_owned();
    fails(&bad, &moved, "r2 was answered at 2, where r9 stands");
}

#[test]
fn a_duplicate_with_another_position() {
    let again = Event::Published(vec![Placed { record_id: "r1".to_owned(), position: 2 }]);
    let bad = history([published(&[1]), vec![again], acknowledged(1, (1, 1))]);
    fails(&bad, &ledger(1), "r1 was answered at 1, and again at 2");
}

#[test]
fn a_gap_in_the_ledger_and_a_record_of_nobody() {
    let gap = Ledger(vec![place(1, "e", Stand::Done), place(3, "f", Stand::Done)]);
    let events = history([published(&[1, 3]), acknowledged(1, (1, 1)), acknowledged(3, (1, 2))]);
    fails(&events, &gap, "position 2 is missing");
    fails(&history([published(&[1]), acknowledged(1, (1, 1))]), &ledger(2), "r2 stands at 2, and nobody published it");
}

#[test]
fn delivered_before_it_was_published() {
    let bad = history([vec![Event::Opened, sent(1, 1, (1, 1))], published(&[1]), settled(1, (1, 1), Said::Ack).to_vec()]);
    fails(&bad, &ledger(1), "r1 was delivered before anybody published it");
}

#[test]
fn delivered_again_after_a_confirmed_settle() {
    let bad = history([published(&[1]), acknowledged(1, (1, 1)), vec![Event::Opened, sent(1, 1, (2, 1))]]);
    fails(&bad, &ledger(1), "1 came again (attempt 1) after it was confirmed Acked");
    let [ask, answer] = settled(1, (1, 1), Said::Reject);
    let bad = history([published(&[1]), vec![sent(1, 1, (1, 1)), ask, answer, Event::Opened, sent(1, 1, (2, 1))]]);
    fails(&bad, &stands(ledger(1), 1, Stand::Dead), "after it was confirmed Dead");
}

#[test]
fn a_lost_nack() {
    let [ask, answer] = settled(1, (1, 1), Said::Retry);
    let retried = history([published(&[1]), vec![sent(1, 1, (1, 1)), ask, answer]]);
    holds(&retried, &stands(ledger(1), 1, Stand::Waiting { attempt: 2 }));
    fails(&retried, &ledger(1), "1 stands Done; what was confirmed: Retrying, 1 failures");
    fails(&retried, &stands(ledger(1), 1, Stand::ToCome), "1 stands ToCome; what was confirmed: Retrying");
}

#[test]
fn a_reordered_retry() {
    let [ask, answer] = settled(1, (1, 1), Said::Retry);
    let begin = history([published(&[1, 2]), vec![sent(1, 1, (1, 1)), ask, answer]]);
    let good = history([
        begin.clone(),
        vec![sent(1, 2, (1, 2)), sent(2, 1, (1, 3))],
        settled(1, (1, 2), Said::Ack).to_vec(),
        settled(2, (1, 3), Said::Ack).to_vec(),
    ]);
    holds(&good, &pair());
    let bad = history([begin, vec![sent(2, 1, (1, 2)), sent(1, 2, (1, 3))]]);
    fails(&bad, &pair(), "2 was delivered ahead of 1 (Retrying)");
}

#[test]
fn a_later_revision_delivered_or_settled_first() {
    let delivered = history([published(&[1, 2]), acknowledged(2, (1, 1)), acknowledged(1, (1, 2))]);
    fails(&delivered, &pair(), "2 was delivered ahead of 1 (Fresh)");
    let settled_first = history([
        published(&[1, 2]),
        vec![sent(1, 1, (1, 1)), sent(2, 1, (1, 2))],
        settled(2, (1, 2), Said::Ack).to_vec(),
        settled(1, (1, 1), Said::Ack).to_vec(),
    ]);
    fails(&settled_first, &pair(), "2 was settled ahead of 1");
    let refused = history([
        published(&[1, 2]),
        vec![sent(1, 1, (1, 1)), sent(2, 1, (1, 2)), asked(2, (1, 2), Said::Ack), answered((1, 2), OutOfOrder)],
        settled(1, (1, 1), Said::Ack).to_vec(),
        settled(2, (1, 2), Said::Ack).to_vec(),
    ]);
    holds(&refused, &pair());
}

#[test]
fn a_double_settle() {
    for second in [Said::Retry, Said::Reject] {
        let bad = history([published(&[1]), acknowledged(1, (1, 1)), settled(1, (1, 1), second).to_vec()]);
        fails(&bad, &ledger(1), "was OK, and it was Acked");
    }
    let [ask, answer] = settled(1, (1, 1), Said::Retry);
    let twice = history([published(&[1]), vec![sent(1, 1, (1, 1)), ask.clone(), answer.clone(), ask, answer]]);
    fails(&twice, &stands(ledger(1), 1, Stand::Waiting { attempt: 3 }), "was OK, and it was Retrying");
    // An ack that stands already is OK however often it is said.
    holds(&history([published(&[1]), acknowledged(1, (1, 1)), settled(1, (1, 1), Said::Ack).to_vec()]), &ledger(1));
}

#[test]
fn a_settle_under_an_old_token() {
    let begin = history([published(&[1]), vec![sent(1, 1, (1, 1)), Event::Opened, sent(1, 1, (2, 1))]]);
    let stale = vec![asked(1, (1, 1), Said::Ack), answered((1, 1), Stale)];
    holds(&history([begin.clone(), stale, settled(1, (2, 1), Said::Ack).to_vec()]), &ledger(1));
    fails(
        &history([begin, settled(1, (1, 1), Said::Ack).to_vec()]),
        &ledger(1),
        "Ack under (1, 1) was OK, and it was Out((2, 1))",
    );
}

#[test]
fn given_back_and_taken_back_in_one_breath() {
    let taken = Event::LeaseLost { position: 1, token: (1, 1), expired: false };
    let ask = |said| vec![asked(1, (1, 1), said), taken.clone(), answered((1, 1), Ok)];
    let history = |said| history([published(&[1]), vec![sent(1, 1, (1, 1))], ask(said)]);
    holds(&history(Said::Release), &stands(ledger(1), 1, Stand::ToCome));
    fails(&history(Said::Retry), &stands(ledger(1), 1, Stand::ToCome), "was OK, and it was Void");
}

#[test]
fn a_skipped_position() {
    let bad = history([published(&[1, 2]), acknowledged(2, (1, 1))]);
    fails(&bad, &ledger(2), "1 stands Done; what was confirmed: Fresh");
    holds(&bad, &stands(ledger(2), 1, Stand::ToCome));
}

#[test]
fn an_ack_that_was_confirmed_and_forgotten() {
    let good = history([published(&[1]), acknowledged(1, (1, 1))]);
    for stand in [Stand::ToCome, Stand::Dead, Stand::Waiting { attempt: 1 }] {
        fails(&good, &stands(ledger(1), 1, stand), "what was confirmed: Acked");
    }
}

#[test]
fn a_wrong_attempt() {
    let [ask, answer] = settled(1, (1, 1), Said::Retry);
    for attempt in [1, 3] {
        let bad = history([published(&[1]), vec![sent(1, 1, (1, 1)), ask.clone(), answer.clone(), sent(1, attempt, (1, 2))]]);
        fails(&bad, &stands(ledger(1), 1, Stand::ToCome), "it is 2 (at most 2)");
    }
    // The gateway went down while it was out: that is nobody's failure.
    let bad = history([published(&[1]), vec![sent(1, 1, (1, 1)), Event::Opened, sent(1, 2, (2, 1))]]);
    fails(&bad, &stands(ledger(1), 1, Stand::ToCome), "as attempt 2, it is 1 (at most 1)");
    // A consumer that broke off with it may be counted.
    let broke = history([published(&[1]), vec![sent(1, 1, (1, 1)), Event::BrokeOff, Event::Opened], vec![sent(1, 2, (2, 1))]]);
    holds(&history([broke, settled(1, (2, 1), Said::Ack).to_vec()]), &ledger(1));
    let expired = Event::LeaseLost { position: 1, token: (1, 1), expired: true };
    let lost = history([published(&[1]), vec![sent(1, 1, (1, 1)), expired, sent(1, 1, (1, 2))]]);
    fails(&lost, &stands(ledger(1), 1, Stand::ToCome), "as attempt 1, it is 2");
}

#[test]
fn attempts_that_are_used_up_end_in_the_dead_letters() {
    let mut events = published(&[1]);
    for attempt in 1..=MAX_ATTEMPTS {
        let token = (1, u64::from(attempt));
        events.push(sent(1, attempt, token));
        events.extend(settled(1, token, Said::Retry));
    }
    holds(&events, &stands(ledger(1), 1, Stand::Dead));
    fails(&events, &stands(ledger(1), 1, Stand::Waiting { attempt: 4 }), "what was confirmed: Dead");
}

#[test]
fn a_token_that_is_used_twice() {
    let bad = history([published(&[1, 2]), acknowledged(1, (1, 1)), acknowledged(2, (1, 1))]);
    fails(&bad, &ledger(2), "the token (1, 1) was used twice");
    let older = history([published(&[1]), vec![sent(1, 1, (2, 1)), sent(1, 1, (1, 9))]]);
    fails(&older, &stands(ledger(1), 1, Stand::ToCome), "under the token (1, 9) after (2, 1)");
}

#[test]
fn a_redrive() {
    let [ask, answer] = settled(1, (1, 1), Said::Reject);
    let rejected = history([published(&[1]), vec![sent(1, 1, (1, 1)), ask, answer]]);
    let confirmed = || vec![Event::RedriveAsked(vec![1]), Event::Redriven { positions: vec![1], count: 1 }];
    let again = || history([vec![redriven(1, 1, (1, 2))], settled(1, (1, 2), Said::Ack).to_vec()]);
    let dead = stands(ledger(1), 1, Stand::Dead);
    holds(&history([rejected.clone(), confirmed(), again()]), &ledger(1));
    // Nobody answered: both are possible.
    let unanswered = history([rejected.clone(), vec![Event::RedriveAsked(vec![1])]]);
    holds(&unanswered, &dead);
    holds(&unanswered, &stands(ledger(1), 1, Stand::Waiting { attempt: 1 }));
    // Put back by nobody; confirmed and lost; begun with another attempt than the first.
    fails(&history([rejected.clone(), again()]), &ledger(1), "1 came again");
    fails(&history([rejected.clone(), confirmed()]), &dead, "redriven");
    fails(&history([rejected, confirmed(), vec![redriven(1, 2, (1, 2))]]), &dead, "1 came again (attempt 2)");
}

#[test]
fn what_the_store_could_not_take_may_be_done_or_not() {
    let begin = history([published(&[1]), vec![sent(1, 1, (1, 1)), asked(1, (1, 1), Said::Ack), answered((1, 1), Retryable)]]);
    holds(&begin, &ledger(1));
    holds(&history([begin, settled(1, (1, 1), Said::Ack).to_vec()]), &ledger(1));
}

fn sought(to: u64, epoch: u64) -> Event {
    Event::Sought(Sought { to, epoch })
}

#[test]
fn a_position_sent_again_after_a_confirmed_settle_without_a_seek() {
    let settled_then = |after: Vec<Event>| history([published(&[1, 2]), acknowledged(1, (1, 1)), acknowledged(2, (1, 2)), after]);
    let again = || acknowledged(2, (2, 1));
    holds(&settled_then([again(), vec![sought(1, 2)]].concat()), &ledger(2));
    fails(&settled_then(again()), &ledger(2), "2 came again (attempt 1) after it was confirmed Acked");
    // A seek that does not reach back to it excuses nothing, nor does one that was made later.
    fails(
        &settled_then([again(), vec![sought(2, 2)]].concat()),
        &ledger(2),
        "2 came again (attempt 1) after it was confirmed Passed",
    );
    fails(
        &settled_then([again(), vec![sought(1, 3)]].concat()),
        &ledger(2),
        "2 came again (attempt 1) after it was confirmed Acked",
    );
    // Once each: the same seek does not excuse it twice.
    let twice = [again(), acknowledged(2, (3, 1)), vec![sought(1, 2)]].concat();
    fails(&settled_then(twice), &ledger(2), "2 came again (attempt 1) after it was confirmed Acked");
}

#[test]
fn a_seek() {
    // What it goes back over is owed, from the first attempt; what it passes over is not.
    let back = || history([published(&[1, 2]), acknowledged(1, (1, 1)), vec![sent(2, 1, (1, 2)), sought(1, 2)]]);
    let retried = || history([published(&[1]), vec![sent(1, 1, (1, 1))], settled(1, (1, 1), Said::Retry).to_vec()]);
    fails(&back(), &ledger(2), "2 stands Done; what was confirmed: Void");
    holds(&back(), &stands(ledger(2), 2, Stand::ToCome));
    holds(&[retried(), vec![sought(1, 2)]].concat(), &ledger(1));
    holds(&[retried(), acknowledged(1, (2, 1)), vec![sought(0, 2)]].concat(), &ledger(1));
    let counted = [retried(), vec![sent(1, 2, (2, 1)), sought(0, 2)]].concat();
    fails(&counted, &ledger(1), "1 came as attempt 2, it is 1 (at most 1)");

    // Dead letters stay dead, whatever is sought.
    let dead = || history([published(&[1]), vec![sent(1, 1, (1, 1))], settled(1, (1, 1), Said::Reject).to_vec()]);
    holds(&[dead(), vec![sought(0, 2)]].concat(), &stands(ledger(1), 1, Stand::Dead));
    fails(&[dead(), acknowledged(1, (2, 1)), vec![sought(0, 2)]].concat(), &ledger(1), "after it was confirmed Dead");
    // So does one that may be dead, however often.
    let unanswered = || history([published(&[1]), vec![sent(1, 1, (1, 1)), asked(1, (1, 1), Said::Reject)]]);
    for stand in [Stand::Dead, Stand::Done] {
        holds(&[unanswered(), vec![sought(1, 2), sought(1, 3)]].concat(), &stands(ledger(1), 1, stand));
    }
    // One that was put back and not delivered is forgotten with what waits, or comes again as any other.
    let redrive = || vec![Event::RedriveAsked(vec![1]), Event::Redriven { positions: vec![1], count: 1 }];
    holds(&[dead(), redrive(), vec![sought(1, 2)]].concat(), &ledger(1));
    holds(&[dead(), redrive(), acknowledged(1, (2, 1)), vec![sought(0, 2)]].concat(), &ledger(1));
    fails(&[dead(), redrive(), vec![sought(0, 2)]].concat(), &stands(ledger(1), 1, Stand::Dead), "stands Dead");

    // Order holds after it as before.
    let both = || history([published(&[1, 2]), acknowledged(1, (1, 1)), acknowledged(2, (1, 2))]);
    holds(&[both(), acknowledged(1, (2, 1)), acknowledged(2, (2, 2)), vec![sought(0, 2)]].concat(), &pair());
    let reordered = [both(), acknowledged(2, (2, 1)), acknowledged(1, (2, 2)), vec![sought(0, 2)]].concat();
    fails(&reordered, &pair(), "2 was delivered ahead of 1");

    let answered = || history([published(&[1]), acknowledged(1, (1, 1)), vec![Event::SeekAnswered { to: 1 }]]);
    holds(&[answered(), vec![sought(1, 2)]].concat(), &ledger(1));
    fails(&answered(), &ledger(1), "a seek to 1 was answered, and the evidence has none");
}
