//! Reading: enterprises and records, now or as they were known.

use super::{
    ClientError, Connection, Signed,
    connection::{LARGEST_MESSAGE, unary},
};
use crate::proto::{
    BatchGetEnterprisesRequest, BatchGetEnterprisesResponse, GetEnterpriseRequest, GetEnterpriseResponse, GetRecordRequest,
    GetRecordResponse, ListRecordsRequest, ListRecordsResponse, record_service_client::RecordServiceClient,
};

/// Reads enterprises and records. Every answer is a disclosure and stands in the evidence log: nothing is repeated by itself.
#[derive(Clone)]
pub struct Records {
    connection: Connection,
    service: RecordServiceClient<Signed>,
}

impl Records {
    /// Over a connection.
    pub fn new(connection: &Connection) -> Self {
        let service = RecordServiceClient::new(connection.signed()).max_decoding_message_size(LARGEST_MESSAGE);
        Self { connection: connection.clone(), service }
    }

    /// The file of one enterprise.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn enterprise(&self, request: GetEnterpriseRequest) -> Result<GetEnterpriseResponse, ClientError> {
        self.connection.answer(self.service.clone().get_enterprise(unary(request)).await).await
    }

    /// The files of up to 100 enterprises, from one position.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn enterprises(&self, request: BatchGetEnterprisesRequest) -> Result<BatchGetEnterprisesResponse, ClientError> {
        self.connection.answer(self.service.clone().batch_get_enterprises(unary(request)).await).await
    }

    /// One record.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn record(&self, request: GetRecordRequest) -> Result<GetRecordResponse, ClientError> {
        self.connection.answer(self.service.clone().get_record(unary(request)).await).await
    }

    /// A page of records.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn list(&self, request: ListRecordsRequest) -> Result<ListRecordsResponse, ClientError> {
        self.connection.answer(self.service.clone().list_records(unary(request)).await).await
    }
}
