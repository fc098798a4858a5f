//! The layer every request passes: trust, access table, system, operator. Cheap: nothing of the certificate is parsed again.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arc_swap::ArcSwap;
use http::{HeaderMap, Request, Response, header};
use tokio::{
    sync::watch,
    time::{Duration, sleep},
};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{
    RefusalSink,
    access::{Access, Method, Shape, method_at},
    deadline::{Deadline, too_late},
    guard::{Inbound, Outbound, Watched, code_name},
    identity::system_of,
    refusals::DoorRefusal,
    standing::Standing,
    status::{complete, compose, unknown_method},
    token::TokenVerifier,
};
use crate::{
    clock::World,
    domain::{evidence::Actor, grants::Register, ids::SystemId, violation::Lang},
    gateway::{Caller, Class, Operator, Refused},
    telemetry::Metrics,
    tls::{Distrust, Peer},
};

/// Longest request id taken from a client, characters.
const MAX_REQUEST_ID: usize = 64;

/// What the door needs to decide.
pub(super) struct Door {
    pub register: Arc<ArcSwap<Register>>,
    pub trust_domain: String,
    pub tokens: Option<TokenVerifier>,
    pub max_message_bytes: usize,
    /// Until the first byte of an answer, where the client set no shorter deadline.
    pub request_timeout: Duration,
    /// Told when the register may have changed: open streams look whether their system still stands in it.
    pub changes: watch::Sender<()>,
    pub world: World,
    pub metrics: Arc<Metrics>,
    pub refusals: Arc<dyn RefusalSink>,
}

/// Puts the door before a service.
#[derive(Clone)]
pub(super) struct DoorLayer(pub Arc<Door>);

impl<S> Layer<S> for DoorLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Admission<S> {
        Admission { inner, door: self.0.clone() }
    }
}

/// A service behind the door.
#[derive(Clone)]
pub(super) struct Admission<S> {
    inner: S,
    door: Arc<Door>,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<S> Service<Request<Body>> for Admission<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        let asked = Asked::of(request.headers(), &self.door.world);
        let Some(method) = method_at(request.uri().path()) else {
            let status = unknown_method(request.uri().path(), asked.lang);
            self.door.metrics.refusal("UNKNOWN_METHOD");
            return ready(status.into_http());
        };
        let Some(peer) = request.extensions().get::<Arc<Peer>>().cloned() else {
            let made = Status::internal("the connection has no peer");
            let completed = complete(&made, self.door.max_message_bytes, asked.lang, &asked.request_id);
            return ready(completed.unwrap_or(made).into_http());
        };
        let changes = self.door.changes.subscribe();
        let admitted = match self.door.admit(method, &peer, request.headers(), &asked) {
            Ok(caller) => caller,
            Err(turned) => return ready(self.door.turn_away(method, &peer, *turned, asked).into_http()),
        };
        let deadline = Deadline::of(request.headers(), self.door.request_timeout);
        let mut standing = None;
        if let Some(caller) = admitted {
            let system = caller.system.clone();
            standing = (method.shape == Shape::Streaming).then(|| Standing { door: self.door.clone(), system, changes });
            request.extensions_mut().insert(Arc::new(caller));
        }
        let watched = Watched { peer, standing, lang: asked.lang, request_id: asked.request_id };
        if method.shape == Shape::Streaming {
            request = request.map(|body| Inbound::watch(body, watched.clone()));
        }
        let span =
            tracing::debug_span!("request", method = method.name, request_id = %watched.request_id, trace_id = asked.trace_id);
        // Begun before the transport's own, and shorter: it is always the first to be over.
        let over = sleep(deadline.answer);
        let answer = {
            let _entered = span.enter();
            self.inner.call(request)
        };
        let door = self.door.clone();
        let answer = async move {
            tokio::select! {
                biased;
                answer = answer => Ok(door.see_off(answer?, method, watched, deadline)),
                () = over => Ok(door.give_up(method, &watched)),
            }
        };
        Box::pin(tracing::Instrument::instrument(answer, span))
    }
}

fn ready(response: Response<Body>) -> Answer {
    Box::pin(std::future::ready(Ok(response)))
}

/// What the headers say beside the token.
struct Asked {
    lang: Lang,
    request_id: String,
    trace_id: Option<String>,
}

