//! Dispositions: what they refer to, which steps are possible, what they take over.

use super::{Home, harness::*};
use crate::domain::{
    life_cycle::{
        State::{Ceased, Cleared, Confirmed, Detected, Ordered, Rechecking},
        Step,
    },
    records::{Matter, TrackChange, TrackKind, TrackScope, TrackStep, examples},
};

pub(crate) async fn a_step_needs_its_nonconformity(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let refused = ledger.refused(vec![step("d/1", 1, Confirmed, Ordered)]).await;
    assert_eq!(refused[0].reason, "UNKNOWN_NONCONFORMITY");

    ledger.publish(vec![draft("n/1", Matter::EnterpriseSurvey(Box::new(examples::survey(1))))]).await;
    assert_eq!(ledger.refused(vec![step("d/1", 1, Confirmed, Ordered)]).await[0].reason, "UNKNOWN_NONCONFORMITY");

    let matter = Matter::Nonconformity(Box::new(examples::nonconformity(2)));
    ledger.publish(vec![nonconformity(2), withdrawn("n/2", matter)]).await;
    assert_eq!(ledger.refused(vec![step("d/1", 2, Confirmed, Ordered)]).await[0].reason, "UNKNOWN_NONCONFORMITY");
}

pub(crate) async fn a_step_must_be_possible(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1), step("d/1", 1, Confirmed, Ordered)]).await;
    for (from, to) in [(Confirmed, Ceased), (Ordered, Confirmed)] {
        let refused = ledger.refused(vec![step("d/2", 1, from, to)]).await;
        assert_eq!(refused[0].reason, "ILLEGAL_STEP");
        let text = &refused[0].text.en;
        assert!(text.contains("ordered") && text.contains(to.token()), "names both states: {text}");
    }
    ledger.publish(vec![step("d/2", 1, Ordered, Ceased)]).await;
    ledger.is_sound().await;
}

pub(crate) async fn steps_follow_each_other_in_a_batch(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let batch = vec![
        nonconformity(1),
        step("d/1", 1, Confirmed, Ordered),
        step("d/2", 1, Ordered, Rechecking),
        step("d/3", 1, Rechecking, Cleared),
    ];
    ledger.publish(batch).await;
    assert_eq!(ledger.refused(vec![step("d/4", 1, Rechecking, Cleared)]).await[0].reason, "ILLEGAL_STEP");
    ledger.publish(vec![step("d/4", 1, Cleared, Confirmed)]).await;
    ledger.is_sound().await;
}

pub(crate) async fn a_disposition_takes_over_what_its_nonconformity_is(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(7), step("d/1", 7, Confirmed, Ordered)]).await;
    let stored = ledger.everything().await;
    let (about, step) = (&stored[0].attributes, &stored[1].attributes);
    assert_eq!(stored[1].order_key, stored[0].order_key);
    assert_eq!(
        (step.region, step.product_kinds, step.failed_items, step.credit_code, &step.name_key),
        (about.region, about.product_kinds, about.failed_items, about.credit_code, &about.name_key)
    );
    // Who filters on the former state hears of the change.
    let previous = stored[1].previous.as_ref().expect("the state before");
    assert_eq!((previous.kind, previous.step), (step.kind, Some(Step::Begin(Confirmed))));
}

pub(crate) async fn a_correction_keeps_its_place(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1), step("d/1", 1, Confirmed, Ordered), step("d/2", 1, Ordered, Ceased)]).await;
    // The step after it would hang in the air.
    assert_eq!(ledger.refused(vec![step("d/1", 1, Confirmed, Ceased)]).await[0].reason, "ILLEGAL_STEP");
    let taken_back = |number: &str, from, to| {
        let matter = examples::disposition(record_id("n/1"), from, to);
        withdrawn(number, Matter::Disposition(Box::new(matter)))
    };
    assert_eq!(ledger.refused(vec![taken_back("d/1", Confirmed, Ordered)]).await[0].reason, "ILLEGAL_STEP");
    // From the end they can be taken back, and others taken instead.
    ledger.publish(vec![taken_back("d/2", Ordered, Ceased), taken_back("d/1", Confirmed, Ordered)]).await;
    ledger.publish(vec![step("d/3", 1, Confirmed, Ceased)]).await;
    ledger.is_sound().await;
}

pub(crate) async fn a_nonconformity_cannot_begin_elsewhere_under_its_steps(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1), step("d/1", 1, Confirmed, Ordered)]).await;
    let mut matter = examples::nonconformity(1);
    matter.initial_state = Detected;
    let elsewhere = draft("n/1", Matter::Nonconformity(Box::new(matter)));
    assert_eq!(ledger.refused(vec![elsewhere]).await[0].reason, "ILLEGAL_STEP");
    ledger.publish(vec![corrected(1, "乙所")]).await;
    ledger.is_sound().await;
}

pub(crate) async fn a_disposition_stays_with_its_nonconformity(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![nonconformity(1), nonconformity(2), step("d/1", 1, Confirmed, Ordered)]).await;
    let moved = ledger.refused(vec![step("d/1", 2, Confirmed, Ordered)]).await;
    assert_eq!(moved[0].reason, "NONCONFORMITY_CHANGED");
}

pub(crate) async fn tracks_run_beside_the_state(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let sealing = |number: &str, step| {
        let mut matter = examples::disposition(record_id("n/1"), Confirmed, Ordered);
        matter.change = None;
        matter.track = Some(TrackChange { track: TrackKind::Sealing, step, scope: TrackScope::Batch });
        draft(number, Matter::Disposition(Box::new(matter)))
    };
    ledger.publish(vec![nonconformity(1), sealing("t/1", TrackStep::Open)]).await;
    assert_eq!(ledger.refused(vec![sealing("t/2", TrackStep::Open)]).await[0].reason, "ILLEGAL_STEP");
    ledger.publish(vec![sealing("t/2", TrackStep::Close), step("d/1", 1, Confirmed, Ordered)]).await;
    assert_eq!(ledger.everything().await[1].previous, None, "no state was left behind");
    ledger.is_sound().await;
}
