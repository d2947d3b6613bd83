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
//! Two variables of the environment, read once:
//! - `FAULT_POINT=name@n`: the process dies when it passes the point for the nth time.
//! - `FAULT_POINTS_PASSED=file`: each point that is passed becomes a line of the file.

use std::fs::File;
use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// What the environment asks for.
struct Asked {
    /// The point to die at, and how many times it is passed until then.
    death: Option<(String, u32)>,
    passed: AtomicU32,
    log: Option<File>,
}

static ASKED: LazyLock<Asked> = LazyLock::new(|| {
    let death = std::env::var("FAULT_POINT").ok().and_then(|text| {
        let (name, nth) = text.split_once('@')?;
        Some((name.to_owned(), nth.parse().ok()?))
    });
    let log = std::env::var_os("FAULT_POINTS_PASSED")
        .and_then(|path| File::options().create(true).append(true).open(path).ok());
    Asked { death, passed: AtomicU32::new(0), log }
});

/// The process is at a point: goes on, or dies.
pub fn pass(name: &'static str) {
    let asked = &*ASKED;
    if let Some(mut log) = asked.log.as_ref() {
        // In one write, so that threads do not mix their lines.
        let _ = log.write_all(format!("{name}\n").as_bytes());
    }
    let Some((point, nth)) = &asked.death else { return };
    if name == point && asked.passed.fetch_add(1, Ordering::SeqCst) + 1 == *nth {
        std::process::abort();
    }
}
