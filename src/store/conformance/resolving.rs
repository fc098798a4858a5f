//! Names without a code: resolved when they fit one enterprise of the survey, else left alone.

use super::{Home, harness::*};
use crate::domain::{
    attributes::SubjectKey,
    draft::{Draft, MatchedKey},
    records::{Matter, Party, ProducerDecision, examples},
    regions::Region,
};

/// A nonconformity whose producer is only named.
fn named(number: &str, name: &str, region: Option<u32>) -> Draft {
    let mut matter = examples::nonconformity(1);
    matter.producer = Party { name: name.to_owned(), region: region.and_then(Region::from_number), ..Party::default() };
    draft(number, Matter::Nonconformity(Box::new(matter)))
}

/// A survey row of the `n`-th enterprise under another name.
fn listed(number: &str, n: u64, name: &str) -> Draft {
    let mut matter = examples::survey(n);
    name.clone_into(&mut matter.enterprise.name);
    draft(number, Matter::EnterpriseSurvey(Box::new(matter)))
}

pub(crate) async fn a_name_is_resolved_to_its_only_survey_row(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![listed("s/1", 1, "安泰防护用品有限公司"), listed("s/2", 2, "安泰防护用品股份有限公司")]).await;
    let items = ledger
        .publish(vec![
            named("n/1", " 安泰防护用品有限公司", None),
            named("n/2", "安泰防护用品有限责任公司", None),
            named("n/3", "安泰", None),
        ])
        .await;
    let resolved: Vec<_> = items
        .iter()
        .map(|item| {
            item.resolution.as_ref().map(|found| (found.survey_record_id.as_str(), found.survey_position, found.matched_key))
        })
        .collect();
    let row = "amr-330000/s/1";
    assert_eq!(resolved, [Some((row, 1, MatchedKey::Strict)), Some((row, 1, MatchedKey::Form)), None]);

    let code = examples::credit_code(1);
    let stored = ledger.everything().await;
    assert_eq!(stored[2].attributes.credit_code, Some(code));
    assert_eq!(stored[2].resolution.as_ref().map(|found| found.credit_code), Some(code));
    assert_eq!(&*stored[2].order_key.0, code.as_str(), "resolved at its first revision, it is ordered with its enterprise");
    let found = ledger.store.by_subjects(&[SubjectKey::of("code", code.as_str())], 5, 10).await.expect("found");
    assert_eq!(found.iter().map(|record| record.position).collect::<Vec<_>>(), [1, 3, 4]);
    // A repetition answers what was answered.
    let again = ledger.publish(vec![named("n/1", " 安泰防护用品有限公司", None)]).await;
    assert_eq!((again[0].duplicate, &again[0].resolution), (true, &items[0].resolution));
    ledger.is_sound().await;
}

pub(crate) async fn a_name_of_two_enterprises_is_not_resolved(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![listed("s/1", 1, "安泰防护用品有限公司"), listed("s/2", 2, "安泰防护用品有限责任公司")]).await;
    assert_eq!(ledger.publish(vec![named("n/1", "安泰防护用品有限公司", None)]).await[0].resolution, None);
    // The same enterprise filed twice is one enterprise; the row filed last is named.
    ledger.publish(vec![listed("s/3", 3, "宁康防护用品有限公司"), listed("s/4", 3, "宁康防护用品有限公司")]).await;
    let found = ledger.publish(vec![named("n/2", "宁康防护用品有限公司", None)]).await.remove(0).resolution;
    assert_eq!(found.expect("resolved").survey_record_id, record_id("s/4"));
}

pub(crate) async fn a_contradicting_region_is_not_resolved(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    // The example's region is 330600.
    ledger.publish(vec![listed("s/5", 5, "安泰防护用品有限公司")]).await;
    let region = examples::region(5).map_or(0, Region::number);
    let other = if region / 10_000 == 44 { 330_000 } else { 440_300 };
    let items = ledger
        .publish(vec![
            named("n/1", "安泰防护用品有限公司", Some(other)),
            named("n/2", "安泰防护用品有限公司", Some(region / 10_000 * 10_000)),
        ])
        .await;
    assert_eq!(items[0].resolution, None);
    assert!(items[1].resolution.is_some(), "the province holds the city");
}

