//! The screening desk over a real store.

use tongbao::{
    domain::{
        dates::CivilDate,
        evidence::ActKind,
        life_cycle::State,
        records::{
            Attribution, Consignee, Content, Disposition, Matter, Nonconformity, Party, TrackChange, TrackKind, TrackScope,
            TrackStep, examples,
        },
        screening::{ClaimedStandard, Declaration, DeclarationItem, DeclaredCode, DeclaredParty, RuleId, Verdict},
    },
    gateway::{
        Class,
        moment::{AsOf, Asking},
        screen::Screened,
    },
};

use crate::house::{HOUR, House, NOW, asking, caller, id};

fn publishable(matter: Nonconformity) -> Matter {
    Matter::Nonconformity(Box::new(matter))
}

fn step(of: &str, from: State, to: State) -> Matter {
    Matter::Disposition(Box::new(examples::disposition(id(of), from, to)))
}

/// A declaration by the `n`-th enterprise, of the batch that its example nonconformity is about.
fn declaration(n: u64) -> Declaration {
    let item = DeclarationItem {
        goods_name: "口罩".into(),
        hs_code: "6307900010".into(),
        batch: examples::nonconformity(n).batch,
        claimed_standard: ClaimedStandard::Chinese,
        ..DeclarationItem::default()
    };
    let code = DeclaredCode::Code(examples::credit_code(n));
    Declaration {
        number: "222920200000000001".into(),
        maker: DeclaredParty { name: String::new(), code, region: None },
        items: vec![item],
        ..Declaration::default()
    }
}

/// Of the same enterprise, goods that nothing is known of.
fn other_goods(n: u64) -> Declaration {
    let mut declaration = declaration(n);
    declaration.items[0].batch = "UNHEARD-OF".into();
    declaration
}

async fn screen(house: &House, declaration: &Declaration) -> Screened {
    house.screening.screen(&caller("gacc"), declaration, &Asking::default()).await.expect("an answer")
}

fn rules(screened: &Screened) -> Vec<RuleId> {
    screened.answer.items.iter().flat_map(|item| &item.reasons).map(|reason| reason.rule).collect()
}

#[tokio::test]
async fn a_failed_batch_is_held_and_an_unknown_one_is_clear_while_the_data_is_fresh() {
    let house = House::open().await;
    house.publish("amr-330000/n", publishable(examples::nonconformity(5))).await;
    house.attest().await;
    let held = screen(&house, &declaration(5)).await;
    assert_eq!(held.answer.verdict, Verdict::Hold);
    assert_eq!(rules(&held), [RuleId::CodeBatchHold]);
    let clear = screen(&house, &declaration(10)).await;
    assert_eq!(clear.answer.verdict, Verdict::Clear);
    assert_eq!((clear.basis.position, clear.basis.stale, clear.basis.complete_to), (1, false, Some(NOW)));
    assert_eq!(clear.expires_at, NOW + 24 * HOUR);
    house.pass(25 * HOUR);
    let unknown = screen(&house, &declaration(10)).await;
    assert_eq!(unknown.answer.verdict, Verdict::Unknown);
    assert_eq!(unknown.expires_at, NOW + 25 * HOUR, "nothing to rest on");
    let still_held = screen(&house, &declaration(5)).await;
    assert_eq!(still_held.answer.verdict, Verdict::Hold);
    assert!(still_held.basis.stale && rules(&still_held).contains(&RuleId::DataStale));
}

