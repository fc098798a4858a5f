//! Screening: a declaration against both lists.

use super::{ClientError, Connection, Signed, connection::unary};
use crate::proto::{ScreenRequest, ScreenResponse, screening_service_client::ScreeningServiceClient};

/// Screens declarations. The answer is advice with evidence; customs decides.
#[derive(Clone)]
pub struct Screening {
    connection: Connection,
    service: ScreeningServiceClient<Signed>,
}

impl Screening {
    /// Over a connection.
    pub fn new(connection: &Connection) -> Self {
        Self { connection: connection.clone(), service: ScreeningServiceClient::new(connection.signed()) }
    }

    /// Screens one declaration.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn screen(&self, request: ScreenRequest) -> Result<ScreenResponse, ClientError> {
        self.connection.answer(self.service.clone().screen(unary(request)).await).await
    }
}
