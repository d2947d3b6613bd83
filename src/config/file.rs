//! Values that may be given as the path of a file that holds them (`…_file`), as container
//! platforms mount secrets. Called by `fields.rs`.

use super::error::ConfigError;
use super::fields::text;
use super::source::{Source, named};

/// A text, and the key that gave it as a sentence names it.
pub(super) struct Given {
    pub text: String,
    pub named: String,
}

/// The text of `key`, or the content of the file that `file_key` names, without the line end.
/// Where the environment gives one of them and the file the other, the environment wins.
pub(super) fn text_or_file(
    source: &mut Source,
    key: &'static str,
    file_key: &'static str,
) -> Result<Option<Given>, ConfigError> {
    let (direct, path) = (source.take(key), source.take(file_key));
    match (direct, path) {
        (Some(direct), Some(path)) if direct.from_environment == path.from_environment => {
            Err(ConfigError::new(format!(
                "{} and {} are both set: give one of them",
                named(key, direct.from_environment),
                named(file_key, path.from_environment)
            )))
        }
        (Some(direct), path) if path.is_none() || direct.from_environment => {
            let named = named(key, direct.from_environment);
            Ok(Some(Given { text: text(key, direct, true)?, named }))
        }
        (_, Some(path)) => {
            let named = named(file_key, path.from_environment);
            let path = text(file_key, path, false)?;
            let content = std::fs::read_to_string(&path).map_err(|error| {
                ConfigError::new(format!("{named} names {path}, which cannot be read: {error}"))
            })?;
            let content = content.trim_end_matches(['\r', '\n']);
            if content.is_empty() {
                return Err(ConfigError::new(format!("{named} names {path}, which is empty")));
            }
            Ok(Some(Given { text: content.to_owned(), named }))
        }
        _ => Ok(None),
    }
}
