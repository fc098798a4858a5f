//! All services of the gateway, mounted.

use std::sync::Arc;

use tonic::service::Routes;

use super::{
    Limits, admin_service, docket_service, evidence_service, feed_service, lookup_service, publish_service, screening_service,
};
use crate::{
    gateway::Gateway,
    proto::{
        admin_service_server::AdminServiceServer, docket_service_server::DocketServiceServer,
        evidence_service_server::EvidenceServiceServer, feed_service_server::FeedServiceServer,
        publish_service_server::PublishServiceServer, record_service_server::RecordServiceServer,
        screening_service_server::ScreeningServiceServer,
    },
};

/// Every service over a gateway, within the limits.
pub fn routes(gateway: &Arc<Gateway>, limits: &Limits) -> Routes {
    let max_message_bytes = limits.max_message_bytes;
    let publish = PublishServiceServer::new(publish_service::PublishDoor::new(gateway.clone()));
    let feed = FeedServiceServer::new(feed_service::FeedDoor::new(gateway.clone(), limits));
    let records = RecordServiceServer::new(lookup_service::LookupDoor::new(gateway.clone()));
    let screening = ScreeningServiceServer::new(screening_service::ScreeningDoor::new(gateway.clone()));
    let evidence = EvidenceServiceServer::new(evidence_service::EvidenceDoor::new(gateway.clone()));
    let docket = DocketServiceServer::new(docket_service::DocketDoor::new(gateway.clone()));
    let admin = AdminServiceServer::new(admin_service::AdminDoor::new(gateway.clone()));
    Routes::new(publish.max_decoding_message_size(max_message_bytes))
        .add_service(feed.max_decoding_message_size(max_message_bytes))
        .add_service(records.max_decoding_message_size(max_message_bytes))
        .add_service(screening.max_decoding_message_size(max_message_bytes))
        .add_service(evidence.max_decoding_message_size(max_message_bytes))
        .add_service(docket.max_decoding_message_size(max_message_bytes))
        .add_service(admin.max_decoding_message_size(max_message_bytes))
}
