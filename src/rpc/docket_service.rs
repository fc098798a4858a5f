//! `DocketService`: the docket over gRPC.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{answer::answer, caller};
use crate::{
    domain::{
        docket::Duty,
        ids::ParticipantId,
        records::Token as _,
        violation::{Findings, Text},
    },
    gateway::{
        Caller, Gateway, Refused,
        docket::{DutyCount, Question},
        statistics::Statistics,
    },
    proto::{
        self, GetStatisticsRequest, GetStatisticsResponse, ListDocketRequest, ListDocketResponse,
        docket_service_server::DocketService,
    },
    wire,
};

/// The service over a gateway.
pub struct DocketDoor {
    gateway: Arc<Gateway>,
}

impl DocketDoor {
    /// Opens it.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }

    async fn page(&self, caller: &Caller, request: ListDocketRequest) -> Result<ListDocketResponse, Refused> {
        let page = self.gateway.docket.list(caller, &question(request)?).await?;
        Ok(ListDocketResponse {
            entries: page.entries.iter().map(|due| wire::docket::entry(&due.entry, due.due)).collect(),
            next_page_token: page.next_page_token,
            position: page.position,
            evidence_index: page.evidence_index,
        })
    }
}

#[tonic::async_trait]
impl DocketService for DocketDoor {
    async fn get_statistics(&self, request: Request<GetStatisticsRequest>) -> Result<Response<GetStatisticsResponse>, Status> {
        let caller = caller(&request)?;
        let result = self.gateway.docket.statistics(&caller).await.map(statistics);
        answer(&self.gateway, &caller, result)
    }

    async fn list_docket(&self, request: Request<ListDocketRequest>) -> Result<Response<ListDocketResponse>, Status> {
        let caller = caller(&request)?;
        let result = self.page(&caller, request.into_inner()).await;
        answer(&self.gateway, &caller, result)
    }
}

/// Cells never hold less than nothing: what is taken back was added before.
fn told(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn statistics(found: Statistics) -> GetStatisticsResponse {
    let sampling = found.sampling.into_iter().map(|cell| {
        let [region, product_kind, field] = cell.of;
        proto::SamplingCell { region, product_kind, field, sampled: cell.sampled.map(told), failed: cell.failed.map(told) }
    });
    let coverage = found.coverage.into_iter().map(|cell| {
        let [region, product_kind] = cell.of;
        proto::CoverageCell { region, product_kind, surveyed: cell.surveyed.map(told), sampled: cell.sampled.map(told) }
    });
    let outcome = |(outcome, count): (String, Option<i64>)| proto::OutcomeCount { outcome, count: count.map(told) };
    let span = |(span, measured, days)| proto::SpanDays { span, measured: told(measured), days: told(days) };
    let duty = |count: DutyCount| proto::DutyNumbers {
        duty: count.duty.token().to_owned(),
        open: count.open,
        overdue: count.overdue,
        oldest: count.oldest.to_string(),
    };
    GetStatisticsResponse {
        sampling: sampling.collect(),
        coverage: coverage.collect(),
        outcomes: found.outcomes.into_iter().map(outcome).collect(),
        spans: found.spans.into_iter().map(span).collect(),
        duties: found.duties.into_iter().map(duty).collect(),
        position: found.position,
        evidence_index: found.evidence_index,
    }
}

fn question(request: ListDocketRequest) -> Result<Question, Refused> {
    let mut findings = Findings::default();
    let duty = match request.duty.as_str() {
        "" => None,
        token => {
            let duty = Duty::parse(token);
            if duty.is_none() {
                let known = Duty::ALL.iter().map(|duty| duty.token()).collect::<Vec<_>>().join(", ");
                let text =
                    Text::new(format!("没有“{token}”这类待办；可用：{known}"), format!("no duty `{token}`; there are {known}"));
                findings.refuse("duty", "UNKNOWN_VALUE", text);
            }
            duty
        }
    };
    let answerable = match request.answerable.as_str() {
        "" => None,
        text => match ParticipantId::parse(text) {
            Ok(participant) => Some(participant),
            Err(error) => {
                let zh = "不是参与方代号：应为2至32个小写字母、数字或连字符";
                findings.refuse("answerable", "WRONG_PARTICIPANT", Text::new(zh, error.to_string()));
                None
            }
        },
    };
    if !findings.is_clean() {
        return Err(Refused::invalid(findings.violations));
    }
    Ok(Question {
        duty,
        answerable,
        overdue: request.overdue,
        page_size: request.page_size as usize,
        page_token: request.page_token,
    })
}
