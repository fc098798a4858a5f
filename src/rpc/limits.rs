//! How much a client may ask for.

use std::time::Duration;

/// Bytes a client may send on one stream before we have read them.
pub(super) const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// Bytes a client may send on one connection before we have read them.
pub(super) const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// Bytes of headers of one request; a token has about 600.
pub(super) const HEADER_BYTES: u32 = 16 << 10;

/// How much a client may ask for. Reaching one is `RESOURCE_EXHAUSTED` where there is a request to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest message read, bytes.
    pub max_message_bytes: usize,
    /// Requests at once on one connection.
    pub streams_per_connection: u32,
    /// Connections at once, handshakes included.
    pub max_connections: usize,
    /// Time for a TLS handshake.
    pub handshake_timeout: Duration,
    /// Time until the first byte of an answer, where the client set no shorter deadline.
    pub request_timeout: Duration,
    /// A connection is asked to come again after this time, so that load spreads; `None` = never.
    pub max_connection_age: Option<Duration>,
    /// Time for its streams to end then.
    pub connection_age_grace: Duration,
    /// A subscription's stream is asked to come again after this time, give or take a tenth; `None` = never.
    pub max_stream_age: Option<Duration>,
    /// Time to settle what it has then.
    pub stream_age_grace: Duration,
    /// A silent connection is asked for a sign of life after this time.
    pub keepalive_interval: Duration,
    /// And closed when none comes within this time.
    pub keepalive_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: 8 << 20,
            streams_per_connection: 256,
            max_connections: 1024,
            handshake_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_mins(1),
            max_connection_age: Some(Duration::from_hours(24)),
            connection_age_grace: Duration::from_mins(1),
            max_stream_age: Some(Duration::from_hours(1)),
            stream_age_grace: Duration::from_mins(1),
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(20),
        }
    }
}
