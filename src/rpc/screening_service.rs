//! `ScreeningService`: the screening desk over gRPC.

use std::{sync::Arc, time::Duration};

use tonic::{Request, Response, Status};

use super::{
    answer::answer,
    asking::{asking, patience},
    caller,
};
use crate::{
    domain::violation::Findings,
    gateway::{Caller, Gateway, Refused},
    proto::{ScreenRequest, ScreenResponse, screening_service_server::ScreeningService},
    wire,
};

/// The service over a gateway.
pub struct ScreeningDoor {
    gateway: Arc<Gateway>,
}

impl ScreeningDoor {
    /// Opens it.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }

    async fn judge(&self, caller: &Caller, request: ScreenRequest, patience: Duration) -> Result<ScreenResponse, Refused> {
        let mut findings = Findings::default();
        let declaration = wire::screening::declaration(request.declaration, &mut findings);
        if !findings.is_clean() {
            return Err(Refused::invalid(findings.violations));
        }
        let asking = asking(patience, request.as_of, request.min_position, String::new());
        let screened = self.gateway.screening.screen(caller, &declaration, &asking).await?;
        Ok(ScreenResponse {
            screening_id: screened.screening_id,
            verdict: wire::screening::verdict(screened.answer.verdict).into(),
            items: wire::screening::item_verdicts(&screened.answer),
            rule_version: screened.answer.rule_version.to_owned(),
            regime_version: screened.answer.regime_version,
            basis: Some(wire::lookup::basis(&screened.basis)),
            expires_at_us: screened.expires_at,
        })
    }
}

#[tonic::async_trait]
impl ScreeningService for ScreeningDoor {
    async fn screen(&self, request: Request<ScreenRequest>) -> Result<Response<ScreenResponse>, Status> {
        let (caller, patience) = (caller(&request)?, patience(&request));
        let result = self.judge(&caller, request.into_inner(), patience).await;
        answer(&self.gateway, &caller, result)
    }
}
