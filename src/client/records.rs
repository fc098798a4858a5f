//! Reading: enterprises and records, now or as they were known.

use super::{
    ClientError, Connection, Signed,
    connection::{LARGEST_MESSAGE, unary},
};
use crate::proto::{
    BatchGetEnterprisesRequest, BatchGetEnterprisesResponse, ExportListRequest, GetEnterpriseRequest, GetEnterpriseResponse,
    GetRecordRequest, GetRecordResponse, ListHeader, ListRecordsRequest, ListRecordsResponse, export_list_response::Part,
    record_service_client::RecordServiceClient,
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

    /// One of the lists of export control, whole: its header, and its rows. `received` hears how many rows there are so far. Nothing of
    /// it is verified here.
    ///
    /// # Errors
    /// See [`ClientError`]; when the stream ends before all rows have come.
    pub async fn list_snapshot(
        &self,
        request: ExportListRequest,
        mut received: impl FnMut(u64),
    ) -> Result<(ListHeader, Vec<Vec<String>>), ClientError> {
        // However large it is: the usual deadline would cut it off.
        let mut stream = self.connection.answer(self.service.clone().export_list(request).await).await?;
        let (mut header, mut rows) = (None, Vec::new());
        loop {
            let message = match stream.message().await {
                Ok(message) => message,
                Err(status) => return Err(self.connection.understand(&status).await),
            };
            match message.and_then(|message| message.part) {
                Some(Part::Header(first)) => header = Some(first),
                Some(Part::Rows(more)) => {
                    rows.extend(more.rows.into_iter().map(|row| row.cells));
                    received(rows.len() as u64);
                }
                None => break,
            }
        }
        match header {
            Some(header) if header.row_count == rows.len() as u64 => Ok((header, rows)),
            _ => Err(ClientError::Broken("the list ended before all of its rows had come".to_owned())),
        }
    }

    /// A page of records.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn list(&self, request: ListRecordsRequest) -> Result<ListRecordsResponse, ClientError> {
        self.connection.answer(self.service.clone().list_records(unary(request)).await).await
    }
}
