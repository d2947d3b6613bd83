//! Programs as processes of their own: started on free ports, awaited, asked to end at the end.
//!
//! **Invariant:** a signal goes only to a process that was started here.

use crate::Failed;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process that is not ready by then will not be.
const READY_MAX: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);
/// A process that has not ended by then is killed; a service that finishes what it has takes less.
const END_MAX: Duration = Duration::from_secs(90);

/// A port that is free now.
pub fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound listener has an address")
}

/// The `bappy` that is measured: the one that belongs to this benchmark, or another build of it.
pub fn program() -> PathBuf {
    let other = std::env::var_os("BAPPY_BENCH_PROGRAM");
    other.unwrap_or(env!("CARGO_BIN_EXE_bappy").into()).into()
}

/// A command without any `BAPPY_…` of the caller's.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("BAPPY_") {
            command.env_remove(key);
        }
    }
    command
}

/// A running program. When dropped it is asked to end, so that one built to write down what it did does so.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program with its output in a file.
    pub fn start(
        program: &Path,
        arguments: &[String],
        environment: &[(String, String)],
        log: &Path,
    ) -> Result<Self, Failed> {
        let file = File::create(log)?;
        let child = command(program)
            .args(arguments)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Waits until `GET url` is answered with a success.
    pub async fn ready(mut self, client: &reqwest::Client, url: &str) -> Result<Self, Failed> {
        let until = Instant::now() + READY_MAX;
        loop {
            let answer = client.get(url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(self);
            }
            if self.child.try_wait()?.is_some() || Instant::now() > until {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                let end = log.lines().rev().take(10).collect::<Vec<_>>();
                return Err(Failed(format!("{url} does not answer:\n{}", end.join("\n"))));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let until = Instant::now() + END_MAX;
        if self.runs() {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        }
        while self.runs() && Instant::now() < until {
            std::thread::sleep(POLL);
        }
        if self.runs() {
            eprintln!("killed, for it did not end: {}", self.log.display());
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
