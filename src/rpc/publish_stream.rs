//! `PublishStream`: requests are read and checked while those before them are on their way to the disk.
//!
//! Invariants: at most one act of a stream is under way, and all that was read meanwhile becomes the next one, so that what is
//! committed together shares one evidence entry and order is kept; every request has one result, in order; what is taken in
//! without an answer is bounded, beyond that nothing is read; a failure that passes ends the stream at the first request it
//! concerns, so that a client that sends everything unanswered again keeps its order.

use std::sync::Arc;

use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::StreamExt as _;
use tonic::{Status, Streaming};

use super::{
    answer::refuse,
    publish_service::{checked, content_bytes, published_response, remark_of},
    status::{self, listed, words},
};
use crate::{
    domain::{draft::Draft, violation::Lang},
    gateway::{
        Caller, Gateway, Refused,
        publish::{Published, PublishedMany},
    },
    proto::{GoAway, PublishRefusal, PublishResult, PublishStreamRequest, PublishStreamResponse, publish_result},
};

/// Most that is taken in without an answer; the request that reaches it is still taken.
const IN_FLIGHT: Load = Load { requests: 1_024, records: 2_048, bytes: 8 << 20 };
/// Records answered in one message: with all their remarks it stays below the 4 MiB that clients take by default.
const RECORDS_A_MESSAGE: usize = 4_096;
/// Messages that wait for the socket.
const QUEUE: usize = 4;
/// A client comes back after this long when the gateway goes away, milliseconds.
const RECONNECT_AFTER_MS: u64 = 1_000;

type Answers = mpsc::Sender<Result<PublishStreamResponse, Status>>;
type Answered = Result<PublishedMany, Refused>;

/// What was taken in and not answered.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    requests: usize,
    records: usize,
    bytes: usize,
}

impl Load {
    fn is_below(&self, most: &Self) -> bool {
        self.requests < most.requests && self.records < most.records && self.bytes < most.bytes
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.records += other.records;
        self.bytes += other.bytes;
    }

    fn take(&mut self, other: &Self) {
        self.requests -= other.requests;
        self.records -= other.records;
        self.bytes -= other.bytes;
    }
}

/// Requests in the order they came, with the drafts of those that passed the door.
#[derive(Default)]
struct Gathered {
    /// Number of the request, and why the door refused it.
    requests: Vec<(u64, Option<Refused>)>,
    batches: Vec<Vec<Draft>>,
    load: Load,
}

/// Requests whose act is under way.
struct Flight {
    requests: Vec<(u64, Option<Refused>)>,
    load: Load,
    /// A task of its own, so that it is on its way while the last one is being answered.
    landing: JoinHandle<Answered>,
}

/// Serves a stream in a task of its own; its answers come out here.
pub(super) fn open(
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    requests: Streaming<PublishStreamRequest>,
) -> mpsc::Receiver<Result<PublishStreamResponse, Status>> {
    let (answers, out) = mpsc::channel(QUEUE);
    let lane = Lane { gateway, caller, answers, load: Load::default() };
    tokio::spawn(lane.run(requests));
    out
}

/// One stream.
struct Lane {
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    answers: Answers,
    /// Taken in and not answered.
    load: Load,
}

/// Why no more is read.
enum Closed {
    /// The client has said all.
    ByClient,
    /// The gateway closes.
    ByGateway,
    /// What it said could not be read, or it is trusted no longer.
    Broken(Status),
}

impl Lane {
    async fn run(mut self, mut requests: Streaming<PublishStreamRequest>) {
        let stop = self.gateway.stop.clone();
        let (mut gathered, mut flight, mut closed) = (Gathered::default(), None, None);
        loop {
            let may_leave = flight.is_none() && !gathered.requests.is_empty();
            if let (Some(closed), None, false) = (&closed, &flight, may_leave) {
                return self.finish(closed).await;
            }
            // In this order: what has landed makes room, and nothing leaves while there is more to take along.
            tokio::select! {
                biased;
                answered = landed(&mut flight), if flight.is_some() => {
                    let Some(landed) = flight.take() else { return };
                    if !gathered.requests.is_empty() {
                        flight = Some(self.leave(std::mem::take(&mut gathered)));
                    }
                    if self.answer(landed, answered).await.is_err() {
                        return;
                    }
                }
                () = self.answers.closed() => return,
                () = stop.cancelled(), if closed.is_none() => closed = Some(Closed::ByGateway),
                request = requests.next(), if closed.is_none() && self.load.is_below(&IN_FLIGHT) => match request {
                    Some(Ok(request)) => {
                        self.take_in(&mut gathered, &request);
                        // Checking is work without a wait in it: others get their turn.
                        tokio::task::consume_budget().await;
                    }
                    Some(Err(status)) => closed = Some(Closed::Broken(status)),
                    None => closed = Some(Closed::ByClient),
                },
                () = std::future::ready(()), if may_leave => flight = Some(self.leave(std::mem::take(&mut gathered))),
            }
        }
    }

