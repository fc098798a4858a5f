//! A line between a client and the gateway that a test can cut.

use std::net::SocketAddr;

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Passes bytes on until it is cut; a connection made after that goes through again.
pub struct Line {
    port: u16,
    cuts: watch::Sender<u64>,
    freezes: watch::Sender<u64>,
    accepting: JoinHandle<()>,
}

impl Line {
    pub async fn to(gateway: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (cuts, cut) = watch::channel(0);
        let (freezes, frozen) = watch::channel(0);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, gateway, cut.clone(), frozen.clone()));
            }
        });
        Self { port, cuts, freezes, accepting }
    }

    pub fn port(&self) -> u16 {
        self.port
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

async fn carry(mut near: TcpStream, gateway: SocketAddr, mut cut: watch::Receiver<u64>, mut frozen: watch::Receiver<u64>) {
    cut.mark_unchanged();
    frozen.mark_unchanged();
    let Ok(mut far) = TcpStream::connect(gateway).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        _ = cut.changed() => {}
        _ = frozen.changed() => {
            // Both sockets stay open until the cut, or until the line is dropped.
            let _ = cut.changed().await;
        }
    }
}
