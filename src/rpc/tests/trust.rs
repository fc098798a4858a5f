use std::{fs, sync::Arc, time::Duration};

use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::harness::{DAY, Gateway, Report, Setting, TRUST_DOMAIN, reason, system, world};
use crate::{
    proto::{ScreenRequest, screening_service_client::ScreeningServiceClient},
    tls::{
        ClientFiles, ProbeFailure,
        authority::{Authority, Order},
        client_config, pem, probe,
    },
};

const LIMIT: Duration = Duration::from_secs(20);

async fn alert(gateway: &Gateway, config: Arc<ClientConfig>) -> String {
    match probe(&gateway.address.to_string(), "localhost", config, LIMIT).await {
        Err(ProbeFailure::Refused(error)) => error.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_probe_shows_the_gateways_certificate() {
    let mut gateway = Gateway::start(Setting::default()).await;
    let (config, _) = gateway.client_of("gacc/risk-control", 30);
    let report = probe(&gateway.address.to_string(), "localhost", config.clone(), LIMIT).await.expect("accepted");
    assert!(report.subject.contains("gateway/main"), "{}", report.subject);
    let other = probe(&gateway.address.to_string(), "elsewhere.example", config, LIMIT).await;
    assert!(matches!(other, Err(ProbeFailure::Handshake(_))), "{other:?}");
}

#[tokio::test]
async fn without_a_certificate_nobody_comes_in() {
    let mut gateway = Gateway::start(Setting::default()).await;
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates(&gateway.authority.certificate()).expect("authority") {
        roots.add(certificate).expect("added");
    }
    let (with, _) = gateway.client_of("gacc/risk-control", 30);
    let bare = ClientConfig::builder_with_details(with.crypto_provider().clone(), with.time_provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let alert = alert(&gateway, Arc::new(bare)).await;
    assert!(alert.contains("CertificateRequired"), "{alert}");
    assert_eq!(gateway.report().await, Report::TurnedAway("HANDSHAKE_FAILED"));
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let mut gateway = Gateway::start(Setting::default()).await;
    let folder = TempDir::new().expect("folder");
    let mut stranger = Authority::init(folder.path(), TRUST_DOMAIN, 30, world(&gateway.clock)).expect("authority");
    let order = Order { system: system("gacc/risk-control"), servers: Vec::new(), days: 30, out: None };
    let issued = stranger.issue(&order).expect("issued");
    let files = ClientFiles { authorities: gateway.authority.certificate(), certificate: issued.certificate, key: issued.key };
    let config = client_config(&files, gateway.clock.clone()).expect("client");
    let alert = alert(&gateway, config).await;
    assert!(alert.contains("UnknownCA") || alert.contains("DecryptError"), "{alert}");
    assert_eq!(gateway.report().await, Report::TurnedAway("HANDSHAKE_FAILED"));
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_its_open_connection_ends() {
    let mut gateway = Gateway::start(Setting::default()).await;
    let (config, _) = gateway.client_of("gacc/risk-control", 1);
    let mut client = ScreeningServiceClient::new(gateway.connect(config.clone()).await);
    client.screen(ScreenRequest::default()).await.expect("answered");
    gateway.advance(2 * DAY);
    let status = client.screen(ScreenRequest::default()).await.expect_err("refused");
    assert_eq!(reason(&status), (Code::Unauthenticated, "CERTIFICATE_EXPIRED".into()));
    let alert = alert(&gateway, config).await;
    assert!(alert.contains("CertificateExpired"), "{alert}");
}

#[tokio::test]
async fn revocation_bites_on_new_connections_open_ones_and_open_streams() {
    let mut gateway = Gateway::start(Setting::default()).await;
    let (config, _) = gateway.client_of("gacc/risk-control", 30);
    let (other, _) = gateway.client_of("gacc/archive", 30);
    gateway.trust.refresh().expect("loaded");
    let channel = gateway.connect(config.clone()).await;
    let mut client = ScreeningServiceClient::new(channel.clone());
    let mut untouched = ScreeningServiceClient::new(gateway.connect(other).await);
    client.screen(ScreenRequest::default()).await.expect("answered");
    let mut stream = HealthClient::new(channel).watch(HealthCheckRequest::default()).await.expect("open").into_inner();
    stream.message().await.expect("read").expect("the first state");

    gateway.authority.revoke("gacc/risk-control").expect("revoked");
    assert_eq!(gateway.trust.refresh().expect("loaded"), 1);

    let status = stream.message().await.expect_err("ended");
    assert_eq!(reason(&status), (Code::Unauthenticated, "CERTIFICATE_REVOKED".into()));
    let status = client.screen(ScreenRequest::default()).await.expect_err("refused");
    assert_eq!(reason(&status), (Code::Unauthenticated, "CERTIFICATE_REVOKED".into()));
    let alert = alert(&gateway, config).await;
    assert!(alert.contains("CertificateRevoked"), "{alert}");
    untouched.screen(ScreenRequest::default()).await.expect("others go on");

    let Report::Refused(withdrawn) = gateway.report().await else { panic!("not a refusal") };
    assert_eq!((withdrawn.reason, withdrawn.method), ("CERTIFICATE_REVOKED", "tongbao/connection"));
    assert_eq!(withdrawn.actor.system.map(|system| system.to_string()), Some("gacc/risk-control".into()));
    assert_eq!(gateway.metrics.connections_withdrawn.get(), 1);
    assert_eq!(gateway.trust.refresh().expect("loaded"), 0, "withdrawn once");
    assert_eq!(gateway.metrics.requests_of("grpc.health.v1.Health/Watch", "UNAUTHENTICATED"), 1);
}

#[tokio::test]
async fn a_revocation_list_past_its_date_admits_nobody() {
    let mut gateway = Gateway::start(Setting::default()).await;
    let (config, _) = gateway.client_of("gacc/risk-control", 50);
    gateway.trust.refresh().expect("loaded");
    let mut client = ScreeningServiceClient::new(gateway.connect(config.clone()).await);
    client.screen(ScreenRequest::default()).await.expect("answered");
    gateway.advance(31 * DAY);
    assert_eq!(gateway.trust.refresh().expect("nothing was replaced"), 1);
    let status = client.screen(ScreenRequest::default()).await.expect_err("refused");
    assert_eq!(reason(&status), (Code::Unavailable, "REVOCATION_LIST_EXPIRED".into()));
    alert(&gateway, config.clone()).await;
    gateway.authority.write_list().expect("renewed");
    gateway.trust.refresh().expect("loaded");
    let mut client = ScreeningServiceClient::new(gateway.connect(config).await);
    client.screen(ScreenRequest::default()).await.expect("answered again");
}

#[tokio::test]
async fn files_that_cannot_be_used_leave_the_old_trust_standing() {
    let mut gateway = Gateway::start(Setting::default()).await;
    let (config, _) = gateway.client_of("gacc/risk-control", 30);
    gateway.trust.refresh().expect("loaded");
    fs::write(gateway.authority.list(), "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n").expect("written");
    let error = gateway.trust.refresh().expect_err("refused");
    assert_eq!(error.reason(), "FILE_MALFORMED");
    assert_eq!(gateway.metrics.reload_failures.get(), 1);
    let mut client = ScreeningServiceClient::new(gateway.connect(config).await);
    client.screen(ScreenRequest::default()).await.expect("answered");
}
