//! Dead letters: selected by each criterion and by when they died, counted, and worked through by runs that are kept.

use super::{
    Home,
    harness::*,
    subscriptions::{Keys, letter},
};
use crate::{
    domain::{
        delivery::{Criteria, DeadLetter, LetterAct, LetterRun, Selector, SubscriptionDelta},
        draft::OrderKey,
        evidence::PositionRange,
        ids::{Position, RecordId},
        ledger::{Act, Change, Outcome},
    },
    store::{LetterCount, LetterQuery},
};

/// A ledger with forty records and the subscription `risk`.
async fn ledger(home: &impl Home) -> (Ledger, Vec<(RecordId, OrderKey)>) {
    let ledger = Ledger::open(home).await;
    ledger.publish((1..=40).map(nonconformity).collect()).await;
    ledger.act(create("risk")).await;
    let keys = ledger.everything().await.into_iter().map(|record| (record.record_id, record.order_key)).collect();
    (ledger, keys)
}

fn delta() -> SubscriptionDelta {
    SubscriptionDelta::empty(subscription_key("risk"), 0)
}

async fn bury(ledger: &Ledger, letters: Vec<DeadLetter>) {
    ledger.act(apply(SubscriptionDelta { put_dead: letters, ..delta() })).await;
}

fn of(criteria: Criteria) -> LetterQuery {
    LetterQuery { selector: Selector::of(criteria).expect("a selector"), died_by: None }
}

async fn read(ledger: &Ledger, query: &LetterQuery, after: Position, limit: usize) -> Vec<DeadLetter> {
    ledger.store.dead_letters(&subscription_key("risk"), query, after, limit).await.expect("read")
}

async fn positions(ledger: &Ledger, query: &LetterQuery) -> Vec<Position> {
    read(ledger, query, 0, 100).await.into_iter().map(|letter| letter.position).collect()
}

async fn count(ledger: &Ledger, query: &LetterQuery) -> LetterCount {
    ledger.store.count_dead_letters(&subscription_key("risk"), query, 1).await.expect("counted")
}

fn any_criteria(dice: &mut Dice, keys: &Keys) -> Criteria {
    let range = |first: Position, more: u64| PositionRange { first, last: first + more };
    Criteria {
        all: false,
        positions: dice.some(3, 40).into_iter().map(|first| range(first, dice.below(6))).collect(),
        reasons: dice.some(2, 3).into_iter().map(|n| format!("r{n}")).collect(),
        record_ids: dice.some(1, 40).into_iter().map(|at| keys[at as usize - 1].0.clone()).collect(),
        enterprises: dice.some(2, 40).into_iter().map(|at| keys[at as usize - 1].1.clone()).collect(),
        died_from: (dice.below(3) == 0).then(|| START + dice.below(9) as i64),
        died_before: (dice.below(3) == 0).then(|| START + 5 + dice.below(9) as i64),
    }
}

/// The store selects what the selector does, page by page, and counts what it selects.
pub(crate) async fn dead_letters_are_selected_as_the_selector_says(home: &impl Home) {
    let (ledger, keys) = ledger(home).await;
    let mut dice = Dice(20_200_516);
    let letters: Vec<_> = (1..=40)
        .map(|at| DeadLetter { died_at: START + dice.below(12) as i64, ..letter(at, &format!("r{}", dice.below(4)), &keys) })
        .collect();
    bury(&ledger, letters.clone()).await;
    let all = LetterQuery { selector: Selector::all(), died_by: None };
    assert_eq!(read(&ledger, &all, 0, 100).await, letters, "every field of every letter");
    let mut selecting = 0;
    for _ in 0..300 {
        // Some criteria say nothing, or end before they begin: then there is no selector.
        let Ok(selector) = Selector::of(any_criteria(&mut dice, &keys)) else { continue };
        let query = LetterQuery { selector, died_by: None };
        let expected: Vec<_> = letters.iter().filter(|letter| query.selector.selects(letter)).cloned().collect();
        assert_eq!(read(&ledger, &query, 0, 100).await, expected, "{query:?}");
        let (after, limit) = (dice.below(40), dice.below(5) as usize + 1);
        let page: Vec<_> = expected.iter().filter(|letter| letter.position > after).take(limit).cloned().collect();
        assert_eq!(read(&ledger, &query, after, limit).await, page, "{query:?} after {after}");
        assert_eq!(count(&ledger, &query).await.total, expected.len() as u64, "{query:?}");
        selecting += usize::from(!expected.is_empty());
    }
    assert!(selecting > 50, "{selecting} of them selected something");
}

