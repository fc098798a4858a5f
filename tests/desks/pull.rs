//! The pull desk over a real store.

use tongbao::{
    domain::{
        evidence::{ActKind, PositionRange, commitment, records_root},
        feeds::Feed,
        life_cycle::State,
        records::{Content, Kind, Matter, Nonconformity, examples},
    },
    gateway::{
        Class,
        list::Listing,
        moment::{AsOf, Asking},
    },
};

use crate::house::{HOUR, House, NOW, asking, caller, id, participant};

fn nonconformity(n: u64, initial_state: State) -> Matter {
    Matter::Nonconformity(Box::new(Nonconformity { initial_state, ..examples::nonconformity(n) }))
}

fn step(of: &str, from: State, to: State) -> Matter {
    Matter::Disposition(Box::new(examples::disposition(id(of), from, to)))
}

fn survey(n: u64) -> Matter {
    Matter::EnterpriseSurvey(Box::new(examples::survey(n)))
}

fn at(position: u64) -> Asking {
    Asking { as_of: AsOf::Position(position), ..asking() }
}

#[tokio::test]
async fn the_file_of_an_enterprise_tells_all_that_may_be_told() {
    let house = House::open().await;
    house.publish("amr-330000/s", survey(5)).await;
    house.publish("amr-330000/n", nonconformity(5, State::Confirmed)).await;
    house.publish("amr-330000/d", step("amr-330000/n", State::Confirmed, State::Ordered)).await;
    house.publish("amr-330000/other", nonconformity(10, State::Confirmed)).await;
    house.publish("mofcom/q", Matter::ExportQualification(Box::new(examples::qualification(5)))).await;
    let code = examples::credit_code(5);

    let (file, basis) = house.pull.enterprise(&caller("gacc"), code, &asking()).await.expect("a file");
    assert_eq!(file.records.iter().map(|shown| shown.stored.position).collect::<Vec<_>>(), [1, 2, 3, 5]);
    assert!(file.records.iter().all(|shown| !shown.restricted), "customs see no restricted section");
    assert_eq!(file.names, ["示例5号防护用品有限公司"]);
    let [status] = file.nonconformities.as_slice() else { panic!("one nonconformity") };
    assert_eq!((status.standing.state, status.since), (State::Ordered, 3));
    assert!(file.on_deny_list && file.on_allow_list);
    assert_eq!(basis.position, 5);

    let (file, _) = house.pull.enterprise(&caller("ndrc"), code, &asking()).await.expect("a file");
    let restricted: Vec<_> = file.records.iter().filter(|shown| shown.restricted).map(|shown| shown.stored.position).collect();
    assert_eq!(restricted, [1], "the survey's restricted section is for development-reform");
    assert!(!file.on_allow_list, "the allow-list is not theirs");
}

#[tokio::test]
async fn a_pull_is_recorded_before_it_is_answered() {
    let house = House::open().await;
    house.publish("amr-330000/s", survey(5)).await;
    house.publish("amr-330000/n", nonconformity(5, State::Confirmed)).await;
    let code = examples::credit_code(5);
    let (file, basis) = house.pull.enterprise(&caller("gacc"), code, &asking()).await.expect("a file");
    let entry = house.evidence(basis.evidence_index).await;
    assert_eq!((entry.kind, entry.participant.as_str(), entry.request_id.as_str()), (ActKind::Pull, "gacc", "request-1"));
    assert_eq!(entry.positions, [PositionRange { first: 1, last: 2 }]);
    let digests: Vec<_> = file.records.iter().map(|shown| shown.stored.digest).collect();
    assert_eq!(entry.records_root, Some(records_root(&digests)));
    assert_eq!(entry.subjects, [code.to_string()]);
    let salt = basis.purpose_salt.expect("a salt");
    assert_eq!(entry.commitment, Some(commitment(&salt, "出口检验")));
}

