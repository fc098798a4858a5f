//! What passes between a door and the host of a subscription.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::domain::{
    delivery::{SessionId, SettleItem, SettleResult, Status, SubscriptionKey, SubscriptionSpec, Token, Window},
    draft::StoredRecord,
    ids::{Micros, Position, Revision},
};

use super::super::{Caller, Refused};

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
}

/// One delivery on its way out. The record is shared by all subscribers that receive it.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The revision.
    pub record: Arc<StoredRecord>,
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
    Deliveries(Vec<Outgoing>),
    /// Settlements, after their commit.
    Settled {
        /// Of the request.
        request_id: u64,
        /// In the order asked.
        items: Vec<(Position, SettleResult)>,
    },
    /// Leases taken away.
    LeaseLost {
        /// Which.
        leases: Vec<(Position, Token)>,
        /// `expired`, `taken_back`, `taken_over`, `not_permitted`.
        reason: &'static str,
    },
    /// Numbers, at least every 10 seconds.
    Heartbeat(Status),
    /// Delivery paused or went on.
    State(Status),
    /// The host closes.
    GoAway {
        /// `shutdown`, `taken_over`, `deleted`, `fenced`.
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
    /// First window.
    pub window: Window,
    /// Extend leases while heartbeats arrive.
    pub auto_extend: bool,
    /// Take over from another session.
    pub take_over: bool,
}

/// What a door asks of a host.
pub(super) enum Command {
    Attach { caller: Box<Caller>, request: AttachRequest, events: mpsc::Sender<Event>, reply: oneshot::Sender<Result<(), Refused>> },
    Settle { caller: Box<Caller>, session: SessionId, request_id: u64, items: Vec<SettleItem> },
    Window { session: SessionId, window: Window },
    Heartbeat { session: SessionId },
    Drain { session: SessionId },
    Detach { session: SessionId },
    Status { reply: oneshot::Sender<Status> },
    Redrive { caller: Box<Caller>, positions: Vec<Position>, reply: oneshot::Sender<Result<u64, Refused>> },
    Discard { caller: Box<Caller>, positions: Vec<Position>, commitment: crate::domain::digest::Digest, reply: oneshot::Sender<Result<u64, Refused>> },
    Close { reason: &'static str, reply: oneshot::Sender<()> },
}

/// An attached session, as a door holds it. Dropping it detaches; deliveries that were out keep their lease for the
/// session's grace.
pub struct Session {
    pub(super) id: SessionId,
    pub(super) caller: Caller,
    pub(super) commands: mpsc::Sender<Command>,
}

impl Session {
    /// Says what became of deliveries; answered by `Event::Settled` after the commit. Waits while the host is busy.
    pub async fn settle(&self, request_id: u64, items: Vec<SettleItem>) {
        let caller = Box::new(self.caller.clone());
        self.tell(Command::Settle { caller, session: self.id, request_id, items }).await;
    }

    /// Replaces the window.
    pub async fn window(&self, window: Window) {
        self.tell(Command::Window { session: self.id, window }).await;
    }

    /// The consumer lives.
    pub async fn heartbeat(&self) {
        self.tell(Command::Heartbeat { session: self.id }).await;
    }

    /// Send nothing more; what is unsettled when the session goes is not counted.
    pub async fn drain(&self) {
        self.tell(Command::Drain { session: self.id }).await;
    }

    /// A closed host has told its sessions already; there is nobody left to tell.
    async fn tell(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let commands = self.commands.clone();
        let session = self.id;
        // The queue may be full at this moment; a detach must not get lost, so it waits in a task of its own.
        if let Err(mpsc::error::TrySendError::Full(command)) = commands.try_send(Command::Detach { session }) {
            tokio::spawn(async move {
                let _ = commands.send(command).await;
            });
        }
    }
}
