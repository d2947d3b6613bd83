//! A plan of a file: its fields as text, checked one by one.

use crate::reference::Region;
use bappy_actors::model::{Coverage, CoverageType, Currency, Money, MoneyError, Sponsor, Volume};
use bappy_actors::ports::CatalogueItem;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Which field is wrong, and why.
pub(super) type BadField = (&'static str, String);

/// A thousand terabytes: more than any plan, in megabytes.
const DATA_MB_MAX: i64 = 1_000_000_000;
/// A hundred years.
const DAYS_MAX: i32 = 36_500;

/// A plan as it is written in a file.
#[derive(Default)]
pub(super) struct Draft {
    pub plan_id: String,
    pub name: String,
    pub data_mb: String,
    pub validity_days: String,
    pub wholesale_price: String,
    pub currency: String,
    pub sponsor_id: String,
    pub sponsor_name: String,
    pub sponsor_color: String,
    pub coverage_type: String,
    pub region: String,
    pub coverage: Coverage,
}

impl Draft {
    /// The plan, or the first field that is wrong. A sponsor's name and colour may be empty.
    pub(super) fn check(self) -> Result<CatalogueItem, BadField> {
        let coverage_type = coverage_type(&self.coverage_type)?;
        let region = region(&self.region, coverage_type)?;
        if let Some(odd) = self.coverage.0.iter().find(|c| !is_country(&c.country)) {
            let why = format!("`{}` is not a country: write codes such as DE", odd.country);
            return Err(("coverage", why));
        }
        if self.coverage.0.is_empty() {
            return Err(("coverage", "it names no country".to_owned()));
        }
        Ok(CatalogueItem {
            operator_plan_id: filled("plan_id", self.plan_id)?,
            name: filled("name", self.name)?,
            data: data(&self.data_mb)?,
            validity_days: days(&self.validity_days)?,
            wholesale_price: price(&self.wholesale_price)?,
            currency: self.currency.parse::<Currency>().map_err(|why| ("currency", why))?,
            sponsor: Sponsor {
                id: filled("sponsor_id", self.sponsor_id)?,
                name: self.sponsor_name,
                color: self.sponsor_color,
            },
            coverage_type,
            region,
            coverage: self.coverage,
        })
    }
}

fn filled(field: &'static str, text: String) -> Result<String, BadField> {
    if text.trim().is_empty() { Err((field, "it is empty".to_owned())) } else { Ok(text) }
}

fn data(text: &str) -> Result<Volume, BadField> {
    let kilobytes = Decimal::from_str_exact(text)
        .ok()
        .filter(|mb| *mb > Decimal::ZERO && *mb <= Decimal::from(DATA_MB_MAX))
        .map(|mb| mb * Decimal::ONE_THOUSAND);
    // Volumes are kept in whole kilobytes.
    match kilobytes.filter(Decimal::is_integer).and_then(|kb| kb.to_i64()) {
        Some(kb) => Ok(Volume::from_kb(kb)),
        None => Err(("data_mb", format!("`{text}` is not a number of megabytes above zero"))),
    }
}

fn days(text: &str) -> Result<i32, BadField> {
    match text.parse::<i32>() {
        Ok(days) if (1..=DAYS_MAX).contains(&days) => Ok(days),
        _ => Err(("validity_days", format!("`{text}` is not a number of days above zero"))),
    }
}

fn price(text: &str) -> Result<Money, BadField> {
    let field = "wholesale_price";
    let price: Money = text.parse().map_err(|error: MoneyError| (field, error.to_string()))?;
    if price.is_negative() {
        return Err((field, "a price is not below zero".to_owned()));
    }
    Ok(price)
}

fn coverage_type(text: &str) -> Result<CoverageType, BadField> {
    match text {
        "country" => Ok(CoverageType::Country),
        "regional" => Ok(CoverageType::Regional),
        "global" => Ok(CoverageType::Global),
        other => Err(("coverage_type", format!("`{other}` is not country, regional or global"))),
    }
}

fn region(text: &str, coverage_type: CoverageType) -> Result<Option<String>, BadField> {
    if text.is_empty() {
        return Ok(None);
    }
    if coverage_type == CoverageType::Global {
        return Err(("region", "a global plan has none".to_owned()));
    }
    if Region::ALL.iter().any(|region| region.code() == text) {
        return Ok(Some(text.to_owned()));
    }
    Err(("region", format!("`{text}` is not AF, AS, EU, LA, NA or OC")))
}

fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase())
}