#[tokio::test]
async fn what_is_not_granted_does_not_exist() {
    let house = House::open().await;
    let hidden = Nonconformity { initial_state: State::Detected, published_on: None, ..examples::nonconformity(5) };
    house.publish("amr-330000/n", Matter::Nonconformity(Box::new(hidden))).await;
    let code = examples::credit_code(5);
    let before = house.evidence_size().await;
    for name in ["mofcom", "ndrc"] {
        let refused = house.pull.enterprise(&caller(name), code, &asking()).await.expect_err("nothing for them");
        assert_eq!((refused.class, refused.reason), (Class::NotFound, "UNKNOWN_ENTERPRISE"));
        let refused = house.pull.record(&caller(name), &id("amr-330000/n"), None, &asking()).await.expect_err("nothing");
        assert_eq!((refused.class, refused.reason), (Class::NotFound, "UNKNOWN_RECORD"));
    }
    assert_eq!(house.evidence_size().await, before, "nothing was disclosed");
    assert!(house.pull.enterprise(&caller("gacc"), code, &asking()).await.is_ok(), "customs hear of it at once");

    // Told to the producer, it is there for all recipients, and as_of still knows the moment before.
    let told = house.publish("amr-330000/d", step("amr-330000/n", State::Detected, State::Notified)).await;
    assert!(house.pull.enterprise(&caller("ndrc"), code, &asking()).await.is_ok());
    assert!(house.pull.enterprise(&caller("ndrc"), code, &at(told - 1)).await.is_err());
    let refused = house.pull.enterprise(&caller("nobody"), code, &asking()).await.expect_err("not in the register");
    assert_eq!(refused.class, Class::PermissionDenied);
}

#[tokio::test]
async fn the_purpose_must_be_stated_where_the_feed_asks() {
    let house = House::open().await;
    house.publish("amr-330000/s", survey(5)).await;
    house.publish("amr-330000/n", nonconformity(5, State::Confirmed)).await;
    let silent = Asking::default();
    let refused = house.pull.enterprise(&caller("gacc"), examples::credit_code(5), &silent).await.expect_err("no purpose");
    assert_eq!(refused.violations[0].reason, "PURPOSE_REQUIRED");
    assert!(house.pull.record(&caller("gacc"), &id("amr-330000/s"), None, &silent).await.is_err());
    assert!(house.pull.record(&caller("gacc"), &id("amr-330000/n"), None, &silent).await.is_ok(), "this feed asks for none");
    let long = Asking { purpose: "长".repeat(501), ..Asking::default() };
    let refused = house.pull.record(&caller("gacc"), &id("amr-330000/n"), None, &long).await.expect_err("too long");
    assert_eq!(refused.violations[0].reason, "TOO_LONG");
}

#[tokio::test]
async fn the_past_is_as_it_was() {
    let house = House::open().await;
    house.publish("amr-330000/n", nonconformity(5, State::Confirmed)).await;
    house.pass(HOUR);
    house.publish("amr-330000/d", step("amr-330000/n", State::Confirmed, State::Ordered)).await;
    let code = examples::credit_code(5);
    let state = async |asking: Asking| {
        let (file, _) = house.pull.enterprise(&caller("gacc"), code, &asking).await.expect("a file");
        file.nonconformities[0].standing.state
    };
    assert_eq!(state(asking()).await, State::Ordered);
    assert_eq!(state(at(1)).await, State::Confirmed);
    assert_eq!(state(Asking { as_of: AsOf::Time(NOW + HOUR / 2), ..asking() }).await, State::Confirmed);
    for beyond in [at(3), Asking { as_of: AsOf::Time(NOW + 2 * HOUR), ..asking() }] {
        let refused = house.pull.enterprise(&caller("gacc"), code, &beyond).await.expect_err("still to come");
        assert_eq!((refused.class, refused.reason), (Class::OutOfRange, "BEYOND_HEAD"));
    }
    let before_all = Asking { as_of: AsOf::Time(NOW - HOUR), ..asking() };
    let refused = house.pull.enterprise(&caller("gacc"), code, &before_all).await.expect_err("nothing yet");
    assert_eq!(refused.class, Class::NotFound);
}

