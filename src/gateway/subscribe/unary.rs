//! `Fetch` and `Settle`, the unary twins of the stream: a session kept between calls by a task of its own.
//!
//! Its leases run out like any others; when nobody has called for a lease's time the task ends and detaches.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::Instant,
};

use super::{
    super::{Caller, Class, Gateway, Refused, subscriptions::key_of},
    session::{AttachRequest, Event, Outgoing, Session},
};
use crate::domain::delivery::{SessionId, SettledItem, Settlement, Status, SubscriptionKey, Window};

/// Events that wait for the session's task.
const QUEUE: usize = 1_024;
/// Bytes a fetch may bring.
const FETCH_BYTES: u64 = 16 << 20;

/// What a fetch asks for.
#[derive(Debug, Clone)]
pub struct FetchRequest {
    /// Session the deliveries belong to.
    pub session: SessionId,
    /// Most deliveries.
    pub max: u32,
    /// Wait this long for the first.
    pub wait: Duration,
    /// Take over from another session.
    pub take_over: bool,
    /// What it calls itself; empty = nothing. Of a session that is kept, the first name stands.
    pub client: String,
}

/// Sessions of unary consumers, by subscription and session id.
#[derive(Clone, Default)]
pub struct UnarySessions(Arc<Mutex<Tasks>>);

/// The task of each session that is kept.
type Tasks = HashMap<(SubscriptionKey, SessionId), mpsc::Sender<Ask>>;

enum Ask {
    Fetch { max: u32, wait: Duration, reply: oneshot::Sender<(Vec<Outgoing>, Status)> },
    Settle { items: Vec<Settlement>, reply: oneshot::Sender<Vec<SettledItem>> },
}

impl Gateway {
    /// Takes up to a number of deliveries, waiting for the first one if asked to.
    ///
    /// # Errors
    /// `NOT_FOUND`, `FAILED_PRECONDITION` when another session holds the subscription, `UNAVAILABLE`.
    pub async fn fetch(&self, caller: &Caller, name: &str, request: FetchRequest) -> Result<(Vec<Outgoing>, Status), Refused> {
        self.ensure_standing(caller, name).await?;
        let FetchRequest { session, max, wait, take_over, client } = request;
        self.ask_unary(caller, name, session, (take_over, &client), |reply| Ask::Fetch { max, wait, reply }).await
    }

    /// Settles deliveries taken by `fetch`; answers after the commit.
    ///
    /// # Errors
    /// As for `fetch`.
    pub async fn settle(
        &self,
        caller: &Caller,
        name: &str,
        session: SessionId,
        items: Vec<Settlement>,
    ) -> Result<Vec<SettledItem>, Refused> {
        self.ask_unary(caller, name, session, (false, ""), |reply| Ask::Settle { items: items.clone(), reply }).await
    }

    async fn ask_unary<T>(
        &self,
        caller: &Caller,
        name: &str,
        session: SessionId,
        attach: (bool, &str),
        mut ask: impl FnMut(oneshot::Sender<T>) -> Ask,
    ) -> Result<T, Refused> {
        let key = key_of(caller, name)?;
        // A task that ends between being found and being asked has a successor.
        for _ in 0..3 {
            let task = self.unary_session(caller, &key, session, attach).await?;
            let (reply, answer) = oneshot::channel();
            if task.send(ask(reply)).await.is_ok()
                && let Ok(answer) = answer.await
            {
                return Ok(answer);
            }
        }
        Err(Refused::new(
            Class::Unavailable,
            "SESSION_LOST",
            "会话已结束（被接管或网关正在停止），请重试",
            "the session ended (taken over, or the gateway is stopping): try again",
        ))
    }

