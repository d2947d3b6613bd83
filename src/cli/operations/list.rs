//! `bappy operations list`: what is not over.

use super::view::{Open, OperationView};
use crate::cli::output::{Format, Table};
use crate::cli::session::Session;
use crate::cli::{ConfigArgs, Failed, Outcome};
use crate::http::show;
use crate::store::{Text, attempts, organizations};
use bappy_actors::model::OrgId;
use clap::Args;
use std::collections::HashMap;
use std::process::ExitCode;

/// Read at a time.
const PART: i64 = 1_000;

/// Arguments of `operations list`.
#[derive(Args)]
pub struct List {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only these
    #[arg(long, value_name = "STATE")]
    state: Option<Open>,
    /// Only of this organization
    #[arg(long, value_name = "SLUG")]
    org: Option<String>,
    #[command(flatten)]
    format: Format,
}

impl List {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        let organization = session.organization_if(self.org.as_deref()).await?;
        let mut views = open(&session, organization.map(|organization| organization.id)).await?;
        if self.state.is_some() {
            views.retain(|view| view.open == self.state);
        }
        self.format.print(&views, |views| table(views))?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn open(session: &Session, org: Option<OrgId>) -> Result<Vec<OperationView>, Failed> {
    let mut tx = session.parts.database.read().await?;
    let accounts = organizations::list(&mut tx).await?.into_iter();
    let slugs: HashMap<OrgId, String> =
        accounts.map(|a| (a.organization.id, a.organization.slug)).collect();
    let (mut views, mut after) = (Vec::new(), None);
    loop {
        let part = attempts::open(&mut tx, org, after, PART).await?;
        let Some(last) = part.last() else { return Ok(views) };
        after = Some((last.org_id, last.id));
        views.extend(part.iter().map(|attempt| {
            let slug = slugs.get(&attempt.org_id).cloned().unwrap_or_default();
            OperationView::new(attempt, slug)
        }));
    }
}

fn table(views: &[OperationView]) -> String {
    let header = ["OPERATION", "ORGANIZATION", "KIND", "STATE", "AMOUNT ", "LINK", "CREATED"];
    let mut table = Table::new(header);
    for view in views {
        table.row([
            view.id.to_string(),
            view.organization.clone(),
            view.kind.word().to_owned(),
            view.standing().to_owned(),
            view.amount.to_string(),
            view.link_id.to_string(),
            show::time(view.created_at),
        ]);
    }
    table.or("Nothing is pending, watched or manual.")
}
