//! Publishing one record from the command line: what `doubt` and `notice` share.

use super::{
    Context, Failure,
    connect::{own_system, profile},
    output::json_of,
};
use crate::{
    client::{Connection, Publisher, PublisherOptions, Records},
    domain::{
        digest::{hex, sha256},
        ids::{ParticipantId, RecordId},
        records::{Content, Matter, RecordReference},
        violation::Lang,
    },
    proto::GetRecordRequest,
    wire,
};

/// Who we are, and the way to the gateway.
pub(super) struct Replier {
    pub(super) participant: ParticipantId,
    pub(super) connection: Connection,
    pub(super) context: Context,
}

impl Replier {
    /// By the profile.
    pub(super) fn open(context: &Context) -> Result<Self, Failure> {
        let (profile, context) = profile(context)?;
        let participant = own_system(&profile)?.participant;
        let connection = Connection::open(&profile, context.lang, context.world.clock.clone())?;
        Ok(Self { participant, connection, context })
    }

    /// A record id of our own that follows from what is said: saying it twice is a duplicate.
    pub(super) fn id(&self, what: &str, of: &[&str]) -> Result<RecordId, Failure> {
        let parts: Vec<&[u8]> = of.iter().flat_map(|part| [part.as_bytes(), b"\n"]).collect();
        let digest = hex(&sha256(&parts));
        record_id(&format!("{}/{what}-{}", self.participant, digest.get(..16).unwrap_or_default()))
    }

    /// The revision of a record that stands now.
    pub(super) async fn reference(&self, id: &RecordId, purpose: &str) -> Result<RecordReference, Failure> {
        let request = GetRecordRequest { record_id: id.to_string(), purpose: purpose.to_owned(), ..GetRecordRequest::default() };
        let record = Records::new(&self.connection).record(request).await?.record.unwrap_or_default();
        Ok(RecordReference { record_id: id.clone(), revision: record.revision, position: record.position })
    }

    /// Publishes it and says where it stands.
    pub(super) async fn publish(&self, id: RecordId, matter: Matter) -> Result<(), Failure> {
        let record = wire::publishable(&id, None, &Content { matter, withdrawal: None }, None);
        let (answer, _) = Publisher::new(&self.connection, PublisherOptions::default()).publish_batch(vec![record]).await?;
        let (position, duplicate) = answer.records.first().map_or((0, false), |item| (item.position, item.duplicate));
        self.context.answer(&json_of("PublishResponse", &answer), || match (self.context.lang, duplicate) {
            (Lang::Zh, false) => format!("已发布 {id}，位置 {position}（存证 #{}）", answer.evidence_index),
            (Lang::Zh, true) => format!("{id} 此前已发布，位置 {position}"),
            (Lang::En, false) => format!("{id} is published at position {position} (evidence entry {})", answer.evidence_index),
            (Lang::En, true) => format!("{id} stood already, at position {position}"),
        })
    }
}

/// A record id as given.
pub(super) fn record_id(text: &str) -> Result<RecordId, Failure> {
    RecordId::parse(text).map_err(|error| {
        Failure::usage("WRONG_RECORD_ID", format!("“{text}”不是记录编号"), format!("`{text}` is no record id: {}", error.rule))
    })
}
