//! What doors ask of a host.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{
    super::{
        super::Caller,
        session::{Administration, Command, Reply},
    },
    Changing, Host,
    attached::Attached,
};
use crate::domain::{
    delivery::{LetterAct, PersistKind},
    digest::Digest,
    ids::Micros,
};

/// Batches that may wait to be taken by a session: one leaves while the next one waits. More would only be held in memory.
const PLACES: usize = 2;
/// Commands taken at once, so that settles become one change.
const COMMANDS_AT_ONCE: usize = 64;

impl Host {
    /// Takes a command and those that wait behind it.
    pub(super) fn obey_all(&mut self, first: Command) {
        let now = self.now();
        self.look_at_store(now);
        self.obey(first);
        for _ in 1..COMMANDS_AT_ONCE {
            match self.commands.try_recv() {
                Ok(command) => self.obey(command),
                Err(_) => return,
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Attach { attachment, caller, request, events, reply } => {
                let places = Arc::new(Semaphore::new(PLACES));
                let (session, caller) = (request.session, *caller);
                self.attach(now, Attached { attachment, epoch: 0, session, caller, events, places }, &request, reply);
            }
            Command::Settle { attachment, request_id, items } => {
                if self.is_current(attachment) {
                    self.engine.settle(now, request_id, items);
                }
            }
            Command::Window { attachment, window } => {
                if self.is_current(attachment) {
                    self.engine.window(now, window);
                }
            }
            Command::Heartbeat { attachment } => {
                if self.is_current(attachment) {
                    self.engine.heartbeat(now);
                }
            }
            Command::Drain { attachment } => {
                if self.is_current(attachment) {
                    self.is_draining = true;
                    self.engine.drain(now);
                }
            }
            Command::Detach { attachment } => {
                if self.is_current(attachment) {
                    self.detach(now);
                }
            }
            // Nobody waits for the answer if the asker is gone.
            Command::Status { reply } => drop(reply.send(self.numbers())),
            Command::Letters { caller, letters, run, why, reply } => {
                let kind = match run.act {
                    LetterAct::Redrive => PersistKind::Redrive,
                    LetterAct::Discard => PersistKind::Discard,
                };
                let act = run.act;
                self.changing.push_back(Changing { kind, caller, why, run: Some(run), reply });
                match act {
                    LetterAct::Redrive => self.engine.redrive(now, letters),
                    LetterAct::Discard => self.engine.discard(now, letters),
                }
            }
            Command::Administer { caller, what, why, reply } => self.administer(now, caller, what, why, reply),
            Command::Close { reason, reply } => {
                self.closed = Some(reason);
                self.leave(reason);
                let _ = reply.send(());
            }
        }
    }

    /// Puts what an administrator asks to the engine, which answers in the order of asking.
    fn administer(&mut self, now: Micros, caller: Box<Caller>, what: Administration, why: Option<Digest>, reply: Reply<u64>) {
        let kind = match &what {
            Administration::Pause => PersistKind::Pause,
            Administration::Resume => PersistKind::Resume,
            Administration::Seek(_) => PersistKind::Seek,
            Administration::Update { .. } => PersistKind::Update,
        };
        self.changing.push_back(Changing { kind, caller, why, run: None, reply });
        match what {
            Administration::Pause => self.engine.pause(now, true),
            Administration::Resume => self.engine.pause(now, false),
            Administration::Seek(target) => self.engine.seek(now, target),
            Administration::Update { revision, spec } => self.engine.update(now, revision, *spec),
        }
    }
}
