//! The access table: every method of every service, and who may call it. What is not in it is denied.
//!
//! A row says who gets past the door; feeds, sections and purposes are the gateway's own check (a permit). A test reads the
//! descriptors of the protocol and fails when a method has no row.

use crate::gateway::OperatorRole;

/// Who gets past the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever holds a certificate of the trusted authority, registered or not: what says nothing about records.
    AnyCertificate,
    /// A registered system.
    System,
    /// A registered system with an operator's token that has this role.
    Operator(OperatorRole),
}

/// How a method's messages flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One request, one answer.
    Unary,
    /// A stream in at least one direction: trust is watched while it is open.
    Streaming,
}

/// A row.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// Full name, e.g. `tongbao.v1.PublishService/Publish`.
    pub name: &'static str,
    /// Who may call it.
    pub access: Access,
    /// How its messages flow.
    pub shape: Shape,
}

const fn row(name: &'static str, access: Access, shape: Shape) -> Method {
    Method { name, access, shape }
}

const AUDIT: Access = Access::Operator(OperatorRole::Audit);
const OPERATE: Access = Access::Operator(OperatorRole::Operate);

/// The table, by name in ascending order.
pub static METHODS: [Method; 37] = [
    row("grpc.health.v1.Health/Check", Access::AnyCertificate, Shape::Unary),
    row("grpc.health.v1.Health/Watch", Access::AnyCertificate, Shape::Streaming),
    row("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Access::AnyCertificate, Shape::Streaming),
    row("tongbao.v1.AdminService/DecideProducer", OPERATE, Shape::Unary),
    row("tongbao.v1.AdminService/GetProducer", OPERATE, Shape::Unary),
    row("tongbao.v1.AdminService/ListUnresolved", OPERATE, Shape::Unary),
    row("tongbao.v1.DocketService/GetStatistics", Access::System, Shape::Unary),
    row("tongbao.v1.DocketService/ListDocket", Access::System, Shape::Unary),
    row("tongbao.v1.EvidenceService/GetCheckpoint", AUDIT, Shape::Unary),
    row("tongbao.v1.EvidenceService/ProveConsistency", AUDIT, Shape::Unary),
    row("tongbao.v1.EvidenceService/ProveInclusion", AUDIT, Shape::Unary),
    row("tongbao.v1.EvidenceService/SearchEntries", AUDIT, Shape::Unary),
    row("tongbao.v1.FeedService/CreateSubscription", Access::System, Shape::Unary),
    row("tongbao.v1.FeedService/DeleteSubscription", Access::System, Shape::Unary),
    row("tongbao.v1.FeedService/DiscardDeadLetters", Access::System, Shape::Streaming),
    row("tongbao.v1.FeedService/Fetch", Access::System, Shape::Unary),
    row("tongbao.v1.FeedService/GetSubscription", Access::System, Shape::Unary),
    row("tongbao.v1.FeedService/ListDeadLetters", Access::System, Shape::Unary),
    row("tongbao.v1.FeedService/ListFeeds", Access::System, Shape::Unary),
    row("tongbao.v1.FeedService/ListSubscriptions", Access::System, Shape::Unary),
    row("tongbao.v1.FeedService/PauseSubscription", Access::System, Shape::Unary),
    row("tongbao.v1.FeedService/Read", Access::System, Shape::Streaming),
    row("tongbao.v1.FeedService/RedriveDeadLetters", Access::System, Shape::Streaming),
    row("tongbao.v1.FeedService/ResumeSubscription", Access::System, Shape::Unary),
    row("tongbao.v1.FeedService/Seek", Access::System, Shape::Unary),
    row("tongbao.v1.FeedService/Settle", Access::System, Shape::Unary),
    row("tongbao.v1.FeedService/Subscribe", Access::System, Shape::Streaming),
    row("tongbao.v1.FeedService/UpdateSubscription", Access::System, Shape::Unary),
    row("tongbao.v1.PublishService/Attest", Access::System, Shape::Unary),
    row("tongbao.v1.PublishService/Publish", Access::System, Shape::Unary),
    row("tongbao.v1.PublishService/PublishStream", Access::System, Shape::Streaming),
    row("tongbao.v1.RecordService/BatchGetEnterprises", Access::System, Shape::Unary),
    row("tongbao.v1.RecordService/ExportList", Access::System, Shape::Streaming),
    row("tongbao.v1.RecordService/GetEnterprise", Access::System, Shape::Unary),
    row("tongbao.v1.RecordService/GetRecord", Access::System, Shape::Unary),
    row("tongbao.v1.RecordService/ListRecords", Access::System, Shape::Unary),
    row("tongbao.v1.ScreeningService/Screen", Access::System, Shape::Unary),
];

/// The row of the method at an HTTP path such as `/tongbao.v1.PublishService/Publish`.
pub fn method_at(path: &str) -> Option<&'static Method> {
    let name = path.strip_prefix('/')?;
    METHODS.binary_search_by(|method| method.name.cmp(name)).ok().and_then(|at| METHODS.get(at))
}

/// Names of the services in the table, each once.
pub fn services() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    METHODS.iter().filter_map(move |method| {
        let (service, _) = method.name.split_once('/')?;
        (std::mem::replace(&mut last, service) != service).then_some(service)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost::Message as _;

    use super::*;
    use crate::proto::DESCRIPTORS;

    fn described(descriptors: &[u8]) -> BTreeMap<String, Shape> {
        let set = prost_types::FileDescriptorSet::decode(descriptors).expect("descriptors decode");
        let mut methods = BTreeMap::new();
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    let name = format!("{}.{}/{}", file.package(), service.name(), method.name());
                    let streams = method.client_streaming() || method.server_streaming();
                    methods.insert(name, if streams { Shape::Streaming } else { Shape::Unary });
                }
            }
        }
        methods
    }

    #[test]
    fn every_method_of_the_protocol_has_its_row_and_every_row_its_method() {
        let mut described: BTreeMap<_, _> = described(DESCRIPTORS);
        described.append(&mut self::described(tonic_health::pb::FILE_DESCRIPTOR_SET));
        described.append(&mut self::described(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET));
        let rows: BTreeMap<_, _> = METHODS.iter().map(|method| (method.name.to_owned(), method.shape)).collect();
        assert_eq!(rows, described);
    }

    #[test]
    fn rows_are_in_order_and_each_is_found() {
        assert!(METHODS.is_sorted_by(|a, b| a.name < b.name));
        for method in &METHODS {
            assert_eq!(method_at(&format!("/{}", method.name)), Some(method));
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_not_found() {
        for path in [
            "",
            "/",
            "tongbao.v1.PublishService/Publish",
            "/tongbao.v1.PublishService/Erase",
            "/tongbao.v1.PublishService/Publish/",
        ] {
            assert_eq!(method_at(path), None, "{path}");
        }
    }

    #[test]
    fn each_service_is_named_once() {
        assert_eq!(services().count(), 9);
    }
}
