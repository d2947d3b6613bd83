//! `bappy plan list`: the catalogue, or one organization's part of it.

use crate::cli::output::{Format, Table};
use crate::cli::session::Session;
use crate::cli::{ConfigArgs, Outcome};
use crate::store::catalogue::{self, CataloguePlan, PricedPlan};
use bappy_actors::model::{CoverageType, Currency, Money, Plan, PlanId, Volume};
use clap::Args;
use rust_decimal::Decimal;
use serde::Serialize;
use std::process::ExitCode;

/// Arguments of `plan list`.
#[derive(Args)]
pub struct List {
    #[command(flatten)]
    config: ConfigArgs,
    /// At this organization's prices: what is enabled for it, or was priced for it
    #[arg(long, value_name = "SLUG")]
    org: Option<String>,
    #[command(flatten)]
    format: Format,
}

/// A plan, at wholesale or at an organization's price.
#[derive(Serialize)]
struct PlanView {
    id: PlanId,
    operator_plan_id: String,
    name: String,
    data_mb: Volume,
    validity_days: i32,
    price: Money,
    currency: Currency,
    sponsor_id: String,
    coverage_type: CoverageType,
    region: Option<String>,
    countries: Vec<String>,
    offered: bool,
    #[serde(flatten)]
    sold: Option<Sold>,
}

/// How it is sold to an organization.
#[derive(Serialize)]
struct Sold {
    enabled: bool,
    priced_by_hand: bool,
}

impl List {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        let organization = session.organization_if(self.org.as_deref()).await?;
        let mut tx = session.parts.database.read().await?;
        let views: Vec<PlanView> = match &organization {
            Some(organization) => {
                let plans = catalogue::priced(&mut tx, organization.id).await?;
                plans.into_iter().map(|plan| PlanView::sold(plan, organization.currency)).collect()
            }
            None => catalogue::all(&mut tx).await?.into_iter().map(PlanView::wholesale).collect(),
        };
        self.format.print(&views, |views| table(views))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl PlanView {
    fn wholesale(plan: CataloguePlan) -> Self {
        let (price, currency) = (plan.wholesale_price, plan.wholesale_currency);
        Self::new(Plan { price, ..plan.plan }, currency, plan.offered, None)
    }

    fn sold(plan: PricedPlan, currency: Currency) -> Self {
        let sold = Sold { enabled: plan.enabled, priced_by_hand: plan.by_hand };
        Self::new(plan.plan, currency, plan.offered, Some(sold))
    }

    fn new(plan: Plan, currency: Currency, offered: bool, sold: Option<Sold>) -> Self {
        Self {
            id: plan.id,
            operator_plan_id: plan.operator_plan_id,
            name: plan.name,
            data_mb: plan.data,
            validity_days: plan.validity_days,
            price: plan.price,
            currency,
            sponsor_id: plan.sponsor.id,
            coverage_type: plan.coverage_type,
            region: plan.region,
            countries: plan.countries,
            offered,
            sold,
        }
    }

    fn state(&self) -> String {
        let state = match &self.sold {
            _ if !self.offered => "withdrawn",
            Some(Sold { enabled: false, .. }) => "disabled",
            Some(Sold { enabled: true, .. }) => "enabled",
            None => "offered",
        };
        let by_hand = self.sold.as_ref().is_some_and(|sold| sold.priced_by_hand);
        format!("{state}{}", if by_hand { ", priced by hand" } else { "" })
    }
}

fn table(views: &[PlanView]) -> String {
    let header = ["PLAN", "NAME", "DATA ", "DAYS ", "PRICE ", "CURRENCY", "SPONSOR", "STATE"];
    let mut table = Table::new(header);
    for view in views {
        table.row([
            view.operator_plan_id.clone(),
            view.name.clone(),
            volume(view.data_mb),
            view.validity_days.to_string(),
            view.price.to_string(),
            view.currency.to_string(),
            view.sponsor_id.clone(),
            view.state(),
        ]);
    }
    table.or("There are no plans.")
}

/// `5 GB`, `500 MB`.
fn volume(volume: Volume) -> String {
    let kb = volume.kb();
    if kb >= 1_000_000 {
        return format!("{} GB", Decimal::new(kb, 6).normalize());
    }
    format!("{} MB", Decimal::new(kb, 3).normalize())
}
