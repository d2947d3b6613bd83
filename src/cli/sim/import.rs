//! `bappy sim import`: cards into a stock.

use crate::cli::output::{Format, counted};
use crate::cli::rows::{self, BadRow, CsvRow};
use crate::cli::session::Session;
use crate::cli::{ConfigArgs, Failed, Outcome};
use crate::store::stock::{self, StockError};
use clap::Args;
use serde::Serialize;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

const COLUMNS: [&str; 2] = ["iccid", "sponsor"];

/// Arguments of `sim import`.
#[derive(Args)]
pub struct Import {
    #[command(flatten)]
    config: ConfigArgs,
    /// The organization
    #[arg(long, value_name = "SLUG")]
    org: String,
    /// The file: CSV with the columns iccid,sponsor
    file: PathBuf,
    #[command(flatten)]
    format: Format,
}

/// What was imported.
#[derive(Serialize)]
struct Imported {
    organization: String,
    imported: u64,
}

struct Card {
    line: u64,
    iccid: String,
    sponsor: String,
}

impl Import {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        let organization = session.organization(&self.org).await?;
        let told = |why: &dyn std::fmt::Display| {
            Failed(format!("{}: {why}; nothing was imported", self.file.display()))
        };
        let cards = read(&rows::read(&self.file)?).map_err(|why| told(&why))?;
        let pairs: Vec<(String, String)> =
            cards.iter().map(|card| (card.iccid.clone(), card.sponsor.clone())).collect();
        let (id, at) = (organization.id, session.parts.clock.now());
        let written = session
            .parts
            .database
            .write(move |tx| Box::pin(async move { stock::import(tx, id, &pairs, at).await }));
        written.await?.map_err(|error| told(&refused(&cards, error)))?;
        let imported = Imported { organization: organization.slug, imported: cards.len() as u64 };
        self.format.print(&imported, |done| {
            let cards = counted(done.imported, "card");
            format!("{cards} imported into the stock of {}.", done.organization)
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

fn read(text: &str) -> Result<Vec<Card>, String> {
    let mut lines: HashMap<String, u64> = HashMap::new();
    let cards = rows::csv(text, &COLUMNS, COLUMNS.len(), |row| {
        let card = card(row)?;
        match lines.insert(card.iccid.clone(), card.line) {
            Some(first) => Err(bad(&card, "iccid", format!("also on line {first}"))),
            None => Ok(card),
        }
    })?;
    if cards.is_empty() { Err("there are no cards in it".to_owned()) } else { Ok(cards) }
}

fn card(row: &CsvRow<'_>) -> Result<Card, BadRow> {
    let (iccid, sponsor) = (row.cell("iccid").to_owned(), row.cell("sponsor").to_owned());
    let card = Card { line: row.line, iccid, sponsor };
    let digits = card.iccid.bytes().all(|b| b.is_ascii_digit());
    // E.118 gives a card up to 19 digits with a check digit; operators also print 20.
    if !digits || !(19..=20).contains(&card.iccid.len()) {
        let why = format!("`{}` is not an ICCID: write its 19 or 20 digits", card.iccid);
        return Err(bad(&card, "iccid", why));
    }
    if card.sponsor.is_empty() {
        return Err(bad(&card, "sponsor", "it is empty".to_owned()));
    }
    Ok(card)
}

fn refused(cards: &[Card], error: StockError) -> String {
    let (place, field) = match &error {
        StockError::UnknownSponsor(place) => (*place, "sponsor"),
        StockError::Known(place, _) => (*place, "iccid"),
    };
    let Some(card) = cards.get(place) else { return "a card was refused".to_owned() };
    let why = match error {
        StockError::UnknownSponsor(_) => format!("there is no sponsor `{}`", card.sponsor),
        StockError::Known(_, Some(slug)) => {
            format!("the card {} is in the stock of {slug}", card.iccid)
        }
        StockError::Known(_, None) => format!("the card {} is in the pool of eSIMs", card.iccid),
    };
    bad(card, field, why).to_string()
}

fn bad(card: &Card, field: &str, why: String) -> BadRow {
    BadRow { line: card.line, field: field.to_owned(), why }
}
