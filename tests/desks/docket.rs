//! The docket over a real store: what follows from records, what becomes overdue by the clock, who may know of it.

use tongbao::{
    domain::{
        deadlines::{Deadlines, Period},
        docket::{Duty, Entry},
        evidence::ActKind,
        life_cycle::State,
        records::{
            Content, CustomsAction, Disposition, Doubt, DoubtAnswer, DoubtOutcome, ExportAction, Matter, Nonconformity,
            NoticeAcknowledgement, RecordReference, TrackChange, TrackKind, TrackScope, TrackStep, UrgentNotice, examples,
        },
    },
    gateway::{docket::Question, policy::Policy},
};

use crate::house::{HOUR, House, caller, id, participant};

const DAY: i64 = 24 * HOUR;

fn nonconformity(initial_state: State) -> Matter {
    Matter::Nonconformity(Box::new(Nonconformity { initial_state, ..examples::nonconformity(5) }))
}

/// Without a stated day: it is counted.
fn step(from: State, to: State) -> Disposition {
    Disposition { due_on: None, ..examples::disposition(id("amr-330000/n"), from, to) }
}

fn track(track: TrackKind, step: TrackStep) -> Disposition {
    let change = TrackChange { track, step, scope: TrackScope::Batch };
    Disposition { change: None, track: Some(change), ..self::step(State::Confirmed, State::Ordered) }
}

fn disposition(matter: Disposition) -> Matter {
    Matter::Disposition(Box::new(matter))
}

fn action(n: u64, action: CustomsAction) -> Matter {
    let acted_at = examples::export_action(n, Vec::new()).acted_at;
    Matter::ExportAction(Box::new(ExportAction { action, acted_at, ..examples::export_action(n, Vec::new()) }))
}

async fn listed(house: &House, who: &str, question: Question) -> Vec<(Duty, String)> {
    house.docket.follow().await.expect("followed");
    let page = house.docket.list(&caller(who), &question).await.expect("a page");
    page.entries.into_iter().map(|due| (due.entry.key.duty, due.entry.since.to_string())).collect()
}

fn duties(raised: &[Entry]) -> Vec<Duty> {
    raised.iter().map(|entry| entry.key.duty).collect()
}

#[tokio::test]
async fn duties_follow_from_records_and_go_with_what_they_wait_for() {
    let house = House::open().await;
    house.publish("amr-330000/n", nonconformity(State::Notified)).await;
    // Told on 28 April, says the record.
    assert_eq!(listed(&house, "gacc", Question::default()).await, [(Duty::Objection, "2020-04-28".to_owned())]);
    house.publish("amr-330000/d1", disposition(step(State::Notified, State::Confirmed))).await;
    house.publish("amr-330000/d2", disposition(step(State::Confirmed, State::Ordered))).await;
    let ordered = [(Duty::Recheck, "2020-05-22".to_owned()), (Duty::Rectify, "2020-05-22".to_owned())];
    assert_eq!(listed(&house, "gacc", Question::default()).await, ordered);
    let only = Question { duty: Some(Duty::Rectify), answerable: Some(participant("amr-330000")), ..Question::default() };
    assert_eq!(listed(&house, "gacc", only).await, ordered[1..]);
    // A corrected order counts from the corrected day, a withdrawn one not at all.
    let corrected = Disposition {
        taken_on: examples::nonconformity(5).published_on.expect("a day"),
        ..step(State::Confirmed, State::Ordered)
    };
    house.publish("amr-330000/d2", disposition(corrected)).await;
    assert_eq!(listed(&house, "gacc", Question::default()).await[0].1, "2020-05-20");
    let withdrawn =
        Content { matter: disposition(step(State::Confirmed, State::Ordered)), withdrawal: Some("entry error".into()) };
    house.publish_content("amr-330000/d2", withdrawn).await;
    assert_eq!(listed(&house, "gacc", Question::default()).await, []);
}

#[tokio::test]
async fn what_lapses_is_raised_once_with_evidence_and_stays_shown_until_it_is_done() {
    let house = House::open().await;
    house.publish("amr-330000/n", nonconformity(State::Confirmed)).await;
    house.publish("amr-330000/d", disposition(step(State::Confirmed, State::Ordered))).await;
    house.docket.follow().await.expect("followed");
    // Ordered on 22 May, today is 1 June: rectification is due on 21 July, the recheck on 5 August.
    house.pass(50 * DAY);
    assert_eq!(house.docket.raise().await.expect("raised"), [], "21 July is still in time");
    let before = house.evidence_size().await;
    house.pass(DAY);
    let raised = house.docket.raise().await.expect("raised");
    assert_eq!(duties(&raised), [Duty::Rectify]);
    let entry = house.evidence(before).await;
    assert_eq!((entry.kind, entry.method.as_str()), (ActKind::Administer, "docket.overdue"));
    assert_eq!(entry.subjects, ["amr-330000/n"]);
    assert_eq!(entry.counts, [("rectify".to_owned(), 1)]);

    assert_eq!(house.docket.raise().await.expect("raised"), [], "once");
    let again = house.docket_under(Policy::default());
    again.follow().await.expect("followed");
    assert_eq!(again.raise().await.expect("raised"), [], "also after a restart");
    assert_eq!(house.evidence_size().await, before + 1);
    let overdue = Question { overdue: true, ..Question::default() };
    assert_eq!(listed(&house, "gacc", overdue.clone()).await.len(), 1);
    let counts = house.docket.counts().await.expect("counts");
    let rectify = counts.iter().find(|count| count.duty == Duty::Rectify).expect("rectify");
    assert_eq!((rectify.open, rectify.overdue, house.docket.age_days(rectify)), (1, 1, 61));

    house.publish("amr-330000/d2", disposition(step(State::Ordered, State::Rechecking))).await;
    assert_eq!(listed(&house, "gacc", overdue).await, []);
}

