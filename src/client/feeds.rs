//! Feeds, subscriptions and dead letters: everything of the feed service but its streams.

use super::{
    ClientError, Connection, Signed,
    connection::{LARGEST_MESSAGE, unary},
};
use crate::proto::{
    CreateSubscriptionRequest, DeleteSubscriptionRequest, Feed, FetchRequest, FetchResponse, GetSubscriptionRequest,
    ListDeadLettersRequest, ListDeadLettersResponse, ListFeedsRequest, ListSubscriptionsRequest, ListSubscriptionsResponse,
    PauseSubscriptionRequest, ResumeSubscriptionRequest, SeekRequest, SeekResponse, SeekTo, SettleRequest, SettleResponse,
    Subscription, UpdateSubscriptionRequest, feed_service_client::FeedServiceClient, seek_to,
};

/// Feeds, subscriptions, dead letters.
#[derive(Clone)]
pub struct Feeds {
    pub(super) connection: Connection,
    pub(super) service: FeedServiceClient<Signed>,
}

impl Feeds {
    /// Over a connection.
    pub fn new(connection: &Connection) -> Self {
        let service = FeedServiceClient::new(connection.signed()).max_decoding_message_size(LARGEST_MESSAGE);
        Self { connection: connection.clone(), service }
    }

    /// The feeds that we may read, with freshness.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn feeds(&self) -> Result<Vec<Feed>, ClientError> {
        Ok(self.connection.answer(self.service.clone().list_feeds(unary(ListFeedsRequest {})).await).await?.feeds)
    }

    /// Makes a subscription; the same name with the same settings answers with the standing one.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create(&self, request: CreateSubscriptionRequest) -> Result<Subscription, ClientError> {
        self.connection.answer(self.service.clone().create_subscription(unary(request)).await).await
    }

    /// Reads one subscription.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn subscription(&self, name: &str) -> Result<Subscription, ClientError> {
        let request = GetSubscriptionRequest { name: name.to_owned() };
        self.connection.answer(self.service.clone().get_subscription(unary(request)).await).await
    }

    /// A page of subscriptions.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn subscriptions(&self, request: ListSubscriptionsRequest) -> Result<ListSubscriptionsResponse, ClientError> {
        self.connection.answer(self.service.clone().list_subscriptions(unary(request)).await).await
    }

    /// Deletes a subscription and its dead letters.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete(&self, name: &str) -> Result<(), ClientError> {
        let request = DeleteSubscriptionRequest { name: name.to_owned() };
        self.connection.answer(self.service.clone().delete_subscription(unary(request)).await).await.map(|_| ())
    }

    /// Replaces the settings of a subscription. `request.settings_revision` is the revision that was read: ABORTED with reason
    /// `SETTINGS_CHANGED` when another one stands by now.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn update(&self, request: UpdateSubscriptionRequest) -> Result<Subscription, ClientError> {
        self.connection.answer(self.service.clone().update_subscription(unary(request)).await).await
    }

    /// Pauses delivery until it is resumed; `reason` may be empty.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn pause(&self, name: &str, reason: &str) -> Result<Subscription, ClientError> {
        let request = PauseSubscriptionRequest { name: name.to_owned(), reason: reason.to_owned() };
        self.connection.answer(self.service.clone().pause_subscription(unary(request)).await).await
    }

    /// Lets delivery go on, and closes an open circuit; `reason` may be empty.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn resume(&self, name: &str, reason: &str) -> Result<Subscription, ClientError> {
        let request = ResumeSubscriptionRequest { name: name.to_owned(), reason: reason.to_owned() };
        self.connection.answer(self.service.clone().resume_subscription(unary(request)).await).await
    }

    /// Moves the place of a subscription; `reason` may be empty. Not repeated by itself when its answer was lost: what was
    /// settled since would be sent again.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn seek(&self, name: &str, to: seek_to::To, reason: &str) -> Result<SeekResponse, ClientError> {
        let request = SeekRequest { name: name.to_owned(), to: Some(SeekTo { to: Some(to) }), reason: reason.to_owned() };
        self.connection.answer(self.service.clone().seek(unary(request)).await).await
    }

    /// Takes deliveries without a stream.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, ClientError> {
        // The gateway may wait up to 30 s for the first delivery: the usual deadline would cut it off.
        self.connection.answer(self.service.clone().fetch(request).await).await
    }

    /// Settles deliveries taken by `fetch`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn settle(&self, request: SettleRequest) -> Result<SettleResponse, ClientError> {
        self.connection.answer(self.service.clone().settle(unary(request)).await).await
    }

    /// A page of dead letters, by position.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn dead_letters(&self, request: ListDeadLettersRequest) -> Result<ListDeadLettersResponse, ClientError> {
        self.connection.answer(self.service.clone().list_dead_letters(unary(request)).await).await
    }
}
