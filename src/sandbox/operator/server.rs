//! Starts and stops the operator: a thread of its own with a runtime of its own, so that it runs
//! beside any runtime or alone.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, thread, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::{Server, ServerHandle},
    rt,
    web::{self, Data, PayloadConfig},
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    catalogue::catalogue,
    cut::keep_socket,
    faults::FaultControl,
    in_flight::InFlight,
    serve::{Simulator, serve},
    sessions::Sessions,
    state::World,
};

/// The longest body of the protocol is a message of some hundred bytes.
const BODY_MAX_BYTES: usize = 64 * 1024;

/// How long an unused connection is kept: longer than callers keep theirs, so that it is they who
/// close, and no call meets a connection that is just being closed.
const KEEP_ALIVE: Duration = Duration::from_mins(2);

/// How long `stop` waits for calls that are being served; each takes microseconds.
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// How to run a sandbox operator.
#[derive(Debug, Clone)]
pub struct OperatorSimConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where to keep state; `None` keeps it in memory.
    pub state_file: Option<PathBuf>,
    /// For faults that set no seed of their own.
    pub seed: u64,
    /// Threads that serve; at least one.
    pub workers: usize,
}

/// A sandbox operator that runs. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct RunningOperatorSim {
    addr: SocketAddr,
    handle: ServerHandle,
    simulator: SharedSimulator,
    thread: Option<thread::JoinHandle<()>>,
    ended: oneshot::Receiver<()>,
}

struct SharedSimulator(Arc<Simulator>);

impl std::fmt::Debug for SharedSimulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Simulator")
    }
}

/// Starts the sandbox operator and returns when it listens. Fails where the address is taken, or
/// the state file cannot be read, written or understood.
pub async fn start(config: OperatorSimConfig) -> io::Result<RunningOperatorSim> {
    let (started, starting) = oneshot::channel();
    let (ending, ended) = oneshot::channel();
    let thread = thread::Builder::new().name("operator-sim".to_owned()).spawn(move || {
        rt::System::new().block_on(async move {
            match bind(&config) {
                Ok((addr, simulator, server)) => {
                    if started.send(Ok((addr, simulator, server.handle()))).is_ok()
                        && let Err(error) = server.await
                    {
                        tracing::error!(%error, "the sandbox operator ended");
                    }
                }
                Err(error) => drop(started.send(Err(error))),
            }
        });
        drop(ending);
    })?;
    let lost = |_| io::Error::other("the sandbox operator's thread ended while starting");
    let (addr, simulator, handle) = starting.await.map_err(lost)??;
    let simulator = SharedSimulator(simulator);
    Ok(RunningOperatorSim { addr, handle, simulator, thread: Some(thread), ended })
}

fn bind(config: &OperatorSimConfig) -> io::Result<(SocketAddr, Arc<Simulator>, Server)> {
    catalogue();
    let simulator = Data::new(Simulator {
        world: World::open(config.state_file.as_deref())?,
        sessions: Sessions::default(),
        faults: FaultControl::new(config.seed),
        in_flight: InFlight::default(),
        stopping: CancellationToken::new(),
    });
    let shared = simulator.clone().into_inner();
    let app = move || {
        App::new()
            .app_data(simulator.clone())
            .app_data(PayloadConfig::new(BODY_MAX_BYTES))
            .default_service(web::to(serve))
    };
    let server = HttpServer::new(app)
        .workers(config.workers.max(1))
        .keep_alive(KEEP_ALIVE)
        // A caller that closes its side has gone: a hung call must not outlive it.
        .h1_allow_half_closed(false)
        .on_connect(keep_socket)
        .disable_signals()
        .bind(config.listen)?;
    let addr = server.addrs().first().copied().ok_or_else(|| io::Error::other("no address"))?;
    Ok((addr, shared, server.run()))
}

impl RunningOperatorSim {
    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops: hung and delayed calls are cut, the others answered. When it returns, nothing is
    /// written to the state file any more and the port is free.
    pub async fn stop(mut self) {
        let simulator = &self.simulator.0;
        simulator.stopping.cancel();
        // Past that it stops all the same.
        let _drained = tokio::time::timeout(DRAIN_MAX, simulator.in_flight.drained()).await;
        self.handle.stop(false).await;
        // An error is the sender dropped, which is how it says that it ended.
        let _ended = (&mut self.ended).await;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sandbox operator's thread panicked");
        }
    }
}

impl Drop for RunningOperatorSim {
    fn drop(&mut self) {
        self.simulator.0.stopping.cancel();
        drop(self.handle.stop(false));
    }
}
