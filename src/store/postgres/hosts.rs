//! The hosts of a database, of which one is the primary: `postgres://user@one:5432,two:5432/name`,
//! as libpq writes it. Whoever opens a connection asks here where, and [`Hosts::follow`] moves the
//! pools to the host that has become the primary.
//!
//! **Invariants:** with several hosts no connection is used before its host has said that it takes
//! writes, on a timeline as new as any that was seen; what was connected before the primary moved
//! is not used after it. Nothing is ever cancelled at a server: a commit that waits for its standby
//! would be told as done without it.

use sqlx::pool::CloseEvent;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};
use sqlx::{ConnectOptions, Connection};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How often the primary is asked whether it still is, and how soon after it was not found.
const ASK_EVERY: Duration = Duration::from_secs(1);
const SEEK_EVERY: Duration = Duration::from_millis(200);

/// How long a host may take to say what it is.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// The host takes writes; on which timeline, eight hexadecimal digits that a promotion counts up.
const ROLE: &str =
    "SELECT NOT (pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean),
    CASE WHEN pg_is_in_recovery() THEN '0'
    ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END";

/// All hosts of a database.
#[derive(Clone)]
pub struct Hosts(Arc<Shared>);

struct Shared {
    /// At least one.
    all: Vec<PgConnectOptions>,
    /// Whether a host has to be asked what it is.
    asks: bool,
    current: AtomicUsize,
    /// How often the primary has moved, and when last.
    moves: AtomicU64,
    moved_at: Mutex<Option<Instant>>,
    /// The newest that was seen.
    timeline: AtomicU32,
    /// Something was lost: look now.
    doubted: Notify,
    /// The pools that follow, each with how its connections are made.
    led: Mutex<Vec<(PgPool, Adapt)>>,
}

/// What a pool changes of how a connection is made.
type Adapt = fn(&PgConnectOptions) -> PgConnectOptions;

/// A host that takes writes.
struct Found {
    place: usize,
    timeline: u32,
    connection: PgConnection,
}

impl Hosts {
    /// Reads an address. The error is a sentence without the address, which may hold a password.
    pub fn parse(
        url: &str,
        adapt: impl Fn(PgConnectOptions) -> PgConnectOptions,
    ) -> Result<Self, String> {
        let wrong = || {
            "the database's address is not usable; write postgres://user:password@host/name, or \
             several hosts as host,host"
                .to_owned()
        };
        let (url, wanted) = without_target(url)?;
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let mut all = Vec::new();
        for host in hosts.split(',') {
            let one = format!("{scheme}://{user}{host}{path}");
            all.push(adapt(PgConnectOptions::from_str(&one).map_err(|_| wrong())?));
        }
        let asks = all.len() > 1 || wanted;
        Ok(Self(Arc::new(Shared {
            all,
            asks,
            current: AtomicUsize::new(0),
            moves: AtomicU64::new(0),
            moved_at: Mutex::default(),
            timeline: AtomicU32::new(0),
            doubted: Notify::new(),
            led: Mutex::default(),
        })))
    }

    /// Where to connect now.
    pub fn current(&self) -> &PgConnectOptions {
        &self.0.all[self.0.current.load(Ordering::Acquire)]
    }

    /// How often the primary has moved.
    pub fn moves(&self) -> u64 {
        self.0.moves.load(Ordering::Acquire)
    }

    /// Whether a connection of this age was made before the primary moved.
    pub fn is_left_behind(&self, age: Duration) -> bool {
        let moved_at = self.0.moved_at.lock().unwrap_or_else(PoisonError::into_inner);
        moved_at.is_some_and(|at| at.elapsed() < age)
    }

    /// Something was lost: the primary is asked now whether it still is.
    pub fn doubt(&self) {
        self.0.doubted.notify_one();
    }

    /// Whether a new connection may be used; an error where its host is not the primary.
    pub async fn admit(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if !self.0.asks {
            return Ok(());
        }
        let (is_primary, timeline) = role(connection).await?;
        let newest = self.0.timeline.fetch_max(timeline, Ordering::AcqRel).max(timeline);
        if is_primary && timeline == newest {
            return Ok(());
        }
        self.doubt();
        let what = if is_primary { "is an old primary" } else { "takes no writes" };
        Err(sqlx::Error::Io(std::io::Error::other(format!("the host {what}"))))
    }

