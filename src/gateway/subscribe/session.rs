//! What passes between a door and the host of a subscription.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::domain::{
    delivery::{
        BlockedKey, DeadLetter, LetterRun, LostLease, SessionId, SettledItem, Settlement, Status, SubscriptionKey,
        SubscriptionSpec, Target, Token, Window,
    },
    digest::Digest,
    evidence::PositionRange,
    ids::{Micros, Position, Revision},
};

use super::super::{Caller, Refused, shared::SharedRecord};

/// A subscription as it is shown.
#[derive(Debug, Clone)]
pub struct Overview {
    /// Name.
    pub key: SubscriptionKey,
    /// Settings.
    pub spec: SubscriptionSpec,
    /// When it was made.
    pub created_at: Micros,
    /// Numbers now.
    pub status: Status,
    /// Dead letters by reason, most first; no more than [`MOST_LISTED`](super::MOST_LISTED) reasons.
    pub dead_letters_by_reason: Vec<(String, u64)>,
    /// Blocked enterprises, those blocked for longest first; no more than as many.
    pub blocked: Vec<Blocked>,
    /// Revision of the settings: an update names it.
    pub settings_revision: u64,
    /// Paused by an administrator since.
    pub paused_since: Option<Micros>,
    /// Everything at or below is passed, durably: a seek to after it sends nothing again that was settled in order.
    pub floor: Position,
    /// Ledger that its positions are of.
    pub ledger_id: String,
    /// Generation of that ledger.
    pub generation: u64,
    /// The last positions that were passed because the grant does not admit them, since the gateway's start; no more than as many
    /// ranges.
    pub withheld: Vec<PositionRange>,
}

/// A blocked enterprise with the cause.
#[derive(Debug, Clone)]
pub struct Blocked {
    /// Which, by what, since when.
    pub row: BlockedKey,
    /// What blocks it waits for another attempt.
    pub retrying: bool,
    /// What blocks it is a dead letter. Where neither is so it is free again and catching up.
    pub dead: bool,
}

/// One delivery on its way out. The record is shared by all subscribers that receive it.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "four independent marks, as the protocol has them")]
pub struct Outgoing {
    /// The revision.
    pub record: Arc<SharedRecord>,
    /// True when the grant shows the restricted section.
    pub show_restricted: bool,
    /// 1 + counted failures.
    pub attempt: u32,
    /// Needed to settle.
    pub token: Token,
    /// Until when.
    pub lease_expires_at: Micros,
    /// Takes back what was given.
    pub recall: bool,
    /// Put back by a redrive.
    pub redriven: bool,
    /// With `redriven`: the record's current revision.
    pub current_revision: Revision,
    /// The predecessor matched the filter, this one does not.
    pub left_filter: bool,
}

/// Deliveries that leave together. While it waits to be taken it has a place; when the places are taken, the host reserves no more.
#[derive(Debug, Clone)]
pub struct Batch {
    /// In order.
    pub deliveries: Vec<Outgoing>,
    /// Given back when the batch is taken; `None` = it goes beyond the places, because it had been promised already.
    _place: Option<Arc<OwnedSemaphorePermit>>,
}

impl Batch {
    /// Deliveries that hold `place` until they are taken.
    pub fn new(deliveries: Vec<Outgoing>, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { deliveries, _place: place.map(Arc::new) }
    }
}

/// What a host tells an attached session, in order.
#[derive(Debug, Clone)]
pub enum Event {
    /// The attach stands; deliveries follow.
    Opened {
        /// Epoch of the attach.
        epoch: u64,
        /// Ledger id.
        ledger_id: String,
        /// Generation of the ledger.
        generation: u64,
        /// Numbers at the attach.
        status: Status,
    },
    /// Deliveries, recorded before they are told.
    Deliveries(Batch),
    /// Settlements, after their commit.
    Settled {
        /// Of the request.
        request_id: u64,
        /// In the order asked.
        items: Vec<SettledItem>,
    },
    /// Leases taken away.
    LeaseLost(Vec<LostLease>),
    /// Numbers, at least every 10 seconds.
    Heartbeat(Status),
    /// Delivery paused or went on.
    State(Status),
    /// The host closes.
    GoAway {
        /// `shutdown`, `taken_over`, `deleted`, `fenced`; the door itself says `max_age` and `revoked`.
        reason: &'static str,
        /// Wait this long before coming back, milliseconds.
        reconnect_after_ms: u64,
    },
}

/// How a session wants to attach.
#[derive(Debug, Clone)]
pub struct AttachRequest {
    /// Session.
    pub session: SessionId,
    /// What it calls itself; empty = nothing.
    pub client: String,
    /// First window.
    pub window: Window,
    /// Extend leases while heartbeats arrive.
    pub auto_extend: bool,
    /// Take over from another session.
    pub take_over: bool,
}

/// What a door asks of a host. An attachment is one attach of one stream: a late word from a stream that was replaced, even by
/// one of the same session, is recognised by it.
pub(super) enum Command {
    Attach { attachment: u64, caller: Box<Caller>, request: AttachRequest, events: mpsc::Sender<Event>, reply: Reply<()> },
    Settle { attachment: u64, request_id: u64, items: Vec<Settlement> },
    Window { attachment: u64, window: Window },
    Heartbeat { attachment: u64 },
    Drain { attachment: u64 },
    Detach { attachment: u64 },
    Status { reply: oneshot::Sender<Status> },
    Letters { caller: Box<Caller>, letters: Vec<DeadLetter>, run: Box<LetterRun>, why: Option<Digest>, reply: Reply<u64> },
    Administer { caller: Box<Caller>, what: Administration, why: Option<Digest>, reply: Reply<u64> },
    Close { reason: &'static str, reply: oneshot::Sender<()> },
}

/// What an administrator asks of a subscription.
#[derive(Debug, Clone)]
pub(in super::super) enum Administration {
    Pause,
    Resume,
    Seek(Target),
    Update { revision: u64, spec: Box<SubscriptionSpec> },
}

/// Where the answer to a command goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Refused>>;

/// An attached session, as a door holds it. Dropping it detaches; deliveries that were out keep their lease for the
/// session's grace.
pub struct Session {
    pub(super) attachment: u64,
    pub(super) commands: mpsc::Sender<Command>,
}

impl Session {
    /// Says what became of deliveries; answered by `Event::Settled` after the commit. Waits while the host is busy.
    pub async fn settle(&self, request_id: u64, items: Vec<Settlement>) {
        self.tell(Command::Settle { attachment: self.attachment, request_id, items }).await;
    }

    /// Replaces the window.
    pub async fn window(&self, window: Window) {
        self.tell(Command::Window { attachment: self.attachment, window }).await;
    }

    /// The consumer lives.
    pub async fn heartbeat(&self) {
        self.tell(Command::Heartbeat { attachment: self.attachment }).await;
    }

    /// Send nothing more; what is unsettled when the session goes is not counted.
    pub async fn drain(&self) {
        self.tell(Command::Drain { attachment: self.attachment }).await;
    }

    /// A closed host has told its sessions already; there is nobody left to tell.
    async fn tell(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let commands = self.commands.clone();
        let attachment = self.attachment;
        // The queue may be full at this moment; a detach must not get lost, so it waits in a task of its own.
        if let Err(mpsc::error::TrySendError::Full(command)) = commands.try_send(Command::Detach { attachment }) {
            tokio::spawn(async move {
                let _ = commands.send(command).await;
            });
        }
    }
}
