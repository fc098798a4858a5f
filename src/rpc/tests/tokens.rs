use std::{path::Path, sync::Arc, time::Duration};

use rustls::ClientConfig;
use tonic::{Code, Request, Status};

use super::harness::{Gateway, Report, Setting, reason};
use crate::{
    clock::Clock as _,
    domain::digest::{Digest, sha256},
    gateway::OperatorRole,
    proto::{GetCheckpointRequest, evidence_service_client::EvidenceServiceClient},
    rpc::token::{TokenOrder, issue},
    tls::pem,
};

fn fingerprint(certificate: &Path) -> Digest {
    let chain = pem::certificates(certificate).expect("certificate");
    sha256(&[chain.first().expect("leaf")])
}

fn order(certificate: &Path) -> TokenOrder {
    TokenOrder {
        issuer: "tongbao".into(),
        audience: "gateway".into(),
        operator: "王敏".into(),
        roles: vec![OperatorRole::Audit],
        certificate_sha256: fingerprint(certificate),
        ttl: Duration::from_mins(15),
    }
}

async fn ask(gateway: &Gateway, config: Arc<ClientConfig>, authorization: Option<&str>) -> Result<(), Status> {
    let mut request = Request::new(GetCheckpointRequest::default());
    if let Some(value) = authorization {
        request.metadata_mut().insert("authorization", value.parse().expect("ascii"));
    }
    let mut client = EvidenceServiceClient::new(gateway.connect(config).await);
    client.get_checkpoint(request).await.map(drop)
}

fn bearer(gateway: &Gateway, order: &TokenOrder) -> String {
    let token = issue(order, gateway.token_key.as_bytes(), gateway.clock.now()).expect("issued");
    format!("Bearer {token}")
}

#[tokio::test]
async fn evidence_needs_an_operator_with_the_role() {
    let mut gateway = Gateway::start(Setting::default()).await;
    let (config, certificate) = gateway.client_of("gacc/risk-control", 30);
    let good = order(&certificate);
    ask(&gateway, config.clone(), Some(&bearer(&gateway, &good))).await.expect("answered");
    let caller = gateway.seen.last().expect("seen");
    assert_eq!(caller.operator.as_ref().map(|operator| operator.name.as_str()), Some("王敏"));

    let status = ask(&gateway, config.clone(), None).await.expect_err("refused");
    assert_eq!(reason(&status), (Code::Unauthenticated, "TOKEN_MISSING".into()));
    let observer = TokenOrder { roles: vec![OperatorRole::Observe, OperatorRole::Operate], ..good };
    let status = ask(&gateway, config, Some(&bearer(&gateway, &observer))).await.expect_err("refused");
    assert_eq!(reason(&status), (Code::PermissionDenied, "ROLE_MISSING".into()));
    assert!(matches!(gateway.report().await, Report::Refused(refusal) if refusal.reason == "TOKEN_MISSING"));
    let Report::Refused(refusal) = gateway.report().await else { panic!("not a refusal") };
    assert_eq!((refusal.reason, refusal.actor.operator.as_deref()), ("ROLE_MISSING", Some("王敏")));
}

#[tokio::test]
async fn a_token_is_worth_nothing_elsewhere() {
    let mut gateway = Gateway::start(Setting::default()).await;
    let (config, certificate) = gateway.client_of("gacc/risk-control", 30);
    let (_, other) = gateway.client_of("gacc/archive", 30);
    let good = order(&certificate);
    let cases = [
        (order(&other), "TOKEN_OTHER_CERTIFICATE"),
        (TokenOrder { audience: "another-gateway".into(), ..good.clone() }, "TOKEN_WRONG_AUDIENCE"),
        (TokenOrder { ttl: Duration::from_hours(2), ..good.clone() }, "TOKEN_TOO_LONG_LIVED"),
        (TokenOrder { roles: vec![OperatorRole::Audit, OperatorRole::Manage], ..good.clone() }, "TOKEN_ROLES"),
    ];
    for (order, expected) in cases {
        let status = ask(&gateway, config.clone(), Some(&bearer(&gateway, &order))).await.expect_err("refused");
        assert_eq!(reason(&status), (Code::Unauthenticated, expected.into()));
    }
    let old = bearer(&gateway, &good);
    gateway.advance(3_600_000_000);
    let status = ask(&gateway, config.clone(), Some(&old)).await.expect_err("refused");
    assert_eq!(reason(&status), (Code::Unauthenticated, "TOKEN_EXPIRED".into()));
    for header in ["Basic dXNlcjpwYXNz", "Bearer", "Bearer eyJhbGciOiJub25lIn0.e30."] {
        let status = ask(&gateway, config.clone(), Some(header)).await.expect_err("refused");
        assert_eq!(reason(&status), (Code::Unauthenticated, "TOKEN_MALFORMED".into()), "{header}");
    }
    assert!(gateway.seen.last().is_none(), "no service saw any of it");
}
