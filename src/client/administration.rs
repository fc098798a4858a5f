//! Administration: what operators decide. Needs an operator's token with the role that the method asks for.

use super::{
    ClientError, Connection, Signed,
    connection::{LARGEST_MESSAGE, unary},
};
use crate::proto::{
    DecideProducerRequest, DecideProducerResponse, GetProducerRequest, GetProducerResponse, ListUnresolvedRequest,
    ListUnresolvedResponse, admin_service_client::AdminServiceClient,
};

/// Acts of operators.
#[derive(Clone)]
pub struct Administration {
    connection: Connection,
    service: AdminServiceClient<Signed>,
}

impl Administration {
    /// Over a connection.
    pub fn new(connection: &Connection) -> Self {
        let service = AdminServiceClient::new(connection.signed()).max_decoding_message_size(LARGEST_MESSAGE);
        Self { connection: connection.clone(), service }
    }

    /// A page of producers without a code.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn unresolved(&self, request: ListUnresolvedRequest) -> Result<ListUnresolvedResponse, ClientError> {
        self.connection.answer(self.service.clone().list_unresolved(unary(request)).await).await
    }

    /// One producer with everything that was decided about it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn producer(&self, request: GetProducerRequest) -> Result<GetProducerResponse, ClientError> {
        self.connection.answer(self.service.clone().get_producer(unary(request)).await).await
    }

    /// Decides who a producer is. Not repeated by itself: whoever repeats names the decision that was seen, and so never decides
    /// twice.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn decide(&self, request: DecideProducerRequest) -> Result<DecideProducerResponse, ClientError> {
        self.connection.answer(self.service.clone().decide_producer(unary(request)).await).await
    }
}
