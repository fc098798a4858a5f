//! Open connections: how many, whose, and how to end them.

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::{telemetry::Metrics, tls::Peer};

/// The open connections of one listener.
pub struct Connections {
    places: Arc<Semaphore>,
    open: Mutex<Open>,
    cut: CancellationToken,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Open {
    last: u64,
    peers: HashMap<u64, Arc<Peer>>,
}

impl Connections {
    pub(super) fn new(most: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { places, open: Mutex::default(), cut: CancellationToken::new(), metrics })
    }

    /// A place for one more; `None` = there is none left.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// Enters a connection whose handshake succeeded.
    pub(super) fn enter(self: &Arc<Self>, io: TlsStream<TcpStream>, peer: Peer, place: OwnedSemaphorePermit) -> PeerIo {
        let peer = Arc::new(peer);
        let number = {
            let mut open = self.open();
            open.last += 1;
            let number = open.last;
            open.peers.insert(number, peer.clone());
            number
        };
        self.metrics.connections.inc();
        self.metrics.connections_accepted.inc();
        let entry = Entry { connections: self.clone(), number, _place: place };
        PeerIo { io, peer, cut: Box::pin(self.cut.clone().cancelled_owned()), _entry: entry }
    }

    /// Those open now.
    pub fn peers(&self) -> Vec<Arc<Peer>> {
        self.open().peers.values().cloned().collect()
    }

    /// Ends them all at once.
    pub(super) fn cut_all(&self) {
        self.cut.cancel();
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Nothing is left half done under this lock, so that a panic elsewhere does not matter here.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Entry {
    connections: Arc<Connections>,
    number: u64,
    _place: OwnedSemaphorePermit,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.connections.open().peers.remove(&self.number);
        self.connections.metrics.connections.dec();
    }
}

/// A connection with its peer, as the server reads and writes it.
pub(super) struct PeerIo {
    io: TlsStream<TcpStream>,
    peer: Arc<Peer>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _entry: Entry,
}

impl Connected for PeerIo {
    type ConnectInfo = Arc<Peer>;

    fn connect_info(&self) -> Arc<Peer> {
        self.peer.clone()
    }
}

impl AsyncRead for PeerIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Reading is always under way, so that this is where a cut is heard of.
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for PeerIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
