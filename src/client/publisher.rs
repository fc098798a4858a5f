//! Publishing: in batches within the gateway's bounds, repeated with the same ids until the outcome is known.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use prost::Message as _;

use super::{ClientError, Connection, PublishStream, RetryPolicy, Signed, StreamOptions, connection::unary};
use crate::proto::{
    AttestRequest, AttestResponse, PublishRequest, PublishResponse, PublishedRecord, Record,
    publish_service_client::PublishServiceClient,
};

/// How large a batch may be (design §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchBounds {
    /// Records, at least 1.
    pub records: usize,
    /// Encoded bytes.
    pub bytes: usize,
}

impl BatchBounds {
    /// The gateway's: 1,000 records and 4 MiB, with room for the request around them.
    pub const GATEWAY: Self = Self { records: 1_000, bytes: (4 << 20) - 4_096 };
}

/// How to publish.
#[derive(Debug, Clone)]
pub struct PublisherOptions {
    /// Bounds of a batch.
    pub bounds: BatchBounds,
    /// Batches on the way at once. More than one is faster, but the order between batches is then not kept.
    pub in_flight: usize,
    /// How to repeat.
    pub retry: RetryPolicy,
    /// Kept in the evidence with each batch, at most 64 characters; may be empty.
    pub request_id: String,
    /// Ask whether it would be taken, without publishing.
    pub validate_only: bool,
}

impl Default for PublisherOptions {
    fn default() -> Self {
        Self {
            bounds: BatchBounds::GATEWAY,
            in_flight: 1,
            retry: RetryPolicy::CALL,
            request_id: String::new(),
            validate_only: false,
        }
    }
}

/// What became of all records.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Published {
    /// One for each record, in order.
    pub records: Vec<PublishedRecord>,
    /// Evidence entries of the batches.
    pub evidence: Vec<u64>,
    /// How often a batch was repeated because its outcome was not known.
    pub repeats: u64,
}

/// Publishing stopped: what stands already and why it stopped.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("stopped after {} records: {error}", published.records.len())]
pub struct PublishStopped {
    /// What was published before, durably.
    pub published: Published,
    /// Index of the first record of the batch that failed. Paths in the error are moved to count from the first record of
    /// all, e.g. `records[1003]`.
    pub first_record: usize,
    /// Why.
    pub error: ClientError,
}

/// Cuts records into batches within the bounds, in order. A record larger than the bound stands alone: the gateway refuses it
/// with a reason.
pub fn batches(records: Vec<Record>, bounds: BatchBounds) -> Vec<Vec<Record>> {
    let mut made: Vec<Vec<Record>> = Vec::new();
    let mut bytes = 0;
    for record in records {
        // Tag and length of a field in the request: at most 6 bytes.
        let size = record.encoded_len() + 6;
        match made.last_mut() {
            Some(batch) if batch.len() < bounds.records && bytes + size <= bounds.bytes => {
                batch.push(record);
                bytes += size;
            }
            _ => {
                made.push(vec![record]);
                bytes = size;
            }
        }
    }
    made
}

/// Publishes records and attestations.
#[derive(Clone)]
pub struct Publisher {
    connection: Connection,
    service: PublishServiceClient<Signed>,
    options: PublisherOptions,
}

impl Publisher {
    /// Over a connection.
    pub fn new(connection: &Connection, options: PublisherOptions) -> Self {
        let service = PublishServiceClient::new(connection.signed());
        Self { connection: connection.clone(), service, options }
    }

    /// Publishes records in order, batch by batch; `told` hears of each batch that stands.
    ///
    /// # Errors
    /// At the first batch that is refused, or whose outcome stays unknown until the policy gives up. Batches before it stand.
    pub async fn publish(
        &self,
        records: Vec<Record>,
        mut told: impl FnMut(&PublishResponse),
    ) -> Result<Published, Box<PublishStopped>> {
        let mut published = Published::default();
        let mut first_record = 0;
        let mut answers = stream::iter(batches(records, self.options.bounds))
            .map(|batch| self.publish_batch(batch))
            .buffered(self.options.in_flight.max(1));
        loop {
            match answers.try_next().await {
                Ok(None) => return Ok(published),
                Ok(Some((answer, repeats))) => {
                    told(&answer);
                    first_record += answer.records.len();
                    published.repeats += repeats;
                    published.evidence.extend(Some(answer.evidence_index).filter(|index| *index > 0));
                    published.records.extend(answer.records);
                }
                Err(error) => {
                    let error = count_from(error, first_record);
                    return Err(Box::new(PublishStopped { published, first_record, error }));
                }
            }
        }
    }

