//! What waits for somebody.

use super::{
    ClientError, Connection, Signed,
    connection::{LARGEST_MESSAGE, unary},
};
use crate::proto::{
    GetStatisticsRequest, GetStatisticsResponse, ListDocketRequest, ListDocketResponse,
    docket_service_client::DocketServiceClient,
};

/// Reads the docket. Every answer is a disclosure and stands in the evidence log: nothing is repeated by itself.
#[derive(Clone)]
pub struct Docket {
    connection: Connection,
    service: DocketServiceClient<Signed>,
}

impl Docket {
    /// Over a connection.
    pub fn new(connection: &Connection) -> Self {
        let service = DocketServiceClient::new(connection.signed()).max_decoding_message_size(LARGEST_MESSAGE);
        Self { connection: connection.clone(), service }
    }

    /// A page of it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn list(&self, request: ListDocketRequest) -> Result<ListDocketResponse, ClientError> {
        self.connection.answer(self.service.clone().list_docket(unary(request)).await).await
    }

    /// The statistics.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn statistics(&self, request: GetStatisticsRequest) -> Result<GetStatisticsResponse, ClientError> {
        self.connection.answer(self.service.clone().get_statistics(unary(request)).await).await
    }
}
