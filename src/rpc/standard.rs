//! Health and reflection, as every gRPC tool expects them; behind mutual TLS like all the rest.

use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};

use super::access;
use crate::proto::DESCRIPTORS;

/// Adds health and reflection to the services; the reporter tells later that the gateway drains.
pub(super) async fn add(routes: Routes) -> Result<(Routes, HealthReporter), tonic_reflection::server::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    for service in access::services() {
        reporter.set_service_status(service, ServingStatus::Serving).await;
    }
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    Ok((routes.add_service(health).add_service(reflection), reporter))
}

/// Says that nothing is served any more: load balancers look elsewhere while streams end.
pub(super) async fn drain(reporter: &HealthReporter) {
    for service in access::services().chain([""]) {
        reporter.set_service_status(service, ServingStatus::NotServing).await;
    }
}
