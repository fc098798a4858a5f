//! Health of the gateway's services, by the usual protocol.

use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use super::{ClientError, Connection, connection::unary};

impl Connection {
    /// True when the gateway serves; an empty name asks for the gateway as a whole.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn is_serving(&self, service: &str) -> Result<bool, ClientError> {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = self.answer(HealthClient::new(self.signed()).check(unary(request)).await).await?;
        Ok(answer.status() == ServingStatus::Serving)
    }
}