/// What is fixed at a moment stays so: a letter that died later is not in it, nor one that died again.
pub(crate) async fn letters_that_died_later_are_not_in_a_fixed_selection(home: &impl Home) {
    let (ledger, keys) = ledger(home).await;
    let buried = async |at: &[Position]| bury(&ledger, at.iter().map(|at| letter(*at, "poison", &keys)).collect()).await;
    buried(&[2, 4, 6]).await;
    let entries = ledger.store.head().await.expect("read").evidence_size;
    let fixed = LetterQuery { died_by: Some(entries), ..of(Criteria { all: true, ..Criteria::default() }) };
    assert_eq!(positions(&ledger, &fixed).await, [2, 4, 6]);
    buried(&[3]).await;
    ledger.act(apply(SubscriptionDelta { drop_dead: vec![4], ..delta() })).await;
    buried(&[4]).await;
    assert_eq!(positions(&ledger, &fixed).await, [2, 6]);
    assert_eq!(count(&ledger, &fixed).await, LetterCount { total: 2, by_reason: vec![("poison".to_owned(), 2)] });
    let now = LetterQuery { died_by: None, ..fixed };
    assert_eq!(positions(&ledger, &now).await, [2, 3, 4, 6]);
}

fn run(id: &str, begun_at: i64) -> LetterRun {
    LetterRun {
        request_id: id.to_owned(),
        act: LetterAct::Discard,
        selector: [7; 32],
        head: 40,
        entries: 3,
        begun_at,
        selected: 12,
        done: 4,
        after: 9,
    }
}

fn step(run: &LetterRun) -> Act {
    apply(SubscriptionDelta { letter_run: Some(Box::new(run.clone())), ..delta() })
}

/// How far a run is stands with what it did, and only with it.
pub(crate) async fn runs_are_kept_with_what_they_did(home: &impl Home) {
    let (ledger, keys) = ledger(home).await;
    let known = async |id: &str| ledger.store.letter_run(&subscription_key("risk"), id).await.expect("read");
    assert_eq!(known("one").await, None);
    let first = run("one", START);
    let further = LetterRun { act: LetterAct::Redrive, done: 9, after: 30, ..first.clone() };
    // Of one group the last stands.
    ledger.commit(&[step(&first), step(&run("two", START)), step(&further)]).await;
    assert_eq!((known("one").await, known("two").await), (Some(further.clone()), Some(run("two", START))));
    let fenced = SubscriptionDelta {
        letter_run: Some(Box::new(first)),
        put_dead: vec![letter(2, "poison", &keys)],
        ..SubscriptionDelta::empty(subscription_key("risk"), 5)
    };
    assert!(matches!(ledger.act(apply(fenced)).await, Outcome::Refused(_)));
    assert_eq!(known("one").await, Some(further), "a refused chunk leaves nothing behind");
    let gone = Act {
        change: Change::DeleteSubscription(subscription_key("risk")),
        evidence: evidence(crate::domain::evidence::ActKind::Subscription),
    };
    ledger.commit(&[gone, create("risk")]).await;
    assert_eq!(known("one").await, None, "it goes with its subscription");
    ledger.is_sound().await;
}

/// The last thousand runs of a subscription are known.
pub(crate) async fn old_runs_are_forgotten(home: &impl Home) {
    let (ledger, _) = ledger(home).await;
    let known = async |id: &str| ledger.store.letter_run(&subscription_key("risk"), id).await.expect("read").is_some();
    let acts: Vec<_> = (0..1_000).map(|n| step(&run(&format!("r{n}"), START + n))).collect();
    ledger.commit(&acts).await;
    assert!(known("r0").await && known("r999").await);
    ledger.act(step(&run("last", START + 5_000))).await;
    assert!(!known("r0").await && known("r1").await && known("last").await);
}

pub(crate) async fn dead_letters_are_counted_by_reason(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish((1..=9).map(nonconformity).collect()).await;
    let keys: Vec<_> = ledger.everything().await.into_iter().map(|record| (record.record_id, record.order_key)).collect();
    ledger.commit(&[create("risk"), create("other")]).await;
    let by_reason = async |limit| ledger.store.dead_letter_counts(&subscription_key("risk"), limit).await.expect("read");
    assert!(by_reason(10).await.is_empty());
    let mut delta = SubscriptionDelta::empty(subscription_key("risk"), 0);
    delta.put_dead =
        [(2, "poison"), (4, "expired"), (5, "broken"), (7, "poison")].map(|(at, why)| letter(at, why, &keys)).to_vec();
    let mut other = SubscriptionDelta::empty(subscription_key("other"), 0);
    other.put_dead = vec![letter(3, "poison", &keys)];
    ledger.commit(&[apply(delta), apply(other)]).await;
    let counted = |pairs: &[(&str, u64)]| pairs.iter().map(|(why, count)| ((*why).to_owned(), *count)).collect::<Vec<_>>();
    assert_eq!(by_reason(10).await, counted(&[("poison", 2), ("broken", 1), ("expired", 1)]));
    assert_eq!(by_reason(1).await, counted(&[("poison", 2)]));
    let mut gone = SubscriptionDelta::empty(subscription_key("risk"), 0);
    gone.drop_dead = vec![2, 7];
    ledger.act(apply(gone)).await;
    assert_eq!(by_reason(10).await, counted(&[("broken", 1), ("expired", 1)]));
}
