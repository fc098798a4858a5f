//! `FeedService`: subscriptions and what is said of deliveries.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use super::{
    Limits,
    answer::{answer, refuse},
    caller,
    dead_letters::{self, Updates},
    feed_administration, feed_events, feed_requests,
    feed_stream::{Age, Reading, Responses, Term},
    read_stream,
};
use crate::{
    domain::violation::Findings,
    gateway::{
        Caller, Gateway, Refused, read,
        subscribe::{Event, FetchRequest, Session},
    },
    proto::{self, feed_service_server::FeedService, subscribe_request::Message},
    tls::Peer,
    wire,
};

/// Responses of one stream that wait for the socket; deliveries are bounded by the window besides.
const STREAM_QUEUE: usize = 1_024;

/// The service over a gateway.
pub struct FeedDoor {
    gateway: Arc<Gateway>,
    ages: Age,
}

impl FeedDoor {
    /// Opens it.
    pub fn new(gateway: Arc<Gateway>, limits: &Limits) -> Self {
        Self { gateway, ages: Age::of(limits) }
    }

    async fn create(&self, caller: &Caller, request: &proto::CreateSubscriptionRequest) -> Result<proto::Subscription, Refused> {
        let mut findings = Findings::default();
        let spec = wire::subscription::read_spec(request.settings.as_ref(), request.start.as_ref(), &mut findings);
        if !findings.is_clean() {
            return Err(Refused::invalid(findings.violations));
        }
        Ok(feed_events::subscription(&self.gateway.create_subscription(caller, &request.name, spec).await?))
    }