pub(crate) async fn a_row_of_the_same_batch_counts_and_a_withdrawn_one_does_not(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let items = ledger.publish(vec![listed("s/1", 1, "安泰防护用品有限公司"), named("n/1", "安泰防护用品有限公司", None)]).await;
    assert!(items[1].resolution.is_some());

    let mut matter = examples::survey(1);
    "安泰防护用品有限公司".clone_into(&mut matter.enterprise.name);
    let gone = withdrawn("s/1", Matter::EnterpriseSurvey(Box::new(matter)));
    let items = ledger.publish(vec![gone, named("n/2", "安泰防护用品有限公司", None)]).await;
    assert_eq!(items[1].resolution, None, "withdrawn in the same batch");
    assert_eq!(ledger.publish(vec![named("n/3", "安泰防护用品有限公司", None)]).await[0].resolution, None);
}

pub(crate) async fn a_renamed_row_no_longer_answers_to_its_old_name(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![listed("s/1", 1, "安泰防护用品有限公司")]).await;
    ledger.publish(vec![listed("s/1", 1, "宁康防护用品有限公司")]).await;
    let items =
        ledger.publish(vec![named("n/1", "安泰防护用品有限公司", None), named("n/2", "宁康防护用品有限公司", None)]).await;
    assert_eq!(items[0].resolution, None);
    assert_eq!(items[1].resolution.as_ref().map(|found| found.survey_position), Some(2));
}

pub(crate) async fn a_later_resolution_moves_no_order_key(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![named("n/1", "安泰防护用品有限公司", None), listed("s/1", 1, "安泰防护用品有限公司")]).await;
    let items = ledger.publish(vec![named("n/1", "安泰防护用品有限公司", Some(330_600))]).await;
    let stored = ledger.everything().await;
    assert_eq!(items[0].revision, 2);
    assert_eq!(stored[2].order_key, stored[0].order_key);
    assert_eq!(stored[0].attributes.credit_code, None);
    ledger.is_sound().await;
}

pub(crate) async fn survey_rows_are_filed_under_their_core(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    ledger.publish(vec![listed("s/1", 1, "绍兴安泰防护用品有限公司"), listed("s/2", 2, "浙江")]).await;
    let core = SubjectKey::of("survey-core", "安泰防护用品");
    let found = ledger.store.by_subjects(&[core], 2, 10).await.expect("found");
    assert_eq!(found.iter().map(|record| record.position).collect::<Vec<_>>(), [1]);
    let nothing = SubjectKey::of("survey-core", "");
    assert!(ledger.store.by_subjects(&[nothing], 2, 10).await.expect("read").is_empty(), "a core of nothing finds nobody");
    ledger.is_sound().await;
}

fn decision(number: &str, of: &str, name: &str, n: u64) -> Draft {
    let matter = ProducerDecision {
        nonconformity: record_id(of),
        producer_name: name.to_owned(),
        credit_code: Some(examples::credit_code(n)),
        reason: "电话核实".to_owned(),
        survey_record_id: None,
    };
    draft(number, Matter::ProducerDecision(Box::new(matter)))
}

pub(crate) async fn a_decision_follows_its_nonconformity(home: &impl Home) {
    let ledger = Ledger::open(home).await;
    let name = "安泰防护用品有限公司";
    ledger.publish(vec![named("n/1", name, None), decision("d/1", "n/1", name, 4), nonconformity(7)]).await;
    let stored = ledger.everything().await;
    assert_eq!(stored[1].order_key, stored[0].order_key, "it is delivered behind its nonconformity");
    assert_eq!(stored[1].attributes.credit_code, Some(examples::credit_code(4)));
    assert_eq!(stored[1].attributes.step, stored[0].attributes.step, "who may hear of the one may hear of the other");
    assert_eq!(stored[0].attributes.credit_code, None);
    let by_code = SubjectKey::of("code", examples::credit_code(4).as_str());
    let found = ledger.store.by_subjects(&[by_code], 3, 10).await.expect("found");
    assert_eq!(found.iter().map(|record| record.position).collect::<Vec<_>>(), [2]);
    let refusals = [
        (decision("d/2", "n/7", &examples::nonconformity(7).producer.name, 4), "CODE_STATED"),
        (decision("d/2", "n/1", "宁康防护用品有限公司", 4), "NAME_CHANGED"),
        (decision("d/2", "n/none", name, 4), "UNKNOWN_NONCONFORMITY"),
        (decision("d/2", "d/1", name, 4), "UNKNOWN_NONCONFORMITY"),
        (decision("d/1", "n/7", name, 4), "NONCONFORMITY_CHANGED"),
    ];
    for (draft, reason) in refusals {
        let refused = ledger.refused(vec![draft]).await;
        assert_eq!(refused.iter().map(|item| item.reason).collect::<Vec<_>>(), [reason]);
    }
    ledger.is_sound().await;
}
