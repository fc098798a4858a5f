//! A redrive or discard of many dead letters: gone on with by its request id where the stream broke, until nothing is left.

use std::time::Duration;

use tonic::Streaming;

use super::{ClientError, Connection, Delays, Feeds, RetryPolicy};
use crate::proto::{
    DeadLetterPreview, DeadLetterProgress, DeadLetterUpdate, DiscardDeadLettersRequest, RedriveDeadLettersRequest,
    dead_letter_update::Update,
};

/// A chunk is one transaction: who hears nothing for so long asks again.
const SILENCE: Duration = Duration::from_mins(1);

/// What is asked.
#[derive(Debug, Clone)]
enum Change {
    Redrive(RedriveDeadLettersRequest),
    Discard(DiscardDeadLettersRequest),
}

impl Change {
    fn request_id(&mut self) -> &mut String {
        match self {
            Self::Redrive(request) => &mut request.request_id,
            Self::Discard(request) => &mut request.request_id,
        }
    }

    fn limit(&mut self) -> &mut u64 {
        match self {
            Self::Redrive(request) => &mut request.limit,
            Self::Discard(request) => &mut request.limit,
        }
    }
}

/// A run over dead letters. It goes on as long as it is asked for what comes next.
pub struct DeadLetterRun {
    feeds: Feeds,
    change: Change,
    delays: Delays,
    stream: Option<Streaming<DeadLetterUpdate>>,
    /// How many it had changed when it was last heard of; `None` = not heard of yet.
    done: Option<u64>,
    is_over: bool,
}

impl Feeds {
    /// Puts dead letters back into delivery. It reaches out with the first [`DeadLetterRun::next`]. With a request id a stream that
    /// breaks is opened again, and so is the run by a later call; without one only once the gateway has told the one it gave.
    pub fn redrive(&self, request: RedriveDeadLettersRequest) -> DeadLetterRun {
        DeadLetterRun::new(self, Change::Redrive(request))
    }

    /// Discards dead letters for good; as [`Feeds::redrive`].
    pub fn discard(&self, request: DiscardDeadLettersRequest) -> DeadLetterRun {
        DeadLetterRun::new(self, Change::Discard(request))
    }

    /// What a redrive would touch. Nothing is changed.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn preview_redrive(&self, request: RedriveDeadLettersRequest) -> Result<DeadLetterPreview, ClientError> {
        self.redrive(RedriveDeadLettersRequest { dry_run: true, ..request }).preview().await
    }

    /// What a discard would touch. Nothing is changed.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn preview_discard(&self, request: DiscardDeadLettersRequest) -> Result<DeadLetterPreview, ClientError> {
        self.discard(DiscardDeadLettersRequest { dry_run: true, ..request }).preview().await
    }
}

impl DeadLetterRun {
    fn new(feeds: &Feeds, change: Change) -> Self {
        Self { feeds: feeds.clone(), change, delays: RetryPolicy::CALL.delays(), stream: None, done: None, is_over: false }
    }

    /// The same with other patience.
    #[must_use]
    pub fn with_retry(mut self, retry: &RetryPolicy) -> Self {
        self.delays = retry.delays();
        self
    }

    /// How far it is, durably; `None` = it was finished, or has paused at its limit. A stream that breaks is opened again and the run goes on.
    ///
    /// # Errors
    /// A refusal, or the last failure when the policy gives up: asked again under its request id it goes on then.
    pub async fn next(&mut self) -> Result<Option<DeadLetterProgress>, ClientError> {
        match self.update().await? {
            None => Ok(None),
            Some(Update::Progress(progress)) => Ok(Some(progress)),
            Some(Update::Preview(_)) => Err(broken("a dry run is asked for by `preview_redrive` or `preview_discard`")),
        }
    }

    /// Goes on until nothing is left, or as far as its limit.
    ///
    /// # Errors
    /// As [`DeadLetterRun::next`].
    pub async fn finish(mut self) -> Result<DeadLetterProgress, ClientError> {
        let mut last = None;
        while let Some(progress) = self.next().await? {
            last = Some(progress);
        }
        last.ok_or_else(|| broken("the run ended without a word"))
    }

    async fn preview(mut self) -> Result<DeadLetterPreview, ClientError> {
        match self.update().await? {
            Some(Update::Preview(preview)) => Ok(preview),
            _ => Err(broken("the answer to a dry run is no preview")),
        }
    }

    async fn update(&mut self) -> Result<Option<Update>, ClientError> {
        // Patience begins with the asking.
        self.delays.reset();
        while !self.is_over {
            let failed = match self.heard().await {
                Ok(Some(update)) => return Ok(Some(update)),
                Ok(None) => continue,
                Err(failed) => failed,
            };
            self.stream = None;
            if self.change.request_id().is_empty() || !failed.is_worth_repeating() {
                return Err(failed);
            }
            let Some(delay) = self.delays.after(failed.retry_after()) else { return Err(failed) };
            tokio::time::sleep(delay).await;
        }
        Ok(None)
    }

    /// One message; `None` = it was not for the caller.
    async fn heard(&mut self) -> Result<Option<Update>, ClientError> {
        let connection = &self.feeds.connection;
        let message = match self.stream.as_mut() {
            None => return self.open().await.map(|()| None),
            Some(stream) => tokio::time::timeout(SILENCE, stream.message()).await,
        };
        let update = match message {
            Err(_) => return Err(unreachable(connection, "silence")),
            Ok(Err(status)) => return Err(connection.understand(&status).await),
            Ok(Ok(None)) => return Err(unreachable(connection, "the stream ended")),
            Ok(Ok(Some(update))) => update.update,
        };
        match &update {
            Some(Update::Progress(progress)) => {
                self.is_over = progress.finished || progress.paused;
                self.change.request_id().clone_from(&progress.request_id);
                // Where it goes on, only what is left of the limit is to be done.
                let more = self.done.replace(progress.done).map_or(0, |before| progress.done.saturating_sub(before));
                let limit = self.change.limit();
                if *limit > 0 {
                    *limit = limit.saturating_sub(more).max(1);
                }
            }
            Some(Update::Preview(_)) => self.is_over = true,
            // A message of a newer gateway.
            None => {}
        }
        Ok(update)
    }

    async fn open(&mut self) -> Result<(), ClientError> {
        let mut service = self.feeds.service.clone();
        let opened = match self.change.clone() {
            Change::Redrive(request) => service.redrive_dead_letters(request).await,
            Change::Discard(request) => service.discard_dead_letters(request).await,
        };
        self.stream = Some(self.feeds.connection.answer(opened).await?);
        Ok(())
    }
}

fn unreachable(connection: &Connection, why: &str) -> ClientError {
    ClientError::Unreachable { place: connection.place(), why: why.to_owned() }
}

fn broken(why: &str) -> ClientError {
    ClientError::Broken(why.to_owned())
}
