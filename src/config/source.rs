//! The file and the environment, merged into a flat list of keys, from which `fields.rs` takes
//! each value it knows; what is left over is an error.
//!
//! **Invariants:** of a file's values only the right TOML type is taken (`"4"` is not a number, 4
//! is not a text); a variable is text and is read as what its key is.

use super::error::{ConfigError, variable};
use config::{Environment, File, FileFormat, Map, Source as _, Value, ValueKind};
use std::{collections::BTreeMap, path::Path};

const PREFIX: &str = "BAPPY_";

/// All values that are set and not yet taken, by key.
#[derive(Default)]
pub(super) struct Source {
    values: BTreeMap<String, Setting>,
    asked: Vec<&'static str>,
}

/// A value and where it came from.
pub(super) struct Setting {
    pub kind: ValueKind,
    pub from_environment: bool,
}

impl Source {
    pub(super) fn read(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let environment: Map<String, String> = environment
            .into_iter()
            .filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty())
            .filter(|(name, value)| !is_service_link(name, value))
            .collect();
        let mut values = BTreeMap::new();
        // Variables are laid over the flat keys, not over the tables: a variable that names a
        // whole table is then an unknown key and does not wipe the table out.
        if let Some(path) = file {
            flatten("", parse(path)?, false, &mut values);
        }
        let layer = Environment::with_prefix("BAPPY")
            .prefix_separator("_")
            .separator("__")
            .source(Some(environment))
            .collect()
            .map_err(|error| ConfigError::new(format!("the environment: {error}")))?;
        flatten("", layer, true, &mut values);
        Ok(Self { values, asked: Vec::new() })
    }

    /// Takes a value out, and remembers that the key exists.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Setting> {
        self.asked.push(key);
        self.values.remove(key)
    }

    /// What was asked for.
    pub(super) fn asked(self) -> Vec<&'static str> {
        self.asked
    }

    /// Whether all that was set was taken.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        let Some((key, setting)) = self.values.first_key_value() else { return Ok(()) };
        let named = named(key, setting.from_environment);
        Err(ConfigError::new(match self.asked.iter().find(|known| is_close(known, key)) {
            Some(known) => format!("{named} is not a known key: is `{known}` meant?"),
            None => format!("{named} is not a known key"),
        }))
    }
}

/// A key as a sentence names it.
pub(super) fn named(key: &str, from_environment: bool) -> String {
    if from_environment { format!("`{key}` ({})", variable(key)) } else { format!("`{key}`") }
}

/// What Kubernetes sets in every container beside a service called `bappy`.
fn is_service_link(name: &str, value: &str) -> bool {
    name.starts_with("BAPPY_SERVICE_HOST")
        || name.starts_with("BAPPY_SERVICE_PORT")
        || name.starts_with("BAPPY_PORT_")
        || (name == "BAPPY_PORT" && value.contains("://"))
}

fn parse(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        ConfigError::new(format!("the configuration file {shown} cannot be read: {error}"))
    })?;
    File::from_str(&text, FileFormat::Toml).collect().map_err(|error| {
        // The first line says where, the last what; between them stands the line itself, which
        // may hold a secret.
        let text = error.to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let place = lines.next().unwrap_or_default();
        let what = lines.next_back().map(|what| format!(": {what}")).unwrap_or_default();
        ConfigError::new(format!("the configuration file {shown} is not valid: {place}{what}"))
    })
}

fn flatten(
    prefix: &str,
    table: Map<String, Value>,
    from_environment: bool,
    into: &mut BTreeMap<String, Setting>,
) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value.kind {
            ValueKind::Table(inner) => flatten(&key, inner, from_environment, into),
            kind => {
                into.insert(key, Setting { kind, from_environment });
            }
        }
    }
}

/// Whether `key` is `known` but for its table, its capitals or a slip of the finger.
fn is_close(known: &str, key: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace(['.', '_', '-'], "");
    let last = |text: &str| plain(text.rsplit('.').next().unwrap_or(text));
    plain(known) == plain(key) || last(known) == last(key) || slips(known, key) <= 2
}

/// Levenshtein's distance.
fn slips(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
