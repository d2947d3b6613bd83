//! What processes use of the machine, from `/proc`.

use crate::Failed;

/// Linux tells times here in hundredths of a second (`USER_HZ`).
const TICK_US: f64 = 10_000.0;

/// Microseconds of CPU that a process has used, with its children that have ended.
pub fn cpu_us(pid: u32) -> f64 {
    let times = stat(pid).map_or([0; 4], |fields| {
        // utime, stime, cutime, cstime: fields 14 to 17, of which two are cut off and one is 1.
        [11, 12, 13, 14].map(|at| fields.get(at).and_then(|f| f.parse().ok()).unwrap_or(0_u32))
    });
    times.into_iter().map(f64::from).sum::<f64>() * TICK_US
}

/// What PostgreSQL has used: its first process, which inherits the times of those that ended, and
/// those that run.
pub fn postgres_cpu_us(postmaster: u32) -> f64 {
    let children = processes().filter(|pid| parent(*pid) == Some(postmaster));
    cpu_us(postmaster) + children.map(cpu_us).sum::<f64>()
}

/// The first process of the server on a port.
pub fn postmaster(port: u16) -> Result<u32, Failed> {
    let wanted = port.to_string();
    let serves = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).collect();
        words.first().is_some_and(|program| program.ends_with(b"/postgres"))
            && words.contains(&wanted.as_bytes())
    };
    processes().find(serves).ok_or_else(|| Failed(format!("no PostgreSQL on port {port}")))
}

/// Kilobytes of memory that a process holds.
pub fn rss_kb(pid: u32) -> Result<u64, Failed> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .ok_or_else(|| Failed("no VmRSS".to_owned()))
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn parent(pid: u32) -> Option<u32> {
    stat(pid)?.get(1)?.parse().ok()
}

/// The fields behind the program's name, which may hold anything.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace().map(str::to_owned).collect())
}
