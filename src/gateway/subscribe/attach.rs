//! The gateway's side of sessions: attaching, numbers, and changes of dead letters through the host.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::{
    super::{Caller, Gateway, Refused, subscriptions::key_of},
    hosts::Hosts,
    session::{Administration, AttachRequest, Command, Event, Session},
};
use crate::domain::{
    delivery::{DeadLetter, LetterRun, SubscriptionKey},
    digest::Digest,
};

/// Numbers the attachments of this process.
static ATTACHMENTS: AtomicU64 = AtomicU64::new(1);

impl Gateway {
    /// Attaches a session to a subscription; answers after the new epoch is on disk. Events come in a queue of `queue` places;
    /// a consumer that lets it fill up is sent away.
    ///
    /// # Errors
    /// `NOT_FOUND`; `FAILED_PRECONDITION` when another session is attached and `take_over` was not asked; `UNAVAILABLE`.
    pub async fn attach(
        &self,
        caller: &Caller,
        name: &str,
        request: AttachRequest,
        queue: usize,
    ) -> Result<(Session, mpsc::Receiver<Event>), Refused> {
        self.ensure_standing(caller, name).await?;
        let key = key_of(caller, name)?;
        let attachment = ATTACHMENTS.fetch_add(1, Ordering::Relaxed);
        let (sender, events) = mpsc::channel(queue);
        let ask = |reply| Command::Attach {
            attachment,
            caller: Box::new(caller.clone()),
            request: request.clone(),
            events: sender.clone(),
            reply,
        };
        self.hosts.ask(&key, ask).await??;
        let commands = self.hosts.wake(&key).await?;
        Ok((Session { attachment, commands }, events))
    }
}

impl Hosts {
    /// That there is such a subscription. Wakes it: who asks for its dead letters asks again soon, and its state is read once.
    pub(in super::super) async fn require(&self, key: &SubscriptionKey) -> Result<(), Refused> {
        self.wake(key).await.map(|_| ())
    }

    /// Does to letters what the run is for, and keeps how far it is, in one transaction; answers how many it changed. `why` commits
    /// to the reason.
    pub(in super::super) async fn change_letters(
        &self,
        key: &SubscriptionKey,
        caller: &Caller,
        letters: Vec<DeadLetter>,
        run: &LetterRun,
        why: Option<Digest>,
    ) -> Result<u64, Refused> {
        let ask = |reply| Command::Letters {
            caller: Box::new(caller.clone()),
            letters: letters.clone(),
            run: Box::new(run.clone()),
            why,
            reply,
        };
        self.ask(key, ask).await?
    }

    /// Does what an administrator asks, durably; for a seek answers the floor before it, else 0. `why` commits to the reason.
    pub(in super::super) async fn administer(
        &self,
        key: &SubscriptionKey,
        caller: &Caller,
        what: Administration,
        why: Option<Digest>,
    ) -> Result<u64, Refused> {
        let ask = |reply| Command::Administer { caller: Box::new(caller.clone()), what: what.clone(), why, reply };
        self.ask(key, ask).await?
    }
}
