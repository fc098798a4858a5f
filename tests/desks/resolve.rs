//! Producers named without a code: what waits, what operators decide, and who sees it from then on.

use tongbao::{
    domain::{
        credit_code::CreditCode,
        evidence::ActKind,
        life_cycle::State,
        records::{Attribution, Content, Matter, Nonconformity, Party, examples},
        resolution::Ground,
        screening::{Declaration, DeclarationItem, DeclaredCode, DeclaredParty, Verdict},
    },
    gateway::{
        Caller, Class, Operator, OperatorRole,
        moment::{AsOf, Asking},
        resolve::{Decided, Deciding, Waiting},
    },
};

use crate::house::{House, asking, caller, id};

const NAME: &str = "安泰防护用品有限公司";

fn operator(participant: &str) -> Caller {
    let operator = Operator { name: "li".to_owned(), roles: vec![OperatorRole::Operate] };
    Caller { operator: Some(operator), method: "tongbao.v1.AdminService/DecideProducer", ..caller(participant) }
}

fn named(name: &str) -> Nonconformity {
    Nonconformity {
        producer: Party { name: name.to_owned(), ..Party::default() },
        attribution: Attribution::SampledAtProducer,
        initial_state: State::Confirmed,
        ..examples::nonconformity(1)
    }
}

async fn publish(house: &House, record: &str, matter: Nonconformity) -> u64 {
    house.publish(record, Matter::Nonconformity(Box::new(matter))).await
}

async fn survey(house: &House, record: &str, n: u64, name: &str) -> u64 {
    let mut matter = examples::survey(n);
    name.clone_into(&mut matter.enterprise.name);
    house.publish(record, Matter::EnterpriseSurvey(Box::new(matter))).await
}

fn deciding(record: &str, decided: Decided, seen: u64) -> Deciding {
    Deciding { nonconformity: id(record), decided, reason: "电话核实".into(), seen }
}

/// Two enterprises of one name, and a record that names it: nobody guesses.
async fn ambiguous() -> House {
    let house = House::open().await;
    survey(&house, "amr-330000/s1", 5, NAME).await;
    survey(&house, "amr-330000/s2", 10, "安泰防护用品有限责任公司").await;
    publish(&house, "amr-330000/n", named(NAME)).await;
    house
}

async fn waiting(house: &House, include_decided: bool) -> Vec<(String, Vec<(CreditCode, Ground)>)> {
    let waiting = Waiting { include_decided, ..Waiting::default() };
    let page = house.resolve.waiting(&operator("amr-330000"), &waiting, &asking()).await.expect("a page");
    assert_eq!(page.next_page_token, "");
    let candidates = |one: &tongbao::gateway::resolve::UnresolvedProducer| {
        one.candidates.iter().map(|candidate| (candidate.credit_code, candidate.ground)).collect()
    };
    page.producers.iter().map(|one| (one.stored.record_id.to_string(), candidates(one))).collect()
}

fn of(n: u64) -> Declaration {
    let item = DeclarationItem {
        goods_name: "口罩".into(),
        hs_code: "6307900010".into(),
        batch: examples::nonconformity(1).batch,
        ..DeclarationItem::default()
    };
    let maker = DeclaredParty { name: String::new(), code: DeclaredCode::Code(examples::credit_code(n)), region: None };
    Declaration { number: "222920200000000001".into(), maker, items: vec![item], ..Declaration::default() }
}

async fn verdict(house: &House, n: u64, as_of: AsOf) -> Verdict {
    let asking = Asking { as_of, ..Asking::default() };
    house.screening.screen(&caller("gacc"), &of(n), &asking).await.expect("an answer").answer.verdict
}

async fn file_positions(house: &House, n: u64, as_of: AsOf) -> Vec<u64> {
    let asking = Asking { as_of, ..asking() };
    match house.pull.enterprise(&caller("gacc"), examples::credit_code(n), &asking).await {
        Ok((file, _)) => file.records.iter().map(|shown| shown.stored.position).collect(),
        Err(refused) => panic!("{refused:?}"),
    }
}

#[tokio::test]
async fn an_ambiguous_name_waits_with_its_candidates_until_it_is_decided() {
    let house = ambiguous().await;
    let (one, two) = (examples::credit_code(5), examples::credit_code(10));
    let expected = vec![(one, Ground::SameName), (two, Ground::SameForm)];
    assert_eq!(waiting(&house, false).await, [("amr-330000/n".to_owned(), expected.clone())]);
    let (position, evidence) =
        house.decide(&operator("amr-330000"), &deciding("amr-330000/n", Decided::Is(two), 0)).await.expect("decided");
    assert_eq!(position, 4);
    let entry = house.evidence(evidence.expect("an entry")).await;
    assert_eq!((entry.kind, entry.operator.as_str()), (ActKind::Publish, "li"));
    assert_eq!(entry.subjects[0], "amr-330000/n");
    assert_eq!((entry.positions[0].first, entry.positions[0].last), (4, 4));
    assert!(waiting(&house, false).await.is_empty());
    assert_eq!(waiting(&house, true).await, [("amr-330000/n".to_owned(), expected)]);
}