    /// Goes to the host that is the primary; else a sentence for each host that is not.
    pub async fn find(&self, patience: Duration) -> Result<(), String> {
        let connection = self.seek(patience).await?;
        drop(connection.close().await);
        Ok(())
    }

    /// Has a pool follow the primary from now on.
    pub fn lead(&self, pool: PgPool, adapt: Adapt) {
        // With one host there is nowhere to go.
        if self.0.all.len() > 1 {
            let mut led = self.led();
            pool.set_connect_options(adapt(self.current()));
            led.push((pool, adapt));
        }
    }

    /// Keeps an eye on the primary, and has the pools follow it, until `closed`.
    pub async fn follow(self, mut closed: CloseEvent) {
        if self.0.all.len() == 1 {
            return;
        }
        let mut probe: Option<PgConnection> = None;
        loop {
            let pause = if probe.is_some() { ASK_EVERY } else { SEEK_EVERY };
            tokio::select! {
                () = &mut closed => return self.led().clear(),
                () = tokio::time::sleep(pause) => {}
                () = self.0.doubted.notified() => {}
            }
            if let Some(connection) = &mut probe
                && self.admit(connection).await.is_ok()
            {
                continue;
            }
            let moves = self.moves();
            // Where none is found the next look is soon.
            probe = self.seek(ANSWER_TIMEOUT).await.ok();
            if self.moves() > moves {
                tracing::warn!(host = self.current().get_host(), "the primary has moved");
                for (pool, adapt) in &*self.led() {
                    pool.set_connect_options(adapt(self.current()));
                    leave(pool);
                }
            }
        }
    }

    fn led(&self) -> MutexGuard<'_, Vec<(PgPool, Adapt)>> {
        self.0.led.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks all hosts at a time, and goes to the one that is the primary.
    async fn seek(&self, patience: Duration) -> Result<PgConnection, String> {
        let asked = self.0.all.iter().enumerate();
        let asked = asked.map(|(place, host)| self.ask(place, host, patience));
        let (mut found, mut why) = (Vec::new(), Vec::new());
        for answer in futures_util::future::join_all(asked).await {
            match answer {
                Ok(host) => found.push(host),
                Err(sentence) => why.push(sentence),
            }
        }
        // Where an old primary has come back beside the one that took its place, the newer timeline
        // tells them apart.
        let newest = found.iter().map(|host| host.timeline).max().unwrap_or(0);
        let newest = self.0.timeline.fetch_max(newest, Ordering::AcqRel).max(newest);
        let current = self.0.current.load(Ordering::Acquire);
        let host = found
            .into_iter()
            .filter(|host| host.timeline == newest)
            .min_by_key(|host| host.place != current)
            .ok_or_else(|| why.join("; "))?;
        if host.place != current {
            *self.0.moved_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            self.0.current.store(host.place, Ordering::Release);
            self.0.moves.fetch_add(1, Ordering::AcqRel);
        }
        Ok(host.connection)
    }

    async fn ask(
        &self,
        place: usize,
        host: &PgConnectOptions,
        patience: Duration,
    ) -> Result<Found, String> {
        let asked = async {
            let mut connection = host.connect().await?;
            let (is_primary, timeline) =
                if self.0.asks { role(&mut connection).await? } else { (true, 0) };
            Ok::<_, sqlx::Error>((connection, is_primary, timeline))
        };
        match tokio::time::timeout(patience, asked).await {
            Ok(Ok((connection, true, timeline))) => Ok(Found { place, timeline, connection }),
            Ok(Ok((connection, false, _))) => {
                drop(connection.close().await);
                Err(format!("{} takes no writes", describe(host)))
            }
            Ok(Err(error)) => Err(format!("{} cannot be reached: {error}", describe(host))),
            Err(_) => Err(format!("{} does not answer", describe(host))),
        }
    }
}

