//! Why a configuration cannot be used. Printed by the command line as it stands.

/// One sentence that names the key, and the environment variable if it came from one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// Longer values are not repeated whole.
const VALUE_CHARS_MAX: usize = 60;

impl ConfigError {
    pub(super) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// `key` holds something else than `wanted`; `value` is repeated where it is no secret.
    pub(super) fn wrong(named: &str, wanted: &str, value: Option<&str>) -> Self {
        let shown = match value {
            Some(value) => {
                let value: String = value.escape_debug().take(VALUE_CHARS_MAX).collect();
                format!(", but is `{value}`")
            }
            None => String::new(),
        };
        Self(format!("{named} must be {wanted}{shown}"))
    }
}

/// The environment variable that sets `key`.
pub(super) fn variable(key: &str) -> String {
    format!("BAPPY_{}", key.to_uppercase().replace('.', "__"))
}
