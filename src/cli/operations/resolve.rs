//! `bappy operations resolve`: one operation brought to its end by hand, beside the service.

use super::view::OperationView;
use crate::app;
use crate::cli::actor_thread::ActorThread;
use crate::cli::output::Format;
use crate::cli::session::Session;
use crate::cli::{ConfigArgs, Failed, Outcome, values};
use crate::store::{attempts, organizations};
use actix::Arbiter;
use bappy_actors::model::OperationId;
use clap::Args;
use std::process::ExitCode;
use std::sync::Arc;

/// Arguments of `operations resolve`.
#[derive(Args)]
pub struct Resolve {
    #[command(flatten)]
    config: ConfigArgs,
    /// The operation
    #[arg(value_parser = values::operation)]
    id: OperationId,
    #[command(flatten)]
    format: Format,
}

impl Resolve {
    pub(super) async fn run(self) -> Outcome {
        let session = Arc::new(Session::open(&self.config).await?);
        let operator = session.operator()?;
        let database = &session.parts.database;
        let unknown = || Failed(format!("there is no operation {}", self.id));
        let found = attempts::find(&mut database.read().await?, self.id).await?;
        let org = found.ok_or_else(unknown)?.org_id;

        let parts = Arc::clone(&session);
        let core = move || {
            let wallets = Arbiter::new().handle();
            app::core(&parts.config, &parts.parts, operator, wallets)
        };
        let (core, actors) = ActorThread::start(core).await?;
        let resolved = core.resolver.resolve_now(org, self.id).await;
        core.operations.drain().await;
        core.wallets.drain().await;
        actors.stop().await;
        resolved?;

        let view = {
            let mut tx = database.read().await?;
            let attempt = attempts::get(&mut tx, org, self.id).await?.ok_or_else(unknown)?;
            let organization = organizations::by_id(&mut tx, org).await?;
            OperationView::new(&attempt, organization.map(|o| o.slug).unwrap_or_default())
        };
        self.format.print(&view, OperationView::line)?;
        Ok(ExitCode::SUCCESS)
    }
}
