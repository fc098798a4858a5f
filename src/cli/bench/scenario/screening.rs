//! Screenings of declarations against as many surveys as failed products. A quarter name the failed batch, a quarter its maker with
//! another batch, half a maker in the survey without a failed product.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::super::{
    broken,
    closed_loop::{Bounds, closed_loop},
    data::{self, PUBLISHER},
    figures::Reading,
    open_loop::{Schedule, open_loop},
    site::Site,
};
use crate::{
    cli::Failure,
    client::{ClientError, Publisher, PublisherOptions, Screening},
    domain::{feeds::Feed, records::examples},
    proto::{AttestRequest, CivilDate, Declaration, DeclarationItem, Party, ScreenRequest, Verdict},
};

/// Screenings of one measure at most.
const SCREENINGS: u64 = 10_000_000;
/// Number of the first enterprise in the survey without a failed product.
const CLEAN: u64 = 2_000_000;
/// Screenings a second while latency is measured.
const RATE: u64 = 500;

/// Stores surveys, one for each failed product, of enterprises of which half have one; and attests that all is said.
pub(super) async fn prepare(site: &Site<'_>) -> Result<(), Failure> {
    let records = site.arguments.records;
    let what = site.context.say("装入企业登记", "loading surveys");
    for numbers in [0..records / 2, CLEAN..CLEAN + records.div_ceil(2)] {
        data::load(site, numbers, what, |number| site.data.survey(number)).await?;
    }
    for (participant, feeds) in [
        ("samr", &[Feed::FailedProducts, Feed::Enterprises][..]),
        (PUBLISHER, &[Feed::FailedProducts, Feed::Enterprises]),
        ("mofcom", &[Feed::ExportQualifications]),
    ] {
        let publisher = Publisher::new(&site.connect(participant)?, PublisherOptions::default());
        for feed in feeds {
            let complete_to_us = site.clock().now();
            publisher.attest(AttestRequest { feed: feed.name().to_owned(), region: String::new(), complete_to_us }).await?;
        }
    }
    Ok(())
}

pub(super) async fn run(site: &Site<'_>, run: u32) -> Result<Vec<Reading>, Failure> {
    let screening = Screening::new(&site.connect("gacc")?);
    let (asked, held) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let salt = u64::from(run) * 2 * SCREENINGS;
    let ask = |number| screen(site, &screening, number, (asked.clone(), held.clone()));
    let bounds = Bounds { count: site.arguments.records.min(SCREENINGS), in_flight: 256, span: site.arguments.span() };
    let most = closed_loop(site, "256 in flight", bounds, |number| ask(salt + number)).await?;
    let (asked, held) = (asked.load(Ordering::Relaxed), held.load(Ordering::Relaxed));
    if held * 4 < asked.saturating_sub(3) {
        let en = format!("only {held} of {asked} declarations were held: a quarter name a failed batch");
        return Err(broken(format!("{asked} 票中只拦下 {held} 票，而四分之一报的是不合格批次"), en));
    }
    let watch = site.watch();
    let schedule = Schedule::new(site.now(), RATE, site.arguments.warm_up(), site.arguments.span());
    let sent = open_loop(site, schedule, |number| ask(salt + SCREENINGS + number)).await?;
    let paced = site
        .reading(format!("open loop at {RATE}/s"), schedule.count, site.since(watch))
        .with_latency(&sent.answered)
        .with("load_late_p99_us", sent.begun.value_at_quantile(0.99) as f64);
    Ok(vec![most.with("held_percent", held as f64 * 100.0 / asked.max(1) as f64), paced])
}

fn screen(
    site: &Site<'_>,
    screening: &Screening,
    number: u64,
    (asked, held): (Arc<AtomicU64>, Arc<AtomicU64>),
) -> impl Future<Output = Result<(), ClientError>> + Send + 'static {
    let records = site.arguments.records;
    let known = site.data.pick(number, records);
    let declaration = match number % 4 {
        0 => declaration(number, known, (4, 9)),
        1 => declaration(number, known, (6, 1)),
        _ => declaration(number, CLEAN + known / 2, (6, 1)),
    };
    let screening = screening.clone();
    async move {
        let answer = screening.screen(ScreenRequest { declaration: Some(declaration), ..ScreenRequest::default() }).await?;
        asked.fetch_add(1, Ordering::Relaxed);
        held.fetch_add(u64::from(answer.verdict() == Verdict::Hold), Ordering::Relaxed);
        Ok(())
    }
}

fn declaration(number: u64, maker: u64, (month, day): (u32, u32)) -> Declaration {
    Declaration {
        number: format!("53002020{:010}", number % 1_000_000_000),
        exporter: Some(Party { name: "示例进出口有限公司".to_owned(), ..Party::default() }),
        maker: Some(Party { credit_code: examples::credit_code(maker).to_string(), ..Party::default() }),
        joint_declaration: "present".to_owned(),
        office: "5300".to_owned(),
        items: vec![DeclarationItem {
            goods_name: "一次性日常防护口罩".to_owned(),
            hs_code: "6307900010".to_owned(),
            produced_on: Some(CivilDate { year: 2020, month, day }),
            claimed_standard: "chinese".to_owned(),
            ..DeclarationItem::default()
        }],
        ..Declaration::default()
    }
}
