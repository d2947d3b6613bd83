//! Actors without listeners, for commands: an actix system on a thread of its own.

use super::Failed;
use actix::System;
use std::thread::{self, JoinHandle};
use tokio::sync::oneshot;

/// The thread; drain what runs on it before it is stopped.
pub struct ActorThread {
    system: System,
    thread: JoinHandle<()>,
}

impl ActorThread {
    /// Starts a system and what `build` makes on it.
    pub async fn start<T: Send + 'static>(
        build: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, Self), Failed> {
        let (tell, started) = oneshot::channel();
        let serve = move || {
            let runner = System::new();
            runner.block_on(async {
                let made = build();
                let _ = tell.send((made, System::current()));
            });
            if let Err(error) = runner.run() {
                tracing::error!(%error, "the actors' system ended badly");
            }
        };
        let thread = thread::Builder::new().name("bappy-system".to_owned()).spawn(serve)?;
        let (made, system) =
            started.await.map_err(|_| "the actors ended while they started".to_owned())?;
        Ok((made, Self { system, thread }))
    }

    /// Stops the system.
    pub async fn stop(self) {
        self.system.stop();
        let thread = self.thread;
        // A matter of milliseconds; what was done is committed whatever becomes of it.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}
