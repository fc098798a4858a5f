//! The evidence log from outside: entries, checkpoints, proofs. Needs an operator token with the role `audit`.

use super::{
    ClientError, Connection, Signed,
    connection::{LARGEST_MESSAGE, unary},
};
use crate::proto::{
    GetCheckpointRequest, GetCheckpointResponse, ProveConsistencyRequest, ProveConsistencyResponse, ProveInclusionRequest,
    ProveInclusionResponse, SearchEntriesRequest, SearchEntriesResponse, evidence_service_client::EvidenceServiceClient,
};

/// Reads and proves the evidence log.
#[derive(Clone)]
pub struct Evidence {
    connection: Connection,
    service: EvidenceServiceClient<Signed>,
}

impl Evidence {
    /// Over a connection.
    pub fn new(connection: &Connection) -> Self {
        let service = EvidenceServiceClient::new(connection.signed()).max_decoding_message_size(LARGEST_MESSAGE);
        Self { connection: connection.clone(), service }
    }

    /// A page of entries, by index.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn search(&self, request: SearchEntriesRequest) -> Result<SearchEntriesResponse, ClientError> {
        self.connection.answer(self.service.clone().search_entries(unary(request)).await).await
    }

    /// The newest signed checkpoint.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn checkpoint(&self) -> Result<GetCheckpointResponse, ClientError> {
        self.connection.answer(self.service.clone().get_checkpoint(unary(GetCheckpointRequest {})).await).await
    }

    /// Proves that an entry is in the tree.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn inclusion(&self, request: ProveInclusionRequest) -> Result<ProveInclusionResponse, ClientError> {
        self.connection.answer(self.service.clone().prove_inclusion(unary(request)).await).await
    }

    /// Proves that a later tree extends an earlier one.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn consistency(&self, request: ProveConsistencyRequest) -> Result<ProveConsistencyResponse, ClientError> {
        self.connection.answer(self.service.clone().prove_consistency(unary(request)).await).await
    }
}
