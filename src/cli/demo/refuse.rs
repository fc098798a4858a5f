//! Step e: who has no business here is refused, and the refusal is on the record.

use super::{Stage, Telling, screening::declaration};
use crate::{
    cli::{Failure, house::STRANGER},
    client::{Evidence, Feeds, Screening},
    proto::{ActKind, CivilDate, EvidenceEntry, ScreenRequest, SearchEntriesRequest},
};

/// Step e.
pub(super) async fn refuse(stage: &mut Stage<'_>, tell: &mut Telling<'_>) -> Result<(), Failure> {
    let unknown = Feeds::new(&stage.connect(STRANGER)?).feeds().await.err();
    let reason = unknown.as_ref().map_or("", |error| error.reason()).to_owned();
    tell.require(
        reason == "UNKNOWN_SYSTEM",
        format!("证书可信但未登记的系统：{reason}"),
        format!("a trusted certificate of a system that is not registered: {reason}"),
    );
    let request = ScreenRequest {
        declaration: Some(declaration(5, None, CivilDate { year: 2020, month: 6, day: 1 })),
        ..Default::default()
    };
    let denied = Screening::new(&stage.connect("miit")?).screen(request).await.err();
    let reason = denied.as_ref().map_or("", |error| error.reason()).to_owned();
    tell.require(
        reason == "NOT_GRANTED",
        format!("工信部门请求筛查：{reason}"),
        format!("the industry department asks for a screening: {reason}"),
    );
    let refusals = refusals(stage).await?;
    stage.counts.refusals = refusals.len();
    for wanted in ["UNKNOWN_SYSTEM", "NOT_GRANTED"] {
        let found = refusals.iter().find(|entry| entry.outcome == wanted);
        let index = found.map_or(0, |entry| entry.index);
        tell.require(
            found.is_some(),
            format!("{wanted} 已留证，条目 {index}"),
            format!("{wanted} is on the record, entry {index}"),
        );
    }
    Ok(())
}

/// Refusals in the evidence log. They are recorded beside the answer, never before it, so this looks until they are there.
async fn refusals(stage: &Stage<'_>) -> Result<Vec<EvidenceEntry>, Failure> {
    let evidence = Evidence::new(&stage.connect("samr")?);
    let mut found = Vec::new();
    for _ in 0..50 {
        let request = SearchEntriesRequest { kind: ActKind::Refuse.into(), ..Default::default() };
        let page = evidence.search(request).await?;
        found = page.entries.iter().filter_map(|logged| prost::Message::decode(logged.entry.clone()).ok()).collect();
        let is_there = |wanted: &str| found.iter().any(|entry: &EvidenceEntry| entry.outcome == wanted);
        if is_there("UNKNOWN_SYSTEM") && is_there("NOT_GRANTED") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Ok(found)
}