#[tokio::test]
async fn another_period_counts_at_once() {
    let house = House::open().await;
    house.publish("amr-330000/n", nonconformity(State::Confirmed)).await;
    house.publish("amr-330000/d", disposition(step(State::Confirmed, State::Ordered))).await;
    let deadlines = Deadlines { rectify: Period::Days(5), ..Deadlines::default() };
    let desk = house.docket_under(Policy { deadlines, ..Policy::default() });
    desk.follow().await.expect("followed");
    assert_eq!(duties(&desk.raise().await.expect("raised")), [Duty::Rectify]);
}

#[tokio::test]
async fn a_stated_day_and_a_seizure_lapse_too() {
    let house = House::open().await;
    house.publish("amr-330000/n", nonconformity(State::Confirmed)).await;
    let stated = examples::disposition(id("amr-330000/n"), State::Confirmed, State::Ceased);
    house.publish("amr-330000/d1", disposition(stated)).await;
    house.publish("amr-330000/d2", disposition(track(TrackKind::Seizure, TrackStep::Open))).await;
    house.docket.follow().await.expect("followed");
    // Seized on 22 May for 30 days.
    house.pass(21 * DAY);
    assert_eq!(duties(&house.docket.raise().await.expect("raised")), [Duty::Seizure]);
    house.publish("amr-330000/d3", disposition(track(TrackKind::Seizure, TrackStep::Extend))).await;
    house.docket.follow().await.expect("followed");
    assert_eq!(house.docket.raise().await.expect("raised"), []);
    house.pass(30 * DAY);
    // The extension is over, and 21 July, which the order to cease states, has passed.
    assert_eq!(duties(&house.docket.raise().await.expect("raised")), [Duty::Stated, Duty::SeizureExtended]);
}

#[tokio::test]
async fn a_transfer_is_not_told_to_whom_it_may_not_be() {
    let house = House::open().await;
    house.publish("amr-330000/n", nonconformity(State::Confirmed)).await;
    let transfer = Disposition {
        due_on: tongbao::domain::dates::CivilDate::day(2020, 6, 10),
        ..track(TrackKind::Transfer, TrackStep::Open)
    };
    house.publish("amr-330000/t", disposition(transfer)).await;
    assert_eq!(listed(&house, "gacc", Question::default()).await.len(), 1, "customs may know that it is open");
    assert_eq!(listed(&house, "mofcom", Question::default()).await, []);
}

#[tokio::test]
async fn holds_stand_with_their_age_until_released() {
    let house = House::open().await;
    house.publish("gacc/a1", action(1, CustomsAction::Held)).await;
    house.publish("gacc/a2", action(2, CustomsAction::Held)).await;
    house.publish("gacc/a3", action(1, CustomsAction::Released)).await;
    let holds = Question { duty: Some(Duty::Hold), ..Question::default() };
    assert_eq!(listed(&house, "amr-330000", holds.clone()).await.len(), 1, "regulators see what became of their records");
    assert_eq!(listed(&house, "ndrc", holds.clone()).await, [], "the feed is not theirs");
    let counts = house.docket.counts().await.expect("counts");
    assert_eq!((counts[0].duty, counts[0].open), (Duty::Hold, 1));
    house.pass(400 * DAY);
    assert_eq!(house.docket.raise().await.expect("raised"), [], "no end is configured");
    assert_eq!(house.docket.age_days(&counts[0]), 400 + 17);
    // The action was about another declaration, says its correction: nothing is held there any more, and something here.
    house.publish("gacc/a2", action(3, CustomsAction::Held)).await;
    house.publish("gacc/a4", action(3, CustomsAction::Returned)).await;
    assert_eq!(listed(&house, "amr-330000", holds).await, []);
}

