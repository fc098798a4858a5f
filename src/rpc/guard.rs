//! Watches trust while a stream is open: when it is withdrawn, both directions end at once, with the reason.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Code, Status, body::Body};

use super::{access::Method, admission::distrusted, status::compose};
use crate::{domain::violation::Lang, telemetry::Metrics, tls::Peer};

/// What a guard needs to know of its request.
#[derive(Clone)]
pub(super) struct Watched {
    pub peer: Arc<Peer>,
    pub lang: Lang,
    pub request_id: String,
}

impl Watched {
    fn ended(&self) -> Pin<Box<WaitForCancellationFutureOwned>> {
        Box::pin(self.peer.ended().clone().cancelled_owned())
    }

    fn status(&self) -> Status {
        let reason = self.peer.distrust(self.peer.not_after).unwrap_or(crate::tls::Distrust::NotTrusted);
        compose(&distrusted(reason), self.lang, Some(&self.request_id))
    }
}

/// What the client sends.
pub(super) struct Inbound {
    body: Body,
    watched: Watched,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    is_over: bool,
}

impl Inbound {
    pub(super) fn watch(body: Body, watched: Watched) -> Body {
        let ended = watched.ended();
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
        if self.ended.as_mut().poll(cx).is_ready() {
            self.is_over = true;
            return Poll::Ready(Some(Err(self.watched.status())));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

/// What the service answers, counted under the code it ends with.
pub(super) struct Outbound {
    body: Body,
    watched: Watched,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    method: &'static Method,
    metrics: Arc<Metrics>,
    is_over: bool,
}

impl Outbound {
    pub(super) fn watch(body: Body, watched: Watched, method: &'static Method, metrics: Arc<Metrics>) -> Body {
        let ended = watched.ended();
        Body::new(Self { body, watched, ended, method, metrics, is_over: false })
    }

    fn end(&mut self, code: Code) {
        if !self.is_over {
            self.is_over = true;
            self.metrics.request(self.method.name, code_name(code));
        }
    }
}

impl http_body::Body for Outbound {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if self.ended.as_mut().poll(cx).is_ready() {
            // The service's stream is dropped here, and with it whatever it was about to send.
            self.body = Body::empty();
            let status = self.watched.status();
            self.end(status.code());
            let mut trailers = http::HeaderMap::new();
            return match status.add_header(&mut trailers) {
                Ok(()) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Err(status) => Poll::Ready(Some(Err(status))),
            };
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    let code = trailers.get(Status::GRPC_STATUS).map_or(Code::Unknown, |code| Code::from_bytes(code.as_bytes()));
                    self.end(code);
                }
            }
            Poll::Ready(Some(Err(status))) => {
                let code = status.code();
                self.end(code);
            }
            Poll::Ready(None) => self.end(Code::Ok),
            Poll::Pending => {}
        }
        polled
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