impl Asked {
    fn of(headers: &HeaderMap, world: &World) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let trace_id = text("traceparent").and_then(trace_id).map(str::to_owned);
        let given = text("x-request-id").filter(|id| is_request_id(id)).map(str::to_owned);
        let request_id = given.or_else(|| trace_id.clone()).unwrap_or_else(|| format!("{:032x}", world.random_u128()));
        let english = text(header::ACCEPT_LANGUAGE.as_str()).is_some_and(|lang| lang.trim_start().starts_with("en"));
        Self { lang: if english { Lang::En } else { Lang::Zh }, request_id, trace_id }
    }
}

/// The trace id of a W3C `traceparent`; `None` when it breaks the form.
fn trace_id(header: &str) -> Option<&str> {
    let mut parts = header.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex =
        |text: &str, len: usize| text.len() == len && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let is_whole = is_hex(version, 2) && version != "ff" && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    let is_zero = |text: &str| text.bytes().all(|b| b == b'0');
    (is_whole && !is_zero(trace) && !is_zero(span)).then_some(trace)
}

fn is_request_id(text: &str) -> bool {
    (1..=MAX_REQUEST_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A refusal with what was known of the caller when it was made.
struct Turned {
    refused: Refused,
    system: Option<SystemId>,
    operator: Option<String>,
}

impl From<Refused> for Box<Turned> {
    fn from(refused: Refused) -> Self {
        Self::new(Turned { refused, system: None, operator: None })
    }
}

impl Door {
    /// Lets a request in, or says why not. `Ok(None)` = let in without being known: the method is for any certificate.
    fn admit(
        &self,
        method: &'static Method,
        peer: &Peer,
        headers: &HeaderMap,
        asked: &Asked,
    ) -> Result<Option<Caller>, Box<Turned>> {
        let now = self.world.clock.now();
        if let Some(distrust) = peer.distrust(now) {
            return Err(distrusted(distrust).into());
        }
        if method.access == Access::AnyCertificate {
            return Ok(None);
        }
        let register = self.register.load();
        let system = system_of(peer, &self.trust_domain, &register)?.clone();
        let operator = match self.operator(peer, headers, now) {
            Ok(operator) => operator,
            Err(refused) => return Err(Box::new(Turned { refused, system: Some(system), operator: None })),
        };
        if let Access::Operator(role) = method.access
            && let Err(refused) = check_role(operator.as_ref(), role)
        {
            let operator = operator.map(|operator| operator.name);
            return Err(Box::new(Turned { refused, system: Some(system), operator }));
        }
        Ok(Some(Caller {
            system,
            certificate_sha256: peer.fingerprint,
            operator,
            request_id: asked.request_id.clone(),
            method: method.name,
            lang: asked.lang,
        }))
    }

    fn operator(&self, peer: &Peer, headers: &HeaderMap, now: i64) -> Result<Option<Operator>, Refused> {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
        let token = value.to_str().ok().and_then(|text| text.split_once(' '));
        let token = match token {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => {
                return Err(Refused::new(
                    Class::Unauthenticated,
                    "TOKEN_MALFORMED",
                    "authorization 应为 Bearer 令牌",
                    "`authorization` must be a Bearer token",
                ));
            }
        };
        match &self.tokens {
            Some(tokens) => tokens.verify(token, &peer.fingerprint, now).map(Some),
            None => Err(Refused::new(
                Class::Unauthenticated,
                "TOKEN_NOT_ACCEPTED",
                "网关未配置令牌签发者的公钥",
                "the gateway knows no issuer of tokens",
            )),
        }
    }

    fn turn_away(&self, method: &'static Method, peer: &Peer, turned: Turned, asked: Asked) -> Status {
        let Turned { refused, system, operator } = turned;
        let status = compose(&refused, asked.lang, Some(&asked.request_id));
        tracing::info!(
            method = method.name,
            reason = refused.reason,
            address = %peer.address,
            system = system.as_ref().map(tracing::field::display),
            request_id = %asked.request_id,
            "refused at the door"
        );
        self.metrics.refusal(refused.reason);
        self.metrics.request(method.name, code_name(status.code()));
        self.refusals.refused(DoorRefusal {
            actor: Actor { system, certificate_sha256: Some(peer.fingerprint), operator },
            method: method.name,
            request_id: asked.request_id,
            reason: refused.reason,
        });
        status
    }

    /// Counts an answer, words the library's own refusals, and watches streams.
    fn see_off(
        self: &Arc<Self>,
        response: Response<Body>,
        method: &'static Method,
        watched: Watched,
        deadline: Deadline,
    ) -> Response<Body> {
        if let Some(made) = response.extensions().get::<Status>() {
            let completed = complete(made, self.max_message_bytes, watched.lang, &watched.request_id);
            let code = completed.as_ref().unwrap_or(made).code();
            self.metrics.request(method.name, code_name(code));
            return completed.map_or(response, Status::into_http);
        }
        match method.shape {
            Shape::Unary => {
                self.metrics.request(method.name, "OK");
                response
            }
            Shape::Streaming => response.map(|body| Outbound::watch(body, watched, method, self.clone(), deadline.whole)),
        }
    }

    /// Answers a request whose time is over; the service's work on it is dropped, what it committed stands.
    fn give_up(&self, method: &'static Method, watched: &Watched) -> Response<Body> {
        let status = too_late(watched.lang, &watched.request_id);
        self.metrics.request(method.name, code_name(status.code()));
        status.into_http()
    }

    /// Records that a stream was ended since its system stands in the register no longer.
    pub(super) fn removed(&self, method: &'static Method, watched: &Watched, reason: &'static str) {
        let system = watched.standing.as_ref().map(|standing| standing.system.clone());
        tracing::warn!(
            method = method.name,
            reason,
            system = system.as_ref().map(tracing::field::display),
            "a stream ends: its system is registered no longer"
        );
        self.metrics.refusal(reason);
        self.refusals.refused(DoorRefusal {
            actor: Actor { system, certificate_sha256: Some(watched.peer.fingerprint), operator: None },
            method: method.name,
            request_id: watched.request_id.clone(),
            reason,
        });
    }
}

fn check_role(operator: Option<&Operator>, role: crate::gateway::OperatorRole) -> Result<(), Refused> {
    let name = super::token::role_name(role);
    match operator {
        None => Err(Refused::new(
            Class::Unauthenticated,
            "TOKEN_MISSING",
            format!("该方法须出示角色为 {name} 的操作员令牌（authorization: Bearer …）；可用 tongbao token issue 签发"),
            format!(
                "this method needs an operator's token with the role `{name}` (authorization: Bearer …); see `tongbao token issue`"
            ),
        )),
        Some(operator) if operator.roles.contains(&role) => Ok(()),
        Some(operator) => Err(Refused::new(
            Class::PermissionDenied,
            "ROLE_MISSING",
            format!("操作员 {} 没有角色 {name}", operator.name),
            format!("the operator {} lacks the role `{name}`", operator.name),
        )),
    }
}

/// The refusal of a connection that is trusted no longer.
pub(super) fn distrusted(distrust: Distrust) -> Refused {
    let (class, zh, en) = match distrust {
        Distrust::Revoked => (Class::Unauthenticated, "证书已被吊销；请换发证书", "the certificate was revoked; renew it"),
        Distrust::Expired => (Class::Unauthenticated, "证书已过期；请换发证书", "the certificate has expired; renew it"),
        Distrust::ListExpired => (
            Class::Unavailable,
            "网关的吊销列表已过期，无法核对证书；请联系网关管理员",
            "the gateway's revocation list has expired, so that nobody can be checked; tell its administrator",
        ),
        Distrust::NotTrusted => (
            Class::Unauthenticated,
            "证书的签发机构已不受信任；请换发证书",
            "the certificate's authority is not trusted any more; renew it",
        ),
    };
    Refused::new(class, distrust.reason(), zh, en)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_id_is_taken_from_a_whole_header_alone() {
        let whole = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(trace_id(whole), Some("0af7651916cd43dd8448eb211c80319c"));
        for broken in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7-b7ad6b7169203331-01",
        ] {
            assert_eq!(trace_id(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_request_id_is_short_and_visible() {
        assert!(is_request_id("batch-7/3"));
        assert!(!is_request_id("") && !is_request_id(&"x".repeat(65)) && !is_request_id("a b"));
    }

    #[test]
    fn the_clients_own_id_goes_before_the_trace() {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().expect("header"));
        assert_eq!(Asked::of(&headers, &World::real()).request_id, "0af7651916cd43dd8448eb211c80319c");
        headers.insert("x-request-id", "r-1".parse().expect("header"));
        headers.insert("accept-language", "en-GB,en;q=0.9".parse().expect("header"));
        let asked = Asked::of(&headers, &World::real());
        assert_eq!((asked.request_id.as_str(), asked.lang), ("r-1", Lang::En));
        assert_eq!(Asked::of(&HeaderMap::new(), &World::real()).request_id.len(), 32);
    }
}
