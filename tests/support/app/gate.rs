//! A door before the operator that can be shut: then connections are cut, and new ones refused.

use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub struct Gate {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Gate {
    /// Opens a way to `operator`.
    pub async fn open(operator: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                connections.spawn(async move {
                    let Ok(mut far) = TcpStream::connect(operator).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { addr, task }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Shuts it: from now on connections are refused.
    pub async fn close(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}