#[tokio::test]
async fn pages_go_on_and_tokens_of_others_are_refused() {
    let house = House::open().await;
    for n in 1..=5 {
        house.publish(&format!("gacc/a{n}"), action(n, CustomsAction::Held)).await;
    }
    house.docket.follow().await.expect("followed");
    let mut question = Question { page_size: 2, ..Question::default() };
    let mut seen = Vec::new();
    loop {
        let page = house.docket.list(&caller("gacc"), &question).await.expect("a page");
        seen.extend(page.entries.into_iter().map(|due| due.entry.record.to_string()));
        if page.next_page_token.is_empty() {
            break;
        }
        question.page_token = page.next_page_token;
    }
    assert_eq!(seen, ["gacc/a1", "gacc/a2", "gacc/a3", "gacc/a4", "gacc/a5"]);
    let refused = house.docket.list(&caller("gacc"), &Question { page_token: "x".into(), ..Question::default() }).await;
    assert_eq!(refused.expect_err("refused").violations[0].reason, "WRONG_PAGE_TOKEN");
}

fn doubt(about: &str, position: u64) -> Matter {
    let about = RecordReference { record_id: id(about), revision: 1, position };
    Matter::Doubt(Box::new(Doubt { about, text: "非该企业所产".into() }))
}

#[tokio::test]
async fn a_doubt_waits_for_the_publisher_until_answered_corrected_or_withdrawn() {
    let house = House::open().await;
    let waits = Question { duty: Some(Duty::DoubtAnswer), ..Question::default() };
    for (n, end) in ["answered", "corrected", "withdrawn"].into_iter().enumerate() {
        let about = format!("amr-330000/n{n}");
        let position = house.publish(&about, nonconformity(State::Confirmed)).await;
        let raised = format!("gacc/d{n}");
        house.publish(&raised, doubt(&about, position)).await;
        house.docket.follow().await.expect("followed");
        let page = house.docket.list(&caller("gacc"), &waits).await.expect("a page");
        let [due] = page.entries.as_slice() else { panic!("{end}: {:?}", page.entries) };
        assert_eq!((due.entry.record.as_str(), &due.entry.answerable), (raised.as_str(), &participant("amr-330000")));
        // Ten working days after Monday 1 June 2020.
        assert_eq!(due.due.map(|due| (due.day.to_string(), due.estimated)), Some(("2020-06-15".to_owned(), false)));
        match end {
            "answered" => {
                let answer = DoubtAnswer { doubt: id(&raised), outcome: DoubtOutcome::Upheld, text: "已核实".into() };
                house.publish("amr-330000/a", Matter::DoubtAnswer(Box::new(answer))).await;
            }
            "corrected" => {
                let corrected = Nonconformity { laboratory: "另一检验所".into(), ..examples::nonconformity(5) };
                house.publish(&about, Matter::Nonconformity(Box::new(corrected))).await;
            }
            _ => {
                let withdrawn = Content { matter: doubt(&about, position), withdrawal: Some("看错了".into()) };
                house.publish_content(&raised, withdrawn).await;
            }
        }
        assert_eq!(listed(&house, "gacc", waits.clone()).await, [], "{end}");
    }
}

#[tokio::test]
async fn a_doubt_about_what_others_may_not_know_is_not_told_to_them_and_lapses() {
    let house = House::open().await;
    let secret = Nonconformity { initial_state: State::Detected, published_on: None, ..examples::nonconformity(5) };
    let position = house.publish("amr-330000/n", Matter::Nonconformity(Box::new(secret))).await;
    house.publish("gacc/d", doubt("amr-330000/n", position)).await;
    assert_eq!(listed(&house, "amr-330000", Question::default()).await.len(), 1);
    assert_eq!(listed(&house, "mofcom", Question::default()).await, []);
    house.pass(14 * DAY);
    assert_eq!(house.docket.raise().await.expect("raised"), [], "15 June is the last day");
    house.pass(DAY);
    assert_eq!(duties(&house.docket.raise().await.expect("raised")), [Duty::DoubtAnswer]);
}

#[tokio::test]
async fn a_notice_waits_for_each_addressee_and_again_when_it_changes() {
    let house = House::open().await;
    let notice = |text: &str| Matter::UrgentNotice(Box::new(UrgentNotice { text: text.into(), ..examples::notice(1) }));
    let acknowledge =
        || Matter::NoticeAcknowledgement(Box::new(NoticeAcknowledgement { notice: id("amr-330000/u"), remark: String::new() }));
    house.publish("amr-330000/u", notice("通报")).await;
    assert_eq!(listed(&house, "gacc", Question::default()).await.len(), 3, "customs, commerce, development-reform");
    house.publish("gacc/ack", acknowledge()).await;
    let own = Question { answerable: Some(participant("gacc")), ..Question::default() };
    assert_eq!(listed(&house, "gacc", own.clone()).await, []);
    house.pass(2 * DAY);
    assert_eq!(house.docket.raise().await.expect("raised").len(), 2, "one working day has passed");
    house.publish("amr-330000/u", notice("更正")).await;
    assert_eq!(listed(&house, "gacc", own.clone()).await.len(), 1, "what changed is to be read again");
    house.publish("gacc/ack2", acknowledge()).await;
    assert_eq!(listed(&house, "gacc", own).await, []);
}
