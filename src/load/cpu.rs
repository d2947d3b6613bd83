//! What this process has used of the processor, from `/proc`; unknown elsewhere.

use std::time::Duration;

/// Linux counts in hundredths of a second here, whatever its own clock does (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// The time that all threads of this process have run.
pub fn used() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in parentheses, which may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    // Fields 14 and 15, of which the first two are cut off.
    let user: u32 = fields.nth(11)?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * (user + system))
}
