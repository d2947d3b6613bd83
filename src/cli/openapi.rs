//! `bappy openapi`: the document of the API, for generators of clients.

use super::{Outcome, output};
use crate::http::openapi::{Settings, document};
use clap::Args;
use std::process::ExitCode;

/// Arguments of `openapi`.
#[derive(Args)]
pub struct Openapi {}

impl Openapi {
    pub(super) fn run(self) -> Outcome {
        output::write(&serde_json::to_string_pretty(&document(&Settings::public()))?)?;
        Ok(ExitCode::SUCCESS)
    }
}
