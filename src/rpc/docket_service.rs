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
    gateway::{Caller, Gateway, Refused, docket::Question},
    proto::{ListDocketRequest, ListDocketResponse, docket_service_server::DocketService},
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
    async fn list_docket(&self, request: Request<ListDocketRequest>) -> Result<Response<ListDocketResponse>, Status> {
        let caller = caller(&request)?;
        let result = self.page(&caller, request.into_inner()).await;
        answer(&self.gateway, &caller, result)
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