#[tokio::test]
async fn an_answer_is_recorded_before_it_leaves() {
    let house = House::open().await;
    let position = house.publish("amr-330000/n", publishable(examples::nonconformity(5))).await;
    let screened = screen(&house, &declaration(5)).await;
    let entry = house.evidence(screened.basis.evidence_index).await;
    assert_eq!((entry.kind, entry.participant.as_str()), (ActKind::Screen, "gacc"));
    assert_eq!(entry.subjects, [&screened.screening_id, "222920200000000001", "rules:2020.51-2", "regime:off"]);
    assert_eq!(entry.positions.iter().map(|range| (range.first, range.last)).collect::<Vec<_>>(), [(position, position)]);
    assert!(entry.records_root.is_some());
    assert!(entry.counts.contains(&("HOLD".to_owned(), 1)));
    let again = screen(&house, &declaration(5)).await;
    assert_ne!(again.screening_id, screened.screening_id);
    assert_eq!(again.answer, screened.answer);
}

#[tokio::test]
async fn the_state_is_that_of_the_dispositions_in_force_at_the_moment() {
    let house = House::open().await;
    house.publish("amr-330000/n", publishable(examples::nonconformity(5))).await;
    house.publish("amr-330000/d", step("amr-330000/n", State::Confirmed, State::Overturned)).await;
    house.attest().await;
    assert_eq!(screen(&house, &declaration(5)).await.answer.verdict, Verdict::Clear);
    let before = Asking { as_of: AsOf::Position(1), ..Asking::default() };
    let before = house.screening.screen(&caller("gacc"), &declaration(5), &before).await.expect("an answer");
    assert_eq!(before.answer.verdict, Verdict::Hold);
}

#[tokio::test]
async fn a_clearance_releases_what_was_made_after_it_but_never_the_batch() {
    let house = House::open().await;
    let state = State::Rechecking;
    house.publish("amr-330000/n", publishable(Nonconformity { initial_state: state, ..examples::nonconformity(5) })).await;
    // Taken on 2020-05-22.
    house.publish("amr-330000/d", step("amr-330000/n", state, State::Cleared)).await;
    house.attest().await;
    assert_eq!(rules(&screen(&house, &declaration(5)).await), [RuleId::CodeClearedBatchHold]);
    let mut later = other_goods(5);
    assert_eq!(rules(&screen(&house, &later).await), [RuleId::CodeClearedReview]);
    later.items[0].produced_on = CivilDate::day(2020, 5, 23);
    assert_eq!(rules(&screen(&house, &later).await), [RuleId::CodeClearedAfterClear]);
    later.items[0].produced_on = CivilDate::day(2020, 5, 22);
    assert_eq!(rules(&screen(&house, &later).await), [RuleId::CodeClearedReview]);
}

#[tokio::test]
async fn a_stated_name_leads_over_the_survey_to_the_records_of_its_code() {
    let house = House::open().await;
    house.publish("amr-330000/s", Matter::EnterpriseSurvey(Box::new(examples::survey(5)))).await;
    house.publish("amr-330000/n", publishable(examples::nonconformity(5))).await;
    house.attest().await;
    let mut named = declaration(5);
    named.maker = DeclaredParty { name: examples::enterprise(5).name, ..DeclaredParty::default() };
    let screened = screen(&house, &named).await;
    assert_eq!(rules(&screened), [RuleId::CodeBatchHold]);
    assert_eq!(screened.answer.maker, Some(examples::credit_code(5)));
    let mut seller = declaration(5);
    seller.producing_or_selling_unit = std::mem::take(&mut seller.maker);
    assert_eq!(rules(&screen(&house, &seller).await), [RuleId::CodeBatchHold], "the survey knows it as a producer");
}

#[tokio::test]
async fn a_name_resolved_at_publish_counts_by_its_attribution() {
    let house = House::open().await;
    house.publish("amr-330000/s", Matter::EnterpriseSurvey(Box::new(examples::survey(5)))).await;
    let producer = Party { name: examples::enterprise(5).name, ..Party::default() };
    let nominal = Nonconformity { producer, attribution: Attribution::Nominal, ..examples::nonconformity(5) };
    house.publish("amr-330000/nominal", publishable(nominal.clone())).await;
    house.attest().await;
    assert_eq!(rules(&screen(&house, &declaration(5)).await), [RuleId::NominalReview]);
    let sure = Nonconformity { attribution: Attribution::SampledAtProducer, ..nominal };
    house.publish("amr-330000/sure", publishable(sure)).await;
    assert_eq!(screen(&house, &declaration(5)).await.answer.verdict, Verdict::Hold);
}

