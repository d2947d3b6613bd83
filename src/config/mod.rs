//! The configuration: one TOML file and `BAPPY_…` environment variables, which win.
//!
//! Every command loads a [`Config`]; `app` hands its parts to what they configure. The sample
//! file `bappy.sample.toml` documents each key; a test holds the two together.
//!
//! **Invariants:** a key that is not read here is an error, so a misspelt one is never silently a
//! default; an error is one sentence that names the key, and the variable where it came from one;
//! no error and no `Debug` shows a password or the database's address.

mod error;
mod fields;
mod file;
mod settings;
mod source;

pub use error::ConfigError;
pub use settings::{
    BreakerConfig, CacheConfig, Config, DatabaseConfig, FeesConfig, IdentityConfig, Limit,
    LogConfig, LogFormat, MetricsConfig, OperatorConfig, OtlpConfig, RateLimitConfig, Required,
};

use source::Source;
use std::path::{Path, PathBuf};

/// What the defaults are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `bappy serve` and the commands beside it.
    Service,
    /// `bappy sandbox`: everything on this machine, with its data in a folder.
    Sandbox {
        /// The folder.
        data: PathBuf,
    },
}

impl Config {
    /// The configuration in `file` (none: no file) and in those of `environment` that begin with
    /// `BAPPY_`, over the profile's defaults. An empty variable counts as not set.
    pub fn load(
        profile: &Profile,
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut source = Source::read(file, environment)?;
        let config = fields::read(profile, &mut source)?;
        source.finish()?;
        Ok(config)
    }

    /// The variables of this process but for the one that names the file. What is no text is an
    /// error where it is ours, and somebody else's matter where it is not.
    pub fn environment() -> Result<Vec<(String, String)>, ConfigError> {
        let mut variables = Vec::new();
        for (key, value) in std::env::vars_os() {
            let Ok(key) = key.into_string() else { continue };
            match value.into_string() {
                _ if key == "BAPPY_CONFIG" => {}
                Ok(value) => variables.push((key, value)),
                Err(_) if key.starts_with("BAPPY_") => {
                    return Err(ConfigError::new(format!("{key} must be text in UTF-8")));
                }
                Err(_) => {}
            }
        }
        Ok(variables)
    }

    /// The sandbox's defaults, over which flags may still be written: no rate limit, its database in
    /// `data`. Who starts the simulators sets their addresses.
    pub fn sandbox(data: &Path) -> Result<Self, ConfigError> {
        Self::load(&Profile::Sandbox { data: data.to_owned() }, None, [])
    }

    /// Every key there is, in the order in which they are read.
    pub fn keys() -> Vec<&'static str> {
        let mut source = Source::default();
        // Nothing is set, so nothing can be wrong; what was asked for is all that matters.
        let _ = fields::read(&Profile::Service, &mut source);
        source.asked()
    }
}
