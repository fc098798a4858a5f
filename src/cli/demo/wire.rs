//! A wire that can be cut: forwards bytes between a client and the gateway until it is cut, and again for the next connection.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// The wire. It ends when dropped.
pub(super) struct Wire {
    address: SocketAddr,
    cut: watch::Sender<u64>,
}

impl Wire {
    /// Lays a wire to the gateway.
    pub(super) async fn to(gateway: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (cut, cuts) = watch::channel(0);
        tokio::spawn(async move {
            let mut ended = cuts.clone();
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = async { while ended.changed().await.is_ok() {} } => return,
                };
                let Ok((mut near, _)) = accepted else { return };
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(gateway).await else { return };
                    let _ = (near.set_nodelay(true), far.set_nodelay(true));
                    // Either end may close first; a cut drops both in the middle of whatever they say.
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Ok(Self { address, cut })
    }

    /// Where its near end is.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection that runs over it.
    pub(super) fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}
