//! Pulls by credit code and screenings, several in flight.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Bench, Measure,
    load::{latency_of, new_histogram},
};
use crate::{
    cli::{Failure, output::progress},
    client::{ClientError, Records, Screening},
    domain::records::examples,
    proto::{CivilDate, Declaration, DeclarationItem, GetEnterpriseRequest, Party, ScreenRequest},
};

/// Pulls enterprises by credit code.
pub(super) async fn pulls(bench: &Bench<'_>) -> Result<Measure, Failure> {
    let records = Records::new(&bench.connect("mofcom")?);
    let known = bench.arguments.records;
    ask(bench, "pull by credit code", |number| {
        let credit_code = examples::credit_code(number * 7 % known).to_string();
        let request = GetEnterpriseRequest { credit_code, purpose: "sizing".to_owned(), ..Default::default() };
        let records = &records;
        async move { records.enterprise(request).await.map(|_| ()) }
    })
    .await
}

/// Screens declarations, every second one of a maker with a failed product.
pub(super) async fn screenings(bench: &Bench<'_>) -> Result<Measure, Failure> {
    let screening = Screening::new(&bench.connect("gacc")?);
    let known = bench.arguments.records;
    ask(bench, "screen", |number| {
        let maker = if number % 2 == 0 { number * 11 % known } else { 2_000_000 + number % 900_000 };
        let request = ScreenRequest { declaration: Some(declaration(number, maker)), ..Default::default() };
        let screening = &screening;
        async move { screening.screen(request).await.map(|_| ()) }
    })
    .await
}

async fn ask<F>(bench: &Bench<'_>, what: &str, question: impl Fn(u64) -> F) -> Result<Measure, Failure>
where
    F: Future<Output = Result<(), ClientError>>,
{
    let count = bench.arguments.questions;
    let bar = progress(bench.context, count, what);
    let started = bench.now();
    let question = &question;
    let took: Vec<Duration> = stream::iter(0..count)
        .map(|number| async move {
            let asked = bench.now();
            question(number).await?;
            Ok::<_, ClientError>(bench.now().saturating_sub(asked))
        })
        .buffer_unordered(bench.arguments.asking as usize)
        .inspect_ok(|_| bar.inc(1))
        .try_collect()
        .await?;
    let whole = bench.now().saturating_sub(started);
    bar.finish_and_clear();
    let mut histogram = new_histogram()?;
    for single in took {
        histogram.saturating_record(u64::try_from(single.as_micros()).unwrap_or(u64::MAX));
    }
    let what = format!("{what}, {} in flight", bench.arguments.asking);
    Ok(bench.measure(&what, count, whole, Some(latency_of(&histogram))))
}

fn declaration(number: u64, maker: u64) -> Declaration {
    Declaration {
        number: format!("53002020{:010}", number % 1_000_000_000),
        exporter: Some(Party { name: "示例进出口有限公司".to_owned(), ..Party::default() }),
        maker: Some(Party { credit_code: examples::credit_code(maker).to_string(), ..Party::default() }),
        joint_declaration: "present".to_owned(),
        office: "5300".to_owned(),
        items: vec![DeclarationItem {
            goods_name: "一次性日常防护口罩".to_owned(),
            hs_code: "6307900010".to_owned(),
            produced_on: Some(CivilDate { year: 2020, month: 6, day: 1 }),
            claimed_standard: "chinese".to_owned(),
            ..DeclarationItem::default()
        }],
        ..Declaration::default()
    }
}