#[tokio::test]
async fn a_name_nobody_resolved_is_reviewed_and_no_more() {
    let house = House::open().await;
    let producer = Party { name: "示例5号防护用品有限责任公司".into(), ..Party::default() };
    house.publish("amr-330000/n", publishable(Nonconformity { producer, ..examples::nonconformity(5) })).await;
    house.attest().await;
    let mut named = declaration(5);
    named.maker.name = examples::enterprise(5).name;
    assert_eq!(rules(&screen(&house, &named).await), [RuleId::NameReview]);
}

#[tokio::test]
async fn goods_under_a_false_name_are_held_by_brand_and_batch_whoever_declares_them() {
    let house = House::open().await;
    house.publish("amr-330000/n", publishable(examples::nonconformity(5))).await;
    house.publish("amr-330000/d", step("amr-330000/n", State::Confirmed, State::Disowned)).await;
    house.attest().await;
    let mut stranger = declaration(10);
    stranger.items[0].batch = examples::nonconformity(5).batch;
    stranger.items[0].brand = examples::nonconformity(5).brand;
    assert_eq!(rules(&screen(&house, &stranger).await), [RuleId::DisownedHold]);
    assert_eq!(screen(&house, &other_goods(5)).await.answer.verdict, Verdict::Clear, "its own goods are free");
}

#[tokio::test]
async fn an_open_sealing_holds_until_it_is_closed() {
    let house = House::open().await;
    house.publish("amr-330000/n", publishable(examples::nonconformity(5))).await;
    let sealing = |step| {
        let mut matter = examples::disposition(id("amr-330000/n"), State::Confirmed, State::Ordered);
        matter.change = None;
        matter.track = Some(TrackChange { track: TrackKind::Sealing, step, scope: TrackScope::Enterprise });
        Matter::Disposition(Box::new(matter))
    };
    house.publish("amr-330000/open", sealing(TrackStep::Open)).await;
    house.attest().await;
    assert!(rules(&screen(&house, &other_goods(5)).await).contains(&RuleId::TrackEnterpriseHold));
    house.publish("amr-330000/close", sealing(TrackStep::Close)).await;
    assert_eq!(rules(&screen(&house, &other_goods(5)).await), [RuleId::CodeUndecidableReview]);
}

#[tokio::test]
async fn a_withdrawn_record_speaks_no_more() {
    let house = House::open().await;
    house.publish("amr-330000/n", publishable(examples::nonconformity(5))).await;
    house.attest().await;
    assert_eq!(screen(&house, &declaration(5)).await.answer.verdict, Verdict::Hold);
    let content = Content { matter: publishable(examples::nonconformity(5)), withdrawal: Some("录入错误".into()) };
    house.publish_content("amr-330000/n", content).await;
    assert_eq!(screen(&house, &declaration(5)).await.answer.verdict, Verdict::Clear);
}

#[tokio::test]
async fn goods_to_foreign_standards_need_the_allow_list_while_the_regime_is_in_force() {
    let house = House::open().await;
    house.attest().await;
    let mut foreign = declaration(5);
    foreign.items[0].claimed_standard = ClaimedStandard::Foreign;
    foreign.items[0].product_kind = examples::nonconformity(5).product_kind;
    assert_eq!(screen(&house, &foreign).await.answer.verdict, Verdict::Clear, "the regime is off");
    house.put_regime_in_force();
    let held = screen(&house, &foreign).await;
    assert_eq!(rules(&held), [RuleId::ForeignNotListed]);
    assert_eq!(held.answer.regime_version, "announcement-12-2020:2020-04-26..");
    house.publish("mofcom/q", Matter::ExportQualification(Box::new(examples::qualification(5)))).await;
    assert_eq!(screen(&house, &foreign).await.answer.verdict, Verdict::Clear);
}

