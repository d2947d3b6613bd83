//! A throwaway PostgreSQL from the installed server's binaries: one cluster a test process, one
//! database a test, copied from a migrated template.
//!
//! A shell holds the cluster and waits for the end of its standard input, which is the end of
//! the test process, however it comes; then it stops the server and removes its files. Without
//! the binaries tests are skipped out loud, or fail if `BAPPY_REQUIRE_POSTGRES=1`.

use bappy::store::Database;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Makes a cluster, says `ready`, and takes it down when nobody holds its input any more.
const SCRIPT: &str = r#"
set -e
# Nobody may be left to hear `ready`: that is an error to clean up after, not an end.
trap '' PIPE
dir=$(mktemp -d "${TMPDIR:-/tmp}/bappy-postgres-XXXXXX")
finish() { "$BIN/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"; }
trap finish EXIT
"$BIN/initdb" -D "$dir/data" -U bappy --auth=trust --encoding=UTF8 --locale=C -N >"$dir/log" 2>&1 \
  && "$BIN/pg_ctl" -D "$dir/data" -w -l "$dir/log" \
       -o "-k $dir -h 127.0.0.1 -p $PORT -c max_connections=500" start >/dev/null \
  || { cat "$dir/log" >&2; exit 1; }
echo ready
cat >/dev/null
"#;

struct Cluster {
    port: u16,
    /// Holds the shell's standard input open.
    _shell: Child,
}

static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The address of a fresh, migrated database; none where PostgreSQL is not installed.
pub async fn fresh_database() -> Option<String> {
    let cluster = tokio::task::spawn_blocking(|| CLUSTER.get_or_init(start)).await.unwrap();
    let port = cluster.as_ref()?.port;
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let mut admin = PgConnection::connect(&address(port, "postgres")).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE migrated")))
        .execute(&mut admin)
        .await
        .unwrap();
    admin.close().await.unwrap();
    Some(address(port, &name))
}

fn address(port: u16, name: &str) -> String {
    format!("postgres://bappy@127.0.0.1:{port}/{name}")
}

fn start() -> Option<Cluster> {
    let Some(binaries) = binaries() else {
        assert!(
            std::env::var_os("BAPPY_REQUIRE_POSTGRES").is_none_or(|v| v != "1"),
            "BAPPY_REQUIRE_POSTGRES=1, but no PostgreSQL server is installed"
        );
        eprintln!("SKIPPED: no PostgreSQL server is installed (initdb is not to be found)");
        return None;
    };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = unprivileged("sh")
        .args(["-c", SCRIPT])
        .env("BIN", &binaries)
        .env("PORT", port.to_string())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // An interrupt from the terminal must not end it before it has cleaned up.
        .process_group(0)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n", "PostgreSQL did not start; its log is above");
    migrate_template(port);
    Some(Cluster { port, _shell: child })
}

/// On a runtime of its own: this is called from a test's.
fn migrate_template(port: u16) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut admin = PgConnection::connect(&address(port, "postgres")).await.unwrap();
            sqlx::query("CREATE DATABASE migrated").execute(&mut admin).await.unwrap();
            admin.close().await.unwrap();
            let handle = tokio::runtime::Handle::current();
            let db = Database::open(&address(port, "migrated"), 1, handle).await.unwrap();
            db.migrate().await.unwrap();
            db.close().await;
        });
    })
    .join()
    .unwrap();
}

/// The folder of the newest server's binaries.
pub fn binaries() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    folders.into_iter().find(|folder| folder.join("initdb").is_file())
}

/// A command as a user that PostgreSQL is willing to run as: not root.
pub fn unprivileged(program: &str) -> Command {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    if !is_root {
        return Command::new(program);
    }
    let users = std::fs::read_to_string(Path::new("/etc/passwd")).unwrap_or_default();
    let has = |name: &str| users.lines().any(|line| line.starts_with(&format!("{name}:")));
    let user = if has("postgres") { "postgres" } else { "nobody" };
    let group = Command::new("id").args(["-g", user]).output().unwrap().stdout;
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={user}"))
        .arg(format!("--regid={}", String::from_utf8_lossy(&group).trim()))
        .args(["--clear-groups", program]);
    command
}
