//! The databases' files in the system's memory: what was left of them there by those who filled them is chance,
//! and each page that was not is a wait for the disk.
//!
//! **Invariant:** other processes read them: to close a file that SQLite has open here would take its locks away.

use crate::Failed;
use crate::process::Process;
use crate::world::World;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(100);
/// A disk that has not given them by then is too slow.
const HELD_MAX: Duration = Duration::from_mins(5);
/// What ends the other when the rig does, however that ends; and what holds files until it is ended.
const HOLDER: [&str; 2] = ["setpriv", "vmtouch"];

async fn folder(world: &World) -> Result<PathBuf, Failed> {
    if world.database_url.starts_with("sqlite:") {
        return Ok(world.folder.path().to_owned());
    }
    let sql = "SELECT current_setting('data_directory') || '/base/' || CAST(oid AS TEXT)
        FROM pg_database WHERE datname = current_database()";
    let mut tx = world.parts.database.read().await?;
    Ok(one!(tx, (String,), sql)?.0.into())
}

/// Reads them once, so that they are there as far as there is room.
pub async fn read_once(world: &World) -> Result<(), Failed> {
    let mut command = Command::new("sh");
    command.args(["-c", "cat \"$1\"/* > /dev/null 2>&1 || true", "sh"]).arg(folder(world).await?);
    tokio::task::spawn_blocking(move || command.status()).await??;
    Ok(())
}

/// Says so if there is nothing that can hold them.
pub fn can_hold() -> Result<(), Failed> {
    for program in HOLDER {
        Command::new(program)
            .arg("--version")
            .output()
            .map_err(|error| Failed(format!("{program}: {error}")))?;
    }
    Ok(())
}

/// Holds them there, until what is returned is dropped.
pub async fn hold(world: &World) -> Result<Process, Failed> {
    let folder = folder(world).await?;
    let size = size(&folder)?;
    let [with, holder] = HOLDER;
    let arguments = ["--pdeathsig", "KILL", holder, "-l", "-m", "1000G", &folder.to_string_lossy()];
    let log = world.folder.path().join("vmtouch.log");
    let process = Process::start(Path::new(with), &arguments.map(str::to_owned), &[], &log)?;
    let until = Instant::now() + HELD_MAX;
    while locked(process.id())?.is_none_or(|locked| locked < size) {
        let said = std::fs::read_to_string(&log)?;
        if !said.is_empty() || Instant::now() > until {
            return Err(Failed(format!("{} is not held in memory: {said}", folder.display())));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(process)
}

fn size(folder: &Path) -> Result<u64, Failed> {
    let mut size = 0;
    for entry in std::fs::read_dir(folder)? {
        size += entry?.metadata()?.len();
    }
    Ok(size)
}

/// The bytes that a process has locked in memory; none where it has ended.
fn locked(process: u32) -> Result<Option<u64>, Failed> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    let kb = size.and_then(|size| size.trim().trim_end_matches(" kB").parse::<u64>().ok());
    Ok(kb.map(|kb| kb * 1024))
}
