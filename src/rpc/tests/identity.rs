use tonic::{Code, Request};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient, server_reflection_request::MessageRequest,
    server_reflection_response::MessageResponse,
};
use tonic_types::StatusExt as _;

use super::harness::{Gateway, Report, Setting, reason};
use crate::{
    domain::violation::Lang,
    proto::{ScreenRequest, screening_service_client::ScreeningServiceClient},
};

#[tokio::test]
async fn a_registered_system_is_known_by_its_certificate() {
    let mut gateway = Gateway::start(Setting::default()).await;
    let (config, _) = gateway.client_of("gacc/risk-control", 30);
    let mut client = ScreeningServiceClient::new(gateway.connect(config).await);
    let mut request = Request::new(ScreenRequest::default());
    request.metadata_mut().insert("x-request-id", "r-7".parse().expect("ascii"));
    request.metadata_mut().insert("accept-language", "en".parse().expect("ascii"));
    client.screen(request).await.expect("answered");
    let caller = gateway.seen.last().expect("seen");
    assert_eq!(caller.system.to_string(), "gacc/risk-control");
    assert_eq!((caller.method, caller.request_id.as_str(), caller.lang), ("tongbao.v1.ScreeningService/Screen", "r-7", Lang::En));
    assert_eq!(caller.operator, None);
    assert_eq!(gateway.metrics.requests_of("tongbao.v1.ScreeningService/Screen", "OK"), 1);
    drop(client);
    gateway.stop().await;
}

#[tokio::test]
async fn an_unregistered_system_is_refused_and_reported() {
    let mut gateway = Gateway::start(Setting::default()).await;
    let (config, _) = gateway.client_of("mofcom/unknown", 30);
    let mut client = ScreeningServiceClient::new(gateway.connect(config).await);
    let mut request = Request::new(ScreenRequest::default());
    request.metadata_mut().insert("x-request-id", "r-8".parse().expect("ascii"));
    let status = client.screen(request).await.expect_err("refused");
    assert_eq!(reason(&status), (Code::Unauthenticated, "UNKNOWN_SYSTEM".into()));
    assert_eq!(status.get_error_details().request_info().map(|info| info.request_id.clone()), Some("r-8".into()));
    assert!(status.message().contains("spiffe://tongbao.example/mofcom/unknown"), "{}", status.message());
    let Report::Refused(refusal) = gateway.report().await else { panic!("not a refusal") };
    assert_eq!(
        (refusal.reason, refusal.method, refusal.request_id.as_str()),
        ("UNKNOWN_SYSTEM", "tongbao.v1.ScreeningService/Screen", "r-8")
    );
    assert!(refusal.actor.system.is_none() && refusal.actor.certificate_sha256.is_some());
    assert!(gateway.seen.last().is_none(), "no service saw it");
    assert!(gateway.metrics.render().contains(r#"tongbao_refusals_total{reason="UNKNOWN_SYSTEM"} 1"#));
}

#[tokio::test]
async fn a_certificate_of_another_trust_domain_is_refused() {
    let mut gateway = Gateway::start(Setting { trust_domain: "tongbao.exam", ..Setting::default() }).await;
    let (config, _) = gateway.client_of("gacc/risk-control", 30);
    let mut client = ScreeningServiceClient::new(gateway.connect(config).await);
    let status = client.screen(ScreenRequest::default()).await.expect_err("refused");
    assert_eq!(reason(&status), (Code::Unauthenticated, "WRONG_TRUST_DOMAIN".into()));
}

#[tokio::test]
async fn a_method_that_is_not_in_the_table_does_not_exist() {
    let mut gateway = Gateway::start(Setting::default()).await;
    let (config, _) = gateway.client_of("gacc/risk-control", 30);
    let mut client = tonic::client::Grpc::new(gateway.connect(config).await);
    client.ready().await.expect("ready");
    let codec = tonic_prost::ProstCodec::<ScreenRequest, ScreenRequest>::default();
    let path = http::uri::PathAndQuery::from_static("/tongbao.v1.ScreeningService/Erase");
    let status = client.unary(Request::new(ScreenRequest::default()), path, codec).await.expect_err("refused");
    assert_eq!(reason(&status), (Code::Unimplemented, "UNKNOWN_METHOD".into()));
}

#[tokio::test]
async fn health_and_reflection_answer_any_trusted_certificate() {
    let mut gateway = Gateway::start(Setting::default()).await;
    let (config, _) = gateway.client_of("mofcom/unknown", 30);
    let channel = gateway.connect(config).await;
    let request = HealthCheckRequest { service: "tongbao.v1.ScreeningService".into() };
    let answer = HealthClient::new(channel.clone()).check(request).await.expect("answered").into_inner();
    assert_eq!(answer.status, 1, "serving");
    let asked =
        ServerReflectionRequest { host: String::new(), message_request: Some(MessageRequest::ListServices(String::new())) };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::once(asked))
        .await
        .expect("answered")
        .into_inner();
    let answer = answers.message().await.expect("read").expect("one");
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else { panic!("no list") };
    assert!(list.service.iter().any(|service| service.name == "tongbao.v1.FeedService"));
}