/// Whether the host takes writes, and on which timeline.
async fn role(connection: &mut PgConnection) -> Result<(bool, u32), sqlx::Error> {
    let asked = sqlx::query_as::<_, (bool, String)>(ROLE).fetch_one(connection);
    let (is_primary, timeline) = tokio::time::timeout(ANSWER_TIMEOUT, asked)
        .await
        .map_err(|_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))??;
    Ok((is_primary, u32::from_str_radix(&timeline, 16).unwrap_or(0)))
}

/// Drops the connections of a pool that nobody uses.
fn leave(pool: &PgPool) {
    while let Some(idle) = pool.try_acquire() {
        // Without a goodbye: its host may not be there to hear it.
        drop(idle.detach());
    }
}

/// An address without `target_session_attrs`, and whether that asks for the primary.
fn without_target(url: &str) -> Result<(String, bool), String> {
    const KEY: &str = "target_session_attrs=";
    let Some((address, query)) = url.split_once('?') else { return Ok((url.to_owned(), false)) };
    let mut wanted = false;
    let mut rest = Vec::new();
    for pair in query.split('&') {
        match pair.strip_prefix(KEY) {
            Some("read-write" | "primary") => wanted = true,
            Some("any") => {}
            Some(_) => {
                return Err("target_session_attrs must be read-write or primary: the service \
                            works on the primary only"
                    .to_owned());
            }
            None => rest.push(pair),
        }
    }
    let question = if rest.is_empty() { "" } else { "?" };
    Ok((format!("{address}{question}{}", rest.join("&")), wanted))
}

/// Where a database is, without user and password.
fn describe(options: &PgConnectOptions) -> String {
    let name = options.get_database().unwrap_or_else(|| options.get_username());
    match options.get_socket() {
        Some(folder) => format!("the database {name} at {}", folder.display()),
        None => format!("the database {name} at {}:{}", options.get_host(), options.get_port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(url: &str) -> Result<(Vec<(String, u16)>, bool), String> {
        let hosts = Hosts::parse(url, |options| options)?;
        let all = hosts.0.all.iter().map(|o| (o.get_host().to_owned(), o.get_port()));
        Ok((all.collect(), hosts.0.asks))
    }

    #[test]
    fn an_address_has_one_host_or_several() {
        let (one, two) = (("a".to_owned(), 5432), ("b".to_owned(), 6000));
        let both = vec![one.clone(), two.clone()];
        for (url, all, asks) in [
            ("postgres://u:p@a/name", vec![one.clone()], false),
            ("postgres://u@a/name?target_session_attrs=any", vec![one.clone()], false),
            ("postgres://u@a/name?target_session_attrs=primary", vec![one], true),
            ("postgresql://u:p@a,b:6000/name", both.clone(), true),
            ("postgres://u@a:5432,b:6000/name?target_session_attrs=read-write", both, true),
            ("postgres://b:6000", vec![two], false),
        ] {
            assert_eq!(hosts(url), Ok((all, asks)), "{url}");
        }
    }

    #[test]
    fn each_host_has_what_is_said_of_all() {
        let url = "postgres://u:p%40w@a,[::1]:6000/name?sslmode=require\
                   &target_session_attrs=read-write&application_name=x";
        let hosts = Hosts::parse(url, |options| options).unwrap();
        assert_eq!(hosts.0.all.len(), 2);
        for host in &hosts.0.all {
            assert_eq!(host.get_username(), "u");
            assert_eq!(host.get_database(), Some("name"));
            assert_eq!(host.get_application_name(), Some("x"));
        }
    }

    #[test]
    fn what_cannot_be_used_is_said_without_the_password() {
        for url in ["postgres://u:geheim@a:x,b/name", "postgres://u:geheim@a, /n", "postgres:u"] {
            let why = hosts(url).unwrap_err();
            assert!(why.contains("is not usable") && !why.contains("geheim"), "{url}: {why}");
        }
        let why = hosts("postgres://a,b/name?target_session_attrs=standby").unwrap_err();
        assert!(why.contains("target_session_attrs"), "{why}");
    }
}
