//! A line between a client and the gateway that a test can cut.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// Passes bytes on until it is cut; a connection made after that goes through again.
pub struct Line {
    port: u16,
    cuts: watch::Sender<u64>,
    freezes: watch::Sender<u64>,
    deaf: Arc<AtomicBool>,
    accepting: JoinHandle<()>,
}

impl Line {
    pub async fn to(gateway: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (cuts, cut) = watch::channel(0);
        let (freezes, frozen) = watch::channel(0);
        let deaf = Arc::new(AtomicBool::new(false));
        let hears = deaf.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, gateway, cut.clone(), frozen.clone(), hears.clone()));
            }
        });
        Self { port, cuts, freezes, deaf, accepting }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on, what the gateway says is lost; or is not any more.
    pub fn be_deaf(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::SeqCst);
    }

    /// Breaks every connection that stands.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Passes nothing more on by the connections that stand, and leaves them open: the other side has vanished without a word.
    pub fn freeze(&self) {
        self.freezes.send_modify(|freezes| *freezes += 1);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(
    near: TcpStream,
    gateway: SocketAddr,
    mut cut: watch::Receiver<u64>,
    mut frozen: watch::Receiver<u64>,
    deaf: Arc<AtomicBool>,
) {
    cut.mark_unchanged();
    frozen.mark_unchanged();
    let Ok(far) = TcpStream::connect(gateway).await else { return };
    let (mut near_reads, mut near_writes) = near.into_split();
    let (mut far_reads, mut far_writes) = far.into_split();
    tokio::select! {
        // An end of either side is passed on; the other may still speak.
        _ = async { tokio::join!(say(&mut near_reads, &mut far_writes), hear(&mut far_reads, &mut near_writes, &deaf)) } => {}
        _ = cut.changed() => {}
        _ = frozen.changed() => {
            // Both sockets stay open until the cut, or until the line is dropped.
            let _ = cut.changed().await;
        }
    }
}

async fn say(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) {
    let _ = copy(from, to).await;
    let _ = to.shutdown().await;
}

async fn hear(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, deaf: &AtomicBool) {
    let mut buffer = vec![0; 16_384];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if !deaf.load(Ordering::SeqCst) && to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
