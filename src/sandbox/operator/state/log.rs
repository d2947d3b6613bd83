//! The state file: one event a line, appended before the answer leaves.
//!
//! **Invariant:** a line is one `write` to a file opened for appending, which Linux does not mix
//! with others, so no lock is needed. It is not synced: it outlives the process, not the machine.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use super::event::Event;

pub(super) struct StateLog(File);

impl StateLog {
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self)
    }

    pub fn append(&self, event: &Event) -> io::Result<()> {
        (&self.0).write_all(&line(event)?)
    }
}

/// An event with its line feed.
pub(super) fn line(event: &Event) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    Ok(line)
}
