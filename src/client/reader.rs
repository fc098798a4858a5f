//! Reading by position with a place of our own: opened again where it broke, without loss or double.

use std::time::Duration;

use tonic::Streaming;

use super::{ClientError, Connection, Delays, RetryPolicy, Signed, connection::LARGEST_MESSAGE};
use crate::proto::{
    Cursor, ReadHeartbeat, ReadPage, ReadRequest, ReadResponse, feed_service_client::FeedServiceClient, read_request::From,
    read_response::Message,
};

/// The gateway says something at least every 10 s; several times that is silence.
const SILENCE: Duration = Duration::from_secs(45);

/// What a reader hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Passage {
    /// Revisions, by position, and the place after them.
    Page(ReadPage),
    /// The place moved over revisions that are not for us, or we stand at the head.
    Heartbeat(ReadHeartbeat),
}

/// Reads the ledger by position.
pub struct Reader {
    connection: Connection,
    service: FeedServiceClient<Signed>,
    request: ReadRequest,
    delays: Delays,
    stream: Option<Streaming<ReadResponse>>,
    cursor: Option<Cursor>,
    head: u64,
    streams: u64,
    is_over: bool,
}

impl Reader {
    /// A reader of what `request` asks for. It reaches out with the first [`Reader::next`].
    pub fn new(connection: &Connection, request: ReadRequest, retry: &RetryPolicy) -> Self {
        let service = FeedServiceClient::new(connection.signed()).max_decoding_message_size(LARGEST_MESSAGE);
        Self {
            connection: connection.clone(),
            service,
            request,
            delays: retry.delays(),
            stream: None,
            cursor: None,
            head: 0,
            streams: 0,
            is_over: false,
        }
    }

    /// The place after what [`Reader::next`] last answered: keep it with what was done with the page, and reading goes on from
    /// there whatever happens. `None` = nothing was heard yet.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// Head of the ledger as last heard.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// How often a stream was opened.
    pub fn streams(&self) -> u64 {
        self.streams
    }

    /// What comes next; `None` = everything that was asked for was read. A stream that breaks is opened again from the place
    /// that was reached.
    ///
    /// # Errors
    /// A refusal, e.g. `OUT_OF_RANGE` for a place that is lost; or the last failure when the policy gives up.
    pub async fn next(&mut self) -> Result<Option<Passage>, ClientError> {
        // Patience begins with the asking.
        self.delays.reset();
        while !self.is_over {
            let failed = match self.heard().await {
                Ok(Some(passage)) => return Ok(Some(passage)),
                Ok(None) => continue,
                Err(failed) => failed,
            };
            self.stream = None;
            if !failed.is_worth_repeating() {
                return Err(failed);
            }
            let Some(delay) = self.delays.after(failed.retry_after()) else { return Err(failed) };
            tokio::time::sleep(delay).await;
        }
        Ok(None)
    }

    /// One message; `None` = it was not for the caller.
    async fn heard(&mut self) -> Result<Option<Passage>, ClientError> {
        let silent = |place: String, why: &str| ClientError::Unreachable { place, why: why.to_owned() };
        let message = match self.stream.as_mut() {
            None => return self.open().await.map(|()| None),
            Some(stream) => tokio::time::timeout(SILENCE, stream.message()).await,
        };
        let response = match message {
            Err(_) => return Err(silent(self.connection.place(), "silence")),
            Ok(Err(status)) => return Err(self.connection.understand(&status).await),
            Ok(Ok(None)) => return Err(silent(self.connection.place(), "the stream ended")),
            Ok(Ok(Some(response))) => response,
        };
        match response.message {
            Some(Message::Opened(opened)) => {
                self.reached(opened.cursor, opened.head);
                Ok(None)
            }
            Some(Message::Page(page)) => {
                self.reached(page.cursor.clone(), page.head);
                Ok(Some(Passage::Page(page)))
            }
            Some(Message::Heartbeat(heartbeat)) => {
                self.reached(heartbeat.cursor.clone(), heartbeat.head);
                Ok(Some(Passage::Heartbeat(heartbeat)))
            }
            Some(Message::End(end)) => {
                self.reached(end.cursor, end.head);
                (self.is_over, self.stream) = (true, None);
                Ok(None)
            }
            Some(Message::GoAway(away)) => {
                self.stream = None;
                tokio::time::sleep(Duration::from_millis(away.reconnect_after_ms)).await;
                Ok(None)
            }
            // A message of a newer gateway.
            None => Ok(None),
        }
    }

    async fn open(&mut self) -> Result<(), ClientError> {
        let mut request = self.request.clone();
        if let Some(cursor) = &self.cursor {
            request.from = Some(From::Cursor(cursor.clone()));
        }
        let opened = self.service.read(request).await;
        self.stream = Some(self.connection.answer(opened).await?);
        self.streams += 1;
        Ok(())
    }

    fn reached(&mut self, cursor: Option<Cursor>, head: u64) {
        self.cursor = cursor.or_else(|| self.cursor.take());
        self.head = head;
    }
}
