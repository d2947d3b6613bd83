//! `bappy plan import`: plans taken over from a file.

use super::file;
use super::sync::take_over;
use super::terms::{TakenOverView, TermArgs};
use crate::cli::output::Format;
use crate::cli::rows;
use crate::cli::session::Session;
use crate::cli::{ConfigArgs, Failed, Outcome};
use crate::store::catalogue;
use bappy_actors::model::Sponsor;
use clap::Args;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a file holds, for the command's help.
pub(super) const FIELDS: &str = "\
A file ending in .json holds a list of plans as the operator's catalogue writes them, or that list
in a field `items`:
  {plan_id, name, data_mb, validity_days, wholesale_price, currency,
   sponsor: {id, name, color}, coverage_type, region,
   coverage: [{country, networks: [{name, mcc, mnc, technologies}]}]}

A file ending in .csv has the same in columns, in any order:
  plan_id,name,data_mb,validity_days,wholesale_price,currency,sponsor_id,coverage_type,coverage
and, where wanted, sponsor_name, sponsor_color and region.

coverage_type is country, regional or global; region is AF, AS, EU, LA, NA or OC. In CSV, coverage
is a list of countries (ISO 3166-1 alpha-2) with spaces between them, such as `DE FR`, or the JSON
list above where networks are to be named.

A bad row names its line and field, and nothing is imported.";

/// Arguments of `plan import`.
#[derive(Args)]
pub struct Import {
    #[command(flatten)]
    config: ConfigArgs,
    /// The file, ending in .csv or .json
    file: PathBuf,
    #[command(flatten)]
    format: Format,
}

impl Import {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        let name = self.file.display();
        let extension = self.file.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let read = match extension.as_deref() {
            Some("csv") => file::csv,
            Some("json") => file::json,
            _ => return Err(Failed(format!("{name}: the name must end in .csv or .json"))),
        };
        let told = |why: String| Failed(format!("{name}: {why}; nothing was imported"));
        let mut items = read(&rows::read(&self.file)?).map_err(told)?;
        if items.is_empty() {
            return Err(told("there are no plans in it".to_owned()));
        }
        let known = sponsors(&session).await?;
        for item in &mut items {
            let sponsor = &mut item.sponsor;
            let before = known.get(&sponsor.id);
            // A file that leaves them out changes nothing about a sponsor that is known.
            if sponsor.name.is_empty() {
                sponsor.name = before.map_or_else(|| sponsor.id.clone(), |s| s.name.clone());
            }
            if sponsor.color.is_empty() {
                sponsor.color = before.map(|s| s.color.clone()).unwrap_or_default();
            }
        }
        let terms = TermArgs { markup: None, rates: Vec::new() };
        let taken = take_over(&session, items, false, terms).await?;
        self.format.print(&taken, TakenOverView::lines)?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn sponsors(session: &Session) -> Result<HashMap<String, Sponsor>, Failed> {
    let plans = catalogue::all(&mut session.parts.database.read().await?).await?;
    let sponsors = plans.into_iter().map(|plan| plan.plan.sponsor);
    Ok(sponsors.map(|sponsor| (sponsor.id.clone(), sponsor)).collect())
}
