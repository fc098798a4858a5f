//! Statistics over a real store.

use tongbao::domain::{
    dates::CivilDate,
    life_cycle::State,
    products::ProductKind,
    records::{Content, Disposition, Matter, SamplingField, SamplingSummary, examples},
    regions::Region,
};

use crate::house::{House, caller, id};

fn summary(sampled: u64, failed: u64) -> Matter {
    Matter::SamplingSummary(Box::new(SamplingSummary {
        campaign: "2020-spring".into(),
        region: Region::parse("330000").expect("a region"),
        product_kind: ProductKind::DailyProtective,
        field: SamplingField::Production,
        sampled,
        failed,
        producers: Some(2),
        complete_to: CivilDate::day(2020, 5, 20).expect("a day"),
    }))
}

#[tokio::test]
async fn rates_have_denominators_corrections_replace_and_small_cells_are_withheld() {
    let house = House::open().await;
    house.publish("amr-330000/s", summary(111, 59)).await;
    house.publish("amr-330000/s", summary(100, 4)).await;
    for n in [0, 5, 10] {
        house.publish(&format!("amr-330000/e{n}"), Matter::EnterpriseSurvey(Box::new(examples::survey(n)))).await;
    }
    let regulator = {
        house.docket.follow().await.expect("followed");
        house.docket.statistics(&caller("amr-330000")).await.expect("numbers")
    };
    let [cell] = regulator.sampling.as_slice() else { panic!("{:?}", regulator.sampling) };
    assert_eq!(cell.of, ["330000", "daily_protective", "production"]);
    assert_eq!((cell.sampled, cell.failed), (Some(100), Some(4)), "the correction alone counts");
    let covered = regulator.coverage.iter().find(|cell| cell.of[1] == "daily_protective").expect("a cell");
    assert_eq!(covered.sampled, Some(2));
    let customs = house.docket.statistics(&caller("gacc")).await.expect("numbers");
    assert_eq!((customs.sampling[0].sampled, customs.sampling[0].failed), (Some(100), None), "a small cell");

    house.publish_content("amr-330000/s", Content { matter: summary(100, 4), withdrawal: Some("重复".into()) }).await;
    house.docket.follow().await.expect("followed");
    assert_eq!(house.docket.statistics(&caller("amr-330000")).await.expect("numbers").sampling, []);
}

#[tokio::test]
async fn outcomes_of_rechecks_and_days_between_steps_are_counted() {
    let house = House::open().await;
    house.publish("amr-330000/n", Matter::Nonconformity(Box::new(examples::nonconformity(5)))).await;
    for (n, (from, to)) in
        [(State::Confirmed, State::Ceased), (State::Ceased, State::Rechecking), (State::Rechecking, State::Cleared)]
            .into_iter()
            .enumerate()
    {
        let step = Disposition { due_on: None, ..examples::disposition(id("amr-330000/n"), from, to) };
        house.publish(&format!("amr-330000/d{n}"), Matter::Disposition(Box::new(step))).await;
    }
    house.docket.follow().await.expect("followed");
    let found = house.docket.statistics(&caller("amr-330000")).await.expect("numbers");
    assert_eq!(found.outcomes, [("recheck|cleared".to_owned(), Some(1))]);
    let span = |name: &str| found.spans.iter().find(|(span, ..)| span == name).map(|(_, count, days)| (*count, *days));
    assert_eq!(span("sampling-report"), Some((1, 7)));
    assert_eq!(span("report-publication"), Some((1, 23)));
    assert!(house.docket.statistics(&caller("nobody")).await.is_err());
}