    async fn list(
        &self,
        caller: &Caller,
        request: &proto::ListSubscriptionsRequest,
    ) -> Result<proto::ListSubscriptionsResponse, Refused> {
        let limit = feed_requests::page_size(request.page_size)?;
        let (overviews, next) = self.gateway.list_subscriptions(caller, &request.page_token, limit).await?;
        Ok(proto::ListSubscriptionsResponse {
            subscriptions: overviews.iter().map(feed_events::subscription).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    async fn take(&self, caller: &Caller, request: &proto::FetchRequest) -> Result<proto::FetchResponse, Refused> {
        let max = match request.max_records {
            0 => 100,
            max => max,
        };
        if max > 1_000 || request.wait_ms > 30_000 {
            return Err(Refused::field(
                "max_records",
                "OUT_OF_BOUNDS",
                "max_records 最多 1000，wait_ms 最多 30000",
                "max_records is at most 1,000 and wait_ms at most 30,000",
            ));
        }
        let fetch = FetchRequest {
            session: feed_requests::session_id(&request.session_id)?,
            max,
            wait: Duration::from_millis(u64::from(request.wait_ms)),
            take_over: request.take_over,
            client: feed_requests::client(&request.client)?,
        };
        let (deliveries, numbers) = self.gateway.fetch(caller, &request.subscription, fetch).await?;
        Ok(proto::FetchResponse {
            deliveries: deliveries.iter().map(feed_events::delivery).collect(),
            status: Some(feed_events::status(&numbers)),
        })
    }

    async fn settle_unary(&self, caller: &Caller, request: &proto::SettleRequest) -> Result<proto::SettleResponse, Refused> {
        let session = feed_requests::session_id(&request.session_id)?;
        let settlements = request.settlements.clone().unwrap_or_default();
        let items = feed_requests::settlements(&settlements)?;
        let results = self.gateway.settle(caller, &request.subscription, session, items).await?;
        Ok(proto::SettleResponse { settled: Some(feed_events::settled(settlements.request_id, results)) })
    }

    /// How long a stream that begins now may stay.
    fn term<T>(&self, request: &Request<T>) -> Option<Term> {
        let connected_for = request.extensions().get::<Arc<Peer>>().map_or(Duration::ZERO, |peer| peer.since.elapsed());
        self.ages.of_one(u64::from_be_bytes(self.gateway.world.random()), connected_for)
    }

    async fn open_reading(&self, caller: &Arc<Caller>, asked: &proto::ReadRequest) -> Result<read::Reading, Refused> {
        self.gateway.read.open(caller.clone(), read_stream::request(asked)?).await
    }

    async fn open(&self, caller: &Caller, open: &proto::Open) -> Result<(Session, mpsc::Receiver<Event>), Refused> {
        let request = feed_requests::attach(open)?;
        self.gateway.attach(caller, &open.subscription, request, STREAM_QUEUE).await
    }
}

#[tonic::async_trait]
impl FeedService for FeedDoor {
    type SubscribeStream = Responses;
    type ReadStream = ReceiverStream<Result<proto::ReadResponse, Status>>;
    type RedriveDeadLettersStream = Updates;
    type DiscardDeadLettersStream = Updates;

    async fn list_feeds(&self, request: Request<proto::ListFeedsRequest>) -> Result<Response<proto::ListFeedsResponse>, Status> {
        let caller = caller(&request)?;
        let result = self.gateway.feeds(&caller).await.map(|feeds| feed_requests::feeds(&feeds));
        answer(&self.gateway, &caller, result)
    }

    async fn create_subscription(
        &self,
        request: Request<proto::CreateSubscriptionRequest>,
    ) -> Result<Response<proto::Subscription>, Status> {
        let caller = caller(&request)?;
        let result = self.create(&caller, request.get_ref()).await;
        answer(&self.gateway, &caller, result)
    }

    async fn get_subscription(
        &self,
        request: Request<proto::GetSubscriptionRequest>,
    ) -> Result<Response<proto::Subscription>, Status> {
        let caller = caller(&request)?;
        let result = self.gateway.get_subscription(&caller, &request.get_ref().name).await;
        answer(&self.gateway, &caller, result.map(|overview| feed_events::subscription(&overview)))
    }

    async fn list_subscriptions(
        &self,
        request: Request<proto::ListSubscriptionsRequest>,
    ) -> Result<Response<proto::ListSubscriptionsResponse>, Status> {
        let caller = caller(&request)?;
        let result = self.list(&caller, request.get_ref()).await;
        answer(&self.gateway, &caller, result)
    }

    async fn update_subscription(
        &self,
        request: Request<proto::UpdateSubscriptionRequest>,
    ) -> Result<Response<proto::Subscription>, Status> {
        let caller = caller(&request)?;
        let result = feed_administration::update(&self.gateway, &caller, request.get_ref()).await;
        answer(&self.gateway, &caller, result)
    }

    async fn pause_subscription(
        &self,
        request: Request<proto::PauseSubscriptionRequest>,
    ) -> Result<Response<proto::Subscription>, Status> {
        let caller = caller(&request)?;
        let result = feed_administration::pause(&self.gateway, &caller, request.get_ref()).await;
        answer(&self.gateway, &caller, result)
    }

    async fn resume_subscription(
        &self,
        request: Request<proto::ResumeSubscriptionRequest>,
    ) -> Result<Response<proto::Subscription>, Status> {
        let caller = caller(&request)?;
        let result = feed_administration::resume(&self.gateway, &caller, request.get_ref()).await;
        answer(&self.gateway, &caller, result)
    }

    async fn seek(&self, request: Request<proto::SeekRequest>) -> Result<Response<proto::SeekResponse>, Status> {
        let caller = caller(&request)?;
        let result = feed_administration::seek(&self.gateway, &caller, request.get_ref()).await;
        answer(&self.gateway, &caller, result)
    }

    async fn delete_subscription(
        &self,
        request: Request<proto::DeleteSubscriptionRequest>,
    ) -> Result<Response<proto::DeleteSubscriptionResponse>, Status> {
        let caller = caller(&request)?;
        let result = self.gateway.delete_subscription(&caller, &request.get_ref().name).await;
        answer(&self.gateway, &caller, result.map(|()| proto::DeleteSubscriptionResponse {}))
    }

    async fn subscribe(&self, request: Request<Streaming<proto::SubscribeRequest>>) -> Result<Response<Responses>, Status> {
        let caller = caller(&request)?;
        let term = self.term(&request);
        let mut requests = request.into_inner();
        let first = requests.next().await.transpose()?.and_then(|request| request.message);
        let Some(Message::Open(open)) = first else {
            let refused = Refused::field(
                "message",
                "OPEN_FIRST",
                "流的第一条消息必须是 open",
                "the first message of the stream must be `open`",
            );
            return Err(refuse(&self.gateway, &caller, &refused));
        };
        let (session, events) = match self.open(&caller, &open).await {
            Ok(opened) => opened,
            Err(refused) => return Err(refuse(&self.gateway, &caller, &refused)),
        };
        let reading = Reading { session, gateway: self.gateway.clone(), caller, term };
        Ok(Response::new(reading.begin(requests, events)))
    }

    async fn read(&self, request: Request<proto::ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let caller = caller(&request)?;
        let term = self.term(&request);
        let opened = self.open_reading(&caller, request.get_ref()).await;
        let answers = opened.map(|reading| read_stream::open(self.gateway.clone(), caller.clone(), reading, term));
        answer(&self.gateway, &caller, answers.map(ReceiverStream::new))
    }

    async fn fetch(&self, request: Request<proto::FetchRequest>) -> Result<Response<proto::FetchResponse>, Status> {
        let caller = caller(&request)?;
        let result = self.take(&caller, request.get_ref()).await;
        answer(&self.gateway, &caller, result)
    }

    async fn settle(&self, request: Request<proto::SettleRequest>) -> Result<Response<proto::SettleResponse>, Status> {
        let caller = caller(&request)?;
        let result = self.settle_unary(&caller, request.get_ref()).await;
        answer(&self.gateway, &caller, result)
    }

    async fn list_dead_letters(
        &self,
        request: Request<proto::ListDeadLettersRequest>,
    ) -> Result<Response<proto::ListDeadLettersResponse>, Status> {
        let caller = caller(&request)?;
        let result = dead_letters::list(&self.gateway, &caller, request.get_ref()).await;
        answer(&self.gateway, &caller, result)
    }

    async fn redrive_dead_letters(
        &self,
        request: Request<proto::RedriveDeadLettersRequest>,
    ) -> Result<Response<Updates>, Status> {
        let caller = caller(&request)?;
        let result = dead_letters::redrive(&self.gateway, &caller, request.get_ref()).await;
        answer(&self.gateway, &caller, result)
    }

    async fn discard_dead_letters(
        &self,
        request: Request<proto::DiscardDeadLettersRequest>,
    ) -> Result<Response<Updates>, Status> {
        let caller = caller(&request)?;
        let result = dead_letters::discard(&self.gateway, &caller, request.get_ref()).await;
        answer(&self.gateway, &caller, result)
    }
}
