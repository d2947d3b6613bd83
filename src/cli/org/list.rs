//! `bappy org list`: all tenants.

use super::Session;
use super::view::{OrganizationView, word};
use crate::cli::output::{Format, Table};
use crate::cli::{ConfigArgs, Outcome};
use crate::store::organizations;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `org list`.
#[derive(Args)]
pub struct List {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    format: Format,
}

impl List {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        let accounts = organizations::list(&mut session.parts.database.read().await?).await?;
        let views: Vec<OrganizationView> =
            accounts.into_iter().map(|account| OrganizationView::new(account, false)).collect();
        self.format.print(&views, |views| table(views))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn table(views: &[OrganizationView]) -> String {
    let mut table = Table::new(["SLUG", "NAME", "STATUS", "BALANCE ", "CURRENCY", "LINKS "]);
    for view in views {
        table.row([
            view.slug.clone(),
            view.name.clone(),
            word(view.status).to_owned(),
            view.balance.to_string(),
            view.currency.to_string(),
            view.links_total.to_string(),
        ]);
    }
    table.or("There are no organizations.")
}
