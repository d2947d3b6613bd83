//! A PostgreSQL primary with a synchronous standby, and their failures: throwaway clusters in a
//! folder of their own.
//!
//! **Invariants.** A commit is acknowledged only once the standby has it, but for the time in which
//! there is none: after a failover, until the next one is attached, in which nothing fails here.
//! Whoever was the primary is dead before the other is promoted.

use crate::postgres_server::{binaries, unprivileged};
use crate::process::free_port;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

/// Takes both servers down when nobody holds its input any more.
const KEEPER: &str = r#"
set -e
trap '' PIPE
dir=$(mktemp -d "${TMPDIR:-/tmp}/bappy-pair-XXXXXX")
finish() {
  for member in 0 1; do "$BIN/pg_ctl" -D "$dir/$member" -m immediate stop >/dev/null 2>&1 || true; done
  rm -rf "$dir"
}
trap finish EXIT
echo "$dir"
cat >/dev/null
"#;

const MAKE: &str = r#"
"$BIN/initdb" -D "$DIR/0" -U bappy --auth=trust --encoding=UTF8 --locale=C -N >"$DIR/log" 2>&1
cat >>"$DIR/0/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = '$DIR'
max_connections = 200
wal_keep_size = 256MB
END
"#;

const START: &str =
    r#""$BIN/pg_ctl" -D "$DIR/$MEMBER" -w -l "$DIR/log" -o "-p $PORT" start >/dev/null"#;

const CLONE: &str = r#"
rm -rf "$DIR/$MEMBER"
"$BIN/pg_basebackup" -D "$DIR/$MEMBER" -R -X stream -c fast -h 127.0.0.1 -p "$OTHER" -U bappy
"#;

/// All at once, as when a machine loses its power.
const KILL: &str = r#"
pid=$(head -1 "$DIR/$MEMBER/postmaster.pid")
children=$(cat "/proc/$pid/task/$pid/children")
kill -9 "$pid" $children
while grep -q '^State:.*[^Z] (' "/proc/$pid/status" 2>/dev/null; do sleep 0.01; done
rm -f "$DIR/$MEMBER/postmaster.pid"
"#;

const IMMEDIATE: &str = r#""$BIN/pg_ctl" -D "$DIR/$MEMBER" -m immediate stop >/dev/null"#;

/// Its connections stay open, and nothing comes over them.
const FREEZE: &str = r#"
pid=$(head -1 "$DIR/$MEMBER/postmaster.pid")
kill -STOP "$pid" $(cat "/proc/$pid/task/$pid/children")
"#;

const PROMOTE: &str = r#""$BIN/pg_ctl" -D "$DIR/$MEMBER" -w promote >/dev/null"#;

/// How long a frozen primary goes unnoticed by whoever fences it.
const FROZEN: Duration = Duration::from_secs(3);

/// How a primary is lost.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// `kill -9` of all its processes.
    Killed,
    /// `pg_ctl -m immediate stop`.
    Stopped,
    /// It hangs, and is killed a while later: fenced.
    Frozen,
}

pub struct Pair {
    binaries: PathBuf,
    folder: String,
    ports: [u16; 2],
    primary: usize,
    /// Holds the keeper's standard input open.
    _keeper: Child,
}

impl Pair {
    /// Both run, and the standby is synchronous. None where PostgreSQL is not installed.
    pub async fn start() -> Option<Self> {
        let binaries = binaries()?;
        let mut keeper = unprivileged("sh")
            .args(["-c", KEEPER])
            .env("BIN", &binaries)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut folder = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut folder).unwrap();
        let folder = folder.trim_end().to_owned();
        let ports = [free_port().port(), free_port().port()];
        let mut pair = Self { binaries, folder, ports, primary: 0, _keeper: keeper };
        pair.run(MAKE, 0).await;
        pair.run(START, 0).await;
        pair.sql("CREATE DATABASE bappy").await;
        pair.attach_standby().await;
        Some(pair)
    }

    /// Where services find whichever is the primary.
    pub fn url(&self) -> String {
        let [one, other] = self.ports;
        format!(
            "postgres://bappy@127.0.0.1:{one},127.0.0.1:{other}/bappy?target_session_attrs=read-write"
        )
    }

    pub fn primary_port(&self) -> u16 {
        self.ports[self.primary]
    }

    /// Loses the primary.
    pub async fn lose_primary(&self, how: Loss) {
        match how {
            Loss::Killed => self.run(KILL, self.primary).await,
            Loss::Stopped => self.run(IMMEDIATE, self.primary).await,
            Loss::Frozen => {
                self.run(FREEZE, self.primary).await;
                tokio::time::sleep(FROZEN).await;
                self.run(KILL, self.primary).await;
            }
        }
    }

    /// Makes the standby the primary.
    pub async fn promote(&mut self) {
        self.primary = 1 - self.primary;
        self.run(PROMOTE, self.primary).await;
    }

    /// Makes a standby where the old primary was, and has commits wait for it.
    pub async fn attach_standby(&mut self) {
        let standby = 1 - self.primary;
        self.run(CLONE, standby).await;
        self.run(START, standby).await;
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'").await;
        self.sql("SELECT pg_reload_conf()").await;
        let mut admin = self.admin("postgres").await;
        let sql = "SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        while sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut admin).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // What it was copied with waits for nobody when it is promoted.
        admin.close().await.unwrap();
    }

    /// Starts the old primary as it was, which nobody may do beside the new one.
    pub async fn start_the_old_primary(&self) {
        self.run(START, 1 - self.primary).await;
    }

    async fn admin(&self, database: &str) -> PgConnection {
        let url = format!("postgres://bappy@127.0.0.1:{}/{database}", self.primary_port());
        PgConnection::connect(&url).await.unwrap()
    }

    async fn sql(&self, sql: &str) {
        let mut admin = self.admin("postgres").await;
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut admin).await.unwrap();
        admin.close().await.unwrap();
    }

    /// Runs a script for a member of the pair.
    async fn run(&self, script: &'static str, member: usize) {
        let mut command = unprivileged("sh");
        command
            .args(["-ec", script])
            .env("BIN", &self.binaries)
            .env("DIR", &self.folder)
            .env("MEMBER", member.to_string())
            .env("PORT", self.ports[member].to_string())
            .env("OTHER", self.ports[1 - member].to_string())
            .current_dir("/")
            .stdin(Stdio::null());
        let log = format!("{}/log", self.folder);
        let ran = tokio::task::spawn_blocking(move || command.status().unwrap()).await.unwrap();
        let log = || std::fs::read_to_string(log).unwrap_or_default();
        assert!(ran.success(), "{script}\n{}", log());
    }
}
