//! `RecordService`: the pull desk over gRPC.

use std::{sync::Arc, time::Duration};

use tonic::{Request, Response, Status};

use super::{
    answer::answer,
    asking::{asking, credit_code, patience, record_id},
    caller, list_stream,
    publish_service::unknown_feed,
};
use crate::{
    domain::{
        feeds::Feed,
        ids::ParticipantId,
        lists::ListName,
        records::{Kind, Token as _},
        violation::{Findings, Text},
    },
    gateway::{Caller, Gateway, Refused, list::Listing},
    proto::{
        BatchGetEnterprisesRequest, BatchGetEnterprisesResponse, ExportListRequest, GetEnterpriseRequest, GetEnterpriseResponse,
        GetRecordRequest, GetRecordResponse, ListRecordsRequest, ListRecordsResponse, record_service_server::RecordService,
    },
    wire,
};

/// The service over a gateway.
pub struct LookupDoor {
    gateway: Arc<Gateway>,
}

impl LookupDoor {
    /// Opens it.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }

    async fn enterprise(
        &self,
        caller: &Caller,
        request: GetEnterpriseRequest,
        patience: Duration,
    ) -> Result<GetEnterpriseResponse, Refused> {
        let mut findings = Findings::default();
        let Some(code) = credit_code("credit_code", &request.credit_code, &mut findings) else {
            return Err(Refused::invalid(findings.violations));
        };
        let asking = asking(patience, request.as_of, request.min_position, request.purpose);
        let (file, basis) = self.gateway.pull.enterprise(caller, code, &asking).await?;
        Ok(GetEnterpriseResponse { enterprise: Some(wire::lookup::enterprise(&file)), basis: Some(wire::lookup::basis(&basis)) })
    }

    async fn enterprises(
        &self,
        caller: &Caller,
        request: BatchGetEnterprisesRequest,
        patience: Duration,
    ) -> Result<BatchGetEnterprisesResponse, Refused> {
        let mut findings = Findings::default();
        let mut codes = Vec::with_capacity(request.credit_codes.len().min(crate::gateway::pull::MAX_ENTERPRISES));
        for (index, text) in request.credit_codes.iter().enumerate() {
            codes.extend(findings.within_index("credit_codes", index, |findings| credit_code("", text, findings)));
        }
        if !findings.is_clean() {
            return Err(Refused::invalid(findings.violations));
        }
        let asking = asking(patience, request.as_of, request.min_position, request.purpose);
        let found = self.gateway.pull.enterprises(caller, &codes, &asking).await?;
        Ok(BatchGetEnterprisesResponse {
            enterprises: found.files.iter().map(wire::lookup::enterprise).collect(),
            not_found: found.not_found.iter().map(ToString::to_string).collect(),
            basis: Some(wire::lookup::basis(&found.basis)),
        })
    }

    async fn record(&self, caller: &Caller, request: GetRecordRequest, patience: Duration) -> Result<GetRecordResponse, Refused> {
        let id = record_id(&request.record_id)?;
        let revision = (request.revision > 0).then_some(request.revision);
        let asking = asking(patience, request.as_of, request.min_position, request.purpose);
        let found = self.gateway.pull.record(caller, &id, revision, &asking).await?;
        Ok(GetRecordResponse {
            record: Some(wire::lookup::shown(&found.record)),
            nonconformity: found.status.as_ref().map(wire::lookup::status),
            basis: Some(wire::lookup::basis(&found.basis)),
        })
    }

    async fn list(&self, caller: &Caller, request: ExportListRequest, patience: Duration) -> Result<list_stream::Parts, Refused> {
        let list = ListName::parse(&request.list).ok_or_else(|| {
            let list: String = request.list.chars().take(40).collect();
            Refused::field(
                "list",
                "UNKNOWN_LIST",
                format!("没有名为“{list}”的名单；应为 deny 或 allow"),
                format!("there is no list `{list}`: deny or allow"),
            )
        })?;
        let asking = asking(patience, request.as_of, request.min_position, request.purpose);
        Ok(list_stream::parts(self.gateway.lists.export(caller, list, &asking).await?))
    }

