//! `bappy fees run`: charges the monthly fees, beside the service.

use super::view::{OrganizationView, RunView};
use crate::app;
use crate::cli::actor_thread::ActorThread;
use crate::cli::output::Format;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::cli::{ConfigArgs, Failed, Outcome};
use crate::store::organizations::{self, Account};
use actix::Arbiter;
use bappy_actors::Arbiters;
use bappy_actors::billing::FeeRun;
use bappy_actors::model::{Month, OrgId};
use bappy_actors::operation::ResolverHandle;
use bappy_actors::ports::Store;
use bappy_actors::wallet::{WalletHandle, WalletLimits};
use clap::Args;
use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;

/// Arguments of `fees run`.
#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    config: ConfigArgs,
    /// The month [default: the current one, in UTC]
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<Month>,
    /// Says what would be charged, and changes nothing
    #[arg(long = "dry-run")]
    only_tells: bool,
    #[command(flatten)]
    format: Format,
}

impl Run {
    pub(super) async fn run(self) -> Outcome {
        let session = Arc::new(Session::open(&self.config).await?);
        let current = Month::of(session.parts.clock.now());
        let month = self.month.unwrap_or(current);
        if month > current && !self.only_tells {
            return Err(Failed(format!(
                "{month} has not begun; `--dry-run` says what would be charged"
            )));
        }
        let shared = Arc::clone(&session);
        let (fees, actors) = ActorThread::start(move || fee_run(&shared)).await?;
        let done = self.walk(&session, &fees, month).await;
        fees.wallets.drain().await;
        actors.stop().await;
        let view = RunView { month, dry_run: self.only_tells, organizations: done? };
        self.format.print(&view, RunView::table)?;
        Ok(ExitCode::SUCCESS)
    }

    async fn walk(
        &self,
        session: &Session,
        fees: &FeeRun,
        month: Month,
    ) -> Result<Vec<OrganizationView>, Failed> {
        let accounts = organizations::list(&mut session.parts.database.read().await?).await?;
        let accounts: HashMap<OrgId, Account> =
            accounts.into_iter().map(|account| (account.organization.id, account)).collect();
        let links: i64 = accounts.values().map(|account| account.links_total).sum();
        let progress = Progress::new(u64::try_from(links).unwrap_or(0), "Links looked at");
        let (mut views, mut after) = (Vec::new(), None);
        loop {
            let payers = fees.payers(None, after).await?;
            let Some(last) = payers.last() else { break };
            after = Some(last.org);
            for payer in payers {
                // One that was made meanwhile has no Link that a fee falls due of.
                let Some(account) = accounts.get(&payer.org) else { continue };
                let tally = if self.only_tells {
                    fees.estimate(payer, month, |links| progress.step(links)).await?
                } else {
                    fees.charge(payer, month, |links| progress.step(links)).await?
                };
                let (slug, currency) =
                    (account.organization.slug.clone(), account.organization.currency);
                views.push(OrganizationView::new(slug, currency, payer.price_per_link, tally));
            }
        }
        progress.end();
        Ok(views)
    }
}

/// What charges, on an arbiter of the current actix system. No operator is needed: the service
/// carries suspensions out.
fn fee_run(session: &Session) -> FeeRun {
    let parts = &session.parts;
    let wallets = Arc::new(WalletHandle::new(
        Arc::clone(&parts.store) as Arc<dyn Store>,
        Arc::clone(&parts.clock),
        Arbiters::new(Arbiter::new().handle(), []),
        WalletLimits::default(),
    ));
    app::fee_run(&session.config, parts, wallets, ResolverHandle::default())
}
