//! `PublishService`: records in at the door, drafts inside.

use std::sync::Arc;

use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{answer::answer, caller, publish_stream};
use crate::{
    domain::{
        draft::Draft,
        feeds::Feed,
        ledger::PublishedItem,
        regions::Region,
        violation::{Findings, Lang, Text, Violation},
    },
    gateway::{
        Caller, Gateway, Refused,
        publish::{Published, admit_batch},
    },
    proto::{
        AttestRequest, AttestResponse, PublishRequest, PublishResponse, PublishStreamRequest, PublishStreamResponse,
        PublishedRecord, Record, Remark, publish_service_server::PublishService,
    },
    wire,
};

/// The service over a gateway.
pub struct PublishDoor {
    gateway: Arc<Gateway>,
}

impl PublishDoor {
    /// Opens it.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }

    async fn publish_batch(&self, caller: &Caller, request: PublishRequest) -> Result<PublishResponse, Refused> {
        let drafts = checked(&self.gateway, caller, &request.records)?;
        let published = self.gateway.publish(caller, drafts, request.validate_only).await?;
        Ok(published_response(published, caller.lang))
    }

    async fn attest_feed(&self, caller: &Caller, request: &AttestRequest) -> Result<AttestResponse, Refused> {
        let feed = Feed::parse(&request.feed).ok_or_else(|| unknown_feed("feed", &request.feed))?;
        let own = self.gateway.register.load().participant(caller.participant()).and_then(|participant| participant.region);
        let region = match request.region.as_str() {
            "" => own,
            code => Some(Region::parse(code).ok_or_else(|| {
                Refused::field(
                    "region",
                    "UNKNOWN_REGION",
                    format!("地区代码 {code} 无法识别：应为 6 位 GB/T 2260 代码或 66"),
                    format!("region {code} is not a code: give 6 digits of GB/T 2260, or 66"),
                )
            })?),
        };
        let attested = self.gateway.attest(caller, feed, region, request.complete_to_us).await?;
        let remarks = remark_of_region(own, region).map(|remark| remark_of(remark, caller.lang)).into_iter().collect();
        Ok(AttestResponse { complete_to_us: attested.complete_to, evidence_index: attested.evidence_index, remarks })
    }
}

#[tonic::async_trait]
impl PublishService for PublishDoor {
    type PublishStreamStream = ReceiverStream<Result<PublishStreamResponse, Status>>;

    async fn publish(&self, request: Request<PublishRequest>) -> Result<Response<PublishResponse>, Status> {
        let mut caller = Caller::clone(&*caller(&request)?);
        let request = request.into_inner();
        if !request.request_id.is_empty() {
            caller.request_id = request.request_id.chars().take(64).collect();
        }
        let result = self.publish_batch(&caller, request).await;
        answer(&self.gateway, &caller, result)
    }

    async fn publish_stream(
        &self,
        request: Request<Streaming<PublishStreamRequest>>,
    ) -> Result<Response<Self::PublishStreamStream>, Status> {
        let caller = caller(&request)?;
        let answers = publish_stream::open(self.gateway.clone(), caller, request.into_inner());
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn attest(&self, request: Request<AttestRequest>) -> Result<Response<AttestResponse>, Status> {
        let caller = caller(&request)?;
        let result = self.attest_feed(&caller, request.get_ref()).await;
        answer(&self.gateway, &caller, result)
    }
}

/// A bureau may speak for others, but seldom means to: whose region is not its own hears of it.
fn remark_of_region(own: Option<Region>, region: Option<Region>) -> Option<Violation> {
    let (own, region) = (own?, region?);
    (!own.covers(region)).then(|| Violation {
        field: "region".to_owned(),
        reason: "OUTSIDE_REGION",
        text: Text::new(
            format!("地区 {region} 不在本单位的地区 {own} 之内：请核对是否代为声明"),
            format!("region {region} lies outside your own, {own}: check that you mean to speak for it"),
        ),
    })
}

/// Bytes of content of a batch.
pub(super) fn content_bytes(records: &[Record]) -> usize {
    records.iter().flat_map(|record| &record.sections).map(|section| section.content.len()).sum()
}

/// Every record of a batch checked; or that it is too large, or everything that is wrong with any of them.
pub(super) fn checked(gateway: &Gateway, caller: &Caller, records: &[Record]) -> Result<Vec<Draft>, Refused> {
    admit_batch(records.len(), content_bytes(records))?;
    let mut findings = Findings::default();
    let mut drafts = Vec::with_capacity(records.len());
    draft_context(gateway, caller, |context| {
        for (index, record) in records.iter().enumerate() {
            drafts.extend(findings.within_index("records", index, |findings| own_draft(record, context, findings)));
        }
    });
    if findings.is_clean() { Ok(drafts) } else { Err(Refused::invalid(findings.violations)) }
}

/// Reads records with what the door knows of a caller now.
pub(super) fn draft_context<T>(gateway: &Gateway, caller: &Caller, read: impl FnOnce(&wire::DraftContext<'_>) -> T) -> T {
    let register = gateway.register.load();
    let policy = gateway.policy.load();
    read(&wire::DraftContext {
        publisher: caller.participant(),
        publisher_region: register.participant(caller.participant()).and_then(|participant| participant.region),
        today: policy.today(&gateway.world),
        allow_synthetic: policy.allow_synthetic,
        salt: &|| gateway.world.random(),
    })
}

/// A record that its publisher writes itself.
fn own_draft(record: &Record, context: &wire::DraftContext<'_>, findings: &mut Findings) -> Option<Draft> {
    let draft = wire::draft(record, context, findings)?;
    let kind = draft.attributes.kind;
    if kind.is_published() {
        return Some(draft);
    }
    let text = Text::new(
        format!("{} 不由单位报送，只能由操作员办理产生", kind.token()),
        format!("a {} is not published: it comes from an operator's act alone", kind.token()),
    );
    findings.refuse("kind", "KIND_NOT_PUBLISHED", text);
    None
}

/// The answer to a batch that stands.
pub(super) fn published_response(published: Published, lang: Lang) -> PublishResponse {
    PublishResponse {
        records: published.items.into_iter().map(|item| published_record(item, lang)).collect(),
        evidence_index: published.evidence_index.unwrap_or(0),
        committed_at_us: published.committed_at,
    }
}

fn published_record(item: PublishedItem, lang: Lang) -> PublishedRecord {
    PublishedRecord {
        record_id: item.record_id.to_string(),
        revision: item.revision,
        position: item.position,
        duplicate: item.duplicate,
        remarks: item.remarks.into_iter().map(|remark| remark_of(remark, lang)).collect(),
        resolution: item.resolution.as_ref().map(wire::resolution),
    }
}

/// A violation, or a remark, in one language.
pub(super) fn remark_of(remark: Violation, lang: Lang) -> Remark {
    Remark { message: remark.text.get(lang).to_owned(), field: remark.field, reason: remark.reason.to_owned() }
}

/// A feed name that is not in the catalogue.
pub(super) fn unknown_feed(field: &str, name: &str) -> Refused {
    let known = Feed::ALL.map(Feed::name).join(", ");
    Refused::field(
        field,
        "UNKNOWN_FEED",
        format!("没有名为“{name}”的目录：可用 {known}"),
        format!("there is no feed `{name}`: the catalogue has {known}"),
    )
}
