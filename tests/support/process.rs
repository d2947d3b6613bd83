//! The real program as processes of its own: the service and the two simulators, on free ports,
//! their logs in files.
//!
//! **Invariants.** A signal goes only to a process that was started here; what still runs is
//! killed when its [`Process`] is dropped.

use std::ffi::OsString;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// A process that is not ready by then will not be.
const READY_MAX: Duration = Duration::from_secs(30);
/// `serve` gives what runs 30 s to end, and then some to close.
const EXIT_MAX: Duration = Duration::from_secs(45);
const POLL: Duration = Duration::from_millis(20);
/// A process that stands still accepts a connection and never answers.
const HEALTH_MAX: Duration = Duration::from_secs(1);
/// Below what Linux gives to outgoing connections, so that nobody takes the port of a process
/// between its death and its restart.
const PORTS: std::ops::Range<u16> = 18_000..32_000;

/// A port that is free now and that this process hands out once.
pub fn free_port() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = PORTS.end - PORTS.start;
    let start = u16::try_from(std::process::id() * 61 % u32::from(span)).unwrap();
    for _ in 0..span {
        let offset = (start + NEXT.fetch_add(1, Ordering::Relaxed) % span) % span;
        let addr = SocketAddr::from(([127, 0, 0, 1], PORTS.start + offset));
        if TcpListener::bind(addr).is_ok() {
            return addr;
        }
    }
    panic!("there is no free port");
}

/// The program under test: the one that belongs to the tests, unless `BAPPY_TEST_PROGRAM` names
/// another build of it.
pub fn program() -> OsString {
    let other = std::env::var_os("BAPPY_TEST_PROGRAM");
    other.unwrap_or_else(|| env!("CARGO_BIN_EXE_bappy").into())
}

/// Keeps what is set for the tests (`BAPPY_…`) from a program.
pub fn without_settings(command: &mut Command) -> &mut Command {
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("BAPPY_") {
            command.env_remove(key);
        }
    }
    command
}

/// A running program.
pub struct Process {
    child: Child,
    /// What it wrote to stdout and stderr, over all of its starts.
    pub log: PathBuf,
}

impl Process {
    /// Starts `bappy` with its arguments and configuration; nothing else of `BAPPY_…` reaches it.
    pub fn start(arguments: &[&str], environment: &[(&str, String)], log: &Path) -> Self {
        Self::run(Command::new(program()), arguments, environment, log)
    }

    /// The same where the system gives it few open files to begin with.
    pub fn start_with_few_files(
        arguments: &[&str],
        environment: &[(&str, String)],
        log: &Path,
    ) -> Self {
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -S -n 256; exec \"$0\" \"$@\""]).arg(program());
        Self::run(limited, arguments, environment, log)
    }

    fn run(
        mut command: Command,
        arguments: &[&str],
        environment: &[(&str, String)],
        log: &Path,
    ) -> Self {
        let file = File::options().create(true).append(true).open(log).unwrap();
        without_settings(&mut command)
            .args(arguments)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        Self { child: command.spawn().unwrap(), log: log.to_owned() }
    }

    /// Waits until `GET url` is answered with a success.
    pub async fn ready(self, client: &reqwest::Client, url: &str) -> Self {
        let mut process = self.ready_or_ended(client, url).await;
        let ended = process.ended();
        assert!(ended.is_none(), "not ready ({ended:?}):\n{}", process.log());
        process
    }

    /// Waits until `GET url` is answered with a success, or it has ended or stands still.
    pub async fn ready_or_ended(mut self, client: &reqwest::Client, url: &str) -> Self {
        let until = Instant::now() + READY_MAX;
        loop {
            if let Ok(answer) = client.get(url).timeout(HEALTH_MAX).send().await
                && answer.status().is_success()
            {
                return self;
            }
            if self.ended().is_some() || self.is_paused() {
                return self;
            }
            assert!(Instant::now() < until, "not ready:\n{}", self.log());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Ends it without a word, as the kernel does when memory runs out.
    pub fn kill9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it has ended by itself, and well.
    pub async fn done(mut self) {
        let until = Instant::now() + EXIT_MAX;
        loop {
            if let Some(status) = self.ended() {
                return assert!(status.success(), "{status}:\n{}", self.log());
            }
            assert!(Instant::now() < until, "it does not end:\n{}", self.log());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks it to stop, and waits until it has.
    pub async fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        let until = Instant::now() + EXIT_MAX;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not stop:\n{}", self.log());
            tokio::time::sleep(POLL).await;
        }
    }

    /// What it holds of the machine's memory, in kilobytes; of Linux.
    pub fn resident_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Stops its time: nothing in it runs, its connections stay open.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Whether its time stands still.
    pub fn is_paused(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        status.is_ok_and(|status| status.contains("State:\tT"))
    }

    /// Lets it go on as if nothing had been.
    pub fn go_on(&self) {
        self.signal("CONT");
    }

    /// What it logged; the end of it, if it is long.
    pub fn log(&self) -> String {
        const SHOWN: usize = 4_000;
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let start =
            (0..=text.len().saturating_sub(SHOWN)).rev().find(|&i| text.is_char_boundary(i));
        text[start.unwrap_or(0)..].to_owned()
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