#[tokio::test]
async fn what_is_decided_counts_from_its_position_on_and_never_before() {
    let house = ambiguous().await;
    house.attest().await;
    let two = examples::credit_code(10);
    assert_ne!(verdict(&house, 10, AsOf::Now).await, Verdict::Hold, "a name alone holds nothing");
    assert_eq!(file_positions(&house, 10, AsOf::Now).await, [2]);
    house.decide(&operator("amr-330000"), &deciding("amr-330000/n", Decided::Is(two), 0)).await.expect("decided");
    assert_eq!(verdict(&house, 10, AsOf::Now).await, Verdict::Hold);
    assert_eq!(file_positions(&house, 10, AsOf::Now).await, [2, 3, 4]);
    // The other one of that name is cleared of it.
    assert_eq!(verdict(&house, 5, AsOf::Now).await, Verdict::Clear);
    assert_eq!(file_positions(&house, 5, AsOf::Now).await, [1]);
    // As of before, everything is as it was.
    assert_ne!(verdict(&house, 10, AsOf::Position(3)).await, Verdict::Hold);
    assert_eq!(file_positions(&house, 10, AsOf::Position(3)).await, [2]);
    // The order key never moves.
    let record = house.pull.record(&caller("gacc"), &id("amr-330000/n"), None, &asking()).await.expect("a record");
    assert_eq!(*record.record.stored.order_key.0, *format!("amr-330000/{NAME}"));
    let decision = house.pull.record(&caller("gacc"), &id("amr-330000/n"), None, &asking()).await.expect("a record");
    assert_eq!(decision.record.stored.position, 3, "the nonconformity stays as its publisher wrote it");
}

#[tokio::test]
async fn a_decision_is_replaced_and_revoked_and_its_history_kept() {
    let house = ambiguous().await;
    house.attest().await;
    let (one, two) = (examples::credit_code(5), examples::credit_code(10));
    let regulator = operator("amr-330000");
    let (first, _) = house.decide(&regulator, &deciding("amr-330000/n", Decided::Is(two), 0)).await.expect("decided");
    let unseen = house.decide(&regulator, &deciding("amr-330000/n", Decided::Is(one), 0)).await.expect_err("unseen");
    assert_eq!((unseen.class, unseen.reason), (Class::Aborted, "DECISION_CHANGED"));
    let (second, _) = house.decide(&regulator, &deciding("amr-330000/n", Decided::Is(one), first)).await.expect("replaced");
    assert_eq!((verdict(&house, 5, AsOf::Now).await, verdict(&house, 10, AsOf::Now).await), (Verdict::Hold, Verdict::Clear));
    let (again, evidence) =
        house.decide(&regulator, &deciding("amr-330000/n", Decided::Is(one), second)).await.expect("the same");
    assert_eq!((again, evidence), (second, None), "the same decision is no new one");
    let (third, _) = house.decide(&regulator, &deciding("amr-330000/n", Decided::Revoke, second)).await.expect("revoked");
    assert_ne!(verdict(&house, 5, AsOf::Now).await, Verdict::Hold);
    assert_eq!(verdict(&house, 5, AsOf::Position(second)).await, Verdict::Hold);
    assert_eq!(waiting(&house, false).await.len(), 1, "it waits again");
    let refused = house.decide(&regulator, &deciding("amr-330000/n", Decided::Revoke, 0)).await.expect_err("nothing stands");
    assert_eq!((refused.class, refused.reason), (Class::FailedPrecondition, "NO_DECISION"));
    let shown = house.resolve.producer(&regulator, &id("amr-330000/n"), &asking()).await.expect("one");
    assert_eq!(shown.credit_code, None);
    assert_eq!(shown.decisions.iter().map(|one| one.stored.position).collect::<Vec<_>>(), [first, second, third]);
    let then = Asking { as_of: AsOf::Position(second), ..asking() };
    let shown = house.resolve.producer(&regulator, &id("amr-330000/n"), &then).await.expect("one");
    assert_eq!((shown.credit_code, shown.decisions.len()), (Some(one), 2));
}

#[tokio::test]
async fn a_name_found_at_publish_may_be_decided_to_be_none() {
    let house = House::open().await;
    survey(&house, "amr-330000/s1", 5, NAME).await;
    publish(&house, "amr-330000/n", named(NAME)).await;
    house.attest().await;
    assert_eq!(verdict(&house, 5, AsOf::Now).await, Verdict::Hold);
    let decided = deciding("amr-330000/n", Decided::None, 0);
    let (position, _) = house.decide(&operator("amr-330000"), &decided).await.expect("decided");
    assert_eq!(verdict(&house, 5, AsOf::Now).await, Verdict::Review, "the name is still the same, and holds nothing alone");
    assert_eq!(file_positions(&house, 5, AsOf::Now).await, [1]);
    let revoke = deciding("amr-330000/n", Decided::Revoke, position);
    house.decide(&operator("amr-330000"), &revoke).await.expect("revoked");
    assert_eq!(verdict(&house, 5, AsOf::Now).await, Verdict::Hold);
}

