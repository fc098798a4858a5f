use std::time::Duration;

use tokio::{io::AsyncReadExt as _, net::TcpStream};
use tonic::{Code, Request};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::harness::{Gateway, Report, Setting, reason};
use crate::{
    proto::{ScreenRequest, ScreenResponse, screening_service_client::ScreeningServiceClient},
    rpc::Limits,
};

const SCREEN: &str = "/tongbao.v1.ScreeningService/Screen";

/// A message whose only field is text where `ScreenRequest` has a message or something else.
async fn send_text(gateway: &mut Gateway, text: String) -> tonic::Status {
    let (config, _) = gateway.client_of("gacc/risk-control", 30);
    let mut client = tonic::client::Grpc::new(gateway.connect(config).await);
    client.ready().await.expect("ready");
    let codec = tonic_prost::ProstCodec::<HealthCheckRequest, ScreenResponse>::default();
    let request = Request::new(HealthCheckRequest { service: text });
    client.unary(request, http::uri::PathAndQuery::from_static(SCREEN), codec).await.expect_err("refused")
}

#[tokio::test]
async fn a_message_too_large_is_refused_with_the_bound() {
    let limits = Limits { max_message_bytes: 1024, ..Limits::default() };
    let mut gateway = Gateway::start(Setting { limits, ..Setting::default() }).await;
    let status = send_text(&mut gateway, "x".repeat(2000)).await;
    assert_eq!(reason(&status), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".into()));
    assert!(status.message().contains("1024"), "{}", status.message());
    assert_eq!(gateway.metrics.requests_of("tongbao.v1.ScreeningService/Screen", "RESOURCE_EXHAUSTED"), 1);
}

#[tokio::test]
async fn bytes_that_are_not_the_message_are_refused() {
    let mut gateway = Gateway::start(Setting::default()).await;
    let status = send_text(&mut gateway, "口罩口罩口罩".to_owned()).await;
    assert_eq!(reason(&status), (Code::InvalidArgument, "MALFORMED_MESSAGE".into()), "{status:?}");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up_with_a_reason() {
    let limits = Limits { request_timeout: Duration::from_millis(1), ..Limits::default() };
    let mut gateway = Gateway::start(Setting { limits, ..Setting::default() }).await;
    let (config, _) = gateway.client_of("gacc/risk-control", 30);
    let mut client = ScreeningServiceClient::new(gateway.connect(config).await);
    let mut request = Request::new(ScreenRequest::default());
    request.metadata_mut().insert("x-never", "1".parse().expect("a value"));
    let status = client.screen(request).await.expect_err("given up");
    assert_eq!(reason(&status), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".into()));
    assert_eq!(gateway.metrics.requests_of("tongbao.v1.ScreeningService/Screen", "DEADLINE_EXCEEDED"), 1);
}

#[tokio::test]
async fn a_compression_that_is_not_known_is_refused_with_a_reason() {
    let mut gateway = Gateway::start(Setting::default()).await;
    let (config, _) = gateway.client_of("gacc/risk-control", 30);
    let mut client = ScreeningServiceClient::new(gateway.connect(config).await);
    let mut request = Request::new(ScreenRequest::default());
    request.metadata_mut().insert("grpc-encoding", "br".parse().expect("a value"));
    let status = client.screen(request).await.expect_err("refused");
    assert_eq!(reason(&status), (Code::Unimplemented, "NOT_SUPPORTED".into()));
}

#[tokio::test]
async fn a_stream_ends_at_the_clients_deadline_with_a_reason() {
    let mut gateway = Gateway::start(Setting::default()).await;
    let (config, _) = gateway.client_of("gacc/risk-control", 30);
    let mut request = Request::new(HealthCheckRequest::default());
    request.set_timeout(Duration::from_secs(2));
    let mut stream = HealthClient::new(gateway.connect(config).await).watch(request).await.expect("open").into_inner();
    stream.message().await.expect("read").expect("the first state");
    let status = stream.message().await.expect_err("ended");
    assert_eq!(reason(&status), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".into()));
}

#[tokio::test]
async fn a_silent_handshake_ends_in_time() {
    let limits = Limits { handshake_timeout: Duration::from_millis(1), ..Limits::default() };
    let mut gateway = Gateway::start(Setting { limits, ..Setting::default() }).await;
    let mut io = TcpStream::connect(gateway.address).await.expect("connected");
    assert_eq!(gateway.report().await, Report::TurnedAway("HANDSHAKE_TIMEOUT"));
    assert_eq!(io.read(&mut [0; 1]).await.expect("closed"), 0);
}

#[tokio::test]
async fn a_connection_too_many_is_closed_and_counted_and_its_place_is_free_again() {
    let limits = Limits { max_connections: 1, ..Limits::default() };
    let mut gateway = Gateway::start(Setting { limits, ..Setting::default() }).await;
    let (config, _) = gateway.client_of("gacc/risk-control", 30);
    let mut client = ScreeningServiceClient::new(gateway.connect(config.clone()).await);
    client.screen(ScreenRequest::default()).await.expect("answered");
    let mut second = TcpStream::connect(gateway.address).await.expect("connected");
    assert_eq!(gateway.report().await, Report::TurnedAway("CONNECTION_LIMIT"));
    assert_eq!(second.read(&mut [0; 1]).await.expect("closed"), 0);
    assert_eq!(gateway.metrics.connections.get(), 1);
    drop(client);
    // The server hears of the closed connection in its own time: whoever is refused before that asks again.
    let mut client = loop {
        if let Ok(channel) = super::harness::connect(gateway.address, config.clone()).await {
            break ScreeningServiceClient::new(channel);
        }
    };
    client.screen(ScreenRequest::default()).await.expect("answered");
}

#[tokio::test]
async fn draining_is_told_and_what_stays_open_is_cut() {
    let mut gateway = Gateway::start(Setting { grace: Duration::from_millis(1), ..Setting::default() }).await;
    let (config, _) = gateway.client_of("gacc/risk-control", 30);
    let mut health = HealthClient::new(gateway.connect(config).await);
    let mut stream = health.watch(HealthCheckRequest::default()).await.expect("open").into_inner();
    assert_eq!(stream.message().await.expect("read").map(|answer| answer.status), Some(1));
    let address = gateway.address;
    gateway.stop().await;
    let mut last = None;
    while let Ok(Some(answer)) = stream.message().await {
        last = Some(answer.status);
    }
    assert_eq!(last, Some(2), "not serving");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
}
