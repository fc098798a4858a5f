//! Watches a stream while it is open: when its certificate is trusted no longer, its system is registered no longer, or the
//! client's own deadline is over, both directions end at once, with the reason.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body::Frame;
use tokio::time::sleep;
use tonic::{Code, Status, body::Body};

use super::{
    access::Method,
    admission::{Door, distrusted},
    deadline::too_late,
    feed_events::go_away,
    standing::Standing,
    status::{complete, compose},
};
use crate::{
    domain::violation::Lang,
    gateway::Refused,
    tls::{Distrust, Peer},
};

/// The one method whose messages have a word for going away.
const SUBSCRIBE: &str = "tongbao.v1.FeedService/Subscribe";

/// What a guard needs to know of its request.
#[derive(Clone)]
pub(super) struct Watched {
    pub peer: Arc<Peer>,
    /// Where the method is for registered systems alone.
    pub standing: Option<Standing>,
    pub lang: Lang,
    pub request_id: String,
}

/// Why a stream is ended from here.
enum Ending {
    /// The certificate is trusted no longer. Recorded once for its connection.
    Distrusted(Refused),
    /// The system is registered no longer.
    Removed(Refused),
    /// The client's deadline is over.
    TooLate,
}

type Ended = Pin<Box<dyn Future<Output = Ending> + Send>>;

impl Watched {
    fn ended(&self, whole: Option<Duration>) -> Ended {
        let (peer, standing) = (self.peer.clone(), self.standing.clone());
        let removed = async move |peer: Arc<Peer>| match standing {
            Some(standing) => standing.lost(peer).await,
            None => std::future::pending().await,
        };
        let over = async move || match whole {
            Some(whole) => sleep(whole).await,
            None => std::future::pending().await,
        };
        Box::pin(async move {
            tokio::select! {
                () = peer.ended().cancelled() => {
                    Ending::Distrusted(distrusted(peer.distrust(peer.not_after).unwrap_or(Distrust::NotTrusted)))
                }
                refused = removed(peer.clone()) => Ending::Removed(refused),
                () = over() => Ending::TooLate,
            }
        })
    }

    fn status(&self, ending: &Ending) -> Status {
        match ending {
            Ending::Distrusted(refused) | Ending::Removed(refused) => compose(refused, self.lang, Some(&self.request_id)),
            Ending::TooLate => too_late(self.lang, &self.request_id),
        }
    }
}

/// What the client sends.
pub(super) struct Inbound {
    body: Body,
    watched: Watched,
    ended: Ended,
    is_over: bool,
}

impl Inbound {
    pub(super) fn watch(body: Body, watched: Watched) -> Body {
        // The deadline ends the answer, and with it the service that reads this.
        let ended = watched.ended(None);
        Body::new(Self { body, watched, ended, is_over: false })
    }
}

impl http_body::Body for Inbound {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(ending) = self.ended.as_mut().poll(cx) {
            self.is_over = true;
            return Poll::Ready(Some(Err(self.watched.status(&ending))));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

/// What the service answers, counted under the code it ends with.
pub(super) struct Outbound {
    body: Body,
    watched: Watched,
    ended: Ended,
    method: &'static Method,
    door: Arc<Door>,
    /// Trailers that follow the word of farewell.
    last: Option<HeaderMap>,
    is_over: bool,
}

impl Outbound {
    /// `whole`: what is left of the client's deadline.
    pub(super) fn watch(body: Body, watched: Watched, method: &'static Method, door: Arc<Door>, whole: Option<Duration>) -> Body {
        let ended = watched.ended(whole);
        Body::new(Self { body, watched, ended, method, door, last: None, is_over: false })
    }

    fn end(&mut self, code: Code) {
        if !self.is_over {
            self.is_over = true;
            self.door.metrics.request(self.method.name, code_name(code));
        }
    }

    /// Ends the stream from here: a word of farewell where the protocol has one, then the status.
    fn cut(&mut self, ending: &Ending) -> Result<Frame<Bytes>, Status> {
        // The service's stream is dropped here, and with it whatever it was about to send.
        self.body = Body::empty();
        if let Ending::Removed(refused) = ending {
            self.door.removed(self.method, &self.watched, refused.reason);
        }
        let status = self.watched.status(ending);
        self.end(status.code());
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers)?;
        if self.method.name == SUBSCRIBE && !matches!(ending, Ending::TooLate) {
            self.last = Some(trailers);
            return Ok(Frame::data(framed(&go_away("revoked", 0))));
        }
        Ok(Frame::trailers(trailers))
    }

    /// Counts how the service's answer ends, and gives a status that the library made a reason.
    fn trailers(&mut self, trailers: HeaderMap) -> HeaderMap {
        let code = trailers.get(Status::GRPC_STATUS).map_or(Code::Unknown, |code| Code::from_bytes(code.as_bytes()));
        let made = Status::from_header_map(&trailers).filter(|_| code != Code::Ok);
        let most = self.door.max_message_bytes;
        let completed = made.and_then(|made| complete(&made, most, self.watched.lang, &self.watched.request_id));
        self.end(completed.as_ref().map_or(code, Status::code));
        let mut worded = HeaderMap::new();
        match completed {
            Some(completed) if completed.add_header(&mut worded).is_ok() => worded,
            _ => trailers,
        }
    }
}

/// A message as the stream carries it: not compressed, its length, its bytes.
fn framed(message: &impl prost::Message) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(length + 5);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    bytes.put_slice(&message.encode_to_vec());
    bytes.freeze()
}

impl http_body::Body for Outbound {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(trailers) = self.last.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        if self.is_over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(ending) = self.ended.as_mut().poll(cx) {
            return Poll::Ready(Some(self.cut(&ending)));
        }
        Pin::new(&mut self.body).poll_frame(cx).map(|polled| match polled {
            Some(Ok(frame)) => Some(Ok(match frame.into_trailers() {
                Ok(trailers) => Frame::trailers(self.trailers(trailers)),
                Err(data) => data,
            })),
            Some(Err(status)) => {
                self.end(status.code());
                Some(Err(status))
            }
            None => {
                self.end(Code::Ok);
                None
            }
        })
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// The name of a code as metrics and logs have it.
pub(super) const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
