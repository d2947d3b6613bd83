//! What commands print: one JSON document with `--json`, else aligned plain tables and lines.
//!
//! **Invariant:** a reader that goes away (`bappy plan list | head`) ends nothing badly.

use super::Failed;
use clap::Args;
use serde::Serialize;
use std::io::{self, ErrorKind, Write};

/// How a command prints.
#[derive(Args, Clone, Copy, Debug)]
pub struct Format {
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

impl Format {
    /// Prints `value` as JSON, or what `human` makes of it.
    pub fn print<T: Serialize + ?Sized>(
        self,
        value: &T,
        human: impl FnOnce(&T) -> String,
    ) -> Result<(), Failed> {
        let text = if self.json { serde_json::to_string_pretty(value)? } else { human(value) };
        write(&text)
    }
}

/// Writes a text and the end of its last line to stdout.
pub fn write(text: &str) -> Result<(), Failed> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failed(format!("the output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// An aligned table.
pub struct Table<const COLUMNS: usize> {
    header: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// An empty table; a column whose name ends in a space is aligned to the right.
    pub fn new(header: [&'static str; COLUMNS]) -> Self {
        Self { header, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row);
    }

    /// The table as text; where it has no rows, the words for that.
    pub fn or(self, none: &str) -> String {
        if self.rows.is_empty() {
            return none.to_owned();
        }
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0).max(self.header[column].trim_end().len())
        };
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        let line = |cells: [&str; COLUMNS]| {
            let mut line = String::new();
            for ((cell, width), name) in cells.iter().zip(widths).zip(self.header) {
                let cell = if name.ends_with(' ') {
                    format!("{cell:>width$}  ")
                } else {
                    format!("{cell:<width$}  ")
                };
                line.push_str(&cell);
            }
            format!("{}\n", line.trim_end())
        };
        let mut text = line(self.header.map(str::trim_end));
        for row in &self.rows {
            text.push_str(&line(std::array::from_fn(|column| row[column].as_str())));
        }
        text
    }
}

/// `1 plan`, `2 plans`.
pub fn counted(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_has_no_trailing_spaces() {
        let mut table = Table::new(["SLUG", "BALANCE ", "NAME"]);
        table.row(["acme".into(), "1000.00".into(), "Acme".into()]);
        table.row(["x".into(), "0.00".into(), String::new()]);
        let expected = "SLUG  BALANCE  NAME\nacme  1000.00  Acme\nx        0.00\n";
        assert_eq!(table.or("none"), expected);
        assert_eq!(Table::new(["SLUG"]).or("none"), "none");
    }
}