    async fn unary_session(
        &self,
        caller: &Caller,
        key: &SubscriptionKey,
        session: SessionId,
        (take_over, client): (bool, &str),
    ) -> Result<mpsc::Sender<Ask>, Refused> {
        let mut sessions = self.unary.0.lock().await;
        let place = (key.clone(), session);
        if let Some(task) = sessions.get(&place).filter(|task| !task.is_closed()) {
            return Ok(task.clone());
        }
        let (window, client) = (Window { records: 0, bytes: FETCH_BYTES }, client.to_owned());
        let request = AttachRequest { session, client, window, auto_extend: false, take_over };
        let (attached, events) = self.attach(caller, &key.name, request, QUEUE).await?;
        let idle = Duration::from_millis(self.overview(key).await?.spec.lease_ms);
        let (asks, queue) = mpsc::channel(QUEUE);
        let unary = Unary {
            session: attached,
            events,
            asks: queue,
            idle,
            ready: VecDeque::new(),
            fetches: VecDeque::new(),
            settles: HashMap::new(),
            status: None,
            out: 0,
        };
        tokio::spawn(unary.run());
        sessions.retain(|_, task| !task.is_closed());
        sessions.insert(place, asks.clone());
        Ok(asks)
    }
}

struct Fetch {
    max: u32,
    until: Instant,
    reply: oneshot::Sender<(Vec<Outgoing>, Status)>,
}

/// The task of one unary session.
struct Unary {
    session: Session,
    events: mpsc::Receiver<Event>,
    asks: mpsc::Receiver<Ask>,
    idle: Duration,
    /// Delivered and not fetched yet.
    ready: VecDeque<Outgoing>,
    fetches: VecDeque<Fetch>,
    settles: HashMap<u64, oneshot::Sender<Vec<SettledItem>>>,
    status: Option<Status>,
    /// Deliveries out, an upper bound: what runs out is noticed with the next heartbeat.
    out: u64,
}

impl Unary {
    async fn run(mut self) {
        let mut next_request = 1;
        loop {
            let wait = self.fetches.front().map_or(Instant::now() + self.idle, |fetch| fetch.until);
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => {
                        if !self.event(event) {
                            return;
                        }
                    }
                    None => return,
                },
                ask = self.asks.recv() => match ask {
                    Some(Ask::Fetch { max, wait, reply }) => {
                        self.fetches.push_back(Fetch { max, until: Instant::now() + wait, reply });
                        let records = u32::try_from(self.out).unwrap_or(u32::MAX).saturating_add(max);
                        self.session.window(Window { records, bytes: FETCH_BYTES }).await;
                    }
                    Some(Ask::Settle { items, reply }) => {
                        self.settles.insert(next_request, reply);
                        self.session.settle(next_request, items).await;
                        next_request += 1;
                    }
                    None => return,
                },
                () = tokio::time::sleep_until(wait) => {
                    if self.fetches.is_empty() && self.settles.is_empty() {
                        return;
                    }
                    self.answer_fetch().await;
                }
            }
            if !self.ready.is_empty() && !self.fetches.is_empty() {
                self.answer_fetch().await;
            }
        }
    }

    /// False when the session is over.
    fn event(&mut self, event: Event) -> bool {
        match event {
            Event::Opened { status, .. } | Event::Heartbeat(status) | Event::State(status) => {
                self.out = status.in_flight;
                self.status = Some(status);
            }
            Event::Deliveries(batch) => {
                self.out += batch.deliveries.len() as u64;
                self.ready.extend(batch.deliveries);
            }
            Event::Settled { request_id, items } => {
                self.out = self.out.saturating_sub(items.len() as u64);
                if let Some(reply) = self.settles.remove(&request_id) {
                    // The asker may have given up; the settle stands all the same.
                    let _ = reply.send(items);
                }
            }
            Event::LeaseLost(leases) => {
                self.ready.retain(|ready| !leases.iter().any(|lost| lost.token == ready.token));
            }
            Event::GoAway { .. } => return false,
        }
        true
    }

    /// Answers the fetch at the front with what is there, and closes the window when no other waits.
    async fn answer_fetch(&mut self) {
        let Some(fetch) = self.fetches.pop_front() else { return };
        let Some(status) = self.status else { return };
        let count = self.ready.len().min(fetch.max as usize);
        let taken = self.ready.drain(..count).collect();
        if self.fetches.is_empty() {
            self.session.window(Window { records: 0, bytes: FETCH_BYTES }).await;
        }
        // An asker that gave up leaves its deliveries to their leases.
        let _ = fetch.reply.send((taken, status));
    }
}