    /// Checks a request at the door.
    fn take_in(&mut self, gathered: &mut Gathered, request: &PublishStreamRequest) {
        let load = Load { requests: 1, records: request.records.len(), bytes: content_bytes(&request.records) };
        self.load.add(&load);
        gathered.load.add(&load);
        let refused = match checked(&self.gateway, &self.caller, &request.records) {
            Ok(drafts) => {
                gathered.batches.push(drafts);
                None
            }
            Err(refused) => Some(refused),
        };
        gathered.requests.push((request.request_id, refused));
    }

    /// Sends what was gathered on its way, as one act.
    fn leave(&self, gathered: Gathered) -> Flight {
        let Gathered { requests, batches, load } = gathered;
        let (gateway, caller) = (self.gateway.clone(), self.caller.clone());
        let landing = tokio::spawn(async move { gateway.publish_many(&caller, batches).await });
        Flight { requests, load, landing }
    }

    /// Answers what has landed, as far as the client reads. `Err` = the stream is over.
    async fn answer(&mut self, landed: Flight, answered: Answered) -> Result<(), ()> {
        let published = match answered {
            Ok(published) => published,
            Err(passing) => {
                let status = refuse(&self.gateway, &self.caller, &passing);
                let _ = self.answers.send(Err(status)).await;
                return Err(());
            }
        };
        let mut published = published.into_iter();
        let (mut results, mut records) = (Vec::new(), 0);
        for (request_id, refused) in landed.requests {
            let outcome = refused.map_or_else(|| published.next().unwrap_or_else(|| Err(lost())), Err);
            let result = self.result(request_id, outcome);
            records += match &result.result {
                Some(publish_result::Result::Published(response)) => response.records.len(),
                _ => 1,
            };
            results.push(result);
            if records >= RECORDS_A_MESSAGE {
                records = 0;
                self.say(PublishStreamResponse { results: std::mem::take(&mut results), go_away: None }).await?;
            }
        }
        if !results.is_empty() {
            self.say(PublishStreamResponse { results, go_away: None }).await?;
        }
        self.load.take(&landed.load);
        Ok(())
    }

    fn result(&self, request_id: u64, outcome: Result<Published, Refused>) -> PublishResult {
        let lang = self.caller.lang;
        let result = match outcome {
            Ok(published) => publish_result::Result::Published(published_response(published, lang)),
            Err(refused) => {
                self.gateway.note_refusal(&self.caller, &refused);
                publish_result::Result::Refused(refusal(&refused, lang))
            }
        };
        PublishResult { request_id, result: Some(result) }
    }

    async fn finish(&self, closed: &Closed) {
        // A client that is gone hears nothing more, which is no failure.
        let _ = match closed {
            Closed::ByClient => Ok(()),
            Closed::ByGateway => {
                let away = GoAway { reason: "shutdown".to_owned(), reconnect_after_ms: RECONNECT_AFTER_MS };
                self.say(PublishStreamResponse { results: Vec::new(), go_away: Some(away) }).await
            }
            Closed::Broken(status) => self.answers.send(Err(status.clone())).await.map_err(|_| ()),
        };
    }

    async fn say(&self, message: PublishStreamResponse) -> Result<(), ()> {
        self.answers.send(Ok(message)).await.map_err(|_| ())
    }
}

async fn landed(flight: &mut Option<Flight>) -> Answered {
    match flight {
        Some(flight) => (&mut flight.landing).await.unwrap_or_else(|_| Err(lost())),
        None => std::future::pending().await,
    }
}

/// A refusal inside a message.
fn refusal(refused: &Refused, lang: Lang) -> PublishRefusal {
    PublishRefusal {
        code: status::code(refused.class) as i32,
        reason: refused.reason.to_owned(),
        message: words(refused, lang),
        violations: listed(refused).map(|violation| remark_of(violation.clone(), lang)).collect(),
    }
}

/// A request without an outcome: a defect of the gateway, said as such.
fn lost() -> Refused {
    Refused::new(crate::gateway::Class::Internal, "INTERNAL", "内部错误：请求没有结果", "defect: the request has no outcome")
}
