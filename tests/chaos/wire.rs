//! The network between a service and its database, which delays, cuts, tears in the middle of a
//! message, and swallows all answers of a connection that stays open.
//!
//! It also counts who asks the server to cancel something, which nobody may.

use super::random::Random;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The code of a `CancelRequest` in the message that opens a connection.
const CANCEL: [u8; 4] = 80_877_102_u32.to_be_bytes();
const CHUNK: usize = 16 * 1024;

/// What befalls the connections that are open now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// All are cut.
    Cut,
    /// Of the next that passes, to the server or from it, half passes; then it is cut.
    Tear {
        answers: bool,
    },
    /// No answer passes any more.
    Swallow,
}

pub struct Wire {
    pub at: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    trouble: watch::Sender<(u64, Trouble)>,
    /// So long each message takes, either way.
    delay: watch::Sender<Duration>,
    opened: AtomicUsize,
    cancels: AtomicUsize,
}

impl Wire {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server,
            trouble: watch::Sender::new((0, Trouble::None)),
            delay: watch::Sender::new(Duration::ZERO),
            opened: AtomicUsize::new(0),
            cancels: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                tokio::spawn(async move { shared.connect(near).await });
            }
        });
        Self { at, shared }
    }

    /// Brings trouble on all connections that are open.
    pub fn befall(&self, trouble: Trouble) {
        self.shared.trouble.send_modify(|(nth, now)| (*nth, *now) = (*nth + 1, trouble));
    }

    /// From now on each message takes so long.
    pub fn delay(&self, delay: Duration) {
        self.shared.delay.send_replace(delay);
    }

    pub fn opened(&self) -> usize {
        self.shared.opened.load(Ordering::Relaxed)
    }

    pub fn cancels(&self) -> usize {
        self.shared.cancels.load(Ordering::Relaxed)
    }
}

impl Shared {
    async fn connect(self: Arc<Self>, near: TcpStream) {
        let Ok(far) = TcpStream::connect(self.server).await else { return };
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        self.opened.fetch_add(1, Ordering::Relaxed);
        let trouble = self.trouble.subscribe();
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        let asking = self.pump(near_in, far_out, trouble.clone(), false);
        let answering = self.pump(far_in, near_out, trouble, true);
        // Where one way ends so does the other.
        tokio::select! {
            () = asking => {}
            () = answering => {}
        }
    }

    async fn pump(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        mut trouble: watch::Receiver<(u64, Trouble)>,
        answers: bool,
    ) {
        trouble.mark_unchanged();
        let mut bytes = vec![0; CHUNK];
        let (mut is_first, mut tears, mut swallows) = (!answers, false, false);
        loop {
            let read = tokio::select! {
                read = from.read(&mut bytes) => read,
                _ = trouble.changed() => {
                    let (_, now) = *trouble.borrow_and_update();
                    match now {
                        Trouble::None => {}
                        Trouble::Cut => return,
                        Trouble::Tear { answers: these } => tears |= these == answers,
                        Trouble::Swallow => swallows |= answers,
                    }
                    continue;
                }
            };
            let count = read.unwrap_or(0);
            if count == 0 {
                return;
            }
            if std::mem::take(&mut is_first) && bytes[4..count.clamp(4, 8)] == CANCEL {
                self.cancels.fetch_add(1, Ordering::Relaxed);
            }
            let delay = *self.delay.borrow();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            if swallows {
                continue;
            }
            let passes = if tears { count / 2 } else { count };
            if to.write_all(&bytes[..passes]).await.is_err() || tears {
                return;
            }
        }
    }
}

/// Some trouble, most of it a cut.
pub fn some_trouble(random: &mut Random) -> Trouble {
    match random.below(100) {
        0..50 => Trouble::Cut,
        50..70 => Trouble::Tear { answers: true },
        70..90 => Trouble::Tear { answers: false },
        _ => Trouble::Swallow,
    }
}