#[tokio::test]
async fn a_decision_holds_for_the_name_it_was_made_on() {
    let house = ambiguous().await;
    let two = examples::credit_code(10);
    house.decide(&operator("amr-330000"), &deciding("amr-330000/n", Decided::Is(two), 0)).await.expect("decided");
    publish(&house, "amr-330000/n", named("宁康防护用品有限公司")).await;
    assert_eq!(file_positions(&house, 10, AsOf::Now).await, [2]);
    assert_eq!(waiting(&house, false).await.len(), 1, "another name waits anew");
    // Corrected to a code, it needs no decision.
    publish(&house, "amr-330000/n", examples::nonconformity(1)).await;
    let refused =
        house.decide(&operator("amr-330000"), &deciding("amr-330000/n", Decided::Is(two), 4)).await.expect_err("stated");
    assert_eq!((refused.class, refused.reason), (Class::FailedPrecondition, "CODE_STATED"));
}

#[tokio::test]
async fn former_names_cores_and_branches_are_candidates() {
    let house = House::open().await;
    survey(&house, "amr-330000/s1", 5, NAME).await;
    survey(&house, "amr-330000/s1", 5, "宁康防护用品有限公司").await;
    survey(&house, "amr-330000/s2", 10, "绍兴安泰防护用品有限公司").await;
    survey(&house, "amr-330000/s3", 15, "别家防护用品有限公司").await;
    publish(&house, "amr-330000/n", named(NAME)).await;
    let expected = vec![(examples::credit_code(5), Ground::FormerName), (examples::credit_code(10), Ground::SameCore)];
    assert_eq!(waiting(&house, false).await, [("amr-330000/n".to_owned(), expected)]);
}

#[tokio::test]
async fn only_regulators_decide_and_what_is_not_shown_is_not_there() {
    let house = ambiguous().await;
    let decided = deciding("amr-330000/n", Decided::None, 0);
    for name in ["gacc", "ndrc", "mofcom"] {
        let refused = house.decide(&operator(name), &decided).await.expect_err("not theirs");
        assert_eq!((refused.class, refused.reason), (Class::PermissionDenied, "NOT_GRANTED"), "{name}");
    }
    let refused = house.resolve.waiting(&operator("mofcom"), &Waiting::default(), &Asking::default()).await;
    assert_eq!(refused.expect_err("no purpose").violations[0].reason, "PURPOSE_REQUIRED");
    let unknown = house.resolve.producer(&operator("amr-330000"), &id("amr-330000/none"), &asking()).await.expect_err("none");
    assert_eq!((unknown.class, unknown.reason), (Class::NotFound, "UNKNOWN_RECORD"));
    // What only customs and regulators know of stays unknown to the others, its decision too.
    let hidden = Nonconformity { initial_state: State::Detected, published_on: None, ..named(NAME) };
    publish(&house, "amr-330000/hidden", hidden).await;
    let two = examples::credit_code(10);
    house.decide(&operator("amr-330000"), &deciding("amr-330000/hidden", Decided::Is(two), 0)).await.expect("decided");
    let (file, _) = house.pull.enterprise(&caller("ndrc"), two, &asking()).await.expect("the survey alone");
    assert_eq!(file.records.iter().map(|shown| shown.stored.position).collect::<Vec<_>>(), [2]);
    let page = house.resolve.waiting(&operator("ndrc"), &Waiting::default(), &asking()).await.expect("a page");
    assert_eq!(page.producers.len(), 1);
}

#[tokio::test]
async fn what_waits_is_paged() {
    let house = House::open().await;
    for n in 0..5 {
        publish(&house, &format!("amr-330000/{n}"), named(&format!("无名{n}号有限公司"))).await;
    }
    house
        .publish_content(
            "amr-330000/4",
            Content {
                matter: Matter::Nonconformity(Box::new(named("无名4号有限公司"))), withdrawal: Some("重复".into())
            },
        )
        .await;
    let (mut token, mut seen) = (String::new(), Vec::new());
    loop {
        let asked = Waiting { page_size: 2, page_token: token, ..Waiting::default() };
        let page = house.resolve.waiting(&operator("amr-330000"), &asked, &asking()).await.expect("a page");
        seen.extend(page.producers.iter().map(|one| one.stored.position));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, [1, 2, 3, 4]);
    let other = Waiting { page_size: 101, ..Waiting::default() };
    let refused = house.resolve.waiting(&operator("amr-330000"), &other, &asking()).await.expect_err("too large");
    assert_eq!(refused.violations[0].reason, "TOO_LARGE");
}
