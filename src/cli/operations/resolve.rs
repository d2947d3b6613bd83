//! `bappy operations resolve`: one operation brought to its end by hand, beside the service.

use super::view::OperationView;
use crate::app::{self, Core};
use crate::cli::output::Format;
use crate::cli::session::Session;
use crate::cli::{ConfigArgs, Failed, Outcome, values};
use crate::store::{attempts, organizations};
use actix::System;
use bappy_actors::model::OperationId;
use bappy_actors::ports::Operator;
use clap::Args;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

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

        let actors = Actors::start(Arc::clone(&session), operator).await?;
        let resolved = actors.core.resolver.resolve_now(org, self.id).await;
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

/// The core on a thread of its own, without listeners.
struct Actors {
    core: Core,
    system: System,
    thread: JoinHandle<()>,
}

impl Actors {
    async fn start(session: Arc<Session>, operator: Arc<dyn Operator>) -> Result<Self, Failed> {
        let (tell, started) = oneshot::channel();
        let io = Handle::current();
        let serve = move || {
            let runner = System::new();
            runner.block_on(async {
                let core = app::core(&session.config, &session.parts, operator, io);
                let _ = tell.send((core, System::current()));
            });
            if let Err(error) = runner.run() {
                tracing::error!(%error, "the actors' system ended badly");
            }
        };
        let thread = thread::Builder::new().name("bappy-system".to_owned()).spawn(serve)?;
        let (core, system) =
            started.await.map_err(|_| "the actors ended while they started".to_owned())?;
        Ok(Self { core, system, thread })
    }

    async fn stop(self) {
        self.core.operations.drain().await;
        self.core.wallets.drain().await;
        self.system.stop();
        let thread = self.thread;
        // A matter of milliseconds; what was resolved is committed whatever becomes of it.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}
