//! `bappy plan sync`: the operator's catalogue taken over.

use super::terms::{TakenOverView, TermArgs};
use crate::cli::output::Format;
use crate::cli::session::Session;
use crate::cli::{ConfigArgs, Failed, Outcome};
use crate::operator::catalogue as upstream;
use crate::store::catalogue::{self, NewTerms};
use bappy_actors::ports::CatalogueItem;
use clap::Args;
use std::process::ExitCode;
use std::sync::Arc;

/// Arguments of `plan sync`.
#[derive(Args)]
pub struct Sync {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    terms: TermArgs,
    #[command(flatten)]
    format: Format,
}

impl Sync {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        let operator = session.operator()?;
        let items = upstream::fetch(&*operator, session.config.operator.call_timeout).await?;
        let taken = take_over(&session, items, true, self.terms).await?;
        self.format.print(&taken, TakenOverView::lines)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Takes plans over, the `complete` catalogue or a part, and prices what follows them.
pub(super) async fn take_over(
    session: &Session,
    items: Vec<CatalogueItem>,
    complete: bool,
    terms: TermArgs,
) -> Result<TakenOverView, Failed> {
    let (ids, at) = (Arc::clone(&session.parts.ids), session.parts.clock.now());
    let terms = NewTerms { markup_percent: terms.markup, rates: terms.rates };
    let taken = session.parts.database.write(move |tx| {
        Box::pin(async move { catalogue::take_over(tx, &items, complete, &terms, &*ids, at).await })
    });
    let taken = taken.await?.map_err(|error| format!("{error}; nothing was changed"))?;
    Ok(taken.into())
}