#[tokio::test]
async fn a_corrected_disposition_keeps_its_place_in_the_life_cycle() {
    let house = House::open().await;
    house.publish("amr-330000/n", nonconformity(5, State::Confirmed)).await;
    house.publish("amr-330000/d1", step("amr-330000/n", State::Confirmed, State::Ordered)).await;
    house.publish("amr-330000/d2", step("amr-330000/n", State::Ordered, State::Rechecking)).await;
    let mut corrected = examples::disposition(id("amr-330000/n"), State::Confirmed, State::Ordered);
    corrected.document_number = "更正".into();
    house.publish("amr-330000/d1", Matter::Disposition(Box::new(corrected))).await;
    let found = house.pull.record(&caller("gacc"), &id("amr-330000/n"), None, &asking()).await.expect("a record");
    let status = found.status.expect("a status");
    assert_eq!((status.standing.state, status.since), (State::Rechecking, 3));
}

#[tokio::test]
async fn who_waits_for_a_position_gets_it_or_is_told_that_it_was_not_reached() {
    let house = House::open().await;
    house.publish("amr-330000/n", nonconformity(5, State::Confirmed)).await;
    let code = examples::credit_code(5);
    let impatient = Asking { min_position: 2, ..asking() };
    let refused = house.pull.enterprise(&caller("gacc"), code, &impatient).await.expect_err("not there yet");
    assert_eq!((refused.class, refused.reason), (Class::OutOfRange, "BEYOND_HEAD"));
    let patient = Asking { min_position: 2, patience: std::time::Duration::from_mins(10), ..asking() };
    let gacc = caller("gacc");
    let waits = house.pull.enterprise(&gacc, code, &patient);
    let publishes = house.publish("amr-330000/m", nonconformity(5, State::Confirmed));
    let (found, position) = tokio::join!(waits, publishes);
    assert_eq!(position, 2);
    assert_eq!(found.expect("a file").1.position, 2);
}

#[tokio::test]
async fn revisions_can_be_asked_for_one_by_one() {
    let house = House::open().await;
    house.publish("amr-330000/n", nonconformity(5, State::Confirmed)).await;
    let content = Content { matter: nonconformity(5, State::Confirmed), withdrawal: Some("录入错误".into()) };
    house.publish_content("amr-330000/n", content).await;
    let record = async |revision| house.pull.record(&caller("gacc"), &id("amr-330000/n"), revision, &asking()).await;
    assert_eq!(record(None).await.expect("in force").record.stored.revision, 2);
    assert_eq!(record(Some(1)).await.expect("the first").record.stored.position, 1);
    assert_eq!(record(Some(3)).await.expect_err("none").reason, "UNKNOWN_RECORD");
    // A withdrawn record is no part of the file.
    let refused = house.pull.enterprise(&caller("gacc"), examples::credit_code(5), &asking()).await.expect_err("withdrawn");
    assert_eq!(refused.reason, "UNKNOWN_ENTERPRISE");
}

#[tokio::test]
async fn several_enterprises_are_answered_from_one_moment() {
    let house = House::open().await;
    house.publish("amr-330000/1", nonconformity(1, State::Confirmed)).await;
    house.publish("amr-330000/2", nonconformity(2, State::Confirmed)).await;
    let codes = [2, 3, 1, 3].map(examples::credit_code);
    let found = house.pull.enterprises(&caller("gacc"), &codes, &asking()).await.expect("files");
    let files: Vec<_> = found.files.iter().map(|file| file.credit_code).collect();
    assert_eq!(files, [2, 1].map(examples::credit_code));
    assert_eq!(found.not_found, [examples::credit_code(3)]);
    let many: Vec<_> = (0..101).map(examples::credit_code).collect();
    for wrong in [&many[..], &[]] {
        let refused = house.pull.enterprises(&caller("gacc"), wrong, &asking()).await.expect_err("wrong count");
        assert_eq!(refused.violations[0].reason, "WRONG_COUNT");
    }
}

