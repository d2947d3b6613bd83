//! Where tests end the process, as suddenly as `kill -9` would: behind each write to the database
//! that belongs to an operation, and behind each answer of the operator. Placed by the
//! implementations of the ports, by [`fault_point!`](crate::fault_point); driven by
//! `tests/operations/crash_matrix`.
//!
//! That is everywhere: between two of these points nothing happens that could be seen from outside
//! of the process, so that a crash anywhere between them is the same crash.
//!
//! **Invariant.** Only a build with the feature `fault-points` has any, which tests alone ask for;
//! in every other the macro is nothing.
//!
//! Variables of the environment, read once:
//! - `FAULT_POINT=name@n`: the process dies when it passes the point for the nth time.
//! - `FAULT_STOP=name@n`: it stops there, as with `kill -STOP`, until it is told to go on.
//! - `FAULT_POINTS_PASSED=file`: each point that is passed becomes a line of the file.

use std::fs::File;
use std::io::Write;
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// What the environment asks for.
struct Asked {
    death: Option<Place>,
    stop: Option<Place>,
    log: Option<File>,
}

/// The nth time that a point is passed.
struct Place {
    point: String,
    nth: u32,
    passed: AtomicU32,
}

static ASKED: LazyLock<Asked> = LazyLock::new(|| {
    let log = std::env::var_os("FAULT_POINTS_PASSED")
        .and_then(|path| File::options().create(true).append(true).open(path).ok());
    Asked { death: Place::of("FAULT_POINT"), stop: Place::of("FAULT_STOP"), log }
});

impl Place {
    fn of(variable: &str) -> Option<Self> {
        let text = std::env::var(variable).ok()?;
        let (point, nth) = text.split_once('@')?;
        let (point, nth) = (point.to_owned(), nth.parse().ok()?);
        Some(Self { point, nth, passed: AtomicU32::new(0) })
    }

    fn is_here(&self, point: &str) -> bool {
        point == self.point && self.passed.fetch_add(1, Ordering::SeqCst) + 1 == self.nth
    }
}

/// The process is at a point: goes on, stops, or dies.
pub fn pass(point: &'static str) {
    let asked = &*ASKED;
    if let Some(mut log) = asked.log.as_ref() {
        // In one write, so that threads do not mix their lines.
        let _ = log.write_all(format!("{point}\n").as_bytes());
    }
    if asked.stop.as_ref().is_some_and(|place| place.is_here(point)) {
        stop_here();
    }
    if asked.death.as_ref().is_some_and(|place| place.is_here(point)) {
        std::process::abort();
    }
}

/// Has another process stop this one, as this crate has no unsafe code. The signal is the process's,
/// and may take a moment to reach this thread: the other one ends only when it has (where there is
/// a `/proc` to see it by), and until then the thread is at the point.
fn stop_here() {
    const STOP: &str = r#"kill -STOP "$0"; while [ -e "/proc/$1/stat" ] && ! grep -q ') T ' "/proc/$1/stat"; do :; done"#;
    let thread = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    let process = std::process::id().to_string();
    let _ = Command::new("sh").args(["-c", STOP, &process]).arg(thread).status();
}
