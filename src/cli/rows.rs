//! Files with rows: CSV read into cells by name, and how a bad row is told.

use super::Failed;
use csv::{ReaderBuilder, StringRecord, Trim};
use std::fmt;
use std::path::Path;

/// Files longer than this are not lists of plans or cards.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Why a row cannot be taken.
#[derive(Debug)]
pub struct BadRow {
    /// The line it begins on, from 1.
    pub line: u64,
    /// The field.
    pub field: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, field `{}`: {}", self.line, self.field, self.why)
    }
}

/// A row of a CSV file.
pub struct CsvRow<'a> {
    /// The line it begins on, from 1.
    pub line: u64,
    header: &'a StringRecord,
    cells: StringRecord,
}

impl CsvRow<'_> {
    /// The cell of a column, empty where there is no such column.
    pub fn cell(&self, column: &str) -> &str {
        let place = self.header.iter().position(|name| name == column);
        place.and_then(|place| self.cells.get(place)).unwrap_or_default()
    }
}

/// The text of a file, and its name in sentences.
pub fn read(path: &Path) -> Result<String, Failed> {
    let name = path.display();
    let cannot = |why: &dyn fmt::Display| Failed(format!("{name} cannot be read: {why}"));
    let length = std::fs::metadata(path).map_err(|error| cannot(&error))?.len();
    if length > FILE_BYTES_MAX {
        return Err(cannot(&format!("it is longer than {FILE_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| cannot(&error))?;
    // Spreadsheets write a byte order mark.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Reads CSV with a header of these columns, in any order, of which the first `required` must be
/// there; `take` makes something of each row.
pub fn csv<T>(
    text: &str,
    columns: &[&str],
    required: usize,
    mut take: impl FnMut(&CsvRow<'_>) -> Result<T, BadRow>,
) -> Result<Vec<T>, String> {
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| told(&error))?.clone();
    check_header(&header, columns, required).map_err(|bad| bad.to_string())?;
    let mut taken = Vec::new();
    for record in reader.records() {
        let cells = record.map_err(|error| told(&error))?;
        let line = cells.position().map_or(0, csv::Position::line);
        let row = CsvRow { line, header: &header, cells };
        taken.push(take(&row).map_err(|bad| bad.to_string())?);
    }
    Ok(taken)
}

fn check_header(header: &StringRecord, columns: &[&str], required: usize) -> Result<(), BadRow> {
    let bad = |field: &str, why: String| Err(BadRow { line: 1, field: field.to_owned(), why });
    for (place, name) in header.iter().enumerate() {
        if !columns.contains(&name) {
            return bad(name, format!("not a column; the columns are {}", columns.join(", ")));
        }
        if header.iter().take(place).any(|other| other == name) {
            return bad(name, "the column is there twice".to_owned());
        }
    }
    for column in &columns[..required] {
        if !header.iter().any(|name| name == *column) {
            return bad(column, "the header has no such column".to_owned());
        }
    }
    Ok(())
}

fn told(error: &csv::Error) -> String {
    let line = error.position().map_or(0, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("line {line}: {len} fields where the header has {expected_len}")
        }
        _ => error.to_string(),
    }
}