#[tokio::test]
async fn pages_together_are_one_answer() {
    let house = House::open().await;
    for n in 1..=5 {
        let state = if n == 2 { State::Detected } else { State::Confirmed };
        let published_on = if n == 2 { None } else { examples::nonconformity(n).published_on };
        let matter = Nonconformity { initial_state: state, published_on, ..examples::nonconformity(n) };
        house.publish(&format!("amr-330000/{n}"), Matter::Nonconformity(Box::new(matter))).await;
    }
    let listing = Listing { feed: Some(Feed::FailedProducts), page_size: 2, ..Listing::default() };
    let pages = async |name: &str| {
        let mut listing = listing.clone();
        let mut all = Vec::new();
        loop {
            let page = house.pull.list(&caller(name), &listing, &asking()).await.expect("a page");
            assert!(page.records.len() <= 2);
            all.extend(page.records.iter().map(|shown| shown.stored.position));
            house.publish(&format!("amr-330000/later-{}", all.len()), nonconformity(9, State::Confirmed)).await;
            if page.next_page_token.is_empty() {
                return all;
            }
            listing.page_token = page.next_page_token;
        }
    };
    assert_eq!(pages("gacc").await[..5], [1, 2, 3, 4, 5], "what is published between pages is not in them");
    assert_eq!(pages("ndrc").await[..4], [1, 3, 4, 5], "what is detected is for customs alone");
}

#[tokio::test]
async fn a_listing_is_asked_rightly() {
    let house = House::open().await;
    for n in 1..=3 {
        house.publish(&format!("amr-330000/{n}"), nonconformity(n, State::Confirmed)).await;
    }
    let gacc = caller("gacc");
    let first = Listing { page_size: 1, kind: Some(Kind::Nonconformity), ..Listing::default() };
    let page = house.pull.list(&gacc, &first, &asking()).await.expect("a page");
    let other = Listing { page_token: page.next_page_token.clone(), publisher: Some(participant("amr-330000")), ..first.clone() };
    let refused = house.pull.list(&gacc, &other, &asking()).await.expect_err("another question");
    assert_eq!(refused.violations[0].reason, "WRONG_PAGE_TOKEN");
    let same = Listing { page_token: page.next_page_token, page_size: 9, ..first.clone() };
    assert_eq!(house.pull.list(&gacc, &same, &asking()).await.expect("the rest").records.len(), 2);
    let crossed = Listing { feed: Some(Feed::Notices), ..first.clone() };
    let refused = house.pull.list(&gacc, &crossed, &asking()).await.expect_err("kind and feed");
    assert_eq!(refused.violations[0].reason, "KIND_NOT_IN_FEED");
    let refused = house.pull.list(&gacc, &Listing { page_size: 1_001, ..first }, &asking()).await.expect_err("too large");
    assert_eq!(refused.violations[0].reason, "TOO_LARGE");
}

#[tokio::test]
async fn an_answer_says_how_far_it_is_good() {
    let house = House::open().await;
    house.publish("amr-330000/n", nonconformity(5, State::Confirmed)).await;
    let (gacc, code) = (caller("gacc"), examples::credit_code(5));
    let (_, basis) = house.pull.enterprise(&gacc, code, &asking()).await.expect("a file");
    assert!(basis.stale && basis.complete_to.is_none());
    house.attest().await;
    let (_, basis) = house.pull.enterprise(&gacc, code, &asking()).await.expect("a file");
    assert_eq!((basis.stale, basis.complete_to), (false, Some(NOW)));
    house.pass(25 * HOUR);
    let (_, basis) = house.pull.enterprise(&gacc, code, &asking()).await.expect("a file");
    assert_eq!((basis.stale, basis.complete_to), (true, Some(NOW)));
}
