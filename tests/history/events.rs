//! What clients write down.

use std::sync::Mutex;

use tongbao::proto::{Delivery, SettleResult, Settlement, settlement::Verb};

/// Epoch and number of a sending.
pub type Token = (u64, u64);

/// What a consumer says of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Ack,
    Retry,
    Release,
    Reject,
}

/// A record's place, as a publisher was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    pub record_id: String,
    pub position: u64,
}

/// One delivery, as a consumer got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub position: u64,
    pub record_id: String,
    pub attempt: u32,
    pub token: Token,
    pub redriven: bool,
}

impl Sent {
    pub fn of(delivery: &Delivery) -> Self {
        let (record_id, position) =
            delivery.record.as_ref().map_or_else(Default::default, |record| (record.record_id.clone(), record.position));
        let Delivery { attempt, redriven, .. } = *delivery;
        Self { position, record_id, attempt, token: token(delivery.token), redriven }
    }
}

/// One item of a settle request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub position: u64,
    pub token: Token,
    pub said: Said,
}

impl Asked {
    /// `None` when it asks for more time: nothing is settled by that.
    pub fn of(item: &Settlement) -> Option<Self> {
        let said = match item.verb.as_ref()? {
            Verb::Ack(_) => Said::Ack,
            Verb::Retry(_) => Said::Retry,
            Verb::Release(_) => Said::Release,
            Verb::Reject(_) => Said::Reject,
            Verb::Extend(_) => return None,
        };
        Some(Self { position: item.position, token: token(item.token), said })
    }
}

fn token(token: Option<tongbao::proto::Token>) -> Token {
    token.map_or((0, 0), |token| (token.epoch, token.send_number))
}

/// Something that a client did or saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A batch is about to be sent.
    PublishAsked(Vec<String>),
    /// A batch was answered.
    Published(Vec<Placed>),
    /// A new session is attached: whatever another one had is void.
    Opened,
    /// The same session came back: it may be sent once more what it had.
    Resumed,
    /// The consumer broke off with deliveries out, and the gateway lives: one that was out alone may be counted as failed.
    BrokeOff,
    /// A delivery came.
    Delivered(Sent),
    /// A lease was taken away, because it ran out (counted) or otherwise (not counted).
    LeaseLost { position: u64, token: Token, expired: bool },
    /// A settle request is about to be sent.
    SettleAsked { request: u64, items: Vec<Asked> },
    /// A settle request was answered, item by item in the order asked.
    Settled { request: u64, results: Vec<SettleResult> },
    /// Dead letters are about to be asked back.
    RedriveAsked(Vec<u64>),
    /// So many of them were put back.
    Redriven { positions: Vec<u64>, count: u64 },
    /// A seek was answered: everything at or below is passed, what is above is to come again.
    SeekAnswered { to: u64 },
    /// The evidence has a seek: it raised this epoch. Written down at last, for all of them, answered or not.
    Sought(Sought),
}

/// A seek, as the evidence has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sought {
    /// Everything at or below counts as passed, what is above comes again.
    pub to: u64,
    /// What was sent under an earlier epoch was sent before it.
    pub epoch: u64,
}

/// All events of all clients, in the order in which they were written down.
#[derive(Default)]
pub struct History(Mutex<Vec<Event>>);

impl History {
    pub fn note(&self, event: Event) {
        self.0.lock().expect("nobody panics with it").push(event);
    }

    pub fn note_all(&self, events: impl IntoIterator<Item = Event>) {
        self.0.lock().expect("nobody panics with it").extend(events);
    }

    pub fn deliveries(&self, batch: &[Delivery]) {
        self.note_all(batch.iter().map(|delivery| Event::Delivered(Sent::of(delivery))));
    }

    pub fn events(&self) -> Vec<Event> {
        self.0.lock().expect("nobody panics with it").clone()
    }
}
