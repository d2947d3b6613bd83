//! `bappy sim list`: what is in a stock.

use crate::cli::output::{Format, Table};
use crate::cli::session::Session;
use crate::cli::{ConfigArgs, Outcome};
use crate::store::stock::{self, StockCard};
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// Arguments of `sim list`.
#[derive(Args)]
pub struct List {
    #[command(flatten)]
    config: ConfigArgs,
    /// The organization
    #[arg(long, value_name = "SLUG")]
    org: String,
    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct CardView {
    iccid: String,
    sponsor: String,
    state: String,
}

impl From<StockCard> for CardView {
    fn from(StockCard { iccid, sponsor, state }: StockCard) -> Self {
        Self { iccid, sponsor, state }
    }
}

impl List {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        let organization = session.organization(&self.org).await?;
        let cards = stock::list(&mut session.parts.database.read().await?, organization.id).await?;
        let cards: Vec<CardView> = cards.into_iter().map(Into::into).collect();
        self.format.print(&cards, |cards| {
            let mut table = Table::new(["ICCID", "SPONSOR", "STATE"]);
            for card in cards {
                table.row([card.iccid.clone(), card.sponsor.clone(), card.state.clone()]);
            }
            table.or(&format!("The stock of {} is empty.", organization.slug))
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
