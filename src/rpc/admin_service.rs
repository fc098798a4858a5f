//! `AdminService`: what operators decide, over gRPC.

use std::{sync::Arc, time::Duration};

use tonic::{Request, Response, Status};

use super::{
    answer::answer,
    asking::{asking, credit_code, patience, record_id},
    caller,
    publish_service::draft_context,
};
use crate::{
    domain::{draft::Draft, ids::RecordId, records::Content, violation::Findings},
    gateway::{
        Caller, Gateway, Refused,
        resolve::{Decided, Deciding, UnresolvedProducer, Waiting},
    },
    proto::{
        self, DecideProducerRequest, DecideProducerResponse, GetProducerRequest, GetProducerResponse, ListUnresolvedRequest,
        ListUnresolvedResponse, admin_service_server::AdminService, decide_producer_request::Decision,
    },
    wire,
};

/// Characters of a reason.
const MAX_REASON: usize = 500;

/// The service over a gateway.
pub struct AdminDoor {
    gateway: Arc<Gateway>,
}

impl AdminDoor {
    /// Opens it.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }

    async fn waiting(
        &self,
        caller: &Caller,
        request: ListUnresolvedRequest,
        patience: Duration,
    ) -> Result<ListUnresolvedResponse, Refused> {
        let asking = asking(patience, request.as_of, request.min_position, request.purpose);
        let waiting = Waiting {
            region_prefix: request.region_prefix,
            include_decided: request.include_decided,
            page_size: request.page_size as usize,
            page_token: request.page_token,
        };
        let page = self.gateway.resolve.waiting(caller, &waiting, &asking).await?;
        Ok(ListUnresolvedResponse {
            producers: page.producers.iter().map(unresolved).collect(),
            next_page_token: page.next_page_token,
            basis: Some(wire::lookup::basis(&page.basis)),
        })
    }

    async fn producer(
        &self,
        caller: &Caller,
        request: GetProducerRequest,
        patience: Duration,
    ) -> Result<GetProducerResponse, Refused> {
        let id = record_id(&request.record_id)?;
        let asking = asking(patience, request.as_of, request.min_position, request.purpose);
        let found = self.gateway.resolve.producer(caller, &id, &asking).await?;
        let (producer, basis) = (unresolved(&found.producer), wire::lookup::basis(&found.basis));
        Ok(wire::resolving::producer(producer, found.credit_code, &found.decisions, basis))
    }

    async fn decide(&self, caller: &Caller, request: DecideProducerRequest) -> Result<DecideProducerResponse, Refused> {
        let deciding = deciding(&request)?;
        let seal = |record_id: RecordId, content: Content| seal(&self.gateway, caller, &record_id, &content);
        let (decision, evidence_index) = self.gateway.resolve.decide(caller, &deciding, &seal).await?;
        let in_force = deciding.decided != Decided::Revoke;
        Ok(DecideProducerResponse {
            decision: Some(wire::resolving::event(&decision, in_force)),
            evidence_index: evidence_index.unwrap_or(0),
        })
    }
}

#[tonic::async_trait]
impl AdminService for AdminDoor {
    async fn list_unresolved(&self, request: Request<ListUnresolvedRequest>) -> Result<Response<ListUnresolvedResponse>, Status> {
        let (caller, patience) = (caller(&request)?, patience(&request));
        let result = self.waiting(&caller, request.into_inner(), patience).await;
        answer(&self.gateway, &caller, result)
    }

    async fn get_producer(&self, request: Request<GetProducerRequest>) -> Result<Response<GetProducerResponse>, Status> {
        let (caller, patience) = (caller(&request)?, patience(&request));
        let result = self.producer(&caller, request.into_inner(), patience).await;
        answer(&self.gateway, &caller, result)
    }

    async fn decide_producer(&self, request: Request<DecideProducerRequest>) -> Result<Response<DecideProducerResponse>, Status> {
        let caller = caller(&request)?;
        let result = self.decide(&caller, request.into_inner()).await;
        answer(&self.gateway, &caller, result)
    }
}

fn unresolved(producer: &UnresolvedProducer) -> proto::UnresolvedProducer {
    let filed = (&producer.stored, &producer.matter);
    wire::resolving::unresolved(filed, &producer.status, &producer.candidates, producer.decision.as_ref())
}

fn deciding(request: &DecideProducerRequest) -> Result<Deciding, Refused> {
    let decided = match &request.decision {
        Some(Decision::CreditCode(text)) => {
            let mut findings = Findings::default();
            let code = credit_code("credit_code", text, &mut findings);
            Decided::Is(code.ok_or_else(|| Refused::invalid(findings.violations))?)
        }
        Some(Decision::None(true)) => Decided::None,
        Some(Decision::Revoke(true)) => Decided::Revoke,
        _ => {
            return Err(Refused::field(
                "decision",
                "DECISION_REQUIRED",
                "须作出认定：credit_code、none 或 revoke（取值 true）之一",
                "say what is decided: one of credit_code, none, revoke (set to true)",
            ));
        }
    };
    let reason = request.reason.trim();
    let length = reason.chars().count();
    if length == 0 || length > MAX_REASON {
        let (field, reason) = ("reason", if length == 0 { "REQUIRED" } else { "TOO_LONG" });
        return Err(Refused::field(field, reason, "须说明理由，1 至 500 个字符", "say why, in 1 to 500 characters"));
    }
    Ok(Deciding {
        nonconformity: record_id(&request.record_id)?,
        decided,
        reason: reason.to_owned(),
        seen: request.seen_position,
    })
}

/// A decision passes the same door as every record.
fn seal(gateway: &Gateway, caller: &Caller, record_id: &RecordId, content: &Content) -> Result<Draft, Refused> {
    let mut findings = Findings::default();
    let record = wire::resolving::sealed(record_id, content);
    let draft = draft_context(gateway, caller, |context| wire::draft(&record, context, &mut findings));
    draft.ok_or_else(|| Refused::invalid(findings.violations))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(decision: Option<Decision>, reason: &str) -> DecideProducerRequest {
        DecideProducerRequest { record_id: "samr/1".into(), decision, reason: reason.into(), ..DecideProducerRequest::default() }
    }

    #[test]
    fn a_decision_says_what_and_why() {
        let reason_of = |request: &DecideProducerRequest| deciding(request).expect_err("refused").violations[0].reason;
        for decision in [None, Some(Decision::None(false)), Some(Decision::Revoke(false))] {
            assert_eq!(reason_of(&request(decision, "电话核实")), "DECISION_REQUIRED");
        }
        assert_eq!(reason_of(&request(Some(Decision::None(true)), "  ")), "REQUIRED");
        assert_eq!(reason_of(&request(Some(Decision::None(true)), &"字".repeat(501))), "TOO_LONG");
        let wrong = request(Some(Decision::CreditCode("91330600PDY00001X".into())), "电话核实");
        assert_eq!(deciding(&wrong).expect_err("refused").violations[0].field, "credit_code");
        let good = deciding(&request(Some(Decision::None(true)), " 电话核实 ")).expect("good");
        assert_eq!((good.decided, good.reason.as_str()), (Decided::None, "电话核实"));
    }
}
