//! `bappy audit`: Invariant I.
//!
//! The database is checked by `store::audit`; `walk.rs` reads what stands at the operator through
//! `upstream.rs`, and `compare.rs` says what of it differs.

mod compare;
mod report;
mod upstream;
mod walk;

use super::output::{Format, counted};
use super::session::Session;
use super::{ConfigArgs, Failed, Outcome};
use crate::store::{audit, organizations};
use bappy_actors::model::OrgId;
use clap::Args;
use report::{OperatorCheck, Report};
use std::collections::HashMap;
use std::process::ExitCode;

/// Arguments of `audit`.
#[derive(Args)]
pub struct Audit {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only this organization
    #[arg(long, value_name = "SLUG")]
    org: Option<String>,
    #[command(flatten)]
    format: Format,
}

impl Audit {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        let org = session.organization_if(self.org.as_deref()).await?.map(|found| found.id);
        let mut found = audit::audit(&session.parts.database, org).await?;
        let check = match session.operator() {
            Err(Failed(why)) => {
                eprintln!("The operator is not configured, so the database is judged alone: {why}");
                OperatorCheck::NotConfigured
            }
            Ok(operator) => {
                let walked = walk::walk(&session, operator, org).await?;
                found.violations.extend(walked.violations);
                match walked.stopped {
                    None => OperatorCheck::Checked,
                    Some(why) => {
                        eprintln!("The operator cannot be reached, so it is not compared: {why}");
                        OperatorCheck::NotReachable
                    }
                }
            }
        };
        let report = Report::new(found, &slugs(&session).await?, check);
        self.format.print(&report, Report::lines)?;
        if report.clean {
            return Ok(ExitCode::SUCCESS);
        }
        let count = counted(report.violations.len() as u64, "violation");
        Err(Failed(format!("the audit found {count}")))
    }
}

async fn slugs(session: &Session) -> Result<HashMap<OrgId, String>, Failed> {
    let accounts = organizations::list(&mut session.parts.database.read().await?).await?;
    Ok(accounts.into_iter().map(|a| (a.organization.id, a.organization.slug)).collect())
}
