//! `bappy openapi`: the document of the API, for generators of clients.

use super::{Outcome, output};
use crate::http::openapi::{Settings, document};
use std::process::ExitCode;

/// Prints it.
pub(super) fn run() -> Outcome {
    output::write(&serde_json::to_string_pretty(&document(&Settings::public()))?)?;
    Ok(ExitCode::SUCCESS)
}