    async fn records(
        &self,
        caller: &Caller,
        request: ListRecordsRequest,
        patience: Duration,
    ) -> Result<ListRecordsResponse, Refused> {
        let listing = listing(&request)?;
        let asking = asking(patience, request.as_of, request.min_position, request.purpose);
        let page = self.gateway.pull.list(caller, &listing, &asking).await?;
        Ok(ListRecordsResponse {
            records: page.records.iter().map(wire::lookup::shown).collect(),
            next_page_token: page.next_page_token,
            basis: Some(wire::lookup::basis(&page.basis)),
        })
    }
}

#[tonic::async_trait]
impl RecordService for LookupDoor {
    type ExportListStream = list_stream::Parts;

    async fn export_list(&self, request: Request<ExportListRequest>) -> Result<Response<Self::ExportListStream>, Status> {
        let (caller, patience) = (caller(&request)?, patience(&request));
        let result = self.list(&caller, request.into_inner(), patience).await;
        answer(&self.gateway, &caller, result)
    }

    async fn get_enterprise(&self, request: Request<GetEnterpriseRequest>) -> Result<Response<GetEnterpriseResponse>, Status> {
        let (caller, patience) = (caller(&request)?, patience(&request));
        let result = self.enterprise(&caller, request.into_inner(), patience).await;
        answer(&self.gateway, &caller, result)
    }

    async fn batch_get_enterprises(
        &self,
        request: Request<BatchGetEnterprisesRequest>,
    ) -> Result<Response<BatchGetEnterprisesResponse>, Status> {
        let (caller, patience) = (caller(&request)?, patience(&request));
        let result = self.enterprises(&caller, request.into_inner(), patience).await;
        answer(&self.gateway, &caller, result)
    }

    async fn get_record(&self, request: Request<GetRecordRequest>) -> Result<Response<GetRecordResponse>, Status> {
        let (caller, patience) = (caller(&request)?, patience(&request));
        let result = self.record(&caller, request.into_inner(), patience).await;
        answer(&self.gateway, &caller, result)
    }

    async fn list_records(&self, request: Request<ListRecordsRequest>) -> Result<Response<ListRecordsResponse>, Status> {
        let (caller, patience) = (caller(&request)?, patience(&request));
        let result = self.records(&caller, request.into_inner(), patience).await;
        answer(&self.gateway, &caller, result)
    }
}

fn listing(request: &ListRecordsRequest) -> Result<Listing, Refused> {
    let mut findings = Findings::default();
    let credit_code = match request.credit_code.as_str() {
        "" => None,
        text => credit_code("credit_code", text, &mut findings),
    };
    let publisher = match request.publisher.as_str() {
        "" => None,
        text => match ParticipantId::parse(text) {
            Ok(publisher) => Some(publisher),
            Err(error) => {
                let zh = "不是参与方代号：应为2至32个小写字母、数字或连字符";
                findings.refuse("publisher", "WRONG_PARTICIPANT", Text::new(zh, error.to_string()));
                None
            }
        },
    };
    let kind = match request.kind {
        0 => None,
        number => {
            let kind = u8::try_from(number).ok().and_then(Kind::from_number);
            if kind.is_none() {
                let text = Text::new(format!("没有编号为 {number} 的记录种类"), format!("there is no kind of record {number}"));
                findings.refuse("kind", "UNKNOWN_VALUE", text);
            }
            kind
        }
    };
    if !findings.is_clean() {
        return Err(Refused::invalid(findings.violations));
    }
    let feed = match request.feed.as_str() {
        "" => None,
        name => Some(Feed::parse(name).ok_or_else(|| unknown_feed("feed", name))?),
    };
    let page_size = request.page_size as usize;
    Ok(Listing { feed, kind, credit_code, publisher, page_size, page_token: request.page_token.clone() })
}