    /// Publishes one batch, repeating it with the same ids while its outcome is not known; answers how often it was repeated.
    ///
    /// # Errors
    /// A refusal, or the last failure when the policy gives up.
    pub async fn publish_batch(&self, records: Vec<Record>) -> Result<(PublishResponse, u64), ClientError> {
        let expected = records.len();
        let request =
            PublishRequest { records, request_id: self.options.request_id.clone(), validate_only: self.options.validate_only };
        let mut repeats = 0;
        let answer = self
            .options
            .retry
            .run(
                || {
                    let (mut service, request) = (self.service.clone(), request.clone());
                    async move { self.connection.answer(service.publish(unary(request)).await).await }
                },
                |_, _| repeats += 1,
            )
            .await?;
        if answer.records.len() != expected {
            return Err(ClientError::Broken(format!("{} answers to {expected} records", answer.records.len())));
        }
        Ok((answer, repeats))
    }

    /// Opens a stream on which batches are published one after the other without waiting for each answer. It reaches out with
    /// the first batch, and opens itself again when it breaks.
    pub fn stream(&self, options: StreamOptions) -> PublishStream {
        PublishStream::open(&self.connection, options)
    }

    /// Attests that a feed is complete for a region up to a time.
    ///
    /// # Errors
    /// A refusal, or the last failure when the policy gives up.
    pub async fn attest(&self, request: AttestRequest) -> Result<AttestResponse, ClientError> {
        self.options
            .retry
            .run(
                || {
                    let (mut service, request) = (self.service.clone(), request.clone());
                    async move { self.connection.answer(service.attest(unary(request)).await).await }
                },
                |_, _| {},
            )
            .await
    }
}

/// Moves `records[n]` in the paths of a refusal by the records of the batches before.
fn count_from(error: ClientError, first_record: usize) -> ClientError {
    let ClientError::Refused(mut refusal) = error else { return error };
    for field in &mut refusal.fields {
        let moved = field.field.strip_prefix("records[").and_then(|rest| {
            let (number, rest) = rest.split_once(']')?;
            Some(format!("records[{}]{rest}", number.parse::<usize>().ok()?.checked_add(first_record)?))
        });
        if let Some(moved) = moved {
            field.field = moved;
        }
    }
    ClientError::Refused(refusal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::client::{FieldComplaint, Refusal};

    fn record(n: usize, size: usize) -> Record {
        Record { record_id: format!("samr/{n}{}", "x".repeat(size)), ..Record::default() }
    }

    proptest! {
        #[test]
        fn batches_keep_order_and_bounds(sizes in prop::collection::vec(0_usize..300, 0..200), most in 1_usize..20, bytes in 200_usize..2_000) {
            let records: Vec<_> = sizes.iter().enumerate().map(|(n, size)| record(n, *size)).collect();
            let made = batches(records.clone(), BatchBounds { records: most, bytes });
            for batch in &made {
                let request = PublishRequest { records: batch.clone(), ..PublishRequest::default() };
                prop_assert!(!batch.is_empty() && batch.len() <= most);
                prop_assert!(batch.len() == 1 || request.encoded_len() <= bytes);
            }
            prop_assert_eq!(made.concat(), records);
        }
    }

    #[test]
    fn paths_count_from_the_first_record_of_all() {
        let fields = ["records[3].record_id", "records", "request_id"].map(|field| FieldComplaint {
            field: field.into(),
            reason: String::new(),
            message: String::new(),
        });
        let refusal = Refusal {
            code: tonic::Code::InvalidArgument,
            reason: "INVALID_FIELDS".into(),
            message: String::new(),
            text: crate::domain::violation::Text::new("", ""),
            fields: fields.to_vec(),
            retry_after: None,
        };
        let ClientError::Refused(moved) = count_from(ClientError::Refused(Box::new(refusal)), 1_000) else {
            panic!("still a refusal")
        };
        let paths: Vec<_> = moved.fields.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(paths, ["records[1003].record_id", "records", "request_id"]);
    }
}