#[tokio::test]
async fn only_customs_screen_and_only_what_is_well_formed() {
    let house = House::open().await;
    for name in ["ndrc", "mofcom", "amr-330000"] {
        let refused = house.screening.screen(&caller(name), &declaration(5), &Asking::default()).await.expect_err("no permit");
        assert_eq!((refused.class, refused.reason), (Class::PermissionDenied, "NOT_GRANTED"));
    }
    let shapeless = Declaration { office: "1".into(), ..Declaration::default() };
    let refused = house.screening.screen(&caller("gacc"), &shapeless, &Asking::default()).await.expect_err("no form");
    let places: Vec<_> = refused.violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(places, ["declaration.office", "declaration.items"]);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_answered() {
    let house = House::open().await;
    house.publish("amr-330000/n", publishable(examples::nonconformity(5))).await;
    house.committer.close().await;
    let refused = house.screening.screen(&caller("gacc"), &declaration(5), &Asking::default()).await.expect_err("no evidence");
    assert_eq!(refused.class, Class::Unavailable);
    let refused = house.pull.enterprise(&caller("gacc"), examples::credit_code(5), &asking()).await.expect_err("none");
    assert_eq!(refused.class, Class::Unavailable);
}

#[tokio::test]
async fn who_received_the_batch_is_found_and_not_named() {
    let house = House::open().await;
    house.attest().await;
    house.publish("amr-330000/n", publishable(examples::nonconformity(5))).await;
    let buyer = examples::credit_code(6);
    let party = Party { name: "示例收货贸易有限公司".into(), credit_code: Some(buyer), ..Party::default() };
    let delivered = Disposition {
        consignees: vec![Consignee { party, quantity: Some(5_000), delivered_on: None }],
        ..examples::disposition(id("amr-330000/n"), State::Confirmed, State::Ordered)
    };
    house.publish("amr-330000/d", Matter::Disposition(Box::new(delivered))).await;
    let declared = |batch: &str| {
        let mut declaration = declaration(5);
        declaration.maker = DeclaredParty::default();
        declaration.producing_or_selling_unit = DeclaredParty::default();
        declaration.exporter = DeclaredParty { name: String::new(), code: DeclaredCode::read(buyer.as_str()), region: None };
        declaration.items[0].batch = batch.to_owned();
        declaration.items[0].brand = String::new();
        declaration
    };
    let batch = examples::nonconformity(5).batch;
    let screened = screen(&house, &declared(&batch)).await;
    assert!(rules(&screened).contains(&RuleId::ConsigneeBatchHold), "{:?}", screened.answer);
    assert_eq!(screened.answer.verdict, Verdict::Hold);
    // By the restricted section alone, of which customs hear no word.
    let words: String = screened.answer.items[0].reasons.iter().map(|reason| reason.text.zh.clone()).collect();
    assert!(!words.contains("示例收货") && !words.contains("5000") && words.contains("amr-330000/n"), "{words}");
    let other = screen(&house, &declared("ANOTHER")).await;
    assert!(rules(&other).contains(&RuleId::ConsigneeReview), "{:?}", other.answer);

    let (file, _) = house.pull.enterprise(&caller("gacc"), examples::credit_code(5), &asking()).await.expect("a file");
    let flow = file.nonconformities[0].flow;
    assert_eq!((flow.sold, flow.consigned), (Some(12_000), None), "consignees are restricted");
    let regulator = house.pull.enterprise(&caller("amr-330000"), examples::credit_code(5), &asking()).await.expect("a file").0;
    let flow = regulator.nonconformities[0].flow;
    assert_eq!(flow.consigned, Some(5_000));
    assert!(flow.differences()[0].1.en.contains("7000 are not traced"), "{flow:?}");
}
