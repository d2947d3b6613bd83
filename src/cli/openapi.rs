//! `bappy openapi`: the document of the API, for generators of clients.

use super::{Outcome, output};
use crate::http::openapi::{Settings, document};
use clap::Args;
use std::process::ExitCode;

/// Arguments of `openapi`.
#[derive(Args)]
pub struct Openapi {
    /// Prints JSON, as it does anyway
    #[arg(long = "json")]
    _json: bool,
}

/// Prints it.
pub(super) fn run() -> Outcome {
    output::write(&serde_json::to_string_pretty(&document(&Settings::public()))?)?;
    Ok(ExitCode::SUCCESS)
}
